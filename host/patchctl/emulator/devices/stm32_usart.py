"""Stops 7 to 8 of 12. The USART of STM32L4 and STM32G0, without FIFO and DMA (ST's CMSIS device headers).

Takes bytes from the line into RDR, one at a time: a second one before the first is read is an overrun; sends
TDR through a shift register. Works at the clock of the chip's file only, and with pins connected to it. Next:
line.py
"""

from __future__ import annotations

from typing import ClassVar, Final

from patchctl.emulator.devices.line import BITS_PER_BYTE, LineEnd
from patchctl.emulator.devices.stm32 import StDevice, pin_function
from patchctl.emulator.registers import Register

_UE: Final = 1 << 0
_RE: Final = 1 << 2
_TE: Final = 1 << 3
_RXNEIE: Final = 1 << 5
_TCIE: Final = 1 << 6
_TXEIE: Final = 1 << 7
_ORE: Final = 1 << 3
_RXNE: Final = 1 << 5
_TC: Final = 1 << 6
_TXE: Final = 1 << 7
_TEACK: Final = 1 << 21
_REACK: Final = 1 << 22
_RXFRQ: Final = 1 << 3
_EIE: Final = 1 << 0
_OVRDIS: Final = 1 << 12
_BRR_MIN: Final = 16


class StUsart(StDevice, LineEnd):
    """8N1, oversampling by 16, without flow control."""

    state: ClassVar[tuple[str, ...]] = (
        *LineEnd.state, "control", "control3", "divider", "flags", "received", "waiting",
    )  # fmt: skip

    def reset(self) -> None:
        """Off."""
        super().reset()
        self.control = self.control3 = self.divider = self.received = 0
        self.flags = _TC | _TXE
        self.waiting: int | None = None  # in TDR, while another byte is in the shift register

    def table(self) -> dict[int, Register]:
        """CR1 to PRESC; what asks for more than 8N1 is unmodelled."""
        return {
            0x00: Register("CR1", lambda: self.control, self._set_control),
            0x04: Register("CR2", lambda: 0, lambda value: self._only_zero("CR2", value)),
            0x08: Register("CR3", lambda: self.control3, self._set_control3),
            0x0C: Register("BRR", lambda: self.divider, self._set_divider),
            0x18: Register("RQR", None, self._request),
            0x1C: Register("ISR", self._flags),
            0x20: Register("ICR", None, self._clear),
            0x24: Register("RDR", self._receive),
            0x28: Register("TDR", None, self._transmit),
            0x2C: Register("PRESC", lambda: 0, lambda value: self._only_zero("PRESC", value)),
        }

    # Receiving ---------------------------------------------------------------------------------------------

    def arrived(self, byte: int) -> None:
        """Into RDR, or lost."""
        if self.control & (_UE | _RE) != _UE | _RE or not self._wired(self.bus.link.receive_pin):
            self.lost_bytes += 1
        elif self.flags & _RXNE and not self.control3 & _OVRDIS:
            self.lost_bytes += 1
            self.flags |= _ORE
        else:
            self.received = byte
            self.flags |= _RXNE
        self._line()

    def _receive(self) -> int:
        self.flags &= ~_RXNE
        self._line()
        return self.received

    # Sending -----------------------------------------------------------------------------------------------

    def _transmit(self, value: int) -> None:
        if self.control & (_UE | _TE) != _UE | _TE:
            return
        if not self._wired(self.bus.link.transmit_pin):
            self.misuse("no pin of the board's serial line is connected to it", "TDR")
        self.flags &= ~_TC
        if self.outgoing is None:
            self._shift(value)
        elif self.waiting is None:
            self.waiting = value
            self.flags &= ~_TXE
        else:
            self.lost_bytes += 1  # TDR was written before TXE
            self.waiting = value
        self._line()

    def _shift(self, value: int) -> None:
        self.send(value, BITS_PER_BYTE * max(self.divider, 1))

    def sent(self) -> None:
        """The shift register is free."""
        if self.waiting is None:
            self.flags |= _TC
        else:
            self._shift(self.waiting)
            self.waiting = None
            self.flags |= _TXE
        self._line()

    # Registers ---------------------------------------------------------------------------------------------

    def _set_control(self, value: int) -> None:
        if value & ~(_UE | _RE | _TE | _RXNEIE | _TCIE | _TXEIE):
            self.unmodelled(f"CR1 = 0x{value:x}", "CR1")
        if value & _UE:
            self._check_start()
        else:
            self.flags = _TC | _TXE
            self.waiting = None
        self.control = value
        self._line()

    def _check_start(self) -> None:
        if self.rcc.clock_hz != self.bus.clock.hz:
            reason = (
                f"RCC runs the chip at {self.rcc.clock_hz} Hz and the chip's file says {self.bus.clock.hz}"
            )
            self.misuse(reason, "CR1")
        if self.divider < _BRR_MIN:
            self.misuse(f"BRR = {self.divider} is no divider", "CR1")

    def _set_control3(self, value: int) -> None:
        if value & ~(_EIE | _OVRDIS):
            self.unmodelled(f"CR3 = 0x{value:x}", "CR3")
        self.control3 = value
        self._line()

    def _set_divider(self, value: int) -> None:
        if self.control & _UE:
            self.misuse("it can be changed only while UE is 0", "BRR")
        self.divider = value & 0xFFFF

    def _flags(self) -> int:
        enabled = bool(self.control & _UE)
        teack = _TEACK if enabled and self.control & _TE else 0
        return self.flags | teack | (_REACK if enabled and self.control & _RE else 0)

    def _clear(self, value: int) -> None:
        self.flags &= ~(value & (_ORE | _TC))
        self._line()

    def _request(self, value: int) -> None:
        if value & ~_RXFRQ:
            self.unmodelled(f"RQR = 0x{value:x}", "RQR")
        self.flags &= ~_RXNE
        self._line()

    def _only_zero(self, name: str, value: int) -> None:
        if value:
            self.unmodelled(f"{name} = 0x{value:x}", name)

    def _wired(self, pin: int) -> bool:
        return pin_function(self.bus.devices.get, pin) == self.bus.link.pin_function

    def _line(self) -> None:
        wanted = self.control & self.flags & (_RXNE | _TC | _TXE)  # the enable bits are at the flags' places
        overrun = self.flags & _ORE and (self.control & _RXNEIE or self.control3 & _EIE)
        self.bus.set_line(self.spec.irq, bool(wanted or overrun))
