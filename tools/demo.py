"""Repair a vulnerable emulated board before your eyes: crash it, patch it over serial, attack it again.

Takes the firmware image of `./tools/dev build`; drives the same `patchctl` commands a user types, against
`patchctl sim run` on a pseudo-terminal. Leaves nothing behind but build/demo. Exit 1 if the board does not
behave as told, so that a test can run it.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue

import serial

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path("build") / "demo"  # from the checkout's root, where every command runs
PATCHCTL = Path(sys.executable).with_name("patchctl")
BOARD = "nrf52840dk"
IMAGE = f"build/firmware/{BOARD}/micropython/firmware.elf"
PATCH = "patches/import_all"
ATTACK = ("import sys; sys.modules['m'] = 42", "from m import *")
PROMPT = b">>> "
LIMIT_S = 20.0


class DemoFailed(Exception):
    """The board did not do what this demonstration shows."""


def headline(text: str) -> None:
    print(f"\n== {text}", flush=True)


def show_command(arguments: tuple[str, ...]) -> None:
    print(f"$ patchctl {shlex.join(arguments)}", flush=True)


def run(*arguments: str) -> None:
    """One patchctl command, as a user would type it."""
    show_command(arguments)
    finished = subprocess.run([PATCHCTL, *arguments], check=False)
    if finished.returncode != 0:
        raise DemoFailed(f"patchctl {arguments[0]} ended with {finished.returncode}")


class RunningBoard:
    """`patchctl sim run` in the background: its port, and the faults it reports."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._lines: Queue[str] = Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.selector = self.next_line(lambda line: line.startswith("serial:"))
        self.port = self.selector.partition(":")[2]

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.rstrip())

    def next_line(self, accepts: Callable[[str], bool]) -> str:
        """The next line that `accepts` takes; DemoFailed if none comes."""
        end = time.monotonic() + LIMIT_S
        while time.monotonic() < end:
            try:
                line = self._lines.get(timeout=0.2)
            except Empty:
                continue
            if accepts(line):
                return line
        raise DemoFailed("the emulated board did not report what was expected")

    def reset(self) -> None:
        """Press the reset button."""
        print("(reset button)", flush=True)
        self.process.send_signal(signal.SIGHUP)


@contextmanager
def board() -> Iterator[RunningBoard]:
    """The emulated board, running until the block ends."""
    arguments = (
        "sim",
        "run",
        BOARD,
        "--flash",
        str(FOLDER / "flash.bin"),
        "--keys",
        str(FOLDER / "keys.hex"),
    )
    show_command(arguments)
    process = subprocess.Popen([PATCHCTL, *arguments], stdout=subprocess.PIPE, text=True)
    try:
        running = RunningBoard(process)
        print(running.selector, flush=True)
        yield running
    finally:
        process.terminate()
        process.wait(LIMIT_S)


class Console:
    """A plain terminal on the board's port."""

    def __init__(self, path: str) -> None:
        self._port = serial.Serial(path, 115200, timeout=0.1, exclusive=True)

    def __enter__(self) -> Console:
        self.type("")
        return self

    def __exit__(self, *failure: object) -> None:
        self._port.close()

    def type(self, line: str) -> str:
        """Types a line; gives what the board says up to its next prompt, or until it falls silent."""
        self._port.write(line.encode() + b"\r")
        heard, silent = b"", 0
        while PROMPT not in heard and silent < 10:
            piece = self._port.read(256)
            heard, silent = heard + piece, 0 if piece else silent + 1
        return heard.decode(errors="replace").replace("\r", "")


def attack(running: RunningBoard) -> str:
    """Type the attack; print and give what the board says."""
    with Console(running.port) as console:
        said = ""
        for line in ATTACK:
            answer = console.type(line)
            print(f">>> {answer.removesuffix(PROMPT.decode()).rstrip()}", flush=True)
            said += answer
    return said


def expect_crash(running: RunningBoard) -> None:
    said = attack(running)
    if said.count(PROMPT.decode()) > 1:
        raise DemoFailed("the unpatched board survived the attack")
    print(running.next_line(lambda line: "mp_import_all" in line), flush=True)
    running.reset()
    running.next_line(lambda line: "reset" in line)


def expect_refusal(running: RunningBoard) -> None:
    if "ImportError" not in attack(running):
        raise DemoFailed("the patched board did not raise ImportError")
    with Console(running.port) as console:
        answer = console.type("print('still here')")
    print(f">>> {answer.removesuffix(PROMPT.decode()).rstrip()}", flush=True)
    if "\nstill here" not in answer:
        raise DemoFailed("the patched board fell silent")


def demonstrate() -> None:
    key, container = str(FOLDER / "demo.pem"), str(FOLDER / "import_all.suit")
    headline("A signing key, and the page of keys this board trusts")
    run("keys", "new", key)
    public = ("--key", str(FOLDER / "demo.pub.pem"))
    run("keys", "provision", "--board", BOARD, *public, "--out", str(FOLDER / "keys.hex"))
    headline(f"An emulated {BOARD} with MicroPython 1.25.0 and its known bug")
    with board() as running:
        headline("The attack, typed at its console: a HardFault")
        expect_crash(running)
        headline("The patch: C to eBPF, verified, signed")
        firmware = ("--board", BOARD, "--firmware", IMAGE)
        run("verify", PATCH, *firmware)
        run("build", PATCH, *firmware, "--key", key, "--out", container)
        headline("Pushed over the same serial port, while the firmware runs")
        run("push", container, "--to", running.selector)
        headline("The same attack again: an exception, no reset, and the board goes on")
        expect_refusal(running)
        run("list", "--to", running.selector)
        headline("Rolled back, without the key: the bug is back")
        Path(key).unlink()
        run("rollback", "import_all", "--to", running.selector)
        expect_crash(running)


def main() -> int:
    os.chdir(ROOT)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    os.environ["PATCHCTL_ARCHIVE"] = str(FOLDER / "archive")
    try:
        demonstrate()
    except DemoFailed as problem:
        print(f"\ndemo: {problem}", file=sys.stderr)
        return 1
    headline("Done: a running board was repaired by one push")
    return 0


if __name__ == "__main__":
    sys.exit(main())
