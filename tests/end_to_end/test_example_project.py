"""The example project as an outsider runs it: the built wheel, its own firmware, nothing else."""

import os
import re
import shutil
import subprocess
import sys
import zipfile

import pytest
from patchctl.firmware import load_firmware

from tests.micropython.firmware import ROOT, firmware_elf

EXAMPLES = ROOT / "tools" / "examples"
MADE = shutil.ignore_patterns("build", ".pytest_cache", "__pycache__")
PROJECT = "[pytest]\npatchctl_boards = nrf52840dk\npatchctl_image = {image}\npatchctl_prompt = '>>> '\n"
TESTS = """
ATTACK = "import sys; sys.modules['m'] = 42\\nfrom m import *"

def test_unpatched_the_attack_faults(board):
    board.attack(ATTACK)
    assert [fault.function for fault in board.faults] == ["mp_import_all"]

def test_patched_it_is_an_exception_until_the_rollback(board, PATCH):
    board.push(PATCH)
    assert "ImportError" in board.attack(ATTACK) and board.faults == [] and board.hits("import_all") == 1
    assert board.run_script("print(6 * 7)").printed == "42\\n"
    board.rollback("import_all")
    board.attack(ATTACK)
    assert board.faults[0].function == "mp_import_all"

def test_a_push_that_loses_power_leaves_the_old_state_or_the_new(board, PATCH):
    with board.cut_power(after=2, shape=7) as cut:
        board.push(PATCH)
    assert cut.happened and board.console("1 + 1") == "2"
    board.push(PATCH)
    board.power_cycle()
    assert "ImportError" in board.attack(ATTACK)
    with board.cut_power(after=10_000, may_miss=True) as cut:
        board.rollback("import_all")
    assert not cut.happened
"""
CONFTEST = "import pathlib, pytest\n@pytest.fixture\ndef PATCH(): return pathlib.Path({patch!r})\n"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder that holds the unpacked wheel, as pip install --target leaves it."""
    folder = tmp_path_factory.mktemp("wheel")
    build = ["-m", "build", "--no-isolation", "--wheel", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run([sys.executable, *build], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    wheel = next(folder.glob("patchctl-*.whl"))
    target = folder / "site"
    install = ["-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", str(target), str(wheel)]
    subprocess.run([sys.executable, *install], check=True)
    return wheel, target


def run_pytest(folder, site):
    """pytest there, with the installed wheel before everything else."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(site)}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_wheel_holds_package_plugin_boards_and_nothing_of_the_checkout(installed):
    names = zipfile.ZipFile(installed[0]).namelist()

    assert {"patchctl/pytest_plugin.py", "patchctl/boards/nrf52840dk.toml"} <= set(names)
    assert {name.split("/")[0].split("-")[0] for name in names} == {"patchctl"}


def test_the_example_project_passes_its_own_tests_with_the_wheel(installed, tmp_path):
    project = shutil.copytree(EXAMPLES / "counter", tmp_path / "counter", ignore=MADE)
    subprocess.run(["make", "-s"], cwd=project, check=True)
    (project / "tests" / "test_where.py").write_text(
        f"import patchctl\ndef test(): assert patchctl.__file__.startswith({str(installed[1])!r})\n"
    )

    done = run_pytest(project, installed[1])

    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 passed" in done.stdout


def test_a_firmware_of_its_own_links_the_runtime_and_is_patched_over_a_power_cut(installed, tmp_path):
    project = shutil.copytree(EXAMPLES / "heater", tmp_path / "heater", ignore=MADE)
    for board in ("stm32l475", "nucleo_g0b1re"):
        subprocess.run(["make", "-s", f"PATCHCTL={ROOT}", f"BOARD={board}"], cwd=project, check=True)
    (project / "tests" / "test_where.py").write_text(
        f"import patchctl\ndef test(): assert patchctl.__file__.startswith({str(installed[1])!r})\n"
    )

    done = run_pytest(project, installed[1])

    assert done.returncode == 0, done.stdout + done.stderr
    assert "17 passed" in done.stdout


def build_ids(project):
    """Those of the images that the project has built, by board."""
    images = sorted(project.glob("build/**/*.elf"))
    return {image.parent.name: load_firmware(image).build_id for image in images}


@pytest.mark.parametrize(
    ("name", "runs"),
    [("counter", [[]]), ("heater", [[f"BOARD={board}"] for board in ("stm32l475", "nucleo_g0b1re")])],
)
def test_an_example_s_image_is_the_same_in_every_folder(tmp_path, name, runs):
    first = shutil.copytree(EXAMPLES / name, tmp_path / "a", ignore=MADE)
    second = shutil.copytree(EXAMPLES / name, tmp_path / "elsewhere" / "b", ignore=MADE)
    for project in (first, second):
        for arguments in runs:
            subprocess.run(["make", "-s", f"PATCHCTL={ROOT}", *arguments], cwd=project, check=True)

    assert build_ids(first) == build_ids(second)
    assert len(build_ids(first)) == len(runs)

    changed = next(second.glob("firmware/main.c"))
    changed.write_text(changed.read_text().replace("static void print(", "void print("))
    for arguments in runs:
        subprocess.run(["make", "-s", f"PATCHCTL={ROOT}", *arguments], cwd=second, check=True)
    assert all(build_ids(first)[board] != of_it for board, of_it in build_ids(second).items())


def test_without_the_runtime_s_sources_the_example_says_what_it_misses(tmp_path):
    project = shutil.copytree(EXAMPLES / "heater", tmp_path / "heater", ignore=MADE)

    done = subprocess.run(["make"], cwd=project, capture_output=True, text=True, check=False)

    assert done.returncode != 0
    assert "PATCHCTL must lead to a checkout of patchctl" in done.stderr
    assert subprocess.run(["make", "-s", "clean"], cwd=project, check=False).returncode == 0


def test_a_firmware_team_pushes_and_cuts_power_in_its_tests(installed, tmp_path):
    (tmp_path / "pytest.ini").write_text(PROJECT.format(image=firmware_elf()))
    (tmp_path / "conftest.py").write_text(CONFTEST.format(patch=str(ROOT / "patches" / "import_all")))
    (tmp_path / "test_patch.py").write_text(TESTS)

    done = run_pytest(tmp_path, installed[1])

    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


def test_the_test_that_readme_shows_passes_as_it_stands(installed, tmp_path):
    shown = re.search(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    (tmp_path / "pytest.ini").write_text(PROJECT.format(image=firmware_elf()))
    (tmp_path / "test_readme.py").write_text(shown.group(1))
    (tmp_path / "patches").symlink_to(ROOT / "patches")

    done = run_pytest(tmp_path, installed[1])

    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
