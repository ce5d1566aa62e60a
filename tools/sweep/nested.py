"""Stop 12 of 12. `./tools/dev sweep nested`: a hit inside a hit, at every instruction of it.

Takes boards; gives how many places that were, and exit code 0, or 1 where the two hits saw each other.
Next: tests/sweeps/nested.py
"""

from __future__ import annotations

import argparse
import sys
import time

BOARDS = ("nrf52840dk", "nrf5340dk", "mps2_an385", "nucleo_g0b1re")  # M4F, M33, M3, M0+
_SECONDS_BETWEEN_LINES = 10.0
_SHOWN = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `sweep nested`."""
    parser.add_argument("--board", action="append", choices=BOARDS, help="only this board")
    parser.add_argument("--step", type=int, default=1, help="every how many instructions")


def sweep_nested(options: argparse.Namespace) -> int:
    """Prints counts for each board; 1 if a hit inside another changed either."""
    from tests.sweeps.nested import Bench, Tally, nested, patched  # slow: it builds the images

    failed = False
    for board in options.board or BOARDS:
        bench, last = Bench(patched(board)), time.monotonic()
        print(
            f"{board}: a call of {bench.length()} instructions, from the trap to the veneer's exit",
            flush=True,
        )

        def told(tally: Tally) -> None:
            nonlocal last
            if time.monotonic() - last > _SECONDS_BETWEEN_LINES:
                last = time.monotonic()
                print(f"  {tally.places} places done", flush=True)

        tally = nested(bench, options.step, told)
        print(f"  places            {tally.places}")
        print(f"  inside IT blocks  {tally.in_it_blocks}")
        print(f"  both under way    {tally.both_at_once}")
        print(f"  differences: {len(tally.differences)}", flush=True)
        for text in tally.differences[:_SHOWN]:
            print(f"{board}: {text}", file=sys.stderr)
        failed = failed or bool(tally.differences)
    return int(failed)
