"""Stop 11 of 12. All RAM and flash of a board but what is the runtime's own, the bench's, or below sp.

Takes a patched board and where the bench's block lies; gives a digest that a PASS must not change: of the
firmware's .data and .bss, the serial buffers, RAM that nobody uses, and flash. Next: invisible_bench.py
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import pairwise

from elftools.elf.elffile import ELFFile

from tests.sweeps.invisible_boards import Patched

# Where the runtime counts hits, runs programs, and keeps which sites are armed.
RUNTIMES_OWN = frozenset({"hp_runtime", "arena", "variables"})
RUNTIMES_SITES = (
    frozenset({"hp_resume", "hp_hash", "armed", "tables"}),  # with comparators
    frozenset({"flags", "hp_flag_parse_record"}),  # fixed
)

Part = tuple[int, int]  # first address, and the one behind the last


def runtimes_own(target: Patched) -> list[Part]:
    """The runtime's variables that a hit or arming changes, by symbol."""
    wanted = RUNTIMES_OWN | RUNTIMES_SITES[target.fixed]
    with target.elf.open("rb") as stream:
        symbols = ELFFile(stream).get_section_by_name(".symtab").iter_symbols()
        variables = [s for s in symbols if s["st_info"]["type"] == "STT_OBJECT" or s.name in wanted]
        found = [(s.name.split(".")[0], s["st_value"], s["st_size"]) for s in variables if s["st_size"]]
    own = [(name, (address, address + size)) for name, address, size in found if name in wanted]
    assert sorted(name for name, _ in own) == sorted(wanted), "the runtime's variables have other names"
    return [part for _, part in own]


class Elsewhere:
    """Digests of everything outside `left_out`, and outside the main stack's room below sp."""

    def __init__(self, target: Patched, left_out: list[Part]) -> None:
        self._flash = target.machine.flash
        self._of_flash: tuple[object, bytes] = (None, b"")
        symbols = target.machine.symbols
        stack = (symbols["hp_stack_bottom"], symbols["hp_stack_top"])  # used parts are compared apart
        gaps = sorted([*runtimes_own(target), *left_out, stack])
        spans = [span for span in target.machine.memory.spans if span.writable]
        self._parts = [
            memoryview(span.buffer)[start - span.address : end - span.address]
            for span in spans
            for start, end in between((span.address, span.address + len(span.buffer)), gaps)
        ]
        self.bytes = sum(len(part) for part in self._parts)

    def digest(self) -> bytes:
        """Stands for all of it, now."""
        state = hashlib.sha256(self._digest_of_flash())
        for part in self._parts:
            state.update(part)
        return state.digest()

    def _digest_of_flash(self) -> bytes:
        if self._of_flash[0] is not self._flash.version:
            self._of_flash = self._flash.version, hashlib.sha256(self._flash.buffer).digest()
        return self._of_flash[1]


def between(whole: Part, gaps: list[Part]) -> Iterator[Part]:
    """What is left of `whole` without the sorted `gaps`, which may touch."""
    inside = [gap for gap in gaps if whole[0] <= gap[0] and gap[1] <= whole[1]]
    edges = [(whole[0], whole[0]), *inside, (whole[1], whole[1])]
    yield from ((before[1], behind[0]) for before, behind in pairwise(edges) if before[1] < behind[0])
