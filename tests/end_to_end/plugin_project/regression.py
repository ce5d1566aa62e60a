"""Every helper of the plugin, on every board and image. test_plugin_boards.py runs it."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from patchctl.contract import Counter, PatchState
from patchctl.errors import InputError

PATCHES = Path(__file__).resolve().parents[3] / "patches"


@dataclass(frozen=True)
class Bug:
    """An image's bug, its patch, what the repaired firmware answers, and a line that must not notice."""

    patch: str
    attack: str
    faults_in: str
    answer: str
    line: str
    printed: str

    @property
    def folder(self):
        return PATCHES / self.patch


TEMPERATURE = (PATCHES / "parser" / "benign" / "temperatures.txt").read_text(encoding="utf-8").splitlines()[0]
BUGS = {
    "micropython": Bug(
        "import_all", "import sys; sys.modules['m'] = 42\nfrom m import *", "mp_import_all",
        "ImportError: not a module", "6 * 7", "42",
    ),
    "bare": Bug(
        "parser", (PATCHES / "parser" / "attack.txt").read_text(encoding="utf-8"), "count_reading",
        "refused", TEMPERATURE, "temperature 21.5, number 1",
    ),
}  # fmt: skip


@pytest.fixture
def bug(board):
    return BUGS[board.image]


@pytest.mark.images("micropython")
def test_the_ten_lines_of_readme(board):
    attack = "import sys; sys.modules['m'] = 42\nfrom m import *"
    board.attack(attack)
    assert board.faults[0].function == "mp_import_all"
    board.power_cycle()
    board.push(PATCHES / "import_all")
    assert "ImportError" in board.attack(attack)


@pytest.mark.needs("console")
def test_the_console_answers_and_knows_its_echo(board, bug):
    assert board.console(bug.line) == bug.printed
    assert bug.printed.split(",")[0] in board.type(bug.line.encode() + b"\r", wait_ms=200).decode()


@pytest.mark.needs("micropython")
def test_a_script_runs_and_a_traceback_is_apart_from_what_was_printed(board):
    ran = board.run_script("print(6 * 7)\nraise ValueError('no')")

    assert ran.printed == "42\n"
    assert ran.error.endswith("ValueError: no\n")


@pytest.mark.needs("runtime")
def test_a_patch_repairs_counts_and_goes(board, bug):
    assert board.push(bug.folder).state is PatchState.UPDATED

    assert bug.answer in board.attack(bug.attack)
    assert (board.faults, board.hits(bug.patch), board.counters[Counter.HITS]) == ([], 1, 1)

    assert board.rollback(bug.patch).state is PatchState.UNDONE
    board.attack(bug.attack)
    assert [fault.function.split(".")[0] for fault in board.faults] == [bug.faults_in]


def test_what_the_test_before_did_is_forgotten(board, bug):
    assert (board.faults, board.resets, board.device.patch(bug.patch)) == ([], 0, None)


def test_a_push_that_loses_power_leaves_the_old_state_or_the_new(board, bug):
    with board.cut_power(after=2, shape=7) as cut:
        board.push(bug.folder)
    assert cut.happened
    assert board.device.patch(bug.patch) is None

    board.push(bug.folder)
    board.power_cycle()
    assert bug.answer in board.attack(bug.attack)


def test_a_cut_that_never_comes_is_told_from_one_that_does(board, bug):
    with board.cut_power(after=10_000, may_miss=True) as cut:
        board.push(bug.folder)

    assert not cut.happened
    assert board.device.patch(bug.patch).armed


def test_a_kept_patch_survives_the_reset_button_and_a_trial_does_not(board, bug):
    board.push(bug.folder, confirm=False)
    board.reset()
    assert not board.device.patch(bug.patch).armed
    board.push(bug.folder)
    board.reset()
    assert (board.device.patch(bug.patch).armed, board.resets) == (True, 2)


@pytest.mark.needs("fpb")
def test_a_comparator_reaches_a_function_that_nobody_prepared(board, bug):
    assert "fixed_sites" not in board.capabilities
    board.push(bug.folder)
    before = board.hits(bug.patch)
    board.attack(bug.attack)
    assert board.hits(bug.patch) == before + 1


@pytest.mark.needs("fixed_sites")
def test_a_fixed_site_reaches_what_the_firmware_prepared_and_nothing_else(board, bug, tmp_path):
    board.push(bug.folder)
    elsewhere = shutil.copytree(bug.folder, tmp_path / "elsewhere") / "patch.toml"
    text = elsewhere.read_text(encoding="utf-8")
    elsewhere.write_text(re.sub(r'function = ".*"', 'function = "main"', text), encoding="utf-8")

    with pytest.raises(InputError, match="no fixed site at 'main'"):
        board.push(elsewhere.parent)


@pytest.mark.images("bare")
def test_a_variable_of_the_firmware_is_read_by_name(board):
    board.console(TEMPERATURE)

    assert board.variable("latest_reading") != 0
    with pytest.raises(InputError, match="no variable 'latest_readin'"):
        board.variable("latest_readin")
