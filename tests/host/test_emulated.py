"""The link to an emulated board: its clock is the board's, and nothing moves unless somebody waits."""

from __future__ import annotations

import pytest
from patchctl.errors import ConfigError, InputError, KeyRefused, UsageError
from patchctl.link import emulated
from patchctl.link.emulated import EmulatedLink
from patchctl.package import keypage

from tests.host.samples import BOARD, KEY, OTHER_KEY


class _Serial:
    def __init__(self) -> None:
        self.fed = b""
        self.output = b""

    def feed(self, data: bytes) -> None:
        self.fed += data

    def take(self) -> bytes:
        data, self.output = self.output, b""
        return data


class _Machine:
    """Says each text at its microsecond."""

    def __init__(self, **texts: bytes) -> None:
        self.serial = _Serial()
        self.now_us = 0
        self.texts = {int(at.removeprefix("at_")): text for at, text in texts.items()}

    def run_us(self, us: int) -> None:
        for at, text in self.texts.items():
            if self.now_us < at <= self.now_us + us:
                self.serial.output += text
        self.now_us += us


def test_reading_moves_the_boards_clock_by_what_was_asked_and_no_further():
    link = EmulatedLink(_Machine(), "nrf52840dk")

    assert link.read(0.0) == b""
    assert link.now_s() == 0.0
    assert link.read(0.0123456789) == b""
    assert link.now_s() == 0.012346


def test_reading_ends_with_the_first_bytes():
    link = EmulatedLink(_Machine(at_2500=b"ab", at_9000=b"c"), "nrf52840dk")

    assert link.read(1.0) == b"ab"
    assert link.now_s() == 0.003
    assert link.read(1.0) == b"c"


def test_booting_ends_when_the_firmware_is_silent_and_its_words_are_read_first():
    link = EmulatedLink(_Machine(at_7000=b"hello ", at_15000=b">>> ", at_300000=b"late"), "nrf52840dk")

    link.boot()

    assert link.now_s() == 0.035
    assert link.read(0.0) == b"hello >>> "
    assert link.read(1.0) == b"late"


def test_a_firmware_that_says_nothing_boots_for_half_a_second():
    link = EmulatedLink(_Machine(), "nrf52840dk")

    link.boot()

    assert link.now_s() == 0.5


def test_a_selector_names_board_and_files():
    selector = emulated.parse_selector("nrf52840dk?image=a.elf&flash=dir/f.bin&keys=k.hex")

    assert selector.board is BOARD
    assert [str(path) for path in (selector.image, selector.flash, selector.keys)] == [
        "a.elf",
        "dir/f.bin",
        "k.hex",
    ]
    assert emulated.parse_selector("nrf52840dk").image.name == "firmware.elf"


@pytest.mark.parametrize(("rest", "error"), [("nrf52840", ConfigError), ("nrf52840dk?flesh=x", UsageError)])
def test_a_selector_that_makes_no_sense_is_refused(rest, error):
    with pytest.raises(error):
        emulated.parse_selector(rest)


PAGE = keypage.encode(keypage.Keys((KEY.public, OTHER_KEY.public), bytes(32)))


@pytest.mark.parametrize("content", [PAGE, keypage.to_hex(PAGE, BOARD.keys.address).encode()])
def test_a_key_page_is_read_plain_or_as_hex(tmp_path, content):
    path = tmp_path / "keys"
    path.write_bytes(content)

    assert emulated.key_page_from(path, BOARD) == PAGE


@pytest.mark.parametrize(
    "content", [b"", b"garbage", b":garbage\n", b":\xff", keypage.to_hex(PAGE, 0x1000).encode()]
)
def test_a_file_without_the_boards_key_page_is_refused(tmp_path, content):
    path = tmp_path / "keys"
    path.write_bytes(content)

    with pytest.raises(KeyRefused):
        emulated.key_page_from(path, BOARD)


def test_a_missing_firmware_is_named_with_the_command_that_makes_it(tmp_path):
    selector = emulated.parse_selector(f"nrf52840dk?image={tmp_path}/none.elf")

    with pytest.raises(InputError) as failure:
        emulated.build_machine(selector)

    assert failure.value.where == f"{tmp_path}/none.elf"
    assert "make -C device_runtime" in failure.value.hint
