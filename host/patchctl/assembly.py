"""Stops 3 to 9 of 12. Programs as text: the notation of clang and bpftool, read strictly.

Takes lines such as `r1 += 5`; gives Instruction values. What an Instruction prints, parse() reads back.
Next: host/patchctl/reference.py
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable
from typing import NoReturn

from patchctl.contract import STATUS_TEXT, Op, Status
from patchctl.errors import InputError
from patchctl.isa import (
    ALU_SIGN,
    ATOMIC_NAMES,
    COMPARE_EXCHANGE,
    EXCHANGE,
    FETCH,
    JUMP_SIGN,
    SIZE_TYPE,
    SOURCE_DATA,
    SOURCE_MAP,
    SOURCE_SUB_PROGRAM,
    SWAP_NAME,
    Instruction,
    field_status,
)

_ALU_STEM = {sign: stem for stem, sign in ALU_SIGN.items()} | {"s/=": "div", "s%=": "mod"}
_JUMP_STEM = {sign: stem for stem, sign in JUMP_SIGN.items()}
_SIZE_STEM = {size: stem for stem, size in SIZE_TYPE.items()}
_ATOMIC_CODE = {sign: code for code, (sign, _) in ATOMIC_NAMES.items()} | {
    name: code | FETCH for code, (_, name) in ATOMIC_NAMES.items()
}
_SWAP_OP = {name: op for op, name in SWAP_NAME.items()}
_NUMBER = r"[-+]?(?:0x[0-9a-f]+|[0-9]+)"


def _one_of(words: Iterable[str]) -> str:
    return f"({'|'.join(re.escape(word) for word in sorted(words, key=len, reverse=True))})"


_WORDS = {
    "R": r"(r|w)([0-9]+)",
    "r": r"r([0-9]+)",
    "N": f"({_NUMBER})",
    "P": r"\(\s*r([0-9]+)\s*([-+])\s*(0x[0-9a-f]+|[0-9]+)\s*\)",
    "p": r"r([0-9]+)\s*([-+])\s*(0x[0-9a-f]+|[0-9]+)",
    "A": _one_of(_ALU_STEM),
    "J": _one_of(_JUMP_STEM),
    "L": _one_of(_SIZE_STEM),
    "S": _one_of(("u8", "u16", "u32", "u64")),
}


def _pattern(shape: str) -> re.Pattern[str]:
    """A regular expression from a shape: {WORDS} or {one of these}, and blanks where the shape has them."""
    out = ""
    for piece in re.split(r"(\{[^{}]+\}| )", shape):
        if piece[1:-1] in _WORDS:
            out += _WORDS[piece[1:-1]]
        elif piece.startswith("{"):
            out += _one_of(piece[1:-1].split())
        else:
            out += r"\s*" if piece == " " else re.escape(piece)
    return re.compile(out)


def _bad(line: str) -> NoReturn:
    raise InputError(
        "this is no instruction", where=line, hint="write it as clang and bpftool do, for example r1 += 5"
    )


def _number(text: str, line: str, low: int = -(2**31), high: int = 2**32 - 1) -> int:
    """A field's value; an immediate written unsigned becomes the signed number of the same bits."""
    value = int(text, 0)
    if not low <= value <= high:
        _bad(line)
    return value - 2**32 if value >= 2**31 and high == 2**32 - 1 else value


def _offset(sign: str, text: str, line: str) -> int:
    return _number(sign + text, line, -(2**15), 2**15 - 1)


def _op(stem: str, letter: str, kind: str = "") -> Op:
    return Op[f"{stem}{'64' if letter == 'r' else '32'}{kind}".upper()]


_Build = Callable[[tuple[str, ...], str], Instruction]


def _alu_reg(g: tuple[str, ...], line: str) -> Instruction:
    letter, dst, sign, source_letter, src = g
    if letter != source_letter:
        _bad(line)
    return Instruction(_op(_ALU_STEM[sign], letter, "_reg"), int(dst), int(src), int(sign in ("s/=", "s%=")))


