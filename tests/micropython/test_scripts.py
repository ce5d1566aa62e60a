"""Ordinary scripts print what their .exp files say, and end without a traceback or a fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.micropython.firmware import Console

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_prints_what_is_expected(console: Console, script: Path) -> None:
    printed, error = console.run_script(script.read_bytes())
    assert error == ""
    assert printed == script.with_suffix(".exp").read_text(encoding="utf-8")
    assert console.machine.faults == []


def test_a_script_that_raises_ends_with_its_traceback_and_the_board_goes_on(console: Console) -> None:
    printed, error = console.run_script(b"print('before')\nraise ValueError('wrong')\n")
    assert printed == "before\n"
    assert error.endswith("ValueError: wrong\n")
    assert console.line("1+1") == "2"
