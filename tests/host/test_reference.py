"""The reference interpreter: our vectors, the public suite, and what it says while it runs."""

from __future__ import annotations

import pytest
from patchctl.assembly import assemble
from patchctl.contract import Fault
from patchctl.errors import InputError
from patchctl.isa import encode
from patchctl.reference import HELPERS, Machine, Region, Space, run
from patchctl.structure import check

from tests import bpf_conformance as suite
from tests.isa_vectors import CONTEXT, STACK, Vector, vectors


def unwind(machine: Machine) -> int:
    return machine.registers[1]


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector.name)
def test_vector_gives_its_status_and_result(vector: Vector):
    space = vector.space()

    status = check(vector.code, vector.limits())

    assert status == (vector.status, vector.where)
    if vector.status:
        return
    helpers = {number: HELPERS[number] for number in vector.helpers}
    outcome = run(vector.code, space, fuel=vector.fuel, frame_bytes=vector.frame_bytes, helpers=helpers)
    assert outcome.fault is vector.fault
    assert vector.result in (None, outcome.registers[0])
    assert vector.fuel_left in (None, outcome.fuel)
    assert vector.fits(space)


@pytest.mark.skipif(not suite.FILES, reason="bpf_conformance absent: 214 files not run")
def test_public_suite_passes_on_the_reference():
    wrong = {}
    for path in suite.FILES:
        case = suite.load(path)
        context = Region(CONTEXT if case.memory else 0, bytearray(case.memory))
        space = Space(Region(STACK, bytearray(512)), context)
        outcome = run(case.code, space, fuel=100_000, frame_bytes=64, helpers={5: unwind})
        if (outcome.fault, outcome.registers[0]) != (Fault.NONE, case.result):
            wrong[case.name] = (outcome.fault, hex(outcome.registers[0]))

    assert len(suite.FILES) == suite.FILE_COUNT
    assert wrong == {}


def test_a_program_that_the_check_refuses_does_not_run_and_its_twin_does():
    space = Space(Region(STACK, bytearray(8)))

    with pytest.raises(InputError) as refusal:
        run(encode(assemble("r0 = 1")), space, fuel=9)

    assert refusal.value.where == "instruction 0"
    assert run(encode(assemble("r0 = 1\nexit")), space, fuel=9).registers[0] == 1


def test_trace_sees_every_instruction_before_it_runs():
    seen = []
    code = encode(assemble("r0 = 1\nr0 += 2\nexit"))

    outcome = run(
        code,
        Space(Region(STACK, bytearray(8))),
        fuel=9,
        trace=lambda at, instruction, machine: seen.append((at, str(instruction), machine.registers[0])),
    )

    assert seen == [(0, "r0 = 0x1", 0), (1, "r0 += 0x2", 1), (2, "exit", 3)]
    assert outcome.at == 2