def _alu_imm(g: tuple[str, ...], line: str) -> Instruction:
    op, signed = _op(_ALU_STEM[g[2]], g[0], "_imm"), int(g[2] in ("s/=", "s%="))
    return Instruction(op, int(g[1]), 0, signed, _number(g[3], line))


def _extend(g: tuple[str, ...], line: str) -> Instruction:
    if g[0] != g[3]:
        _bad(line)
    return Instruction(_op("mov", g[0], "_reg"), int(g[1]), int(g[4]), int(g[2]))


def _negate(g: tuple[str, ...], line: str) -> Instruction:
    if g[:2] != g[2:]:
        _bad(line)
    return Instruction(_op("neg", g[0]), int(g[1]))


def _swap(g: tuple[str, ...], line: str) -> Instruction:
    if g[:2] != g[4:] or g[0] != "r":
        _bad(line)
    return Instruction(_SWAP_OP[g[2]], int(g[1]), imm=int(g[3]))


def _jump_reg(g: tuple[str, ...], line: str) -> Instruction:
    if g[0] != g[3]:
        _bad(line)
    return Instruction(_op(_JUMP_STEM[g[2]], g[0], "_reg"), int(g[1]), int(g[4]), _offset("", g[5], line))


def _jump_imm(g: tuple[str, ...], line: str) -> Instruction:
    op = _op(_JUMP_STEM[g[2]], g[0], "_imm")
    return Instruction(op, int(g[1]), 0, _offset("", g[4], line), _number(g[3], line))


def _load(g: tuple[str, ...], line: str) -> Instruction:
    return Instruction(Op[f"LDX{_SIZE_STEM[g[1]].upper()}"], int(g[0]), int(g[2]), _offset(g[3], g[4], line))


def _store_reg(g: tuple[str, ...], line: str) -> Instruction:
    return Instruction(Op[f"STX{_SIZE_STEM[g[0]].upper()}"], int(g[1]), int(g[4]), _offset(g[2], g[3], line))


def _store_imm(g: tuple[str, ...], line: str) -> Instruction:
    place = _offset(g[2], g[3], line)
    return Instruction(Op[f"ST{_SIZE_STEM[g[0]].upper()}"], int(g[1]), 0, place, _number(g[4], line))


def _wide(g: tuple[str, ...], line: str) -> Instruction:
    value = int(g[1], 0)
    if not -(2**63) <= value < 2**64:
        _bad(line)
    low, high = struct.unpack("<ii", (value % 2**64).to_bytes(8, "little"))
    return Instruction(Op.LDDW, int(g[0]), imm=low, imm_high=high)


def _reference(g: tuple[str, ...], line: str) -> Instruction:
    source = SOURCE_DATA if len(g) == 3 else SOURCE_MAP
    high = _number(g[2], line) if len(g) == 3 else 0
    return Instruction(Op.LDDW, int(g[0]), source, 0, _number(g[1], line), high)


def _atomic_op(size: str) -> Op:
    return Op.ATOMICDW if size in ("u64", "_64") else Op.ATOMICW


def _lock(g: tuple[str, ...], line: str) -> Instruction:
    if (g[5] == "r") != (g[0] == "u64"):
        _bad(line)
    return Instruction(_atomic_op(g[0]), int(g[1]), int(g[6]), _offset(g[2], g[3], line), _ATOMIC_CODE[g[4]])


def _fetch(g: tuple[str, ...], line: str) -> Instruction:
    letter, result, name, size, base, sign, place, source_letter, src = g
    if (letter, result) != (source_letter, src) or (letter == "r") != (size == "u64"):
        _bad(line)
    return Instruction(_atomic_op(size), int(base), int(src), _offset(sign, place, line), _ATOMIC_CODE[name])


def _exchange(g: tuple[str, ...], line: str) -> Instruction:
    letter, result, size, base, sign, place, source_letter, src = g
    if (letter, result) != (source_letter, src) or (letter == "r") != (size == "_64"):
        _bad(line)
    return Instruction(_atomic_op(size), int(base), int(src), _offset(sign, place, line), EXCHANGE)


