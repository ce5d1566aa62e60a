"""`patchctl verify`: what it says of a bounded patch, of a metered one, and of one that is neither."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from patchctl.board import board_names, load_board
from patchctl.cli.main import main

from tests.spoiling import spoiled

PATCH = Path(__file__).parents[2] / "patches" / "import_all"
LOOP = "    while (hp_firmware_u32(module)) {}\n    context->r[0] ="


@pytest.fixture
def metered(tmp_path):
    """A copy of the patch with a loop that nothing bounds, at a site that allows it."""
    folder = Path(shutil.copytree(PATCH, tmp_path / "import_all"))
    code, description = folder / "patch.c", folder / "patch.toml"
    code.write_text(code.read_text().replace("    context->r[0] =", LOOP, 1))
    text = description.read_text().replace("sequence = 1", "sequence = 1\nfuel = 900", 1)
    description.write_text(text.replace("[site]", "[site]\nmetered = true", 1))
    return folder


def asked(folder, some_board, tiny_elf, *options):
    command = [*options, "verify", str(folder), "--board", some_board.name, "--firmware", str(tiny_elf)]
    return main(command)


def test_bounded_patch_is_told_with_its_worst_case(some_board, tiny_elf, capsys):
    assert asked(PATCH, some_board, tiny_elf) == 0

    said = capsys.readouterr().out
    assert "accepted; at most " in said
    assert "metered" not in said


def test_metered_patch_is_told_with_its_fuel_and_its_loop(metered, some_board, tiny_elf, capsys):
    assert asked(metered, some_board, tiny_elf) == 0

    said = capsys.readouterr().out
    assert "metered: no worst case; at most 900 instructions by fuel" in said
    assert "patch.c:26:" in said
    assert "this loop cannot be shown to end" in said


def test_metered_patch_is_an_event_without_a_worst_case(metered, some_board, tiny_elf, capsys):
    assert asked(metered, some_board, tiny_elf, "--json") == 0

    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    event = next(event for event in events if "worst_case_steps" in event)
    assert (event["metered"], event["worst_case_steps"], event["fuel"]) == (True, None, 900)


def test_the_same_loop_is_refused_where_the_site_does_not_allow_it(metered, some_board, tiny_elf, capsys):
    description = metered / "patch.toml"
    description.write_text(description.read_text().replace("metered = true", "metered = false"))

    assert asked(metered, some_board, tiny_elf) == 5

    said = capsys.readouterr().out
    assert "error[loop]: this loop cannot be shown to end" in said
    assert "bound it: for (u32 i = 0;" in said
    assert "[site] metered = true, and a fuel of your own" in said


@pytest.fixture
def keeping(tmp_path):
    """Makes a copy of the patch that keeps so many words."""
    folder = Path(shutil.copytree(PATCH, tmp_path / "import_all"))
    source = (PATCH / "patch.c").read_text()

    def made(words):
        kept = ("HP_PATCH(", f"u32 kept[{words}];\n\nHP_PATCH(")
        counted = ("    context->r[0] =", f"    kept[{words - 1}] += 1;\n    context->r[0] =")
        (folder / "patch.c").write_text(spoiled(source, kept, counted))
        return folder

    return made


def test_variables_that_fill_a_slot_s_share_are_told_and_a_word_more_is_refused(
    keeping, some_board, tiny_elf, capsys
):
    share = some_board.slot_variable_bytes
    assert share > 0
    assert asked(keeping(share // 4), some_board, tiny_elf) == 0
    assert f", {share} bytes of variables between runs" in capsys.readouterr().out

    assert asked(keeping(share // 4 + 1), some_board, tiny_elf) == 5
    said = capsys.readouterr().out
    assert f"error[size]: the variables take {share + 8} bytes" in said
    assert f"at most {share} on this board" in said


def test_variables_are_an_event_and_a_patch_without_any_has_0(keeping, some_board, tiny_elf, capsys):
    for folder, size in ((keeping(3), 16), (PATCH, 0)):
        assert asked(folder, some_board, tiny_elf, "--json") == 0
        events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [event["variable_bytes"] for event in events if "worst_case_steps" in event] == [size]


def test_a_patch_without_variables_says_nothing_of_them(some_board, tiny_elf, capsys):
    assert asked(PATCH, some_board, tiny_elf) == 0

    assert "variables" not in capsys.readouterr().out


@pytest.fixture
def named(tiny_elf, tmp_path):
    """The tiny firmware with a board's class identifier in it, as the runtime brings it."""

    def made(board):
        identity, image = tmp_path / "class_id", tmp_path / f"{board.name}.elf"
        identity.write_bytes(board.class_id)
        section = [f"--add-section=.class_id={identity}", "--set-section-flags=.class_id=alloc,readonly,data"]
        subprocess.run(["arm-none-eabi-objcopy", *section, str(tiny_elf), str(image)], check=True)
        return image

    return made


@pytest.fixture
def other_board(some_board):
    """Another board with comparators."""
    boards = map(load_board, board_names())
    return next(board for board in boards if board.chip.fpb and board.name != some_board.name)


def test_firmware_of_another_board_is_exit_7_and_that_of_this_board_accepted(
    named, some_board, other_board, capsys
):
    assert asked(PATCH, some_board, named(other_board)) == 7
    said = capsys.readouterr()
    assert f"this firmware is for {other_board.name}, not for {some_board.name}" in said.err
    assert "accepted" not in said.out

    assert asked(PATCH, some_board, named(some_board)) == 0
    said = capsys.readouterr()
    assert "accepted" in said.out
    assert "warning" not in said.err


def test_firmware_that_names_no_board_is_accepted_and_that_is_said(some_board, tiny_elf, capsys):
    assert asked(PATCH, some_board, tiny_elf) == 0

    assert f"names no board; that it is for {some_board.name} is taken on trust" in capsys.readouterr().err


def test_no_container_is_made_for_another_board_s_firmware(named, some_board, other_board, tmp_path, capsys):
    key, out = tmp_path / "key.pem", tmp_path / "out.suit"
    assert main(["keys", "new", str(key)]) == 0

    def build(image):
        command = ["build", str(PATCH), "--board", some_board.name, "--firmware", str(image)]
        return main([*command, "--key", str(key), "--out", str(out)])

    assert build(named(other_board)) == 7
    assert f"this firmware is for {other_board.name}" in capsys.readouterr().err
    assert not out.exists()

    assert build(named(some_board)) == 0
    assert out.exists()
