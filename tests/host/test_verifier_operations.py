"""What the engine can run can be pushed: the verifier accepts every operation in every variant it has."""

import pytest
from patchctl.assembly import assemble
from patchctl.binding import BoundProgram
from patchctl.contract import OPCODES, SECTION_DATA, SECTION_VARIABLES, Op, Verdict
from patchctl.isa import SOURCE_DATA, SOURCE_MAP, Instruction, decode, encode, family_of
from patchctl.verifier import Limits, verify

# Calls and the end have tests of their own: test_verifier.py, test_verifier_soundness.py.
ELSEWHERE = {Op.EXIT, Op.CALL, Op.CALLX}
LIMITS = Limits(frozenset({Verdict.PASS}), data_bytes=8, variable_bytes=16)
BEFORE = tuple(
    assemble("r3 = *(u32 *)(r1 + 0)\nr4 = *(u32 *)(r1 + 4)\nr0 = 0\n*(u64 *)(r10 - 8) = 5\nr5 = 0\nr6 = 0")
)
AFTER = tuple(assemble("r0 = 0\nexit"))
NUMBER, OTHER, RESULT, STACK, SLOT = 3, 4, 5, 10, -8  # of BEFORE
OVER_ONE = CONSTANT = 1  # a jump leads to the end: r0 is 0 there too


def operands(op):
    """Registers and offset that suit the operation's family: memory is the written slot of the stack."""
    source = OTHER if "src" in OPCODES[op].uses else 0
    return {
        "ldx": (RESULT, STACK, SLOT),
        "st": (STACK, 0, SLOT),
        "stx": (STACK, OTHER, SLOT),
        "atomic": (STACK, OTHER, SLOT),
        "ja": (0, 0, OVER_ONE if "offset" in OPCODES[op].uses else 0),
        "jump": (NUMBER, source, OVER_ONE),
        "lddw": (RESULT, 0, 0),
    }.get(family_of(op), (NUMBER, source, 0))


def variants(op):
    """The operation once for each of its offsets and immediates that mean something else."""
    info = OPCODES[op]
    dst, src, offset = operands(op)
    for chosen in info.offsets or (offset,):
        for imm in info.immediates or ((CONSTANT,) if "imm" in info.uses else (0,)):
            yield Instruction(op, dst, src, chosen, imm)


VARIANTS = [instruction for op in OPCODES if op not in ELSEWHERE for instruction in variants(op)]
VARIANTS += [  # an address in each section
    Instruction(Op.LDDW, RESULT, SOURCE_DATA, imm=section, imm_high=8)
    for section in (SECTION_DATA, SECTION_VARIABLES)
]


def verdict_on(*body):
    return verify(BoundProgram("case", "case.c", encode((*BEFORE, *body, *AFTER)), bytes(8), {}), LIMITS)


def test_every_operation_has_a_variant_here_or_a_test_elsewhere():
    assert {instruction.op for instruction in VARIANTS} | ELSEWHERE == set(Op) == set(OPCODES)
    assert len(set(VARIANTS)) == len(VARIANTS)


@pytest.mark.parametrize("instruction", VARIANTS, ids=lambda i: f"{i.op.name.lower()} {i.offset} {i.imm}")
def test_the_operation_is_accepted_and_decodes_to_what_it_was(instruction):
    report = verdict_on(instruction)

    assert [finding.says for finding in report.findings] == []
    assert report.program is not None
    assert instruction in decode(encode((*BEFORE, instruction, *AFTER)))


# The twin: the same operations are refused where what they work on does not allow it.
OUTSIDE = 8


@pytest.mark.parametrize(
    "instruction",
    [i for i in VARIANTS if family_of(i.op) in ("ldx", "st", "stx", "atomic")],
    ids=lambda i: f"{i.op.name.lower()} {i.imm}",
)
def test_the_same_access_outside_the_stack_is_refused(instruction):
    outside = Instruction(instruction.op, instruction.dst, instruction.src, OUTSIDE, instruction.imm)

    report = verdict_on(outside)

    assert report.program is None
    assert report.findings


@pytest.mark.parametrize(
    "instruction",
    [i for i in VARIANTS if i.src == OTHER or (i.dst == NUMBER and "dst" in OPCODES[i.op].reads)],
    ids=lambda i: f"{i.op.name.lower()} {i.offset} {i.imm}",
)
def test_the_same_operation_on_a_register_without_a_value_is_refused(instruction):
    unset = 9
    src = unset if instruction.src == OTHER else instruction.src
    dst = unset if instruction.dst == NUMBER and "dst" in OPCODES[instruction.op].reads else instruction.dst

    report = verdict_on(Instruction(instruction.op, dst, src, instruction.offset, instruction.imm))

    assert report.program is None
    assert report.findings


POINTER, MIDDLE = 7, 8
VARIABLES = Instruction(Op.LDDW, POINTER, SOURCE_DATA, imm=SECTION_VARIABLES, imm_high=MIDDLE)
CONSTANTS = Instruction(Op.LDDW, POINTER, SOURCE_DATA, imm=SECTION_DATA)


def on_variables(instruction, offset):
    """The same access through POINTER, at `offset` from the middle of the variables."""
    is_load = family_of(instruction.op) == "ldx"
    dst, src = (instruction.dst, POINTER) if is_load else (POINTER, instruction.src)
    return Instruction(instruction.op, dst, src, offset, instruction.imm)


ACCESSES = [i for i in VARIANTS if family_of(i.op) in ("ldx", "st", "stx", "atomic")]
BYTES = {"DW": 8, "W": 4, "H": 2, "B": 1}  # by the end of the operation's name


@pytest.mark.parametrize("instruction", ACCESSES, ids=lambda i: f"{i.op.name.lower()} {i.imm}")
def test_every_access_to_variables_is_accepted_up_to_both_ends_and_refused_behind_them(instruction):
    size = next(size for end, size in BYTES.items() if instruction.op.name.endswith(end))
    last = LIMITS.variable_bytes - MIDDLE - size

    for offset in (-MIDDLE, 0, last):
        report = verdict_on(VARIABLES, on_variables(instruction, offset))
        assert [finding.says for finding in report.findings] == []
        assert report.program is not None
    for offset in (-MIDDLE - 1, last + 1):
        report = verdict_on(VARIABLES, on_variables(instruction, offset))
        assert report.program is None
        assert "can leave the patch's variables" in report.findings[0].says


@pytest.mark.parametrize("instruction", ACCESSES, ids=lambda i: f"{i.op.name.lower()} {i.imm}")
def test_of_accesses_to_constants_only_loads_are_accepted(instruction):
    report = verdict_on(CONSTANTS, on_variables(instruction, 0))

    is_load = family_of(instruction.op) == "ldx"
    assert (report.program is not None) == is_load
    assert is_load or "a write to the data section" in report.findings[0].says


def test_an_address_in_a_section_that_there_is_not_is_refused():
    assert verdict_on(Instruction(Op.LDDW, RESULT, SOURCE_DATA, imm=SECTION_VARIABLES + 1)).program is None


def test_a_map_is_refused():
    assert verdict_on(Instruction(Op.LDDW, RESULT, SOURCE_MAP)).program is None
