"""Stop 10 of 12. Power cuts and resets of an emulated board in the middle of install, confirm and undo.

One golden run goes through the changes and keeps a snapshot of each millisecond in which flash was changed,
bytes under way on the serial line included; a cut starts from there and costs its recovery only. Afterwards
the board must boot, must be as before or as after the change, in what it reports and in what it does, and
must take the change when it is asked again. Next: host/patchctl/emulator/injection.py
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path

from patchctl.client import connect
from patchctl.contract import PatchState
from patchctl.emulator import Machine, injection
from patchctl.emulator.flash import TORN_SHAPES, PowerCut
from patchctl.errors import PatchctlError
from patchctl.link.emulated import SLICE_US, EmulatedLink
from patchctl.package.archive import Archive
from patchctl.package.envelope import seal_patch

from tests.end_to_end.conftest import KEY
from tests.end_to_end.targets import CASES, Target, make_target

BARE = CASES[1]
BUSY_INSTRUCTIONS = 200  # a millisecond with fewer is sleep
KEEP_ONE_IN = 16  # of the busy milliseconds without flash operations: where resets come from
ANSWER_US = 100_000

Outcome = tuple[PatchState | None, bool]  # what the board reports: state, or None if unknown to it; armed
ABSENT: Outcome = (None, False)
REJECTED: Outcome = (PatchState.REJECTED, False)
KEPT: Outcome = (PatchState.UPDATED, True)
UNDONE: Outcome = (PatchState.UNDONE, False)


@dataclass(frozen=True)
class Change:
    """What is done, and what the board may be after a loss of power in it: an unconfirmed trial is none."""

    name: str
    outcomes: tuple[Outcome, ...]


CHANGES = (
    Change("install", (ABSENT, REJECTED)),
    Change("confirm", (REJECTED, KEPT)),
    Change("undo", (KEPT, UNDONE)),
)


@dataclass(frozen=True)
class Moment:
    """The start of a millisecond of the golden run, and what happened in it."""

    change: int
    snapshot: object
    operations: int  # flash operations before it, counted from the start of its change
    operations_in: int
    instructions_in: int


class Recorder:
    """A Machine, for a link, that keeps the moments of interest."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.serial = machine.serial
        self.moments: list[Moment] = []
        self.change = 0
        self.operations = 0
        self._busy = 0

    @property
    def now_us(self) -> int:
        return self.machine.now_us

    def run_us(self, us: int) -> None:
        snapshot = self.machine.snapshot()
        operations, instructions = self.machine.flash.operations, self.machine.instructions
        self.machine.run_us(us)
        done = self.machine.flash.operations - operations
        ran = self.machine.instructions - instructions
        self._busy += ran > BUSY_INSTRUCTIONS
        if done or (ran > BUSY_INSTRUCTIONS and self._busy % KEEP_ONE_IN == 0):
            self.moments.append(Moment(self.change, snapshot, self.operations, done, ran))
        self.operations += done


@dataclass(frozen=True)
class Golden:
    """The uncut run on one board."""

    target: Target
    install: bytes
    undo: bytes
    moments: tuple[Moment, ...]
    operations: tuple[int, ...]  # of each change

    def moment_of(self, change: int, operation: int) -> Moment:
        """The millisecond in which that operation of the change happens."""
        of_change = [moment for moment in self.moments if moment.change == change and moment.operations_in]
        starts = [moment.operations for moment in of_change]
        return of_change[bisect_right(starts, operation) - 1]


@cache
def golden(name: str) -> Golden:
    """Install, confirm and undo of the bare image's patch on board `name`."""
    target = make_target(name, BARE)
    target.machine.restore(target.fresh)
    install, undo = seal_patch(target.built, target.board.class_id, KEY)
    recorder, ends = Recorder(target.machine), [0]
    with connect(
        EmulatedLink(recorder, name), archive=Archive(Path(target.folder.name)), known_keys=(KEY.public,)
    ) as device:
        acts: tuple[Callable[[], object], ...] = (
            lambda: device.push(install, undo=undo, confirm=False),
            lambda: device.confirm(BARE.patch),
            lambda: device.rollback(BARE.patch),
        )
        total = 0
        for recorder.change, act in enumerate(acts):
            recorder.operations = 0
            act()
            total += recorder.operations
            ends.append(total)
    counts = tuple(end - start for start, end in pairwise(ends))
    return Golden(target, install, undo, tuple(recorder.moments), counts)


