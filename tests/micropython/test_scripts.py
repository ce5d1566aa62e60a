"""Ordinary scripts print what their .exp files say, and end without a traceback or a fault."""

from __future__ import annotations

from pathlib import Path

import pytest
from patchctl.bench import Bench
from patchctl.board import board_names

from tests.micropython.conftest import on

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
@pytest.mark.parametrize("board", on(*board_names()), indirect=True)
def test_a_script_prints_what_is_expected(board: Bench, script: Path) -> None:
    printed, error = board.run_script(script)
    assert error == ""
    assert printed == script.with_suffix(".exp").read_text(encoding="utf-8")
    assert board.faults == []


def test_a_script_that_raises_ends_with_its_traceback_and_the_board_goes_on(board: Bench) -> None:
    printed, error = board.run_script("print('before')\nraise ValueError('wrong')\n")
    assert printed == "before\n"
    assert error.endswith("ValueError: wrong\n")
    assert board.console("1+1") == "2"
