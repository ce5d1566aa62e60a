"""Stop 10 of 12. Power cuts and resets of an emulated board in the middle of every change.

The board must boot, must hold what it held before or what the change gives, in what it reports and in what it
does, and must take the change when it is asked again. Boards at their prompt with equal memory are looked at
once, and boards with equal flash are asked once. The start behind a cut is cut too.
Next: host/patchctl/emulator/injection.py
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, zip_longest

from patchctl.emulator import Machine, injection
from patchctl.emulator.flash import TORN_SHAPES, PowerCut
from patchctl.errors import PatchctlError
from patchctl.link.emulated import SLICE_US

from tests.end_to_end.targets import Target
from tests.sweeps.changes import (
    BARE,
    BOOT_US_MAX,
    PARSER,
    SITES,
    TEXT_BYTES_EVEN,
    Change,
    Entry,
    Golden,
    Held,
    golden,
)

ANSWER_US = 100_000
_TEXT = b"version?".ljust(TEXT_BYTES_EVEN + 2, b"!")  # too long for even versions only
VERSION_LINE = b"record 02" + bytes([len(_TEXT)]).hex().encode() + _TEXT.hex().encode()


# ------------------------------------------------ one board ------------------------------------------------


def flash_of(machine: Machine) -> bytes:
    """Stands for all of the store: its bytes, and which of its units cannot be read."""
    board = machine.board
    store = machine.flash.read(board.store.address, board.store.pages * board.flash.page_bytes)
    return hashlib.sha256(store + repr(sorted(machine.flash.torn)).encode()).digest()


def memory_of(machine: Machine) -> bytes:
    """Stands for all that a board at its prompt is: the store and every byte of RAM."""
    state = hashlib.sha256(flash_of(machine))
    for span in machine.memory.spans:
        if span.writable:
            state.update(span.buffer)
    return state.digest()


@dataclass(frozen=True)
class Sight:
    """A board as seen from outside. `repaired`: False if the attack faults, None if neither answer came."""

    held: Held
    even: bool
    repaired: bool | None
    triggers: frozenset[str]  # patches whose sites are live in the chip itself

    def problem(self) -> str:
        """How what it does differs from what it reports; "" if it does not."""
        reported = {name for name, patch in self.held.items() if patch.armed}
        if self.triggers != reported:
            return f"reported {sorted(reported)} as armed, but the triggers are {sorted(self.triggers)}"
        patch = self.held.get(PARSER)
        armed = patch is not None and patch.armed
        even = patch is not None and armed and patch.sequence // 2 % 2 == 0
        if (self.repaired, self.even) == (armed, even):
            return ""
        return f"reported {self.held}, but repaired: {self.repaired}, version even: {self.even}"


def repaired(target: Target) -> bool | None:
    """Whether the attack gets the repaired firmware's answer; False if it faults, None if neither."""
    machine = target.machine
    for line in BARE.attack[:-1]:
        target.type_line(line)
    output, faults = machine.serial.output, len(machine.faults)
    machine.serial.feed(BARE.attack[-1] + b"\r")
    machine.run(
        machine.clock.cycles_of_us(ANSWER_US),
        lambda: BARE.answer in output or len(machine.faults) > faults,
    )
    if len(machine.faults) > faults:
        return False
    return True if BARE.answer in output else None


def live_triggers(target: Target) -> frozenset[str]:
    """Patches whose comparator is set, or whose fixed site's flag is: what the chip does."""
    machine, sites = target.machine, {PARSER: target.built.sites[0].function, **SITES}
    fpb = machine.system.fpb
    if fpb is not None:
        return frozenset(name for name, site in sites.items() if machine.symbols[site] & ~1 in fpb.armed)
    flags = {name: machine.symbols.get(f"hp_flag_{site}") for name, site in sites.items()}
    return frozenset(name for name, flag in flags.items() if flag and machine.read_memory(flag, 1) != b"\0")


def look(target: Target) -> Sight:
    """What the board reports and does. It may have faulted then."""
    with target.management() as device:
        held = {patch.id: Entry(patch.sequence, patch.state, patch.armed) for patch in device.patches()}
    even = BARE.answer in target.type_line(VERSION_LINE)
    triggers = live_triggers(target)
    return Sight(held, even, repaired(target), triggers)