# ------------------------------------------------ one case ------------------------------------------------


def reported(target: Target) -> Outcome:
    with target.management() as device:
        patch = device.patch(BARE.patch)
        return ABSENT if patch is None else (patch.state, patch.armed)


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


def ask_again(run: Golden, change: int) -> Outcome:
    """The change once more, as a person would after the board came back."""
    with run.target.management() as device:
        if CHANGES[change].name == "undo":
            report = device.rollback(BARE.patch, undo=run.undo)
        else:
            report = device.push(run.install, undo=run.undo)
        return report.state, report.armed


def recovered(run: Golden, change: int, again: bool) -> str:
    """What is wrong with the board after its supply came back or it was reset; "" if nothing is.

    `again`: the change is asked for once more, which is what takes the time.
    """
    target, machine = run.target, run.target.machine
    try:
        machine.run_until_output(BARE.prompt, limit_us=2_000_000)
        booted = machine.snapshot()
        outcome = reported(target)
        if outcome not in CHANGES[change].outcomes:
            return f"a third state: {outcome}"
        answer = repaired(target)
        if answer is not outcome[1]:
            return f"reported {outcome}, but the attack says repaired: {answer}"
        if not again:
            return ""
        machine.restore(booted)
        outcome = ask_again(run, change)
        answer = repaired(target)
    except PatchctlError as problem:
        return f"{type(problem).__name__}: {problem}"
    wanted = UNDONE if CHANGES[change].name == "undo" else KEPT
    good = outcome == wanted and answer is wanted[1]
    return "" if good else f"asked again: {outcome}, and the attack says repaired: {answer}"


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
    """`count` different cuts, each change a third of them if it has so many, the first change the rest."""
    room = [operations * TORN_SHAPES for operations in run.operations]
    shares = [min(count // len(room), most) for most in room]
    shares[0] = min(room[0], count - sum(shares[1:]))
    for change, share in enumerate(shares):
        for cut in injection.cuts(run.operations[change], share, seed):
            yield CutCase(change, cut.operations, cut.shape)


def reset_cases(run: Golden, count: int, seed: int) -> Iterator[ResetCase]:
    """`count` resets, at instructions drawn from the moments that were kept."""
    chance = random.Random(seed)
    for _ in range(count):
        number = chance.randrange(len(run.moments))
        moment = run.moments[number]
        yield ResetCase(number, chance.randint(1, max(1, moment.instructions_in)), moment.change)


# ------------------------------------------------ many ------------------------------------------------


@dataclass
class Tally:
    """What a sweep of one board went through."""

    cases: Counter[str] = field(default_factory=Counter)
    asked_again: int = 0
    failures: list[str] = field(default_factory=list)

    def take(self, run: Golden, case: CutCase | ResetCase, again: bool) -> None:
        case.happens(run)
        problem = recovered(run, case.change, again)
        self.asked_again += again
        kind = "cuts" if isinstance(case, CutCase) else "resets"
        self.cases[f"{kind} in {CHANGES[case.change].name}"] += 1
        if problem:
            self.failures.append(f"{case}: {problem}")


def sweep(
    name: str,
    cuts: int,
    resets: int,
    *,
    seed: int = 0,
    again_one_in: int = 1,
    told: Callable[[Tally], None] = lambda _: None,
) -> Tally:
    """Cuts and resets on board `name`; one in `again_one_in` is asked again; `told` hears of each."""
    run, tally = golden(name), Tally()
    cases = (*cut_cases(run, cuts, seed), *reset_cases(run, resets, seed))
    for number, case in enumerate(cases):
        tally.take(run, case, number % again_one_in == 0)
        told(tally)
    return tally
