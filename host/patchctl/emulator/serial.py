"""Stops 7 to 8 of 12. The host's end of a board's serial line.

Takes bytes to send; gives bytes the board sent. The line carries them at the board's baud rate in virtual
time; the device model at the other end takes and gives one byte at a time. injection.py makes the line bad.
Next: devices/line.py
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import ClassVar

from patchctl.emulator.registers import Stateful

Disturbance = Callable[[int], int | None]  # what becomes of a byte; None: it is lost


class SerialPort(Stateful):
    """`on_feed` tells the device that its line is no longer idle."""

    state: ClassVar[tuple[str, ...]] = ("line", "output", "sent_bytes", "to_board", "to_host", "stuck")

    def __init__(self) -> None:
        self.line: deque[int] = deque()
        self.output = bytearray()
        self.sent_bytes = 0  # by the board, since power on
        self.to_board: Disturbance | None = None
        self.to_host: Disturbance | None = None
        self.stuck = False  # the transmitter never finishes a byte
        self.on_feed: Callable[[], None] = lambda: None

    def feed(self, data: bytes) -> None:
        """Send `data` to the board; it arrives as virtual time passes."""
        self.line.extend(data)
        self.on_feed()

    def take(self, count: int | None = None) -> bytes:
        """All bytes that the board sent since the last call, or the first `count` of them."""
        data = bytes(self.output[:count])
        del self.output[:count]
        return data

    def finder(self, wanted: bytes) -> Callable[[], int]:
        """A function that gives where the first `wanted` ends in the output, or -1.

        Each call looks only at what came since the last one. It serves until somebody takes output.
        """
        searched = 0

        def ends_at() -> int:
            nonlocal searched
            start = self.output.find(wanted, searched)
            searched = start if start >= 0 else max(0, len(self.output) - len(wanted) + 1)
            return start + len(wanted) if start >= 0 else -1

        return ends_at

    def next_byte(self) -> int | None:
        """The byte that reaches the board now; None if it is lost on the way."""
        byte = self.line.popleft()
        return self.to_board(byte) if self.to_board else byte

    def emit(self, byte: int) -> bool:
        """One byte has left the board; False if the transmitter is stuck and never says so."""
        if self.stuck:
            return False
        self.sent_bytes += 1
        seen = self.to_host(byte) if self.to_host else byte
        if seen is not None:
            self.output.append(seen)
        return True
