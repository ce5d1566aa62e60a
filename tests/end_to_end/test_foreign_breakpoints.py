"""Comparators that a debugger left behind: the firmware goes on, and patches keep theirs."""

from __future__ import annotations

import pytest
from patchctl.contract import Counter

from tests.end_to_end.targets import CASES, Target, make_target

BARE = CASES[1]
UNPATCHED = "run_record"  # what each line of a record calls
BOARDS = ("nrf52840dk", "nrf5340dk")  # revisions 1 and 2 of the unit


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.xdist_group(f"{name}-bare")) for name in BOARDS])
def target(request) -> Target:
    made = make_target(request.param, BARE)
    made.machine.restore(made.patched)
    return made


def leave_behind(target: Target, index: int) -> None:
    """A debugger's breakpoint at UNPATCHED in comparator `index`."""
    fpb, address = target.machine.system.fpb, target.machine.symbols[UNPATCHED] & ~1
    half = (2 if address & 2 else 1) << 30 if fpb.facts.version == 1 else 0
    fpb.comparators[index] = half | (address & ~3 if half else address) | 1
    fpb._update()
    assert address in fpb.armed


def foreign(target: Target) -> int:
    with target.management() as device:
        return device.counters()[Counter.FOREIGN_BREAKPOINTS]


def test_a_comparator_that_no_patch_has_is_switched_off_when_it_matches_and_counted_once(target):
    fpb = target.machine.system.fpb
    index = fpb.facts.code_comparators - 1
    leave_behind(target, index)

    target.type_line(BARE.benign[0])

    assert fpb.comparators[index] == 0
    assert fpb.armed == {target.built.sites[0].address}
    assert target.machine.faults == []
    assert foreign(target) == 1


def test_a_patch_whose_comparator_was_taken_gets_it_back(target):
    fpb = target.machine.system.fpb
    index = next(number for number, value in enumerate(fpb.comparators) if value & 1)
    leave_behind(target, index)
    assert target.built.sites[0].address not in fpb.armed

    target.type_line(BARE.benign[0])

    assert fpb.armed == {target.built.sites[0].address}
    assert BARE.answer in target.attack()
