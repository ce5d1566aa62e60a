"""A sweep that is told to end prints what it counted and fails; so does one that ran nothing."""

import os
import re
import signal
from functools import partial

import pytest

pytest.importorskip("unicorn", reason="sweeps need emulated cores: the sim extra")

from patchctl.board import board_names, load_board
from sweep import __main__ as verbs
from sweep.__main__ import main
from sweep.progress import Progress

from tests import fuzzing
from tests.second_opinion import suite
from tests.sweeps import cuts, invisible, nested

BOARD = "nrf52840dk"
bare = pytest.mark.xdist_group(f"{BOARD}-bare")
micropython = pytest.mark.xdist_group(f"{BOARD}-micropython")
on_bare = partial(pytest.param, marks=bare)
# A verb, what it does again and again, and what it prints then; an IT block is gone through to its end.
ENDED = [
    pytest.param(
        ["engine", "--core", "cortex-m4"], verbs, "compare_program", "seed 0: 3 programs", id="engine"
    ),
    on_bare(["nested"], nested.Bench, "hit", r"places +[3-7]\n", id="nested"),
    on_bare(["cuts", "--cuts", "9"], cuts.Tally, "take", "operations cut               3 of", id="cuts"),
    on_bare(["pass", "--every", "99"], invisible, "sweep_function", "functions: 3, ", id="pass"),
    pytest.param(["micropython"], suite, "expected", " 3 passed, ", id="micropython", marks=micropython),
]


@pytest.fixture
def behind(monkeypatch):
    """Sends this process a signal behind the third time that something is done."""

    def prepare(owner, name, number):
        done, times = getattr(owner, name), []

        def counted(*arguments, **more):
            result = done(*arguments, **more)
            times.append(name)
            if len(times) == 3:
                os.kill(os.getpid(), number)
            return result

        monkeypatch.setattr(owner, name, counted)

    return prepare


def arguments_of(words):
    return words if words[0] == "engine" else [*words, "--board", BOARD]


@pytest.mark.parametrize(("words", "owner", "name", "printed"), ENDED)
def test_a_sweep_that_is_told_to_end_prints_its_counts_and_fails(words, owner, name, printed, behind, capsys):
    behind(owner, name, signal.SIGTERM)

    assert main(arguments_of(words)) == 1

    said = capsys.readouterr()
    assert re.search(printed, said.out)
    assert "ended before everything was run" in said.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_second_signal_is_taken_as_without_a_sweep(number):
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}

    with Progress() as progress:
        assert signal.getsignal(number) != before[number]
        os.kill(os.getpid(), number)
        assert (progress.ended, list(progress.each("abc")), progress.exit_code(False)) == (True, [], 1)
        assert {each: signal.getsignal(each) for each in before} == before
    with Progress() as progress:
        assert (progress.ended, list(progress.each("ab")), progress.exit_code(False)) == (
            False,
            ["a", "b"],
            0,
        )
    assert {each: signal.getsignal(each) for each in before} == before


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["cuts", "--cuts", "0", "--resets", "0"], 1),
        (["cuts", "--cuts", "1", "--resets", "1"], 0),
        (["nested", "--step", "500"], 0),
    ],
    ids=str,
)
@bare
def test_a_sweep_fails_if_it_ran_nothing_and_else_does_not(words, code):
    assert main(arguments_of(words)) == code


@micropython
def test_a_suite_of_no_tests_fails_and_one_of_one_test_does_not(monkeypatch, capsys):
    monkeypatch.setattr(suite, "names", list)
    assert main(["micropython", "--board", BOARD]) == 1
    assert "no test ran" in capsys.readouterr().err

    monkeypatch.setattr(suite, "names", lambda: ["basics/0prelim"])
    assert main(["micropython", "--board", BOARD]) == 0


@pytest.mark.parametrize(
    "words",
    [
        ["engine", "--programs", "0"], ["engine", "--inputs", "0"], ["nested", "--step", "0"],
        ["pass", "--every", "0"], ["pass", "--runs", "-1"], ["micropython", "--every", "0"],
        ["fuzz", "--seconds", "0"], ["cuts", "--again-one-in", "0"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_count_of_none_is_refused(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words)

    assert ended.value.code == 2
    assert "is no count: 1 or more" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("said", "code"),
    [("stat::number_of_executed_units: 7", 0), ("stat::number_of_executed_units: 0", 1), ("", 1)],
)
def test_a_fuzzer_that_ran_nothing_fails(said, code, monkeypatch):
    monkeypatch.setattr(verbs, "clang", lambda: "clang")
    monkeypatch.setattr(verbs, "build_fuzzer", lambda compiler, folder, target: folder / target)
    monkeypatch.setattr(verbs, "fuzz", lambda program, folder, options, ended: (0, said))

    assert main(["fuzz", "--seconds", "2"]) == code


def test_a_fuzzer_that_is_told_to_end_says_what_it_counted(tmp_path):
    program = tmp_path / "fuzzer"
    program.write_text(
        "#!/bin/sh\ntrap 'echo stat::number_of_executed_units: 7 >&2; exit 72' TERM\n"
        "while :; do sleep 0.1; done\n"
    )
    program.chmod(0o755)

    assert fuzzing.fuzz(program, tmp_path, [], lambda: True) == (72, "stat::number_of_executed_units: 7\n")


def test_boards_are_chosen_by_what_their_files_say(capsys):
    with_comparators = {name for name in board_names() if load_board(name).chip.fpb}

    assert set(verbs.invisible.BOARDS) >= with_comparators
    assert set(invisible.BOARDS) <= set(verbs.invisible.BOARDS)
    for verb in ("nested", "micropython"):
        with pytest.raises(SystemExit):
            main([verb, "--board", "unknown"])
        said = capsys.readouterr().err
        assert all(name in said for name in board_names())
