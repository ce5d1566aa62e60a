"""Stop 5 of 12. What is known of a number of some width: bits, and unsigned and signed bounds.

Takes and gives Bits; a result is sound: it holds every number that the operation can make of numbers that
the operands hold. Known bits follow Linux's tnum; bounds tighten the bits, and bits the bounds.
Next: host/patchctl/verifier/value.py
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple


class Bits(NamedTuple):
    """A set of numbers: `known` bits where `unknown` is 0, low..high unsigned, signed_low..signed_high."""

    known: int
    unknown: int
    low: int
    high: int
    signed_low: int
    signed_high: int

    @property
    def is_constant(self) -> bool:
        """Whether the set holds one number, which is then `known`."""
        return self.unknown == 0


def anything(width: int) -> Bits:
    """Every number of `width` bits."""
    return _ANYTHING[width]


def _anything(width: int) -> Bits:
    mask, half = (1 << width) - 1, 1 << (width - 1)
    return Bits(0, mask, 0, mask, -half, half - 1)


_ANYTHING = tuple(_anything(max(width, 1)) for width in range(65))  # by width


def exactly(width: int, number: int) -> Bits:
    """One number, taken modulo 2^width."""
    known = number & ((1 << width) - 1)
    signed = to_signed(width, known)
    return Bits(known, 0, known, known, signed, signed)


def to_signed(width: int, number: int) -> int:
    """The two's complement reading of a number of `width` bits."""
    return number - (1 << width) if number >> (width - 1) else number


# ------------------------------------------------------------------------------------- tightening


def tighten(width: int, bits: Bits) -> Bits | None:
    """The same set with each part as narrow as the others allow, or None if it is empty."""
    if bits == _ANYTHING[width] or (bits.unknown == 0 and bits == exactly(width, bits.known)):
        return bits
    for _ in range(4):
        narrower = _tighten_once(width, bits)
        if narrower is None or narrower == bits:
            return narrower
        bits = narrower
    return bits


def _tighten_once(width: int, bits: Bits) -> Bits | None:
    known, unknown, low, high, signed_low, signed_high = bits
    low, high = max(low, known), min(high, known | unknown)
    low, high = _round_to_alignment(known, unknown, low, high)
    if low > high or signed_low > signed_high:
        return None
    pieces = _pieces(width, low, high, signed_low, signed_high)
    if not pieces:
        return None
    low, high = pieces[0][0], pieces[-1][1]
    signed_low = to_signed(width, pieces[-1][0])
    signed_high = to_signed(width, pieces[0][1])
    # bits above the highest one in which low and high differ are those of both
    prefix = ((1 << width) - 1) & ~((1 << (low ^ high).bit_length()) - 1)
    if (known ^ low) & prefix & ~unknown:
        return None
    return Bits(known | (low & prefix & unknown), unknown & ~prefix, low, high, signed_low, signed_high)


def _round_to_alignment(known: int, unknown: int, low: int, high: int) -> tuple[int, int]:
    """Bounds moved inwards to numbers that have the known lowest bits."""
    if unknown == 0 or unknown & 1:
        return low, high
    step = unknown & -unknown
    rest = known & (step - 1)
    return low + (rest - low) % step, high - (high - rest) % step


def _pieces(width: int, low: int, high: int, signed_low: int, signed_high: int) -> list[tuple[int, int]]:
    """The unsigned interval cut with the signed one: its part below 2^(width-1), then the part above."""
    half, whole = 1 << (width - 1), 1 << width
    below = (max(low, signed_low, 0), min(high, half - 1, signed_high))
    above = (max(low, half, signed_low + whole), min(high, signed_high + whole, whole - 1))
    return [piece for piece in (below, above) if piece[0] <= piece[1]]


def meet(width: int, first: Bits, second: Bits) -> Bits | None:
    """Numbers in both sets, which are tight, or None if there is none."""
    if second == _ANYTHING[width] or first == second:
        return first
    if (first.known ^ second.known) & ~first.unknown & ~second.unknown:
        return None
    return tighten(
        width,
        Bits(
            (first.known | second.known) & ~(first.unknown & second.unknown),
            first.unknown & second.unknown,
            max(first.low, second.low),
            min(first.high, second.high),
            max(first.signed_low, second.signed_low),
            min(first.signed_high, second.signed_high),
        ),
    )


def join(first: Bits, second: Bits) -> Bits:
    """The smallest set we can write that holds both."""
    unknown = first.unknown | second.unknown | (first.known ^ second.known)
    return Bits(
        first.known & ~unknown,
        unknown,
        min(first.low, second.low),
        max(first.high, second.high),
        min(first.signed_low, second.signed_low),
        max(first.signed_high, second.signed_high),
    )


def within(inner: Bits, outer: Bits) -> bool:
    """Whether every number of `inner` is one of `outer`."""
    return (
        outer.low <= inner.low
        and inner.high <= outer.high
        and outer.signed_low <= inner.signed_low
        and inner.signed_high <= outer.signed_high
        and inner.unknown & ~outer.unknown == 0
        and (inner.known ^ outer.known) & ~outer.unknown == 0
    )


