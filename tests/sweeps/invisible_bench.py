"""Stop 11 of 12. A patched board, a function on it, and runs of the function with a site and without.

Takes code of invisible_code.py and a case: a context, registers, data. Gives what the firmware could notice
where the site's instruction is about to run, and where the function has returned. The block of memory that it
fills is that of invisible_entry.S. Next: device_runtime/port/cortex_m/veneer.S
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from patchctl.contract import Counter
from patchctl.displaced import displace
from patchctl.emulator.breakpoints import resume, set_breakpoints
from patchctl.emulator.snapshot import Snapshot

from tests.sweeps.invisible_boards import CONTEXTS, FLOATS, INTERRUPT, ODD, Patched
from tests.sweeps.invisible_code import INJECTED_LINE, LINE, Build, Code, link
from tests.sweeps.invisible_ram import Elsewhere

LIMIT = 200_000  # instructions: a site in a loop is hit often
FIRST_INTERRUPT = 16
IT_BITS, FLAGS, FLAGS_WITH_GE = 0x0600_FC00, 0xF800_0000, 0xF80F_0000
FP = tuple(f"s{number}" for number in range(32))
DATA, OTHER_DATA, ENTRY, COPY, LIBRARY, FUNCTIONS = 0x200, 0x400, 0x800, 0x1900, 0x2000, 0x5000
PROCESS_STACK, PROCESS_STACK_BYTES = 0x7000, 0x1000  # its top
ROOM_KNOWN = bytes.fromhex("01207047")  # movs r0, #1; bx lr: the image says that process stacks have room
DATA_BYTES = 0x200
BELOW_STACK = 0x400  # cleared: what arming left there is nobody's
INJECTED_AT = 68
SAFE_COUNTERS = range(Counter.FAULTS_FUEL, Counter.CORE_FAULTS + 1)  # hits that did not run as they should


@dataclass(frozen=True, slots=True)
class Case:
    """One start: the same registers and data each time."""

    context: str
    odd: bool  # sp % 8 is 4
    floats: bool  # FP registers in use: longer exception frames
    seed: int


@dataclass(frozen=True, slots=True)
class State:
    """What the firmware could notice."""

    registers: Mapping[str, int]
    memory: bytes  # the function's data, and the stacks above sp
    elsewhere: bytes  # a digest of the rest of RAM, and of flash

    def differences(self, other: State | None) -> list[str]:
        """Names of what is not the same."""
        if other is None:
            return ["it did not come there"]
        found = [name for name, value in self.registers.items() if other.registers[name] != value]
        found += ["memory"] * (self.memory != other.memory)
        return found + ["memory elsewhere"] * (self.elsewhere != other.elsewhere)


@dataclass(frozen=True, slots=True)
class Plain:
    """A run without a site: the state when each instruction was first reached, and at the end."""

    arrivals: Mapping[int, State]
    end: State


@dataclass(frozen=True, slots=True)
class Hit:
    """A run with a site: the state at its displaced instruction and at the end, and what was counted."""

    arrival: State | None
    end: State | None
    hits: int
    escalated: int
    unserved: int
    injected: int
    way: int  # instructions from the trap to the displaced instruction


def number(chance: random.Random) -> int:
    """A register's value: any, small, nearly -1, one bit, or a sign's edge."""
    kinds = (
        chance.getrandbits(32), chance.getrandbits(32), chance.getrandbits(8),
        0xFFFF_FFFF - chance.getrandbits(6), 1 << chance.randrange(32), 0x8000_0000, 0x7FFF_FFFF,
    )  # fmt: skip
    return chance.choice(kinds)


def float_bits(chance: random.Random) -> int:
    """A float of modest size, or any bits."""
    modest = struct.unpack("<I", struct.pack("<f", chance.uniform(-50, 50)))[0]
    return chance.choice((modest, modest, chance.getrandbits(32)))


@dataclass
class Bench:
    """The functions of one source in one build, on a board with comparators."""

    target: Patched
    build: Build
    source: str
    flash_edits: Mapping[int, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.machine = self.target.machine
        self.machine.restore(self.target.rest)
        ram = self.target.board.ram
        self.block = ram.address + ram.bytes // 2
        self.process_stack = self.block + PROCESS_STACK
        self.code = self._link()
        room = {self.machine.symbols["hp_process_stack_limit"] & ~1: ROOM_KNOWN}
        for address, data in {**self.code.parts, **room, **self.flash_edits}.items():
            self.machine.write_memory(address, data)
        self._prepare_registers()
        self._prepare_interrupts()
        self._counters = self._find_counters()
        self._prepare_sites()
        stack = (self.process_stack - PROCESS_STACK_BYTES, self.process_stack)
        self.elsewhere = Elsewhere(self.target, [(self.block, self.block + LIBRARY), stack])
        self._base = self.machine.snapshot()
        self._armed: tuple[int, Snapshot] | None = None
        self._plains: dict[tuple[str, Case], Plain] = {}

    def _link(self) -> Code:
        symbols = {"block": self.block, "process_stack": self.process_stack}
        places = {
            ".function": self._function_place(),
            ".entry": self.block + ENTRY,
            ".text": self.block + LIBRARY,
        }
        code = link(self.target.core, self.build, self.source, places, symbols)
        room = self.machine.symbols["hp_text_end"] - places[".function"]
        assert len(code.parts[places[".function"]]) <= room or self.target.fixed
        return code

    def _function_place(self) -> int:
        """Comparators are armed in the firmware's code, the runtime's left out."""
        return -(-self.machine.symbols["hp_runtime_text_end"] // 16) * 16

    def _prepare_registers(self) -> None:
        names = [*(f"r{n}" for n in range(13)), "sp", "lr", "xpsr", "msp", "psp", "control", "primask"]
        v7m, has_fp = self.target.core != "cortex-m0plus", self.target.core.endswith("f")
        names += ["basepri", "faultmask"] * v7m + [*FP, "fpscr"] * has_fp
        self._names = names
        registers = ["r13" if name == "sp" else name for name in names]
        self._registers = self.machine.cpu.batch(*registers)
        self._arguments = self.machine.cpu.batch("r0", "r1", "r2", "lr")
        self._fp = self.machine.cpu.batch(*FP) if has_fp else None
        self.after = self.code.labels["after"]

    def _prepare_interrupts(self) -> None:
        flash, exceptions = self.machine.board.flash.address, self.machine.exceptions
        for line, label in ((LINE, "go"), (INJECTED_LINE, "injected")):
            vector = struct.pack("<I", self.code.labels[label] | 1)
            self.machine.write_memory(flash + 4 * (FIRST_INTERRUPT + line), vector)
            exceptions.enabled.add(FIRST_INTERRUPT + line)

    def _prepare_sites(self) -> None:
        self.arrival = self.block + COPY
        self.traps = {self.machine.symbols[name] & ~1 for name in ("hp_debug_monitor", "hp_hard_fault")}
        self.call("hp_sites_disarm", 0)

    def call(self, name: str, *arguments: int) -> int:
        """A function of the firmware, in thread mode; its result. Registers stay as they were."""
        saved = self.machine.cpu.save()
        self._arguments.write(*(*arguments, 0, 0, 0)[:3], self.after | 1)
        self.machine.core.pc = self.machine.symbols[name] & ~1
        self.machine.core.sleeping = False
        assert self._go({self.after}) == self.after
        resume(self.machine)
        result: int = self._arguments.read()[0]
        self.machine.cpu.restore(saved)
        return result

    def _find_counters(self) -> int:
        """Where the runtime counts: what hp_counter reads."""
        seen: list[int] = []
        ram = self.target.board.ram
        self.machine.cpu.watch_reads([(ram.address, ram.bytes)], seen.append)
        self.call("hp_counter", self.machine.symbols["hp_runtime"], 0)
        self.machine.cpu.watch_reads([], seen.append)
        return next(address for address in seen if address < self.block)

    def _counted(self) -> tuple[int, ...]:
        size = len(Counter)
        return struct.unpack(f"<{size}I", self.machine.read_memory(self._counters, 4 * size))

    def _go(self, stops: Iterable[int], instructions: int = LIMIT) -> int:
        """On from here; where it stopped, or -1 if at none of `stops`."""
        machine = self.machine
        set_breakpoints(machine, frozenset(stops))
        before = machine.instructions
        if machine.core.debug_halted:
            resume(machine)
        if instructions > machine.instructions - before:
            machine.run(instructions=instructions - (machine.instructions - before))
        return machine.core.pc if machine.core.debug_halted else -1

    # Starts

    def _fill(self, function: str, case: Case) -> None:
        """The block and what code cannot set, for a run of `function`."""
        chance, context = random.Random(f"{function} {case}"), CONTEXTS[case.context]
        values = [self.block + DATA, *(number(chance) for _ in range(12))]
        values[7] = self.block + DATA
        values.append(chance.getrandbits(32) & FLAGS_WITH_GE)
        floats = [float_bits(chance) for _ in FP]
        status = chance.choice((0, 0, 0x0040_0000, 0x0300_0000, 0x00C0_0000)) | chance.getrandbits(4) << 28
        how = context.how | ODD * case.odd | FLOATS * case.floats
        where = self._entry_of(function)
        other = [self.block + OTHER_DATA, *(number(chance) for _ in range(3))]
        block = [*values, status, how, where[0] | 1, 0, *other, where[1] | 1, *floats]
        self.machine.write_memory(self.block, struct.pack("<55I", *block))
        self.machine.write_memory(self.block + DATA, chance.randbytes(2 * DATA_BYTES))
        self.machine.write_memory(self.machine.registers()["sp"] - BELOW_STACK, bytes(BELOW_STACK))
        if self._fp is not None:
            self._fp.write(*(float_bits(chance) for _ in FP))
        self.machine.exceptions.set_priority(FIRST_INTERRUPT + LINE, context.priority)
        self.machine.core.sleeping = False
        self.machine.core.pc = self.code.labels["entry"]

    def _entry_of(self, function: str) -> tuple[int, int]:
        """Where a run calls it, and where that goes on."""
        return self.code.labels[function], self.code.labels[function]

    def _arm(self, site: int) -> Snapshot:
        """The moment at which the runtime has armed `site`."""
        if self._armed is None or self._armed[0] != site:
            self.machine.restore(self._base)
            self.machine.write_memory(self.arrival, displace(self.code.at(site), site, "here").copy)
            assert self.call("hp_sites_arm", 0, site, self.arrival | 1) == 0
            self._armed = site, self.machine.snapshot()
        return self._armed[1]

    # Looking

    def state(self) -> State:
        """Everything but the pc, now."""
        registers = dict(zip(self._names, self._registers.read(), strict=True))
        registers["xpsr"] &= ~IT_BITS
        return State(self._without_free(registers), self._memory(registers), self.elsewhere.digest())

    def _without_free(self, registers: dict[str, int]) -> dict[str, int]:
        return registers

    def _memory(self, registers: Mapping[str, int]) -> bytes:
        """The function's data and what lies above each stack pointer."""
        top = self.machine.symbols["hp_stack_top"]
        data = self.machine.read_memory(self.block + DATA, DATA_BYTES)
        used = self.machine.read_memory(registers["msp"], top - registers["msp"])
        inside = self.process_stack - registers["psp"] in range(PROCESS_STACK_BYTES)
        process = registers["psp"] if inside else self.process_stack
        return data + used + self.machine.read_memory(process, self.process_stack - process)

    # Runs

    def plain(self, function: str, case: Case) -> Plain:
        """The run without a site; made once."""
        if (function, case) not in self._plains:
            self.machine.restore(self._base)
            self._fill(function, case)
            left = {site.address for site in self.code.functions[function] if not site.refusal}
            self._plains[function, case] = self._observe(left)
        return self._plains[function, case]

    def _observe(self, left: set[int]) -> Plain:
        arrivals: dict[int, State] = {}
        while (pc := self._go({*left, self.after})) != self.after:
            assert pc in left, f"the unpatched run is lost at {self.machine.core.pc:#x}"
            left.remove(pc)
            arrivals[pc] = self.state()
        return Plain(arrivals, self.state())

    def run(self, function: str, site: int, case: Case, injection: tuple[int, int] | None = None) -> Hit:
        """The run with a site. `injection`: instructions behind the trap, and priority, of an interrupt."""
        self.machine.restore(self._arm(site))
        self._fill(function, case)
        before = self._counted()
        stops, start = {self.arrival, self.after}, 0
        if self._go({*self.traps, self.after}) != self.after:
            start = self.machine.instructions
        pc = -1
        if injection is not None:
            pc = self._go(stops, injection[0])
            self.machine.exceptions.set_priority(FIRST_INTERRUPT + INJECTED_LINE, injection[1])
            self.machine.exceptions.pending.add(FIRST_INTERRUPT + INJECTED_LINE)
        pc = self._go(stops) if pc == -1 else pc
        depth = 1 if CONTEXTS[case.context].how & INTERRUPT else 0
        while pc == self.arrival and len(self.machine.exceptions.active) != depth:
            pc = self._go(stops)
        arrival = self.state() if pc == self.arrival else None
        way = self.machine.instructions - start
        pc = self._go({self.after}) if pc == self.arrival else pc
        return self._judged(before, arrival, self.state() if pc == self.after else None, way)

    def _judged(self, before: tuple[int, ...], arrival: State | None, end: State | None, way: int) -> Hit:
        counts = [now - then for now, then in zip(self._counted(), before, strict=True)]
        injected = struct.unpack("<I", self.machine.read_memory(self.block + INJECTED_AT, 4))[0]
        unserved = sum(counts[counter] for counter in SAFE_COUNTERS)
        return Hit(
            arrival, end, counts[Counter.HITS], counts[Counter.ESCALATED_HITS], unserved, injected, way
        )


