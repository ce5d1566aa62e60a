"""QEMU as a second opinion: the same ELF on qemu-system-arm, with a serial line and a look at registers.

Virtual time is counted in instructions (-icount) and sleep takes none, so a run does not depend on the
machine's speed. QEMU's UART has no baud rate: a byte arrives once the firmware has taken the one before.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from patchctl.board import Board
from patchctl.link.base import ClosesItself

QEMU = "qemu-system-arm"
ANSWER_S = 60.0  # of real time; nothing here takes a hundredth of it
_ICOUNT = "shift=5,align=off,sleep=off"
_POLL_S = 0.01


class Qemu:
    """A running board. Use boot(); `line` is the host's end of its serial line."""

    def __init__(self, board: Board, line: socket.socket, control: socket.socket) -> None:
        self.board = board
        self._line = line
        self._control = control.makefile("rwb")
        self._unread = b""
        self._control.readline()  # the greeting
        self.command("qmp_capabilities")

    # The serial line ---------------------------------------------------------------------------------------

    @property
    def serial(self) -> Qemu:
        """Where to type, as a Machine's."""
        return self

    def feed(self, data: bytes) -> None:
        """Send `data` to the board."""
        self._line.sendall(data)

    def read(self, timeout_s: float) -> bytes:
        """What the board has sent, as soon as there is anything; empty after `timeout_s`."""
        if self._unread:
            data, self._unread = self._unread, b""
            return data
        self._line.settimeout(timeout_s)
        try:
            return self._line.recv(4096)
        except (TimeoutError, BlockingIOError):
            return b""

    def run_until_output(self, wanted: bytes, *, limit_us: float = ANSWER_S * 1_000_000) -> bytes:
        """All output up to `wanted`, as Machine.run_until_output(), in real time."""
        output = b""
        end = time.monotonic() + limit_us / 1_000_000
        while wanted not in output:
            assert time.monotonic() < end, f"QEMU printed no {wanted!r}, but {output[-200:]!r}"
            output += self.read(1.0)
        taken = output[: output.index(wanted) + len(wanted)]
        self._unread = output[len(taken) :]
        return taken

    # The monitor (QEMU's docs, QMP) ------------------------------------------------------------------------

    def command(self, name: str, **arguments: object) -> Any:
        """One QMP command; what it returned."""
        self._control.write(json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n")
        self._control.flush()
        while True:
            answer = json.loads(self._control.readline())
            if "event" not in answer:
                assert "return" in answer, answer
                return answer["return"]

    def word(self, address: int) -> int:
        """The 32-bit word there, as the core reads it."""
        text = self._monitor(f"x /1xw 0x{address:x}")
        return int(text.partition(":")[2], 16)

    def register(self, name: str) -> int:
        """A register by QEMU's name: R00 to R15, XPSR."""
        found = re.search(rf"\b{name}=([0-9a-f]+)", self._monitor("info registers"))
        assert found, name
        return int(found[1], 16)

    def wait_for_pc(self, start: int, end: int) -> None:
        """Until the core is between `start` and `end`."""
        stop = time.monotonic() + ANSWER_S
        while not start <= self.register("R15") < end:
            assert time.monotonic() < stop, f"QEMU stands at {self.register('R15'):08x}"
            time.sleep(_POLL_S)

    def _monitor(self, line: str) -> str:
        return str(self.command("human-monitor-command", **{"command-line": line}))


class QemuLink(ClosesItself):
    """A Qemu as patchctl's Link."""

    repeatable = True

    def __init__(self, qemu: Qemu) -> None:
        self.name = f"qemu:{qemu.board.name}"
        self.board_name = qemu.board.name
        self._qemu = qemu

    def now_s(self) -> float:
        """Real time: QEMU tells nobody its own while it runs."""
        return time.monotonic()

    def read(self, timeout_s: float) -> bytes:
        """As Link.read()."""
        return self._qemu.read(timeout_s)

    def write(self, data: bytes) -> None:
        """As Link.write()."""
        self._qemu.feed(data)


@contextmanager
def boot(board: Board, elf: Path, key_page: bytes = b"") -> Iterator[Qemu]:
    """`elf` running on QEMU's machine for `board`, its store erased, as our emulator's is."""
    assert shutil.which(QEMU), "apt-get install qemu-system-arm; ./tools/dev doctor lists what is missing"
    with TemporaryDirectory() as name:
        folder = Path(name)
        process = subprocess.Popen(_arguments(board, elf, key_page, folder), stdin=subprocess.DEVNULL)
        try:
            with _connected(folder / "line") as line, _connected(folder / "control") as control:
                qemu = Qemu(board, line, control)
                qemu.command("cont")
                yield qemu
        finally:
            process.kill()
            process.wait()


def _arguments(board: Board, elf: Path, key_page: bytes, folder: Path) -> list[str]:
    flash = board.flash
    erased = bytes([0xFF]) * (flash.end - board.store.address)
    offset = board.keys.address - board.store.address
    (folder / "store").write_bytes(erased[:offset] + key_page + erased[offset + len(key_page) :])
    return [
        QEMU, "-M", board.name.replace("_", "-"), "-kernel", str(elf), "-S", "-display", "none",
        "-icount", _ICOUNT,
        "-device", f"loader,file={folder / 'store'},addr=0x{board.store.address:x},force-raw=on",
        "-serial", f"unix:{folder / 'line'},server=on,wait=off",
        "-qmp", f"unix:{folder / 'control'},server=on,wait=off",
    ]  # fmt: skip


def _connected(path: Path) -> socket.socket:
    end = time.monotonic() + ANSWER_S
    while True:
        line = socket.socket(socket.AF_UNIX)
        try:
            line.connect(str(path))
        except OSError:
            line.close()
            assert time.monotonic() < end, "QEMU does not start"
            time.sleep(_POLL_S)
        else:
            line.settimeout(ANSWER_S)
            return line
