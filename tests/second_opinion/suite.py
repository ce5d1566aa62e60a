"""Stop 12 of 12. MicroPython's own test-suite, from its source package, on an emulated board.

A test passes if it prints what its .exp file says or, where it has none, what CPython prints for it; what a
firmware has no feature for is skipped, as the suite's own run-tests.py does. Each test starts from one
snapshot of a board in raw REPL. differences.toml says which tests differ, and why. Next: test_suite.py
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import deps
from patchctl.board import load_board
from patchctl.emulator import Machine
from patchctl.errors import InputError

DIFFERENCES: Final = Path(__file__).parent / "differences.toml"
FOLDERS: Final = ("basics", "float", "micropython", "unicode", "misc", "inlineasm/thumb")
LIMIT_US: Final = 20_000_000  # the longest prints 74 kB, at 11.5 kB a second
_RAW_PROMPT: Final = b"raw REPL; CTRL-B to exit\r\n>"
_END: Final = b"\x04"
_SKIPPED: Final = b"SKIP\n"
_CPYTHON_S: Final = 60


def _starts(*prefixes: str) -> Callable[[str], bool]:
    return lambda name: name.rpartition("/")[2].startswith(prefixes)


def _named(*names: str) -> Callable[[str], bool]:
    return lambda name: name in names


def _big(name: str) -> bool:
    return _starts("int_big")(name) or name.endswith("_intbig")


@dataclass(frozen=True, slots=True)
class Feature:
    """What a board may lack: the check in feature_check, what it prints if there, the tests that need it."""

    check: str
    prints: bytes
    needed_by: Callable[[str], bool]


# run-tests.py checks bytearray, set, slice and reverse operators too; this level of features always has them.
_COMPLEX: Final = ("float/complex", "float/int_big_float", "float/true_value", "float/types")
FEATURES: Final = (
    Feature("native_check", b"native\n", _starts("native_", "viper_")),
    Feature("int_big", b"1000000000000000000000000000000000000000000000\n", _big),
    Feature("async_check", b"async\n", _starts("async_", "asyncio_")),
    Feature("const", b"1\n", _starts("const")),
    Feature("io_module", b"io\n", _starts("io_")),
    Feature("fstring", b"a=1\n", _starts("string_fstring")),
    Feature("byteorder", b"little\n", lambda name: name.endswith("_endian")),
    Feature("complex", b"complex\n", lambda name: name.startswith(_COMPLEX)),
    Feature("inlineasm_thumb", b"thumb\n", _starts("asm")),
    Feature(
        "inlineasm_thumb2",
        b"thumb2\n",
        _starts("asmbcc", "asmbitops", "asmconst", "asmdiv", "asmfp", "asmit", "asmspecialregs"),
    ),
    Feature(
        "float",
        b"64\n",
        _named(
            "float/float_divmod",
            "float/float2int_doubleprec_intbig",
            "float/float_format_ints_doubleprec",
            "float/float_parse_doubleprec",
        ),
    ),
)

SKIPS: Final = {
    "basics/exception_chain": "run-tests.py: the warning is printed on a PC only",
    "micropython/meminfo": "run-tests.py: the layout is a PC's",
    "basics/bytes_compare3": "its .exp is a pattern, not a text",
    "basics/builtin_help": "its .exp is a pattern, not a text",
    "unicode/file1": "needs a file system",
    "unicode/file2": "needs a file system",
    "unicode/file_invalid": "needs a file system",
}


def folder() -> Path:
    """The suite in the cache of third-party sources."""
    source = next(row for row in deps.load_table() if row.name == "micropython")
    return source.folder / "tests"


def names() -> list[str]:
    """Every test of FOLDERS, as basics/string1."""
    root = folder()
    paths = (path for name in FOLDERS for path in sorted((root / name).glob("*.py")))
    return [str(path.relative_to(root).with_suffix("")) for path in paths]


def differences(board: str) -> Mapping[str, str]:
    """Tests that are known to print something else on `board`, and why."""
    rows = tomllib.loads(DIFFERENCES.read_text(encoding="utf-8")).get("difference", [])
    return {row["name"]: row["reason"] for row in rows if board in row.get("boards", [board])}


def expected(name: str) -> bytes:
    """What the test should print."""
    path = folder() / f"{name}.py"
    written = path.with_suffix(".py.exp")
    if written.exists():
        return written.read_bytes().replace(b"\r\n", b"\n")
    done = subprocess.run(
        [sys.executable, "-BS", str(path)],
        cwd=path.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=_CPYTHON_S, check=False,
        env={"PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    return done.stdout


class Suite:
    """One board in raw REPL, set back for each test."""

    def __init__(self, board: str, elf: Path) -> None:
        self._machine = Machine(load_board(board), elf)
        self._machine.run_until_output(b">>> ")
        self._machine.serial.feed(b"\r\x01")
        self._machine.run_until_output(_RAW_PROMPT)
        self._ready = self._machine.snapshot()
        self.lacking = [row for row in FEATURES if self.run(f"feature_check/{row.check}") != row.prints]

    def run(self, name: str) -> bytes:
        """What the test prints on the board, or how it hung, after LIMIT_US of virtual time a part."""
        machine = self._machine
        machine.restore(self._ready)
        machine.serial.feed((folder() / f"{name}.py").read_bytes() + _END)
        try:
            machine.run_until_output(b"OK", limit_us=LIMIT_US)
            printed = machine.run_until_output(_END, limit_us=LIMIT_US)
            error = machine.run_until_output(_END, limit_us=LIMIT_US)
        except InputError as problem:
            return f"no end: {problem}\n".encode()
        return (printed.removesuffix(_END) + error.removesuffix(_END)).replace(b"\r\n", b"\n")

    def skips(self, name: str) -> bool:
        """Whether the firmware lacks what the test needs, or SKIPS has it."""
        return name in SKIPS or any(row.needed_by(name) for row in self.lacking)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How some tests went; `differing` maps names to what the board printed."""

    passed: tuple[str, ...]
    skipped: tuple[str, ...]
    differing: Mapping[str, bytes]

    def surprises(self, listed: Mapping[str, str]) -> list[str]:
        """Where differences.toml is wrong: a test that differs unlisted, or is listed and does not differ."""
        unlisted = [f"{name} differs, unlisted" for name in self.differing if name not in listed]
        agrees = [f"{name} is listed, but passes" for name in self.passed if name in listed]
        skipped = [f"{name} is listed, but skipped" for name in self.skipped if name in listed]
        return unlisted + agrees + skipped


def run_suite(suite: Suite, tests: Iterable[str], told: Callable[[str], None] = lambda _: None) -> Outcome:
    """Runs `tests` one after the other; `told` hears each name."""
    passed, skipped, differing = list[str](), list[str](), dict[str, bytes]()
    for name in tests:
        told(name)
        printed = _SKIPPED if suite.skips(name) else suite.run(name)
        if printed == _SKIPPED:
            skipped.append(name)
        elif printed == expected(name):
            passed.append(name)
        else:
            differing[name] = printed
    return Outcome(tuple(passed), tuple(skipped), differing)
