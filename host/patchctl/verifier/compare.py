"""Stop 5 of 12. What a comparison that came out true tells of its two numbers.

Takes the comparison's name, the width and the Bits of both sides; gives the narrower Bits, or None where the
comparison cannot come out true. Next: host/patchctl/verifier/value.py
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from patchctl.verifier.bits import Bits, meet, tighten

Pair = tuple[Bits, Bits]

OPPOSITE: Mapping[str, str] = {
    "jeq": "jne",
    "jne": "jeq",
    "jgt": "jle",
    "jle": "jgt",
    "jge": "jlt",
    "jlt": "jge",
    "jsgt": "jsle",
    "jsle": "jsgt",
    "jsge": "jslt",
    "jslt": "jsge",
    "jset": "jclear",
    "jclear": "jset",
}


def assume(name: str, width: int, first: Bits, second: Bits) -> Pair | None:
    """Both sides where `first` `name` `second` holds; jclear is the opposite of jset."""
    return _RULES[name](width, first, second)


def _equal(width: int, first: Bits, second: Bits) -> Pair | None:
    both = meet(width, first, second)
    return None if both is None else (both, both)


def _unequal(width: int, first: Bits, second: Bits) -> Pair | None:
    if second.is_constant:
        without = _without(width, first, second)
        return None if without is None else (without, second)
    if first.is_constant:
        without = _without(width, second, first)
        return None if without is None else (first, without)
    return first, second


def _without(width: int, bits: Bits, hole: Bits) -> Bits | None:
    """`bits` less one number: only a bound that equals it moves."""
    if bits.is_constant:
        return None if bits.known == hole.known else bits
    return tighten(
        width,
        bits._replace(
            low=bits.low + (bits.low == hole.low),
            high=bits.high - (bits.high == hole.high),
            signed_low=bits.signed_low + (bits.signed_low == hole.signed_low),
            signed_high=bits.signed_high - (bits.signed_high == hole.signed_high),
        ),
    )


def _both(width: int, first: Bits, second: Bits) -> Pair | None:
    narrow_first, narrow_second = _tighten_checked(width, first), _tighten_checked(width, second)
    return None if narrow_first is None or narrow_second is None else (narrow_first, narrow_second)


def _tighten_checked(width: int, bits: Bits) -> Bits | None:
    return None if bits.low > bits.high or bits.signed_low > bits.signed_high else tighten(width, bits)


def _below(gap: int) -> Callable[[int, Bits, Bits], Pair | None]:
    """first + gap <= second, unsigned."""

    def rule(width: int, first: Bits, second: Bits) -> Pair | None:
        return _both(
            width,
            first._replace(high=min(first.high, second.high - gap)),
            second._replace(low=max(second.low, first.low + gap)),
        )

    return rule


def _below_signed(gap: int) -> Callable[[int, Bits, Bits], Pair | None]:
    """first + gap <= second, signed."""

    def rule(width: int, first: Bits, second: Bits) -> Pair | None:
        return _both(
            width,
            first._replace(signed_high=min(first.signed_high, second.signed_high - gap)),
            second._replace(signed_low=max(second.signed_low, first.signed_low + gap)),
        )

    return rule


def _swapped(rule: Callable[[int, Bits, Bits], Pair | None]) -> Callable[[int, Bits, Bits], Pair | None]:
    def other(width: int, first: Bits, second: Bits) -> Pair | None:
        pair = rule(width, second, first)
        return None if pair is None else (pair[1], pair[0])

    return other


def _some_bit_set(width: int, first: Bits, second: Bits) -> Pair | None:
    if (first.known | first.unknown) & (second.known | second.unknown) == 0:
        return None
    mask = second.known
    if second.is_constant and mask & (mask - 1) == 0:
        narrow = tighten(width, first._replace(known=first.known | mask, unknown=first.unknown & ~mask))
        return None if narrow is None else (narrow, second)
    return first, second


def _no_bit_set(width: int, first: Bits, second: Bits) -> Pair | None:
    if first.known & second.known:
        return None
    if not second.is_constant:
        return first, second
    narrow = tighten(width, first._replace(unknown=first.unknown & ~second.known))
    return None if narrow is None else (narrow, second)


_RULES: Mapping[str, Callable[[int, Bits, Bits], Pair | None]] = {
    "jeq": _equal,
    "jne": _unequal,
    "jlt": _below(1),
    "jle": _below(0),
    "jgt": _swapped(_below(1)),
    "jge": _swapped(_below(0)),
    "jslt": _below_signed(1),
    "jsle": _below_signed(0),
    "jsgt": _swapped(_below_signed(1)),
    "jsge": _swapped(_below_signed(0)),
    "jset": _some_bit_set,
    "jclear": _no_bit_set,
}
