"""Stop 3 of 12. Which line of C an instruction came from.

Takes the .BTF and .BTF.ext sections of a patch object (Linux's Documentation/bpf/btf.rst); gives, for each
code section, instruction offset to source line, with the line's text: no source file is needed to print it.
Next: host/patchctl/program.py
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from patchctl.errors import InputError

_MAGIC = 0xEB9F
_RECORD_BYTES_MIN = 16


@dataclass(frozen=True, slots=True)
class SourceLine:
    """A place in a source file, and the whole text of its line."""

    file: str
    line: int
    column: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


def line_table(btf: bytes, extension: bytes, where: str) -> Mapping[str, Mapping[int, SourceLine]]:
    """Code section name to byte offset to line; InputError if the sections are malformed."""
    try:
        return _parse(btf, extension)
    except (struct.error, ValueError) as problem:
        raise InputError(f"line information is malformed: {problem}", where=where) from problem


def _parse(btf: bytes, extension: bytes) -> Mapping[str, Mapping[int, SourceLine]]:
    strings = _strings(btf)
    magic, header_bytes, _, _, lines_offset, lines_bytes = struct.unpack_from("<HxxIIIII", extension)
    if magic != _MAGIC:
        raise ValueError("wrong magic number in .BTF.ext")
    if lines_bytes == 0:
        return {}
    start = header_bytes + lines_offset
    (record_bytes,) = struct.unpack_from("<I", extension, start)
    if record_bytes < _RECORD_BYTES_MIN:
        raise ValueError(f"a line record of {record_bytes} bytes")
    return _sections(extension, start + 4, start + lines_bytes, record_bytes, strings)


def _sections(
    extension: bytes, position: int, end: int, record_bytes: int, strings: bytes
) -> Mapping[str, Mapping[int, SourceLine]]:
    tables: dict[str, dict[int, SourceLine]] = {}
    while position < end:
        name, count = struct.unpack_from("<II", extension, position)
        position += 8
        table = tables.setdefault(_string(strings, name), {})
        for _ in range(count):
            offset, file, text, place = struct.unpack_from("<IIII", extension, position)
            position += record_bytes
            if place:  # line 0: the compiler made this instruction, no source line did
                table[offset] = SourceLine(
                    _string(strings, file), place >> 10, place & 1023, _string(strings, text)
                )
    return tables


def _strings(btf: bytes) -> bytes:
    magic, header_bytes, _, _, offset, size = struct.unpack_from("<HxxIIIII", btf)
    if magic != _MAGIC:
        raise ValueError("wrong magic number in .BTF")
    return btf[header_bytes + offset : header_bytes + offset + size]


def _string(strings: bytes, offset: int) -> str:
    return strings[offset : strings.index(b"\0", offset)].decode("utf-8", errors="replace")
