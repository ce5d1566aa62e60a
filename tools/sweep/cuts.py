"""Stop 12 of 12. `./tools/dev sweep cuts`: power cuts and resets on emulated boards, counted.

Takes boards, counts and a seed; gives what was cut and what went wrong, and exit code 0, or 1 where a board
came back as a third thing. Next: tests/sweeps/cuts.py
"""

from __future__ import annotations

import argparse
import sys
import time

BOARDS = ("nrf52840dk", "nrf5340dk", "nucleo_g0b1re", "stm32l475")
_CUTS, _RESETS = 500, 200
_SECONDS_BETWEEN_LINES = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `sweep cuts`."""
    parser.add_argument("--seed", type=int, default=0, help="chooses operations, shapes and instructions")
    parser.add_argument("--cuts", type=int, default=_CUTS, help="power cuts a board")
    parser.add_argument("--resets", type=int, default=_RESETS, help="resets a board")
    parser.add_argument("--again-one-in", type=int, default=1, help="how often the change is asked for again")
    parser.add_argument("--board", action="append", choices=BOARDS, help="only this board")


def sweep_cuts(options: argparse.Namespace) -> int:
    """Prints counts for each board; 1 if any came back as a third thing, or less was done than asked."""
    from tests.sweeps.cuts import Tally, sweep  # slow: it builds the images

    failed = False
    seed, cuts, resets = options.seed, options.cuts, options.resets
    for board in options.board or BOARDS:
        print(f"{board}, seed {seed}: {cuts} cuts and {resets} resets", flush=True)
        last = time.monotonic()

        def told(tally: Tally) -> None:
            nonlocal last
            if time.monotonic() - last > _SECONDS_BETWEEN_LINES:
                last = time.monotonic()
                print(f"  {tally.cases.total()} done, {len(tally.failures)} failed", flush=True)

        tally = sweep(board, cuts, resets, seed=seed, again_one_in=options.again_one_in, told=told)
        for kind, count in sorted(tally.cases.items()):
            print(f"  {kind:<20} {count}")
        print(f"  asked again          {tally.asked_again}")
        print(f"  failures: {len(tally.failures)}", flush=True)
        for text in tally.failures:
            print(f"{board}: {text}", file=sys.stderr)
        failed = failed or bool(tally.failures) or tally.cases.total() != cuts + resets
    return int(failed)
