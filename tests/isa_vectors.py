"""Stop 12 of 12. The engine's own vectors: tests/vectors/isa/*.toml, run by every engine.

Takes the files; gives programs, what they run on, and what must come out, for every engine alike.
Next: tests/runtime/test_vm.py
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from patchctl.assembly import assemble
from patchctl.contract import Fault, Status
from patchctl.isa import encode
from patchctl.reference import Region, Space
from patchctl.structure import Limits

FOLDER = Path(__file__).parent / "vectors/isa"
STACK, CONTEXT, DATA, READABLE, WRITABLE = 0x20000000, 0x20001000, 0x00042000, 0x20004000, 0x20006000
VARIABLES = 0x20005000


@dataclass(frozen=True, slots=True)
class Vector:
    """One row; `result` is r0, `status` is the structural check's answer and `where` the slot it names."""

    name: str
    code: bytes
    result: int | None
    fault: Fault
    status: Status
    where: int
    fuel: int
    fuel_left: int | None
    frame_bytes: int
    helpers: frozenset[int]
    context: bytes
    context_after: bytes | None
    data: bytes
    variables: bytes
    variables_after: bytes | None

    def limits(self) -> Limits:
        """What the structural check is told of it."""
        return Limits(4096, len(self.data), len(self.variables), self.helpers)

    def fits(self, space: Space) -> bool:
        """Whether context and variables are what the row says, after a run on space()."""
        context, variables = bytes(space.context.data), bytes(space.variables.data)
        return self.context_after in (None, context) and self.variables_after in (None, variables)

    def space(self) -> Space:
        """Fresh regions: a stack full of leftovers, and two ranges of firmware memory beside the rest."""
        return Space(
            Region(STACK, bytearray(b"\xcc" * 64)),
            Region(CONTEXT, bytearray(self.context)),
            Region(DATA, bytearray(self.data)),
            Region(VARIABLES, bytearray(self.variables)),
            [Region(READABLE, bytearray(range(64)))],
            [Region(WRITABLE, bytearray(range(16)))],
        )


def _vector(row: dict[str, object]) -> Vector:
    def text(key: str, default: str = "") -> str:
        return str(row.get(key, default))

    def number(key: str, default: int) -> int:
        return int(str(row.get(key, default)), 0)

    def octets(key: str) -> bytes | None:
        return bytes.fromhex(text(key)) if key in row else None

    helpers = row.get("helpers", [1])
    assert isinstance(helpers, list)
    return Vector(
        name=text("name"),
        code=octets("raw") or encode(assemble(text("code"))),
        result=number("result", 0) if "result" in row else None,
        fault=Fault[text("fault", "none").upper()],
        status=Status[text("status", "ok").upper()],
        where=number("where", 0),
        fuel=number("fuel", 1000),
        fuel_left=number("fuel_left", 0) if "fuel_left" in row else None,
        frame_bytes=number("frame_bytes", 0),
        helpers=frozenset(helpers),
        context=bytes.fromhex(text("context", "00" * 16)),
        context_after=octets("context_after"),
        data=octets("data") or b"",
        variables=octets("variables") or b"",
        variables_after=octets("variables_after"),
    )


@cache
def vectors() -> tuple[Vector, ...]:
    """All rows of all files."""
    rows = [
        row for path in sorted(FOLDER.glob("*.toml")) for row in tomllib.loads(path.read_text())["vector"]
    ]
    return tuple(_vector(row) for row in rows)
