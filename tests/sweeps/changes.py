"""Stop 10 of 12. The changes that a sweep cuts, and one uncut run through all of them on a board.

Each change starts where the one before ended. The run keeps a snapshot of each millisecond in which flash was
changed, bytes under way on the serial line included: a cut of operation k starts there and costs its recovery
only. Next: tests/sweeps/cuts.py
"""

from __future__ import annotations

import shutil
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from patchctl.board import Board, load_board
from patchctl.client import Device, connect
from patchctl.contract import STATUS_TEXT, JournalHeader, JournalRecord, PatchState, Status
from patchctl.emulator import Machine
from patchctl.errors import DeviceRefused
from patchctl.link.emulated import EmulatedLink
from patchctl.package.archive import Archive
from patchctl.package.envelope import seal_patch
from patchctl.pipeline import build_patch
from patchctl.program import BuiltPatch

from tests.end_to_end.conftest import KEY
from tests.end_to_end.targets import CASES, Target, make_target
from tests.micropython.firmware import firmware_elf

BARE = CASES[1]
PARSER, BESIDE, THIRD, FOURTH = BARE.patch, "beside", "third", "fourth"
SITES = {BESIDE: "run_uptime", THIRD: "run_patches", FOURTH: "count_reading"}  # harmless there
TEXT_BYTES, TEXT_BYTES_EVEN = 16, 12  # what versions with odd and even numbers let through
BUSY_INSTRUCTIONS = 200  # a millisecond with fewer is sleep
KEEP_ONE_IN = 16  # of the busy milliseconds without flash operations: where resets come from
BOOT_US_MAX = 2_000_000


@dataclass(frozen=True, slots=True)
class Entry:
    """What a board reports of one patch."""

    sequence: int
    state: PatchState
    armed: bool


Held = dict[str, Entry]  # patch id -> what the board reports of it


def rejected(number: int) -> Entry:
    """Version `number` was on trial and power was lost."""
    return Entry(2 * number, PatchState.REJECTED, False)


def kept(number: int) -> Entry:
    """Version `number` is in force."""
    return Entry(2 * number, PatchState.UPDATED, True)


def undone(number: int) -> Entry:
    """Version `number` was taken out."""
    return Entry(2 * number + 1, PatchState.UNDONE, False)


# -------------------------------------------- what is done --------------------------------------------


@dataclass(frozen=True)
class Work:
    """A board, and signed containers for it."""

    target: Target
    built: dict[str, tuple[BuiltPatch, BuiltPatch]]  # patch id -> its even and odd versions

    def container(self, patch: str, number: int) -> tuple[bytes, bytes]:
        """Install and undo of a patch's version `number`."""
        version = replace(self.built[patch][number % 2], sequence=number)
        return seal_patch(version, self.target.board.class_id, KEY)

    def lose_power(self) -> None:
        """Off and on, at the prompt again."""
        self.target.machine.power_cycle()
        self.target.machine.serial.take()
        self.target.machine.run_until_output(BARE.prompt, limit_us=BOOT_US_MAX)


Act = Callable[[Work, Device], object]


def push(patch: str, number: int, *, confirm: bool = True) -> Act:
    """Pushes a version; without `confirm` it stays on trial."""
    return lambda work, device: device.push(work.container(patch, number)[0], confirm=confirm)


def on_trial(patch: str, number: int) -> Act:
    """Pushes a version that is not confirmed."""
    return push(patch, number, confirm=False)


def confirm(patch: str) -> Act:
    """Keeps what is on trial."""
    return lambda _, device: device.confirm(patch)


def undo(patch: str, number: int) -> Act:
    """Takes a version out."""
    return lambda work, device: device.rollback(patch, undo=work.container(patch, number)[1])


def refused_for_room(patch: str, number: int) -> Act:
    """Pushes a version, for which no slot is free."""

    def act(work: Work, device: Device) -> None:
        with pytest.raises(DeviceRefused) as refused:
            device.push(work.container(patch, number)[0], check_first=False)
        assert STATUS_TEXT[Status.STORE_FULL] in refused.value.line()

    return act


def lose_power(work: Work, _: Device) -> None:
    """A board without trials."""
    work.lose_power()


def fill_journal(work: Work, _: Device) -> None:
    """No place is left in the journal: its last record is in all, as trials often taken back leave it."""
    work.lose_power()
    machine, board = work.target.machine, work.target.board
    size, first = JournalRecord.BYTES, JournalHeader.BYTES
    start = journal_in_force(machine, board)
    places = range(start + first, start + board.journal_bytes - size + 1, size)
    blank = [at for at in places if machine.read_memory(at, size) == b"\xff" * size]
    assert blank
    assert places[0] < blank[0]
    last = machine.read_memory(blank[0] - size, size)
    for at in blank:
        machine.write_memory(at, last)
    work.lose_power()


def journal_in_force(machine: Machine, board: Board) -> int:
    """Where the journal with the higher generation starts."""
    starts = (board.journal_address, board.journal_address + board.journal_bytes)
    headers = [JournalHeader.unpack(machine.read_memory(at, JournalHeader.BYTES)) for at in starts]
    blank = 0xFFFF_FFFF
    return max(zip([0 if h.generation == blank else h.generation for h in headers], starts, strict=True))[1]


@dataclass(frozen=True)
class Change:
    """What is done, and what the board may hold after a loss of power in it: an unconfirmed trial is none."""

    name: str
    act: Act
    outcomes: tuple[Held, ...]
    again: Act  # what a person asks for afterwards,
    wanted: Held  # and must then have
    prepare: tuple[Act, ...] = ()
    beside: bool = False  # it takes more than one patch: where the chip has comparators

    def alone(self) -> Change:
        """The same on a board that has room for PARSER only."""
        outcomes = tuple({PARSER: held[PARSER]} if held else held for held in self.outcomes)
        return replace(self, outcomes=outcomes, wanted={PARSER: self.wanted[PARSER]})


