"""The contract is generated, current, and written nowhere else."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import contract as generator
import pytest

ROOT = Path(__file__).resolve().parents[2]
GENERATED = generator.outputs()
HAND_WRITTEN = [
    path
    for folder in ("host", "device_runtime/core", "device_runtime/port", "device_runtime/micropython")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in {".py", ".c", ".h"} and path not in GENERATED
]


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: path.name)
def test_committed_copy_is_what_the_tables_make(path):
    assert path.read_text() == GENERATED[path]


def test_check_refuses_a_copy_that_differs(tmp_path):
    script = "import contract, pathlib; contract.PYTHON = pathlib.Path('stale.py');"
    script += " contract.ROOT = pathlib.Path('.');"
    (tmp_path / "stale.py").write_text("LEVEL = 0\n")
    run = subprocess.run(
        [
            sys.executable,
            "-c",
            script + "contract.sys.argv = ['contract', '--check']; raise SystemExit(contract.main())",
        ],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT / "tools")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 1
    assert "stale.py: differs from the tables; run ./tools/dev fix" in run.stderr


@pytest.mark.parametrize("kind", ["op", "status", "counter", "fault", "verdict"])
def test_two_rows_with_one_code_are_refused(kind):
    tables = generator.load()
    tables[kind] = [*tables[kind], tables[kind][0] | {"name": "twin"}]

    with pytest.raises(SystemExit, match=rf"two rows of \[\[{kind}\]\] share a code"):
        generator.reject_duplicates(tables)


def test_contract_id_changes_with_any_row():
    tables = generator.load()
    before = generator.contract_id(tables)
    tables["status"][3]["text"] += "."

    assert generator.contract_id(tables) != before


def test_no_code_of_a_released_row_ever_changes():
    released = tomllib.loads((ROOT / "tests/vectors/contract/released.toml").read_text())
    tables = generator.load()
    now = {kind: {row["name"]: row["code"] for row in tables[kind]} for kind in released}

    assert {kind: {n: now[kind].get(n) for n in released[kind]} for kind in released} == released


@pytest.mark.parametrize("path", HAND_WRITTEN, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_status_or_opcode_number_is_written_by_hand(path):
    # Crude on purpose: it makes the first copy awkward. A row's value beside the word that names its table.
    pattern = re.compile(
        r"\b(?:status|opcode|verdict|fault)\w*\s*(?:==|!=|=)\s*-?(?:0x)?[0-9a-f]*[1-9a-f][0-9a-f]*\b(?!\w)",
        re.I,
    )
    hits = [
        line.strip()
        for line in path.read_text().splitlines()
        if (found := pattern.search(line)) and re.search(r"[=\s]-?(?:0x[0-9a-f]+|\d+)$", found.group())
    ]

    assert hits == []