def problem_of(change: Change, sight: Sight) -> str:
    """What is wrong with a board that saw the change or a part of it; "" if nothing is."""
    return sight.problem() if sight.held in change.outcomes else f"a third state: {sight.held}"


def problem_when_asked(run: Golden, change: Change) -> str:
    """What is wrong once the change was asked for again; "" if nothing is."""
    with run.target.management() as device:
        change.again(run.work, device)
    sight = look(run.target)
    return sight.problem() if sight.held == change.wanted else f"asked again, it holds {sight.held}"


# ------------------------------------------------ one case ------------------------------------------------


@dataclass(frozen=True)
class CutCase:
    """The supply fails in operation `operation` of a change, which ends in `shape`."""

    change: int
    operation: int
    shape: int

    def happens(self, run: Golden) -> None:
        machine, moment = run.target.machine, run.moment_of(self.change, self.operation)
        machine.restore(moment.snapshot)
        machine.flash.cut_after(self.operation - moment.operations, self.shape)
        try:
            machine.run_us(SLICE_US)
        except PowerCut:
            machine.serial.line.clear()
            machine.power_cycle()
            machine.serial.take()
            return
        raise AssertionError(f"{self} did not come: the golden run does not repeat")


@dataclass(frozen=True)
class Recovery:
    """A start behind a cut, in which the board did `operations` flash operations: it took a trial back."""

    case: CutCase
    operations: int


@dataclass(frozen=True)
class RecoveryCase:
    """The supply fails in `first`, and again in operation `operation` of the start that follows."""

    first: CutCase
    operation: int
    shape: int

    @property
    def change(self) -> int:
        return self.first.change

    def happens(self, run: Golden) -> None:
        machine = run.target.machine
        self.first.happens(run)
        machine.flash.cut_after(self.operation, self.shape)
        try:
            machine.run_until_output(BARE.prompt, limit_us=BOOT_US_MAX)
        except PowerCut:
            machine.power_cycle()
            machine.serial.take()
            return
        raise AssertionError(f"{self} did not come: the start does not repeat")


@dataclass(frozen=True)
class ResetCase:
    """A system reset `instructions` after the start of moment `number`."""

    number: int
    instructions: int
    change: int

    def happens(self, run: Golden) -> None:
        machine = run.target.machine
        machine.restore(run.moments[self.number].snapshot)
        machine.run(instructions=self.instructions)
        machine.serial.line.clear()  # the host gave up
        machine.reset()
        machine.serial.take()


def cut_cases(run: Golden, count: int, seed: int) -> Iterator[CutCase]:
    """`count` different cuts, the changes in turn; every operation of all is cut before any is cut twice."""
    chosen = in_turn(run.operations, seed)
    return (CutCase(at, cut.operations, cut.shape) for at, cut in islice(chosen, count))


def in_turn(counts: Sequence[int], seed: int) -> Iterator[tuple[int, injection.Cut]]:
    """Every cut in every shape of several runs of `counts` operations: the run's number, and the cut."""
    streams = [injection.cuts(operations, operations * TORN_SHAPES, seed) for operations in counts]
    for _ in range(TORN_SHAPES):
        once = [islice(stream, operations) for stream, operations in zip(streams, counts, strict=True)]
        for row in zip_longest(*once):
            yield from ((at, cut) for at, cut in enumerate(row) if cut)


def recovery_cases(recoveries: Sequence[Recovery], count: int | None, seed: int) -> Iterator[RecoveryCase]:
    """`count` cuts of the starts, these in turn; None: every operation of all once."""
    operations = [recovery.operations for recovery in recoveries]
    chosen = islice(in_turn(operations, seed), sum(operations) if count is None else count)
    return (RecoveryCase(recoveries[at].case, cut.operations, cut.shape) for at, cut in chosen)


def reset_cases(run: Golden, count: int, seed: int) -> Iterator[ResetCase]:
    """`count` resets, at instructions drawn from the moments that were kept."""
    chance = random.Random(seed)
    for _ in range(count):
        number = chance.randrange(len(run.moments))
        moment = run.moments[number]
        yield ResetCase(number, chance.randint(1, max(1, moment.instructions_in)), moment.change)


