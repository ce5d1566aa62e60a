"""Stops 3 to 9 of 12. The instruction set (RFC 9669 and callx) as plain values, bytes and text.

Takes program bytes; gives Instruction values, and their bytes and text (as clang and bpftool write it) again.
Strict: what it decodes it encodes to the same bytes, and what is malformed it refuses as the board would.
Next: host/patchctl/assembly.py
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

from patchctl.contract import INSTRUCTION_BYTES, OPCODES, STATUS_TEXT, Op, Status
from patchctl.errors import InputError

FRAME_POINTER = 10
SOURCE_SUB_PROGRAM = 1
SOURCE_MAP = 5
SOURCE_DATA = 6
FETCH = 0x01
EXCHANGE = 0xE1
COMPARE_EXCHANGE = 0xF1

ALU_SIGN = {
    "add": "+=", "sub": "-=", "mul": "*=", "div": "/=", "or": "|=", "and": "&=", "lsh": "<<=", "rsh": ">>=",
    "mod": "%=", "xor": "^=", "mov": "=", "arsh": "s>>=",
}  # fmt: skip
JUMP_SIGN = {
    "jeq": "==", "jne": "!=", "jgt": ">", "jge": ">=", "jlt": "<", "jle": "<=", "jset": "&",
    "jsgt": "s>", "jsge": "s>=", "jslt": "s<", "jsle": "s<=",
}  # fmt: skip
SIZE_TYPE = {"b": "u8", "h": "u16", "w": "u32", "dw": "u64", "sb": "s8", "sh": "s16", "sw": "s32"}
SWAP_NAME = {Op.TO_LE: "le", Op.TO_BE: "be", Op.BSWAP: "bswap"}
ATOMIC_NAMES = {0x00: ("+=", "add"), 0x40: ("|=", "or"), 0x50: ("&=", "and"), 0xA0: ("^=", "xor")}


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction with its fields as encoded, signed; `imm_high` is a wide load's second half."""

    op: Op
    dst: int = 0
    src: int = 0
    offset: int = 0
    imm: int = 0
    imm_high: int = 0

    @property
    def slots(self) -> int:
        """How many 8-byte slots it takes: 2 for a wide load."""
        return 2 if self.op is Op.LDDW else 1

    @property
    def imm64(self) -> int:
        """A wide load's constant, unsigned."""
        return (self.imm & 0xFFFFFFFF) | (self.imm_high & 0xFFFFFFFF) << 32

    @property
    def is_local_call(self) -> bool:
        """True if it calls a sub-program."""
        return self.op is Op.CALL and self.src == SOURCE_SUB_PROGRAM

    @property
    def jump_slots(self) -> int | None:
        """How far it jumps or calls, in slots from the instruction behind it; None if it never does."""
        if self.op is Op.JA32 or self.is_local_call:
            return self.imm
        is_jump = self.op is Op.JA or stem_of(self.op) in JUMP_SIGN
        return self.offset if is_jump else None

    def encode(self) -> bytes:
        """The 8 or 16 bytes of RFC 9669 section 3; struct.error where a field is out of range."""
        first = struct.pack("<BBhi", self.op, self.src << 4 | self.dst, self.offset, self.imm)
        return first + (struct.pack("<Ii", 0, self.imm_high) if self.op is Op.LDDW else b"")

    def __str__(self) -> str:
        """The instruction in the notation of clang."""
        return _PRINTERS[family_of(self.op)](self)


@cache
def stem_of(op: Op) -> str:
    """The operation's name without width and operand kind: add64_imm gives add."""
    return re.sub(r"(32|64)?(_imm|_reg)?$", "", op.name.lower())


@cache
def family_of(op: Op) -> str:
    """The kind of its text and effect: alu, jump, ldx, stx, st, atomic, swap, or its own name."""
    stem = stem_of(op)
    if stem in ALU_SIGN or stem in JUMP_SIGN:
        return "alu" if stem in ALU_SIGN else "jump"
    for prefix in ("ldx", "stx", "st", "atomic"):
        if stem.startswith(prefix):
            return prefix
    return "swap" if op in SWAP_NAME else stem


