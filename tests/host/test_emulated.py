"""The link to an emulated board: its clock is the board's, and nothing moves unless somebody waits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from patchctl.errors import ConfigError, InputError, KeyRefused, LinkError, UsageError
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

    with pytest.raises(InputError) as failure, emulated.powered(selector):
        pass

    assert failure.value.where == f"{tmp_path}/none.elf"
    assert "make -C device_runtime" in failure.value.hint


@pytest.fixture
def kept(tmp_path):
    """What follows `sim:` for a board that echoes, with a flash file that is not there yet."""
    pytest.importorskip("unicorn", reason="emulated boards need unicorn: pip install 'patchctl[sim]'")
    from emulator_boards import firmware

    (tmp_path / "echo.elf").write_bytes(firmware("echo"))
    return f"nrf52840dk?image={tmp_path}/echo.elf&flash={tmp_path}/flash.bin"


def test_a_flash_file_is_one_link_s_until_that_is_closed(kept):
    first = EmulatedLink.open(kept)
    with pytest.raises(LinkError, match="another emulated board runs on this flash"):
        EmulatedLink.open(kept)
    first.close()
    first.close()

    with EmulatedLink.open(kept), pytest.raises(LinkError):
        EmulatedLink.open(kept)
    EmulatedLink.open(kept).close()


HOLD = (
    "import sys\n"
    "from patchctl.link.emulated import EmulatedLink\n"
    "link = EmulatedLink.open(sys.argv[1])\n"
    "print('open', flush=True)\n"
    "sys.stdin.read()\n"
)


def test_a_killed_process_leaves_its_flash_file_to_the_next(kept):
    host = str(Path(__file__).resolve().parents[2] / "host")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, kept], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": host},
    ) as other:  # fmt: skip
        assert other.stdout.readline() == "open\n"
        with pytest.raises(LinkError):
            EmulatedLink.open(kept)
        other.kill()
        assert other.wait(timeout=60) == -signal.SIGKILL

    EmulatedLink.open(kept).close()


def test_a_board_that_cannot_be_made_keeps_no_flash_file(kept, tmp_path):
    (tmp_path / "keys").write_bytes(b"garbage")
    with pytest.raises(KeyRefused):
        EmulatedLink.open(f"{kept}&keys={tmp_path}/keys")
    assert not (tmp_path / "flash.bin").exists()

    (tmp_path / "flash.bin").write_bytes(b"short")
    with pytest.raises(InputError, match="flash file has 5 bytes"):
        EmulatedLink.open(kept)
    (tmp_path / "flash.bin").unlink()
    EmulatedLink.open(kept).close()
