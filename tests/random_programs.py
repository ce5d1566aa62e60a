"""Stop 12 of 12. Random programs that the structural check accepts, for comparing engines.

Takes a seed; gives program bytes that mix every opcode, loops, sub-programs, good and wild pointers.
Next: tests/runtime/test_vm_differential.py
"""

from __future__ import annotations

import random
from collections.abc import Callable

from patchctl.contract import OPCODES, SECTION_VARIABLES, Op
from patchctl.isa import SOURCE_DATA, SOURCE_SUB_PROGRAM, Instruction, encode, family_of

from tests.isa_vectors import READABLE, WRITABLE

_BY_FAMILY: dict[str, list[Op]] = {}
for _op in OPCODES:
    _BY_FAMILY.setdefault(family_of(_op), []).append(_op)
_MIX = (
    *("alu",) * 24, *("neg", "swap") * 2, *("lddw",) * 3, *("ldx",) * 9, *("st",) * 4, *("stx",) * 6,
    *("atomic",) * 4, *("jump",) * 12, *("ja",) * 2, *("call",) * 2, "callx", "exit",
)  # fmt: skip
_NUMBERS = (0, 1, 2, 7, 8, 31, 32, 63, 64, 255, -1, -2, -8, 2**31 - 1, -(2**31), 0x12345678)
_BASES = (10,) * 12 + (1,) * 12 + (6, 7, 3)  # mostly the stack and the context, sometimes anything
_TARGETS = (0, 0, 2, 3, 4, 5, 6, 7, 8, 9)  # r1 keeps the context

_Make = Callable[[random.Random, Op], Instruction]


def _plain(rng: random.Random, op: Op) -> Instruction:
    info = OPCODES[op]
    source = rng.randrange(11) if "src" in info.uses else 0
    offset = rng.choice(info.offsets) if info.offsets else 0
    imm = rng.choice(info.immediates or _NUMBERS) if "imm" in info.uses else 0
    return Instruction(op, rng.choice(_TARGETS), source, offset, imm)


def _access(rng: random.Random, op: Op) -> Instruction:
    info = OPCODES[op]
    base = rng.choice(_BASES)
    offset = rng.randrange(-48, -7) if base == 10 else rng.randrange(0, 9)
    if rng.random() < 0.05:
        offset = rng.choice((-65, -64, -7, -4, -1, 0, 9, 12, 16))
    if family_of(op) == "ldx":
        return Instruction(op, rng.choice(_TARGETS), base, offset)
    source = rng.randrange(10) if "src" in info.uses else 0
    imm = rng.choice(info.immediates or _NUMBERS) if "imm" in info.uses else 0
    return Instruction(op, base, source, offset, imm)


def _wide(rng: random.Random, op: Op) -> Instruction:
    dst = rng.choice((3, 6, 7, 8))
    kind = rng.randrange(5)
    if kind == 0:
        return Instruction(op, dst, SOURCE_DATA, imm_high=rng.randrange(6))
    if kind == 1:
        return Instruction(op, dst, SOURCE_DATA, imm=SECTION_VARIABLES, imm_high=rng.randrange(9))
    if kind == 2:
        return Instruction(op, dst, imm=rng.choice((READABLE, WRITABLE)) + rng.randrange(12))
    return Instruction(op, dst, imm=rng.choice(_NUMBERS), imm_high=rng.choice(_NUMBERS))


def _call(rng: random.Random, op: Op) -> Instruction:
    return Instruction(op, src=SOURCE_SUB_PROGRAM) if rng.random() < 0.8 else Instruction(op, imm=1)


_MAKE: dict[str, _Make] = {
    "alu": _plain, "neg": _plain, "swap": _plain, "jump": _plain, "lddw": _wide, "call": _call,
    "ldx": _access, "st": _access, "stx": _access, "atomic": _access,
    "ja": lambda rng, op: Instruction(op),
    "exit": lambda rng, op: Instruction(op),
    "callx": lambda rng, op: Instruction(op, rng.randrange(10)),
}  # fmt: skip


def _body(rng: random.Random, size: int) -> list[Instruction]:
    """One sub-program: targets are filled in later, its last instruction is exit."""
    families = [rng.choice(_MIX) for _ in range(size)]
    body = [_MAKE[family](rng, rng.choice(_BY_FAMILY[family])) for family in families]
    return [*body, Instruction(Op.EXIT)]


def _placed(rng: random.Random, body: list[Instruction], start: int, entries: list[int]) -> list[Instruction]:
    """The body with every jump and sub-program call led to a whole instruction."""
    places, at = [], start
    for instruction in body:
        places.append(at)
        at += instruction.slots
    out = []
    for at, instruction in zip(places, body, strict=True):
        op, dst, src, imm = instruction.op, instruction.dst, instruction.src, instruction.imm
        distance = rng.choice(places) - at - 1
        if op is Op.JA32:
            instruction = Instruction(op, imm=distance)
        elif op is Op.JA or family_of(op) == "jump":
            instruction = Instruction(op, dst, src, distance, imm)
        elif instruction.is_local_call:
            instruction = Instruction(op, src=src, imm=rng.choice(entries) - at - 1)
        out.append(instruction)
    return out


def random_program(seed: int) -> bytes:
    """A well-formed program of 5 to 60 instructions in one to three sub-programs.

    It needs 8 bytes of data and 16 of variables.
    """
    rng = random.Random(seed)
    bodies = [_body(rng, rng.randrange(4, 20)) for _ in range(rng.choice((1, 1, 2, 3)))]
    entries, at = [], 0
    for body in bodies:
        entries.append(at)
        at += sum(instruction.slots for instruction in body)
    placed = [_placed(rng, body, entry, entries) for body, entry in zip(bodies, entries, strict=True)]
    return b"".join(encode(body) for body in placed)
