"""Words and sizes: glossary, no marks left behind, small pieces."""

import ast
import re
import subprocess
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
TEXTS = [
    ROOT / name
    for name in LISTED
    if re.search(r"\.(py|c|h|S|toml|md|ld|mk|sh)$|^tools/dev$|Makefile$", name) and (ROOT / name).exists()
]
SELF = Path(__file__).resolve()
MARKS = re.compile(
    r"\b(TODO|FIXME|XXX|HACK)\b|must match|keep in sync|except Exception|except:\s*$|assert True\b"
)
MACHINES = re.compile(
    r"/(wor[k]|far[m])/|/roo[t]/|deb\.debian\.org|pypi\.org|files\.pythonhosted|registry\.npmjs"
)
BOARDS = [path.stem for path in (ROOT / "boards").glob("*.toml")]
GENERATED = {ROOT / "host/patchctl/contract.py"}
MODULES = [path for path in TEXTS if path.suffix == ".py" and path not in GENERATED]


def lines_with(pattern: re.Pattern[str], path: Path) -> list[str]:
    text = path.read_text()
    return [
        f"{number}: {line.strip()}"
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


@pytest.mark.parametrize(
    "path", [p for p in TEXTS if p != SELF], ids=lambda path: str(path.relative_to(ROOT))
)
def test_no_mark_of_unfinished_work_or_of_a_machine(path):
    assert lines_with(MARKS, path) == []
    assert lines_with(MACHINES, path) == []


@pytest.mark.parametrize(
    "path",
    [
        p
        for p in TEXTS
        if p.relative_to(ROOT).parts[0] in {"host", "device_runtime"}
        and p.suffix in {".py", ".c", ".h", ".S"}
    ],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_no_board_is_named_in_code(path):
    code = "\n".join(line.split("#")[0] for line in path.read_text().splitlines())
    strings = ast_strings(path) if path.suffix == ".py" else code

    assert [name for name in BOARDS if re.search(rf"\b{name}\b", strings)] == []


def ast_strings(path: Path) -> str:
    """Every name and string of a module but its docstrings, where an example may name a board."""
    tree = ast.parse(path.read_text())
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    documentation = {
        id(n.body[0].value) for n in ast.walk(tree) if isinstance(n, owners) and ast.get_docstring(n, False)
    }
    words = [
        n.value
        for n in ast.walk(tree)
        if isinstance(n, ast.Constant) and isinstance(n.value, str) and id(n) not in documentation
    ]
    return "\n".join(words + [n.id for n in ast.walk(tree) if isinstance(n, ast.Name)])


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_python_function_is_longer_than_sixty_lines(path):
    functions = [
        n
        for n in ast.walk(ast.parse(path.read_text()))
        if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
    ]

    assert [f.name for f in functions if (f.end_lineno or 0) - f.lineno >= 60] == []


@pytest.mark.parametrize(
    "path",
    [p for p in MODULES if p.relative_to(ROOT).parts[0] != "tests"],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_no_module_is_longer_than_four_hundred_lines(path):
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize(
    "path", [p for p in TEXTS if p.suffix in {".c", ".S"}], ids=lambda path: str(path.relative_to(ROOT))
)
def test_no_c_file_is_longer_than_six_hundred_lines(path):
    assert len(path.read_text().splitlines()) <= 600
