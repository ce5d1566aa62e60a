"""Stop 12 of 12. The public suite bpf_conformance: its files and its assembler notation.

Takes .data files (sections asm or raw, mem, result); gives program bytes, memory and the expected result.
Next: tests/host/test_reference.py
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from patchctl.contract import Op, Status
from patchctl.isa import COMPARE_EXCHANGE, EXCHANGE, FETCH, SOURCE_SUB_PROGRAM, Instruction, encode
from patchctl.structure import Limits

FOLDER = Path(__file__).parents[2] / "shared/data/conformance"
FILES = sorted((FOLDER / "tests").glob("*.data"))
NEGATIVE_FILES = sorted((FOLDER / "negative").glob("*.data"))
FILE_COUNT, NEGATIVE_COUNT = 214, 33

_ALU = ("add", "sub", "mul", "div", "or", "and", "lsh", "rsh", "mod", "xor", "mov", "arsh", "sdiv", "smod")
_JUMPS = ("jeq", "jne", "jgt", "jge", "jlt", "jle", "jset", "jsgt", "jsge", "jslt", "jsle")
_ATOMIC = {"add": 0x00, "or": 0x40, "and": 0x50, "xor": 0xA0, "xchg": EXCHANGE, "cmpxchg": COMPARE_EXCHANGE}
_SWAPS = {"le": Op.TO_LE, "be": Op.TO_BE, "swap": Op.BSWAP, "bswap": Op.BSWAP}


# What each file of negative/ is about: words of its assembler's refusal, or the structural check's status.
NOT_ASSEMBLED = {
    "invalid_label": "NOT_A_LABEL",
    "invalid_lock2": "no atomic operation",
    "invalid_offset": "no memory operand",
    "invalid_operand_count": "index out of range",
    "invalid_register": "no register",
}
REFUSED = {
    "empty": Status.CHECK_LENGTH,
    "empty_instructions": Status.CHECK_LENGTH,
    "invalid_unknown_directive": Status.CHECK_LENGTH,
    "unused-mov64_reg-offset": Status.CHECK_IMMEDIATE,  # the offset is used, but no width is 1 bit
}
UNUSED_FIELDS = 23  # the other files named unused-*: each has one field set that its instruction does not use
NOT_NEGATIVE = {"incorrect_return_value_high_bits"}  # a good program, a wrong result: it tests the runner


@dataclass(frozen=True, slots=True)
class Case:
    """One file of the suite."""

    name: str
    code: bytes
    memory: bytes
    result: int | None


def sections(text: str) -> dict[str, list[str]]:
    """The file's `-- name` sections, comments and empty lines taken out."""
    out: dict[str, list[str]] = {}
    rows: list[str] = []
    for line in text.splitlines():
        line = line.split("#")[0].strip()
        if line.startswith("--"):
            rows = out.setdefault(line[2:].strip(), [])
        elif line:
            rows.append(line)
    return out


def load(path: Path) -> Case:
    """Reads one file; ValueError, KeyError or IndexError where its program is no program."""
    parts = sections(path.read_text())
    if "raw" in parts:
        words = " ".join(parts["raw"]).split()
        as_bytes = all(re.fullmatch("[0-9a-f]{2}", word) for word in words)
        code = (
            bytes.fromhex("".join(words))
            if as_bytes
            else b"".join(int(w, 0).to_bytes(8, "little") for w in words)
        )
    else:
        code = encode(assemble(parts.get("asm", [])))
    result = parts.get("result")
    memory = bytes.fromhex(" ".join(parts.get("mem", [])))
    return Case(path.stem, code, memory, int(result[0], 0) % 2**64 if result else None)


def wrongly_judged(paths: Sequence[Path], check: Callable[[bytes, Limits], tuple[Status, int]]) -> list[str]:
    """The files of negative/ that are not refused as what they are, at their first instruction."""
    wrong, unused = [], 0
    for path in paths:
        try:
            case = load(path)
        except (ValueError, KeyError, IndexError) as refusal:
            wrong += [] if NOT_ASSEMBLED.get(path.stem, "?") in str(refusal) else [path.stem]
            continue
        by_name = REFUSED.get(case.name, Status.CHECK_UNUSED_FIELD)
        expected = Status.OK if case.name in NOT_NEGATIVE else by_name
        unused += expected is Status.CHECK_UNUSED_FIELD
        answer = check(case.code, Limits(4096, 8, helpers=frozenset({1})))
        wrong += [] if answer == (expected, 0) else [f"{case.name}: {answer}"]
    return wrong + ([] if unused == UNUSED_FIELDS else [f"{unused} files about unused fields"])


