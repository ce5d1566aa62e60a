"""Stop 11 of 12. The private peripheral bus: all units of system/ as one RegisterFile at 0xE0000000.

Takes the core and the chip's facts; gives SystemSpace, which resets, saves and restores its units together.
Next: ../machine.py
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from patchctl.board import Chip
from patchctl.emulator.core import Core
from patchctl.emulator.registers import RegisterFile
from patchctl.emulator.system.debug import Debug
from patchctl.emulator.system.fpb import FlashPatch
from patchctl.emulator.system.nvic import nvic_registers
from patchctl.emulator.system.scb import Scb
from patchctl.emulator.system.systick import SysTick

SYSTEM_ADDRESS: Final = 0xE000_0000
SYSTEM_BYTES: Final = 0x10_0000


class SystemSpace:
    """NVIC, SCB, SysTick, FPB (None if the chip has none), debug and DWT."""

    def __init__(self, core: Core, chip: Chip, kick: Callable[[], None]) -> None:
        pc = core.cpu.pc
        self.scb = Scb(core, kick, chip.core)
        self.systick = SysTick(core.clock, core.exceptions, kick)
        secure = chip.secure_debug if core.v8m else None
        self.debug = Debug(core.clock, core.exceptions, kick, pc, secure, chip.secure_debug_locked)
        self.fpb = FlashPatch(chip.fpb, kick, pc) if chip.fpb else None
        table = nvic_registers(core.exceptions, kick, core.v7m)
        table |= self.scb.registers() | self.systick.registers()
        if core.v7m:  # ARMv6-M's debug registers are the debugger's alone
            table |= self.debug.registers()
        if self.fpb:
            table |= self.fpb.registers()
        self.registers = RegisterFile("system", SYSTEM_ADDRESS, table, pc)

    def reset(self) -> None:
        """System reset: comparators stay armed."""
        self.scb.reset()
        self.systick.reset()
        self.debug.reset()

    def power_on(self) -> None:
        """Everything off."""
        self.reset()
        self.debug.power_on()
        if self.fpb:
            self.fpb.power_on()

    def save(self) -> tuple[Any, ...]:
        """State of all units."""
        return tuple(unit.save() for unit in self._units())

    def restore(self, saved: tuple[Any, ...]) -> None:
        """Back to a saved state."""
        for unit, state in zip(self._units(), saved, strict=True):
            unit.restore(state)
        if self.fpb:
            self.fpb.changed = True

    def _units(self) -> tuple[Scb | SysTick | Debug | FlashPatch, ...]:
        units = (self.scb, self.systick, self.debug)
        return (*units, self.fpb) if self.fpb else units