# ------------------------------------------------ many ------------------------------------------------

KINDS = {CutCase: "cuts", RecoveryCase: "cuts in recovery", ResetCase: "resets"}


@dataclass
class Tally:
    """What a sweep of one board went through. One in `again_one_in` of what may be asked again is."""

    run: Golden
    again_one_in: int = 1
    cases: Counter[str] = field(default_factory=Counter)  # cuts and resets
    recovery_cuts: Counter[str] = field(default_factory=Counter)  # second cuts, by change
    cut: set[tuple[int, int]] = field(default_factory=set)  # change, operation
    shapes: set[int] = field(default_factory=set)
    images: set[bytes] = field(default_factory=set)  # flash just after a cut
    recoveries: dict[tuple[int, int], Recovery] = field(default_factory=dict)  # by change and operations
    sights: dict[bytes, Sight] = field(default_factory=dict)  # by all memory at the prompt
    askable: set[tuple[str, int, bytes]] = field(default_factory=set)  # kind, change, flash at the prompt
    asked: int = 0
    failures: list[str] = field(default_factory=list)

    def take(self, case: CutCase | RecoveryCase | ResetCase) -> None:
        """Lets one case happen and looks at the board afterwards."""
        case.happens(self.run)
        kind, name = KINDS[type(case)], self.run.changes[case.change].name
        if isinstance(case, RecoveryCase):
            self.recovery_cuts[name] += 1
        else:
            self.cases[f"{kind} in {name}"] += 1
        if isinstance(case, CutCase):
            self.cut.add((case.change, case.operation))
            self.shapes.add(case.shape)
            self.images.add(flash_of(self.run.target.machine))
        try:
            problem = self._problem(case)
        except PatchctlError as error:
            problem = f"{type(error).__name__}: {error}"
        if problem:
            self.failures.append(f"{case} in {name}: {problem}")

    def _problem(self, case: CutCase | RecoveryCase | ResetCase) -> str:
        """What is wrong with the board, which has just been given power or been reset."""
        target, machine, change = self.run.target, self.run.target.machine, self.run.changes[case.change]
        kind, number = KINDS[type(case)], case.change
        self._start(case)
        memory, flash, booted = memory_of(machine), flash_of(machine), machine.snapshot()
        if memory not in self.sights:
            self.sights[memory] = look(target)
        problem = problem_of(change, self.sights[memory])
        if problem or (kind, number, flash) in self.askable:
            return problem
        self.askable.add((kind, number, flash))
        if len(self.askable) % self.again_one_in:
            return ""
        self.asked += 1
        machine.restore(booted)
        return problem_when_asked(self.run, change)

    def _start(self, case: CutCase | RecoveryCase | ResetCase) -> None:
        """To the prompt; what the board recovers on the way is noted."""
        machine = self.run.target.machine
        before = machine.flash.operations
        machine.run_until_output(BARE.prompt, limit_us=BOOT_US_MAX)
        done = machine.flash.operations - before
        if done and isinstance(case, CutCase):
            self.recoveries.setdefault((case.change, done), Recovery(case, done))


def sweep(
    name: str,
    cuts: int,
    resets: int,
    *,
    seed: int = 0,
    again_one_in: int = 1,
    recovery_cuts: int | None = None,
    told: Callable[[Tally], None] = lambda _: None,
) -> Tally:
    """Cuts, resets, and cuts of what followed a cut (None: every operation of it) on board `name`.

    `told` hears of each.
    """
    tally = Tally(golden(name), again_one_in)
    for case in cases(tally, cuts, resets, recovery_cuts, seed):
        tally.take(case)
        told(tally)
    return tally


def cases(
    tally: Tally, cuts: int, resets: int, recovery_cuts: int | None, seed: int
) -> Iterator[CutCase | RecoveryCase | ResetCase]:
    """What to take, one by one: the last ones depend on what came of the first."""
    yield from cut_cases(tally.run, cuts, seed)
    yield from reset_cases(tally.run, resets, seed)
    yield from recovery_cases(tuple(tally.recoveries.values()), recovery_cuts, seed)
