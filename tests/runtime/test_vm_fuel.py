"""Every amount of fuel of every shipped program, on the reference, on this machine and on the four cores."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

pytest.importorskip("unicorn", reason="emulated cores need the sim extra")
pytest.importorskip("ziglang", reason="eBPF code needs a compiler: pip install 'patchctl[cc]'")

from patchctl.contract import CONTEXT_BYTES, Fault, Verdict
from patchctl.description import load_description
from patchctl.program import load_program
from patchctl.reference import Region, Space, run
from patchctl.source import compile_source

from tests import thumb_engine
from tests.engine import ROOT, build
from tests.isa_vectors import CONTEXT, DATA, READABLE, STACK, WRITABLE

FRAME_BYTES = 64
ENOUGH = 10_000
SHIPPED = sorted(
    path.parent for place in ("patches", "tools/examples") for path in (ROOT / place).glob("**/patch.toml")
)


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled patch whose firmware symbols lie in the vectors' readable range."""

    code: bytes
    data: bytes

    def space(self, registers: bytes) -> Space:
        """Fresh regions; every word of firmware memory points into it."""
        words = b"".join(struct.pack("<I", READABLE + 4 * n) for n in range(16))
        return Space(
            Region(STACK, bytearray(512)),
            Region(CONTEXT, bytearray(registers)),
            Region(DATA, bytearray(self.data)),
            readable=[Region(READABLE, bytearray(words))],
        )


@cache
def compiled(folder: Path) -> Program:
    source = folder / "patch.c"
    loaded = load_program(compile_source(source, load_description(folder).header()), str(source))
    code = bytearray(loaded.code)
    for number, offset in enumerate(sorted(loaded.symbols)):
        struct.pack_into("<I", code, offset + 4, READABLE + 4 * number)
    return Program(bytes(code), loaded.data)


def contexts() -> list[bytes]:
    """Numbers, pointers into firmware memory, and nonsense in the argument registers."""
    rows = (
        (0, 0, 0, 0),
        (1, 3, 2**32 - 1, 7),
        (READABLE, READABLE + 8, READABLE + 16, 64),
        (READABLE + 4, 200, READABLE, 1),
        (WRITABLE, 12, READABLE + 61, 2**31),
        (0xFFFFFFFC, 0x7FFFFFFC, STACK, 4),
    )
    return [struct.pack("<17I", *row, *range(13)) for row in rows]


@pytest.fixture(scope="module", params=("this machine", *thumb_engine.CORES))
def engine(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("engine")
    return build(folder) if request.param == "this machine" else thumb_engine.build(request.param, folder)


def test_every_patch_of_the_repository_is_here():
    assert {"import_all", "parser", "set_point"} <= {folder.name for folder in SHIPPED}
    assert {len(registers) for registers in contexts()} == {CONTEXT_BYTES}


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_every_amount_of_fuel_ends_as_in_the_reference(folder, engine):
    program = compiled(folder)
    verdicts = set()

    for registers in contexts():
        whole = run(program.code, program.space(registers), fuel=ENOUGH, frame_bytes=FRAME_BYTES)
        used = ENOUGH - whole.fuel
        for fuel in range(used + 2):
            ours, theirs = program.space(registers), program.space(registers)
            actual = engine.run(program.code, ours, fuel=fuel, frame_bytes=FRAME_BYTES)
            expected = run(program.code, theirs, fuel=fuel, frame_bytes=FRAME_BYTES)
            assert (actual.fault, actual.fuel) == (expected.fault, expected.fuel), fuel
            assert ours == theirs, fuel
            assert (actual.fault is Fault.FUEL) == (fuel < used), fuel
            assert expected.fault is Fault.FUEL or actual.registers == expected.registers, fuel
        verdicts |= {Verdict(whole.registers[0] & 0xFFFFFFFF)} if whole.fault is Fault.NONE else set()

    assert verdicts
    assert not getattr(engine, "bad_accesses", [])
