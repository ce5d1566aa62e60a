"""core/vm.c as Thumb code on the four cores: the same answers, and no access that a real one would refuse."""

from __future__ import annotations

import pytest

pytest.importorskip("unicorn", reason="emulated cores need the sim extra")

from patchctl.assembly import assemble
from patchctl.contract import Fault
from patchctl.isa import encode
from patchctl.reference import Region, Space, run

from tests import bpf_conformance as suite
from tests.isa_vectors import CONTEXT, DATA, READABLE, STACK, VARIABLES, WRITABLE, vectors
from tests.random_programs import random_program
from tests.thumb_engine import CORES, build

C_STACK_BYTES_MAX = 256


@pytest.fixture(scope="module", params=CORES)
def engine(request, tmp_path_factory):
    return build(request.param, tmp_path_factory.mktemp("thumb"))


def test_vectors_give_their_results_without_a_refused_access(engine):
    for vector in vectors():
        if vector.status:
            continue
        space = vector.space()

        outcome = engine.run(
            vector.code, space, fuel=vector.fuel, frame_bytes=vector.frame_bytes, helpers=vector.helpers
        )

        assert outcome.fault is vector.fault, vector.name
        assert vector.result in (None, outcome.registers[0]), vector.name
        assert vector.fuel_left in (None, outcome.fuel), vector.name
        assert vector.fits(space), vector.name
    assert engine.bad_accesses == []


@pytest.mark.skipif(not suite.FILES, reason="bpf_conformance absent: 214 files not run")
def test_public_suite_passes_on_the_core(engine):
    wrong = {}
    for path in suite.FILES:
        case = suite.load(path)
        # One byte off: a packet on a board lies where it lies.
        context = Region(CONTEXT + 1 if case.memory else 0, bytearray(case.memory))
        space = Space(Region(STACK, bytearray(512)), context)
        outcome = engine.run(case.code, space, fuel=100_000, frame_bytes=64, helpers=frozenset({5}))
        if (outcome.fault, outcome.registers[0]) != (Fault.NONE, case.result):
            wrong[case.name] = (outcome.fault, hex(outcome.registers[0]))

    assert len(suite.FILES) == suite.FILE_COUNT
    assert wrong == {}
    assert engine.bad_accesses == []


@pytest.mark.skipif(not suite.NEGATIVE_FILES, reason="bpf_conformance absent: 33 negative files not run")
def test_public_negative_files_are_refused_on_the_core_as_what_their_names_say(engine):
    assert len(suite.NEGATIVE_FILES) == suite.NEGATIVE_COUNT

    assert suite.wrongly_judged(suite.NEGATIVE_FILES, engine.check) == []


def test_vectors_get_their_statuses_on_the_core(engine):
    wrong = {
        vector.name: answer
        for vector in vectors()
        if (answer := engine.check(vector.code, vector.limits())) != (vector.status, vector.where)
    }

    assert wrong == {}
    assert engine.bad_accesses == []


def test_run_without_a_region_of_8_bytes_ends_at_once_and_with_one_it_runs(engine):
    code = encode(assemble("r0 = 3\nexit"))

    without = engine.run(code, Space(Region(STACK, bytearray(0)), Region(CONTEXT, bytearray(7))), fuel=9)
    with_one = engine.run(code, Space(Region(STACK, bytearray(0)), Region(CONTEXT, bytearray(8))), fuel=9)

    assert without.fault is Fault.RECORD
    assert (with_one.fault, with_one.registers[0]) == (Fault.NONE, 3)


def test_random_programs_agree_with_the_reference(engine):
    for seed in range(100):
        code, fuel = random_program(seed), (7, 40, 150)[seed % 3]
        spaces = [
            Space(
                Region(STACK, bytearray(64)),
                Region(CONTEXT + 1, bytearray(range(seed, seed + 16))),
                Region(DATA + 3, bytearray(b"\x81\x82\x83\x84\x85\x86\x87\x88")),
                Region(VARIABLES + 5, bytearray(range(100, 116))),
                [Region(READABLE, bytearray(range(32)))],
                [Region(WRITABLE, bytearray(range(16)))],
            )
            for _ in range(2)
        ]

        expected = run(code, spaces[0], fuel=fuel, frame_bytes=16)
        actual = engine.run(code, spaces[1], fuel=fuel, frame_bytes=16)

        assert (actual.fault, actual.fuel) == (expected.fault, expected.fuel), seed
        assert spaces[0] == spaces[1], seed
        assert expected.fault is Fault.FUEL or actual.registers == expected.registers, seed
    assert engine.bad_accesses == []


def test_c_stack_of_a_run_is_within_its_budget(engine):
    for vector in vectors():
        if vector.status == 0:
            engine.run(vector.code, vector.space(), fuel=vector.fuel, frame_bytes=vector.frame_bytes)

    assert 0 < engine.stack_bytes <= C_STACK_BYTES_MAX
