"""The NOR model: bits fall, pages rise, power fails."""

import pytest
from patchctl.board import Region
from patchctl.emulator.flash import TORN_SHAPES, Flash, PowerCut, flash_buffer
from patchctl.errors import InputError

REGION = Region(
    "flash", 0x1000, 0x4000, "rx", page_bytes=0x1000, program_unit=4, program_us=41, erase_us=85_000
)


@pytest.fixture
def flash():
    return Flash(REGION)


def test_new_flash_reads_as_erased(flash):
    assert flash.read(0x1000, 0x4000) == b"\xff" * 0x4000


def test_programming_clears_bits_and_never_sets_them(flash):
    flash.program(0x1004, b"\xf0\xff\x0f\xff")
    assert flash.rising_bits == 0
    flash.program(0x1004, b"\xff\x00\xff\xff")
    assert flash.read(0x1000, 12) == b"\xff" * 4 + b"\xf0\x00\x0f\xff" + b"\xff" * 4
    assert flash.rising_bits == 1


def test_erasing_restores_one_page_only(flash):
    for address in (0x1FFC, 0x2000, 0x2FFC, 0x3000):
        flash.program(address, b"\0\0\0\0")
    flash.erase(0x2000)
    assert [flash.read(a, 4) for a in (0x1FFC, 0x2000, 0x2FFC, 0x3000)] == [
        b"\0" * 4,
        b"\xff" * 4,
        b"\xff" * 4,
        b"\0" * 4,
    ]
    assert flash.erases == {0x2000: 1}


def test_operations_and_time_are_counted_by_the_unit(flash):
    flash.program(0x1000, bytes(16))
    flash.erase(0x1000)
    assert (flash.operations, flash.busy_us) == (5, 4 * 41 + 85_000)


@pytest.mark.parametrize(
    "misuse",
    [
        lambda flash: flash.program(0x1002, bytes(4)),
        lambda flash: flash.program(0x1000, bytes(3)),
        lambda flash: flash.program(0x0FFC, bytes(4)),
        lambda flash: flash.program(0x4FFC, bytes(8)),
        lambda flash: flash.erase(0x1004),
        lambda flash: flash.erase(0x5000),
        lambda flash: flash.cut_after(0, TORN_SHAPES),
        lambda flash: flash.read(0x4FFF, 2),
    ],
)
def test_misuse_is_refused_and_changes_nothing(flash, misuse):
    with pytest.raises(InputError):
        misuse(flash)
    assert (flash.operations, flash.read(0x1000, 0x4000)) == (0, b"\xff" * 0x4000)


@pytest.mark.parametrize("shape", range(TORN_SHAPES))
def test_a_cut_leaves_a_state_between_old_and_new_in_every_shape(flash, shape):
    flash.program(0x1000, b"\xcc\xcc\xcc\xcc")
    flash.cut_after(1, shape)
    flash.program(0x1004, bytes(4))
    with pytest.raises(PowerCut):
        flash.program(0x1000, bytes(4))
    torn = flash.read(0x1000, 4)
    assert all(byte & ~0xCC == 0 for byte in torn)
    assert {0: torn == b"\xcc" * 4, 1: torn == bytes(4)}.get(shape, True)
    assert flash.read(0x1004, 4) == bytes(4)


def test_a_torn_erase_leaves_some_bytes_of_the_page(flash):
    flash.program(0x1000, bytes(0x1000))
    flash.cut_after(0, shape=2)
    with pytest.raises(PowerCut):
        flash.erase(0x1000)
    page = flash.read(0x1000, 0x1000)
    assert page.startswith(b"\xff") and page.endswith(b"\0")


def test_a_cut_happens_once_and_may_be_forgotten(flash):
    flash.cut_after(0)
    with pytest.raises(PowerCut):
        flash.erase(0x1000)
    flash.erase(0x1000)
    flash.cut_after(0)
    flash.cut_never()
    flash.erase(0x1000)


def test_a_flash_file_outlives_the_process_and_has_the_chips_size(tmp_path):
    path = tmp_path / "flash.bin"
    Flash(REGION, flash_buffer(REGION.bytes, path)).program(0x1000, b"abcd")
    assert Flash(REGION, flash_buffer(REGION.bytes, path)).read(0x1000, 4) == b"abcd"
    assert path.read_bytes()[:4] == b"abcd"
    with pytest.raises(InputError):
        flash_buffer(REGION.bytes * 2, path)
