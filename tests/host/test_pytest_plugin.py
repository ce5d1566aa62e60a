"""The pytest plugin, in pytest runs of its own: boards and images, marks, snapshots, what it refuses."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from emulator_boards import firmware

INI = "[pytest]\npatchctl_boards = {boards}\npatchctl_image = {images}\npatchctl_prompt = {prompt}\n"


@pytest.fixture
def project(tmp_path):
    """A project whose firmware echoes; call it with its tests' text."""
    (tmp_path / "echo.elf").write_bytes(firmware("echo"))

    def run(tests, *arguments, boards="nrf52840dk", images="echo.elf", prompt='""', files=None):
        (tmp_path / "pytest.ini").write_text(INI.format(boards=boards, images=images, prompt=prompt))
        (tmp_path / "test_it.py").write_text(tests)
        for name, text in (files or {}).items():
            (tmp_path / name).write_text(text)
        command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "patchctl.pytest_plugin"]
        host = str(Path(__file__).resolve().parents[2] / "host")
        done = subprocess.run(
            [*command, "-p", "no:cacheprovider", *arguments],
            cwd=tmp_path, env={**os.environ, "PYTHONPATH": host}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    return run


def test_a_board_comes_to_the_test_booted(project):
    code, output = project("def test(board):\n    assert board.name == 'nrf52840dk' and board.faults == []\n")

    assert code == 0, output
    assert "1 passed" in output


def test_what_one_test_did_the_next_does_not_see(project):
    code, output = project(
        "import pytest\n"
        "@pytest.mark.parametrize('turn', range(3))\n"
        "def test(board, turn):\n"
        "    address = board.machine.board.ram.address\n"
        "    before = board.machine.instructions, board.machine.read_memory(address, 4)\n"
        "    assert before == getattr(pytest, 'seen', before)\n"
        "    pytest.seen = before\n"
        "    board.machine.write_memory(address, bytes(4 * [turn + 1]))\n"
        "    board.type(b'x', wait_ms=5)\n"
    )

    assert code == 0, output
    assert "3 passed" in output


def test_every_image_is_a_run_of_its_own(project):
    code, output = project("def test(board): pass\n", "-vv", images="\n    one=echo.elf\n    two=echo.elf")

    assert code == 0, output
    assert "test[nrf52840dk-one]" in output and "test[nrf52840dk-two]" in output


def test_a_capability_that_the_board_has_runs_and_one_that_it_lacks_skips(project):
    code, output = project(
        "import pytest\n"
        "@pytest.mark.needs('fpb', 'fpu', 'cortex-m4')\n"
        "def test_has(board): pass\n"
        "@pytest.mark.needs('runtime')\n"
        "def test_lacks(board): pass\n"
        "@pytest.mark.boards('nrf52840dk')\n"
        "def test_here(board): pass\n"
        "@pytest.mark.boards('stm32l475')\n"
        "def test_elsewhere(board): pass\n"
    )

    assert code == 0, output
    assert "2 passed, 2 skipped" in output
    assert "has no runtime" in output
    assert "marked for boards stm32l475; configured: nrf52840dk" in output
    assert "empty parameter set" not in output


def test_marks_that_no_configured_target_meets_are_said_in_the_skip(project):
    code, output = project(
        "import pytest\n"
        "@pytest.mark.images('two')\n@pytest.mark.boards('stm32l475')\ndef test(board): pass\n",
        images="\n    one=echo.elf\n    two=echo.elf",
    )

    assert code == 0, output
    assert "marked for boards stm32l475 and images two; configured: nrf52840dk-one, nrf52840dk-two" in output


def test_marks_choose_images(project):
    code, output = project(
        "import pytest\n@pytest.mark.images('two')\ndef test(board):\n    assert board.image == 'two'\n",
        images="\n    one=echo.elf\n    two=echo.elf",
    )

    assert code == 0, output
    assert "1 passed" in output


def test_each_image_may_have_a_prompt_of_its_own_and_one_without_is_no_console(project):
    code, output = project(
        "import pytest\n"
        "def test(board):\n"
        "    said = {'one': b'dy\\n', 'two': b'', 'three': b'ready\\n'}\n"
        "    assert board.prompt == said[board.image]\n"
        "@pytest.mark.needs('console')\n"
        "def test_console(board): pass\n",
        images="\n    one=echo.elf\n    two=echo.elf\n    three=echo.elf",
        prompt='\n    one = "dy\\n"\n    two = ""\n    "ready\\n"',
    )

    assert code == 0, output
    assert "5 passed, 1 skipped" in output
    assert "nrf52840dk-two has no console" in output


def test_the_board_s_name_stands_in_the_path_and_braces_of_a_folder_above_are_left_alone(project, tmp_path):
    inner = tmp_path / "{x}"
    inner.mkdir()
    (inner / "nrf52840dk.elf").write_bytes((tmp_path / "echo.elf").read_bytes())
    (inner / "pytest.ini").write_text(INI.format(boards="nrf52840dk", images="{board}.elf", prompt='""'))
    code, output = project("def test(board): pass\n", "-c", "{x}/pytest.ini")

    assert code == 0, output
    assert "1 passed" in output


def test_the_command_line_takes_the_place_of_boards_and_images(project):
    code, output = project(
        "def test(board): pass\n",
        "-vv", "--patchctl-boards", "nrf52840dk", "--patchctl-image", "mine=echo.elf",
        boards="stm32l475", images="absent.elf", prompt="\n    mine = ''",
    )  # fmt: skip

    assert code == 0, output
    assert "test[nrf52840dk-mine] PASSED" in output


PATCH = {
    "patch.toml": 'id = "p"\nsequence = 1\nabout = "a"\n'
    '[site]\nfunction = "Uart_Handler"\nverdicts = ["pass"]\n[safe]\nverdict = "pass"\n',
    "patch.c": "#include <hotpatch/patch.h>\nHP_PATCH(p) { return hp_pass(); }\n",
}
MARKED = "import pytest\n@pytest.mark.{}\ndef test(board): pass\n"
PLAIN = "def test(board): pass\n"


@pytest.mark.parametrize(
    ("tests", "options", "says"),
    [
        (MARKED.format("needs('wings')"), {}, "no capability 'wings'; known: console, cortex-m0plus"),
        (
            MARKED.format("boards('nrf52840dq')"),
            {},
            "the mark 'boards' names 'nrf52840dq', which there is not (did you mean 'nrf52840dk'?)",
        ),
        (
            MARKED.format("images('bear')"),
            {"images": "bare=echo.elf"},
            "the mark 'images' names 'bear', which there is not (did you mean 'bare'?)",
        ),
        (
            PLAIN,
            {"prompt": "\n    bear = '> '"},
            "patchctl_prompt names the image 'bear', which there is not (known: none)",
        ),
        (
            PLAIN,
            {"images": "build/{boart}/echo.elf"},
            "build/{boart}/echo.elf has {boart}, and only {board} stands for something there",
        ),
        (PLAIN, {"prompt": '"\\x"'}, "is not a quoted text of Python"),
        (
            "def test(board): board.console('x')\n",
            {},
            "nrf52840dk: has no console (patchctl_prompt is empty; type() needs no prompt; "
            '@pytest.mark.needs("console") skips the test)',
        ),
        (
            "def test(board): board.push('.')\n",
            {"files": PATCH},
            "nrf52840dk: has no runtime (link hp_runtime.o",
        ),
        (
            "def test(board): board.attack('')\n",
            {},
            "nrf52840dk: an attack without a line (type(b'\\r') sends an empty line)",
        ),
        (
            "def test(board):\n    with board.cut_power(after=3): pass\n",
            {},
            "nrf52840dk: power was to fail behind 3 flash operations, and the block had 0 (cut earlier, or",
        ),
        (
            "def test(board): board.variable('read')\n",
            {},
            "echo.elf: no variable 'read' in the firmware (",
        ),
        ("def test(board): pass\n", {"images": "absent.elf"}, "absent.elf: cannot read the firmware"),
        ("def test(board): pass\n", {"boards": "nrf52840dq"}, "did you mean 'nrf52840dk'?"),
        ("def test(board): pass\n", {"boards": ""}, "set patchctl_boards and patchctl_image"),
        (
            "def test(board): pass\n",
            {"prompt": '"never said"'},
            "is not ready: nrf52840dk: no b'never said'",
        ),
    ],
    ids=[
        "capability",
        "board of a mark",
        "image of a mark",
        "image of a prompt",
        "braces",
        "quotes",
        "console",
        "runtime",
        "attack",
        "power",
        "variable",
        "image",
        "board",
        "no boards",
        "prompt",
    ],
)
def test_what_cannot_be_is_said_plainly(project, tests, options, says):
    code, output = project(tests, **options)

    assert code != 0
    assert says in output, output
    assert "INTERNALERROR" not in output
