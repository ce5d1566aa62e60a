"""What the verifier accepts never faults, never runs longer than it says, and gives a legal verdict.

Random programs of arithmetic, tests, loops and accesses to the stack, to variables and to constants; each
accepted one is run by the reference interpreter on random and on extreme registers. Between any two
instructions the variables change, as they may on a board, where another run hits in between.
"""

import random
from dataclasses import replace
from itertools import cycle

import pytest
from patchctl.assembly import assemble
from patchctl.binding import BoundProgram
from patchctl.contract import CONTEXT_BYTES, OPCODES, Fault, Op, Verdict
from patchctl.errors import InputError
from patchctl.isa import Instruction, decode, encode
from patchctl.reference import Region, Space, run
from patchctl.verifier import Limits, verify
from patchctl.verifier.paths import STEPS_MAX

STACK_AT, CONTEXT_AT, VARIABLES_AT, DATA_AT = 0x2000_1000, 0x2000_8000, 0x2001_0000, 0x0004_0000
VARIABLE_BYTES, DATA_BYTES = 64, 96
LIMITS = Limits(
    frozenset({Verdict.PASS, Verdict.RETURN}), data_bytes=DATA_BYTES, variable_bytes=VARIABLE_BYTES
)
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


def keep(source):
    """An access to the variables, seldom to constants, at a place that may be outside."""
    register, index = source.randrange(2, 6), source.randrange(2, 6)
    r, w = f"r{register}", f"w{register}"
    mask = source.choice([7, 31, 60])
    return [
        f"r6 = map[idx:{int(source.random() < 0.9)}]+{source.choice([0, 8, 16, 24, 32, 56, 60])}",
        *source.choice([[], [], [f"r{index} &= {mask}", f"r6 += r{index}"], [f"r6 += r{index}"]]),
        source.choice(
            [
                f"{r} = *(u64 *)(r6 + 0)",
                f"{r} = *(u32 *)(r6 + 0)",
                f"{r} = *(s16 *)(r6 + 0)",
                f"{r} = *(u8 *)(r6 - 8)",
                f"*(u64 *)(r6 + 0) = {r}",
                "*(u8 *)(r6 + 1) = 1",
                f"{r} = atomic_fetch_add((u64 *)(r6 + 0), {r})",
                f"{w} = xchg32_32(r6 + 0, {w})",
                f"lock *(u32 *)(r6 + 0) |= {w}",
            ]
        ),
    ]


def spill(source):
    return [
        f"*(u64 *)(r10 - 8) = r{source.randrange(2, 6)}",
        f"r{source.randrange(2, 6)} = *(u64 *)(r10 - 8)",
    ]


def loop(source, label):
    kinds = [arithmetic, narrow, access, move, keep]
    body = [line for _ in range(2) for line in source.choice(kinds)(source)]
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
        kinds = [arithmetic, move, guard, guard, compare, narrow, narrow, access, spill, keep, keep]
        lines += loop(source, index) if source.random() < 0.15 else source.choice(kinds)(source)
    return "\n".join([*lines, "end:", "r0 = 0", "exit"])


def call(source, label):
    """A call with numbers, or with an index and a buffer or variables; the result may be tested."""
    chance = source.random()
    if chance < 0.4:
        arguments = ["r1 = r10", f"r1 += {-source.choice([8, 16, 64])}", "r2 = r8"]
    elif chance < 0.6:
        arguments = [f"r1 = map[idx:1]+{source.choice([0, 24, 56])}", "r2 = r8"]
    else:
        arguments = ["r1 = r8", "r2 = r9"]
    return [*arguments, f"call s{label}", *source.choice([[], ["r8 = r0"], ["r8 = r0", "r8 &= 7"]])]


