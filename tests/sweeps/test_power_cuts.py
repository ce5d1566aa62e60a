"""A board whose supply fails in a flash operation comes back as before or as after the change."""

from dataclasses import replace

import pytest
from patchctl.board import board_names, load_board
from patchctl.emulator import Machine, injection
from patchctl.emulator.flash import TORN_SHAPES

from tests.end_to_end.conftest import KEY_PAGE
from tests.micropython.firmware import firmware_elf
from tests.sweeps.changes import CHANGES, PARSER, changes_on, golden, kept
from tests.sweeps.cuts import (
    CutCase,
    RecoveryCase,
    Tally,
    cut_cases,
    look,
    problem_of,
    recovery_cases,
    sweep,
)
from tests.sweeps.planted import BUGS, planted

BOARDS = tuple(name for name in board_names() if injection.can_be_torn(load_board(name)))
WITH_ECC = tuple(name for name in BOARDS if load_board(name).flash.ecc)
# tools/dev sweep cuts: every operation, 200, every operation of what follows a cut, and asked again each time
CUTS, RESETS, RECOVERY_CUTS, AGAIN_ONE_IN = 40, 10, 24, 5


def on(boards):
    return pytest.mark.parametrize(
        "name", [pytest.param(name, marks=pytest.mark.xdist_group(f"{name}-bare")) for name in boards]
    )


@on(BOARDS)
def test_after_a_power_cut_or_a_reset_the_patch_is_the_old_or_the_new_one(name):
    tally = sweep(name, CUTS, RESETS, again_one_in=AGAIN_ONE_IN, recovery_cuts=RECOVERY_CUTS)

    assert tally.failures == []
    assert tally.cases.total() == CUTS + RESETS
    assert {f"cuts in {change.name}" for change in tally.run.changes} <= set(tally.cases)
    assert len(tally.cut) == CUTS
    assert tally.recovery_cuts.total() == RECOVERY_CUTS
    assert tally.recovery_cuts["confirm of the update"] > 0
    assert tally.asked == len(tally.askable) // AGAIN_ONE_IN > 0


@on(["nrf52840dk"])
def test_every_operation_is_cut_before_any_is_cut_twice_and_cuts_repeat(name):
    run = golden(name)
    total = sum(run.operations)
    chosen = list(cut_cases(run, total * 2, seed=1))
    first = {(case.change, case.operation) for case in chosen[:total]}

    assert first == {(at, cut) for at, operations in enumerate(run.operations) for cut in range(operations)}
    assert len(set(chosen)) == 2 * total
    assert {case.shape for case in chosen[:total]} == set(range(TORN_SHAPES))
    assert {case.change for case in chosen[: len(run.changes)]} == set(range(len(run.changes)))
    assert chosen == list(cut_cases(run, 2 * total, seed=1)) != list(cut_cases(run, 2 * total, seed=2))


@on(BOARDS)
def test_the_changes_erase_what_their_names_say(name):
    run, board = golden(name), load_board(name)
    by_name = {change.name: pages for change, pages in zip(run.changes, run.erased, strict=True)}
    journals = range(board.journal_address, board.journal_address + 2 * board.journal_bytes)
    slots = range(board.slots_address, board.slots_address + board.store.slot_count * board.slot_bytes)

    assert not any(page in journals for page in by_name["update"])
    assert any(page in journals for page in by_name["update with a full journal"])
    assert not any(page in slots for page in by_name["install"])
    assert any(page in slots for page in by_name["update in a used slot"])


def test_boards_without_comparators_have_room_for_one_patch_and_the_others_for_all_changes():
    assert changes_on(load_board("nrf5340dk")) == CHANGES
    alone = changes_on(load_board("nucleo_g0b1re"))
    assert [change.name for change in alone] == [change.name for change in CHANGES if not change.beside]
    assert all(set(held) <= {PARSER} for change in alone for held in change.outcomes)


@on(["nrf52840dk"])
def test_a_board_in_a_third_state_fails_the_sweep(name):
    run = golden(name)
    install = run.changes[0]
    run.target.machine.restore(run.target.patched)
    sight = look(run.target)

    assert sight.problem() == ""
    assert problem_of(install, sight) == f"a third state: { {PARSER: kept(1)} }"
    assert problem_of(run.changes[1], sight) == ""


