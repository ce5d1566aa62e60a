"""Stop 12 of 12. `./tools/dev sweep pass`: a passing patch at every instruction, in every context, counted.

Takes boards, a seed and how many cases a site; gives what was armed, refused and seen, and exit code 0, or 1
where anything differed, was not reached, or a planted fault was not noticed. Next: tests/sweeps/invisible.py
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.sweeps.invisible import Tally

BOARDS = ("nrf52840dk", "nrf5340dk", "stm32l475", "nrf52840dk with a Cortex-M3", "nucleo_g0b1re")
_SECONDS_BETWEEN_LINES = 10.0
_SHOWN = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `sweep pass`."""
    parser.add_argument("--seed", type=int, default=0, help="chooses registers, data and moments")
    parser.add_argument("--runs", type=int, default=1, help="cases for each site in each context")
    parser.add_argument("--every", type=int, default=1, help="only each Nth site in each context")
    parser.add_argument("--board", action="append", choices=BOARDS, help="only this board")


def sweep_pass(options: argparse.Namespace) -> int:
    """Prints counts for each board; 1 if anything is not as it should be."""
    failed = [board for board in options.board or BOARDS if _sweep(board, options)]
    return int(bool(failed))


def _sweep(board: str, options: argparse.Namespace) -> list[str]:
    from tests.sweeps.invisible import Choice, every_moment, sweep  # slow: they build the images
    from tests.sweeps.invisible_mutants import unnoticed

    print(f"{board}, seed {options.seed}: {options.runs} cases a site and context", flush=True)
    last = started = time.monotonic()

    def told(tally: Tally) -> None:
        nonlocal last
        if time.monotonic() - last > _SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            print(f"  {tally.runs.total()} runs, {len(tally.differences)} differences", flush=True)

    tally = sweep(board, Choice(options.every, options.seed, options.runs), told=told)
    moments = every_moment(board)
    planted, missed = unnoticed(board)
    wrong = [*tally.differences, *moments.differences, *(f"not reached: {text}" for text in tally.unreached)]
    wrong += ["nothing ran"] * (not tally.runs)
    wrong += [f"planted and not noticed: {name}" for name in missed]
    for line in report(tally):
        print(f"  {line}")
    print(
        f"  interrupts behind each instruction of one hit: {moments.injected}, that hit too: {moments.nested}"
    )
    print(f"  planted faults noticed: {planted - len(missed)} of {planted}")
    print(
        f"  differences: {len(tally.differences + moments.differences)}, {time.monotonic() - started:.0f} s",
        flush=True,
    )
    for text in wrong[:_SHOWN]:
        print(f"{board}: {text}", file=sys.stderr)
    return wrong


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