# ------------------------------------------------------------------------------------- arithmetic


def calculate(name: str, width: int, first: Bits, second: Bits) -> Bits:
    """`first` `name` `second` modulo 2^width, as in RFC 9669 4.1; sdiv and smod are the signed ones."""
    if first.is_constant and second.is_constant:
        return exactly(width, _CONSTANT[name](width, first.known, second.known))
    result = tighten(width, _OPERATIONS[name](width, first, second))
    return anything(width) if result is None else result


def _fit(width: int, low: int, high: int) -> tuple[int, int] | None:
    """Unsigned bounds modulo 2^width, or None if only some of the numbers wrap."""
    whole = 1 << width
    return (low % whole, high % whole) if low // whole == high // whole else None


def _fit_signed(width: int, low: int, high: int) -> tuple[int, int] | None:
    half = 1 << (width - 1)
    fitted = _fit(width, low + half, high + half)
    return None if fitted is None else (fitted[0] - half, fitted[1] - half)


def _bounded(
    width: int,
    known: int,
    unknown: int,
    bounds: tuple[int, int] | None = None,
    signed: tuple[int, int] | None = None,
) -> Bits:
    every = anything(width)
    low, high = bounds or (every.low, every.high)
    signed_low, signed_high = signed or (every.signed_low, every.signed_high)
    return Bits(known, unknown, low, high, signed_low, signed_high)


def _add_tnum(width: int, first: tuple[int, int], second: tuple[int, int]) -> tuple[int, int]:
    known, unknown = first[0] + second[0], first[1] + second[1]
    carries = ((known + unknown) ^ known) | first[1] | second[1]
    mask = (1 << width) - 1
    return known & ~carries & mask, carries & mask


def _add(width: int, first: Bits, second: Bits) -> Bits:
    known, unknown = _add_tnum(width, first[:2], second[:2])
    bounds = _fit(width, first.low + second.low, first.high + second.high)
    signed = _fit_signed(width, first.signed_low + second.signed_low, first.signed_high + second.signed_high)
    return _bounded(width, known, unknown, bounds, signed)


def _sub(width: int, first: Bits, second: Bits) -> Bits:
    difference = first.known - second.known
    borrows = ((difference + first.unknown) ^ (difference - second.unknown)) | first.unknown | second.unknown
    mask = (1 << width) - 1
    bounds = _fit(width, first.low - second.high, first.high - second.low)
    signed = _fit_signed(width, first.signed_low - second.signed_high, first.signed_high - second.signed_low)
    return _bounded(width, difference & ~borrows & mask, borrows & mask, bounds, signed)


def _and(width: int, first: Bits, second: Bits) -> Bits:
    known = first.known & second.known
    unknown = (first.known | first.unknown) & (second.known | second.unknown) & ~known
    return _bounded(width, known, unknown, (0, min(first.high, second.high)))


def _or(width: int, first: Bits, second: Bits) -> Bits:
    known = first.known | second.known
    high = (1 << (first.high | second.high).bit_length()) - 1
    return _bounded(
        width, known, (first.unknown | second.unknown) & ~known, (max(first.low, second.low), high)
    )


def _xor(width: int, first: Bits, second: Bits) -> Bits:
    unknown = first.unknown | second.unknown
    high = (1 << (first.high | second.high).bit_length()) - 1
    return _bounded(width, (first.known ^ second.known) & ~unknown, unknown, (0, high))


def _trailing_zeros(bits: Bits, width: int) -> int:
    possible = bits.known | bits.unknown
    return (possible & -possible).bit_length() - 1 if possible else width


def _mul(width: int, first: Bits, second: Bits) -> Bits:
    zeros = min(width, _trailing_zeros(first, width) + _trailing_zeros(second, width))
    unknown = ((1 << width) - 1) & ~((1 << zeros) - 1)
    whole = 1 << width
    bounds = (first.low * second.low, first.high * second.high) if first.high * second.high < whole else None
    corners = [
        left * right
        for left in (first.signed_low, first.signed_high)
        for right in (second.signed_low, second.signed_high)
    ]
    fits = -whole // 2 <= min(corners) and max(corners) < whole // 2
    return _bounded(width, 0, unknown, bounds, (min(corners), max(corners)) if fits else None)


def _amounts(width: int, amount: Bits) -> tuple[int, int]:
    """Bounds of a shift amount, which is taken modulo the width."""
    if amount.is_constant:
        return amount.known % width, amount.known % width
    return (amount.low, amount.high) if amount.high < width else (0, width - 1)


