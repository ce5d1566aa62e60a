"""Stop 12 of 12. `./tools/dev sweep cuts`: power cuts and resets on emulated boards, counted.

Takes boards, counts and a seed; gives what was cut and what went wrong, and exit code 0, or 1 where a board
came back as a third thing. Boards whose store is in RAM, by their board file, are left out: when power fails
they lose all of it. Next: tests/sweeps/cuts.py
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from patchctl.board import board_names, load_board
from patchctl.emulator import injection

from sweep.progress import Progress, positive

if TYPE_CHECKING:
    from tests.sweeps.cuts import Tally

BOARDS = tuple(name for name in board_names() if injection.can_be_torn(load_board(name)))
_CUTS, _RESETS = 500, 200


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `sweep cuts`."""
    parser.add_argument("--seed", type=int, default=0, help="chooses operations, shapes and instructions")
    parser.add_argument(
        "--cuts", type=int, help=f"power cuts a board (default: every operation, at least {_CUTS})"
    )
    parser.add_argument("--resets", type=int, default=_RESETS, help="resets a board")
    parser.add_argument(
        "--again-one-in",
        type=positive,
        default=1,
        help="of the states found, how many are asked for the change again",
    )
    parser.add_argument("--board", action="append", choices=BOARDS, help="only this board")


def sweep_cuts(options: argparse.Namespace, progress: Progress) -> int:
    """Prints counts for each board; 1 if any came back as a third thing, or less was done than asked."""
    left_out = ", ".join(name for name in board_names() if name not in BOARDS)
    print(f"left out, for their store is in RAM: {left_out}")
    boards = progress.each(options.board or BOARDS)
    return progress.exit_code(any([_sweep_board(board, options, progress) for board in boards]))


def _sweep_board(board: str, options: argparse.Namespace, progress: Progress) -> bool:
    """One board; True if anything is wrong."""
    from tests.sweeps.changes import golden  # slow: it builds the images
    from tests.sweeps.cuts import sweep

    seed, resets = options.seed, options.resets
    cuts = max(_CUTS, sum(golden(board).operations)) if options.cuts is None else options.cuts
    print(f"{board}, seed {seed}: {cuts} cuts and {resets} resets", flush=True)

    def run(told: Callable[[Tally], None]) -> Tally:
        return sweep(board, cuts, resets, seed=seed, again_one_in=options.again_one_in, told=told)

    tally = progress.counted(run, lambda t: f"{t.cases.total()} done, {len(t.failures)} failed")
    done = tally.cases.total()
    _print_tally(tally)
    for text in tally.failures:
        print(f"{board}: {text}", file=sys.stderr)
    return bool(tally.failures) or done == 0 or done != cuts + resets


def _print_tally(tally: Tally) -> None:
    """What was gone through."""
    for number, (change, operations) in enumerate(zip(tally.run.changes, tally.run.operations, strict=True)):
        reached = sum(at == number for at, _ in tally.cut)
        done = {kind: tally.cases[f"{kind} in {change.name}"] for kind in ("cuts", "resets")}
        counts = f"{done['cuts']:4} cuts, {reached:4} of {operations:4} operations, {done['resets']:3} resets"
        print(f"  {change.name:<28} {counts}")
    rows = {
        "operations cut": f"{len(tally.cut)} of {sum(tally.run.operations)}, in {len(tally.shapes)} shapes",
        "cuts in recovery": f"{tally.recovery_cuts.total()}, of {len(tally.recoveries)} starts behind a cut",
        "flash images after a cut": f"{len(tally.images)} different ones",
        "states at the prompt": f"{len(tally.sights)} different ones, all looked at",
        "asked again": f"{tally.asked} of {len(tally.askable)} different flash images",
        "failures": f"{len(tally.failures)}",
    }
    for name, text in rows.items():
        print(f"  {name:<28} {text}", flush=True)
