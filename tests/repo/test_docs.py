"""Documents cannot lie for long: their paths exist, their commands exist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LISTED = subprocess.run(
    ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=True,
).stdout.splitlines()
DOCUMENTS = [ROOT / name for name in LISTED if name.endswith(".md") and (ROOT / name).exists()]
PATH = re.compile(r"`((?:host|device_runtime|patches|boards|tests|tools)/[\w./-]+)`")
TOP_LEVEL = {"host", "device_runtime", "patches", "boards", "tests", "tools", ".ci"}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_path_in_a_document_exists(document):
    missing = [path for path in PATH.findall(document.read_text()) if not (ROOT / path).exists()]

    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_development_verb_in_a_document_exists(document):
    shown = subprocess.run([ROOT / "tools/dev", "help"], capture_output=True, text=True, check=True).stdout
    known = set(re.findall(r"\./tools/dev (\w+)", shown))

    assert set(re.findall(r"\./tools/dev (\w+)", document.read_text())) <= known


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_patchctl_verb_in_a_code_block_exists(document):
    blocks = "\n".join(re.findall(r"^```(?:sh|text)?\n(.*?)^```", document.read_text(), re.M | re.S))
    verbs = sorted(set(re.findall(r"(?:^|/)patchctl (?:--json )?([a-z][a-z-]*)", blocks, re.M)))
    unknown = [
        verb
        for verb in verbs
        if subprocess.run(
            [sys.executable, "-m", "patchctl.cli.main", verb, "--help"], capture_output=True, check=False
        ).returncode
    ]

    assert unknown == []


def test_no_other_top_level_folder_exists():
    assert {name.split("/")[0] for name in LISTED if "/" in name} <= TOP_LEVEL


def test_nothing_built_is_committed():
    assert [
        name for name in LISTED if re.search(r"\.(o|pyc|bin|elf|so|hex)$", name) and "vectors" not in name
    ] == []


def test_the_python_versions_agree():
    text = (ROOT / "pyproject.toml").read_text()
    required = re.search(r'requires-python = ">=3\.(\d+)"', text)
    target = re.search(r'target-version = "py3(\d+)"', text)

    assert required and target and required.group(1) == target.group(1)
