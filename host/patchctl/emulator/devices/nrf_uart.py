"""Stops 7 to 8 of 12. Nordic's UART without DMA (nRF51, nRF52; nRF52840 product specification, 6.33).

Takes bytes from the line at the line's baud rate into a FIFO of six; sends what TXD is given at the
configured rate. Next: line.py
"""

from __future__ import annotations

from collections import deque
from typing import ClassVar, Final

from patchctl.emulator.devices.base import NrfEvents
from patchctl.emulator.devices.line import BITS_PER_BYTE, LineEnd
from patchctl.emulator.registers import Register, unmodelled

FIFO_BYTES: Final = 6
_ENABLED: Final = 4
_BAUD_CLOCK_HZ: Final = 16_000_000  # BAUDRATE holds baud * 2^32 / 16 MHz
_OVERRUN: Final = 1


class NrfUart(NrfEvents, LineEnd):
    """UART0 in its legacy form, 8N1, without flow control."""

    state: ClassVar[tuple[str, ...]] = (
        *NrfEvents.state, *LineEnd.state,
        "enable", "baudrate", "config", "shorts", "pins", "error_source", "receiving", "transmitting",
        "fifo", "last",
    )  # fmt: skip
    event_offsets: ClassVar[dict[str, int]] = {
        "CTS": 0x100, "NCTS": 0x104, "RXDRDY": 0x108, "TXDRDY": 0x11C, "ERROR": 0x124, "RXTO": 0x144,
    }  # fmt: skip

    def reset(self) -> None:
        """Off. What is on the line goes on arriving, and is lost while nobody receives."""
        super().reset()
        self.enable = self.config = self.shorts = self.error_source = 0
        self.baudrate = 0x0400_0000
        self.pins = [0xFFFF_FFFF] * 4
        self.receiving = self.transmitting = False
        self.fifo: deque[int] = deque()
        self.last = 0

    def table(self) -> dict[int, Register]:
        """All registers of the legacy UART."""
        rows = self.event_rows() | self._tasks()
        for index, name in enumerate(("RTS", "TXD", "CTS", "RXD")):
            rows[0x508 + 4 * index] = self._pin(index, name)
        for offset, name, attribute in ((0x500, "ENABLE", "enable"), (0x524, "BAUDRATE", "baudrate")):
            rows[offset] = self._plain(name, attribute)
        rows[0x200] = Register("SHORTS", lambda: self.shorts, self._set_shorts)
        rows[0x480] = Register("ERRORSRC", lambda: self.error_source, self._clear_errors)
        rows[0x518] = Register("RXD", self._receive)
        rows[0x51C] = Register("TXD", None, self._send)
        rows[0x56C] = Register("CONFIG", lambda: self.config, self._set_config)
        return rows

    def _tasks(self) -> dict[int, Register]:
        def set_(**values: bool) -> None:
            for name, value in values.items():
                setattr(self, name, value)

        def stop_receiving() -> None:
            self.receiving = False
            self.signal("RXTO")

        return {
            0x000: self.task("TASKS_STARTRX", lambda: set_(receiving=True)),
            0x004: self.task("TASKS_STOPRX", stop_receiving),
            0x008: self.task("TASKS_STARTTX", lambda: set_(transmitting=True)),
            0x00C: self.task("TASKS_STOPTX", lambda: set_(transmitting=False)),
            0x01C: self.task("TASKS_SUSPEND", lambda: set_(receiving=False, transmitting=False)),
        }

    def arrived(self, byte: int) -> None:
        """Into the FIFO, if anybody receives and it has room."""
        if self.enable != _ENABLED or not self.receiving:
            self.lost_bytes += 1
        elif len(self.fifo) == FIFO_BYTES:
            self.lost_bytes += 1
            self.error_source |= _OVERRUN
            self.signal("ERROR")
        else:
            self.fifo.append(byte)
            if len(self.fifo) == 1:
                self.signal("RXDRDY")

    def sent(self) -> None:
        """TXD is free again."""
        self.signal("TXDRDY")

    def _receive(self) -> int:
        if self.fifo:
            self.last = self.fifo.popleft()
            if self.fifo:
                self.signal("RXDRDY")
        return self.last

    def _send(self, value: int) -> None:
        if self.enable != _ENABLED or not self.transmitting:
            return
        if self.outgoing is not None:
            self.lost_bytes += 1  # TXD was written before TXDRDY
            return
        cycles = BITS_PER_BYTE * self.bus.clock.hz * (1 << 32) // (self.baudrate * _BAUD_CLOCK_HZ)
        self.send(value, cycles)

    def _pin(self, index: int, name: str) -> Register:
        def write(value: int) -> None:
            self.pins[index] = value

        return Register(f"PSEL.{name}", lambda: self.pins[index], write)

    def _plain(self, name: str, attribute: str) -> Register:
        return Register(name, lambda: getattr(self, attribute), lambda value: setattr(self, attribute, value))

    def _clear_errors(self, value: int) -> None:
        self.error_source &= ~value

    def _set_shorts(self, value: int) -> None:
        self.shorts = self._only_zero("SHORTS", 0x200, value)

    def _set_config(self, value: int) -> None:
        self.config = self._only_zero("CONFIG", 0x56C, value)

    def _only_zero(self, name: str, offset: int, value: int) -> int:
        """Parity, flow control and shortcuts are not modelled, so asking for them is an error."""
        if value:
            what = f"{name} = 0x{value:x}"
            raise unmodelled(what, f"{self.spec.name}.{name}", self.spec.address + offset, self.bus.pc())
        return value
