"""The board's engine and the reference agree on random programs: fault, registers, memory and fuel left."""

from __future__ import annotations

import random

import pytest
from patchctl.contract import Fault, Op
from patchctl.isa import Instruction
from patchctl.reference import Machine, Outcome, Region, Space, run
from patchctl.structure import Limits, check

from tests.engine import Engine, build
from tests.isa_vectors import CONTEXT, DATA, READABLE, STACK, WRITABLE
from tests.random_programs import random_program

PROGRAMS = 300
INPUTS = 4
FRAME_BYTES = 16
LIMITS = Limits(4096, 8, frozenset({1}))


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    return build(tmp_path_factory.mktemp("engine"))


def space(seed: int) -> Space:
    rng = random.Random(seed)
    return Space(
        Region(STACK, bytearray(64)),
        Region(CONTEXT, bytearray(rng.randbytes(16))),
        Region(DATA, bytearray(rng.randbytes(8))),
        [Region(READABLE, bytearray(rng.randbytes(32))), Region(READABLE + 64, bytearray(rng.randbytes(5)))],
        [Region(WRITABLE, bytearray(rng.randbytes(16)))],
    )


def difference(engine: Engine, code: bytes, seed: int, fuel: int, trace=None) -> tuple[str, Outcome]:
    """What differs between the two engines, or nothing; and the reference's outcome."""
    expected_space, actual_space = space(seed), space(seed)
    expected = run(code, expected_space, fuel=fuel, frame_bytes=FRAME_BYTES, trace=trace)
    actual = engine.run(code, actual_space, fuel=fuel, frame_bytes=FRAME_BYTES)
    same = (expected.fault, expected.fuel) == (actual.fault, actual.fuel) and expected_space == actual_space
    exact = expected.fault is Fault.FUEL or expected.registers == actual.registers
    return (
        "" if same and exact else f"{code.hex()} seed {seed} fuel {fuel}: {expected} / {actual}"
    ), expected


def test_random_programs_agree_and_reach_every_opcode_and_fault(engine):
    reached: set[Op] = set()
    faults: set[Fault] = set()

    def trace(at: int, instruction: Instruction, machine: Machine) -> None:
        reached.add(instruction.op)

    for seed in range(PROGRAMS):
        code = random_program(seed)
        assert check(code, LIMITS) == engine.check(code, LIMITS) == (0, 0)
        for number in range(INPUTS):
            fuel = random.Random(seed * INPUTS + number).choice((3, 10, 30, 100, 300))
            wrong, outcome = difference(engine, code, seed + number, fuel, trace)
            assert wrong == ""
            faults.add(outcome.fault)

    assert set(Op) - reached == set()
    assert faults == {Fault.NONE, Fault.FUEL, Fault.MEMORY, Fault.CALL, Fault.DEPTH}


@pytest.mark.parametrize("seed", range(40))
def test_every_amount_of_fuel_ends_alike(engine, seed):
    code = random_program(seed)
    _, whole = difference(engine, code, seed, 200)
    used = 200 - whole.fuel

    wrong = [difference(engine, code, seed, fuel)[0] for fuel in range(used + 2)]

    assert [text for text in wrong if text] == []
