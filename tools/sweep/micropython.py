"""Stop 12 of 12. `./tools/dev sweep micropython`: MicroPython's own test-suite on emulated boards.

Takes boards and a stride; gives what passed, was skipped for which reason, and differed, and exit code 0, or
1 where differences.toml says otherwise. One machine serves all tests of a board.
Next: tests/second_opinion/suite.py
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from patchctl.board import board_names

from sweep.progress import Progress, positive

if TYPE_CHECKING:
    from tests.second_opinion.suite import Outcome

_TEXT_SHOWN = 400


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `sweep micropython`."""
    parser.add_argument("--board", action="append", choices=board_names(), help="only this board")
    parser.add_argument("--every", type=positive, default=1, help="only each Nth test")


def sweep_micropython(options: argparse.Namespace, progress: Progress) -> int:
    """Prints counts and names for each board; 1 if differences.toml is wrong about any test that ran."""
    boards = progress.each(options.board or board_names())
    return progress.exit_code(any([_sweep(board, options.every, progress) for board in boards]))


def _sweep(board: str, every: int, progress: Progress) -> list[str]:
    """One board; what is not as differences.toml says."""
    from tests.micropython.firmware import firmware_elf  # slow: it builds the image
    from tests.second_opinion import suite

    started = time.monotonic()
    listed = suite.differences(board)
    ready = suite.Suite(board, firmware_elf(board))
    names = suite.names()[::every]
    outcome = suite.run_suite(ready, progress.each(names), progress.tell)
    _report(board, outcome, listed)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{board}: {time.monotonic() - started:.0f} s, at most {peak_mb} MB", flush=True)
    missed = len(names) - outcome.total
    surprises = outcome.surprises(listed) + ([f"{missed} tests not run"] if missed else [])
    surprises += [] if outcome.passed or outcome.differing else ["no test ran"]
    for text in surprises:
        print(f"{board}: {text}", file=sys.stderr)
    return surprises


def _report(board: str, outcome: Outcome, listed: Mapping[str, str]) -> None:
    passed, skipped, differing = outcome.passed, outcome.skipped, outcome.differing
    counts = f"{len(passed)} passed, {len(skipped)} skipped, {len(differing)} differing"
    print(f"{board}: {outcome.total} tests, {counts}")
    for reason, count in outcome.reasons.items():
        names = " ".join(name for name in skipped if skipped[name] == reason)
        print(f"skipped, {count}: {reason}: {names}")
    for name, printed in differing.items():
        print(f"differing: {name}: {listed.get(name, repr(printed[-_TEXT_SHOWN:]))}")
