"""ARMv8-M: the chip decides whether secure firmware may take breakpoints, and without it none is armed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from patchctl.board import Board, load_board
from patchctl.contract import STATUS_TEXT, PatchState, Status
from patchctl.emulator import Machine
from patchctl.errors import PatchctlError
from patchctl.package.envelope import seal_patch

from tests.end_to_end.conftest import KEY, KEY_PAGE
from tests.end_to_end.targets import CASES, Target, make_target
from tests.micropython.firmware import firmware_elf

BARE, NAME = CASES[1], "nrf5340dk"
DEBUG_EVENT = 1 << 31  # HFSR.DEBUGEVT
pytestmark = pytest.mark.xdist_group(f"{NAME}-bare")


def chip_with(secure_debug: bool, locked: bool) -> Board:
    board = load_board(NAME)
    return replace(board, chip=replace(board.chip, secure_debug=secure_debug, secure_debug_locked=locked))


def booted(board: Board, flash: bytes | None = None) -> Target:
    """The bare image at its prompt on `board`, with what `flash` held before."""
    machine = Machine(board, firmware_elf(NAME, BARE.image), flash=flash, provisioning=KEY_PAGE)
    machine.run_until_output(BARE.prompt)
    return replace(make_target(NAME, BARE), machine=machine, board=board)


def push(target: Target):
    install, undo = seal_patch(target.built, target.board.class_id, KEY)
    with target.management() as device:
        return device.push(install, undo=undo)


ALLOWED = {
    "by the chip's signal": (True, False),
    "by the firmware itself": (False, False),
    "by the signal alone": (True, True),
}


@pytest.mark.parametrize(("secure_debug", "locked"), ALLOWED.values(), ids=ALLOWED)
def test_where_secure_debug_is_allowed_the_patch_is_armed_and_repairs(secure_debug, locked):
    target = booted(chip_with(secure_debug, locked))

    report = push(target)

    assert (report.state, report.armed) == (PatchState.UPDATED, True)
    assert BARE.answer in target.attack()
    assert target.machine.faults == []


@pytest.mark.parametrize(("secure_debug", "written"), [(True, 0), (False, 3)])
def test_the_runtime_asks_for_secure_debug_only_where_the_chip_does_not_give_it(secure_debug, written):
    debug = booted(chip_with(secure_debug, locked=False)).machine.system.debug

    assert (debug.dauthctrl, debug.secure_debug) == (written, True)


def test_where_it_is_not_the_patch_is_refused_by_name_and_nothing_is_armed():
    target = booted(chip_with(secure_debug=False, locked=True))

    with pytest.raises(PatchctlError) as refused:
        push(target)

    assert STATUS_TEXT[Status.NO_DEBUG_MONITOR] in refused.value.line()
    assert target.machine.exits == frozenset()
    target.attack()
    assert target.faulted_in() == [BARE.faults_in]  # the bug's own fault, as without a patch
    assert all(fault.hfsr & DEBUG_EVENT == 0 for fault in target.machine.faults)


def test_a_patch_in_flash_is_not_armed_by_a_boot_that_finds_secure_debug_taken_away():
    made = make_target(NAME, BARE)
    made.machine.restore(made.patched)

    again = booted(chip_with(secure_debug=True, locked=True), flash=made.machine.flash_bytes())
    taken = booted(chip_with(secure_debug=False, locked=True), flash=made.machine.flash_bytes())

    for target, armed in ((again, True), (taken, False)):
        with target.management() as device:
            assert device.patch("parser").armed is armed
        assert (target.machine.exits != frozenset()) is armed