def _compare_exchange(g: tuple[str, ...], line: str) -> Instruction:
    letter, result, size, base, sign, place, *rest = g
    if (
        [letter, result] != rest[:2]
        or result != "0"
        or rest[2] != letter
        or (letter == "r") != (size == "_64")
    ):
        _bad(line)
    return Instruction(
        _atomic_op(size), int(base), int(rest[3]), _offset(sign, place, line), COMPARE_EXCHANGE
    )


_SHAPES: list[tuple[re.Pattern[str], _Build]] = [
    (_pattern(shape), build)
    for shape, build in (
        ("{R} {A} {R}", _alu_reg),
        ("{R} {A} {N}", _alu_imm),
        ("{R} = (s{8 16 32}) {R}", _extend),
        ("{R} = -{R}", _negate),
        ("{R} = {le be bswap}{16 32 64} {R}", _swap),
        ("if {R} {J} {R} goto {N}", _jump_reg),
        ("if {R} {J} {N} goto {N}", _jump_imm),
        ("{r} = *({L} *){P}", _load),
        ("*({S} *){P} = {r}", _store_reg),
        ("*({S} *){P} = {N}", _store_imm),
        ("{r} = {N} ll", _wide),
        ("{r} = map[idx:{N}]+{N}", _reference),
        ("{r} = map[idx:{N}]", _reference),
        ("lock *({u32 u64} *){P} {+= |= &= ^=} {R}", _lock),
        ("{R} = atomic_fetch_{add or and xor}(({u32 u64} *){P}, {R})", _fetch),
        ("{R} = xchg{_64 32_32}({p}, {R})", _exchange),
        ("{R} = cmpxchg{_64 32_32}({p}, {R}, {R})", _compare_exchange),
        ("gotol {N}", lambda g, line: Instruction(Op.JA32, imm=_number(g[0], line))),
        ("goto {N}", lambda g, line: Instruction(Op.JA, offset=_offset("", g[0], line))),
        ("call pc{N}", lambda g, line: Instruction(Op.CALL, src=SOURCE_SUB_PROGRAM, imm=_number(g[0], line))),
        ("call {N}", lambda g, line: Instruction(Op.CALL, imm=_number(g[0], line))),
        ("callx {r}", lambda g, _: Instruction(Op.CALLX, int(g[0]))),
        ("exit", lambda _, __: Instruction(Op.EXIT)),
    )
]


def parse(line: str) -> Instruction:
    """One instruction from clang's notation; InputError if it is none, or one the board would refuse."""
    text = " ".join(line.split())
    for pattern, build in _SHAPES:
        match = pattern.fullmatch(text)
        if match:
            instruction = build(match.groups(), line)
            if max(instruction.dst, instruction.src) > 15 or field_status(instruction.op, instruction):
                status = field_status(instruction.op, instruction) or Status.CHECK_REGISTER
                raise InputError(STATUS_TEXT[status], where=line, hint="see RFC 9669 section 3")
            return instruction
    _bad(line)


def assemble(text: str) -> tuple[Instruction, ...]:
    """A program, one instruction a line; `name:` marks a place to goto or call, `//` starts a comment."""
    lines = [line.split("//")[0].strip() for line in text.splitlines()]
    places: dict[str, int] = {}
    rows: list[tuple[int, str]] = []
    at = 0
    for line in filter(None, lines):
        if line.endswith(":"):
            places[line[:-1]] = at
            continue
        rows.append((at, line))
        at += 2 if line.endswith(" ll") or "= map[" in line else 1
    return tuple(parse(_resolved(line, at, places)) for at, line in rows)


def _resolved(line: str, at: int, places: dict[str, int]) -> str:
    def distance(match: re.Match[str]) -> str:
        pc = "pc" if match[1] == "call" else ""
        return f"{match[1]} {pc}{places[match[2]] - at - 1:+d}" if match[2] in places else match[0]

    return re.sub(r"\b(gotol|goto|call) ([a-z_]\w*)$", distance, line)
