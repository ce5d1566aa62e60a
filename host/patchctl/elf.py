"""Stops 3 and 4 of 12. ELF files, of patches and of firmware, as frozen values.

Takes a file's bytes; gives sections, symbols and relocations (gABI, 32 and 64 bits, little-endian). Every
offset is checked against the file before use; the one exception is InputError. Knows nothing of eBPF or Arm.
Next: host/patchctl/program.py
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from patchctl.errors import InputError

MACHINE_ARM = 40
MACHINE_BPF = 247
SECTION_NOTE = 7
FLAG_WRITABLE, FLAG_ALLOCATED = 1, 2
KIND_OBJECT, KIND_FUNCTION, KIND_SECTION = 1, 2, 3
BINDING_LOCAL = 0
UNDEFINED = 0

_SYMTAB, _RELA, _NOBITS, _REL = 2, 4, 8, 9


@dataclass(frozen=True, slots=True)
class Section:
    """One section of `bytes` bytes; `data` is empty where the file holds none of them (.bss)."""

    index: int
    name: str
    kind: int
    flags: int
    address: int
    data: bytes
    link: int
    info: int
    bytes: int
    alignment: int = 1


@dataclass(frozen=True, slots=True)
class Symbol:
    """One symbol; `section` is the index of its section, UNDEFINED (0) for one that is defined elsewhere."""

    name: str
    value: int
    bytes: int
    kind: int
    binding: int
    section: int


@dataclass(frozen=True, slots=True)
class Relocation:
    """At `offset` of section `section` a value that depends on `symbol`."""

    section: int
    offset: int
    kind: int
    symbol: Symbol
    addend: int


@dataclass(frozen=True, slots=True)
class Elf:
    """A whole file."""

    where: str
    machine: int
    sections: tuple[Section, ...]
    symbols: tuple[Symbol, ...]
    relocations: tuple[Relocation, ...]

    def section(self, name: str) -> Section | None:
        """The first section called `name`."""
        return next((section for section in self.sections if section.name == name), None)


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the fields of one ELF class lie: struct formats, and the order of their fields."""

    header: str
    section: str
    symbol: str
    rel: str
    rela: str
    symbol_shift: int


_LAYOUT_32 = _Layout("<HHIIIIIHHHHHH", "<10I", "<IIIBBH", "<II", "<IIi", 8)
_LAYOUT_64 = _Layout("<HHIQQQIHHHHHH", "<IIQQQQIIQQ", "<IBBHQQ", "<QQ", "<QQq", 32)


def parse_elf(data: bytes, where: str) -> Elf:
    """The file in `data`, called `where` in messages; InputError if it is no sound little-endian ELF file."""
    return _Parser(data, where).parse()


class _Parser:
    """Reads one file. Holds the bytes and the layout of its class."""

    def __init__(self, data: bytes, where: str) -> None:
        self._data = data
        self._where = where
        if data[:4] != b"\x7fELF":
            raise self._bad("this is not an ELF file")
        if len(data) < 6 or data[4] not in (1, 2) or data[5] != 1:
            raise self._bad("this is not a little-endian ELF file")
        self._layout = _LAYOUT_32 if data[4] == 1 else _LAYOUT_64

    def parse(self) -> Elf:
        header = self._unpack(self._layout.header, 16)
        machine, table, count, names = header[1], header[5], header[11], header[12]
        sections = self._sections(table, count, names)
        symbols = self._symbols(sections)
        relocations = tuple(self._relocations(sections, symbols))
        return Elf(self._where, machine, sections, tuple(symbols), relocations)

    def _bad(self, what: str) -> InputError:
        return InputError(what, where=self._where, hint="build the file again")

    def _unpack(self, layout: str, offset: int) -> tuple[int, ...]:
        if offset + struct.calcsize(layout) > len(self._data):
            raise self._bad(f"the file ends before offset {offset + struct.calcsize(layout):#x}")
        return struct.unpack_from(layout, self._data, offset)

    def _sections(self, table: int, count: int, names_index: int) -> tuple[Section, ...]:
        size = struct.calcsize(self._layout.section)
        raw = [self._unpack(self._layout.section, table + index * size) for index in range(count)]
        if names_index >= count:
            raise self._bad("the section of section names does not exist")
        names = self._content(raw[names_index])
        return tuple(self._section(index, row, names) for index, row in enumerate(raw))

    def _section(self, index: int, row: tuple[int, ...], names: bytes) -> Section:
        name, kind, flags, address, _, size, link, info, alignment, _ = row
        content = self._content(row)
        numbers = (kind, flags, address, content, link, info, size, alignment)
        return Section(index, self._text(names, name), *numbers)

    def _content(self, row: tuple[int, ...]) -> bytes:
        kind, offset, size = row[1], row[4], row[5]
        if kind in (0, _NOBITS):
            return b""
        if offset + size > len(self._data):
            raise self._bad(f"a section reaches to {offset + size:#x}, past the end of the file")
        return self._data[offset : offset + size]

    def _text(self, table: bytes, offset: int) -> str:
        end = table.find(b"\0", offset)
        if offset >= len(table) or end < 0:
            raise self._bad("a name lies outside its string table")
        return table[offset:end].decode("utf-8", errors="replace")

    def _symbols(self, sections: tuple[Section, ...]) -> list[Symbol]:
        table = next((section for section in sections if section.kind == _SYMTAB), None)
        if table is None:
            return []
        if table.link >= len(sections):
            raise self._bad("the symbol table has no string table")
        names = sections[table.link].data
        rows = self._rows(table, self._layout.symbol)
        return [self._symbol(row, names) for row in rows]

    def _symbol(self, row: tuple[int, ...], names: bytes) -> Symbol:
        if self._layout is _LAYOUT_32:
            name, value, size, info, _, section = row
        else:
            name, info, _, section, value, size = row
        return Symbol(self._text(names, name), value, size, info & 15, info >> 4, section)

    def _relocations(self, sections: tuple[Section, ...], symbols: list[Symbol]) -> Iterator[Relocation]:
        for table in sections:
            if table.kind not in (_REL, _RELA):
                continue
            layout = self._layout.rel if table.kind == _REL else self._layout.rela
            for offset, info, *addend in self._rows(table, layout):
                symbol_index = info >> self._layout.symbol_shift
                if symbol_index >= len(symbols) or table.info >= len(sections):
                    raise self._bad(f"a relocation of {table.name} names a symbol that does not exist")
                kind = info & ((1 << self._layout.symbol_shift) - 1)
                yield Relocation(table.info, offset, kind, symbols[symbol_index], addend[0] if addend else 0)

    def _rows(self, table: Section, layout: str) -> Iterator[tuple[int, ...]]:
        if len(table.data) % struct.calcsize(layout):
            raise self._bad(f"section {table.name} does not hold whole entries")
        return struct.iter_unpack(layout, table.data)
