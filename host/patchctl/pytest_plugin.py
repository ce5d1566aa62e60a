"""Stops 2 to 12 of 12. The pytest plugin: a `board` fixture over boards and images, and what a test needs.

Takes options, ini keys and marks; gives each test a booted board (bench.py). Ini keys: patchctl_boards,
patchctl_image, patchctl_prompt; docs in tools/examples/README.md. Loaded in every pytest run where patchctl
is installed, so it imports the emulator only for a test that asks for a board. Next: bench.py
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from patchctl.errors import PatchctlError

if TYPE_CHECKING:
    from patchctl.bench import Bench, Booted, Target

_BOARDS: Final = "patchctl_boards"
_IMAGE: Final = "patchctl_image"
_PROMPT: Final = "patchctl_prompt"
_MARKS: Final = (
    "needs(*capabilities): skip on boards without them: fpb, fpu, runtime, or a core such as cortex-m33",
    "boards(*names): run on these boards only",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The ini keys, and options that take their place."""
    group = parser.getgroup("patchctl", "emulated boards")
    group.addoption(
        "--patchctl-boards", metavar="NAMES", help="boards to test on, by commas; in place of the ini key"
    )
    group.addoption(
        "--patchctl-image", action="append", metavar="[NAME=]ELF", help="image to test; may repeat"
    )
    parser.addini(_BOARDS, "boards that the board fixture stands for", type="args", default=[])
    parser.addini(
        _IMAGE,
        "lines [NAME=]ELF relative to the ini file; {board} stands for the board's name",
        type="linelist",
        default=[],
    )
    parser.addini(
        _PROMPT, 'what the firmware says when it is ready, "" if nothing; may be quoted', default=">>> "
    )


def pytest_configure(config: pytest.Config) -> None:
    """Makes the marks known."""
    for mark in _MARKS:
        config.addinivalue_line("markers", mark)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One run of a test for each board and image."""
    if "patchctl_target" not in metafunc.fixturenames:
        return
    targets = _targets(metafunc.config)
    for mark in metafunc.definition.iter_markers("boards"):
        targets = [target for target in targets if target.board in mark.args]
    metafunc.parametrize("patchctl_target", targets, ids=str, scope="session", indirect=True)


def _targets(config: pytest.Config) -> list[Target]:
    from patchctl.bench import Target

    option = config.getoption("--patchctl-boards")
    names = option.split(",") if option else config.getini(_BOARDS)
    rows = [row.rpartition("=")[::2] for row in config.getoption("--patchctl-image") or []]
    images = [(name, Path(path)) for name, path in rows]
    if not images:
        folder = config.inipath.parent if config.inipath else config.rootpath
        lines = [line.rpartition("=")[::2] for line in config.getini(_IMAGE)]
        images = [(name.strip(), folder / path.strip()) for name, path in lines]
    if not names or not images:
        raise pytest.UsageError(
            f"the board fixture needs boards and an image: set {_BOARDS} and {_IMAGE} in the ini file"
        )
    return [
        Target(board, name, Path(str(path).format(board=board)).absolute())
        for board in names
        for name, path in images
    ]


@pytest.fixture(scope="session")
def patchctl_target(request: pytest.FixtureRequest) -> Target:
    """The board and image of this run."""
    target: Target = request.param
    return target


@pytest.fixture(scope="session")
def patchctl_prompt(pytestconfig: pytest.Config) -> bytes:
    """What the firmware says when it is ready. Override it where images differ."""
    text = str(pytestconfig.getini(_PROMPT))
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    return str(ast.literal_eval(text) if quoted else text).encode()


@pytest.fixture(scope="session")
def patchctl_booted() -> dict[Target, Booted]:
    """Every board that this session has booted."""
    return {}


@pytest.fixture
def board(
    request: pytest.FixtureRequest,
    patchctl_target: Target,
    patchctl_prompt: bytes,
    patchctl_booted: dict[Target, Booted],
    tmp_path: Path,
) -> Iterator[Bench]:
    """An emulated board at its prompt; each test finds it as it was after boot."""
    from patchctl import bench

    try:
        _skip_without(request.node, patchctl_target)
        if patchctl_target not in patchctl_booted:
            patchctl_booted[patchctl_target] = bench.boot(patchctl_target, patchctl_prompt)
    except PatchctlError as problem:
        pytest.fail(f"{patchctl_target} is not ready: {problem.line()}", pytrace=False)
    on_bench = bench.Bench(
        patchctl_target, patchctl_booted[patchctl_target], patchctl_prompt, tmp_path / "archive"
    )
    _skip_missing(request.node, on_bench.capabilities, patchctl_target)
    yield on_bench
    on_bench.close()


def _needed(node: pytest.Item) -> set[str]:
    return {name for mark in node.iter_markers("needs") for name in mark.args}


def _skip_without(node: pytest.Item, target: Target) -> None:
    """Before the board is booted: what its facts already tell."""
    from patchctl.bench import board_capabilities
    from patchctl.board import board_names, load_board

    known = {name for board in board_names() for name in board_capabilities(load_board(board))} | {"runtime"}
    unknown = _needed(node) - known
    if unknown:
        pytest.fail(f"no capability {min(unknown)!r}; known: {', '.join(sorted(known))}", pytrace=False)
    _skip_missing(node, board_capabilities(load_board(target.board)) | {"runtime"}, target)


def _skip_missing(node: pytest.Item, found: frozenset[str], target: Target) -> None:
    missing = _needed(node) - found
    if missing:
        pytest.skip(f"{target} has no {', '.join(sorted(missing))}")
