"""Stops 3 to 6 of 12. A patch between compiler and container: code, references, sites, data.

Takes a patch object's bytes; gives a Program: code whose references to data and sub-programs are resolved and
whose firmware symbols are still names. Further down the walk the same patch, bound and verified, is a
BuiltPatch, the plain value that package/ packs. Next: host/patchctl/binding.py
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from patchctl.btf import SourceLine, line_table
from patchctl.contract import (
    INSTRUCTION_BYTES,
    PAYLOAD_ALIGNMENT,
    SECTION_DATA,
    SECTION_VARIABLES,
    Op,
    Trigger,
    Verdict,
)
from patchctl.elf import (
    BINDING_LOCAL,
    FLAG_ALLOCATED,
    KIND_FUNCTION,
    KIND_OBJECT,
    MACHINE_BPF,
    UNDEFINED,
    Elf,
    Relocation,
    Section,
    parse_elf,
)
from patchctl.errors import InputError
from patchctl.isa import SOURCE_DATA, SOURCE_SUB_PROGRAM

ENTRY_SECTION = "hotpatch"
SUB_PROGRAM_SECTION = ".text"

_ADDRESS_64, _CALL = 1, 10  # relocation kinds of eBPF (LLVM, Documentation/bpf/llvm_reloc.rst)
_OUR_HEADER = "hotpatch/patch.h"  # its inlined lines say nothing to a patch's author


@dataclass(frozen=True, slots=True)
class Variables:
    """What a patch keeps between its runs: `bytes` bytes of RAM, which start as `initial` and then zeros."""

    initial: bytes = b""
    bytes: int = 0


NO_VARIABLES = Variables()


@dataclass(frozen=True, slots=True)
class BuiltProgram:
    """One verified eBPF program, as it will stand in the code section."""

    name: str
    code: bytes
    fuel: int
    stack_bytes: int
    certificate: bytes = b""
    metered: bool = False  # it may need more than its fuel
    frame_bytes: int = 0  # how far a call of a sub-program lowers r10


@dataclass(frozen=True, slots=True)
class SafeArgument:
    """A constant for one argument register: a number, or an offset into the data section."""

    value: int
    in_data: bool = False


@dataclass(frozen=True, slots=True)
class SafeVerdict:
    """What a site does when its program cannot finish: pass, return `value`, or redirect with `arguments`."""

    verdict: Verdict
    redirect: int = 0
    arguments: tuple[SafeArgument, ...] = ()
    value: int = 0


@dataclass(frozen=True, slots=True)
class BuiltSite:
    """A bound site. `copy` is the displaced instruction and its jump back, in Thumb code."""

    function: str
    address: int
    original: bytes
    displaced_bytes: int
    trigger: Trigger
    program_index: int
    verdicts: frozenset[Verdict]
    writable_registers: int
    copy: bytes
    safe: SafeVerdict


@dataclass(frozen=True, slots=True)
class BuiltRedirect:
    """A function of the firmware that a verdict may go on at; `target` has no Thumb bit."""

    name: str
    target: int


@dataclass(frozen=True, slots=True)
class MemoryRange:
    """Firmware memory."""

    address: int
    bytes: int


@dataclass(frozen=True, slots=True)
class BuiltPatch:
    """Everything the payload and the manifest need, and nothing they could not carry."""

    id: str
    sequence: int
    about: str
    board: str
    build_id: bytes
    programs: tuple[BuiltProgram, ...]
    sites: tuple[BuiltSite, ...]
    redirects: tuple[BuiltRedirect, ...] = ()
    ranges: tuple[MemoryRange, ...] = ()
    helpers: tuple[int, ...] = ()
    data: bytes = b""
    variables: Variables = NO_VARIABLES


@dataclass(frozen=True, slots=True)
class SymbolReference:
    """A firmware symbol's address plus `addend`."""

    name: str
    addend: int


@dataclass(frozen=True, slots=True)
class Program:
    """One patch's code. `symbols` and `lines` go by byte offset into `code`."""

    name: str
    where: str
    code: bytes
    data: bytes
    symbols: Mapping[int, SymbolReference]
    lines: Mapping[int, SourceLine]
    variables: Variables = NO_VARIABLES


def load_program(data: bytes, where: str) -> Program:
    """The program in the object `data`; InputError, with the source line, for what we do not support."""
    elf = parse_elf(data, where)
    if elf.machine != MACHINE_BPF:
        raise InputError("this is not an eBPF object", where=where)
    return _Loader(elf).load()


