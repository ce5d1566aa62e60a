"""Stop 11 of 12. An interrupt at any instruction of a hit, from the trap to the veneer's exit, hits again.

The bare image gets a signed patch whose program answers with a number made of its arguments. Code in RAM
calls the patched function; behind one instruction after the other an interrupt is requested whose handler
calls it too. Both answers, all registers, what was counted and the freedom of all records must be as if
neither had seen the other. Next: device_runtime/core/trigger.c
"""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from elftools.elf.elffile import ELFFile
from patchctl.assembly import assemble
from patchctl.contract import CONTEXT_BYTES, Helper, PatchState, Trigger, Verdict
from patchctl.emulator import Machine
from patchctl.emulator.breakpoints import set_breakpoints
from patchctl.isa import encode
from patchctl.package.envelope import seal_patch
from patchctl.reference import Region, Space, run

from tests.end_to_end.conftest import KEY
from tests.end_to_end.targets import CASES, Target, make_target
from tests.engine import INCLUDES

SOURCE = Path(__file__).with_suffix(".S")
LINE = 9  # an interrupt that no board's image uses
ALL = 20_000  # instructions: enough for two hits on every core
READ_AT = 0x100  # in flash; no program may read near address 0
FUEL, STACK_BYTES, FRAME_BYTES = 100, 32, 16
OUTER, INNER = (0x1234, 77), (0xFFFF0003, 5)  # r0 and r1 of the two calls
_KEPT = ("r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "sp", "msp")
_IT = 0xBF00


def program(flash: int) -> bytes:
    """Loads, stores, a helper, an atomic, a division and a sub-program; its answer depends on r0 and r1."""
    return encode(
        assemble(f"""
r6 = r1
r7 = *(u32 *)(r6 + 0)
*(u64 *)(r10 - 8) = r7
r1 = r10
r1 += -16
r2 = 8
r3 = {flash + READ_AT:#x} ll
call 1
r8 = *(u64 *)(r10 - 16)
r9 = *(u32 *)(r6 + 4)
r8 = atomic_fetch_add((u64 *)(r10 - 8), r8)
call sub
r9 *= r0
r8 /= 3
r8 ^= r9
r0 = *(u64 *)(r10 - 8)
r0 += r8
r0 <<= 32
r0 |= {int(Verdict.RETURN)}
exit
sub:
*(u16 *)(r10 - 3) = r9
r0 = *(u16 *)(r10 - 3)
r9 = 0
exit
""")
    )


@cache
def patched(name: str) -> Target:
    """Board `name` with the bare image's patch, its program replaced by ours."""
    target = make_target(name, CASES[1])
    target.machine.restore(target.fresh)
    ours = replace(
        target.built.programs[0], code=program(target.board.flash.address), certificate=b"",
        fuel=FUEL, stack_bytes=STACK_BYTES, frame_bytes=FRAME_BYTES,
    )  # fmt: skip
    built = replace(target.built, programs=(ours,), helpers=(int(Helper.FW_READ),))
    install, undo = seal_patch(built, target.board.class_id, KEY)
    with target.management() as device:
        assert device.push(install, undo=undo).state is PatchState.UPDATED
    target.machine.run_us(5_000_000)  # the session closes, and main waits for a key
    return replace(target, patched=target.machine.snapshot())


def assembled(target: Target, block: int) -> tuple[bytes, dict[str, int]]:
    """The code in RAM behind `block`, and where its labels are."""
    symbols = target.machine.symbols
    fixed = target.built.sites[0].trigger is Trigger.FIXED
    site = symbols["__wrap_parse_record" if fixed else "parse_record"] | 1
    flags = [f"-DLINE={LINE}", f"-Wl,--defsym=block={block},--defsym=site={site}"]
    flags += [f"-Wl,--section-start=.entry={block + 0x100:#x}", "-mthumb", "-nostdlib", "-Wl,-e0"]
    with TemporaryDirectory() as folder:
        out = Path(folder) / "code.elf"
        subprocess.run(["arm-none-eabi-gcc", *flags, str(SOURCE), "-o", str(out)], check=True)
        with out.open("rb") as stream:
            elf = ELFFile(stream)
            table = elf.get_section_by_name(".symtab")
            labels = {symbol.name: symbol["st_value"] & ~1 for symbol in table.iter_symbols() if symbol.name}
            return elf.get_section_by_name(".entry").data(), labels


@cache
def offsets() -> dict[str, int]:
    """Where the core's structures have what a test looks at, as its compiler lays them out for 32 bits."""
    asked = {
        "counters": "offsetof(hp_runtime_t, counters)",
        "counter_bytes": "sizeof(((hp_runtime_t *)0)->counters)",
        "invocations": "offsetof(hp_runtime_t, invocations)",
        "invocation_bytes": "sizeof(hp_invocation_t)",
        "claimed": "offsetof(hp_invocation_t, claimed)",
        "payload": "offsetof(hp_invocation_t, arming.payload)",
        "stack_share": "offsetof(hp_runtime_t, stack_share)",
        "frame": "offsetof(hp_invocation_t, frame)",
        "count": "HP_INVOCATIONS_MAX",
        "patches": "offsetof(hp_runtime_t, journal.patches)",
        "hits": "offsetof(hp_patch_t, hits)",
        "safe_verdicts": "offsetof(hp_patch_t, safe_verdicts)",
        "hit_counter": "HP_COUNTER_HITS",
    }
    headers = ("<stddef.h>", '"hotpatch/hotpatch.h"', '"hotpatch/runtime.h"')
    values = ", ".join(f"(unsigned)({row})" for row in asked.values())
    text = "".join(f"#include {header}\n" for header in headers) + f"const unsigned asked[] = {{{values}}};\n"
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "asked.c").write_text(text)
        flags = ["-mcpu=cortex-m4", "-mthumb", *INCLUDES, "-c", "-fdata-sections"]
        out = folder / "asked.o"
        subprocess.run(["arm-none-eabi-gcc", *flags, str(folder / "asked.c"), "-o", str(out)], check=True)
        with out.open("rb") as stream:
            data = ELFFile(stream).get_section_by_name(".rodata.asked").data()
    return dict(zip(asked, struct.unpack(f"<{len(asked)}I", data), strict=True))


