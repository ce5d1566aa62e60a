"""core/check.c: every refusal has its status and its slot, and the reference says the same of every input."""

from __future__ import annotations

import random

import pytest
from patchctl.contract import Status
from patchctl.structure import Limits, check

from tests import bpf_conformance as suite
from tests.engine import build
from tests.isa_vectors import Vector, vectors
from tests.random_programs import random_program

EXIT = bytes.fromhex("9500000000000000")
LIMITS = Limits(4096, 8, helpers=frozenset({1}))


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    return build(tmp_path_factory.mktemp("engine"))


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector.name)
def test_vector_gets_its_status(engine, vector: Vector):
    answer = engine.check(vector.code, vector.limits())

    assert answer == (vector.status, vector.where)


def test_vectors_cover_every_status_of_the_check():
    statuses = {status for status in Status if status.name.startswith("CHECK_")}

    assert statuses - {vector.status for vector in vectors()} == set()


def test_empty_program_and_one_too_long_are_refused_and_the_longest_is_accepted(engine):
    assert engine.check(b"", LIMITS) == (Status.CHECK_LENGTH, 0)
    assert engine.check(EXIT * 5, Limits(4)) == (Status.CHECK_LENGTH, 0)
    assert engine.check(EXIT * 4, Limits(4)) == (Status.OK, 0)


def test_every_opcode_byte_with_every_kind_of_field_is_judged_as_the_reference_judges(engine):
    fields = [
        bytes([registers])
        + offset.to_bytes(2, "little", signed=True)
        + imm.to_bytes(4, "little", signed=True)
        for registers in (0x00, 0x01, 0x0A, 0xA0, 0xB0, 0x60)
        for offset in (0, 1, 2, 8, 32, -1)
        for imm in (0, 1, 16, 24, 64, 0x51, 0xE0, 0xE1, 0xF1, -1)
    ]
    for opcode in range(256):
        for field in fields:
            code = EXIT + bytes([opcode]) + field + EXIT
            assert engine.check(code, LIMITS) == check(code, LIMITS), code.hex(" ")


def damaged(seed: int) -> bytes:
    """A good program with a slot taken out, a register byte changed, or any byte changed."""
    rng = random.Random(seed)
    code = bytearray(random_program(seed % 200))
    slot = 8 * rng.randrange(len(code) // 8)
    match rng.randrange(4):
        case 0:
            del code[slot : slot + 8]
        case 1:
            code[slot + 1] = rng.choice((0x0A, 0xA0, 0x0B, 0xB3, 0x1A))
        case 2:
            code[slot + 2] = rng.randrange(256)
        case _:
            code[rng.randrange(len(code))] = rng.choice((0, 5, 6, 0x18, 0x85, 0x95, rng.randrange(256)))
    return bytes(code)


def test_damaged_programs_are_judged_as_the_reference_judges(engine):
    statuses = set()
    for seed in range(3000):
        code = damaged(seed)

        answer = engine.check(code, LIMITS)

        assert answer == check(code, LIMITS), code.hex()
        statuses.add(answer[0])

    assert {status.name for status in Status if status.name.startswith("CHECK_")} - {
        status.name for status in statuses
    } <= {"CHECK_LENGTH"}


@pytest.mark.skipif(not suite.NEGATIVE_FILES, reason="bpf_conformance absent: 33 negative files not run")
@pytest.mark.parametrize("judge", ("the core", "the reference"))
def test_public_negative_files_are_refused_as_what_their_names_say(engine, judge):
    assert len(suite.NEGATIVE_FILES) == suite.NEGATIVE_COUNT
    judged_by = engine.check if judge == "the core" else check

    assert suite.wrongly_judged(suite.NEGATIVE_FILES, judged_by) == []
    assert suite.wrongly_judged(suite.NEGATIVE_FILES, lambda code, limits: (Status.OK, 0)) != []
