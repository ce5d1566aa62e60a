"""Stop 5 of 12. What is known of a register: a number, or an offset into a region.

A Value holds Bits at 64 and at 32 bits, and a link: two values with the same root differ by exactly the
difference of their deltas, so what is learned of one is known of the other. Values never change.
Next: host/patchctl/verifier/state.py
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache

from patchctl.verifier import bits as b
from patchctl.verifier.bits import Bits

U32_MAX = 2**32 - 1
U64_MAX = 2**64 - 1
NEAR_BYTES = 2**16  # no region lies so near the end of the address space that this could wrap
_I64_MAX = 2**63 - 1
_ALIGNMENT = 7  # low bits that are worth keeping when bounds are given up

ZERO = object()  # the root of constants: the number 0
Root = object


class Region(Enum):
    """What an offset is relative to."""

    CONTEXT = "the context"
    STACK = "the stack"
    DATA = "the data section"
    VARIABLES = "the patch's variables"


@dataclass(frozen=True, slots=True)
class Value:
    """`whole` at 64 bits and `half`, its low 32 bits; equal to root + delta as an exact integer.

    With a region the numbers are the offset from the region's first byte; without one they are the register.
    """

    region: Region | None
    root: Root
    delta: int
    whole: Bits
    half: Bits

    @property
    def is_constant(self) -> bool:
        """Whether the offset or number is known exactly."""
        return self.whole.is_constant

    def describe(self) -> str:
        """For a person: a number, or the bounds."""
        w = self.whole
        if w.is_constant:
            text = str(w.signed_low)
        elif w.low == 0 and w.high == U64_MAX:
            text = "anything"
        elif w.signed_low < 0:
            text = f"{w.signed_low}..{w.signed_high}"
        else:
            text = f"{w.low}..{w.high}"
        return f"{self.region.value} at offset {text}" if self.region else text


@lru_cache(maxsize=4096)
def constant(number: int, region: Region | None = None) -> Value:
    """Exactly `number`."""
    whole = b.exactly(64, number)
    delta = whole.signed_low if region else whole.known
    return Value(region, ZERO, delta, whole, b.exactly(32, number))


def unknown(width: int = 64) -> Value:
    """Any number of `width` bits, zero-extended."""
    high = (1 << width) - 1
    made = _make(None, object(), 0, b.anything(64)._replace(unknown=high, high=high), b.anything(32))
    assert made is not None  # not empty: it holds 0
    return made


def _make(region: Region | None, root: Root, delta: int, whole: Bits, half: Bits) -> Value | None:
    """The value with both widths tightened by each other; None if no number is in both."""
    for _ in range(3):
        narrow_half = b.meet(32, half, _low_half(whole))
        if narrow_half is None:
            return None
        narrow_whole = b.tighten(64, _with_half(whole, narrow_half))
        if narrow_whole is None:
            return None
        if narrow_half == half and narrow_whole == whole:
            break
        whole, half = narrow_whole, narrow_half
    if whole.is_constant:
        return constant(whole.known, region)
    return Value(region, root, delta, whole, half)


def _low_half(whole: Bits) -> Bits:
    """What is known of the low 32 bits of a number."""
    low, high, signed_low, signed_high = b.anything(32)[2:]
    if whole.low >> 32 == whole.high >> 32:
        low, high = whole.low & U32_MAX, whole.high & U32_MAX
    if -(2**31) <= whole.signed_low and whole.signed_high < 2**31:
        signed_low, signed_high = whole.signed_low, whole.signed_high
    return Bits(whole.known & U32_MAX, whole.unknown & U32_MAX, low, high, signed_low, signed_high)


def _with_half(whole: Bits, half: Bits) -> Bits:
    """`whole`, knowing its low 32 bits."""
    known = whole.known & ~U32_MAX | half.known
    unknown_bits = whole.unknown & ~U32_MAX | half.unknown
    low, high, signed_low, signed_high = whole[2:]
    if low >> 32 == high >> 32:
        base = low & ~U32_MAX
        low, high = max(low, base + half.low), min(high, base + half.high)
    if -(2**31) <= signed_low and signed_high < 2**31:
        signed_low, signed_high = max(signed_low, half.signed_low), min(signed_high, half.signed_high)
    return Bits(known, unknown_bits, low, high, signed_low, signed_high)


# ------------------------------------------------------------------------------------- arithmetic


def calculate(name: str, is_wide: bool, first: Value, second: Value) -> Value:
    """`first` `name` `second`; pointers stay pointers under 64-bit add and sub, else become numbers."""
    if first.region is None and second.region is None:
        if first.is_constant and second.is_constant:
            width = 64 if is_wide else 32
            left, right = (first.whole, second.whole) if is_wide else (first.half, second.half)
            return constant(b.calculate(name, width, left, right).known)
        if name == "and" and (is_wide or max(first.whole.high, second.whole.high) <= U32_MAX):
            return _and(first, second)
        return _wide(name, first, second) if is_wide else _narrow(name, first, second)
    if is_wide and name == "add" and (first.region is None or second.region is None):
        pointer, offset = (second, first) if first.region is None else (first, second)
        return _wide("add", pointer, offset)
    if is_wide and name == "or" and second.region is None and _is_sum(first, second):
        return _wide("add", first, second)
    if is_wide and name == "sub" and first.region is not None and second.region is None:
        return _wide("sub", first, second)
    if name == "sub" and first.region is second.region:
        difference = _wide("sub", replace(first, region=None), replace(second, region=None))
        return difference if is_wide else low_word(difference)
    return calculate(name, is_wide, _as_number(first), _as_number(second))


def _as_number(value: Value) -> Value:
    """An address is a number of which nothing is known; what an operation does to its bits is."""
    return value if value.region is None else unknown()


def _is_sum(pointer: Value, bits: Value) -> bool:
    """Whether pointer | bits is their sum, as clang writes it: the stack lies at a multiple of 8."""
    possible = bits.whole.known | bits.whole.unknown
    taken = pointer.whole.known | pointer.whole.unknown
    return pointer.region is Region.STACK and possible <= _ALIGNMENT and possible & taken == 0


def _wide(name: str, first: Value, second: Value) -> Value:
    whole = b.calculate(name, 64, first.whole, second.whole)
    half = b.anything(32)
    if name in ("add", "sub", "mul", "and", "or", "xor"):
        half = b.calculate(name, 32, first.half, second.half)
    root, delta = _link(name, first, second)
    made = _make(first.region, root, delta, whole, half)
    return made if made is not None else Value(first.region, object(), 0, b.anything(64), b.anything(32))


def _and(first: Value, second: Value) -> Value:
    """A 64-bit `and`; x & (x - 1) clears x's lowest set bit, so that loops over set bits come to an end."""
    result = _wide("and", first, second)
    if first.root is not second.root or abs(first.delta - second.delta) != 1:
        return result
    larger = first if first.delta > second.delta else second
    possible = larger.whole.known | larger.whole.unknown
    without_lowest = possible & (possible - 1)
    cleared = b.anything(64)._replace(unknown=without_lowest, high=without_lowest)
    narrow = narrowed(result, cleared, b.anything(32))
    return result if narrow is None else narrow


