"""The bug that the first patch repairs: MicroPython takes whatever sits in sys.modules for a module."""

from __future__ import annotations

import pytest
from patchctl.bench import Bench

NO_MODULES = ("42", "0", "-1", "None", "'abc'", "3.5", "{'a': 1}", "(1, 2)")


@pytest.mark.parametrize("value", NO_MODULES)
def test_import_star_from_something_else_faults_in_mp_import_all(board: Bench, value: str) -> None:
    assert board.console(f"import sys; sys.modules['m'] = {value}") == ""
    machine = board.machine
    machine.serial.feed(b"from m import *\r")
    machine.run_us(300_000)
    assert machine.faults, "the attack did not fault"
    assert machine.symbol_at(machine.faults[0].pc) == "mp_import_all"
    assert machine.symbol_at(machine.registers()["pc"]) == "firmware_fault"


@pytest.mark.parametrize(
    ("line", "probe", "answer"),
    [
        ("from math import *", "sin(0)", "0.0"),
        ("from sys import *", "platform", "'hotpatch'"),
        ("import sys; sys.modules['m'] = 42; import m", "m", "42"),
    ],
)
def test_import_of_a_module_does_not_fault(board: Bench, line: str, probe: str, answer: str) -> None:
    assert board.console(line) == ""
    assert board.console(probe) == answer
    assert board.machine.faults == []
