"""Stop 12 of 12. Copies of the engine with a bug in them, and whether a vector sees it.

Takes a place in the core's text and what stands there instead; gives the changed file, to be compiled.
Next: tests/runtime/test_planted_bugs.py
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.engine import ROOT, Engine
from tests.isa_vectors import Vector, vectors
from tests.spoiling import spoiled

BY_NAME = {vector.name: vector for vector in vectors()}


@dataclass(frozen=True, slots=True)
class Bug:
    """`found` in `file` becomes `planted`; the vectors `seen_by` must then give other answers."""

    name: str
    file: str
    found: str
    planted: str
    seen_by: tuple[str, ...]


def engine_text(file: str) -> str:
    """The file's text; vm.c with its parts in it, which are headers that only it includes."""
    core = ROOT / "device_runtime/core"
    text = (core / file).read_text()
    for part in ("vm_arithmetic.h", "vm_memory.h"):
        text = text.replace(f'#include "core/{part}"\n', (core / part).read_text())
    return text


def changed_file(bug: Bug, folder: Path) -> Path:
    """A copy of the file with the bug in it."""
    path = folder / bug.file
    path.write_text(spoiled(engine_text(bug.file), (bug.found, bug.planted), of=bug.file))
    return path


def agrees(engine: Engine, vector: Vector) -> bool:
    """True if the engine gives what the vector says; a store outside a region is no agreement."""
    limits = vector.limits()
    if engine.check(vector.code, limits) != (vector.status, vector.where):
        return False
    if vector.status:
        return True
    space = vector.space()
    try:
        outcome = engine.run(
            vector.code, space, fuel=vector.fuel, frame_bytes=vector.frame_bytes, helpers=vector.helpers
        )
    except AssertionError:
        return False  # the guards around a region were hit
    return (
        outcome.fault is vector.fault
        and vector.result in (None, outcome.registers[0])
        and vector.fuel_left in (None, outcome.fuel)
        and vector.fits(space)
    )
