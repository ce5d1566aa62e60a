"""Stop 12 of 12. `./tools/dev sweep micropython`: MicroPython's own test-suite on emulated boards.

Takes boards and a stride; gives what passed, was skipped and differed, and exit code 0, or 1 where
differences.toml says otherwise. Next: tests/second_opinion/suite.py
"""

from __future__ import annotations

import argparse
import sys
import time

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

    last = time.monotonic()

    def told(name: str) -> None:
        nonlocal last
        if time.monotonic() - last > _SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            print(f"  {name}", flush=True)

    listed = suite.differences(board)
    ready = suite.Suite(board, firmware_elf(board))
    outcome = suite.run_suite(ready, suite.names()[::every], told)
    differing = outcome.differing
    passed, skipped = outcome.passed, outcome.skipped
    print(f"{board}: {len(passed)} passed, {len(skipped)} skipped, {len(differing)} differing")
    print("skipped: " + " ".join(skipped))
    for name, printed in differing.items():
        print(f"differing: {name}: {listed.get(name, repr(printed[-_TEXT_SHOWN:]))}")
    surprises = outcome.surprises(listed)
    for text in surprises:
        print(f"{board}: {text}", file=sys.stderr)
    return surprises