def sub_program(source, label, count):
    """r2 to r5 are numbers; r1 may be a buffer. Later ones may be called."""
    lines = [f"s{label}:", "r8 = r2", "r3 = r2", "r4 = 3", "r5 = r2", "r9 = 1", "r6 = r1"]
    for _ in range(source.randrange(1, 5)):
        kinds = [arithmetic, narrow, access_own, access_given, guard_local, spill, keep_local]
        lines += source.choice(kinds)(source)
        lines = [line.replace("goto end", f"goto e{label}") for line in lines]
    if label + 1 < count and source.random() < 0.6:
        lines += ["r8 = r2", *call(source, source.randrange(label + 1, count))]
    return [*lines, f"e{label}:", f"r0 = {source.choice(['r8', 'r9', '5'])}", "exit"]


def access_own(source):
    return ["r7 = r10", f"r7 += {-source.choice([8, 16, 40])}", "r7 += r8", "*(u8 *)(r7 + 0) = 3"]


def keep_local(source):
    """keep(), with r6 still what was given."""
    return [line.replace("r6", "r7") for line in keep(source)]


def access_given(source):
    return ["r7 = r6", f"r7 += {source.choice(['r3', 'r5', '0', '7'])}", "*(u8 *)(r7 + 0) = 9"]


def guard_local(source):
    return [f"if r{source.choice([2, 3, 5])} {source.choice(TESTS)} {number(source)} goto end", "r8 = r2"]


def program_with_sub_programs(seed):
    source = random.Random(seed)
    count = source.randrange(1, 4)
    lines = ["r8 = *(u32 *)(r1 + 0)", "r9 = *(u32 *)(r1 + 4)", "r8 &= 63", "r9 &= 31"]
    for index in range(source.randrange(1, 4)):
        asked = call(source, source.randrange(count))
        if source.random() < 0.4:
            rounds = source.randrange(1, 9)
            asked = ["r7 = 0", f"l{index}:", *asked, "r7 += 1", f"if r7 < {rounds} goto l{index}"]
        lines += ["*(u64 *)(r10 - 8) = r9", *asked, "r9 = *(u64 *)(r10 - 8)", "r9 &= 63"]
    lines += ["r1 = r10", f"r1 += {-source.choice([8, 64])}", "r1 += r9", "*(u8 *)(r1 + 0) = 1"]
    behind = [line for label in range(count) for line in sub_program(source, label, count)]
    return "\n".join([*lines, "r0 = 0", "exit", *behind])


def contexts(source):
    for index in range(24):
        pick = (lambda: source.choice(EXTREMES)) if index % 2 else (lambda: source.getrandbits(32))
        few = [source.randrange(16) if source.random() < 0.4 else pick() for _ in range(4)]
        yield b"".join(word.to_bytes(4, "little") for word in few) + bytes(CONTEXT_BYTES - 16)


def fills(source):
    """What other runs may leave in the variables: small numbers, extreme ones, and anything."""
    numbers = [source.randrange(16) for _ in range(4)] + [source.choice(EXTREMES) for _ in range(4)]
    words = [b"".join(number.to_bytes(8, "little") for number in numbers), bytes(VARIABLE_BYTES)]
    return [*words, b"\xff" * VARIABLE_BYTES, *(source.randbytes(VARIABLE_BYTES) for _ in range(4))]


FILLS = fills(random.Random(7))


def outcome_of(code, stack_bytes, fuel, context, frame_bytes=0):
    space = Space(
        stack=Region(STACK_AT, bytearray(stack_bytes)),
        context=Region(CONTEXT_AT, bytearray(context)),
        data=Region(DATA_AT, bytearray(range(DATA_BYTES))),
        variables=Region(VARIABLES_AT, bytearray(VARIABLE_BYTES)),
    )
    turns = cycle(FILLS[context[0] % len(FILLS) :] + FILLS[: context[0] % len(FILLS)])

    def other_run(*_):
        space.variables.data[:] = next(turns)

    return run(code, space, fuel=fuel, frame_bytes=frame_bytes, trace=other_run)


