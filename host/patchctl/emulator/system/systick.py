"""Stop 11 of 12. SysTick (ARMv7-M B3.3), clocked by the core, offsets from 0xE0000000.

Takes the clock; gives register rows and a deadline at which the counter reaches 0. Next: fpb.py
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from patchctl.emulator.clock import NEVER, Clock
from patchctl.emulator.exceptions import SYSTICK, Exceptions
from patchctl.emulator.registers import Register, Stateful, constant, unmodelled


class SysTick(Stateful):
    """`deadline` is the cycle at which the counter next goes from 1 to 0."""

    state: ClassVar[tuple[str, ...]] = ("deadline", "reload", "control", "counted", "_held")

    def __init__(self, clock: Clock, exceptions: Exceptions, kick: Callable[[], None]) -> None:
        self.clock = clock
        self.exceptions = exceptions
        self.kick = kick
        self.reset()

    def reset(self) -> None:
        """Stopped, all zero."""
        self.deadline = NEVER
        self.reload = 0
        self.control = 0
        self.counted = False
        self._held = 0  # the counter's value while it stands

    def registers(self) -> dict[int, Register]:
        """CTRL, LOAD, VAL, CALIB."""

        def set_reload(value: int) -> None:
            self.reload = value & 0xFF_FFFF

        return {
            0xE010: Register("SYST_CSR", self._read_control, self._set_control),
            0xE014: Register("SYST_RVR", lambda: self.reload, set_reload),
            0xE018: Register("SYST_CVR", self._value, self._clear),
            0xE01C: constant("SYST_CALIB", 0xC000_0000),  # no reference clock, no calibrated value
        }

    def fire(self) -> None:
        """The counter reached 0: reload, and pend if asked to."""
        self.counted = True
        self.deadline = self.deadline + self.reload + 1 if self.reload else NEVER
        if self.control & 2:
            self.exceptions.pending.add(SYSTICK)

    def _read_control(self) -> int:
        value = self.control | self.counted << 16
        self.counted = False
        return value

    def _set_control(self, value: int) -> None:
        if value & 1 and not value & 4:
            raise unmodelled("the external clock", "systick.SYST_CSR", 0xE000_E010, 0)
        running = bool(self.control & 1)
        if value & 1 and not running:
            self.deadline = self.clock.now + (self._held or self.reload + 1)
        elif running and not value & 1:
            self._held = self._value()
            self.deadline = NEVER
        self.control = value & 7
        self.kick()

    def _value(self) -> int:
        if self.deadline == NEVER:
            return self._held
        return max(0, min(self.deadline - self.clock.now, 0xFF_FFFF)) % (self.reload + 1)

    def _clear(self, _value: int) -> None:
        self._held = 0
        self.counted = False
        if self.control & 1:
            self.deadline = self.clock.now + self.reload + 1
            self.kick()
