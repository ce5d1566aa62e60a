"""Stop 4 of 12. The firmware a patch is made for, read from its ELF file.

Takes the ELF's bytes; gives functions, objects, build-id and code bytes, and says where a patch may act.
Next: host/patchctl/binding.py
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

from patchctl.board import Board, board_names, load_board
from patchctl.contract import ORIGINAL_BYTES_MIN
from patchctl.elf import (
    BINDING_LOCAL,
    FLAG_ALLOCATED,
    KIND_FUNCTION,
    KIND_OBJECT,
    MACHINE_ARM,
    SECTION_NOTE,
    UNDEFINED,
    Elf,
    Section,
    Symbol,
    parse_elf,
)
from patchctl.errors import InputError, TargetMismatch

ORIGINAL_BYTES = 16
RUNTIME_TEXT_START = "hp_runtime_text_start"
RUNTIME_TEXT_END = "hp_runtime_text_end"

FIXED_SITES_SECTION = ".hotpatch_sites"

_FIXED_SITE = struct.Struct("<II")  # function with its Thumb bit, flag: port/cortex_m/fixed_site.inc
_NOTE_BUILD_ID = 3
_NOTE_OWNER = b"GNU\0"


@dataclass(frozen=True, slots=True)
class FirmwareSymbol:
    """A function or an object. `address` has no Thumb bit."""

    name: str
    address: int
    bytes: int
    is_function: bool

    @property
    def pointer(self) -> int:
        """What a C pointer to it holds: with the Thumb bit, if it is a function."""
        return self.address | 1 if self.is_function else self.address


@dataclass(frozen=True)
class Firmware:
    """One build of an image."""

    elf: Elf
    build_id: bytes

    @property
    def where(self) -> str:
        """The file's name, for messages."""
        return self.elf.where

    @cached_property
    def _symbols(self) -> Mapping[str, tuple[FirmwareSymbol, ...]]:
        """Name to its different addresses; a global symbol hides local ones of the same name."""
        found: dict[str, dict[int, Symbol]] = {}
        for symbol in self.elf.symbols:
            if symbol.section != UNDEFINED and symbol.name and symbol.kind in (0, KIND_OBJECT, KIND_FUNCTION):
                found.setdefault(symbol.name, {}).setdefault(symbol.value, symbol)
        return {name: tuple(map(_firmware_symbol, _visible(rows))) for name, rows in found.items()}

    def symbol(self, name: str, where: str) -> FirmwareSymbol:
        """The function or object `name`; InputError, raised at `where`, if there is none or several."""
        rows = self._symbols.get(name, ())
        if not rows:
            raise InputError(f"the firmware has no symbol {name!r}", where=where, hint=self._near(name))
        if len(rows) > 1:
            places = ", ".join(f"{row.address:#x}" for row in rows)
            raise InputError(
                f"the firmware has {len(rows)} symbols {name!r}, at {places}",
                where=where,
                hint="rename one of them in the firmware, or choose another site",
            )
        return rows[0]

    def function(self, name: str, where: str) -> FirmwareSymbol:
        """The function `name`; InputError, raised at `where`, if it is none."""
        symbol = self.symbol(name, where)
        if not symbol.is_function:
            raise InputError(f"{name!r} is no function of the firmware", where=where, hint=self._near(name))
        return symbol

    def original(self, address: int, where: str) -> bytes:
        """8 to 16 bytes of code at `address`; InputError if the file does not hold them."""
        for section in self.elf.sections:
            offset = address - section.address
            if section.flags & FLAG_ALLOCATED and 0 <= offset <= len(section.data) - ORIGINAL_BYTES_MIN:
                return section.data[offset : offset + ORIGINAL_BYTES]
        raise InputError(f"the firmware's file holds no code at {address:#x}", where=where)

    def check_board(self, board: Board) -> bool:
        """Whether the image names `board`; TargetMismatch if it names another one, False if it names none."""
        loaded = (section.data for section in self.elf.sections if section.flags & FLAG_ALLOCATED)
        return check_board(b"".join(loaded), board, self.where)

    def check_site(self, site: FirmwareSymbol, board: Board, where: str) -> None:
        """TargetMismatch if no patch may act at `site`: it lies outside the board's flash, or in the runtime,
        whose own code would call itself.
        """
        flash = board.flash
        if not any(start <= site.address < start + flash.bytes for start in flash.starts):
            raise TargetMismatch(
                f"{site.name!r} lies at {site.address:#x}, outside the flash of {board.name}",
                where=where,
                hint=f"its flash is {flash.address:#x} to {flash.end:#x}; is {self.where} this board's?",
            )
        start = self._symbols.get(RUNTIME_TEXT_START)
        end = self._symbols.get(RUNTIME_TEXT_END)
        if start and end and start[0].address <= site.address < end[0].address:
            raise TargetMismatch(
                f"{site.name!r} belongs to the runtime itself",
                where=where,
                hint="a patch there would run while a patch runs; choose a function of the firmware",
            )

    @cached_property
    def fixed_sites(self) -> frozenset[int]:
        """Addresses of the functions that call the runtime by themselves, without the Thumb bit."""
        found = (section for section in self.elf.sections if section.name == FIXED_SITES_SECTION)
        rows = (row for section in found for row in _FIXED_SITE.iter_unpack(section.data))
        return frozenset(address & ~1 for address, _ in rows)

    def names_at(self, addresses: Iterable[int]) -> list[str]:
        """The functions that start at `addresses`, sorted."""
        wanted = set(addresses)
        rows = (row for rows in self._symbols.values() for row in rows)
        return sorted(row.name for row in rows if row.is_function and row.address in wanted)

    def _near(self, name: str) -> str:
        near = get_close_matches(name, list(self._symbols), n=3)
        return f"near: {', '.join(near)}" if near else f"nm {self.where} lists its symbols"