# ------------------------------------------------ strictness ------------------------------------------------


def field_status(op_byte: int, instruction: Instruction) -> Status:
    """What is wrong with one instruction by itself: OK, or the status the board would give (core/check.c)."""
    if op_byte not in OPCODES:
        return Status.CHECK_OPCODE
    info = OPCODES[instruction.op]
    values = {
        "dst": instruction.dst,
        "src": instruction.src,
        "offset": instruction.offset,
        "imm": instruction.imm,
    }
    registers = {"dst", "src"} - ({"src"} if instruction.op in (Op.CALL, Op.LDDW) else set())
    if any(values[name] > FRAME_POINTER for name in registers & info.uses):
        return Status.CHECK_REGISTER
    if any(value != 0 for name, value in values.items() if name not in info.uses):
        return Status.CHECK_UNUSED_FIELD
    if (info.offsets and instruction.offset not in info.offsets) or (
        info.immediates and instruction.imm not in info.immediates
    ):
        return Status.CHECK_IMMEDIATE
    return Status.CHECK_FRAME_POINTER if FRAME_POINTER in written_registers(instruction) else Status.OK


def written_registers(instruction: Instruction) -> frozenset[int]:
    """The registers it writes as its operands; r0 of calls and of compare-and-exchange included."""
    if instruction.op in (Op.ATOMICW, Op.ATOMICDW):
        if instruction.imm == COMPARE_EXCHANGE:
            return frozenset({0})
        return frozenset({instruction.src} if instruction.imm & FETCH else ())
    named = {"dst": instruction.dst, "src": instruction.src, "r0": 0}
    return frozenset(named[name] for name in OPCODES[instruction.op].writes)


def split(code: bytes, index: int) -> tuple[int, Instruction]:
    """Slot `index`, unchecked: the opcode byte, and an Instruction (of EXIT if the byte is no opcode)."""
    op_byte, registers, offset, imm = struct.unpack_from("<BBhi", code, index * INSTRUCTION_BYTES)
    op = Op(op_byte) if op_byte in OPCODES else Op.EXIT
    high = 0
    if op is Op.LDDW and (index + 2) * INSTRUCTION_BYTES <= len(code):
        high = struct.unpack_from("<i", code, index * INSTRUCTION_BYTES + 12)[0]
    return op_byte, Instruction(op, registers & 15, registers >> 4, offset, imm, high)


def wide_status(code: bytes, index: int) -> Status:
    """What is wrong with the second half of the wide load in slot `index`."""
    half = code[(index + 1) * INSTRUCTION_BYTES : (index + 2) * INSTRUCTION_BYTES]
    if len(half) != INSTRUCTION_BYTES or half[0] != 0:
        return Status.CHECK_WIDE_LOAD
    return Status.CHECK_UNUSED_FIELD if any(half[1:4]) else Status.OK


def decode(code: bytes) -> tuple[Instruction, ...]:
    """The instructions of `code`. InputError names the first malformed one; jumps are not followed."""
    if not code or len(code) % INSTRUCTION_BYTES:
        raise InputError(
            f"a program of {len(code)} bytes: not a positive multiple of {INSTRUCTION_BYTES}",
            hint="give the bytes of one program section",
        )
    out: list[Instruction] = []
    index = 0
    while index * INSTRUCTION_BYTES < len(code):
        op_byte, instruction = split(code, index)
        status = field_status(op_byte, instruction)
        if status is Status.OK and instruction.op is Op.LDDW:
            status = wide_status(code, index)
        if status is Status.OK and instruction.src not in (
            OPCODES[instruction.op].sources or (instruction.src,)
        ):
            status = Status.CHECK_CALL if instruction.op is Op.CALL else Status.CHECK_REFERENCE
        if status is not Status.OK:
            raw = code[index * INSTRUCTION_BYTES : (index + 1) * INSTRUCTION_BYTES].hex(" ")
            raise InputError(
                STATUS_TEXT[status], where=f"instruction {index} ({raw})", hint="see RFC 9669 section 3"
            )
        out.append(instruction)
        index += instruction.slots
    return tuple(out)


