"""Stop 12 of 12. `./tools/dev sweep pass`: a passing patch at every instruction, in every context, counted.

Takes boards, a seed and how many cases a site; gives what was armed, refused and seen, and exit code 0, or 1
where anything differed, was not reached, or a planted fault was not noticed. Next: tests/sweeps/invisible.py
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from patchctl.board import board_names

from sweep.progress import Progress, positive
from tests.sweeps.invisible_boards import M3

if TYPE_CHECKING:
    from tests.sweeps.invisible import Tally

BOARDS = (*board_names(), M3)  # M3: a core with comparators that no board has
_SHOWN = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `sweep pass`."""
    parser.add_argument("--seed", type=int, default=0, help="chooses registers, data and moments")
    parser.add_argument("--runs", type=positive, default=1, help="cases for each site in each context")
    parser.add_argument("--every", type=positive, default=1, help="only each Nth site in each context")
    parser.add_argument("--board", action="append", choices=BOARDS, help="only this board")


def sweep_pass(options: argparse.Namespace, progress: Progress) -> int:
    """Prints counts for each board; 1 if anything is not as it should be."""
    boards = progress.each(options.board or BOARDS)
    return progress.exit_code(any([_sweep(board, options, progress) for board in boards]))


def _sweep(board: str, options: argparse.Namespace, progress: Progress) -> list[str]:
    from tests.sweeps.invisible import Choice, sweep  # slow: it builds the images

    print(f"{board}, seed {options.seed}: {options.runs} cases a site and context", flush=True)
    started = time.monotonic()
    choice = Choice(options.every, options.seed, options.runs)

    def run(told: Callable[[Tally], None]) -> Tally:
        return sweep(board, choice, told=told)

    tally = progress.counted(run, lambda t: f"{t.runs.total()} runs, {len(t.differences)} differences")
    for line in report(tally):
        print(f"  {line}", flush=True)
    wrong = [*tally.differences, *(f"not reached: {text}" for text in tally.unreached)]
    wrong += ["nothing ran"] * (not tally.runs)
    wrong += [] if progress.ended else _moments_and_mutants(board)
    print(f"  wrong: {len(wrong)}, {time.monotonic() - started:.0f} s", flush=True)
    for text in wrong[:_SHOWN]:
        print(f"{board}: {text}", file=sys.stderr)
    return wrong


def _moments_and_mutants(board: str) -> list[str]:
    """An interrupt behind each instruction of one hit, and planted faults; what was wrong."""
    from tests.sweeps.invisible import every_moment
    from tests.sweeps.invisible_mutants import unnoticed

    moments = every_moment(board)
    print(
        f"  interrupts behind each instruction of one hit: {moments.injected}, that hit too: {moments.nested}"
    )
    planted, missed = unnoticed(board)
    print(f"  planted faults noticed: {planted - len(missed)} of {planted}")
    return [*moments.differences, *(f"planted and not noticed: {name}" for name in missed)]


def report(tally: Tally) -> list[str]:
    """The counts, one line each."""
    contexts = [f"runs in {context}: {count}" for context, count in tally.runs.items()]
    refused = [f"refused, {reason}: {count}" for reason, count in tally.refused.most_common()]
    return [
        f"functions: {len(tally.functions)}, sites in all builds: {tally.sites}",
        *contexts,
        f"runs: {tally.runs.total()}, with sp % 8 = 4: {tally.odd}, with FP registers in use: {tally.floats}",
        f"hits: {tally.hits}, by way of HardFault: {tally.escalated}",
        f"runs with an interrupt on the way: {tally.injected}, that hit too: {tally.nested}",
        *refused,
    ]
