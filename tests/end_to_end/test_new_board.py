"""A board that only boards/ knows is built, boots, and is repaired by the patch that others take."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

pytest.importorskip("unicorn", reason="emulated boards need unicorn: pip install 'patchctl[sim]'")

from tests.end_to_end.targets import ROOT

FOLDERS = ("boards", "device_runtime", "host", "patches", "tools")
NEW = "boards/mine.toml"
OTHER_FACTS = {"arena_bytes": 1024, "slot_count": 6}
ATTACK_AND_REPAIR = """
import json, sys
from pathlib import Path
from patchctl.bench import Bench, Target, boot

clone, archive = map(Path, sys.argv[1:])
target = Target("mine", "bare", clone / "build/firmware/mine/bare/firmware.elf")
bench = Bench(target, boot(target, b"bare> "), b"bare> ", archive)
board, attack = bench.machine.board, clone / "patches/parser/attack.txt"
said = {"boards": str(Path(sys.modules["patchctl"].__file__).parents[2]), "core": board.chip.core}
said |= {"arena_bytes": board.limits.arena_bytes, "slot_count": board.store.slot_count}
bench.attack(attack)
said["faults"] = [fault.function for fault in bench.faults]
bench.reset()
faults = len(bench.faults)
report = bench.push(clone / "patches/parser")
said |= {"state": report.state.name, "armed": report.armed, "answer": bench.attack(attack)}
said |= {"hits": bench.hits("parser"), "more_faults": len(bench.faults) - faults}
print(json.dumps(said))
"""


@pytest.fixture
def clone(tmp_path):
    folder = tmp_path / "clone"
    ignored = shutil.ignore_patterns("__pycache__", "build")
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    return folder


def run_in(clone, *command):
    environment = {**os.environ, "PYTHON": sys.executable, "PYTHONPATH": str(clone / "host")}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    return subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, check=False)


def build(clone):
    return run_in(clone, "make", "-s", "-j2", "-C", "device_runtime", "BOARD=mine", "IMAGE=bare")


def files_in(folder):
    """Each file of the folders with what it holds."""
    found = [path for name in FOLDERS for path in (folder / name).rglob("*") if path.is_file()]
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in found
        if not {"__pycache__", "build"} & set(path.relative_to(folder).parts)
    }


def test_a_board_without_a_file_is_not_built(clone):
    done = build(clone)

    assert done.returncode != 0
    assert "unknown board 'mine'" in done.stderr


@pytest.mark.parametrize("like", ["nrf52840dk", "nucleo_g0b1re"], ids=["comparators", "fixed sites"])
def test_a_new_board_needs_a_file_in_boards_and_nothing_else(like, clone, tmp_path):
    before = files_in(clone)
    text = (ROOT / "boards" / f"{like}.toml").read_text()
    for key, value in OTHER_FACTS.items():
        text, changed = re.subn(rf"^({key} +=) \d+", rf"\1 {value}", text, flags=re.MULTILINE)
        assert changed == 1
    (clone / NEW).write_text(text)

    done = build(clone)
    assert done.returncode == 0, done.stdout + done.stderr
    run = run_in(clone, sys.executable, "-c", ATTACK_AND_REPAIR, str(clone), str(tmp_path / "archive"))
    assert run.returncode == 0, run.stderr

    said = json.loads(run.stdout)
    assert said["boards"] == str(clone)
    assert {key: said[key] for key in OTHER_FACTS} == OTHER_FACTS
    assert said["faults"] == ["count_reading"]
    assert (said["state"], said["armed"], said["hits"], said["more_faults"]) == ("UPDATED", True, 1, 0)
    assert said["answer"].endswith("refused\r\nbare> ")
    after = files_in(clone)
    assert {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)} <= {NEW}
    assert NEW in after
