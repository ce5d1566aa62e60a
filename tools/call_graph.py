"""Stack that functions take, by gcc's own call graph (-fcallgraph-info=su), which it leaves beside an object.

Takes the text of .ci files; gives the deepest path from a function on. Next: footprint.py
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_NODE = re.compile(r'node: { title: "([^"]+)" label: "[^"]*?(\d+) bytes \((\w+)\)')
_EDGE = re.compile(r'sourcename: "([^"]+)" targetname: "([^"]+)"')
INDIRECT = "__indirect_call"  # gcc's name for what is called by pointer


def _name_of(title: str) -> str:
    """A function's name, without the file before it and what the optimizer appended."""
    return title.rpartition(":")[2].partition(".")[0]


class CallGraph:
    """Frames in bytes and calls, by function; `indirect` is what may be called by pointer."""

    def __init__(self, indirect: Iterable[str]) -> None:
        self.frames = {INDIRECT: 0}
        self.calls: dict[str, set[str]] = {INDIRECT: set(indirect)}

    def read(self, text: str) -> None:
        """Adds one file. ValueError for a frame whose size is not known before the program runs."""
        for title, size, kind in _NODE.findall(text):
            if kind != "static":
                raise ValueError(f"{title} takes a stack of {kind} size")
            self.frames[_name_of(title)] = max(int(size), self.frames.get(_name_of(title), 0))
        for caller, callee in _EDGE.findall(text):
            self.calls.setdefault(_name_of(caller), set()).add(_name_of(callee))

    def leave_unknown_at_0(self) -> None:
        """Functions that are called and in no file, such as gcc's arithmetic, count as taking nothing."""
        for callees in self.calls.values():
            self.frames.update({name: 0 for name in callees - set(self.frames)})

    def deepest(self, function: str, seen: tuple[str, ...] = ()) -> int:
        """Bytes of the deepest path from `function` on.

        KeyError if one on the way is unknown, ValueError if one calls itself.
        """
        if function in seen:
            raise ValueError(f"{function} calls itself")
        below = (self.deepest(callee, (*seen, function)) for callee in self.calls.get(function, ()))
        return self.frames[function] + max(below, default=0)
