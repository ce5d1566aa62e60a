"""Stop 11 of 12. A PASS at any instruction, in any context, changes nothing that the firmware can see.

The bare image gets a signed patch whose program only passes; then the runtime's own hp_sites_arm, called on
the emulated core, moves its trigger from one instruction of a test function to the next. Each run is compared
with the one without a site: registers, flags, FP registers, and RAM but for the runtime's own. Next: veneer.S
"""

from __future__ import annotations

import random
import struct
import subprocess
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from elftools.elf.elffile import ELFFile
from patchctl.contract import PatchState
from patchctl.displaced import displace, instruction_bytes
from patchctl.emulator import Machine
from patchctl.errors import InputError
from patchctl.package.envelope import seal_patch

from tests.end_to_end.conftest import KEY
from tests.end_to_end.targets import CASES, Target, make_target

SOURCE = Path(__file__).with_suffix("").parent / "pass_invisible.S"
CPUS = {
    "cortex-m4f": ("-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16"),
    "cortex-m33f": ("-mcpu=cortex-m33", "-mfpu=fpv5-sp-d16"),
}
CONTEXTS = {
    "thread": (),
    "thread on the process stack": ("ON_PSP",),
    "interrupts masked": ("MASKED",),
    "masked by BASEPRI": ("BY_BASEPRI",),
    "interrupt": ("IN_INTERRUPT",),
}
PASSES = struct.pack("<BBhi", 0xB7, 0, 0, 0) + struct.pack("<BBhi", 0x95, 0, 0, 0)  # r0 = 0; exit
LINE = 9  # an interrupt that no board's image uses
RUN = 4000  # instructions: enough for a hit by way of HardFault, and the function
FP = tuple(f"s{number}" for number in range(32))
FLAGS = 0xF80F_0000


@cache
def patched(name: str) -> Target:
    """Board `name` with the bare image's patch, its program replaced by one that passes."""
    target = make_target(name, CASES[1])
    target.machine.restore(target.fresh)
    program = replace(target.built.programs[0], code=PASSES, certificate=b"", fuel=100)
    built = replace(target.built, programs=(program,))
    install, undo = seal_patch(built, target.board.class_id, KEY)
    with target.management() as device:
        assert device.push(install, undo=undo).state is PatchState.UPDATED
    target.machine.run_us(5_000_000)  # the session closes, and main waits for a key
    return replace(target, patched=target.machine.snapshot())


def assemble(target: Target, macros: tuple[str, ...]) -> tuple[dict[int, bytes], dict[str, int]]:
    """Code by address, and where its labels are."""
    machine, ram = target.machine, target.board.ram
    middle = ram.address + ram.bytes // 2
    symbols = {
        "block": middle,
        "process_stack": machine.symbols["hp_stack_bottom"]
        + 0x1000,  # where the port knows how much room is left
        "hp_sites_arm": machine.symbols["hp_sites_arm"] & ~1,
    }
    places = {".function": machine.symbols["main"] & ~1, ".entry": middle + 0x400}
    flags = [f"-D{macro}" for macro in (*macros, f"LINE={LINE}")]
    flags += [f"-Wl,--defsym={name}={value}" for name, value in symbols.items()]
    flags += [f"-Wl,--section-start={name}={value:#x}" for name, value in places.items()]
    cpu = (*CPUS[target.board.chip.core], "-mfloat-abi=hard", "-mthumb", "-nostdlib", "-Wl,-e0")
    with TemporaryDirectory() as folder:
        out = Path(folder) / "code.elf"
        subprocess.run(["arm-none-eabi-gcc", *cpu, *flags, str(SOURCE), "-o", str(out)], check=True)
        with out.open("rb") as stream:
            elf = ELFFile(stream)
            code = {places[name]: elf.get_section_by_name(name).data() for name in places}
            table = elf.get_section_by_name(".symtab")
            labels = {symbol.name: symbol["st_value"] for symbol in table.iter_symbols() if symbol.name}
    return code, labels


@dataclass(frozen=True)
class Seen:
    """What the firmware could notice after a run, and how many instructions it took (it could not)."""

    registers: Mapping[str, int]
    fp: tuple[int, ...]
    ram: bytes
    instructions: int

    def differences(self, other: Seen) -> list[str]:
        """Names of what is not the same."""
        found = [name for name, value in self.registers.items() if other.registers[name] != value]
        found += [name for name, mine, theirs in zip(FP, self.fp, other.fp, strict=True) if mine != theirs]
        return found + ["memory"] * (self.ram != other.ram)