def check_board(image: bytes, board: Board, where: str) -> bool:
    """Whether `image` names `board`: the runtime in it holds its board's class identifier.

    TargetMismatch if it holds another board's and not this one's; False for a firmware that names no board.
    """
    if board.class_id in image:
        return True
    for name in board_names():
        if load_board(name).class_id in image:
            hint = f"build it with BOARD={board.name}, or name the board it is for: {name}"
            raise TargetMismatch(f"this firmware is for {name}, not for {board.name}", where=where, hint=hint)
    return False


def load_firmware(path: Path) -> Firmware:
    """The firmware in the ELF file at `path`; InputError if it is not usable."""
    if not path.is_file():
        raise InputError("there is no such firmware file", where=str(path), hint="./tools/dev build makes it")
    return parse_firmware(path.read_bytes(), str(path))


def parse_firmware(data: bytes, where: str) -> Firmware:
    """The firmware in `data`; InputError if it is not for Arm, has no symbols or no build-id."""
    elf = parse_elf(data, where)
    if elf.machine != MACHINE_ARM:
        raise InputError("this is not a firmware for Arm", where=where)
    if not any(symbol.kind == KIND_FUNCTION for symbol in elf.symbols):
        raise InputError(
            "the firmware has no symbols", where=where, hint="use the ELF file from before it was stripped"
        )
    return Firmware(elf, _build_id(elf))


def _firmware_symbol(symbol: Symbol) -> FirmwareSymbol:
    is_function = symbol.kind == KIND_FUNCTION
    address = symbol.value & ~1 if is_function else symbol.value
    return FirmwareSymbol(symbol.name, address, symbol.bytes, is_function)


def _visible(rows: Mapping[int, Symbol]) -> list[Symbol]:
    visible = [symbol for symbol in rows.values() if symbol.binding != BINDING_LOCAL]
    return visible or list(rows.values())


def _build_id(elf: Elf) -> bytes:
    for section in elf.sections:
        if section.kind == SECTION_NOTE:
            for kind, owner, content in _notes(section, elf.where):
                if kind == _NOTE_BUILD_ID and owner == _NOTE_OWNER and content:
                    return content
    raise InputError(
        "the firmware has no build-id", where=elf.where, hint="link it with -Wl,--build-id and keep the note"
    )


def _notes(section: Section, where: str) -> Iterator[tuple[int, bytes, bytes]]:
    """(kind, owner, content) of each note (gABI, note section)."""
    data, position = section.data, 0
    while position + 12 <= len(data):
        owner_bytes, content_bytes, kind = struct.unpack_from("<III", data, position)
        owner_at = position + 12
        content_at = owner_at + (owner_bytes + 3 & ~3)
        position = content_at + (content_bytes + 3 & ~3)
        if position > len(data):
            raise InputError(f"a note of {section.name} is cut short", where=where)
        yield (
            kind,
            data[owner_at : owner_at + owner_bytes],
            data[content_at : content_at + content_bytes],
        )