@dataclass(frozen=True, slots=True)
class Seen:
    """What a run of the outer call left behind."""

    outer: int
    inner: int
    interrupts: int
    registers: tuple[int, ...]
    hits: int
    safe_verdicts: int
    counters: tuple[int, ...]
    held: tuple[int, ...]  # records that are not free
    second: bool  # whether a second record was ever used: the two hits were under way at once


@dataclass
class Bench:
    """The two calls on one board; `spoil` may break it before the first."""

    target: Target
    spoil: Callable[[Machine], None] = lambda machine: None

    def __post_init__(self) -> None:
        self.machine: Machine = self.target.machine
        machine, ram = self.machine, self.target.board.ram
        machine.restore(self.target.patched)
        self.block = ram.address + ram.bytes // 2
        code, self.labels = assembled(self.target, self.block)
        machine.write_memory(self.block, struct.pack("<6I", *OUTER, *INNER, 0, 0))
        machine.write_memory(self.block + 0x100, code)
        self.spoil(machine)
        vector = machine.board.flash.address + 4 * (16 + LINE)
        machine.write_memory(vector, struct.pack("<I", self.labels["handler"] | 1))
        machine.core.sleeping = False
        machine.core.pc = self.labels["entry"]
        self._run_to(self.labels["go"])
        self.start = machine.snapshot()

    def expected(self, arguments: tuple[int, int]) -> int:
        """What the reference makes of a call's arguments."""
        flash = self.target.board.flash.address
        context = bytearray(struct.pack("<17I", *arguments, *(0,) * 15))
        assert len(context) == CONTEXT_BYTES
        space = Space(
            Region(0x1000_0000, bytearray(STACK_BYTES)), Region(0x1000_1000, context),
            readable=[Region(flash, bytearray(self.machine.read_memory(flash, READ_AT + 8)))],
        )  # fmt: skip
        outcome = run(program(flash), space, fuel=FUEL, frame_bytes=FRAME_BYTES)
        assert outcome.fault == 0
        return outcome.registers[0] >> 32

    def length(self) -> int:
        """How many instructions the outer call takes alone, an IT block counted as one."""
        self.machine.restore(self.start)
        before = self.machine.instructions
        while self.machine.core.pc != self.labels["after"]:
            self.machine.run(instructions=1)
        return self.machine.instructions - before

    def hit(self, instructions: int, inside: int = 0) -> tuple[Seen, int]:
        """The outer call with the interrupt requested behind so many instructions of it, and `inside` the IT
        block there; and how many places that IT block has."""
        machine = self.machine
        machine.restore(self.start)
        if instructions:
            machine.run(instructions=instructions)
        places = self._it_block(machine.core.pc)
        if inside:
            self._run_to(places[inside - 1])
        machine.core.exceptions.pending.add(16 + LINE)
        return self._seen(), len(places)

    def alone(self) -> Seen:
        """The outer call without an interrupt."""
        self.machine.restore(self.start)
        return self._seen()

    def _run_to(self, address: int) -> None:
        machine = self.machine
        set_breakpoints(machine, frozenset({address}))
        machine.run(instructions=ALL)
        assert machine.core.pc == address
        machine.core.debug_halted = ""
        set_breakpoints(machine, frozenset())

    def _it_block(self, at: int) -> list[int]:
        """Where the instructions of the IT block that begins at `at` lie; none: it is no IT."""
        first, places = self._half(at), []
        if first & 0xFF00 != _IT or not first & 15:
            return []
        at += 2
        for _ in range(5 - (first & -first).bit_length()):  # ARMv7-M ARM A7.3.2: the mask's lowest 1 ends it
            places.append(at)
            at += 4 if self._half(at) >> 11 in (0x1D, 0x1E, 0x1F) else 2
        return places

    def _half(self, address: int) -> int:
        return int.from_bytes(self.machine.read_memory(address, 2), "little")

    def _words(self, address: int, count: int) -> tuple[int, ...]:
        return struct.unpack(f"<{count}I", self.machine.read_memory(address, 4 * count))

    def _seen(self) -> Seen:
        machine, at = self.machine, offsets()
        self._run_to(self.labels["after"])
        registers = machine.registers()
        runtime = machine.symbols["hp_runtime"]
        inner, interrupts = self._words(self.block + 16, 2)
        records = [
            runtime + at["invocations"] + number * at["invocation_bytes"] for number in range(at["count"])
        ]
        held = [
            number
            for number, record in enumerate(records)
            if self._words(record + at["claimed"], 1)[0] or self._words(record + at["frame"], 1)[0]
        ]
        patch = runtime + at["patches"]
        return Seen(
            registers["r0"], inner, interrupts, tuple(registers[name] for name in _KEPT),
            self._words(patch + at["hits"], 1)[0], self._words(patch + at["safe_verdicts"], 1)[0],
            self._words(runtime + at["counters"], at["counter_bytes"] // 4), tuple(held),
            self._words(records[1] + at["payload"], 1)[0] != 0,
        )  # fmt: skip


@dataclass
class Tally:
    """Where the interrupt came, and what was then not as it should be."""

    places: int = 0
    in_it_blocks: int = 0
    both_at_once: int = 0  # the inner hit came while the outer had its record
    differences: list[str] = field(default_factory=list)


def nested(bench: Bench, step: int = 1, told: Callable[[Tally], None] = lambda tally: None) -> Tally:
    """The interrupt behind every `step`th instruction of the outer call, and all of an IT block there."""
    tally, alone = Tally(), bench.alone()
    for instructions in range(0, bench.length(), step):
        inside, places = 0, 0
        while inside <= places:
            seen, places = bench.hit(instructions, inside)
            tally.places += 1
            tally.in_it_blocks += inside > 0
            tally.both_at_once += seen.second
            tally.differences += [
                f"behind {instructions} instructions, {inside} in an IT block: {text}"
                for text in differences(bench, alone, seen)
            ]
            inside += 1
        told(tally)
    return tally


def differences(bench: Bench, alone: Seen, seen: Seen) -> list[str]:
    """What two hits left that they should not have, if `alone` is what one leaves."""
    at = offsets()["hit_counter"]
    counters = list(alone.counters)
    counters[at] += 1
    wanted = replace(
        alone, outer=bench.expected(OUTER), inner=bench.expected(INNER), interrupts=1,
        hits=alone.hits + 1, counters=tuple(counters), held=(), second=seen.second,
    )  # fmt: skip
    return [
        f"{name} {getattr(seen, name)}, not {getattr(wanted, name)}"
        for name in Seen.__slots__
        if getattr(seen, name) != getattr(wanted, name)
    ]
