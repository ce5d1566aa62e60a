"""The console behaves like any MicroPython board's, while the runtime shares its serial line."""

from __future__ import annotations

import hashlib

from tests.micropython.firmware import PROMPT, Console


def test_a_line_is_echoed_and_its_value_printed(console: Console) -> None:
    assert console.line("1+1") == "2"


def test_ctrl_c_stops_a_script_that_spins(console: Console) -> None:
    console.machine.serial.feed(b"while True: pass\r\r")
    console.machine.run_us(200_000)
    console.machine.serial.feed(b"\x03")
    assert b"KeyboardInterrupt" in console.machine.run_until_output(PROMPT)
    assert console.line("1+1") == "2"


def test_ctrl_c_ends_a_sleep(console: Console) -> None:
    console.machine.serial.feed(b"import time; time.sleep(3600)\r")
    console.machine.run_us(200_000)
    console.machine.serial.feed(b"\x03")
    assert b"KeyboardInterrupt" in console.machine.run_until_output(PROMPT)


def test_long_output_arrives_whole(console: Console) -> None:
    printed, error = console.run_script(b"for i in range(3000): print('line', i)\n")
    assert error == ""
    assert printed == "".join(f"line {i}\n" for i in range(3000))


def test_text_beyond_ascii_arrives_whole(console: Console) -> None:
    printed, _ = console.run_script("print('größer, 大きい, ' * 50)\n".encode())
    assert printed == "größer, 大きい, " * 50 + "\n"


def test_a_script_of_many_kilobytes_arrives_whole(console: Console) -> None:
    body = "".join(f"# padding line {i}\n" for i in range(600))
    printed, error = console.run_script(f"{body}print('end')\n".encode())
    assert (printed, error) == ("end\n", "")


def test_raw_paste_mode_offers_a_window_and_runs_the_script(console: Console) -> None:
    """What mpremote uses (MicroPython docs, reference/repl.rst, raw-paste mode)."""
    console.enter_raw()
    serial = console.machine.serial
    serial.feed(b"\x05A\x01")
    answer = console.machine.run_until_output(b"R\x01\x80\x00\x01")
    assert answer == b"R\x01\x80\x00\x01"
    serial.feed(b"print(6*7)\n\x04")
    assert console.machine.run_until_output(b"\x04\x04>").endswith(b"42\r\n\x04\x04>")


def test_ctrl_d_at_the_prompt_restarts_python_and_forgets_names(console: Console) -> None:
    assert console.line("forgotten = 1") == ""
    console.machine.serial.feed(b"\x04")
    assert b"soft reboot" in console.machine.run_until_output(PROMPT)
    assert "NameError" in console.line("forgotten")


def test_a_reset_boots_to_the_same_banner(console: Console) -> None:
    console.machine.reset()
    assert b"MicroPython v1.25.0" in console.machine.run_until_output(PROMPT)
    assert console.machine.faults == []


def test_two_runs_of_the_same_input_take_the_same_instructions(console: Console) -> None:
    machine, totals = console.machine, set()
    start = machine.snapshot()
    for _ in range(2):
        machine.restore(start)
        before = machine.instructions
        console.line("sum(range(1000))")
        ram = machine.read_memory(machine.board.ram.address, machine.board.ram.bytes)
        totals.add((machine.instructions - before, hashlib.sha256(ram).hexdigest()))
    assert len(totals) == 1
