"""Stop 10 of 12. One flash operation fails, nothing more: the board runs on and later operations work.

What the board answered before and after the failure is what a reset finds. Next: device_runtime/core/store.c
"""

import pytest
from patchctl.contract import Status

from tests.native import NativeDevice
from tests.runtime import exchange
from tests.runtime.containers import SITE, undo
from tests.runtime.test_core_power_cut import CHANGES, answers, keep, operations, push_new, running

NOTHING, ALL, SOME_BITS = 0, 1, 12  # what the failing operation still does
SHAPES = pytest.mark.parametrize("shape", [NOTHING, ALL, SOME_BITS])


def failing(name: str, at: int, shape: int) -> NativeDevice:
    """A board just before the change, whose `at`th flash operation from now fails."""
    device = running(name)
    device.outlives_failures = True
    device.flash.cut_after(at, shape)
    return device


@SHAPES
@pytest.mark.parametrize("name", CHANGES)
def test_a_reset_finds_what_was_answered_when_any_one_operation_failed(name, shape):
    change = CHANGES[name]
    for at in range(operations(name)):
        device = failing(name, at, shape)
        answered = change.act(device)
        assert device.reboot() == Status.OK

        expected = change.after if answered == Status.OK else change.before
        assert answers(device, change.before) == expected, f"operation {at}"


@SHAPES
@pytest.mark.parametrize("name", CHANGES)
def test_a_change_asked_for_again_after_a_failure_holds_over_a_reset(name, shape):
    change = CHANGES[name]
    for at in range(operations(name)):
        device = failing(name, at, shape)
        first = change.act(device)
        again = change.act(device)
        device.reboot()

        assert again == Status.OK, f"operation {at}, {first}"
        assert answers(device, change.before) == change.after, f"operation {at}"
        assert device.flash.rising_bits == 0


@SHAPES
def test_an_undo_behind_a_failed_change_is_not_lost(shape):
    for at in range(operations("install over an older version")):
        device = failing("install over an older version", at, shape)
        push_new(device)
        keep(device)

        assert exchange.push(device, undo(5)) == Status.OK
        device.reboot()
        assert answers(device, {SITE: None}) == {SITE: None}, f"operation {at}"


@pytest.mark.parametrize("name", ["confirm", "confirm a newer version", "confirm into a new journal page"])
@SHAPES
def test_a_failure_while_a_trial_is_taken_back_leaves_it_to_the_next_start(name, shape):
    before = bytes(running(name).flash.buffer)
    steps = running(name).flash.operations
    for at in range(steps):
        device = running(name)
        device.outlives_failures = True
        device.flash.buffer[:] = before
        device.flash.cut_after(at, shape)
        device.start()
        device.reboot()

        assert answers(device, CHANGES[name].before) == CHANGES[name].before, f"operation {at}"