def _lsh(width: int, first: Bits, second: Bits) -> Bits:
    low, high = _amounts(width, second)
    mask = (1 << width) - 1
    if low == high:
        known, unknown = (first.known << low) & mask, (first.unknown << low) & mask
    else:
        zeros = min(width, _trailing_zeros(first, width) + low)
        known, unknown = 0, mask & ~((1 << zeros) - 1)
    bounds = (first.low << low, first.high << high) if first.high << high <= mask else None
    return _bounded(width, known, unknown, bounds)


def _rsh(width: int, first: Bits, second: Bits) -> Bits:
    low, high = _amounts(width, second)
    bounds = (first.low >> high, first.high >> low)
    if low == high:
        return _bounded(width, first.known >> low, first.unknown >> low, bounds)
    return _bounded(width, 0, (1 << width) - 1, bounds)


def _arsh(width: int, first: Bits, second: Bits) -> Bits:
    low, high = _amounts(width, second)
    mask = (1 << width) - 1
    signed = (
        min(first.signed_low >> low, first.signed_low >> high),
        max(first.signed_high >> low, first.signed_high >> high),
    )
    if low == high:
        known = (to_signed(width, first.known) >> low) & mask
        unknown = (to_signed(width, first.unknown) >> low) & mask
        return _bounded(width, known & ~unknown, unknown, None, signed)
    return _bounded(width, 0, mask, None, signed)


def _div(width: int, first: Bits, second: Bits) -> Bits:
    mask = (1 << width) - 1
    if second.low == 0:  # n / 0 is 0
        return _bounded(width, 0, mask, (0, first.high))
    return _bounded(width, 0, mask, (first.low // second.high, first.high // second.low))


def _mod(width: int, first: Bits, second: Bits) -> Bits:
    mask = (1 << width) - 1
    if second.is_constant and second.known and second.known & (second.known - 1) == 0:
        return _and(width, first, exactly(width, second.known - 1))
    if second.low == 0:  # n % 0 is n
        return _bounded(width, 0, mask, (0, first.high))
    if first.high < second.low:
        return first
    return _bounded(width, 0, mask, (0, min(first.high, second.high - 1)))


def _magnitude(low: int, high: int) -> int:
    return max(abs(low), abs(high))


def _sdiv(width: int, first: Bits, second: Bits) -> Bits:
    """Towards zero; n / 0 is 0. The least number over -1 is itself, which only the whole range holds."""
    every = anything(width)
    if first.signed_low == every.signed_low and second.signed_low <= -1 <= second.signed_high:
        return every
    if second.signed_low > 0:
        corners = [
            _quotient(number, divisor)
            for number in (first.signed_low, first.signed_high)
            for divisor in (second.signed_low, second.signed_high)
        ]
        return _bounded(width, 0, every.unknown, None, (min(corners), max(corners)))
    largest = _magnitude(first.signed_low, first.signed_high)
    return _bounded(width, 0, every.unknown, None, (-largest, min(largest, every.signed_high)))


def _smod(width: int, first: Bits, second: Bits) -> Bits:
    """The sign is that of `first`, whose magnitude is never exceeded; n % 0 is n."""
    low, high = min(first.signed_low, 0), max(first.signed_high, 0)
    if not second.signed_low <= 0 <= second.signed_high:
        below = _magnitude(second.signed_low, second.signed_high) - 1
        low, high = max(low, -below), min(high, below)
    return _bounded(width, 0, anything(width).unknown, None, (low, high))


def _quotient(number: int, divisor: int) -> int:
    quotient = abs(number) // abs(divisor) if divisor else 0
    return quotient if (number < 0) == (divisor < 0) else -quotient


def _signed_constant(name: str) -> Callable[[int, int, int], int]:
    def result(width: int, a: int, b: int) -> int:
        number, divisor = to_signed(width, a), to_signed(width, b)
        quotient = _quotient(number, divisor)
        return quotient if name == "sdiv" else number - divisor * quotient

    return result


_OPERATIONS: Mapping[str, Callable[[int, Bits, Bits], Bits]] = {
    "add": _add,
    "sub": _sub,
    "and": _and,
    "or": _or,
    "xor": _xor,
    "mul": _mul,
    "lsh": _lsh,
    "rsh": _rsh,
    "arsh": _arsh,
    "div": _div,
    "mod": _mod,
    "sdiv": _sdiv,
    "smod": _smod,
}
_CONSTANT: Mapping[str, Callable[[int, int, int], int]] = {
    "add": lambda _, a, b: a + b,
    "sub": lambda _, a, b: a - b,
    "and": lambda _, a, b: a & b,
    "or": lambda _, a, b: a | b,
    "xor": lambda _, a, b: a ^ b,
    "mul": lambda _, a, b: a * b,
    "lsh": lambda width, a, b: a << (b % width),
    "rsh": lambda width, a, b: a >> (b % width),
    "arsh": lambda width, a, b: to_signed(width, a) >> (b % width),
    "div": lambda _, a, b: a // b if b else 0,
    "mod": lambda _, a, b: a % b if b else a,
    "sdiv": _signed_constant("sdiv"),
    "smod": _signed_constant("smod"),
}
