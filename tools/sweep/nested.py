"""Stop 12 of 12. `./tools/dev sweep nested`: a hit inside a hit, at every instruction of it.

Takes boards; gives how many places that were, and exit code 0, or 1 where the two hits saw each other or no
place was tried. Next: tests/sweeps/nested.py
"""

from __future__ import annotations

import argparse
import sys
from functools import partial

from patchctl.board import board_names

from sweep.progress import Progress, positive

_SHOWN = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `sweep nested`."""
    parser.add_argument("--board", action="append", choices=board_names(), help="only this board")
    parser.add_argument("--step", type=positive, default=1, help="every how many instructions")


def sweep_nested(options: argparse.Namespace, progress: Progress) -> int:
    """Prints counts for each board; 1 if a hit inside another changed either."""
    boards = progress.each(options.board or board_names())
    return progress.exit_code(any([_sweep(board, options.step, progress) for board in boards]))


def _sweep(board: str, step: int, progress: Progress) -> bool:
    """One board; True if anything is wrong."""
    from tests.sweeps.nested import Bench, nested, patched  # slow: it builds the images

    bench = Bench(patched(board))
    print(f"{board}: a call of {bench.length()} instructions, from the trap to the veneer's exit", flush=True)
    tally = progress.counted(partial(nested, bench, step), lambda tally: f"{tally.places} places done")
    print(f"  places            {tally.places}")
    print(f"  inside IT blocks  {tally.in_it_blocks}")
    print(f"  both under way    {tally.both_at_once}")
    print(f"  differences: {len(tally.differences)}", flush=True)
    for text in tally.differences[:_SHOWN]:
        print(f"{board}: {text}", file=sys.stderr)
    return bool(tally.differences) or not tally.places
