"""Stop 5 of 12. All that is known at one point of a program, along one or several paths.

Holds a Value for each register that was set, one for each stack slot that was written, and the largest number
of instructions executed so far. Inside sub-programs the callers' r6 to r9 wait behind r10, four for each, so
that what is learned of a value is learned of its copies there too. Next: host/patchctl/verifier/transfer.py
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import reduce

from patchctl.contract import CONTEXT_BYTES, STACK_BYTES_MAX
from patchctl.verifier.bits import Bits
from patchctl.verifier.compare import assume
from patchctl.verifier.value import (
    NEAR_BYTES,
    Links,
    Region,
    Root,
    Value,
    constant,
    follow,
    join,
    narrowed,
    widened,
    within,
)

Slots = Mapping[int, tuple[int, Value]]
"""Stack offset to the size and value stored there; offset 0 is the deepest byte a program may use."""


REGISTERS = 11
_KEPT = 4  # registers that survive a call (RFC 9669 section 2)
_ORDERS_ADDRESSES = ("jeq", "jne", "jlt", "jle", "jgt", "jge")  # offsets compare so as addresses do


class State:
    """Changed in place by one path; copied where paths part. `slots` is replaced, never changed."""

    __slots__ = ("registers", "slots", "steps")

    def __init__(self, registers: list[Value | None], slots: Slots, steps: int) -> None:
        self.registers = registers
        self.slots = slots
        self.steps = steps

    def copy(self) -> State:
        """A state that can change alone."""
        return State(self.registers[:], self.slots, self.steps)

    @property
    def depth(self) -> int:
        """How many callers wait."""
        return (len(self.registers) - REGISTERS) // _KEPT

    def enter(self, frame_end: int) -> None:
        """Call a sub-program: r1 to r5 are its arguments, r10 ends its own stack, nothing else was set."""
        registers = self.registers
        registers += registers[6:10]
        registers[0] = None
        registers[6:10] = [None] * _KEPT
        registers[10] = constant(frame_end, Region.STACK)

    def leave(self, frame_end: int) -> None:
        """Return: r0 is the result, r6 to r9 are the caller's, r1 to r5 are lost, r10 is what it was."""
        registers = self.registers
        registers[1:6] = [None] * 5
        registers[6:10] = registers[-_KEPT:]
        registers[10] = constant(frame_end, Region.STACK)
        del registers[-_KEPT:]

    def assume(self, name: str, width: int, first: Value, second: Value) -> bool:
        """Narrow all that is linked to both values to where the comparison holds; False if nowhere."""
        if first.region is not second.region:
            return True  # addresses of unlike things: either outcome is possible
        if first.region and not (name in _ORDERS_ADDRESSES and _near(first, second)):
            return True
        pair = assume(name, width, _bits(first, width), _bits(second, width))
        if pair is None:
            return False
        for value, bits in zip((first, second), pair, strict=True):
            if value.is_constant:
                continue
            narrow = narrowed(value, bits, value.half) if width == 64 else narrowed(value, value.whole, bits)
            if narrow is None or not self._replace(value, narrow):
                return False
        return True

    def _replace(self, old: Value, new: Value) -> bool:
        """Tell every value with the root of `old` what is now known; False if one becomes impossible."""
        slots = dict(self.slots)
        for index, value in enumerate(self.registers):
            if value is not None and value.root is old.root and not value.is_constant:
                followed = follow(value, old, new)
                if followed is None:
                    return False
                self.registers[index] = followed
        for offset, (size, value) in self.slots.items():
            if value.root is old.root and not value.is_constant:
                followed = follow(value, old, new)
                if followed is None:
                    return False
                slots[offset] = (size, followed)
        self.slots = slots
        return True

    def forget_slots(self, low: int, high: int) -> None:
        """Drop what is known of stack bytes low..high-1."""
        self.slots = {
            offset: entry
            for offset, entry in self.slots.items()
            if offset >= high or offset + entry[0] <= low
        }

    def store_slot(self, offset: int, size: int, value: Value) -> None:
        """Remember a value stored at a known stack offset."""
        self.forget_slots(offset, offset + size)
        self.slots = {**self.slots, offset: (size, value)}


def entry_state() -> State:
    """r1 points at the context, r2 is its size, r10 at the end of the stack; nothing else was set."""
    registers: list[Value | None] = [None] * REGISTERS
    registers[1] = constant(0, Region.CONTEXT)
    registers[2] = constant(CONTEXT_BYTES)
    registers[10] = constant(STACK_BYTES_MAX, Region.STACK)
    return State(registers, {}, 0)


def join_states(states: Iterable[State]) -> State:
    """One state that holds all of `states`."""
    return reduce(_join_two, states)


def same(first: State, second: State) -> bool:
    """Whether the two states allow the same registers and slots."""
    return _within(first, second) and _within(second, first)


def _join_two(first: State, second: State) -> State:
    links: Links = {}
    registers = [
        None if a is None or b is None else join(a, b, links)
        for a, b in zip(first.registers, second.registers, strict=True)
    ]
    slots = {}
    for offset, (size, value) in first.slots.items():
        other = second.slots.get(offset)
        if other is not None and other[0] == size:
            joined = join(value, other[1], links)
            if joined is not None:
                slots[offset] = (size, joined)
    return State(registers, slots, max(first.steps, second.steps))


def covers(outer: State, inner: State) -> bool:
    """Whether `outer` holds all that `inner` does: the numbers, and the links between them."""
    if not _within(inner, outer):
        return False
    links: dict[Root, tuple[Root, int]] = {}
    for wide, narrow in _pairs(outer, inner):
        shift = narrow.delta - wide.delta
        root, known_shift = links.setdefault(wide.root, (narrow.root, shift))
        if root is not narrow.root or known_shift != shift:
            return False
    return True


def _pairs(outer: State, inner: State) -> Iterator[tuple[Value, Value]]:
    """The values of both states that lie at one place, where `outer` has one."""
    for wide, narrow in zip(outer.registers, inner.registers, strict=True):
        if wide is not None and narrow is not None:
            yield wide, narrow
    for offset, (_, wide) in outer.slots.items():
        yield wide, inner.slots[offset][1]


def widen(before: State, after: State) -> State:
    """A state that covers both; what grew is given up, so that doing this again and again comes to an end."""
    joined = _join_two(before, after)
    registers = [
        None if old is None or new is None else widened(old, new)
        for old, new in zip(before.registers, joined.registers, strict=True)
    ]
    slots = {
        offset: entry for offset, entry in joined.slots.items() if within(entry[1], before.slots[offset][1])
    }
    return State(registers, slots, joined.steps)


def _within(inner: State, outer: State) -> bool:
    for a, b in zip(inner.registers, outer.registers, strict=True):
        if b is not None and (a is None or not within(a, b)):
            return False
    return all(
        offset in inner.slots and inner.slots[offset][0] == size and within(inner.slots[offset][1], value)
        for offset, (size, value) in outer.slots.items()
    )


def _near(first: Value, second: Value) -> bool:
    """Whether both offsets are small and not negative, so that addresses compare as offsets do."""
    return all(v.whole.signed_low >= 0 and v.whole.signed_high <= NEAR_BYTES for v in (first, second))


def _bits(value: Value, width: int) -> Bits:
    return value.whole if width == 64 else value.half
