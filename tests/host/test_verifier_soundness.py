"""What the verifier accepts never faults, never runs longer than it says, and gives a legal verdict.

Random programs of arithmetic, tests, loops and stack accesses; each accepted one is run by the reference
interpreter on random and on extreme registers.
"""

import random

import pytest
from patchctl.assembly import assemble
from patchctl.binding import BoundProgram
from patchctl.contract import CONTEXT_BYTES, OPCODES, Fault, Op, Verdict
from patchctl.errors import InputError
from patchctl.isa import Instruction, decode, encode
from patchctl.reference import Region, Space, run
from patchctl.verifier import Limits, verify

STACK_AT, CONTEXT_AT, READABLE_AT = 0x2000_1000, 0x2000_8000, 0x2001_0000
LIMITS = Limits(frozenset({Verdict.PASS, Verdict.RETURN}))
EXTREMES = (0, 1, 7, 8, 255, 256, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF)
ARITHMETIC = ("+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>=", "s>>=", "s/=", "s%=")
TESTS = ("==", "!=", ">", ">=", "<", "<=", "&", "s>", "s>=", "s<", "s<=")


def number(source):
    return source.choice([source.randrange(8), source.randrange(300), source.randrange(-20, 20), 64])


def arithmetic(source):
    letter, register = source.choice("rw"), source.randrange(2, 6)
    sign = source.choice(ARITHMETIC)
    width = 64 if letter == "r" else 32
    if "<<" in sign or ">>" in sign:
        return [f"{letter}{register} {sign} {source.randrange(width)}"]
    if source.random() < 0.4:
        return [f"{letter}{register} {sign} {letter}{source.randrange(2, 6)}"]
    return [f"{letter}{register} {sign} {number(source)}"]


def move(source):
    letter = source.choice("rw")
    extended = source.choice(["", "(s8)", "(s16)"])
    return [f"{letter}{source.randrange(2, 6)} = {extended}{letter}{source.randrange(2, 6)}"]


def guard(source):
    letter, register = source.choice("rw"), source.randrange(2, 6)
    return [f"if {letter}{register} {source.choice(TESTS)} {number(source)} goto end"]


def compare(source):
    letter = source.choice("rw")
    first, second = source.sample(range(2, 6), 2)
    return [f"if {letter}{first} {source.choice(TESTS)} {letter}{second} goto end"]


def narrow(source):
    return [f"r{source.randrange(2, 6)} &= {source.choice([3, 7, 12, 31, 60])}"]


def access(source):
    return [
        "r6 = r10",
        f"r6 += {-source.choice([8, 16, 64, 320])}",
        f"r6 += r{source.randrange(2, 6)}",
        source.choice(["*(u8 *)(r6 + 0) = 1", "*(u64 *)(r6 + 0) = r2", "r5 = *(u16 *)(r6 + 0)"]),
    ]


def spill(source):
    return [
        f"*(u64 *)(r10 - 8) = r{source.randrange(2, 6)}",
        f"r{source.randrange(2, 6)} = *(u64 *)(r10 - 8)",
    ]


def loop(source, label):
    body = [line for _ in range(2) for line in source.choice([arithmetic, narrow, access, move])(source)]
    step = source.randrange(1, 4)
    return [
        "r7 = 0",
        f"l{label}:",
        *body,
        f"r7 += {step}",
        f"if r7 < {source.randrange(1, 20)} goto l{label}",
    ]


def random_program(seed):
    source = random.Random(seed)
    lines = [f"r{register} = *(u32 *)(r1 + {4 * (register - 2)})" for register in range(2, 6)]
    for index in range(source.randrange(2, 9)):
        kinds = [arithmetic, move, guard, guard, compare, narrow, narrow, access, spill]
        lines += loop(source, index) if source.random() < 0.15 else source.choice(kinds)(source)
    return "\n".join([*lines, "end:", "r0 = 0", "exit"])


def contexts(source):
    for index in range(24):
        pick = (lambda: source.choice(EXTREMES)) if index % 2 else (lambda: source.getrandbits(32))
        few = [source.randrange(16) if source.random() < 0.4 else pick() for _ in range(4)]
        yield b"".join(word.to_bytes(4, "little") for word in few) + bytes(CONTEXT_BYTES - 16)


def outcome_of(code, stack_bytes, fuel, context):
    space = Space(
        stack=Region(STACK_AT, bytearray(stack_bytes)), context=Region(CONTEXT_AT, bytearray(context))
    )
    return run(code, space, fuel=fuel)


@pytest.mark.parametrize("batch", range(8))
def test_accepted_program_keeps_its_promises(batch):
    accepted = 0
    for seed in range(batch * 60, batch * 60 + 60):
        code = encode(assemble(random_program(seed)))
        program = verify(BoundProgram("random", "random", code, b"", {}), LIMITS).program
        if program is None:
            continue
        accepted += 1
        for context in contexts(random.Random(seed)):
            end = outcome_of(code, program.stack_bytes, program.worst_case_steps, context)
            assert end.fault is Fault.NONE, (seed, end, context.hex())
            assert end.registers[0] & 0xFFFFFFFF == Verdict.PASS

    assert accepted >= 10


def test_worst_case_of_a_loop_is_reached_and_not_exceeded():
    code = encode(assemble("r0 = 0\nr3 = 0\nagain:\nr3 += 1\nif r3 != 10 goto again\nexit"))
    steps = verify(BoundProgram("loop", "loop", code, b"", {}), LIMITS).program.worst_case_steps

    assert outcome_of(code, 8, steps, bytes(CONTEXT_BYTES)).fault is Fault.NONE
    assert outcome_of(code, 8, steps - 1, bytes(CONTEXT_BYTES)).fault is Fault.FUEL


def random_instruction(source, count):
    """Any opcode, with fields that are often allowed for it."""
    op = source.choice(list(Op))
    info = OPCODES[op]
    fields = {
        "dst": source.choice([0, 1, 2, 6, 10]),
        "src": source.choice(info.sources or (0, 1, 2, 10)),
        "offset": source.choice(info.offsets or (0, 1, source.randrange(count), -8, -16)),
        "imm": source.choice(info.immediates or (0, 1, 8, -1, source.getrandbits(31))),
    }
    used = {name: value for name, value in fields.items() if name in info.uses}
    return Instruction(op, **used)


def test_no_program_of_random_instructions_confuses_the_verifier():
    source = random.Random(5)
    decoded = rejected = 0
    for _ in range(1500):
        count = source.randrange(1, 12)
        code = encode([random_instruction(source, count) for _ in range(count)] + [Instruction(Op.EXIT)])
        try:
            decode(code)
        except InputError:
            continue
        decoded += 1
        report = verify(BoundProgram("random", "random", code, b"", {}), LIMITS)
        rejected += report.program is None
        assert (report.program is None) == bool(report.findings)

    assert 300 < rejected <= decoded