class _Loader:
    """Lays out code and data of one object, then resolves its references."""

    def __init__(self, elf: Elf) -> None:
        self._elf = elf
        self._refuse_maps()
        entry = elf.section(ENTRY_SECTION)
        if entry is None:
            raise InputError(
                "there is no patch function", where=elf.where, hint="write one as HP_PATCH(name) { ... }"
            )
        self._code_sections = [entry, *self._named(lambda name: name == SUB_PROGRAM_SECTION)]
        self._code_bases, self._code = _laid_out(self._code_sections, INSTRUCTION_BYTES)
        self._data_bases, self._data = _laid_out(self._named(_is_constant), PAYLOAD_ALIGNMENT)
        self._variable_bases, self._variables = self._laid_out_variables()
        self._symbols: dict[int, SymbolReference] = {}
        self._lines = self._line_map()

    def load(self) -> Program:
        for relocation in self._elf.relocations:
            if relocation.section in self._code_bases:
                self._resolve(relocation)
            elif relocation.section in self._data_bases | self._variable_bases:
                holder = self._object_at(relocation.section, relocation.offset)
                raise InputError(
                    f"{holder} starts as the address of {self._called(relocation)}",
                    where=self._elf.where,
                    hint="keep an index, and choose between addresses with if or switch in code",
                )
        return Program(
            self._entry_name(),
            self._elf.where,
            bytes(self._code),
            bytes(self._data),
            self._symbols,
            self._lines,
            self._variables,
        )

    def _named(self, wanted: Callable[[str], bool]) -> Iterator[Section]:
        for section in self._elf.sections:
            if section.flags & FLAG_ALLOCATED and section.bytes and wanted(section.name):
                self._check_alignment(section)
                yield section

    def _check_alignment(self, section: Section) -> None:
        """Clang counts on what it asked for: an address that is less aligned would be silently wrong."""
        if section.alignment > PAYLOAD_ALIGNMENT:
            asks = f"{self._object_at(section.index, 0)} asks for an alignment of {section.alignment} bytes"
            hint = f"a patch's memory is aligned to {PAYLOAD_ALIGNMENT}: choose a place in a larger array"
            raise InputError(asks, where=self._elf.where, hint=hint)

    def _object_at(self, section: int, offset: int) -> str:
        """The name of what lies there, as an author knows it."""
        for symbol in self._elf.symbols:
            inside = symbol.value <= offset < symbol.value + symbol.bytes
            if symbol.section == section and symbol.kind == KIND_OBJECT and inside and symbol.name:
                return repr(symbol.name)
        return f"section {self._elf.sections[section].name!r}"

    def _refuse_maps(self) -> None:
        if self._elf.section(".maps") is not None:
            hint = "leave them out; a variable outside the function keeps its value between runs"
            raise InputError("maps are not supported", where=self._elf.where, hint=hint)

    def _laid_out_variables(self) -> tuple[dict[int, int], Variables]:
        """Variables with an initial value first: what the container carries of them ends there."""
        bases, initial = _laid_out(self._named(_is_initialized), PAYLOAD_ALIGNMENT)
        end = _aligned(len(initial))
        for section in self._named(_is_zeroed):
            bases[section.index] = end
            end = _aligned(end + section.bytes)
        return bases, Variables(bytes(initial), end)

    def _entry_name(self) -> str:
        entry = self._code_sections[0]
        names = [
            symbol
            for symbol in self._elf.symbols
            if symbol.section == entry.index
            and symbol.kind == KIND_FUNCTION
            and symbol.binding != BINDING_LOCAL
        ]
        if len(names) != 1 or names[0].value != 0:
            raise InputError(
                f"the object holds {len(names)} patch functions",
                where=self._elf.where,
                hint="one HP_PATCH in a patch; other functions are static",
            )
        return names[0].name

    def _resolve(self, relocation: Relocation) -> None:
        offset = self._code_bases[relocation.section] + relocation.offset
        if offset % INSTRUCTION_BYTES or offset + INSTRUCTION_BYTES > len(self._code):
            raise InputError(
                f"a relocation lies at offset {offset}, inside an instruction", where=self._elf.where
            )
        target, value = relocation.symbol.section, relocation.symbol.value
        is_address = relocation.kind == _ADDRESS_64 and self._opcode(offset) == Op.LDDW
        if relocation.kind == _CALL and target in self._code_bases:
            self._resolve_call(offset, self._code_bases[target] + value)
        elif is_address and target in self._data_bases:
            self._resolve_data(offset, SECTION_DATA, self._data_bases[target] + value)
        elif is_address and target in self._variable_bases:
            self._resolve_data(offset, SECTION_VARIABLES, self._variable_bases[target] + value)
        elif is_address and target == UNDEFINED:
            self._symbols[offset] = SymbolReference(relocation.symbol.name, self._wide_immediate(offset))
        else:
            raise self._unsupported(relocation, offset)

    def _unsupported(self, relocation: Relocation, offset: int) -> InputError:
        place = self._lines.get(offset)
        where = str(place) if place else self._elf.where
        if relocation.kind == _CALL:
            return InputError(
                f"{self._called(relocation)} is called, but the patch does not define it",
                where=where,
                hint="a patch cannot call the firmware; redirect to it, or write the function with HP_INLINE",
            )
        target = relocation.symbol.section
        if relocation.kind == _ADDRESS_64 and UNDEFINED < target < len(self._elf.sections):
            return InputError(
                f"{self._called(relocation)} lies in section {self._elf.sections[target].name!r}",
                where=where,
                hint="leave its section attribute out",
            )
        return InputError(
            f"a reference to {self._called(relocation)} of kind {relocation.kind} is not supported",
            where=where,
        )

    def _called(self, relocation: Relocation) -> str:
        symbol = relocation.symbol
        if symbol.name:
            return repr(symbol.name)
        is_section = symbol.section < len(self._elf.sections)
        return self._object_at(symbol.section, symbol.value) if is_section else "an absolute symbol"

    def _resolve_call(self, offset: int, target: int) -> None:
        registers, immediate = struct.unpack_from("<xBxxi", self._code, offset)
        if registers >> 4 != SOURCE_SUB_PROGRAM:
            raise InputError(f"the call at offset {offset} is of an unknown kind", where=self._elf.where)
        distance = (target - offset) // INSTRUCTION_BYTES + immediate
        self._put_number(offset + 4, distance)

    def _resolve_data(self, offset: int, section: int, target: int) -> None:
        struct.pack_into("<B", self._code, offset + 1, self._code[offset + 1] & 15 | SOURCE_DATA << 4)
        addend = self._wide_immediate(offset)
        self._put_number(offset + 4, section)
        self._put_number(offset + 12, target + addend)

    def _put_number(self, offset: int, number: int) -> None:
        if not -(2**31) <= number < 2**31:
            raise InputError(
                f"the reference at offset {offset} leads out of the object", where=self._elf.where
            )
        struct.pack_into("<i", self._code, offset, number)

    def _wide_immediate(self, offset: int) -> int:
        if offset + 2 * INSTRUCTION_BYTES > len(self._code):
            raise InputError(f"the wide load at offset {offset} is cut short", where=self._elf.where)
        low, high = struct.unpack_from("<IxxxxI", self._code, offset + 4)
        value: int = low | high << 32
        return value - (1 << 64) if value >> 63 else value

    def _opcode(self, offset: int) -> int:
        return int(self._code[offset])

    def _line_map(self) -> dict[int, SourceLine]:
        """The line of every instruction; one that has none of its own belongs to the one before it."""
        btf, extension = self._elf.section(".BTF"), self._elf.section(".BTF.ext")
        if btf is None or extension is None:
            return {}
        tables = line_table(btf.data, extension.data, self._elf.where)
        lines: dict[int, SourceLine] = {}
        for section in self._code_sections:
            current: SourceLine | None = None
            table = tables.get(section.name, {})
            for offset in range(0, len(section.data), INSTRUCTION_BYTES):
                line = table.get(offset)
                if line is not None and (current is None or not line.file.endswith(_OUR_HEADER)):
                    current = line
                if current is not None:
                    lines[self._code_bases[section.index] + offset] = current
        return lines


def _is_constant(name: str) -> bool:
    return name.startswith(".rodata")


def _is_initialized(name: str) -> bool:
    return name.startswith(".data")


def _is_zeroed(name: str) -> bool:
    return name.startswith(".bss")


def _aligned(size: int) -> int:
    return (size + PAYLOAD_ALIGNMENT - 1) // PAYLOAD_ALIGNMENT * PAYLOAD_ALIGNMENT


def _laid_out(sections: Iterable[Section], alignment: int) -> tuple[dict[int, int], bytearray]:
    """Section index to its offset in the joined bytes, and the bytes."""
    bases: dict[int, int] = {}
    joined = bytearray()
    for section in sections:
        joined += bytes(-len(joined) % alignment)
        bases[section.index] = len(joined)
        joined += section.data
    return bases, joined
