"""Stop 10 of 12. Journals of small flash pages, filled with all that they must hold, and compacted."""

from dataclasses import replace
from functools import cache

import pytest
from patchctl.board import Board, Store
from patchctl.contract import PatchState, Status
from patchctl.emulator.flash import Flash

from tests.native import NativeDevice, blank_flash
from tests.runtime import containers, exchange
from tests.runtime.containers import BOARD, KEY, copy_of, install, patch, site, undo

PATCHES, LIVE = 24, 4  # HP_PATCHES_MAX; of these with two slots each, a kept version and a trial
RECORD = 104


def small_pages(journal_pages: int) -> Board:
    """The board with flash pages of 2 KB, as the STM32s have them."""
    regions = tuple(
        replace(region, page_bytes=2048) if region.name == "flash" else region for region in BOARD.chip.region
    )
    store = Store(BOARD.store.address, journal_pages, stage_pages=8, slot_count=8, slot_pages=2)
    return replace(BOARD, chip=replace(BOARD.chip, region=regions), store=store)


def site_of(number: int) -> int:
    return 0x1000 + 0x100 * number


def version(number: int, sequence: int) -> bytes:
    address = site_of(number)
    built = patch(sites=(site(address, copy=copy_of(address, containers.PUSH)),))
    return install(sequence, built, patch_id=f"p{number}")


@cache
def kept() -> bytes:
    """Flash of a board that remembers every patch it can, four of them in force."""
    flash = blank_flash(small_pages(2), (KEY.public,))
    for number in range(LIVE):
        flash.load(site_of(number), containers.ORIGINAL)
    device = NativeDevice(flash, board=small_pages(2))
    for number in range(PATCHES):
        where = number % LIVE
        built = patch(sites=(site(site_of(where), copy=copy_of(site_of(where), containers.PUSH)),))
        assert exchange.push(device, install(2, built, patch_id=f"p{number}")) == Status.OK
        device.confirm(f"p{number}")
        if number >= LIVE:
            assert exchange.push(device, undo(3, patch_id=f"p{number}")) == Status.OK
        if number == LIVE - 1:
            for other in range(LIVE):
                assert exchange.push(device, undo(3, patch_id=f"p{other}")) == Status.OK
        device.reboot()
    for number in range(LIVE):
        assert exchange.push(device, version(number, 4)) == Status.OK
        device.confirm(f"p{number}")
        device.reboot()
    return bytes(device.flash.buffer)


def full() -> NativeDevice:
    """That board with a newer version of each patch in force on trial: records and slots are full."""
    device = NativeDevice(Flash(small_pages(2).flash, bytearray(kept())), board=small_pages(2))
    for number in range(LIVE):
        assert exchange.push(device, version(number, 6)) == Status.OK
    return device


def states(device: NativeDevice) -> dict[str, tuple[int, PatchState]]:
    return {name: (info.sequence, info.state) for name, info in device.patches().items()}


def expected(live: int) -> dict[str, tuple[int, PatchState]]:
    kept_versions = {f"p{number}": (live, PatchState.UPDATED) for number in range(LIVE)}
    return kept_versions | {f"p{number}": (3, PatchState.UNDONE) for number in range(LIVE, PATCHES)}


def compaction(device: NativeDevice) -> int:
    """Raises the sequence of an undone patch until a journal is compacted; how many undos that took."""
    generation, first = journal_generations(device), device.patches()["p9"].sequence
    count = 0
    while journal_generations(device) == generation:
        count += 1
        assert exchange.push(device, undo(first + count, patch_id="p9")) == Status.OK
    return count


def journal_generations(device: NativeDevice) -> set[bytes]:
    board = device.board
    return {device.flash.read(board.journal_address + at, 8) for at in (0, board.journal_bytes)} - {
        b"\xff" * 8
    }


@pytest.mark.parametrize(("pages", "status"), [(1, Status.UNSUPPORTED), (2, Status.OK)])
def test_a_journal_too_small_for_what_it_must_hold_is_refused_at_start(pages, status):
    board = small_pages(pages)
    device = NativeDevice(blank_flash(board, (KEY.public,)), board=board)

    assert device.start() == status
    device.flash.load(containers.SITE, containers.ORIGINAL)
    assert exchange.push(device, install()) == (Status.FLASH_FAILED if pages == 1 else Status.OK)
    assert exchange.get(device, "hp/patches") == [] or pages == 2


def test_all_that_a_journal_must_hold_survives_its_compaction():
    device = full()
    trials = {f"p{number}": (6, PatchState.TRIAL) for number in range(LIVE)}
    assert states(device) == expected(4) | trials
    around = outside_the_journals(device)
    for _ in range(3):
        compaction(device)
        assert states(device).items() >= trials.items()
    assert outside_the_journals(device) == around
    device.reboot()

    found = states(device)
    sequence, state = found.pop("p9")
    assert (state, sequence > 6) == (PatchState.UNDONE, True)
    assert found == {name: value for name, value in expected(4).items() if name != "p9"}
    assert device.flash.rising_bits == 0


def outside_the_journals(device: NativeDevice) -> tuple[bytes, bytes]:
    board = device.board
    slots = device.flash.read(board.slots_address, board.store.slot_count * board.slot_bytes)
    return bytes(device.flash.buffer[: board.journal_address]), slots


@pytest.mark.parametrize("shape", [0, 6, 12])
def test_a_cut_anywhere_in_that_compaction_loses_nothing(shape):
    count = compaction(full())
    probe = full()
    for number in range(count - 1):
        exchange.push(probe, undo(4 + number, patch_id="p9"))
    before = probe.flash.operations
    exchange.push(probe, undo(3 + count, patch_id="p9"))
    for cut in range(0, probe.flash.operations - before, 11):
        device = full()
        for number in range(count - 1):
            exchange.push(device, undo(4 + number, patch_id="p9"))
        device.flash.cut_after(cut, shape)
        exchange.push(device, undo(3 + count, patch_id="p9"))
        assert device.dead
        device.reboot()

        found = states(device)
        assert found.pop("p9")[0] in (2 + count, 3 + count), f"cut {cut}"
        assert found == {name: value for name, value in expected(4).items() if name != "p9"}, f"cut {cut}"
