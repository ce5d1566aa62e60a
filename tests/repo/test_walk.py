"""The walk of ARCHITECTURE.md is the walk of the sources: same stops, same files, each signposted."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(p for p in (ROOT / "host/patchctl").rglob("*.py") if p.name != "__init__.py")
CORE = sorted((ROOT / "device_runtime/core").glob("*.c"))
STOP = re.compile(r"Stops? (\d+)(?: (?:to|and) (\d+))? of 12\. \S")


def signpost(path: Path) -> str:
    """The first docstring of a module, or the leading comment of a C file."""
    text = path.read_text()
    if path.suffix == ".py":
        return ast.get_docstring(ast.parse(text)) or ""
    return "\n".join(
        line.lstrip("/ ") for line in re.split(r"^(?!//)", text, maxsplit=1, flags=re.M)[0].splitlines()
    )


def stops_of(path: Path) -> range:
    found = STOP.match(signpost(path))
    assert found, f"{path.relative_to(ROOT)} does not begin with its stop"
    first = int(found.group(1))
    return range(first, int(found.group(2) or first) + 1)


def walk() -> list[tuple[int, Path]]:
    """(stop, file) of every row of the walk table."""
    rows = re.findall(r"^\| (\d+) \w+ \| ([^|]+) \|", (ROOT / "ARCHITECTURE.md").read_text(), re.M)
    return [(int(stop), ROOT / name) for stop, cell in rows for name in re.findall(r"`([\w/.]+)`", cell)]


def test_the_table_has_twelve_stops_in_order():
    stops = [stop for stop, _ in walk()]

    assert sorted(set(stops)) == list(range(1, 13))
    assert stops == sorted(stops)


@pytest.mark.parametrize("path", MODULES + CORE, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_begins_with_its_stop(path):
    assert 1 <= stops_of(path)[0] <= stops_of(path)[-1] <= 12


@pytest.mark.parametrize(("stop", "path"), walk(), ids=lambda value: getattr(value, "name", str(value)))
def test_a_file_of_the_table_stands_at_its_stop(stop, path):
    assert path.exists()
    if path.suffix in {".py", ".c"} and path.parts[-3] != "patches" and "patches" not in path.parts:
        assert stop in stops_of(path)


@pytest.mark.parametrize("path", MODULES + CORE, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_next_of_a_signpost_exists(path):
    named = re.findall(r"Next: ((?:[\w./-]+/)?[\w-]+\.(?:py|c|h|S))", signpost(path))
    places = (path.parent, ROOT, ROOT / "host", ROOT / "host/patchctl", ROOT / "device_runtime")

    assert [name for name in named if not any((place / name).exists() for place in places)] == []
