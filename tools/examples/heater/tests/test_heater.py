"""The schedule's overflow: shown, repaired while the heater runs, and repaired for good."""

import pytest
from patchctl.bench import Bench

# The hour behind the day is the pointer that hold() calls. An even number lacks the Thumb bit: the processor
# faults there before it runs anything; at an odd one it could run whatever the image holds.
ATTACK, AT = "set 24 22\nhold 7", 22


def test_a_day_is_set_and_held(board: Bench) -> None:
    assert board.console("set 7 21") == "ok"
    assert board.console("hold 7") == "21"
    assert board.variable("target") == 21


def test_an_hour_behind_the_day_ends_in_a_fault(board: Bench) -> None:
    board.attack(ATTACK)

    assert [fault.pc for fault in board.faults] == [AT]
    assert board.variable("target") == 0


def test_the_patch_repairs_the_running_heater(board: Bench) -> None:
    board.console("set 7 21")
    board.console("hold 7")
    board.push("patches/set_point")

    assert board.console("set 24 22") == "refused"
    assert board.console("hold 7") == "21"
    assert board.console("set 8 23") == "ok"
    assert (board.faults, board.resets, board.hits("set_point")) == ([], 0, 2)


def test_it_survives_a_power_cut_and_goes_when_it_is_taken_back(board: Bench) -> None:
    board.push("patches/set_point")
    board.power_cycle()
    assert board.console("set 24 22") == "refused"

    board.push("patches/set_point")
    board.rollback("set_point")
    board.attack(ATTACK)
    assert [fault.pc for fault in board.faults] == [AT]


@pytest.mark.parametrize("after", [0, 2, 4, 6])
def test_power_that_fails_while_it_is_pushed_leaves_the_bug_or_the_repair(board: Bench, after: int) -> None:
    with board.cut_power(after=after, shape=7) as cut:
        board.push("patches/set_point")
    assert cut.happened

    said = board.attack(ATTACK)
    assert ("refused" in said, [fault.pc for fault in board.faults]) in [(True, []), (False, [AT])]
    board.power_cycle()
    board.push("patches/set_point")
    assert board.console("set 24 22") == "refused"
