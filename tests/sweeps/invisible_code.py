"""Stop 11 of 12. The functions whose every instruction is armed: compiled, linked, taken apart.

Takes a core, a build and a source; gives bytes by address, labels, and each function's instructions, with the
reason where a site is refused. The host has sites at functions' entries only: that no instruction of an
IF-THEN block and none between an exclusive load and its store is one is said here. Next: invisible_boards.py
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from elftools.elf.elffile import ELFFile
from patchctl.displaced import displace, instruction_bytes
from patchctl.errors import InputError

FOLDER = Path(__file__).parent
SOURCES = ("assembly", "arithmetic", "memory", "calls")
LINE, INJECTED_LINE = 9, 10  # interrupts that no board's image uses
CORES = {
    "cortex-m0plus": ("-mcpu=cortex-m0plus", ""),
    "cortex-m3": ("-mcpu=cortex-m3", ""),
    "cortex-m4f": ("-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16"),
    "cortex-m33": ("-mcpu=cortex-m33", ""),
    "cortex-m33f": ("-mcpu=cortex-m33", "-mfpu=fpv5-sp-d16"),
}
NOP = b"\x00\xbf"
IN_A_BLOCK = "inside an it block"
EXCLUSIVE = "between an exclusive load and its store"
ARMED_ANYWAY = (
    "inside_a_block"  # its condition holds and nothing of the block follows: the handler's own work
)


@dataclass(frozen=True, slots=True)
class Build:
    """Compiler options."""

    level: str
    hard_floats: bool = False

    def __str__(self) -> str:
        return f"{self.level}, {'hard' if self.hard_floats else 'soft'} floats"


def builds(core: str) -> tuple[Build, ...]:
    """Every build for `core`."""
    kinds = (True, False) if core.endswith("f") else (False,)
    return tuple(Build(level, hard) for hard in kinds for level in ("-Os", "-O2"))


@dataclass(frozen=True, slots=True)
class Site:
    """An instruction, and why no site may be there, or ""."""

    address: int
    refusal: str


@dataclass(frozen=True)
class Code:
    """A linked source."""

    parts: Mapping[int, bytes]
    labels: Mapping[str, int]
    functions: Mapping[str, tuple[Site, ...]]

    def at(self, address: int) -> bytes:
        """The code from `address` on."""
        start = max(start for start in self.parts if start <= address)
        return self.parts[start][address - start :]


@cache
def _objects() -> TemporaryDirectory[str]:
    return TemporaryDirectory()


@cache
def _compiled(core: str, build: Build, source: str) -> Path:
    """The object file of a source, or of the way into it, which uses FP registers wherever there are any."""
    cpu, fpu = CORES[core]
    floats = ["-mfloat-abi=soft"]
    if fpu and (build.hard_floats or source == "entry.S"):
        floats = [fpu, f"-mfloat-abi={'hard' if build.hard_floats else 'softfp'}"]
    out = Path(_objects().name) / f"{core}{build.level}{build.hard_floats}-{source}.o"
    options = ["-mthumb", cpu, *floats, build.level, "-std=c11", "-ffreestanding", f"-DLINE={LINE}"]
    options.append("-fno-tree-loop-distribute-patterns")  # which would call memcpy
    subprocess.run(
        ["arm-none-eabi-gcc", *options, "-c", str(FOLDER / f"invisible_{source}"), "-o", str(out)], check=True
    )
    return out


def link(core: str, build: Build, source: str, places: Mapping[str, int], symbols: Mapping[str, int]) -> Code:
    """`source` with its sections at `places`, given `symbols`."""
    file = f"{source}.S" if source == "assembly" else f"{source}.c"
    objects = [_compiled(core, build, file), _compiled(core, build, "entry.S")]
    where = [f"-Wl,--defsym={name}={value}" for name, value in symbols.items()]
    where += [f"-Wl,--section-start={name}={value:#x}" for name, value in places.items()]
    floats = "hard" if build.hard_floats else "soft"
    cpu = ["-mthumb", *filter(None, CORES[core] if build.hard_floats else CORES[core][:1])]
    with TemporaryDirectory() as folder:
        out = Path(folder) / "code.elf"
        command = [
            "arm-none-eabi-gcc",
            *cpu,
            f"-mfloat-abi={floats}",
            "-nostdlib",
            *where,
            *map(str, objects),
        ]
        options = ["-Wl,--entry=entry", "-Wl,--no-warn-rwx-segments", "-lgcc", "-o", str(out)]
        subprocess.run([*command, *options], check=True)
        with out.open("rb") as stream:
            return _read(ELFFile(stream))


def _read(elf: ELFFile) -> Code:
    loaded = [s for s in elf.iter_sections() if s["sh_flags"] & 2 and s["sh_type"] == "SHT_PROGBITS"]
    symbols = [symbol for symbol in elf.get_section_by_name(".symtab").iter_symbols() if symbol.name]
    section = elf.get_section_by_name(".function")
    number = [s.name for s in elf.iter_sections()].index(".function")
    ours = [symbol for symbol in symbols if symbol["st_shndx"] == number]
    labels = {symbol.name: symbol["st_value"] & ~1 for symbol in symbols if symbol.name[0] != "$"}
    marks = sorted((s["st_value"], s.name[1]) for s in ours if s.name.startswith("$"))
    ends = [address for address, _ in marks[1:]] + [section["sh_addr"] + section["sh_size"]]
    code = [(start, end) for (start, kind), end in zip(marks, ends, strict=True) if kind == "t"]
    functions = {
        symbol.name: _sites(section.data(), section["sh_addr"], symbol, code, labels)
        for symbol in ours
        if symbol["st_info"]["type"] == "STT_FUNC" and symbol["st_size"]
    }
    return Code({s["sh_addr"]: s.data() for s in loaded if s["sh_size"]}, labels, functions)


def _sites(data, base, symbol, code, labels) -> tuple[Site, ...]:
    """The instructions of a function; `code` says where there are no constants."""
    start = symbol["st_value"] & ~1
    end = start + symbol["st_size"]
    inside = [(max(start, first), min(end, last)) for first, last in code if first < end and last > start]
    anyway = labels.get(ARMED_ANYWAY)
    return tuple(
        Site(site.address, "" if site.address == anyway else site.refusal)
        for first, last in inside
        for site in _walk(data[first - base : last - base], first)
    )


def _walk(code: bytes, address: int) -> Iterator[Site]:
    block, exclusive, offset = 0, False, 0
    while offset < len(code):
        here = code[offset:]
        try:
            displace(here, address + offset, "here")
            refusal = IN_A_BLOCK if block else EXCLUSIVE if exclusive else ""
        except InputError as problem:
            found = re.search(r" is (.*), which cannot", str(problem))
            assert found, problem
            refusal = found[1]
        if here != NOP:  # the last one only fills up to the constants behind
            yield Site(address + offset, refusal)
        first, second = int.from_bytes(here[:2], "little"), int.from_bytes(here[2:4], "little")
        block = max(block - 1, 0)
        if first & 0xFF00 == 0xBF00 and first & 15:
            block = 4 - ((first & -first).bit_length() - 1)
        exclusive = _is_exclusive_load(first, second) or (exclusive and refusal != "an exclusive store")
        offset += instruction_bytes(here)


def _is_exclusive_load(first: int, second: int) -> bool:
    """LDREX, LDREXB, LDREXH, and ARMv8-M's LDAEX (Armv8-M ARM C2)."""
    others = first & 0xFFF0 == 0xE8D0 and second >> 4 & 15 in (4, 5, 12, 13, 14)
    return first & 0xFFF0 == 0xE850 or others
