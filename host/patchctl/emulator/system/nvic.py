"""Stop 11 of 12. The interrupt controller's registers (ARMv7-M B3.4), offsets from 0xE0000000.

Takes Exceptions; gives register rows. Next: scb.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from patchctl.emulator.exceptions import FIRST_INTERRUPT, Exceptions
from patchctl.emulator.registers import Register, constant

_NVIC: Final = 0xE100


def nvic_registers(exceptions: Exceptions, kick: Callable[[], None], v7m: bool) -> dict[int, Register]:
    """ISER, ICER, ISPR, ICPR, IPR for all implemented lines; IABR, ICTR and bytes of IPR not on ARMv6-M."""
    words = (exceptions.interrupts + 31) // 32
    table = {0xE004: constant("ICTR", words - 1)} if v7m else {}
    for word in range(words):
        table |= _set_and_clear("E", word, exceptions, _enabled, kick, 0)
        table |= _set_and_clear("P", word, exceptions, _pending, kick, 0x100)
        if v7m:
            table[_NVIC + 0x200 + 4 * word] = _active_bits(word, exceptions)
    for group in range((exceptions.interrupts + 3) // 4):
        table[_NVIC + 0x300 + 4 * group] = replace(_priorities(group, exceptions, kick), narrow=v7m)
    return table


def _active_bits(word: int, exceptions: Exceptions) -> Register:
    return Register(f"IABR{word}", lambda: _bits(exceptions.active, word))


def _enabled(exceptions: Exceptions) -> set[int]:
    """The set that ISER and ICER change."""
    return exceptions.enabled


def _pending(exceptions: Exceptions) -> set[int]:
    """The set that ISPR and ICPR change."""
    return exceptions.pending


def _bits(numbers: Iterable[int], word: int) -> int:
    first = FIRST_INTERRUPT + 32 * word
    return sum(1 << number - first for number in numbers if first <= number < first + 32)


def _set_and_clear(
    letter: str,
    word: int,
    exceptions: Exceptions,
    which: Callable[[Exceptions], set[int]],
    kick: Callable[[], None],
    offset: int,
) -> dict[int, Register]:
    first = FIRST_INTERRUPT + 32 * word
    implemented = FIRST_INTERRUPT + exceptions.interrupts

    def chosen(value: int) -> set[int]:
        return {first + bit for bit in range(32) if value >> bit & 1 and first + bit < implemented}

    def read() -> int:
        return _bits(which(exceptions), word)

    def add(value: int) -> None:
        which(exceptions).update(chosen(value))
        kick()

    def remove(value: int) -> None:
        which(exceptions).difference_update(chosen(value))
        kick()

    at = _NVIC + offset + 4 * word
    return {
        at: Register(f"IS{letter}R{word}", read, add),
        at + 0x80: Register(f"IC{letter}R{word}", read, remove),
    }


def _priorities(group: int, exceptions: Exceptions, kick: Callable[[], None]) -> Register:
    numbers = range(FIRST_INTERRUPT + 4 * group, FIRST_INTERRUPT + 4 * group + 4)
    return priority_register(f"IPR{group}", numbers, exceptions, kick)


def priority_register(
    name: str, numbers: Iterable[int], exceptions: Exceptions, kick: Callable[[], None]
) -> Register:
    """Four priority bytes; a number below 0 or beyond the table is a byte that stays 0."""
    places = list(enumerate(numbers))
    known = [(place, n) for place, n in places if 0 <= n < len(exceptions.priorities)]

    def read() -> int:
        return sum(exceptions.priorities[number] << 8 * place for place, number in known)

    def write(value: int) -> None:
        for place, number in known:
            exceptions.set_priority(number, value >> 8 * place & 0xFF)
        kick()

    return Register(name, read, write, narrow=True)
