"""Stop 11 of 12. The flash patch and breakpoint unit, revisions 1 and 2 (ARMv7-M C1.11, ARMv8-M D1.2).

Takes register writes; gives `armed`, the addresses whose instructions must not execute, and `remapped`, the
words that are fetched from the table of FP_REMAP (REPLACE 00). Literal comparators are refused aloud.
Comparators and FP_CTRL.ENABLE outlive a system reset (SEGGER UM08001 8.8 warns of it; the manual's own text
was not seen). Next: debug.py
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

from patchctl.board import Fpb
from patchctl.emulator.registers import Register, Stateful, constant, unmodelled

_BASE: Final = 0x2000
_WORD: Final = 0x1FFF_FFFC
_TABLE: Final = 0x1FFF_FFE0
_REMAP_BASE: Final = 0x2000_0000  # the table lies in SRAM; bit 29 also says that there is remapping


class FlashPatch(Stateful):
    """`changed` says that `armed` differs from what the processor was told."""

    state: ClassVar[tuple[str, ...]] = ("enabled", "comparators", "armed", "remapped", "table", "changed")

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
        self.remapped: dict[int, int] = {}  # word address -> entry of the table
        self.table = 0
        self.changed = True

    @property
    def exits(self) -> frozenset[int]:
        """Where the processor stops: at breakpoints, and where an instruction may reach a remapped word."""
        return self.armed | {word + offset for word in self.remapped for offset in (-2, 0, 2)}

    def replacement(self, word: int) -> int:
        """The address of what is fetched instead of the word at `word`."""
        return (_REMAP_BASE | self.table) + 4 * self.remapped[word]

    def registers(self) -> dict[int, Register]:
        """FP_CTRL, FP_REMAP and the comparators."""
        rows = {
            _BASE: Register("FP_CTRL", self._control, self._set_control),
            _BASE + 4: self._remap_register(),
        }
        for index in range(len(self.comparators)):
            rows[_BASE + 8 + 4 * index] = self._comparator(index)
        return rows

    def _remap_register(self) -> Register:
        if self.facts.version != 1:
            return constant("FP_REMAP", 0)

        def write(value: int) -> None:
            self.table = value & _TABLE
            self.changed = True
            self.kick()

        return Register("FP_REMAP", lambda: _REMAP_BASE | self.table, write)

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
                self._check(index)
            self.comparators[index] = value
            self._update()

        return Register(f"FP_COMP{index}", lambda: self.comparators[index], write)

    def _check(self, index: int) -> None:
        if index >= self.facts.code_comparators:
            raise unmodelled("literal comparator", f"fpb.FP_COMP{index}", 0xE000_2008 + 4 * index, self.pc())

    def _update(self) -> None:
        enabled = [(i, value) for i, value in enumerate(self.comparators) if value & 1 and self.enabled]
        armed = frozenset(address for _, value in enabled for address in self._addresses(value))
        remaps = self.facts.version == 1
        remapped = {value & _WORD: i for i, value in reversed(enabled) if remaps and not value >> 30}
        if (armed, remapped) != (self.armed, self.remapped):
            self.armed, self.remapped = armed, remapped
            self.changed = True
            self.kick()

    def _addresses(self, value: int) -> set[int]:
        """Instruction addresses that one enabled comparator matches."""
        if self.facts.version == 2:
            return {value & ~1}
        word, replace = value & _WORD, value >> 30
        return {word + 2 * half for half in range(2) if replace >> half & 1}
