"""Stop 4 of 12. The copy of the instruction that a trigger displaces.

Takes the firmware's bytes at a site; gives Thumb code that does what the instruction does and then
jumps behind it (Armv7-M ARM, A5). Only an instruction that does not depend on its own address is copied;
any other is refused by name. The board compares the copy with its own flash before it believes it.
Next: host/patchctl/firmware.py
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from patchctl.errors import InputError

_NOP = b"\x00\xbf"
_LOAD_PC = b"\xdf\xf8\x00\xf0"  # ldr.w pc, [pc, #0]: the word behind it


@dataclass(frozen=True, slots=True)
class Displaced:
    """How many bytes of the site the copy stands for, and the copy itself."""

    site_bytes: int
    copy: bytes


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Instructions with `first & mask == value` (and the same for the second half) cannot be copied."""

    name: str
    mask: int
    value: int
    second_mask: int = 0
    second_value: int = 0


_NARROW = (
    _Refusal("ldr (literal)", 0xF800, 0x4800),
    _Refusal("adr", 0xF800, 0xA000),
    _Refusal("udf", 0xFF00, 0xDE00),
    _Refusal("b", 0xF800, 0xE000),
    _Refusal("cbz or cbnz", 0xF500, 0xB100),
    _Refusal("blx", 0xFF80, 0x4780),
    _Refusal("bx pc", 0xFFF8, 0x4778),
    _Refusal("add, cmp or mov with pc", 0xFC78, 0x4478),
    _Refusal("add or cmp with pc", 0xFE87, 0x4487),
    _Refusal("bkpt", 0xFF00, 0xBE00),
)
_WIDE = (
    _Refusal("bl or blx", 0xF800, 0xF000, 0xC000, 0xC000),
    _Refusal("b.w", 0xF800, 0xF000, 0xD000, 0x9000),
    _Refusal("adr.w", 0xFBFF, 0xF20F, 0x8000, 0x0000),
    _Refusal("adr.w", 0xFBFF, 0xF2AF, 0x8000, 0x0000),
    _Refusal("a literal load", 0xFE1F, 0xF81F),
    _Refusal("tbb or tbh", 0xFFF0, 0xE8D0, 0xFFE0, 0xF000),
    _Refusal("ldrd (literal)", 0xFE5F, 0xE85F),
    _Refusal("a literal load of a coprocessor", 0xEE1F, 0xEC1F),
    _Refusal("an exclusive store", 0xFFF0, 0xE840),
    _Refusal("an exclusive store", 0xFFF0, 0xE8C0),
)


def displace(original: bytes, site: int, where: str) -> Displaced:
    """The copy for the instruction at address `site` that `original` begins with.

    Raises InputError, naming the instruction, if it cannot be executed elsewhere.
    """
    size = instruction_bytes(original)
    name = _refused(original[:size])
    if name is not None:
        raise InputError(
            f"the instruction at {site:#x} is {name}, which cannot be executed at another address",
            where=where,
            hint="choose another function as the site, for instance its caller",
        )
    padding = _NOP if size % 4 else b""
    resume = struct.pack("<I", (site + size) | 1)
    return Displaced(size, original[:size] + padding + _LOAD_PC + resume)


def instruction_bytes(code: bytes) -> int:
    """Size of the Thumb instruction that `code` begins with: 2 or 4 (Armv7-M ARM A5.1)."""
    return 4 if code[1] >> 3 in (0b11101, 0b11110, 0b11111) else 2


def _refused(instruction: bytes) -> str | None:
    """The name of the rule against copying `instruction`, or None."""
    first, *rest = struct.unpack(f"<{len(instruction) // 2}H", instruction)
    if not rest:
        if first & 0xFF00 == 0xBF00 and first & 0x000F:
            return "it (conditional block)"
        if first & 0xF000 == 0xD000 and first & 0x0F00 < 0x0E00:
            return "b<cond>"
        return next((rule.name for rule in _NARROW if first & rule.mask == rule.value), None)
    second = rest[0]
    if first & 0xF800 == 0xF000 and second & 0xD000 == 0x8000 and first & 0x0380 != 0x0380:
        return "b<cond>.w"
    return next(
        (
            rule.name
            for rule in _WIDE
            if first & rule.mask == rule.value and second & rule.second_mask == rule.second_value
        ),
        None,
    )
