"""Every board and image from one core: the attack faults, the patch repairs, a rollback undoes it."""

import pytest
from patchctl.board import board_names
from patchctl.contract import Counter, PatchState, Trigger

from tests.end_to_end.targets import CASES, make_target

TARGETS = [
    pytest.param((name, case), id=(group := f"{name}-{case.image}"), marks=pytest.mark.xdist_group(group))
    for name in board_names()
    for case in CASES
]
pytestmark = pytest.mark.parametrize("target", TARGETS, indirect=True)


@pytest.fixture
def target(request):
    return make_target(*request.param)


def test_the_attack_faults_the_unpatched_board(target):
    target.machine.restore(target.fresh)

    said = target.attack()

    assert not said.endswith(target.case.prompt)
    assert target.faulted_in() == [target.case.faults_in]


def test_the_patched_board_answers_the_attack_and_goes_on(target):
    target.machine.restore(target.patched)

    assert target.attack().endswith(target.case.answer + target.case.prompt)

    assert target.machine.faults == []
    assert target.machine.resets == 0
    with target.management() as device:
        patch = device.patch(target.case.patch)
        assert (patch.hits, patch.safe_verdicts) == (1, 0)


def test_ordinary_input_prints_the_same_with_and_without_the_patch(target):
    printed = []
    for state in (target.fresh, target.patched):
        target.machine.restore(state)
        printed.append([target.type_line(line) for line in target.case.benign])

    assert printed[0] == printed[1]
    with target.management() as device:
        patch = device.patch(target.case.patch)
        assert patch.hits > 0
        assert patch.safe_verdicts == 0


def test_a_rollback_brings_the_fault_back(target):
    target.machine.restore(target.patched)

    with target.management() as device:
        report = device.rollback(target.case.patch)

    assert (report.state, report.armed) == (PatchState.UNDONE, False)
    target.attack()
    assert target.faulted_in() == [target.case.faults_in]


def test_the_patch_survives_a_power_cycle(target):
    target.machine.restore(target.patched)

    target.machine.power_cycle()
    target.machine.run_until_output(target.case.prompt)

    assert target.attack().endswith(target.case.answer + target.case.prompt)


def test_the_site_is_a_breakpoint_where_the_chip_has_comparators_and_else_fixed(target):
    site = target.built.sites[0]

    if target.board.chip.fpb is None:
        assert (site.trigger, site.copy) == (Trigger.FIXED, b"")
    else:
        assert site.trigger is Trigger.BREAKPOINT
    target.machine.restore(target.patched)
    target.attack()
    with target.management() as device:
        assert device.counters()[Counter.ESCALATED_HITS] == 0
