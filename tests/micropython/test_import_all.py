"""The bug that the first patch repairs: MicroPython takes whatever sits in sys.modules for a module."""

from __future__ import annotations

import pytest

from tests.micropython.firmware import Console

NO_MODULES = ("42", "0", "-1", "None", "'abc'", "3.5", "{'a': 1}", "(1, 2)")


@pytest.mark.parametrize("value", NO_MODULES)
def test_import_star_from_something_else_faults_in_mp_import_all(console: Console, value: str) -> None:
    assert console.line(f"import sys; sys.modules['m'] = {value}") == ""
    machine = console.machine
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
def test_import_of_a_module_does_not_fault(console: Console, line: str, probe: str, answer: str) -> None:
    assert console.line(line) == ""
    assert console.line(probe) == answer
    assert console.machine.faults == []
