"""The cycle model: what one Thumb-2 instruction costs on a Cortex-M4 with memory that never makes it wait.

Takes instructions as objdump prints them; gives modelled cycles. After the Cortex-M4 Technical Reference
Manual, section 3.3.1, with a pipeline refill of 2 and a division of 7 (the manual says 2 to 12). It was
compared with a published measurement on an nRF52840 for eleven operations: ten within 5 %, the worst 14 %
off. It models neither flash wait states nor interrupts, so its figures are for comparing, not for promising
time. Pure. Next: counting.py
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from patchctl.errors import InputError

REFILL_CYCLES = 2
DIVISION_CYCLES = 7

CONDITION = "(?:eq|ne|cs|hs|cc|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le)?"
SINGLE_LOAD = re.compile(rf"ldr(?:b|h|sb|sh)?t?{CONDITION}")
SINGLE_STORE = re.compile(rf"str[bh]?t?{CONDITION}")
DOUBLE = re.compile(rf"(?:ldrd|strd){CONDITION}")
MULTIPLE = re.compile(rf"(?:(?:ldm|stm)(?:ia|db)?|push|pop){CONDITION}")
DIVISION = re.compile(rf"[us]div{CONDITION}")
TABLE_BRANCH = re.compile(r"tb[bh]")
# A branch costs 1 where it is not taken; what it costs more where it is taken is counted per edge.
ONE_CYCLE = re.compile(
    r"(?:b|bl|bx|blx|cbz|cbnz|it[te]{0,3}|nop|"
    r"adc|add|addw|adr|and|asr|bfc|bfi|bic|clz|cmn|cmp|eor|lsl|lsr|mla|mls|mov|movt|movw|mul|mvn|neg|orn|orr|"
    r"pkhbt|pkhtb|rbit|rev|rev16|revsh|ror|rrx|rsb|sbc|sbfx|smlabb|smlal|smulbb|smull|ssat|sel|uadd8|sub|subw|sxtab|sxtah|"
    r"sxtb|sxth|teq|tst|ubfx|umaal|umlal|umull|usat|uxtab|uxtah|uxtb|uxth|udf)"
    rf"s?{CONDITION}"
)


@dataclass(frozen=True, slots=True)
class ThumbInstruction:
    """One line of objdump's output. `mnemonic` has no width suffix."""

    address: int
    bytes: int
    mnemonic: str
    operands: str = ""


def cost(instruction: ThumbInstruction, before: ThumbInstruction | None = None) -> int:
    """Modelled cycles of `instruction` right behind `before` in one basic block, as if no branch were taken.

    Raises InputError for an instruction the model does not know.
    """
    name = instruction.mnemonic
    if SINGLE_LOAD.fullmatch(name):
        return 1 if before is not None and overlaps(instruction, before) else 2
    if SINGLE_STORE.fullmatch(name):
        return 2 if is_register_offset(instruction.operands) else 1
    if DOUBLE.fullmatch(name):
        return 3
    if MULTIPLE.fullmatch(name):
        return 1 + listed_registers(instruction.operands)
    if DIVISION.fullmatch(name):
        return DIVISION_CYCLES
    if TABLE_BRANCH.fullmatch(name):
        return 2
    if ONE_CYCLE.fullmatch(name):
        return 1
    raise InputError(
        f"the cycle model does not know {name} {instruction.operands}", where=f"0x{instruction.address:x}"
    )


def costs(block: Iterable[ThumbInstruction]) -> Iterator[int]:
    """Modelled cycles of each instruction of a basic block whose last one does not branch away."""
    before: ThumbInstruction | None = None
    for instruction in block:
        yield cost(instruction, before)
        before = instruction


def overlaps(load: ThumbInstruction, before: ThumbInstruction) -> bool:
    """True if the load's address phase hides under `before`: a single access that does not load it."""
    if SINGLE_STORE.fullmatch(before.mnemonic):
        return True
    if not SINGLE_LOAD.fullmatch(before.mnemonic):
        return False
    loaded = before.operands.split(",")[0].strip()
    return loaded not in registers_in_brackets(load.operands)


def registers_in_brackets(operands: str) -> set[str]:
    inside = operands.partition("[")[2].partition("]")[0]
    return {word.strip() for word in inside.split(",")}


def is_register_offset(operands: str) -> bool:
    parts = [word.strip() for word in operands.partition("[")[2].partition("]")[0].split(",")]
    return len(parts) > 1 and not parts[1].startswith("#")


def listed_registers(operands: str) -> int:
    """How many registers `{r0, r4-r7, lr}` names."""
    names = operands.partition("{")[2].partition("}")[0].split(",")
    count = 0
    for name in names:
        first, dash, last = name.strip().partition("-")
        count += int(last[1:]) - int(first[1:]) + 1 if dash else 1
    return count
