"""The arrows hold: import layers, and the four gates that make the portable core a fact."""

import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import deps
import pytest

ROOT = Path(__file__).resolve().parents[2]
RUNTIME = ROOT / "device_runtime"
CORE = sorted((RUNTIME / "core").glob("*.c"))
CORE_HEADERS = {path.name for path in (RUNTIME / "core").glob("*.h")}
WARNINGS = "-std=c11 -ffreestanding -Wall -Wextra -Wconversion -Wswitch-enum -Werror -Os".split()
MONOCYPHER = deps.named(deps.load_table(), "monocypher").folder
INCLUDES = [f"-I{RUNTIME / 'include'}", f"-I{RUNTIME}", f"-I{MONOCYPHER}"]
CORES = ("cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m33")
SYSTEM_HEADERS = {"stdint.h", "stdbool.h", "stddef.h", "string.h"}
# mem*, the compiler's own arithmetic, and Monocypher, which every build links.
ALLOWED = re.compile(r"mem(cpy|set|move|cmp)|__aeabi_\w+|__gnu_thumb1_case_\w+|crypto_(eddsa|wipe|verify)\w*")


def compile_objects(cpu: str, folder: Path, sources) -> list[Path]:
    objects = []
    for source in sources:
        objects.append(folder / f"{source.stem}.o")
        command = [
            "arm-none-eabi-gcc",
            f"-mcpu={cpu}",
            "-mthumb",
            "-mgeneral-regs-only",
            *WARNINGS,
            *INCLUDES,
        ]
        subprocess.run([*command, "-c", str(source), "-o", str(objects[-1])], check=True)
    return objects


def compile_core(cpu: str, folder: Path, sources=CORE) -> Path:
    """All core objects of one core type, joined so that calls between them resolve."""
    objects = compile_objects(cpu, folder, sources)
    joined = folder / "core.o"
    subprocess.run(["arm-none-eabi-ld", "-r", "-o", str(joined), *map(str, objects)], check=True)
    return joined


def symbols(joined: Path) -> list[tuple[str, str]]:
    """(kind, name) of every symbol, as nm sees them."""
    text = subprocess.run(
        ["arm-none-eabi-nm", str(joined)], check=True, capture_output=True, text=True
    ).stdout
    return [tuple(line.split()[-2:]) for line in text.splitlines()]


def foreign(joined: Path) -> list[str]:
    return [name for kind, name in symbols(joined) if kind == "U" and not ALLOWED.fullmatch(name)]


def writable(joined: Path) -> list[str]:
    return [name for kind, name in symbols(joined) if kind in "bBdDC"]


def test_upper_floors_look_down_never_up():
    run = subprocess.run(
        [Path(sys.executable).with_name("lint-imports")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stdout


def test_no_layer_has_an_exception():
    assert "ignore_imports" not in (ROOT / "pyproject.toml").read_text()


@pytest.mark.parametrize("cpu", CORES)
def test_core_needs_nothing_and_keeps_nothing(cpu, tmp_path):
    joined = compile_core(cpu, tmp_path)

    assert foreign(joined) == []
    assert writable(joined) == []


@pytest.mark.parametrize(
    ("planted", "gate"),
    [
        ("void *malloc(unsigned); void *f(void); void *f(void) { return malloc(4U); }", foreign),
        ("int f(void); int f(void) { static int hits; return ++hits; }", writable),
    ],
    ids=["a heap", "hidden state"],
)
def test_gates_catch_what_is_planted(planted, gate, tmp_path):
    source = tmp_path / "planted.c"
    source.write_text(planted + "\n")

    assert gate(compile_core("cortex-m4", tmp_path, [source])) != []


def calls(objects: list[Path]) -> dict[str, set[str]]:
    """By file, the files whose functions it calls."""
    tables = {path.stem: symbols(path) for path in objects}
    home = {name: stem for stem, table in tables.items() for kind, name in table if kind in "TR"}
    return {
        stem: {home[name] for kind, name in table if kind == "U" and name in home}
        for stem, table in tables.items()
    }


def test_no_file_of_the_core_calls_one_that_calls_it(tmp_path):
    objects = compile_objects("cortex-m4", tmp_path, CORE)

    assert len(list(TopologicalSorter(calls(objects)).static_order())) == len(CORE)


def test_a_circle_of_files_is_caught(tmp_path):
    for one, other in ("ab", "ba"):
        text = f"int {other}(void);\nint {one}(void);\nint {one}(void) {{ return {other}(); }}\n"
        (tmp_path / f"{one}.c").write_text(text)
    objects = compile_objects("cortex-m4", tmp_path, sorted(tmp_path.glob("*.c")))

    with pytest.raises(CycleError):
        TopologicalSorter(calls(objects)).prepare()


@pytest.mark.parametrize("path", sorted((RUNTIME / "core").glob("*.[ch]")), ids=lambda path: path.name)
def test_core_includes_integer_types_only(path):
    assert set(re.findall(r"#include <([^>]+)>", path.read_text())) <= SYSTEM_HEADERS


PORT_SOURCES = [
    path
    for folder in ("port", "micropython", "bare", "threads")
    for path in sorted((RUNTIME / folder).rglob("*.[chS]"))
    if path.relative_to(RUNTIME).parts[1] != "native"
]


@pytest.mark.parametrize("path", PORT_SOURCES, ids=lambda path: str(path.relative_to(RUNTIME)))
def test_ports_and_bindings_include_no_header_of_the_core(path):
    included = {Path(name).name for name in re.findall(r'#include "([^"]+)"', path.read_text())}

    assert not included & CORE_HEADERS


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.name)
def test_at_most_ten_conditionals_in_a_core_file(path):
    assert len(re.findall(r"^ *# *if", path.read_text(), re.M)) <= 10