TWO = {PARSER: kept(4), BESIDE: kept(1)}
FOUR = {PARSER: kept(5), BESIDE: kept(1), THIRD: kept(1), FOURTH: kept(1)}
CHANGES = (
    Change(
        "install", on_trial(PARSER, 1),
        ({}, {PARSER: rejected(1)}),
        push(PARSER, 1), {PARSER: kept(1)},
    ),
    Change(
        "confirm", confirm(PARSER),
        ({PARSER: rejected(1)}, {PARSER: kept(1)}),
        push(PARSER, 1), {PARSER: kept(1)},
    ),
    Change(
        "update", on_trial(PARSER, 2),
        ({PARSER: kept(1)},),
        push(PARSER, 2), {PARSER: kept(2)},
    ),
    Change(
        "confirm of the update", confirm(PARSER),
        ({PARSER: kept(1)}, {PARSER: kept(2)}),
        push(PARSER, 2), {PARSER: kept(2)},
    ),
    Change(
        "update in a used slot", push(PARSER, 3),
        ({PARSER: kept(2)}, {PARSER: kept(3)}),
        push(PARSER, 3), {PARSER: kept(3)},
    ),
    Change(
        "undo", undo(PARSER, 3),
        ({PARSER: kept(3)}, {PARSER: undone(3)}),
        undo(PARSER, 3), {PARSER: undone(3)},
    ),
    Change(
        "push after a reject", push(PARSER, 4),
        ({PARSER: rejected(4)}, {PARSER: kept(4)}),
        push(PARSER, 4), {PARSER: kept(4)},
        prepare=(on_trial(PARSER, 4), lose_power),
    ),
    Change(
        "second patch", push(BESIDE, 1),
        ({PARSER: kept(4)}, {PARSER: kept(4), BESIDE: rejected(1)}, TWO),
        push(BESIDE, 1), TWO,
        beside=True,
    ),
    Change(
        "update with a full journal", push(PARSER, 5),
        (TWO, TWO | {PARSER: kept(5)}),
        push(PARSER, 5), TWO | {PARSER: kept(5)},
        prepare=(fill_journal,),
    ),
    Change(
        "update with all slots full", refused_for_room(PARSER, 7),
        (FOUR,),
        push(PARSER, 7), FOUR | {PARSER: kept(7)},
        prepare=(
            push(THIRD, 1), push(FOURTH, 1), *(on_trial(patch, 2) for patch in SITES), on_trial(PARSER, 6),
        ),
        beside=True,
    ),
)  # fmt: skip


def changes_on(board: Board) -> tuple[Change, ...]:
    """The changes that a board has room for."""
    if board.chip.fpb is not None:
        return CHANGES
    return tuple(change.alone() for change in CHANGES if not change.beside)


# -------------------------------------------- the uncut run --------------------------------------------


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

    work: Work
    changes: tuple[Change, ...]
    moments: tuple[Moment, ...]
    operations: tuple[int, ...]  # of each change
    erased: tuple[frozenset[int], ...] = field(repr=False)  # page addresses, by each change

    @property
    def target(self) -> Target:
        return self.work.target

    def moment_of(self, change: int, operation: int) -> Moment:
        """The millisecond in which that operation of the change happens."""
        of_change = [moment for moment in self.moments if moment.change == change and moment.operations_in]
        starts = [moment.operations for moment in of_change]
        return of_change[bisect_right(starts, operation) - 1]


def variant(target: Target, elf: Path, changed: dict[str, str]) -> BuiltPatch:
    """The board's patch with words of its source and description replaced."""
    with TemporaryDirectory() as name:
        folder = Path(name) / "patch"
        shutil.copytree(BARE.folder, folder)
        for file in ("patch.c", "patch.toml"):
            text = (folder / file).read_text()
            for old, new in changed.items():
                text = text.replace(old, new)
            (folder / file).write_text(text)
        return build_patch(folder, target.board, elf)


def make_work(target: Target, elf: Path) -> Work:
    """The board, fresh, with every patch that has room on it; `elf` is what runs on it."""
    target.machine.restore(target.fresh)
    fewer = {f"READING_TEXT_BYTES {TEXT_BYTES}": f"READING_TEXT_BYTES {TEXT_BYTES_EVEN}"}
    built = {PARSER: (variant(target, elf, fewer), target.built)}
    if target.board.chip.fpb is not None:
        for patch, site in SITES.items():
            made = replace(variant(target, elf, {"parse_record": site}), id=patch)
            built[patch] = (made, made)
    return Work(target, built)


@cache
def golden(name: str) -> Golden:
    """All changes that board `name` has room for."""
    work = make_work(make_target(name, BARE), firmware_elf(name, BARE.image))
    return uncut(work, changes_on(load_board(name)))


def uncut(work: Work, changes: tuple[Change, ...]) -> Golden:
    """Goes through the changes on the board."""
    machine = work.target.machine
    recorder = Recorder(machine)
    counts, erased = [], []
    for recorder.change, change in enumerate(changes):
        for step in change.prepare:
            with work.target.management() as device:
                step(work, device)
        recorder.operations, before = 0, Counter(machine.flash.erases)
        link = EmulatedLink(recorder, work.target.board.name)
        archive = Archive(Path(work.target.folder.name))
        with connect(link, archive=archive, known_keys=(KEY.public,)) as device:
            change.act(work, device)
        counts.append(recorder.operations)
        erased.append(frozenset(machine.flash.erases - before))
    return Golden(work, changes, tuple(recorder.moments), tuple(counts), tuple(erased))
