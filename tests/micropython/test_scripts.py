"""Ordinary scripts print what their .exp files say, and end without a traceback or a fault."""

from __future__ import annotations

from pathlib import Path

import pytest
from patchctl.board import board_names
from patchctl.emulator import Machine

from tests.micropython.firmware import Console, booted

MACHINES: dict[str, tuple[Machine, object]] = {}
SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.py"))


@pytest.fixture
def any_console(request: pytest.FixtureRequest) -> Console:
    """A board at its first prompt; each board is booted once per test process."""
    name = request.param
    if name not in MACHINES:
        machine = booted(name)
        MACHINES[name] = machine, machine.snapshot()
    machine, snapshot = MACHINES[name]
    machine.restore(snapshot)
    return Console(machine)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
@pytest.mark.parametrize(
    "any_console",
    [pytest.param(name, marks=pytest.mark.xdist_group(f"{name}-micropython")) for name in board_names()],
    indirect=True,
)
def test_a_script_prints_what_is_expected(any_console: Console, script: Path) -> None:
    console = any_console
    printed, error = console.run_script(script.read_bytes())
    assert error == ""
    assert printed == script.with_suffix(".exp").read_text(encoding="utf-8")
    assert console.machine.faults == []


def test_a_script_that_raises_ends_with_its_traceback_and_the_board_goes_on(console: Console) -> None:
    printed, error = console.run_script(b"print('before')\nraise ValueError('wrong')\n")
    assert printed == "before\n"
    assert error.endswith("ValueError: wrong\n")
    assert console.line("1+1") == "2"
