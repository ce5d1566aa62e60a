"""The MicroPython image for tests: built once, and a board that runs it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from elftools.elf.elffile import ELFFile
from patchctl.board import load_board
from patchctl.emulator import Machine

ROOT = Path(__file__).resolve().parents[2]
BOARD = "nrf52840dk"
PROMPT = b">>> "
END_OF_TEXT = b"\x04"


@cache
def firmware_elf(board: str = BOARD, image: str = "micropython") -> Path:
    """The image in build/, up to date; the Makefile keeps parallel tests apart by a lock."""
    command = ["make", "-s", "-j2", "-C", str(ROOT / "device_runtime"), f"BOARD={board}", f"IMAGE={image}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return ROOT / "build" / "firmware" / board / image / "firmware.elf"


@dataclass(frozen=True, slots=True)
class Console:
    """What a person or tool at the serial port does."""

    machine: Machine

    def line(self, text: str) -> str:
        """Types one line at the prompt; gives what the board printed before the next one, without echo."""
        self.machine.serial.feed(text.encode() + b"\r")
        output = self.machine.run_until_output(b"\r\n" + PROMPT)
        printed = output.removeprefix(text.encode() + b"\r\n").removesuffix(PROMPT)
        return printed.removesuffix(b"\r\n").decode().replace("\r\n", "\n")

    def enter_raw(self) -> None:
        """Raw REPL: no echo, no prompt per line (MicroPython docs, reference/repl.rst)."""
        self.machine.serial.feed(b"\r\x01")
        self.machine.run_until_output(b"raw REPL; CTRL-B to exit\r\n>")

    def run_script(self, script: bytes, *, limit_us: int = 60_000_000) -> tuple[str, str]:
        """Runs a script in the raw REPL; gives what it printed, and the traceback it ended with."""
        self.enter_raw()
        self.machine.serial.feed(script + END_OF_TEXT)
        self.machine.run_until_output(b"OK", limit_us=limit_us)
        printed = self.machine.run_until_output(END_OF_TEXT, limit_us=limit_us)
        error = self.machine.run_until_output(END_OF_TEXT + b">", limit_us=limit_us)
        self.machine.serial.feed(b"\x02")
        self.machine.run_until_output(PROMPT)
        return (
            printed.removesuffix(END_OF_TEXT).decode().replace("\r\n", "\n"),
            error.removesuffix(END_OF_TEXT + b">").decode().replace("\r\n", "\n"),
        )


def booted(board: str = BOARD) -> Machine:
    """A board at its first prompt."""
    machine = Machine(load_board(board), firmware_elf(board))
    machine.run_until_output(PROMPT)
    return machine


@cache
def firmware_build_id() -> bytes:
    """The build-id in the image's note."""
    with firmware_elf().open("rb") as stream:
        note = ELFFile(stream).get_section_by_name(".note.gnu.build-id")
        return bytes.fromhex(next(iter(note.iter_notes()))["n_desc"])
