"""Stop 12 of 12. `./tools/dev sweep micropython`: MicroPython's own test-suite on emulated boards.

Takes boards and a stride; gives what passed, was skipped for which reason, and differed, and exit code 0, or
1 where differences.toml says otherwise. One machine serves all tests of a board.
Next: tests/second_opinion/suite.py
"""

from __future__ import annotations

import argparse
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.second_opinion.suite import Outcome

BOARDS = ("nrf52840dk", "nrf5340dk", "nucleo_g0b1re", "stm32l475")
_SECONDS_BETWEEN_LINES = 10.0
_TEXT_SHOWN = 400


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `sweep micropython`."""
    parser.add_argument("--board", action="append", choices=BOARDS, help="default: nrf52840dk")
    parser.add_argument("--every", type=int, default=1, help="only each Nth test")


def sweep_micropython(options: argparse.Namespace) -> int:
    """Prints counts and names for each board; 1 if differences.toml is wrong about any test that ran."""
    surprised = [board for board in options.board or BOARDS[:1] if _sweep(board, options.every)]
    return int(bool(surprised))


def _sweep(board: str, every: int) -> list[str]:
    from tests.micropython.firmware import firmware_elf  # slow: it builds the image
    from tests.second_opinion import suite

    started = time.monotonic()
    listed = suite.differences(board)
    ready = suite.Suite(board, firmware_elf(board))
    names = suite.names()[::every]
    outcome = suite.run_suite(ready, _until_interrupted(names), _progress())
    _report(board, outcome, listed)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{board}: {time.monotonic() - started:.0f} s, at most {peak_mb} MB", flush=True)
    missed = len(names) - outcome.total
    surprises = outcome.surprises(listed) + ([f"interrupted, {missed} tests not run"] if missed else [])
    for text in surprises:
        print(f"{board}: {text}", file=sys.stderr)
    return surprises


def _until_interrupted(names: Iterable[str]) -> Iterator[str]:
    """All names; after a Ctrl-C no more, so that what was found until then is reported."""
    interrupted = list[int]()
    before = signal.signal(signal.SIGINT, lambda number, _: interrupted.append(number))
    yield from takewhile(lambda _: not interrupted, names)
    signal.signal(signal.SIGINT, before)


def _progress() -> Callable[[str], None]:
    """Prints a test's name now and then."""
    last = time.monotonic()

    def told(name: str) -> None:
        nonlocal last
        if time.monotonic() - last > _SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            print(f"  {name}", flush=True)

    return told


def _report(board: str, outcome: Outcome, listed: Mapping[str, str]) -> None:
    passed, skipped, differing = outcome.passed, outcome.skipped, outcome.differing
    counts = f"{len(passed)} passed, {len(skipped)} skipped, {len(differing)} differing"
    print(f"{board}: {outcome.total} tests, {counts}")
    for reason, count in outcome.reasons.items():
        names = " ".join(name for name in skipped if skipped[name] == reason)
        print(f"skipped, {count}: {reason}: {names}")
    for name, printed in differing.items():
        print(f"differing: {name}: {listed.get(name, repr(printed[-_TEXT_SHOWN:]))}")