@dataclass
class Bench:
    """The test function on one board in one context."""

    target: Target
    context: str
    seed: int = 0
    flash_edits: Mapping[int, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.machine: Machine = self.target.machine
        self.machine.restore(self.target.patched)
        code, self.labels = assemble(self.target, CONTEXTS[self.context])
        for address, data in (code | dict(self.flash_edits)).items():
            self.machine.write_memory(address, data)
        self.code = code[self.labels["function"] & ~1]
        vector = self.machine.board.flash.address + 4 * (16 + LINE)
        self.machine.write_memory(vector, struct.pack("<I", self.labels["go"] | 1))
        chance = random.Random(self.seed)
        values = [chance.getrandbits(32) for _ in range(13)]
        values[7] = self.labels["block"] + 0x200
        values += [chance.getrandbits(32) & FLAGS]
        values += [struct.unpack("<I", struct.pack("<f", chance.uniform(-9, 9)))[0] for _ in FP]
        self.machine.write_memory(self.labels["block"], struct.pack("<46I", *values))
        self.copy = self.labels["block"] + 0x1900
        self.start = self.machine.snapshot()

    def sites(self) -> tuple[list[int], Counter[str]]:
        """Instructions that can be displaced, and how many cannot, by name."""
        first, offset = self.labels["function"] & ~1, 0
        able: list[int] = []
        refused: Counter[str] = Counter()
        while offset < len(self.code):
            try:
                displace(self.code[offset:], first + offset, "here")
                able.append(first + offset)
            except InputError as refusal:
                refused[str(refusal).split(" is ")[1].split(",")[0]] += 1
            offset += instruction_bytes(self.code[offset:])
        return able, refused

    def run(self, site: int | None) -> Seen:
        """One run from the start, with the trigger at `site`, or where no instruction reaches it."""
        machine = self.machine
        machine.restore(self.start)
        if site is not None:
            self._arm(site)
        machine.core.sleeping = False
        machine.core.pc = self.labels["entry"] & ~1
        before, after = machine.instructions, self.labels["after"] & ~1
        while machine.core.pc != after and machine.instructions - before < RUN:
            machine.run(instructions=20)
        ran = machine.instructions - before
        registers = {**machine.registers(), "pc": machine.core.pc}
        return Seen(registers, tuple(machine.cpu.batch(*FP).read()), self._ram(registers), ran)

    def _arm(self, site: int) -> None:
        machine = self.machine
        displaced = displace(self.code[site - (self.labels["function"] & ~1) :], site, "here")
        machine.write_memory(self.copy, displaced.copy)
        machine.write_memory(self.labels["block"] + 184, struct.pack("<II", site, self.copy | 1))
        registers = machine.cpu.save()
        machine.core.sleeping = False
        machine.core.pc = self.labels["arm"] & ~1
        machine.run(instructions=RUN)
        assert machine.core.pc == self.labels["armed"] & ~1
        assert machine.registers()["r0"] == 0
        machine.cpu.restore(registers)

    def _ram(self, registers: Mapping[str, int]) -> bytes:
        """The function's data and what lies above each stack pointer."""
        block, top = self.labels["block"], self.labels["process_stack"]
        bottom = self.machine.symbols["hp_stack_bottom"]
        data = self.machine.read_memory(block + 0x200, 0x200)
        main_top = self.machine.symbols["hp_stack_top"]
        used = self.machine.read_memory(registers["msp"], main_top - registers["msp"])
        process = registers["psp"] if registers["psp"] in range(bottom, top) else top
        return data + used + self.machine.read_memory(process, top - process)


@dataclass
class Tally:
    """What was armed, what could not be, and what was seen."""

    hits: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)


def compare(bench: Bench, step: int = 1) -> Tally:
    """Every `step`th instruction of the function armed in turn."""
    able, refused = bench.sites()
    tally, plain = Tally(refused=refused), bench.run(None)
    for site in able[::step]:
        seen = bench.run(site)
        tally.hits += seen.instructions > plain.instructions + 100
        different = plain.differences(seen)
        if different:
            tally.differences.append(f"{bench.context}, {site:#x}: {', '.join(different)}")
    return tally
