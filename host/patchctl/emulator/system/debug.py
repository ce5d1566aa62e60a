"""Stop 11 of 12. Debug control (ARMv7-M C1.6) and the cycle counter (C1.8), offsets from 0xE0000000.

Takes register writes; gives whether DebugMonitor is enabled, a pended DebugMonitor, DWT_CYCCNT. Halting debug
is the debugger's: DHCSR.C_DEBUGEN reads 1 while `debugger` is set. On an M33 all code is secure, so
DebugMonitor needs DEMCR.SDME, which follows the chip's authentication signal or DAUTHCTRL (ARMv8-M D1.2, text
not seen). Next: space.py
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

from patchctl.emulator.clock import Clock
from patchctl.emulator.exceptions import DEBUG_MONITOR, Exceptions
from patchctl.emulator.registers import Register, Stateful, unmodelled

_MON_EN: Final = 1 << 16
_MON_PEND: Final = 1 << 17
_MON_STEP: Final = 1 << 18
_MON_REQ: Final = 1 << 19
_SDME: Final = 1 << 20
_TRCENA: Final = 1 << 24
_SPIDENSEL: Final = 1
_INTSPIDEN: Final = 2
_C_DEBUGEN: Final = 1
_S_REGRDY: Final = 1 << 16


class Debug(Stateful):
    """DEMCR, DHCSR and the DWT's cycle counter."""

    state: ClassVar[tuple[str, ...]] = ("demcr", "counting", "_held", "_since", "debugger", "dauthctrl")

    def __init__(
        self,
        clock: Clock,
        exceptions: Exceptions,
        kick: Callable[[], None],
        pc: Callable[[], int],
        secure: bool | None,
        locked: bool = False,
    ) -> None:
        self.secure = secure  # SPIDEN; None: a core without secure state
        self.locked = locked  # DAUTHCTRL takes no writes
        self.debugger = False
        self.clock = clock
        self.exceptions = exceptions
        self.kick = kick
        self.pc = pc
        self.power_on()

    def power_on(self) -> None:
        """Everything off."""
        self.demcr = 0
        self.dauthctrl = 0
        self.counting = False
        self._held = 0
        self._since = 0

    def reset(self) -> None:
        """A system reset clears the monitor's bits; TRCENA and the counter stay."""
        self.demcr &= _TRCENA

    @property
    def monitor_enabled(self) -> bool:
        """DEMCR.MON_EN, and where there is secure state DEMCR.SDME."""
        return bool(self.demcr & _MON_EN) and (self.secure is None or self.secure_debug)

    @property
    def secure_debug(self) -> bool:
        """DEMCR.SDME: debug events are allowed in secure state."""
        if self.dauthctrl & _SPIDENSEL:
            return bool(self.dauthctrl & _INTSPIDEN)
        return bool(self.secure)

    def registers(self) -> dict[int, Register]:
        """DHCSR, DEMCR, DWT_CTRL, DWT_CYCCNT; on an M33 also DAUTHCTRL."""

        def set_dauthctrl(value: int) -> None:
            self.dauthctrl = 0 if self.locked else value & 0xF

        rows = (
            {}
            if self.secure is None
            else {0xEE04: Register("DAUTHCTRL", lambda: self.dauthctrl, set_dauthctrl)}
        )
        return rows | {
            0xEDF0: Register("DHCSR", lambda: _S_REGRDY | (_C_DEBUGEN if self.debugger else 0)),
            0xEDFC: Register("DEMCR", self._read_demcr, self._set_demcr),
            0x1000: Register("DWT_CTRL", lambda: 0x4000_0000 | self.counting, self._set_counting),
            0x1004: Register("DWT_CYCCNT", self._cycles, self._set_cycles),
        }

    def _read_demcr(self) -> int:
        sdme = _SDME if self.secure is not None and self.secure_debug else 0
        return self.demcr | sdme | (_MON_PEND if DEBUG_MONITOR in self.exceptions.pending else 0)

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
