"""Stops 3 to 12 of 12. `patchctl asm`, `patchctl disasm`, `patchctl run`: programs by hand, without a board.

Takes text or an eBPF object or raw code; gives code, text with the C lines it came from, or what the
reference interpreter makes of it. Next: patchctl/assembly.py
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from patchctl.assembly import assemble
from patchctl.btf import SourceLine
from patchctl.cli.options import reporter_of
from patchctl.cli.report import Reporter
from patchctl.contract import (
    CONTEXT_BYTES,
    INSTRUCTION_BYTES,
    STACK_BYTES_MAX,
    STATUS_TEXT,
    Fault,
    Status,
    Verdict,
)
from patchctl.errors import InputError
from patchctl.isa import Instruction, decode, encode
from patchctl.program import NO_VARIABLES, SymbolReference, Variables, load_program
from patchctl.reference import HELPERS, Machine, Outcome, Region, Space
from patchctl.reference import run as run_program
from patchctl.structure import Limits, check

_ELF_MAGIC = b"\x7fELF"
_STACK, _CONTEXT, _VARIABLES, _DATA = 0x20000000, 0x20001000, 0x20002000, 0x00042000
_ANY_BYTES = 2**31  # of a section that text refers to, and nobody has sized
_FUEL = 1_000_000
_FRAME_BYTES = 64
_FAULT_TEXT = {
    Fault.FUEL: "its fuel was spent",
    Fault.MEMORY: "it touched memory that it may not",
    Fault.CALL: "it called a helper that there is not",
    Fault.DEPTH: "its sub-programs went too deep",
    Fault.RECORD: "the context has less than 8 bytes",
}

ProgramFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="An eBPF object as clang makes it, or the raw bytes of code.")
]


@dataclass(frozen=True, slots=True)
class Loaded:
    """Code, and what an object told beside it."""

    code: bytes
    data: bytes
    variables: Variables
    lines: Mapping[int, SourceLine]
    symbols: Mapping[int, SymbolReference]


def asm(
    context: typer.Context,
    source: Annotated[
        Path, typer.Argument(metavar="FILE", help="One instruction a line, as clang writes it.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Raw bytes go here; else hex is printed."),
    ] = None,
) -> None:
    """Translate a program's text into its bytes, checked as the board checks it."""
    reporter = reporter_of(context)
    text = _read(source)
    try:
        code = encode(assemble(text.decode()))
    except UnicodeDecodeError as problem:
        raise InputError(
            "this is no text", where=str(source), hint="asm reads what disasm prints"
        ) from problem
    except InputError as problem:
        raise InputError(problem.what, where=f"{source}: {problem.where}", hint=problem.hint) from problem
    _require_structure(code, source, None)
    reporter.event("code", bytes=len(code), code=code)
    if out is None:
        for slot in range(0, len(code), INSTRUCTION_BYTES):
            reporter.say(code[slot : slot + INSTRUCTION_BYTES].hex(" "))
        return
    try:
        out.write_bytes(code)
    except OSError as problem:
        raise InputError(
            f"cannot write: {problem.strerror}", where=str(out), hint="choose a file with -o"
        ) from problem
    reporter.say(f"{out}: {len(code) // INSTRUCTION_BYTES} slots, {len(code)} bytes")


def disasm(context: typer.Context, file: ProgramFile) -> None:
    """Print a program as clang writes it, each C line above what it became."""
    reporter = reporter_of(context)
    loaded = _load(file)
    at, line = 0, None
    for instruction in _decoded(loaded.code, file):
        line = _say_line(reporter, loaded, at, line)
        symbol = loaded.symbols.get(at * INSTRUCTION_BYTES)
        note = (
            "" if symbol is None else f"  // {symbol.name}{f' + {symbol.addend:#x}' if symbol.addend else ''}"
        )
        reporter.event(
            "instruction", slot=at, text=str(instruction), line=None if line is None else str(line)
        )
        reporter.say(f"{at:5}: {instruction}{note}")
        at += instruction.slots


def run(
    context: typer.Context,
    file: ProgramFile,
    given: Annotated[
        Path,
        typer.Option("--input", metavar="FILE", help="The context's bytes: r0 to r12, sp, lr, pc, xpsr."),
    ],
    trace: Annotated[bool, typer.Option("--trace", help="Print C lines and registers as it goes.")] = False,
    fuel: Annotated[int, typer.Option("--fuel", min=0, help="Instructions the run may execute.")] = _FUEL,
) -> None:
    """Run a program in the reference interpreter; firmware memory is not there."""
    reporter = reporter_of(context)
    loaded = _load(file)
    if loaded.symbols:
        names = ", ".join(sorted({symbol.name for symbol in loaded.symbols.values()}))
        reporter.warn(f"addresses of the firmware are 0 here: {names}")
    space = Space(
        Region(_STACK, bytearray(STACK_BYTES_MAX)),
        Region(_CONTEXT, bytearray(_read(given))),
        Region(_DATA, bytearray(loaded.data)),
        Region(_VARIABLES, bytearray(loaded.variables.initial.ljust(loaded.variables.bytes, b"\0"))),
    )
    before, kept = bytes(space.context.data), bytes(space.variables.data)
    _require_structure(loaded.code, file, loaded)
    tracer = _Tracer(reporter, loaded)
    outcome = run_program(
        loaded.code, space, fuel=fuel, frame_bytes=_FRAME_BYTES, trace=tracer.step if trace else None
    )
    if trace:
        tracer.changes(outcome.registers)
    _say_end(reporter, file, loaded, outcome, fuel)
    _say_changes(reporter, before, bytes(space.context.data), _context_name)
    _say_changes(reporter, kept, bytes(space.variables.data), "variable byte {}".format)


