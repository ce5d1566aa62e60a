"""Stops 7 to 8 of 12. The host's end of a board's serial line.

Takes bytes to send; gives bytes the board sent. The line carries them at the board's baud rate in virtual
time; the device model at the other end takes and gives one byte at a time. Next: devices/nrf_uart.py
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import ClassVar

from patchctl.emulator.registers import Stateful


class SerialPort(Stateful):
    """`on_feed` tells the device that its line is no longer idle."""

    state: ClassVar[tuple[str, ...]] = ("line", "output", "sent_bytes")

    def __init__(self) -> None:
        self.line: deque[int] = deque()
        self.output = bytearray()
        self.sent_bytes = 0  # by the board, since power on
        self.on_feed: Callable[[], None] = lambda: None

    def feed(self, data: bytes) -> None:
        """Send `data` to the board; it arrives as virtual time passes."""
        self.line.extend(data)
        self.on_feed()

    def take(self) -> bytes:
        """All bytes that the board sent since the last call."""
        data = bytes(self.output)
        self.output.clear()
        return data

    def emit(self, byte: int) -> None:
        """One byte has left the board."""
        self.output.append(byte)
        self.sent_bytes += 1
