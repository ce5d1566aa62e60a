"""Stop 12 of 12. MicroPython's own test-suite, from its source package, on an emulated board.

A test passes if it prints what its .exp file says or, where it has none, what CPython prints for it; what a
firmware has no feature, module or file system for is skipped, with its reason, as the suite's own
run-tests.py does. Each test starts from one snapshot of a board in raw REPL and ends at a limit.
differences.toml says which tests differ, and why. Next: needs.py
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import deps
from patchctl.board import load_board
from patchctl.emulator import Machine
from patchctl.emulator.console import END_OF_TEXT, PROMPT, Console
from patchctl.errors import PatchctlError

from tests.second_opinion.needs import Needs, is_of_the_suite, needs_of

DIFFERENCES: Final = Path(__file__).parent / "differences.toml"
# The suite's other folders are for a PC's command line, networks, threads, hardware and other ports.
FOLDERS: Final = (
    "basics", "float", "micropython", "unicode", "misc", "inlineasm/thumb",
    "extmod", "io", "stress", "import",
)  # fmt: skip
# A whole test, its script's way over the line included; the longest prints 74 kB, at 11.5 kB a second.
LIMIT_US: Final = 60_000_000
LIMIT_INSTRUCTIONS: Final = 2_500_000_000  # basics/builtin_pow3_intbig takes 704 million on an M4
_SKIPPED: Final = b"SKIP\n"
_CPYTHON_S: Final = 60
_NO_FILES: Final = "no file system"
_PROBE: Final = "for n in {}:\n try: __import__(n)\n except ImportError: print(n)\n"


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
    "io/argv": "a script in raw REPL has no file name",
    "import/builtin_ext": _NO_FILES,
}
_OPENS_FILES: Final = ("io/", "unicode/")  # elsewhere a test that opens files brings what it opens, or skips


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


@cache
def needs(name: str) -> Needs:
    """What a test needs before it can run."""
    return needs_of(folder() / f"{name}.py")


class Suite:
    """One board in raw REPL, set back for each test."""

    def __init__(self, board: str, elf: Path) -> None:
        self._machine = Machine(load_board(board), elf)
        self._machine.run_until_output(PROMPT)
        Console(self._machine).enter_raw()
        self._ready = self._machine.snapshot()
        self.lacking = [row for row in FEATURES if self.run(f"feature_check/{row.check}") != row.prints]
        modules = sorted({module for name in names() for module in needs(name).modules})
        self.lacking_modules = frozenset(self.run_script(_PROBE.format(modules).encode()).decode().split())

    def run(self, name: str) -> bytes:
        """What the test called `name` prints on the board."""
        return self.run_script((folder() / f"{name}.py").read_bytes())

    def run_script(
        self, script: bytes, limit_us: int = LIMIT_US, limit_instructions: int = LIMIT_INSTRUCTIONS
    ) -> bytes:
        """What `script` prints, and its traceback; or how it hung or crashed."""
        machine = self._machine
        machine.restore(self._ready)
        machine.serial.feed(script + END_OF_TEXT)
        end = machine.clock.now + machine.clock.cycles_of_us(limit_us)
        last = machine.instructions + limit_instructions
        try:
            _, printed, error = [
                self._until(wanted, end, last) for wanted in (b"OK", END_OF_TEXT, END_OF_TEXT)
            ]
        except PatchctlError as problem:
            return f"no end: {problem.line()}\n".encode()
        if printed is None or error is None:
            return self._no_end(limit_us, limit_instructions).encode()
        return (printed.removesuffix(END_OF_TEXT) + error.removesuffix(END_OF_TEXT)).replace(b"\r\n", b"\n")

    def _until(self, wanted: bytes, end: int, last: int) -> bytes | None:
        """Output up to `wanted`; None if a limit or a fault came first."""
        machine = self._machine
        ends_at = machine.serial.finder(wanted)
        machine.run(
            max(0, end - machine.clock.now),
            lambda: ends_at() >= 0 or bool(machine.faults),
            instructions=max(0, last - machine.instructions),
        )
        return machine.serial.take(ends_at()) if ends_at() >= 0 else None

    def _no_end(self, limit_us: int, limit_instructions: int) -> str:
        machine = self._machine
        where = f"in {machine.symbol_at(machine.registers()['pc']) or 'RAM'}"
        fault = next((f"fault at {machine.symbol_at(row.pc)}: {row}" for row in machine.faults), "")
        limits = f"within {limit_instructions} instructions and {limit_us // 1000} ms"
        return f"no end: {fault or limits}, {where}; {machine.serial.take()[-200:]!r}\n"

    def skip_reason(self, name: str) -> str:
        """Why the firmware cannot run a test, or ""."""
        if name in SKIPS:
            return SKIPS[name]
        for row in self.lacking:
            if row.needed_by(name):
                return f"feature_check/{row.check}"
        if missing := needs(name).always & self.lacking_modules:
            return self._without(name, missing)
        return _NO_FILES if needs(name).opens and name.startswith(_OPENS_FILES) else ""

    def own_skip_reason(self, name: str) -> str:
        """Why a test that printed SKIP did so, as far as its imports tell."""
        missing = needs(name).perhaps & self.lacking_modules
        return self._without(name, missing) if missing else "the test skips itself"

    def _without(self, name: str, missing: frozenset[str]) -> str:
        module = min(missing)
        return _NO_FILES if is_of_the_suite(folder() / f"{name}.py", module) else f"no module {module}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How some tests went; `skipped` maps names to reasons, `differing` to what the board printed."""

    passed: tuple[str, ...]
    skipped: Mapping[str, str]
    differing: Mapping[str, bytes]

    @property
    def total(self) -> int:
        """How many tests there were."""
        return len(self.passed) + len(self.skipped) + len(self.differing)

    @property
    def reasons(self) -> Mapping[str, int]:
        """How many tests were skipped for each reason, the most frequent first."""
        return dict(Counter(self.skipped.values()).most_common())

    def surprises(self, listed: Mapping[str, str]) -> list[str]:
        """Where differences.toml is wrong: a test that differs unlisted, or is listed and does not differ."""
        unlisted = [f"{name} differs, unlisted" for name in self.differing if name not in listed]
        agrees = [f"{name} is listed, but passes" for name in self.passed if name in listed]
        skipped = [f"{name} is listed, but skipped" for name in self.skipped if name in listed]
        return unlisted + agrees + skipped


def run_suite(suite: Suite, tests: Iterable[str], told: Callable[[str], None] = lambda _: None) -> Outcome:
    """Runs `tests` one after the other; `told` hears each name."""
    passed, skipped, differing = list[str](), dict[str, str](), dict[str, bytes]()
    for name in tests:
        told(name)
        reason = suite.skip_reason(name)
        printed = _SKIPPED if reason else suite.run(name)
        if printed == _SKIPPED:
            skipped[name] = reason or suite.own_skip_reason(name)
        elif printed == expected(name):
            passed.append(name)
        else:
            differing[name] = printed
    return Outcome(tuple(passed), skipped, differing)