@on(["nrf52840dk"])
def test_a_board_that_does_other_than_it_reports_fails_the_sweep(name):
    run = golden(name)
    machine = run.target.machine
    machine.restore(run.target.fresh)
    unpatched = look(run.target)
    machine.restore(run.target.patched)
    patched = look(run.target)

    assert "repaired: False" in replace(patched, repaired=unpatched.repaired).problem()
    assert "version even: True" in replace(patched, even=True).problem()
    assert "the triggers are []" in replace(patched, triggers=unpatched.triggers).problem()
    assert "the triggers are ['parser']" in replace(unpatched, triggers=patched.triggers).problem()
    assert (patched.problem(), unpatched.problem()) == ("", "")


@on(["nrf52840dk"])
def test_boards_with_equal_memory_are_looked_at_once(name):
    tally = Tally(golden(name))
    for case in (CutCase(0, 5, injection.BEFORE), CutCase(0, 4, injection.AFTER), CutCase(0, 9, 7)):
        tally.take(case)

    assert len(tally.images) == 2
    assert len(tally.sights) == len(tally.askable) == tally.asked == 1
    assert tally.failures == []


@on(WITH_ECC)
def test_a_torn_double_word_in_the_store_is_read_and_refused(name):
    run = golden(name)
    tally = Tally(run)
    CutCase(change=1, operation=0, shape=4).happens(run)
    assert run.target.machine.flash.torn

    tally.take(CutCase(change=1, operation=0, shape=4))

    assert (tally.failures, tally.asked) == ([], 1)
    assert run.target.machine.lockup == ""


@on(WITH_ECC)
def test_a_damaged_double_word_of_the_firmware_itself_ends_in_firmware_fault(name):
    target = golden(name).target
    machine = Machine(target.board, firmware_elf(name, "bare"), provisioning=KEY_PAGE)
    offset = machine.symbols["hp_data_load"] - target.board.flash.address
    machine.flash.flip(target.board.flash.address + (offset & -8), b"\x03")
    machine.watch_torn_flash()

    machine.run_us(20_000)

    assert machine.symbol_at(machine.core.pc) == "firmware_fault"


def few_cuts(run, name, count=6):
    """`count` cuts spread over the change of that name, and six of the starts behind them."""
    at = [change.name for change in run.changes].index(name)
    tally = Tally(run, again_one_in=1_000)
    for number in range(count):
        tally.take(CutCase(at, run.operations[at] * number // count, number))
    for case in recovery_cases(tuple(tally.recoveries.values()), 6, seed=0):
        tally.take(case)
    return tally


@on(BOARDS)
def test_cuts_less_than_two_records_apart_in_a_full_journals_update_lose_no_patch(name):
    assert few_cuts(golden(name), "update with a full journal", count=8).failures == []


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
@on(["nrf52840dk"])
def test_a_bug_of_the_store_that_only_a_cut_shows_fails_the_sweep(name, bug):
    with planted(name, bug) as run:
        spoiled = few_cuts(run, bug.shown_in, count=8)
    sound = few_cuts(golden(name), bug.shown_in, count=8)

    assert {text.split("(")[0] for text in spoiled.failures} >= {bug.shown_by.__name__}
    assert all(f"in {bug.shown_in}: " in text for text in spoiled.failures), spoiled.failures
    assert (bug.shown_by is RecoveryCase) == (not any(t.startswith("CutCase") for t in spoiled.failures))
    assert sound.failures == []


@on(["nrf52840dk"])
def test_every_operation_of_the_start_behind_a_cut_can_be_cut(name):
    tally = Tally(golden(name), again_one_in=1_000)
    tally.take(CutCase(change=3, operation=5, shape=0))  # the trial of the update is taken back
    recoveries = tuple(tally.recoveries.values())
    chosen = list(recovery_cases(recoveries, None, seed=0))

    assert [recovery.operations for recovery in recoveries] == [len(chosen)]
    assert {case.operation for case in chosen} == set(range(len(chosen)))
    assert len(chosen) > 20
    with pytest.raises(AssertionError, match="did not come"):
        RecoveryCase(recoveries[0].case, len(chosen), 0).happens(tally.run)
