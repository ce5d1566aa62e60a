"""A board whose supply fails in a flash operation comes back as before or as after the change."""

import pytest
from patchctl.emulator import Machine
from patchctl.emulator.flash import TORN_SHAPES

from tests.end_to_end.conftest import KEY_PAGE
from tests.micropython.firmware import firmware_elf
from tests.sweeps import cuts
from tests.sweeps.cuts import CHANGES, CutCase, golden, recovered, sweep

BOARDS = ("nrf52840dk", "nrf5340dk", "nucleo_g0b1re", "stm32l475")
WITH_ECC = ("nucleo_g0b1re", "stm32l475")
CUTS, RESETS, AGAIN_ONE_IN = 40, 10, 10  # tools/dev sweep cuts: 500, 200, and asked again each time


def on(boards):
    return pytest.mark.parametrize(
        "name", [pytest.param(name, marks=pytest.mark.xdist_group(f"{name}-bare")) for name in boards]
    )


@on(BOARDS)
def test_after_a_power_cut_or_a_reset_the_patch_is_the_old_or_the_new_one(name):
    tally = sweep(name, CUTS, RESETS, again_one_in=AGAIN_ONE_IN)

    assert tally.failures == []
    assert tally.cases.total() == CUTS + RESETS
    assert {f"cuts in {change.name}" for change in CHANGES} <= set(tally.cases)
    assert tally.asked_again == (CUTS + RESETS) // AGAIN_ONE_IN


def test_cuts_go_through_every_change_and_repeat():
    run = golden("nrf52840dk")
    chosen = list(cuts.cut_cases(run, 500, seed=1))

    assert len(set(chosen)) == 500
    assert {case.shape for case in chosen} == set(range(TORN_SHAPES))
    for change, operations in enumerate(run.operations):
        assert {case.operation for case in chosen if case.change == change} <= set(range(operations))
    assert chosen == list(cuts.cut_cases(run, 500, seed=1)) != list(cuts.cut_cases(run, 500, seed=2))


def test_a_board_in_a_third_state_fails_the_sweep():
    run = golden("nrf52840dk")
    run.target.machine.restore(run.target.patched)
    run.target.machine.power_cycle()

    assert recovered(run, change=0, again=False) == f"a third state: {cuts.KEPT}"


@on(WITH_ECC)
def test_a_torn_double_word_in_the_store_is_read_and_refused(name):
    run = golden(name)
    CutCase(change=1, operation=0, shape=4).happens(run)
    machine = run.target.machine
    assert machine.flash.torn

    assert recovered(run, change=1, again=True) == ""
    assert machine.lockup == ""


@on(WITH_ECC)
def test_a_damaged_double_word_of_the_firmware_itself_ends_in_firmware_fault(name):
    target = golden(name).target
    machine = Machine(target.board, firmware_elf(name, "bare"), provisioning=KEY_PAGE)
    offset = machine.symbols["hp_data_load"] - target.board.flash.address
    machine.flash.flip(target.board.flash.address + (offset & -8), b"\x03")
    machine.watch_torn_flash()

    machine.run_us(20_000)

    assert machine.symbol_at(machine.core.pc) == "firmware_fault"
