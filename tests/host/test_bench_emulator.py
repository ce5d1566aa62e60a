"""The benchmark of the emulator: both sides run, its table says what was missed. No time is judged."""

from dataclasses import replace

import pytest
from bench import emulator as bench
from patchctl.board import load_board
from patchctl.emulator import Machine

RESULT = bench.Result("a-board", 0.8, (0.79, 0.8, 0.81), 2.5, 1_000_000, 90.0, 100, 400.0)


BOARDS = ("nrf52840dk", "nrf5340dk", "stm32l475", "nucleo_g0b1re")


@pytest.mark.parametrize("name", BOARDS)
def test_the_loop_is_interrupted_a_thousand_times_a_second(tmp_path, name):
    board = load_board(name)
    machine = Machine(board, bench.loop_firmware(board, tmp_path, ticks=True))

    def ticks():
        return int.from_bytes(machine.read_memory(machine.symbols["ticks"], 4), "little")

    at_power_on = ticks()  # RAM holds noise there, and the loop clears nothing
    machine.run_us(50_500)

    assert ticks() == at_power_on + 50


@pytest.mark.parametrize("name", BOARDS)
def test_both_sides_of_a_pair_run_and_give_a_ratio(tmp_path, monkeypatch, name):
    monkeypatch.setattr(bench, "INSTRUCTIONS", 20_000)

    ratios = bench.rate_ratios(load_board(name), tmp_path)

    assert len(ratios) == bench.PAIRS
    assert all(ratio > 0 for ratio in ratios)


@pytest.mark.parametrize(
    ("arguments", "exit_code", "says"),
    [
        (["--board", "nrf52840"], 3, "did you mean 'nrf52840dk'?"),
        (["--image", "absent-{board}.elf"], 1, "absent-nrf52840dk.elf"),
        (["--board", "nrf5340dk", "--image", "absent-{board}.elf"], 1, "absent-nrf5340dk.elf"),
    ],
)
def test_a_board_or_image_that_is_not_there_is_said(arguments, exit_code, says, capsys):
    assert bench.main(arguments) == exit_code

    assert says in capsys.readouterr().err


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
