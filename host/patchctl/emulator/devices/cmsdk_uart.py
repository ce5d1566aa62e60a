"""Stops 7 to 8 of 12. The APB UART of Arm's Cortex-M System Design Kit (its TRM, section on the APB UART).

Takes bytes from the line into DATA, one at a time: a second one before the first is read is an overrun; sends
DATA through a shift register. Receiver and transmitter have an interrupt line each. Next: line.py
"""

from __future__ import annotations

from typing import ClassVar, Final

from patchctl.emulator.devices.line import BITS_PER_BYTE, LineEnd
from patchctl.emulator.registers import Register, misuse, unmodelled

_TX: Final = 1 << 0  # of CTRL: enabled; of INTSTATUS: its interrupt; of STATE: buffer full
_RX: Final = 1 << 1
_OVERRUNS: Final = 0b1100  # of STATE and INTSTATUS: a byte was lost in the transmitter, in the receiver
_OVERRUN_RX: Final = 1 << 3
_ENABLES: Final = 2  # CTRL enables interrupt n by bit n + 2
_CONTROL: Final = 0x3F
_DIVIDER_MIN: Final = 16
_DIVIDER: Final = 0xF_FFFF


class CmsdkUart(LineEnd):
    """8N1, without high-speed test mode."""

    state: ClassVar[tuple[str, ...]] = (
        *LineEnd.state, "full", "control", "interrupts", "divider", "received", "waiting",
    )  # fmt: skip

    def reset(self) -> None:
        """Off."""
        super().reset()
        self.full = self.control = self.interrupts = self.divider = self.received = 0
        self.waiting = 0  # in DATA, while another byte is in the shift register

    def table(self) -> dict[int, Register]:
        """All registers but the identification."""
        return {
            0x00: Register("DATA", self._receive, self._transmit),
            0x04: Register("STATE", lambda: self.full, self._clear_overruns),
            0x08: Register("CTRL", lambda: self.control, self._set_control),
            0x0C: Register("INTSTATUS", lambda: self.interrupts, self._clear),
            0x10: Register("BAUDDIV", lambda: self.divider, self._set_divider),
        }

    def arrived(self, byte: int) -> None:
        """Into DATA, or over what is there: the byte before it is lost."""
        if not self.control & _RX:
            self.lost_bytes += 1
            return
        if self.full & _RX:
            self.lost_bytes += 1
            self.full |= _OVERRUN_RX
            self._raise(_OVERRUN_RX)
        self.received = byte
        self.full |= _RX
        self._raise(_RX)

    def sent(self) -> None:
        """The shift register is free."""
        if self.full & _TX:
            self.full &= ~_TX
            self._shift(self.waiting)

    def _receive(self) -> int:
        self.full &= ~_RX
        return self.received

    def _transmit(self, value: int) -> None:
        if not self.control & _TX:
            self._misuse("its transmitter is off", 0x00)
        if self.full & _TX:
            self._misuse("the byte before has not left DATA", 0x00)
        if self.outgoing is None:
            self._shift(value & 0xFF)
        else:
            self.waiting = value & 0xFF
            self.full |= _TX

    def _shift(self, byte: int) -> None:
        """DATA is empty from now on, which is what the transmitter's interrupt says."""
        self.send(byte, BITS_PER_BYTE * self.divider)
        self._raise(_TX)

    def _set_control(self, value: int) -> None:
        if value & ~_CONTROL:
            what = f"CTRL = 0x{value:x}"
            raise unmodelled(what, f"{self.spec.name}.CTRL", self.spec.address + 0x08, self.bus.pc())
        if self.divider < _DIVIDER_MIN:
            self._misuse(f"BAUDDIV = {self.divider} is no divider", 0x08)
        self.control = value
        self._lines()

    def _set_divider(self, value: int) -> None:
        self.divider = value & _DIVIDER

    def _clear_overruns(self, value: int) -> None:
        self.full &= ~(value & _OVERRUNS)

    def _clear(self, value: int) -> None:
        self.interrupts &= ~value
        self._lines()

    def _raise(self, interrupt: int) -> None:
        if self.control >> _ENABLES & interrupt:
            self.interrupts |= interrupt
        self._lines()

    def _lines(self) -> None:
        """A line is high while the status bit is set, as INTSTATUS is behind the enables."""
        self.bus.set_line(self.spec.irq, bool(self.interrupts & _RX))
        self.bus.set_line(self.spec.transmit_irq, bool(self.interrupts & _TX))

    def _misuse(self, reason: str, offset: int) -> None:
        raise misuse(reason, self.spec.name, self.spec.address + offset, self.bus.pc())
