"""Stop 7 of 12. A running board's serial line as a pseudo-terminal or a TCP port, paced to wall time.

Takes a Machine; gives a path (or port) that any terminal, mpremote or `patchctl --to` opens. The only module
of the emulator that looks at the wall clock. Flash of a flash_file is in the file at once. Next: machine.py
"""

from __future__ import annotations

import contextlib
import os
import pty
import select
import socket
import threading
import time
import tty
from collections.abc import Callable
from typing import Final, Protocol

from patchctl.emulator.machine import Machine
from patchctl.errors import LinkError

_STEP_US: Final = 5_000  # virtual time between two looks at the line
_BEHIND_US: Final = 200_000  # a slow host loses this much pace, then virtual time no longer tries to catch up
_READ_BYTES: Final = 4096


class Line(Protocol):
    """The host's end: what arrived, and a place for what the board sent."""

    path: str

    def exchange(self, output: bytes, wait_s: float) -> bytes:
        """Offer `output`, wait up to `wait_s` for input, give what came; nobody there: output is lost."""

    def close(self) -> None:
        """Give the line back to the system."""


class PtyLine:
    """A pseudo-terminal in raw mode; `path` is what a terminal opens."""

    def __init__(self) -> None:
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)

    def exchange(self, output: bytes, wait_s: float) -> bytes:
        """See Line. The slave stays open here, so a terminal may come and go."""
        with contextlib.suppress(BlockingIOError):
            while output:
                output = output[os.write(self._master, output) :]
        ready, _, _ = select.select([self._master], [], [], wait_s)
        return os.read(self._master, _READ_BYTES) if ready else b""

    def close(self) -> None:
        """See Line."""
        os.close(self._master)
        os.close(self._slave)


class TcpLine:
    """A TCP server on localhost for one client at a time; `path` is "host:port"."""

    def __init__(self, port: int = 0) -> None:
        try:
            self._server = socket.create_server(("127.0.0.1", port))
        except OSError as problem:
            raise LinkError(f"cannot listen on port {port}: {problem.strerror}") from problem
        self._client: socket.socket | None = None
        self.path = "{}:{}".format(*self._server.getsockname())

    def exchange(self, output: bytes, wait_s: float) -> bytes:
        """See Line."""
        if self._client is None:
            return self._accept(wait_s)
        try:
            self._client.sendall(output)
            ready, _, _ = select.select([self._client], [], [], wait_s)
            data = self._client.recv(_READ_BYTES) if ready else b""
        except OSError:
            ready, data = [self._client], b""
        if ready and not data:
            self._client.close()
            self._client = None
        return data

    def _accept(self, wait_s: float) -> bytes:
        ready, _, _ = select.select([self._server], [], [], wait_s)
        if ready:
            self._client = self._server.accept()[0]
            self._client.settimeout(1.0)
        return b""

    def close(self) -> None:
        """See Line."""
        if self._client is not None:
            self._client.close()
        self._server.close()


def run_line(
    machine: Machine,
    line: Line,
    stop: Callable[[], bool],
    clock: Callable[[], float],
    advance: Callable[[int], None] | None = None,
) -> None:
    """Run `machine` on `line` until `stop()`; virtual time never runs ahead of `clock()` (seconds).

    `advance(us)` runs the board in place of Machine.run_us: a debugger may hold it there.
    """
    go = advance or machine.run_us
    wall_start, virtual_start = clock(), machine.now_us
    while not stop():
        go(_STEP_US)
        ahead_us = machine.now_us - virtual_start - int((clock() - wall_start) * 1_000_000)
        if ahead_us < -_BEHIND_US:
            wall_start, virtual_start = clock(), machine.now_us
        data = line.exchange(machine.serial.take(), max(0, ahead_us) / 1_000_000)
        if data:
            machine.serial.feed(data)


def serve(machine: Machine, stop: threading.Event, line: Line | None = None) -> str:
    """Run `machine` on a new pseudo-terminal, or on `line`, in a thread until `stop` is set; gives its path.

    What the machine raises ends the thread; the line is closed in any case.
    """
    open_line: Line = line or PtyLine()

    def body() -> None:
        try:
            run_line(machine, open_line, stop.is_set, time.monotonic)
        finally:
            stop.set()
            open_line.close()

    threading.Thread(target=body, name=f"board {machine.board.name}", daemon=True).start()
    return open_line.path
