"""A debugger on a patched board: a hit halts the core; the patch runs again once the debugger has left."""

import pytest
from patchctl.board import load_board
from patchctl.emulator.gdb import Debugger
from patchctl.package.envelope import seal_patch

from tests.end_to_end.conftest import KEY
from tests.end_to_end.targets import CASES, make_target

BARE = CASES[1]
BOARDS = ("nrf52840dk", "nrf5340dk", "stm32l475", "nucleo_g0b1re")
BREAKPOINTS = [name for name in BOARDS if load_board(name).chip.fpb]
FIXED = [name for name in BOARDS if not load_board(name).chip.fpb]


def marked(names):
    return [pytest.param(name, marks=pytest.mark.xdist_group(f"{name}-{BARE.image}")) for name in names]


@pytest.fixture
def target(request):
    made = make_target(request.param, BARE)
    made.machine.restore(made.patched)
    return made


def attacked(target):
    """A debugger that lets the board run, and the attack typed at it."""
    debugger = Debugger(target.machine)
    assert debugger.answer("c") is None
    for line in target.case.attack:
        target.machine.serial.feed(line + b"\r")
    return debugger


@pytest.mark.parametrize("target", marked(BREAKPOINTS), indirect=True)
def test_a_hit_halts_at_the_site_and_detaching_lets_the_patch_run(target):
    debugger = attacked(target)

    assert debugger.run(300_000) == "S05"
    assert target.machine.core.pc == target.built.sites[0].address

    assert debugger.answer("D") == "OK"
    answer = target.case.answer + target.case.prompt
    assert target.machine.run_until_output(answer).endswith(answer)
    assert target.machine.faults == []


@pytest.mark.parametrize("target", marked(BREAKPOINTS), indirect=True)
def test_going_on_from_a_hit_passes_the_patch_by(target):
    debugger = attacked(target)
    assert debugger.run(300_000) == "S05"

    debugger.answer("c")
    debugger.run(300_000)

    assert target.faulted_in() == [target.case.faults_in]


@pytest.mark.parametrize("target", marked(FIXED), indirect=True)
def test_a_fixed_site_runs_its_patch_under_a_debugger(target):
    debugger = attacked(target)

    assert debugger.run(300_000) is None

    assert target.machine.serial.take().endswith(target.case.answer + target.case.prompt)
    assert target.machine.faults == []


@pytest.mark.parametrize("target", marked(BOARDS), indirect=True)
def test_a_patch_is_pushed_while_a_debugger_is_attached(target):
    target.machine.restore(target.fresh)
    debugger = Debugger(target.machine)
    debugger.answer("c")

    with target.management() as device:
        report = device.push(seal_patch(target.built, target.board.class_id, KEY)[0])
    assert report.armed
    debugger.release()

    assert target.attack().endswith(target.case.answer + target.case.prompt)
