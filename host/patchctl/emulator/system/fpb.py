"""Stop 11 of 12. The flash patch and breakpoint unit, revisions 1 and 2 (ARMv7-M C1.11, ARMv8-M D1.2).

Takes register writes; gives `armed`, the addresses whose instructions must not execute. Remapping (REPLACE
00) and literal comparators are refused aloud. Comparators and FP_CTRL.ENABLE outlive a system reset (SEGGER
UM08001 8.8 warns of it; the manual's own text was not seen). Next: debug.py
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

from patchctl.board import Fpb
from patchctl.emulator.registers import Register, Stateful, constant, unmodelled

_BASE: Final = 0x2000
_WORD: Final = 0x1FFF_FFFC


class FlashPatch(Stateful):
    """`changed` says that `armed` differs from what the processor was told."""

    state: ClassVar[tuple[str, ...]] = ("enabled", "comparators", "armed", "changed")

    def __init__(self, facts: Fpb, kick: Callable[[], None], pc: Callable[[], int]) -> None:
        self.facts = facts
        self.kick = kick
        self.pc = pc
        self.power_on()

    def power_on(self) -> None:
        """Everything off; a system reset does not do this."""
        self.enabled = False
        self.comparators = [0] * (self.facts.code_comparators + self.facts.literal_comparators)
        self.armed: frozenset[int] = frozenset()
        self.changed = True

    def registers(self) -> dict[int, Register]:
        """FP_CTRL, FP_REMAP and the comparators."""
        rows = {
            _BASE: Register("FP_CTRL", self._control, self._set_control),
            _BASE + 4: constant("FP_REMAP", 0x2000_0000 if self.facts.version == 1 else 0),
        }
        for index in range(len(self.comparators)):
            rows[_BASE + 8 + 4 * index] = self._comparator(index)
        return rows

    def _control(self) -> int:
        code = self.facts.code_comparators
        value = (code & 0xF) << 4 | (code >> 4) << 12 | self.facts.literal_comparators << 8
        return value | (self.facts.version - 1) << 28 | self.enabled

    def _set_control(self, value: int) -> None:
        if value & 2:  # KEY, or the write is ignored
            self.enabled = bool(value & 1)
            self._update()

    def _comparator(self, index: int) -> Register:
        def write(value: int) -> None:
            if value & 1:
                self._check(index, value)
            self.comparators[index] = value
            self._update()

        return Register(f"FP_COMP{index}", lambda: self.comparators[index], write)

    def _check(self, index: int, value: int) -> None:
        if index >= self.facts.code_comparators:
            raise unmodelled("literal comparator", f"fpb.FP_COMP{index}", 0xE000_2008 + 4 * index, self.pc())
        if self.facts.version == 1 and not value >> 30:
            raise unmodelled(
                "remapping comparator", f"fpb.FP_COMP{index}", 0xE000_2008 + 4 * index, self.pc()
            )

    def _update(self) -> None:
        wanted: set[int] = set()
        if self.enabled:
            for value in self.comparators:
                wanted.update(self._addresses(value))
        if wanted != self.armed:
            self.armed = frozenset(wanted)
            self.changed = True
            self.kick()

    def _addresses(self, value: int) -> set[int]:
        """Instruction addresses that one enabled comparator matches."""
        if not value & 1:
            return set()
        if self.facts.version == 2:
            return {value & ~1}
        word, replace = value & _WORD, value >> 30
        return {word + 2 * half for half in range(2) if replace >> half & 1}
