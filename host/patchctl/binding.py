"""Stop 4 of 12. A program and its description, bound to one build of a firmware.

Takes a Program, a Description and a Firmware; gives a BoundPatch: code in which every firmware symbol is a
constant, the site with its original bytes and displaced copy, the redirects' addresses, the safe verdict's
arguments. Next: host/patchctl/verifier/analyze.py
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from patchctl.board import Board
from patchctl.btf import SourceLine
from patchctl.contract import Trigger
from patchctl.description import Argument, Description, SymbolArgument, TextArgument
from patchctl.displaced import Displaced, displace, instruction_bytes
from patchctl.errors import InputError, TargetMismatch
from patchctl.firmware import Firmware, FirmwareSymbol
from patchctl.program import (
    NO_VARIABLES,
    BuiltRedirect,
    BuiltSite,
    Program,
    SafeArgument,
    SafeVerdict,
    Variables,
)

_ADDRESS_END = 2**32


@dataclass(frozen=True, slots=True)
class BoundProgram:
    """Code that refers to nothing but its own data and variables. `lines` goes by byte offset into `code`."""

    name: str
    where: str
    code: bytes
    data: bytes
    lines: Mapping[int, SourceLine]
    variables: Variables = NO_VARIABLES


@dataclass(frozen=True, slots=True)
class BoundPatch:
    """One patch for one build."""

    description: Description
    build_id: bytes
    program: BoundProgram
    site: BuiltSite
    redirects: tuple[BuiltRedirect, ...]


def bind(program: Program, description: Description, firmware: Firmware, board: Board) -> BoundPatch:
    """The patch for `firmware`; InputError or TargetMismatch if a symbol or the site is not usable there."""
    where = str(description.folder / "patch.toml")
    redirects = tuple(
        BuiltRedirect(name, firmware.function(name, where).address) for name in description.redirects
    )
    safe, data = _bind_safe(description, firmware, program.data, where)
    code = _bind_code(program, firmware)
    bound = BoundProgram(program.name, program.where, code, data, program.lines, program.variables)
    site = _bind_site(description, firmware, board, safe)
    return BoundPatch(description, firmware.build_id, bound, site, redirects)


def _bind_code(program: Program, firmware: Firmware) -> bytes:
    """The code with each firmware symbol's address in its wide load."""
    code = bytearray(program.code)
    for offset, reference in program.symbols.items():
        line = program.lines.get(offset)
        where = str(line) if line else program.where
        value = firmware.symbol(reference.name, where).pointer + reference.addend
        if not 0 <= value < _ADDRESS_END:
            raise InputError(f"{reference.name}{reference.addend:+} lies outside memory", where=where)
        struct.pack_into("<I", code, offset + 4, value)
        struct.pack_into("<I", code, offset + 12, 0)
    return bytes(code)


def _bind_site(description: Description, firmware: Firmware, board: Board, safe: SafeVerdict) -> BuiltSite:
    where = str(description.folder / "patch.toml")
    function = firmware.function(description.site.function, where)
    firmware.check_site(function, board, where)
    original = firmware.original(function.address, where)
    trigger = _choose_trigger(function, firmware, board, where)
    if trigger is Trigger.FIXED:
        displaced = Displaced(instruction_bytes(original), b"")  # the firmware itself goes on
    else:
        displaced = displace(original, function.address, where)
    return BuiltSite(
        function=function.name,
        address=function.address,
        original=original,
        displaced_bytes=displaced.site_bytes,
        trigger=trigger,
        program_index=0,
        verdicts=description.site.verdicts,
        writable_registers=description.site.writable_registers,
        copy=displaced.copy,
        safe=safe,
    )


def _choose_trigger(site: FirmwareSymbol, firmware: Firmware, board: Board, where: str) -> Trigger:
    """A site compiled in, where there is one; else a comparator; TargetMismatch if the chip has none."""
    if site.address in firmware.fixed_sites:
        return Trigger.FIXED
    if board.chip.fpb is not None:
        return Trigger.BREAKPOINT
    known = ", ".join(firmware.names_at(firmware.fixed_sites)) or "none"
    raise TargetMismatch(
        f"{board.name} has no breakpoint unit, and its firmware no fixed site at {site.name!r}",
        where=where,
        hint=f"functions with a fixed site: {known}; add others to FIXED_SITES when building the firmware",
    )


def _bind_safe(
    description: Description, firmware: Firmware, data: bytes, where: str
) -> tuple[SafeVerdict, bytes]:
    """The safe verdict, and the data section with the texts it needs."""
    arguments = []
    for argument in description.safe.arguments:
        bound, data = _bind_argument(argument, firmware, data, where)
        arguments.append(bound)
    safe = description.safe
    redirect = description.redirects.index(safe.redirect) if safe.redirect else 0
    return SafeVerdict(safe.verdict, redirect, tuple(arguments), safe.value), data


def _bind_argument(
    argument: Argument, firmware: Firmware, data: bytes, where: str
) -> tuple[SafeArgument, bytes]:
    if isinstance(argument, SymbolArgument):
        return SafeArgument(firmware.symbol(argument.name, where).pointer), data
    if isinstance(argument, TextArgument):
        text = argument.text.encode() + b"\0"
        if text not in data:
            data += text
        return SafeArgument(data.index(text), in_data=True), data
    return SafeArgument(argument), data