def _link(name: str, first: Value, second: Value) -> tuple[Root, int]:
    """Root and delta of a 64-bit sum or difference with a constant, where it cannot wrap."""
    if name not in ("add", "sub") or not second.is_constant:
        if name == "add" and first.is_constant and first.region is None:
            return _link("add", second, first)
        return object(), 0
    step = second.whole.signed_low if name == "add" else -second.whole.signed_low
    w = first.whole
    low, high, ceiling, floor = (
        (w.low, w.high, U64_MAX, 0)
        if first.region is None
        else (w.signed_low, w.signed_high, _I64_MAX, -_I64_MAX - 1)
    )
    if floor <= low + step and high + step <= ceiling:
        return first.root, first.delta + step
    return object(), 0


def _narrow(name: str, first: Value, second: Value) -> Value:
    """A 32-bit operation on numbers; its result is zero-extended."""
    half = b.calculate(name, 32, first.half, second.half)
    root, delta = object(), 0
    if name in ("add", "sub") and second.is_constant and first.whole.high <= U32_MAX:
        step = second.half.signed_low if name == "add" else -second.half.signed_low
        if first.whole.low + step >= 0 and first.whole.high + step <= U32_MAX:
            root, delta = first.root, first.delta + step
    return _extended(half, root, delta)


