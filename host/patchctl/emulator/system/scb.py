"""Stop 11 of 12. The system control block (ARMv7-M B3.2), offsets from 0xE0000000.

Takes Core; gives register rows: identity, ICSR, VTOR, reset, priorities, fault status, FP access.
Next: systick.py
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar, Final

from patchctl.emulator import exceptions as ex
from patchctl.emulator.core import Core
from patchctl.emulator.registers import Register, Stateful, constant, unmodelled
from patchctl.emulator.system.nvic import priority_register

CPUID: Final = {
    "cortex-m0": 0x410C_C200, "cortex-m0plus": 0x410C_C601, "cortex-m3": 0x412F_C231,
    "cortex-m4": 0x410F_C241, "cortex-m4f": 0x410F_C241,
    "cortex-m33": 0x410F_D214, "cortex-m33f": 0x410F_D214,
}  # fmt: skip
_KEY: Final = 0x05FA
_FAULT_ENABLES: Final = {16: ex.MEM_MANAGE, 17: ex.BUS_FAULT, 18: ex.USAGE_FAULT}
_ACTIVE_BITS: Final = {
    0: ex.MEM_MANAGE, 1: ex.BUS_FAULT, 3: ex.USAGE_FAULT, 7: ex.SVCALL,
    8: ex.DEBUG_MONITOR, 10: ex.PENDSV, 11: ex.SYSTICK,
}  # fmt: skip
_CCR_MODELLED: Final = (
    0x0000_0201  # STKALIGN, NONBASETHRDENA; the traps for unaligned and /0 are not modelled
)


class Scb(Stateful):
    """System control block. `reset_requested` is set by AIRCR.SYSRESETREQ."""

    state: ClassVar[tuple[str, ...]] = ("reset_requested", "cpacr", "ccr", "fpdscr")

    def __init__(self, core: Core, kick: Callable[[], None], kind: str) -> None:
        self.core = core
        self.exceptions = core.exceptions
        self.kick = kick
        self.kind = kind
        self.reset()

    def reset(self) -> None:
        """Registers kept here as after a reset."""
        self.reset_requested = False
        self.cpacr = 0
        self.ccr = 0x200
        self.fpdscr = 0

    def registers(self) -> dict[int, Register]:
        """All rows; ARMv6-M (B3.2 of its manual) has fewer."""
        core = self.core
        if not core.v7m:
            return self._v6m_rows()
        return {
            0xE008: constant("ACTLR", 0),
            0xED00: constant("CPUID", CPUID.get(self.kind, 0)),
            0xED04: Register("ICSR", self._icsr, self._set_icsr),
            0xED08: Register("VTOR", lambda: core.vtor, self._set_vtor),
            0xED0C: Register("AIRCR", lambda: 0xFA05_0000 | self.exceptions.group_bit << 8, self._set_aircr),
            0xED10: Register("SCR", lambda: core.sleep_on_exit << 1, self._set_scr),
            0xED14: Register("CCR", lambda: self.ccr, self._set_ccr),
            **self._priority_rows(),
            0xED24: Register("SHCSR", self._shcsr, self._set_shcsr),
            **self._fault_rows(),
            **self._fp_rows(),
            0xED90: constant("MPU_TYPE", 0),  # no MPU is modelled, and it says so
            0xEF00: Register("STIR", None, self._trigger),
        }

    def _v6m_rows(self) -> dict[int, Register]:
        """No fault status, no grouping, priorities of SVCall, PendSV and SysTick only; words only."""

        def words_only(row: Register) -> Register:
            return replace(row, narrow=False)

        priorities = {
            offset: words_only(row) for offset, row in self._priority_rows().items() if offset != 0xED18
        }
        return priorities | {
            0xED00: constant("CPUID", CPUID.get(self.kind, 0)),
            0xED04: Register("ICSR", self._icsr, self._set_icsr),
            0xED08: Register("VTOR", lambda: self.core.vtor, self._set_vtor),
            0xED0C: Register("AIRCR", lambda: 0xFA05_0000, self._set_aircr),
            0xED10: Register("SCR", lambda: self.core.sleep_on_exit << 1, self._set_scr),
            0xED14: constant("CCR", 0x208),  # STKALIGN, UNALIGN_TRP
            0xED90: constant("MPU_TYPE", 0),
        }

    def _priority_rows(self) -> dict[int, Register]:
        rows = ((0xED18, "SHPR1", 4), (0xED1C, "SHPR2", 8), (0xED20, "SHPR3", 12))
        return {
            offset: priority_register(name, range(first, first + 4), self.exceptions, self.kick)
            for offset, name, first in rows
        }

    def _fault_rows(self) -> dict[int, Register]:
        def clearing(name: str) -> Register:
            def clear(value: int) -> None:
                setattr(self.core, name, getattr(self.core, name) & ~value)

            return Register(name.upper(), lambda: getattr(self.core, name), clear)

        def plain(name: str) -> Register:
            return Register(
                name.upper(), lambda: getattr(self.core, name), lambda value: setattr(self.core, name, value)
            )

        return {
            0xED28: clearing("cfsr"),
            0xED2C: clearing("hfsr"),
            0xED30: clearing("dfsr"),
            0xED34: plain("mmfar"),
            0xED38: plain("bfar"),
            0xED3C: constant("AFSR", 0),
        }

    def _fp_rows(self) -> dict[int, Register]:
        if not self.core.fpu:
            return {}
        core = self.core

        def set_cpacr(value: int) -> None:
            self.cpacr = value & 0xF << 20

        def set_fpccr(value: int) -> None:
            core.fp_stacking = bool(value >> 31)

        def set_fpdscr(value: int) -> None:
            self.fpdscr = value

        return {
            0xED88: Register("CPACR", lambda: self.cpacr, set_cpacr),
            0xEF34: Register("FPCCR", lambda: core.fp_stacking << 31, set_fpccr),  # LSPEN 0: never lazy
            0xEF3C: Register("FPDSCR", lambda: self.fpdscr, set_fpdscr),
        }

    @property
    def fp_enabled(self) -> bool:
        """CPACR lets privileged code use CP10."""
        return bool(self.cpacr >> 20 & 1)

    def _icsr(self) -> int:
        exceptions = self.exceptions
        pending = exceptions.pending
        best = exceptions.best_pending() or 0
        value = (exceptions.active[-1] if exceptions.active else 0) | best << 12
        value |= (len(exceptions.active) <= 1) << 11
        value |= any(number >= ex.FIRST_INTERRUPT for number in pending) << 22
        value |= (ex.SYSTICK in pending) << 26 | (ex.PENDSV in pending) << 28
        return value | (ex.NMI in pending) << 31

    def _set_icsr(self, value: int) -> None:
        for bit, number in ((25, ex.SYSTICK), (27, ex.PENDSV)):
            if value >> bit & 1:
                self.exceptions.pending.discard(number)
        for bit, number in ((26, ex.SYSTICK), (28, ex.PENDSV), (31, ex.NMI)):
            if value >> bit & 1:
                self.exceptions.pending.add(number)
        self.kick()

    def _set_vtor(self, value: int) -> None:
        self.core.vtor = value & 0xFFFF_FF80

    def _set_aircr(self, value: int) -> None:
        if value >> 16 != _KEY:
            return
        self.exceptions.group_bit = value >> 8 & 7 if self.core.v7m else 0
        self.reset_requested |= bool(value & 4)
        self.kick()

    def _set_scr(self, value: int) -> None:
        self.core.sleep_on_exit = bool(value & 2)

    def _set_ccr(self, value: int) -> None:
        if value & ~_CCR_MODELLED or not value & 0x200:
            raise unmodelled(f"CCR = 0x{value:x}", "scb.CCR", 0xE000_ED14, self.core.cpu.pc())
        self.ccr = value

    def _shcsr(self) -> int:
        value = sum(1 << bit for bit, number in _FAULT_ENABLES.items() if number in self.core.fault_enables)
        active = self.exceptions.active
        return value | sum(1 << bit for bit, number in _ACTIVE_BITS.items() if number in active)

    def _set_shcsr(self, value: int) -> None:
        self.core.fault_enables = {number for bit, number in _FAULT_ENABLES.items() if value >> bit & 1}

    def _trigger(self, value: int) -> None:
        self.exceptions.pending.add(ex.FIRST_INTERRUPT + (value & 0x1FF))
        self.kick()
