"""Instructions as bytes and as text."""

from __future__ import annotations

import pytest
from patchctl.assembly import assemble, parse
from patchctl.contract import OPCODES, Op
from patchctl.errors import InputError
from patchctl.isa import Instruction, decode, encode

from tests.random_programs import random_program


def variants(op: Op) -> list[Instruction]:
    info = OPCODES[op]
    high = 0x1234 if op is Op.LDDW else 0
    return [
        Instruction(op, 3 if "dst" in info.uses else 0, src, offset, imm, 0 if src == 5 else high)
        for offset in info.offsets or ((0, -5, 300) if "offset" in info.uses else (0,))
        for imm in info.immediates or ((0, -1, 77, -(2**31)) if "imm" in info.uses else (0,))
        for src in info.sources or ((0, 9) if "src" in info.uses else (0,))
    ]


@pytest.mark.parametrize("op", OPCODES, ids=lambda op: op.name.lower())
def test_bytes_and_text_come_back_as_the_same_instruction(op):
    for instruction in variants(op):
        assert parse(str(instruction)) == instruction
        assert decode(instruction.encode()) == (instruction,)


@pytest.mark.parametrize("seed", range(50))
def test_random_program_comes_back_from_bytes_and_text(seed):
    code = random_program(seed)

    assert encode(decode(code)) == code
    assert encode(assemble("\n".join(map(str, decode(code))))) == code


# The left column is what clang's disassembler and bpftool write, the right one the bytes RFC 9669 gives it.
NOTATION = [
    ("r1 += r2", "0f21000000000000"),
    ("w1 = 5", "b401000005000000"),
    ("r1 = 0x1122334455667788 ll", "18010000887766550000000044332211"),
    ("r1 s>>= 32", "c701000020000000"),
    ("w3 s/= w4", "3c43010000000000"),
    ("r2 = (s8)r3", "bf32080000000000"),
    ("r0 = be16 r0", "dc00000010000000"),
    ("r0 = *(u16 *)(r1 + 12)", "69100c0000000000"),
    ("r0 = *(s32 *)(r10 - 8)", "81a0f8ff00000000"),
    ("*(u8 *)(r10 - 1) = 7", "720affff07000000"),
    ("*(u64 *)(r10 - 8) = r1", "7b1af8ff00000000"),
    ("if r1 s< -1 goto +2", "c5010200ffffffff"),
    ("if w1 & w2 goto -3", "4e21fdff00000000"),
    ("goto +0x4", "0500040000000000"),
    ("gotol -2", "06000000feffffff"),
    ("call 1", "8500000001000000"),
    ("call pc+3", "8510000003000000"),
    ("callx r2", "8d02000000000000"),
    ("lock *(u64 *)(r10 - 8) += r1", "db1af8ff00000000"),
    ("w1 = atomic_fetch_xor((u32 *)(r10 - 4), w1)", "c31afcffa1000000"),
    ("r1 = xchg_64(r10 - 8, r1)", "db1af8ffe1000000"),
    ("w0 = cmpxchg32_32(r10 - 4, w0, w1)", "c31afcfff1000000"),
    ("r1 = map[idx:0]+8", "18610000000000000000000008000000"),
    ("exit", "9500000000000000"),
]


@pytest.mark.parametrize("text, code", NOTATION, ids=[text for text, _ in NOTATION])
def test_notation_of_clang_is_read_to_the_bytes_of_the_rfc(text, code):
    assert parse(text).encode().hex() == code


@pytest.mark.parametrize(
    "text, good",
    [
        ("r1 += w2", "r1 += r2"),
        ("r11 = 5", "r9 = 5"),
        ("r10 = 5", "r9 = 5"),
        ("r1 = 0x100000000", "r1 = 0xffffffff"),
        ("r1 = -r2", "r1 = -r1"),
        ("w0 = be16 w0", "r0 = be16 r0"),
        ("w1 = (s32)w2", "r1 = (s32)r2"),
        ("*(s8 *)(r1 + 0) = 1", "*(u8 *)(r1 + 0) = 1"),
        ("r0 = *(u8 *)(r1 + 40000)", "r0 = *(u8 *)(r1 + 32767)"),
        ("lock *(u16 *)(r1 + 0) += r1", "lock *(u64 *)(r1 + 0) += r1"),
        ("lock *(u32 *)(r1 + 0) += r1", "lock *(u32 *)(r1 + 0) += w1"),
        ("r2 = xchg_64(r10 - 8, r1)", "r1 = xchg_64(r10 - 8, r1)"),
        ("if r1 = 2 goto +1", "if r1 == 2 goto +1"),
        ("exit 0", "exit"),
        ("", "exit"),
    ],
)
def test_bad_text_is_refused_and_its_twin_is_read(text, good):
    with pytest.raises(InputError) as refusal:
        parse(text)

    assert refusal.value.where == text
    parse(good)


@pytest.mark.parametrize(
    "code, says",
    [
        ("", "a program of 0 bytes: not a positive multiple of 8"),
        ("95000000000000", "a program of 7 bytes: not a positive multiple of 8"),
        ("9500000001000000", "the program holds an instruction whose unused field is not zero"),
        ("ff00000000000000", "the program holds an unknown instruction"),
        ("b70b000000000000", "the program names a register that does not exist"),
        ("1801000001000000", "the program holds a wide load without its second half"),
        ("8520000001000000", "the program calls a helper or sub-program that does not exist"),
    ],
)
def test_malformed_bytes_are_refused_with_the_boards_words(code, says):
    with pytest.raises(InputError) as refusal:
        decode(bytes.fromhex(code))

    assert refusal.value.what == says


def test_labels_lead_where_they_stand():
    program = assemble(
        "again:\nr1 = 1 ll\nif r1 == 0 goto out\ncall sub\ngoto again // back\nout:\nexit\nsub:\nexit"
    )

    assert [instruction.jump_slots for instruction in program] == [None, 2, 2, -5, None, None]
