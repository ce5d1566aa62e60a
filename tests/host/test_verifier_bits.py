"""The value domain holds every number it should: all sets of four bits, and random ones of eight."""

import itertools
import math
import random

import pytest
from patchctl.verifier.bits import Bits, anything, calculate, exactly, join, meet, tighten, to_signed, within
from patchctl.verifier.compare import OPPOSITE, assume

SMALL = 4
OPERATIONS = ["add", "sub", "mul", "div", "mod", "and", "or", "xor", "lsh", "rsh", "arsh", "sdiv", "smod"]


def expected(name, width, a, b):
    """RFC 9669 4.1, written without the code under test."""
    signed = a - (1 << width) if a >> (width - 1) else a
    divisor = b - (1 << width) if b >> (width - 1) else b
    plain = {
        "add": lambda: a + b,
        "sub": lambda: a - b,
        "mul": lambda: a * b,
        "div": lambda: a // b if b else 0,
        "mod": lambda: a % b if b else a,
        "and": lambda: a & b,
        "or": lambda: a | b,
        "xor": lambda: a ^ b,
        "lsh": lambda: a << (b % width),
        "rsh": lambda: a >> (b % width),
        "arsh": lambda: signed >> (b % width),
        "sdiv": lambda: int(signed / divisor) if b else 0,
        "smod": lambda: int(math.fmod(signed, divisor)) if b else a,
    }
    return plain[name]() % (1 << width)


def holds(name, width, a, b):
    x, y = to_signed(width, a), to_signed(width, b)
    return {
        "jeq": a == b,
        "jne": a != b,
        "jgt": a > b,
        "jge": a >= b,
        "jlt": a < b,
        "jle": a <= b,
        "jsgt": x > y,
        "jsge": x >= y,
        "jslt": x < y,
        "jsle": x <= y,
        "jset": a & b != 0,
        "jclear": a & b == 0,
    }[name]


def contains(bits, number, width):
    return (
        (number ^ bits.known) & ~bits.unknown & ((1 << width) - 1) == 0
        and bits.low <= number <= bits.high
        and bits.signed_low <= to_signed(width, number) <= bits.signed_high
    )


def members(bits, width):
    return [number for number in range(1 << width) if contains(bits, number, width)]


def sets(width):
    """Every interval and every known-bits set, tightened."""
    full = anything(width)
    for low, high in itertools.combinations_with_replacement(range(1 << width), 2):
        yield tighten(width, full._replace(low=low, high=high))
    for unknown in range(1 << width):
        for known in range(1 << width):
            if known & unknown == 0:
                yield tighten(width, full._replace(known=known, unknown=unknown))


def random_set(source, width):
    """A set with bits and both kinds of bounds, not empty."""
    while True:
        unknown = source.getrandbits(width)
        low, high = sorted(source.getrandbits(width) for _ in range(2))
        signed = sorted(to_signed(width, source.getrandbits(width)) for _ in range(2))
        bits = Bits(source.getrandbits(width) & ~unknown, unknown, low, high, *signed)
        wider = bits._replace(low=0, high=(1 << width) - 1) if source.random() < 0.3 else bits
        tight = tighten(width, wider)
        if tight is not None and members(tight, width):
            return tight


SETS = sorted(set(sets(SMALL)))
PAIRS = random.Random(1).sample(list(itertools.product(SETS, SETS)), 1500)


@pytest.mark.parametrize("name", OPERATIONS)
def test_result_of_an_operation_holds_every_number_it_can_make(name):
    for first, second in PAIRS:
        result = calculate(name, SMALL, first, second)
        for a, b in itertools.product(members(first, SMALL), members(second, SMALL)):
            assert contains(result, expected(name, SMALL, a, b), SMALL), (name, first, second, a, b)


@pytest.mark.parametrize("name", sorted(OPPOSITE))
def test_comparison_drops_no_pair_for_which_it_holds(name):
    for first, second in PAIRS:
        pair = assume(name, SMALL, first, second)
        kept = [
            (a, b)
            for a, b in itertools.product(members(first, SMALL), members(second, SMALL))
            if holds(name, SMALL, a, b)
        ]
        if pair is None:
            assert kept == []
            continue
        assert all(contains(pair[0], a, SMALL) and contains(pair[1], b, SMALL) for a, b in kept)


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_on_random_sets_of_eight_bits_is_sound(name):
    source = random.Random(name)
    for _ in range(150):
        first, second = random_set(source, 8), random_set(source, 8)
        result = calculate(name, 8, first, second)
        for _ in range(40):
            a, b = source.choice(members(first, 8)), source.choice(members(second, 8))
            assert contains(result, expected(name, 8, a, b), 8), (name, first, second, a, b)


def test_tightening_loses_no_number_and_finds_empty_sets():
    source = random.Random(2)
    for _ in range(2000):
        unknown = source.getrandbits(SMALL)
        low, high = (source.getrandbits(SMALL) for _ in range(2))
        signed = [to_signed(SMALL, source.getrandbits(SMALL)) for _ in range(2)]
        loose = Bits(source.getrandbits(SMALL) & ~unknown, unknown, low, high, *signed)
        tight = tighten(SMALL, loose)
        assert members(loose, SMALL) == ([] if tight is None else members(tight, SMALL))


def test_join_holds_both_and_meet_holds_what_is_in_both():
    for first, second in PAIRS:
        both, either = meet(SMALL, first, second), join(first, second)
        common = set(members(first, SMALL)) & set(members(second, SMALL))
        assert common == set(() if both is None else members(both, SMALL)) or both is not None
        assert common <= set(() if both is None else members(both, SMALL))
        assert set(members(first, SMALL)) | set(members(second, SMALL)) <= set(members(either, SMALL))
        assert within(first, either) and within(second, either)


def test_constants_are_calculated_exactly():
    assert calculate("mul", 64, exactly(64, 2**63), exactly(64, 3)).known == 2**63
    assert calculate("arsh", 32, exactly(32, 0x80000000), exactly(32, 4)).known == 0xF8000000
