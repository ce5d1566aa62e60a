"""Stops 2 to 12 of 12. The pytest plugin: a `board` fixture over boards and images, and what a test needs.

Takes options, ini keys and marks; gives each test a booted board (bench.py). Ini keys: patchctl_boards,
patchctl_image, patchctl_prompt; docs in tools/examples/README.md. Loaded in every pytest run where patchctl
is installed, so it imports the emulator only for a test that asks for a board. Next: bench.py
"""

from __future__ import annotations

import ast
import re
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from patchctl.errors import PatchctlError

if TYPE_CHECKING:
    from _pytest.mark.structures import ParameterSet

    from patchctl.bench import Bench, Booted, Target

_BOARDS: Final = "patchctl_boards"
_IMAGE: Final = "patchctl_image"
_PROMPT: Final = "patchctl_prompt"
_MARKS: Final = (
    "needs(*capabilities): skip on boards and images without them: fpb, fpu, a core such as cortex-m33, "
    "console, runtime, fixed_sites, micropython",
    "boards(*names): run on these boards only",
    "images(*names): run with these images only",
)
_BRACES: Final = re.compile(r"\{[^{}]*\}")
_NAMED_PROMPT: Final = re.compile(r"(?P<image>[A-Za-z_][\w-]*)\s*=\s*(?P<prompt>.*)")


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
        _PROMPT,
        'lines [NAME=]TEXT: what the firmware, or the image NAME, says when it is ready, "" if nothing; '
        "may be quoted",
        type="linelist",
        default=['">>> "'],
    )


