"""Stops 7 to 8 of 12. The board's end of the serial line, whatever the chip's registers look like.

Takes bytes from the line at the line's baud rate, and one byte at a time to send; gives arrived() and sent()
to the model. Next: ../serial.py
"""

from __future__ import annotations

from typing import ClassVar, Final

from patchctl.emulator.clock import NEVER
from patchctl.emulator.devices.base import Device

BITS_PER_BYTE: Final = 10  # 8N1


class LineEnd(Device):
    """Bytes come whether or not the model listens: what it does not take is counted in `lost_bytes`."""

    state: ClassVar[tuple[str, ...]] = (*Device.state, "receive_at", "sent_at", "outgoing", "lost_bytes")

    def reset(self) -> None:
        """What is on the line goes on arriving; what was being sent is gone."""
        super().reset()
        self.outgoing: int | None = None
        self.receive_at = self.sent_at = NEVER
        self.lost_bytes = 0
        self.bus.serial.on_feed = self.line_busy
        self.line_busy()

    def arrived(self, byte: int) -> None:
        """One byte has come in."""
        raise NotImplementedError

    def sent(self) -> None:
        """The byte given to send() has left."""
        raise NotImplementedError

    def line_busy(self) -> None:
        """The host has sent something: its first byte ends one byte time from now."""
        if self.receive_at == NEVER and self.bus.serial.line:
            self.receive_at = self.bus.clock.now + self._byte_cycles()
            self.plan()

    def send(self, byte: int, cycles: int) -> None:
        """`byte` leaves over the next `cycles`."""
        self.outgoing = byte & 0xFF
        self.sent_at = self.bus.clock.now + cycles
        self.plan()
        self.bus.kick()

    def plan(self) -> None:
        """The deadline is the next byte's, in or out."""
        self.deadline = min(self.receive_at, self.sent_at)

    def fire(self) -> None:
        """A byte has arrived, or has left, or both."""
        now = self.bus.clock.now
        if self.sent_at <= now:
            self._leave()
        if self.receive_at <= now:
            self._arrive()
        self.plan()

    def _leave(self) -> None:
        byte, self.outgoing, self.sent_at = self.outgoing, None, NEVER
        if byte is not None and self.bus.serial.emit(byte):
            self.sent()

    def _arrive(self) -> None:
        serial = self.bus.serial
        byte = serial.next_byte()
        self.receive_at = self.receive_at + self._byte_cycles() if serial.line else NEVER
        if byte is not None:
            self.arrived(byte)

    def _byte_cycles(self) -> int:
        return BITS_PER_BYTE * self.bus.clock.hz // self.bus.link.baud
