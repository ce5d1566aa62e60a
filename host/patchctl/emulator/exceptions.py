"""Stops 11 to 12 of 12. Which exception runs, waits or is masked: priorities as ARMv7-M B1.5 has them.

Takes requests (pend, lines, enables, priorities); gives the exception to take next. Knows no registers and no
Unicorn. Next: core.py
"""

from __future__ import annotations

from typing import ClassVar, Final

from patchctl.emulator.registers import Stateful

RESET: Final = 1
NMI: Final = 2
HARD_FAULT: Final = 3
MEM_MANAGE: Final = 4
BUS_FAULT: Final = 5
USAGE_FAULT: Final = 6
SVCALL: Final = 11
DEBUG_MONITOR: Final = 12
PENDSV: Final = 14
SYSTICK: Final = 15
FIRST_INTERRUPT: Final = 16
THREAD_PRIORITY: Final = 256

_FIXED: Final = {RESET: -3, NMI: -2, HARD_FAULT: -1}


class Exceptions(Stateful):
    """Pending, active and enabled exceptions by number; interrupt line n is exception 16 + n."""

    state: ClassVar[tuple[str, ...]] = ("pending", "active", "lines", "enabled", "priorities", "group_bit")

    def __init__(self, interrupts: int, priority_bits: int) -> None:
        self.interrupts = interrupts
        self._priority_mask = 0xFF << 8 - priority_bits & 0xFF
        self.reset()

    def reset(self) -> None:
        """Nothing pending, active or enabled; all priorities 0."""
        self.pending: set[int] = set()
        self.active: list[int] = []
        self.lines: set[int] = set()
        self.enabled: set[int] = set(range(FIRST_INTERRUPT))
        self.priorities: list[int] = [0] * (FIRST_INTERRUPT + self.interrupts)
        self.group_bit = 0  # AIRCR.PRIGROUP

    def set_priority(self, number: int, value: int) -> None:
        """The priority byte; unimplemented bits stay 0."""
        self.priorities[number] = value & self._priority_mask

    def set_line(self, number: int, level: bool) -> bool:
        """An interrupt line goes high or low; True if that pends the exception anew."""
        if not level:
            self.lines.discard(number)
            return False
        fresh = number not in self.lines
        self.lines.add(number)
        if fresh:
            self.pending.add(number)
        return fresh

    def group(self, number: int) -> int:
        """The priority by which `number` preempts: without its subpriority."""
        if number in _FIXED:
            return _FIXED[number]
        return self.masked(self.priorities[number])

    def masked(self, priority: int) -> int:
        """A priority byte without its subpriority."""
        return priority & ~((2 << self.group_bit) - 1) & 0xFF

    def active_priority(self) -> int:
        """The highest group priority of what is active; THREAD_PRIORITY in thread mode."""
        return min(map(self.group, self.active), default=THREAD_PRIORITY)

    def best_pending(self) -> int | None:
        """The enabled pending exception of the highest priority, the lowest number first."""
        ready = self.pending & self.enabled
        if not ready:
            return None
        return min(ready, key=lambda number: (_FIXED.get(number, self.priorities[number]), number))

    def activate(self, number: int) -> None:
        """`number` is entered."""
        self.pending.discard(number)
        self.active.append(number)

    def deactivate(self) -> int:
        """The newest active exception returns; its line, if still high, pends it again."""
        number = self.active.pop()
        if number in self.lines:
            self.pending.add(number)
        return number
