"""Breakpoints and DebugMonitor, a row of emulator_debug_table.toml a test: what QEMU cannot confirm."""

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from emulator_boards import core_probe, finish
from patchctl.board import load_board
from patchctl.emulator.breakpoints import resume
from patchctl.emulator.registers import UnmodelledAccess

ROWS = tomllib.loads(Path(__file__).with_name("emulator_debug_table.toml").read_text())["row"]
SECTION = re.compile(r"\b(DDI\d{4}[A-Z] C1|UM\d{5} 8)\.\d")  # document and section, as the table writes them
CASES = [(row, name) for row in ROWS for name in row["boards"]]


def board_of(name, changes):
    board = load_board(name)
    chip = board.chip
    if "masked_ignored" in changes:
        chip = replace(chip, fpb=replace(chip.fpb, masked_match="ignored"))
    if "insecure" in changes:
        chip = replace(chip, secure_debug=False)
    if "locked" in changes:
        chip = replace(chip, secure_debug_locked=True)
    return replace(board, chip=chip)


def halted_then_resumed(machine, row):
    machine.run(cycles=10_000_000)
    assert machine.core.debug_halted
    assert machine.core.pc == machine.symbols[row["halts"]]
    assert machine.core.dfsr & 2
    assert machine.faults == []
    if "said" not in row:
        return
    resume(machine)
    assert row["said"].items() <= finish(machine).items()


@pytest.mark.parametrize(("row", "name"), CASES, ids=[f"{name}: {row['behaviour']}" for row, name in CASES])
def test_debug_behaviour(row, name):
    changes = row.get("with", "").split()
    machine = core_probe(name, row["case"], board=board_of(name, changes))
    machine.system.debug.debugger = "debugger" in changes
    if "halts" in row:
        halted_then_resumed(machine, row)
    elif "refused" in row:
        with pytest.raises(UnmodelledAccess, match=row["refused"]):
            finish(machine)
    else:
        assert finish(machine) == row["said"]
        places = [fault.pc for fault in machine.faults]
        assert places == ([machine.symbols[row["fault"]]] if "fault" in row else [])


@pytest.mark.parametrize("row", ROWS, ids=[row["behaviour"] for row in ROWS])
def test_every_row_names_a_section_that_was_read_or_says_that_none_was(row):
    source = row["source"]
    assert SECTION.search(source) or "manual not seen" in source
    assert "from memory" not in source or "manual not seen" in source
