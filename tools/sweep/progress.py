"""Stop 12 of 12. What all sweeps share: lines on the way, an end on request, and counts until then.

Takes SIGINT (Ctrl-C) and SIGTERM (`timeout`); a sweep then ends behind the case it is at, prints what it
counted, and fails, since it was cut short. A second one ends the process at once. Next: __main__.py
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import TypeVar

_SECONDS_BETWEEN_LINES = 10.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_T = TypeVar("_T")


class Ended(Exception):
    """The sweep was asked to end."""


class Progress:
    """One sweep's way: says now and then how far it is, and knows whether it shall end."""

    def __init__(self) -> None:
        self.ended = False
        self._last = time.monotonic()

    def __enter__(self) -> Progress:
        self._before = {number: signal.signal(number, self._end) for number in _SIGNALS}
        return self

    def __exit__(self, *failure: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        """No exception here: it would be lost where an emulator calls back."""
        self.ended = True
        for each, handler in self._before.items():
            signal.signal(each, handler)

    def tell(self, text: str) -> None:
        """Prints `text` if the last such line is long ago."""
        if time.monotonic() - self._last > _SECONDS_BETWEEN_LINES:
            self._last = time.monotonic()
            print(f"  {text}", flush=True)

    def counted(self, run: Callable[[Callable[[_T], None]], _T], line: Callable[[_T], str]) -> _T:
        """What `run` counted: all, or what it told of last before the end. `line` says it in short."""
        latest: list[_T] = []

        def told(tally: _T) -> None:
            latest[:] = [tally]
            if self.ended:
                raise Ended
            self.tell(line(tally))

        try:
            return run(told)
        except Ended:
            return latest[0]

    def each(self, items: Iterable[_T]) -> Iterator[_T]:
        """The items, until the end."""
        for item in items:
            if self.ended:
                return
            yield item

    def exit_code(self, wrong: bool) -> int:
        """1 if anything is `wrong` or the sweep was cut short, which it says; else 0."""
        if self.ended:
            print("ended before everything was run", file=sys.stderr)
        return int(wrong or self.ended)


def positive(text: str) -> int:
    """An option's count, of which none would run nothing."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no count: 1 or more")
    return int(text)
