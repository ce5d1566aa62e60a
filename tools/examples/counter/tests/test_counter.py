"""Regression tests of the counter firmware, on an emulated board."""

import pytest
from patchctl.bench import Bench


@pytest.mark.parametrize("word", ["Ada", "Grace", "seven77"])
def test_a_name_that_fits_is_said(board: Bench, word: str) -> None:
    board.console(f"name {word}")

    assert board.console("hello") == f"I am {word}"


def test_the_lamp_changes_every_ten_milliseconds(board: Bench) -> None:
    before = board.variable("changes")
    board.machine.run_us(100_000)

    assert board.variable("changes") == before + 10


def test_a_name_is_forgotten_by_reset_and_by_power(board: Bench) -> None:
    board.console("name Ada")
    board.reset()
    assert board.console("hello") == "I am nobody"

    board.console("name Ada")
    board.power_cycle()
    assert board.console("hello") == "I am nobody"


@pytest.mark.needs("fpb")
def test_a_name_that_is_too_long_ends_in_a_fault(board: Bench) -> None:
    board.attack("name AAAAAAAABBBB\nhello")

    bbbb = 0x42424242  # an even number, which no processor of this kind runs code at
    assert [(fault.exception, fault.pc) for fault in board.faults] == [(3, bbbb)]


def test_the_board_of_this_test_never_met_the_one_before(board: Bench) -> None:
    assert board.faults == []
    assert board.console("hello") == "I am nobody"
