"""Stop 9 of 12. The structural check, as the host does it before the board does: the oracle of core/check.c.

Takes program bytes and what the payload declares; gives OK, or a status and the slot at fault.
Next: device_runtime/core/check.c
"""

from __future__ import annotations

from dataclasses import dataclass

from patchctl.contract import INSTRUCTION_BYTES, SECTION_DATA, SECTION_VARIABLES, Op, Status
from patchctl.isa import SOURCE_DATA, SOURCE_SUB_PROGRAM, Instruction, field_status, split, wide_status


@dataclass(frozen=True, slots=True)
class Limits:
    """What a program may refer to and how long it may be (hp_check_limits_t)."""

    instruction_count_max: int = 4096
    data_bytes: int = 0
    variable_bytes: int = 0
    helpers: frozenset[int] = frozenset()


def check(code: bytes, limits: Limits) -> tuple[Status, int]:
    """OK, or the first offence and the slot it is in; what core/check.c must say."""
    count = len(code) // INSTRUCTION_BYTES
    if not code or len(code) % INSTRUCTION_BYTES or count > limits.instruction_count_max:
        return Status.CHECK_LENGTH, 0
    program: dict[int, Instruction] = {}
    at = 0
    while at < count:
        status, instruction = _by_itself(code, at, limits)
        if status is not Status.OK:
            return status, at
        program[at] = instruction
        at += instruction.slots
    entries = sorted({0} | {at + 1 + i.imm for at, i in program.items() if i.is_local_call})
    for start, end in zip(entries, [*entries[1:], count], strict=True):
        status, at = _sub_program(program, start, end)
        if status is not Status.OK:
            return status, at
    return Status.OK, 0


def _by_itself(code: bytes, at: int, limits: Limits) -> tuple[Status, Instruction]:
    op_byte, instruction = split(code, at)
    status = field_status(op_byte, instruction)
    if status is Status.OK and instruction.op is Op.LDDW:
        status = wide_status(code, at)
        if status is Status.OK and instruction.src and not _in_section(instruction, limits):
            status = Status.CHECK_REFERENCE
    if status is Status.OK and instruction.op is Op.CALL:
        status = _call(instruction, at, len(code) // INSTRUCTION_BYTES, limits)
    return status, instruction


def _in_section(instruction: Instruction, limits: Limits) -> bool:
    """Whether a wide load leads into a section that there is, or to its end."""
    sections = {SECTION_DATA: limits.data_bytes, SECTION_VARIABLES: limits.variable_bytes}
    size = sections.get(instruction.imm, 0) if instruction.src == SOURCE_DATA else 0
    return size > 0 and instruction.imm_high & 0xFFFFFFFF <= size


def _call(instruction: Instruction, at: int, count: int, limits: Limits) -> Status:
    if instruction.src == SOURCE_SUB_PROGRAM:
        exists = 0 <= at + 1 + instruction.imm < count
    else:
        exists = instruction.src == 0 and instruction.imm in limits.helpers
    return Status.OK if exists else Status.CHECK_CALL


def _sub_program(program: dict[int, Instruction], start: int, end: int) -> tuple[Status, int]:
    """Jumps stay in [start, end) and on whole instructions; the last one does not go on behind it."""
    at = start
    for at in (slot for slot in range(start, end) if slot in program):
        instruction = program[at]
        if instruction.jump_slots is None:
            continue
        target = at + 1 + instruction.jump_slots
        if not instruction.is_local_call and not start <= target < end:
            return Status.CHECK_JUMP_RANGE, at
        if target not in program:
            return Status.CHECK_JUMP_MIDDLE, at
    if program[at].op not in (Op.EXIT, Op.JA, Op.JA32):
        return Status.CHECK_FALLS_OFF, at
    return Status.OK, 0
