"""The MicroPython image for tests: built once, and a board that runs it."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

from elftools.elf.elffile import ELFFile
from patchctl.bench import Booted, Target, boot
from patchctl.emulator.console import PROMPT, Console

ROOT = Path(__file__).resolve().parents[2]
BOARD = "nrf52840dk"


@cache
def firmware_elf(board: str = BOARD, image: str = "micropython") -> Path:
    """The image in build/, up to date; the Makefile keeps parallel tests apart by a lock."""
    command = ["make", "-s", "-j2", "-C", str(ROOT / "device_runtime"), f"BOARD={board}", f"IMAGE={image}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return ROOT / "build" / "firmware" / board / image / "firmware.elf"


@cache
def booted(board: str = BOARD) -> Booted:
    """A board at its first prompt, with the test key; once per test process."""
    return boot(Target(board, "micropython", firmware_elf(board)), PROMPT)


@cache
def firmware_build_id(board: str = BOARD) -> bytes:
    """The build-id in the image's note."""
    with firmware_elf(board).open("rb") as stream:
        note = ELFFile(stream).get_section_by_name(".note.gnu.build-id")
        return bytes.fromhex(next(iter(note.iter_notes()))["n_desc"])


__all__ = ["BOARD", "PROMPT", "ROOT", "Console", "booted", "firmware_build_id", "firmware_elf"]