class _Tracer:
    """Prints a run: a C line when it changes, every instruction, and what it changed."""

    def __init__(self, reporter: Reporter, loaded: Loaded) -> None:
        self._reporter = reporter
        self._loaded = loaded
        self._line: SourceLine | None = None
        self._registers: tuple[int, ...] = ()

    def step(self, at: int, instruction: Instruction, machine: Machine) -> None:
        """Called before each instruction: tells what the one before did, then this one's text."""
        self.changes(tuple(machine.registers))
        self._line = _say_line(self._reporter, self._loaded, at, self._line)
        self._reporter.event("step", slot=at, text=str(instruction), registers=machine.registers[:])
        self._reporter.say(f"{at:5}: {instruction}")

    def changes(self, registers: tuple[int, ...]) -> None:
        """The registers that differ from what was told last."""
        known = self._registers or tuple([0] * len(registers))
        changed = [
            f"r{number} = {now:#x}"
            for number, (was, now) in enumerate(zip(known, registers, strict=True))
            if was != now
        ]
        if changed:
            self._reporter.say(f"         {', '.join(changed)}")
        self._registers = registers


def _say_line(reporter: Reporter, loaded: Loaded, at: int, last: SourceLine | None) -> SourceLine | None:
    line = loaded.lines.get(at * INSTRUCTION_BYTES)
    if line is not None and (last is None or (line.file, line.line) != (last.file, last.line)):
        reporter.say(f"{Path(line.file).name}:{line.line}: {line.text.strip()}")
    return line if line is not None else last


def _say_end(reporter: Reporter, file: Path, loaded: Loaded, outcome: Outcome, fuel: int) -> None:
    used, result = fuel - outcome.fuel, outcome.registers[0]
    reporter.event("end", fault=outcome.fault.name.lower(), result=result, instructions=used)
    if outcome.fault is not Fault.NONE:
        line = loaded.lines.get(outcome.at * INSTRUCTION_BYTES)
        place = f"{file}: instruction {outcome.at}" + ("" if line is None else f", {line}")
        raise InputError(
            f"the run ended by fault {outcome.fault.name.lower()}: {_FAULT_TEXT[outcome.fault]}",
            where=place,
            hint="the board would carry out the site's safe verdict; --trace shows the way here",
        )
    verdict = result & 0xFFFFFFFF
    known = verdict in set(Verdict)
    name = f", verdict {Verdict(verdict).name.lower()} with {result >> 32:#x}" if known else ""
    reporter.say(f"r0 = {result:#x}{name}; {used} instructions")


def _say_changes(reporter: Reporter, before: bytes, after: bytes, name_of: Callable[[int], str]) -> None:
    """The words that a run changed."""
    for offset in range(0, len(after), 4):
        was, now = before[offset : offset + 4], after[offset : offset + 4]
        if was != now:
            numbers = f"{int.from_bytes(was, 'little'):#x} -> {int.from_bytes(now, 'little'):#x}"
            reporter.say(f"{name_of(offset)}: {numbers}")


def _context_name(offset: int) -> str:
    number = offset // 4
    if offset >= CONTEXT_BYTES:
        return f"context byte {offset}"
    return f"context r{number}" if number <= 12 else f"context {('sp', 'lr', 'pc', 'xpsr')[number - 13]}"


# ------------------------------------------------ files ------------------------------------------------


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise InputError(f"cannot read: {problem.strerror}", where=str(path), hint="name a file") from problem


def _load(path: Path) -> Loaded:
    data = _read(path)
    if not data.startswith(_ELF_MAGIC):
        return Loaded(data, b"", NO_VARIABLES, {}, {})
    program = load_program(data, str(path))
    return Loaded(program.code, program.data, program.variables, program.lines, program.symbols)


def _decoded(code: bytes, path: Path) -> tuple[Instruction, ...]:
    try:
        return decode(code)
    except InputError as problem:
        place = f"{path}: {problem.where}" if problem.where else str(path)
        raise InputError(problem.what, where=place, hint=problem.hint) from problem


def _require_structure(code: bytes, path: Path, loaded: Loaded | None) -> None:
    """The board's own check, with all helpers granted; text may refer to sections of any size."""
    data_bytes = _ANY_BYTES if loaded is None else len(loaded.data)
    variable_bytes = _ANY_BYTES if loaded is None else loaded.variables.bytes
    status, at = check(code, Limits(len(code), data_bytes, variable_bytes, frozenset(HELPERS)))
    if status is not Status.OK:
        raise InputError(
            STATUS_TEXT[status], where=f"{path}: instruction {at}", hint="the board would refuse it too"
        )
