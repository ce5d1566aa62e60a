"""Stops 4 to 11 of 12. A firmware ELF as the emulator needs it: what to load where, and function names.

Takes a path or bytes; gives segments at their load addresses and symbols. Next: machine.py
"""

from __future__ import annotations

import io
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from patchctl.errors import InputError


@dataclass(frozen=True, slots=True)
class Image:
    """Loadable segments as (physical address, bytes); functions sorted by address, without the Thumb bit."""

    segments: tuple[tuple[int, bytes], ...]
    symbols: dict[str, int]
    functions: tuple[tuple[int, int, str], ...]  # address, size, name

    def symbol_at(self, address: int) -> str:
        """The function that holds `address`, or ""."""
        index = bisect_right(self.functions, (address & ~1, 1 << 32, "")) - 1
        if index < 0:
            return ""
        start, size, name = self.functions[index]
        return name if address & ~1 < start + max(size, 2) else ""


def load_image(source: Path | bytes) -> Image:
    """Read an ELF; InputError if it is none, or not for ARM."""
    where = str(source) if isinstance(source, Path) else "firmware"
    try:
        data = source.read_bytes() if isinstance(source, Path) else source
    except OSError as problem:
        raise InputError(f"cannot read the firmware: {problem.strerror}", where=where) from problem
    return _parse(data, where)


@lru_cache(maxsize=8)
def _parse(data: bytes, where: str) -> Image:
    """Boards that run the same firmware share its Image, which nobody changes."""
    try:
        elf = ELFFile(io.BytesIO(data))
    except ELFError as problem:
        raise InputError(f"this is no ELF file: {problem}", where=where) from problem
    if elf["e_machine"] != "EM_ARM":
        raise InputError("this ELF file is not for ARM", where=where)
    segments = tuple(
        (segment["p_paddr"], segment.data())
        for segment in elf.iter_segments("PT_LOAD")
        if segment["p_filesz"]
    )
    return Image(segments, *_symbols(elf))


def _symbols(elf: ELFFile) -> tuple[dict[str, int], tuple[tuple[int, int, str], ...]]:
    names: dict[str, int] = {}
    functions = []
    for section in elf.iter_sections():
        if not isinstance(section, SymbolTableSection):
            continue
        for symbol in section.iter_symbols():
            value, kind = symbol["st_value"], symbol["st_info"]["type"]
            if kind == "STT_FUNC":
                functions.append((value & ~1, symbol["st_size"], symbol.name))
                value &= ~1
            if symbol.name and symbol["st_shndx"] != "SHN_UNDEF":
                names.setdefault(symbol.name, value)
    return names, tuple(sorted(functions))
