"""Stop 10 of 12. Power fails before, inside and behind every flash operation of every change.

After each cut and a reset the board is as before or as after the change, never a third thing, and the change
repeated succeeds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import pytest
from patchctl.contract import JournalHeader, JournalRecord, Status, Verdict
from patchctl.emulator.flash import Flash

from tests.native import NativeDevice
from tests.runtime import containers, exchange
from tests.runtime.containers import SECOND_SITE, SITE, install, patch, undo

SHAPES = (0, 6, 12)  # how much of the operation under way is done: nothing, its tail, some bits
OLD, NEW = (patch(containers.exit_with(Verdict.RETURN, value)) for value in (1, 2))
KEPT = patch(sites=(containers.site(SECOND_SITE),))


@dataclass(frozen=True)
class Change:
    """How the board gets there, what is done, and what each site then answers (None: unpatched)."""

    prepare: tuple[Callable[[NativeDevice], object], ...]
    act: Callable[[NativeDevice], Status]
    before: dict[int, int | None]  # site -> value, after a reset that saw nothing of the change
    after: dict[int, int | None]  # after a reset that saw all of it


def push_old(device: NativeDevice) -> Status:
    return exchange.push(device, install(2, OLD))


def push_new(device: NativeDevice) -> Status:
    return exchange.push(device, install(4, NEW))


def push_kept(device: NativeDevice) -> Status:
    exchange.push(device, install(2, KEPT, patch_id="kept"))
    return device.confirm("kept")


def keep(device: NativeDevice) -> Status:
    return device.confirm("sample")


def take_out(device: NativeDevice) -> Status:
    return exchange.push(device, undo(5))


def free_records(device: NativeDevice) -> int:
    """How many more records the journal page in force takes."""
    page_bytes = device.board.flash.page_bytes
    pages = [device.flash.read(device.board.journal_address + at, page_bytes) for at in (0, page_bytes)]
    generations = [JournalHeader.unpack(page[: JournalHeader.BYTES]).generation for page in pages]
    page = max(
        zip(generations, pages, strict=True), key=lambda pair: pair[0] if pair[0] != 0xFFFFFFFF else 0
    )[1]
    starts = range(JournalHeader.BYTES, page_bytes - JournalRecord.BYTES + 1, JournalRecord.BYTES)
    return sum(page[start : start + 8] == b"\xff" * 8 for start in starts)


def fill_journal(device: NativeDevice, leave: int) -> None:
    """Installs and undoes a patch until the page has room for `leave` records."""
    number = 0
    while free_records(device) > leave:
        exchange.push(device, install(2 * number, OLD, patch_id="filler"))
        if (free_records(device) - leave) % 2 == 0:
            device.confirm("filler")
        exchange.push(device, undo(2 * number + 1, patch_id="filler"))
        device.reboot()
        number += 1
    assert free_records(device) == leave


def fill_but_one(device: NativeDevice) -> None:
    fill_journal(device, 1)


def fill_but_two(device: NativeDevice) -> None:
    fill_journal(device, 2)


CHANGES = {
    "install": Change((), push_old, {SITE: None}, {SITE: None}),
    "install over an older version": Change((push_old, keep), push_new, {SITE: 1}, {SITE: 1}),
    "confirm": Change((push_old,), keep, {SITE: None}, {SITE: 1}),
    "confirm a newer version": Change((push_old, keep, push_new), keep, {SITE: 1}, {SITE: 2}),
    "undo": Change((push_old, keep), take_out, {SITE: 1}, {SITE: None}),
    "undo a trial over an older version": Change(
        (push_old, keep, push_new), take_out, {SITE: 1}, {SITE: None}
    ),
    "undo into a new journal page": Change(
        (push_kept, fill_but_two, push_old, keep),
        take_out,
        {SITE: 1, SECOND_SITE: 0},
        {SITE: None, SECOND_SITE: 0},
    ),
    "confirm into a new journal page": Change(
        (push_kept, fill_but_one, push_old), keep, {SITE: None, SECOND_SITE: 0}, {SITE: 1, SECOND_SITE: 0}
    ),
}


def answers(device: NativeDevice, sites: dict[int, int | None]) -> dict[int, int | None]:
    """What each site's program returns; None where none is armed, 0 for one that passes."""
    found: dict[int, int | None] = {}
    for site in sites:
        found[site] = None
        if site in {address for address, _ in device.armed.values()}:
            frame = device.frame(site, r0=0)
            device.fire(site, frame)
            found[site] = frame.r0_r3[0]
    return found


@cache
def prepared(name: str) -> bytes:
    """Flash as it is just before the change, with the board still running."""
    device = containers.device()
    for step in CHANGES[name].prepare:
        step(device)
    return bytes(device.flash.buffer)


def running(name: str) -> NativeDevice:
    """A board just before the change. Trials live in RAM too, so the last steps are done again by hand."""
    change = CHANGES[name]
    if change.prepare and change.prepare[-1] in (push_old, push_new):
        device = NativeDevice(Flash(containers.BOARD.flash, bytearray(prepared_but_last(name))))
        change.prepare[-1](device)
        return device
    return NativeDevice(Flash(containers.BOARD.flash, bytearray(prepared(name))))


@cache
def prepared_but_last(name: str) -> bytes:
    device = containers.device()
    for step in CHANGES[name].prepare[:-1]:
        step(device)
    return bytes(device.flash.buffer)


@cache
def operations(name: str) -> int:
    device = running(name)
    before = device.flash.operations
    assert CHANGES[name].act(device) == Status.OK
    return device.flash.operations - before


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", CHANGES)
def test_a_cut_at_any_flash_operation_leaves_the_old_state_or_the_new_one(name, shape):
    change = CHANGES[name]
    for cut in range(operations(name)):
        device = running(name)
        device.flash.cut_after(cut, shape)
        change.act(device)
        assert device.dead
        assert device.reboot() == Status.OK

        assert answers(device, change.before) in (change.before, change.after), f"cut {cut}"
        retry(device, name)
        assert device.flash.rising_bits == 0


def retry(device: NativeDevice, name: str) -> None:
    """The change, done again (with its trial, where the cut lost that), now has its effect."""
    change = CHANGES[name]
    if change.act is keep and answers(device, change.before) != change.after:
        assert change.prepare[-1](device) == Status.OK
    assert change.act(device) == Status.OK
    device.reboot()
    assert answers(device, change.before) == change.after


def test_an_install_is_in_force_at_once_when_nothing_is_cut():
    device = running("install over an older version")

    assert push_new(device) == Status.OK
    assert answers(device, {SITE: None}) == {SITE: 2}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ["confirm", "confirm a newer version", "confirm into a new journal page"])
def test_a_cut_while_a_trial_is_taken_back_leaves_it_to_the_next_start(name, shape):
    change = CHANGES[name]
    flash = bytes(running(name).flash.buffer)
    probe = NativeDevice(Flash(containers.BOARD.flash, bytearray(flash)))
    steps = probe.flash.operations
    assert steps > 0
    for cut in range(steps):
        device_flash = Flash(containers.BOARD.flash, bytearray(flash))
        device_flash.cut_after(cut, shape)
        device = NativeDevice(device_flash)
        assert device.dead
        assert device.reboot() == Status.OK

        assert answers(device, change.before) == change.before, f"cut {cut}"


@pytest.mark.parametrize("name", ["undo into a new journal page", "confirm into a new journal page"])
def test_the_journal_page_is_full_where_a_test_says_so(name):
    device = running(name)
    full = free_records(device)
    CHANGES[name].act(device)

    assert full == 0
    assert free_records(device) > 30
