"""The benchmark of the emulator: both sides run, its table says what was missed. No time is judged."""

from dataclasses import replace

import pytest
from bench import emulator as bench
from patchctl.board import load_board
from patchctl.emulator import Machine

RESULT = bench.Result("a-board", 0.8, (0.79, 0.8, 0.81), 2.5, 1_000_000, 90.0, 100, 400.0)


def test_the_loop_is_interrupted_a_thousand_times_a_second(tmp_path):
    board = load_board("nrf52840dk")
    machine = Machine(board, bench.loop_firmware(board, tmp_path, ticks=True))

    def ticks():
        return int.from_bytes(machine.read_memory(machine.symbols["ticks"], 4), "little")

    at_power_on = ticks()  # RAM holds noise there, and the loop clears nothing
    machine.run_us(50_500)

    assert ticks() == at_power_on + 50


def test_both_sides_of_a_pair_run_and_give_a_ratio(tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "INSTRUCTIONS", 20_000)

    ratios = bench.rate_ratios(load_board("nrf52840dk"), tmp_path)

    assert len(ratios) == bench.PAIRS
    assert all(ratio > 0 for ratio in ratios)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({}, "wanted 75%: met"),
        ({"ratio_to_unicorn": 0.74}, "wanted 75%: missed"),
        ({}, "wanted 500: met"),
        ({"boards_mb": 501.0}, "wanted 500: missed"),
    ],
)
def test_the_table_says_what_is_met_and_what_is_missed(change, line):
    assert line in bench.as_text(replace(RESULT, **change))
