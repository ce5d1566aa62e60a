"""The console behaves like any MicroPython board's, while the runtime shares its serial line."""

from __future__ import annotations

import hashlib

import pytest
from patchctl.bench import Bench
from patchctl.emulator.console import Console

from tests.micropython.conftest import BOARDS, on
from tests.micropython.firmware import PROMPT

pytestmark = pytest.mark.parametrize("board", on(*BOARDS), indirect=True)


def test_a_line_is_echoed_and_its_value_printed(board: Bench) -> None:
    assert board.console("1+1") == "2"


def test_ctrl_c_stops_a_script_that_spins(board: Bench) -> None:
    board.machine.serial.feed(b"while True: pass\r\r")
    board.machine.run_us(50_000)
    board.machine.serial.feed(b"\x03")
    assert b"KeyboardInterrupt" in board.machine.run_until_output(PROMPT)
    assert board.console("1+1") == "2"


def test_ctrl_c_ends_a_sleep(board: Bench) -> None:
    board.machine.serial.feed(b"import time; time.sleep(3600)\r")
    board.machine.run_us(50_000)
    board.machine.serial.feed(b"\x03")
    assert b"KeyboardInterrupt" in board.machine.run_until_output(PROMPT)


def test_long_output_arrives_whole(board: Bench) -> None:
    printed, error = board.run_script("for i in range(300): print('line', i)\n")
    assert error == ""
    assert printed == "".join(f"line {i}\n" for i in range(300))


def test_text_beyond_ascii_arrives_whole(board: Bench) -> None:
    printed, _ = board.run_script("print('größer, 大きい, ' * 20)\n")
    assert printed == "größer, 大きい, " * 20 + "\n"


def test_a_script_longer_than_any_buffer_arrives_whole(board: Bench) -> None:
    body = "".join(f"# padding line {i}\n" for i in range(150))
    printed, error = board.run_script(f"{body}print('end')\n")
    assert (printed, error) == ("end\n", "")


def test_raw_paste_mode_offers_a_window_and_runs_the_script(board: Bench) -> None:
    """What mpremote uses (MicroPython docs, reference/repl.rst, raw-paste mode)."""
    Console(board.machine).enter_raw()
    serial = board.machine.serial
    serial.feed(b"\x05A\x01")
    answer = board.machine.run_until_output(b"R\x01\x80\x00\x01")
    assert answer == b"R\x01\x80\x00\x01"
    serial.feed(b"print(6*7)\n\x04")
    assert board.machine.run_until_output(b"\x04\x04>").endswith(b"42\r\n\x04\x04>")


def test_ctrl_d_at_the_prompt_restarts_python_and_forgets_names(board: Bench) -> None:
    assert board.console("forgotten = 1") == ""
    board.machine.serial.feed(b"\x04")
    assert b"soft reboot" in board.machine.run_until_output(PROMPT)
    assert "NameError" in board.console("forgotten")


def test_a_reset_boots_to_the_same_banner(board: Bench) -> None:
    board.machine.reset()
    assert b"MicroPython v1.25.0" in board.machine.run_until_output(PROMPT)
    assert board.machine.faults == []


def test_two_runs_of_the_same_input_take_the_same_instructions(board: Bench) -> None:
    machine, totals = board.machine, set()
    start = machine.snapshot()
    for _ in range(2):
        machine.restore(start)
        before = machine.instructions
        board.console("sum(range(1000))")
        ram = machine.read_memory(machine.board.ram.address, machine.board.ram.bytes)
        totals.add((machine.instructions - before, hashlib.sha256(ram).hexdigest()))
    assert len(totals) == 1
