"""Stop 11 of 12. Debug control (ARMv7-M C1.6) and the cycle counter (C1.8), offsets from 0xE0000000.

Takes register writes; gives MON_EN for breakpoints, a pended DebugMonitor, DWT_CYCCNT. Halting debug is never
enabled by firmware, so DHCSR.C_DEBUGEN reads 0. Next: space.py
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

from patchctl.emulator.clock import Clock
from patchctl.emulator.exceptions import DEBUG_MONITOR, Exceptions
from patchctl.emulator.registers import Register, Stateful, constant, unmodelled

_MON_EN: Final = 1 << 16
_MON_PEND: Final = 1 << 17
_MON_STEP: Final = 1 << 18
_MON_REQ: Final = 1 << 19
_TRCENA: Final = 1 << 24


class Debug(Stateful):
    """DEMCR, DHCSR and the DWT's cycle counter."""

    state: ClassVar[tuple[str, ...]] = ("demcr", "counting", "_held", "_since")

    def __init__(
        self, clock: Clock, exceptions: Exceptions, kick: Callable[[], None], pc: Callable[[], int]
    ) -> None:
        self.clock = clock
        self.exceptions = exceptions
        self.kick = kick
        self.pc = pc
        self.power_on()

    def power_on(self) -> None:
        """Everything off."""
        self.demcr = 0
        self.counting = False
        self._held = 0
        self._since = 0

    def reset(self) -> None:
        """A system reset clears the monitor's bits; TRCENA and the counter stay."""
        self.demcr &= _TRCENA

    @property
    def monitor_enabled(self) -> bool:
        """DEMCR.MON_EN."""
        return bool(self.demcr & _MON_EN)

    def registers(self) -> dict[int, Register]:
        """DHCSR, DEMCR, DWT_CTRL, DWT_CYCCNT."""
        return {
            0xEDF0: constant("DHCSR", 0x0001_0000),  # S_REGRDY; no debugger
            0xEDFC: Register("DEMCR", self._read_demcr, self._set_demcr),
            0x1000: Register("DWT_CTRL", lambda: 0x4000_0000 | self.counting, self._set_counting),
            0x1004: Register("DWT_CYCCNT", self._cycles, self._set_cycles),
        }

    def _read_demcr(self) -> int:
        return self.demcr | (_MON_PEND if DEBUG_MONITOR in self.exceptions.pending else 0)

    def _set_demcr(self, value: int) -> None:
        if value & _MON_STEP:
            raise unmodelled("MON_STEP", "debug.DEMCR", 0xE000_EDFC, self.pc())
        self.demcr = value & (_MON_EN | _MON_REQ | _TRCENA)
        if value & _MON_PEND:
            self.exceptions.pending.add(DEBUG_MONITOR)
        else:
            self.exceptions.pending.discard(DEBUG_MONITOR)
        self.kick()

    def _cycles(self) -> int:
        elapsed = self.clock.now - self._since if self.counting else 0
        return self._held + elapsed & 0xFFFF_FFFF

    def _set_cycles(self, value: int) -> None:
        self._held = value
        self._since = self.clock.now

    def _set_counting(self, value: int) -> None:
        if value & ~0x4000_0001:
            raise unmodelled("a DWT comparator or event counter", "dwt.DWT_CTRL", 0xE000_1000, self.pc())
        self._set_cycles(self._cycles())
        self.counting = bool(value & 1 and self.demcr & _TRCENA)
