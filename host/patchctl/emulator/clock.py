"""Stops 8 to 12 of 12. Virtual time: executed instructions times a fixed rational, plus modelled stalls.

Takes counts of instructions and stalled cycles; gives the time in cycles, the same for any slicing of a run.
Integer arithmetic only. Next: machine.py
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

NEVER: Final = 1 << 62


class Clock:
    """Counts instructions and stalls of one core; `in_flight` gives what a running slice did so far."""

    def __init__(self, clock_hz: int, cycles_per_instruction: tuple[int, int]) -> None:
        self.hz = clock_hz
        self.instructions = 0
        self.stalled_cycles = 0
        self.in_flight: Callable[[], int] = lambda: 0
        self._cycles, self._per = cycles_per_instruction

    @property
    def now(self) -> int:
        """Cycles since power on."""
        executed = self.instructions + self.in_flight()
        return executed * self._cycles // self._per + self.stalled_cycles

    def instructions_until(self, cycle: int) -> int:
        """The fewest instructions after which `now` is at least `cycle`; not for use in a running slice."""
        target = -(-(cycle - self.stalled_cycles) * self._per // self._cycles)
        return target - self.instructions

    def stall(self, cycles: int) -> None:
        """The core stands still for `cycles`."""
        self.stalled_cycles += cycles

    def cycles_of_us(self, us: int) -> int:
        """How many cycles `us` microseconds last, rounded down."""
        return us * self.hz // 1_000_000
