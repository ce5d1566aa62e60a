"""The shipped pytest plugin on four boards and both images: a project of its own, one run a board."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from patchctl.board import load_board

from tests.micropython.firmware import ROOT, firmware_elf

PROJECT = Path(__file__).parent / "plugin_project"
BOARDS = ("nrf52840dk", "nrf5340dk", "stm32l475", "nucleo_g0b1re")
IMAGES = ("micropython", "bare")


def run_project(*arguments, folder=PROJECT):
    """pytest in the project's folder, with this checkout's plugin."""
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "patchctl.pytest_plugin", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "host")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("board", BOARDS)
def test_every_helper_works_on_every_board_with_both_images(board):
    for image in IMAGES:
        firmware_elf(board, image)

    code, output = run_project("--patchctl-boards", board)

    assert code == 0, output
    assert " failed" not in output
    without = "fpb" if load_board(board).chip.fpb is None else "fixed_sites"
    skipped = sorted(re.findall(r"SKIPPED \[\d+\] .*: (\S+ has no \S+)", output))
    assert skipped == sorted(
        [f"{board}-{image} has no {without}" for image in IMAGES] + [f"{board}-bare has no micropython"]
    )


def test_the_project_names_all_four_boards_and_both_images():
    code, output = run_project("--collect-only")

    assert code == 0, output
    assert {f"[{board}-{image}]" for board in BOARDS for image in IMAGES} == set(
        re.findall(r"\[\S+\]", output)
    )


INI = "[pytest]\npatchctl_boards = {board}\npatchctl_image = {image}\npatchctl_prompt = 'bare> '\n"
REFUSED = """
def test(board):
    board.push({first!r})
    board.push({second!r})
"""
PATCH = ROOT / "patches" / "parser"
REFUSALS = {
    "by the verifier": (
        ("return hp_pass();", "while (hp_firmware_u8(record) != 7) {}\n        return hp_pass();"),
        ("", ""),
        r"E +\S*patch.c:\d+:\d+: this loop cannot be shown to end \(.*bound it: ",
    ),
    "by the compiler": (
        ("return hp_pass();", "return nonsense;"),
        ("", ""),
        r"E +\S*patch.c:\d+:\d+: .*nonsense",
    ),
    "by binding": (("", ""), ('"parse_record"', '"parse_recrd"'), r"E +.*near: parse_record"),
    "by the board": (("", ""), ("value   = 1", "value   = 2"), r"E +.*sequence"),
}


@pytest.mark.parametrize(("code", "facts", "says"), REFUSALS.values(), ids=REFUSALS)
def test_a_refused_patch_fails_its_test_with_where_and_what_to_try(tmp_path, code, facts, says):
    image = firmware_elf("nrf52840dk", "bare")
    shutil.copytree(PATCH, tmp_path / "patch")
    for name, change in (("patch.c", code), ("patch.toml", facts)):
        text = (tmp_path / "patch" / name).read_text(encoding="utf-8")
        assert change[0] in text
        (tmp_path / "patch" / name).write_text(text.replace(*change, 1), encoding="utf-8")
    (tmp_path / "pytest.ini").write_text(INI.format(board="nrf52840dk", image=image))
    (tmp_path / "test_it.py").write_text(REFUSED.format(first=str(PATCH), second=str(tmp_path / "patch")))

    exit_code, output = run_project(folder=tmp_path)

    assert exit_code == 1, output
    assert re.search(says, output), output