def _extended(half: Bits, root: Root, delta: int) -> Value:
    whole = Bits(half.known, half.unknown, half.low, half.high, half.low, half.high)
    made = _make(None, root, delta, whole, half)
    return made if made is not None else unknown(32)


def low_word(value: Value) -> Value:
    """The low 32 bits, zero-extended. An address has 32 bits: a pointer near its region stays what it is."""
    if value.region is not None:
        near = value.whole.signed_low >= 0 and value.whole.signed_high <= NEAR_BYTES
        return value if near else unknown(32)
    if value.whole.high <= U32_MAX:
        return value
    return _extended(value.half, object(), 0)


def sign_extended(value: Value, from_width: int, is_wide: bool) -> Value:
    """The low `from_width` bits of a number, sign-extended to 64 or to 32 bits."""
    if value.region is not None:
        return unknown(64 if is_wide else 32)
    if value.whole.high < 1 << (from_width - 1):
        return value
    shift = constant(64 - from_width)
    extended = _wide("arsh", _wide("lsh", value, shift), shift)
    return extended if is_wide else low_word(extended)


# ------------------------------------------------------------------------------------- sets of values


def narrowed(value: Value, whole: Bits, half: Bits) -> Value | None:
    """`value` where it also lies in `whole` and `half`; None if it cannot."""
    met, met_half = b.meet(64, value.whole, whole), b.meet(32, value.half, half)
    if met is None or met_half is None:
        return None
    return _make(value.region, value.root, value.delta, met, met_half)


def follow(value: Value, old: Value, new: Value) -> Value | None:
    """`value`, which has the root of `old`, when `old` is found to be `new`; None if that is impossible."""
    shift = value.delta - old.delta
    if shift == 0 and value.region is old.region:
        return narrowed(value, new.whole, new.half)
    whole = b.anything(64)
    signed = value.region is not None or old.region is not None
    if not signed and new.whole.low + shift >= 0 and new.whole.high + shift <= U64_MAX:
        whole = whole._replace(low=new.whole.low + shift, high=new.whole.high + shift)
    elif signed and value.region is old.region:
        low, high = new.whole.signed_low + shift, new.whole.signed_high + shift
        if -_I64_MAX - 1 <= low and high <= _I64_MAX:
            whole = whole._replace(signed_low=low, signed_high=high)
    return narrowed(value, whole, b.anything(32))


Links = dict[tuple[int, int, int], tuple[Root, Root, Root]]


def join(first: Value, second: Value, links: Links) -> Value | None:
    """A value that holds both, or None if they are of different kinds.

    `links` belongs to one join of two states: values that differ alike in both stay linked. It holds the
    roots too, so that no identity is used again while it lives.
    """
    if first is second:
        return first
    if first.region is not second.region:
        return None
    if first.is_constant and first.whole == second.whole:
        return first
    key = (id(first.root), id(second.root), first.delta - second.delta)
    same = first.root is second.root and first.delta == second.delta
    root = links.setdefault(key, (first.root, second.root, first.root if same else object()))[2]
    return Value(
        first.region, root, first.delta, b.join(first.whole, second.whole), b.join(first.half, second.half)
    )


def widened(before: Value, after: Value) -> Value:
    """Holds both, where `after` holds `before`: if it grew, all that fits its width and alignment."""
    if within(after, before):
        return after
    whole = after.whole
    is_word = after.region is None and whole.high <= U32_MAX and before.whole.high < U32_MAX
    ceiling = U32_MAX if is_word else U64_MAX
    kept = b.anything(64)._replace(
        known=whole.known & _ALIGNMENT, unknown=ceiling & ~(_ALIGNMENT & ~whole.unknown), high=ceiling
    )
    made = _make(after.region, object(), 0, kept, b.anything(32))
    assert made is not None  # not empty: it holds `after`
    return made


def within(inner: Value, outer: Value) -> bool:
    """Whether every number `inner` can be is one that `outer` can be."""
    return (
        inner.region is outer.region
        and b.within(inner.whole, outer.whole)
        and b.within(inner.half, outer.half)
    )