def pytest_configure(config: pytest.Config) -> None:
    """Makes the marks known."""
    for mark in _MARKS:
        config.addinivalue_line("markers", mark)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One run of a test for each board and image."""
    if "patchctl_target" not in metafunc.fixturenames:
        return
    configured = _targets(metafunc.config)
    _prompts(metafunc.config)  # a mistake there is said before anything boots
    boards = _marked(metafunc, "boards", _board_names())
    images = _marked(metafunc, "images", _image_names(metafunc.config))
    targets = [target for target in configured if boards is None or target.board in boards]
    targets = [target for target in targets if images is None or target.image_name in images]
    nowhere = [] if targets else [_nowhere({"boards": boards, "images": images}, configured)]
    metafunc.parametrize("patchctl_target", targets or nowhere, ids=str, scope="session", indirect=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, None, None]:
    """Where a test ends in an error of patchctl, the report also says where and what to try."""
    try:
        yield
    except PatchctlError as problem:
        problem.add_note(problem.line())
        raise


def _nowhere(marked: Mapping[str, set[str] | None], configured: Iterable[Target]) -> ParameterSet:
    """What stands for the targets of a test whose marks leave none of them: a skip that says so."""
    only = " and ".join(
        f"{kind} {', '.join(sorted(names)) or 'none'}" for kind, names in marked.items() if names is not None
    )
    reason = f"marked for {only}; configured: {', '.join(map(str, configured))}"
    return pytest.param(None, id="nowhere", marks=pytest.mark.skip(reason=reason))


def _marked(metafunc: pytest.Metafunc, mark: str, known: Iterable[str]) -> set[str] | None:
    """The names in the marks; None without such a mark."""
    marks = list(metafunc.definition.iter_markers(mark))
    for name in (name for one in marks for name in one.args):
        _check(name, known, f"{metafunc.definition.nodeid}: the mark {mark!r} names")
    return set.intersection(*(set(one.args) for one in marks)) if marks else None


def _check(name: str, known: Iterable[str], who: str) -> None:
    """UsageError unless `name` is one of `known`."""
    if name in known:
        return
    near = get_close_matches(name, list(known), n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(known)) or 'none'}"
    raise pytest.UsageError(f"{who} {name!r}, which there is not ({hint})")


def _board_names() -> tuple[str, ...]:
    from patchctl.board import board_names

    return board_names()


@dataclass(frozen=True, slots=True)
class _Image:
    """One line [NAME=]ELF; `path` is relative to `folder`, and may hold {board}."""

    name: str
    folder: Path
    path: str

    def of(self, board: str) -> Path:
        """The ELF for `board`; UsageError for anything else in braces."""
        path = self.path.replace("{board}", board)
        unknown = _BRACES.search(path)
        if unknown:
            known = "only {board} stands for something there"
            raise pytest.UsageError(f"{_IMAGE}: {self.path} has {unknown[0]}, and {known}")
        return (self.folder / path).absolute()


def _rows(lines: Iterable[str], folder: Path) -> list[_Image]:
    pairs = [line.rpartition("=")[::2] for line in lines]
    return [_Image(name.strip(), folder, path.strip()) for name, path in pairs]


def _images(config: pytest.Config) -> tuple[list[_Image], list[_Image]]:
    """Those of the command line, and those of the ini file."""
    folder = config.inipath.parent if config.inipath else config.rootpath
    given = _rows(config.getoption("--patchctl-image") or [], Path.cwd())
    return given, _rows(config.getini(_IMAGE), folder)


def _image_names(config: pytest.Config) -> set[str]:
    return {image.name for images in _images(config) for image in images if image.name}


def _targets(config: pytest.Config) -> list[Target]:
    from patchctl.bench import Target

    option = config.getoption("--patchctl-boards")
    names = [name.strip() for name in option.split(",")] if option else config.getini(_BOARDS)
    given, of_ini = _images(config)
    if not names or not (given or of_ini):
        raise pytest.UsageError(
            f"the board fixture needs boards and an image: set {_BOARDS} and {_IMAGE} in the ini file"
        )
    for name in names:
        _check(name, _board_names(), f"{_BOARDS} names the board")
    return [Target(board, image.name, image.of(board)) for board in names for image in given or of_ini]


@pytest.fixture(scope="session")
def patchctl_target(request: pytest.FixtureRequest) -> Target:
    """The board and image of this run."""
    target: Target = request.param
    return target


@pytest.fixture(scope="session")
def patchctl_prompt(pytestconfig: pytest.Config, patchctl_target: Target) -> bytes:
    """What the firmware says when it is ready."""
    prompts = _prompts(pytestconfig)
    return prompts.get(patchctl_target.image_name, prompts.get("", "")).encode()


def _prompts(config: pytest.Config) -> dict[str, str]:
    """By image; "" is the one for all others."""
    prompts = {}
    for line in config.getini(_PROMPT):
        named = _NAMED_PROMPT.fullmatch(line)
        name, text = (named["image"], named["prompt"]) if named else ("", line)
        if named:
            _check(name, _image_names(config), f"{_PROMPT} names the image")
        prompts[name] = _unquoted(text)
    return prompts


def _unquoted(text: str) -> str:
    if len(text) < 2 or text[0] != text[-1] or text[0] not in "\"'":
        return text
    try:
        return str(ast.literal_eval(text))
    except (SyntaxError, ValueError) as problem:
        raise pytest.UsageError(f"{_PROMPT}: {text} is not a quoted text of Python") from problem


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
    from patchctl.bench import IMAGE_CAPABILITIES, board_capabilities
    from patchctl.board import load_board

    of_boards = {name for board in _board_names() for name in board_capabilities(load_board(board))}
    known = of_boards | IMAGE_CAPABILITIES
    unknown = _needed(node) - known
    if unknown:
        pytest.fail(f"no capability {min(unknown)!r}; known: {', '.join(sorted(known))}", pytrace=False)
    _skip_missing(node, board_capabilities(load_board(target.board)) | IMAGE_CAPABILITIES, target)


def _skip_missing(node: pytest.Item, found: frozenset[str], target: Target) -> None:
    missing = _needed(node) - found
    if missing:
        pytest.skip(f"{target} has no {', '.join(sorted(missing))}")