def assemble(rows: list[str]) -> list[Instruction]:
    """The suite's notation (that of uBPF's assembler)."""
    labels: dict[str, int] = {}
    lines: list[tuple[int, str]] = []
    at = 0
    for row in rows:
        if row.endswith(":"):
            labels[row[:-1]] = at
            continue
        if row == "exit":
            labels.setdefault("exit", at)
        lines.append((at, row))
        at += 2 if row.startswith("lddw") else 1
    return [_instruction(row, at, labels) for at, row in lines]


def _register(text: str) -> int:
    match = re.fullmatch(r"%r(\d+)", text)
    if match is None or int(match[1]) > 10:
        raise ValueError(f"no register: {text}")
    return int(match[1])


def _place(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"\[(%r\d+)\s*([-+]\s*\w+)?\]", text)
    if match is None:
        raise ValueError(f"no memory operand: {text}")
    return _register(match[1]), int((match[2] or "0").replace(" ", ""), 0)


def _imm(text: str) -> int:
    return (int(text, 0) + 2**31) % 2**32 - 2**31


def _target(text: str, at: int, labels: dict[str, int]) -> int:
    return int(text, 0) if text[0] in "+-" else labels[text] - at - 1


def _instruction(row: str, at: int, labels: dict[str, int]) -> Instruction:
    word, _, rest = row.partition(" ")
    operands = [piece.strip() for piece in rest.split(",")] if rest.strip() else []
    stem, bits = (word[:-2], "32") if word.endswith("32") else (word, "64")
    if word == "lock":
        return _lock(rest)
    if stem in _ALU:
        return _alu(stem, bits, *operands)
    if stem in _JUMPS:
        kind = "REG" if operands[1].startswith("%") else "IMM"
        value = {"src": _register(operands[1])} if kind == "REG" else {"imm": _imm(operands[1])}
        op = Op[f"{stem.upper()}{bits}_{kind}"]
        return Instruction(op, _register(operands[0]), offset=_target(operands[2], at, labels), **value)
    return _other(word, operands, at, labels)


def _alu(stem: str, bits: str, dst: str, operand: str) -> Instruction:
    signed = int(stem in ("sdiv", "smod"))
    kind = "REG" if operand.startswith("%") else "IMM"
    op = Op[f"{stem.removeprefix('s') if signed else stem}{bits}_{kind}".upper()]
    value = {"src": _register(operand)} if kind == "REG" else {"imm": _imm(operand)}
    return Instruction(op, _register(dst), offset=signed, **value)


def _lock(rest: str) -> Instruction:
    match = re.fullmatch(r"(fetch )?([a-z]+)(32)? (\[.*\]), (%r\d+)", rest.strip())
    if match is None:
        raise ValueError(f"no atomic operation: {rest}")
    base, offset = _place(match[4])
    op = Op.ATOMICW if match[3] else Op.ATOMICDW
    return Instruction(op, base, _register(match[5]), offset, _ATOMIC[match[2]] | (FETCH if match[1] else 0))


def _other(word: str, operands: list[str], at: int, labels: dict[str, int]) -> Instruction:
    if word == "exit":
        return Instruction(Op.EXIT)
    if word == "lddw":
        value = int(operands[1], 0) % 2**64
        return Instruction(
            Op.LDDW, _register(operands[0]), imm=_imm(str(value % 2**32)), imm_high=_imm(str(value >> 32))
        )
    if word in ("ja", "ja32"):
        distance = _target(operands[0], at, labels)
        return Instruction(Op.JA32, imm=distance) if word == "ja32" else Instruction(Op.JA, offset=distance)
    if word == "call":
        return _call(operands[0], at, labels)
    if match := re.fullmatch(r"movsx(8|16|32)(32|64)", word):
        return Instruction(
            Op[f"MOV{match[2]}_REG"], _register(operands[0]), _register(operands[1]), int(match[1])
        )
    if match := re.fullmatch(r"(le|be|swap|bswap)(16|32|64)", word):
        return Instruction(_SWAPS[match[1]], _register(operands[0]), imm=int(match[2]))
    if word.startswith("neg"):
        return Instruction(Op.NEG32 if word == "neg32" else Op.NEG64, _register(operands[0]))
    return _memory(word, operands)


def _memory(word: str, operands: list[str]) -> Instruction:
    op = Op[word.upper()]
    if word.startswith("ldx"):
        base, offset = _place(operands[1])
        return Instruction(op, _register(operands[0]), base, offset)
    base, offset = _place(operands[0])
    if word.startswith("stx"):
        return Instruction(op, base, _register(operands[1]), offset)
    return Instruction(op, base, offset=offset, imm=_imm(operands[1]))


def _call(operand: str, at: int, labels: dict[str, int]) -> Instruction:
    if operand.startswith("local "):
        return Instruction(Op.CALL, src=SOURCE_SUB_PROGRAM, imm=_target(operand[6:], at, labels))
    if operand.startswith("%"):
        return Instruction(Op.CALLX, _register(operand))
    return Instruction(Op.CALL, imm=int(operand, 0))