def encode(instructions: Iterable[Instruction]) -> bytes:
    """The bytes of a program."""
    return b"".join(instruction.encode() for instruction in instructions)


# ------------------------------------------------ to text ------------------------------------------------


def _reg(op: Op, number: int) -> str:
    """A register's name: w for a 32-bit operation."""
    return f"{'w' if '32' in op.name else 'r'}{number}"


def _place(register: int, offset: int) -> str:
    return f"r{register} {'-' if offset < 0 else '+'} {abs(offset):#x}"


def _print_alu(i: Instruction) -> str:
    stem, dst = stem_of(i.op), _reg(i.op, i.dst)
    value = _reg(i.op, i.src) if i.op.name.endswith("_REG") else f"{i.imm:#x}"
    if stem == "mov" and i.offset:
        return f"{dst} = (s{i.offset}){value}"
    signed = "s" if stem in ("div", "mod") and i.offset else ""
    return f"{dst} {signed}{ALU_SIGN[stem]} {value}"


def _print_jump(i: Instruction) -> str:
    value = _reg(i.op, i.src) if i.op.name.endswith("_REG") else f"{i.imm:#x}"
    return f"if {_reg(i.op, i.dst)} {JUMP_SIGN[stem_of(i.op)]} {value} goto {i.offset:+#x}"


def _print_wide(i: Instruction) -> str:
    if i.src in (SOURCE_MAP, SOURCE_DATA):
        plus = f"+{i.imm_high & 0xFFFFFFFF:#x}" if i.src == SOURCE_DATA else ""
        return f"r{i.dst} = map[idx:{i.imm & 0xFFFFFFFF:#x}]{plus}"
    return f"r{i.dst} = {i.imm64:#x} ll"


def _print_load(i: Instruction) -> str:
    return f"r{i.dst} = *({SIZE_TYPE[i.op.name[3:].lower()]} *)({_place(i.src, i.offset)})"


def _print_store(i: Instruction) -> str:
    register = i.op.name.startswith("STX")
    size = SIZE_TYPE[i.op.name[3 if register else 2 :].lower()]
    return f"*({size} *)({_place(i.dst, i.offset)}) = {f'r{i.src}' if register else f'{i.imm:#x}'}"


def _print_atomic(i: Instruction) -> str:
    wide = i.op is Op.ATOMICDW
    letter, size, place = ("r" if wide else "w"), ("u64" if wide else "u32"), _place(i.dst, i.offset)
    if i.imm in (EXCHANGE, COMPARE_EXCHANGE):
        suffix = "_64" if wide else "32_32"
        if i.imm == EXCHANGE:
            return f"{letter}{i.src} = xchg{suffix}({place}, {letter}{i.src})"
        return f"{letter}0 = cmpxchg{suffix}({place}, {letter}0, {letter}{i.src})"
    sign, name = ATOMIC_NAMES[i.imm & ~FETCH]
    if i.imm & FETCH:
        return f"{letter}{i.src} = atomic_fetch_{name}(({size} *)({place}), {letter}{i.src})"
    return f"lock *({size} *)({place}) {sign} {letter}{i.src}"


_PRINTERS: dict[str, Callable[[Instruction], str]] = {
    "alu": _print_alu,
    "jump": _print_jump,
    "ldx": _print_load,
    "st": _print_store,
    "stx": _print_store,
    "atomic": _print_atomic,
    "lddw": _print_wide,
    "neg": lambda i: f"{_reg(i.op, i.dst)} = -{_reg(i.op, i.dst)}",
    "swap": lambda i: f"r{i.dst} = {SWAP_NAME[i.op]}{i.imm} r{i.dst}",
    "ja": lambda i: f"{'gotol' if i.op is Op.JA32 else 'goto'} {i.imm if i.op is Op.JA32 else i.offset:+#x}",
    "call": lambda i: f"call pc{i.imm:+#x}" if i.is_local_call else f"call {i.imm:#x}",
    "callx": lambda i: f"callx r{i.dst}",
    "exit": lambda _: "exit",
}
