"""Stop 12 of 12. Two engines, one program: what differs between the reference and another engine.

Takes an engine, random programs and seeds; gives differences as text, and counts of what was reached.
Next: tests/runtime/test_vm_differential.py
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from patchctl.contract import Fault, Op
from patchctl.isa import Instruction
from patchctl.reference import Machine, Outcome, Region, Space, run
from patchctl.structure import Limits, check

from tests.isa_vectors import CONTEXT, DATA, READABLE, STACK, VARIABLES, WRITABLE
from tests.random_programs import random_program

FRAME_BYTES = 16
LIMITS = Limits(4096, 8, 16, frozenset({1}))
ENGINE_FAULTS = {Fault.NONE, Fault.FUEL, Fault.MEMORY, Fault.CALL, Fault.DEPTH}  # the others end no program
_FUELS = (3, 10, 30, 100, 300)


class Runs(Protocol):
    """What every engine under test can do."""

    def run(self, code: bytes, space: Space, *, fuel: int, frame_bytes: int) -> Outcome:
        """Runs a program, changing the bytes of `space`."""


@dataclass(slots=True)
class Tally:
    """What a comparison went through."""

    programs: int = 0
    runs: int = 0
    opcodes: Counter[Op] = field(default_factory=Counter)
    faults: Counter[Fault] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)

    def trace(self, at: int, instruction: Instruction, machine: Machine) -> None:
        """Counts one executed instruction."""
        self.opcodes[instruction.op] += 1

    @property
    def unreached(self) -> list[str]:
        """Opcodes and fault kinds that no run reached."""
        return sorted(
            kind.name for kind in (set(Op) - set(self.opcodes)) | (ENGINE_FAULTS - set(self.faults))
        )


def space(seed: int) -> Space:
    """Regions of random bytes; two ranges of firmware memory, one shorter than a cache entry."""
    rng = random.Random(seed)
    return Space(
        Region(STACK, bytearray(64)),
        Region(CONTEXT, bytearray(rng.randbytes(16))),
        Region(DATA, bytearray(rng.randbytes(8))),
        Region(VARIABLES, bytearray(rng.randbytes(16))),
        [Region(READABLE, bytearray(rng.randbytes(32))), Region(READABLE + 64, bytearray(rng.randbytes(5)))],
        [Region(WRITABLE, bytearray(rng.randbytes(16)))],
    )


def compare(engines: Sequence[Runs], code: bytes, seed: int, fuel: int, tally: Tally) -> Outcome:
    """Runs `code` on the reference and on `engines`; adds to the tally; gives the reference's outcome."""
    expected_space = space(seed)
    expected = run(code, expected_space, fuel=fuel, frame_bytes=FRAME_BYTES, trace=tally.trace)
    tally.runs += 1
    tally.faults[expected.fault] += 1
    for engine in engines:
        actual_space = space(seed)
        actual = engine.run(code, actual_space, fuel=fuel, frame_bytes=FRAME_BYTES)
        same = (expected.fault, expected.fuel) == (actual.fault, actual.fuel)
        exact = expected.fault is Fault.FUEL or expected.registers == actual.registers
        if not (same and exact and expected_space == actual_space):
            name = type(engine).__name__
            tally.differences.append(f"{name} {code.hex()} seed {seed} fuel {fuel}: {expected} / {actual}")
    return expected


def compare_program(engines: Sequence[Runs], seed: int, inputs: int, tally: Tally) -> None:
    """One random program with `inputs` inputs, each with an amount of fuel of its own."""
    code = random_program(seed)
    assert check(code, LIMITS) == (0, 0)
    tally.programs += 1
    for number in range(inputs):
        fuel = random.Random(seed * inputs + number).choice(_FUELS)
        compare(engines, code, seed * inputs + number, fuel, tally)