@pytest.mark.parametrize("batch", range(8))
def test_accepted_program_keeps_its_promises(batch):
    accepted = keeping = 0
    for seed in range(batch * 60, batch * 60 + 60):
        text = random_program(seed)
        code = encode(assemble(text))
        program = verify(BoundProgram("random", "random", code, b"", {}), LIMITS).program
        if program is None:
            continue
        accepted += 1
        keeping += "map[idx:1]" in text
        for context in contexts(random.Random(seed)):
            end = outcome_of(code, program.stack_bytes, program.worst_case_steps, context)
            assert end.fault is Fault.NONE, (seed, end, context.hex())
            assert end.registers[0] & 0xFFFFFFFF == Verdict.PASS

    assert accepted >= 10
    assert keeping >= 4


@pytest.mark.parametrize("batch", range(4))
def test_accepted_program_with_sub_programs_keeps_its_promises(batch):
    accepted = with_frames = keeping = 0
    for seed in range(batch * 100, batch * 100 + 100):
        text = program_with_sub_programs(seed)
        code = encode(assemble(text))
        program = verify(BoundProgram("random", "random", code, b"", {}), LIMITS).program
        if program is None:
            continue
        accepted += 1
        with_frames += program.frame_bytes > 0
        keeping += "map[idx:1]" in text
        for context in contexts(random.Random(seed)):
            end = outcome_of(
                code, program.stack_bytes, program.worst_case_steps, context, program.frame_bytes
            )
            assert end.fault is Fault.NONE, (seed, end, context.hex())
            assert end.registers[0] & 0xFFFFFFFF == Verdict.PASS

    assert accepted >= 10
    assert with_frames >= 10
    assert keeping >= 4


METERED = """
r3 = *(u32 *)(r1 + 0)
r4 = *(u32 *)(r1 + 4)
again:
{body}
if r3 != r4 goto again
r0 = 0
exit
"""


def test_accepted_metered_program_ends_well_or_by_its_fuel():
    limits = replace(LIMITS, metered=True)
    accepted = ended = keeping = 0
    for seed in range(120):
        source = random.Random(seed)
        kinds = [arithmetic, narrow, move, access, spill, keep]
        body = [line for _ in range(source.randrange(1, 5)) for line in source.choice(kinds)(source)]
        code = encode(assemble(METERED.format(body="\n".join(["r2 = 1", "r5 = 2", *body]))))
        program = verify(BoundProgram("random", "random", code, b"", {}), limits).program
        if program is None or not program.metered:
            continue
        accepted += 1
        keeping += any("map[idx:1]" in line for line in body)
        for context in contexts(random.Random(seed)):
            end = outcome_of(code, program.stack_bytes, 300, context)
            assert end.fault in (Fault.NONE, Fault.FUEL), (seed, end, context.hex())
            ended += end.fault is Fault.NONE

    assert accepted >= 10
    assert ended >= 10
    assert keeping >= 4


@pytest.mark.parametrize("body", ["r4 += 1", "r4 += 3\nr5 = r4\nr5 *= r3", "r3 = *(u32 *)(r3 + 0)"])
def test_a_loop_without_an_end_is_refused_after_a_known_effort(body):
    code = encode(assemble(METERED.format(body=body)))

    report = verify(BoundProgram("loop", "loop", code, b"", {}), LIMITS)

    assert [finding.kind for finding in report.findings] == ["loop"]
    assert "metered" in report.findings[0].hint
    assert report.steps_analyzed < 10_000


def test_nested_loops_without_an_end_exhaust_no_more_than_the_budget():
    inner = "r5 = 0\ninner:\nr5 += 1\nif r5 != 1000 goto inner\nr4 += 1"
    code = encode(assemble(METERED.format(body=inner)))

    report = verify(BoundProgram("loop", "loop", code, b"", {}), LIMITS)

    assert {finding.kind for finding in report.findings} == {"loop"}
    assert "steps had been analyzed" in report.findings[0].known
    assert report.steps_analyzed < 2 * STEPS_MAX


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