@dataclass
class FixedBench(Bench):
    """The same on a board without comparators: calls go through the firmware's own site on to the function.

    At a function's entry r12 and the flags are free, and a fixed site uses them.
    """

    def _function_place(self) -> int:
        return self.block + FUNCTIONS

    def _prepare_sites(self) -> None:
        symbols, labels = self.machine.symbols, self.code.labels
        self.site = symbols["__wrap_parse_record"] & ~1
        self.arrival = symbols["parse_record"] & ~1
        self.traps = {self.site}
        self.flag = symbols["hp_flag_parse_record"]
        jump = self.code.at(labels["jump"])[: labels["jump_end"] - labels["jump"]]
        assert self.arrival % 4 == labels["jump"] % 4  # it loads a word behind it
        self.machine.write_memory(self.arrival, jump)

    def _entry_of(self, function: str) -> tuple[int, int]:
        return self.site, self.code.labels[function]

    def _arm(self, site: int) -> Snapshot:
        """As the patch armed it."""
        return self._base

    def _without_free(self, registers: dict[str, int]) -> dict[str, int]:
        return {**registers, "r12": 0, "xpsr": registers["xpsr"] & ~FLAGS}

    def plain(self, function: str, case: Case) -> Plain:
        """The run with the site idle."""
        if (function, case) not in self._plains:
            self.machine.restore(self._base)
            self.machine.write_memory(self.flag, bytes(1))
            self._fill(function, case)
            plain = self._observe({self.arrival})
            self._plains[function, case] = Plain({self.site: plain.arrivals[self.arrival]}, plain.end)
        return self._plains[function, case]
