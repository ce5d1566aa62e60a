"""A hit inside a program at every instruction of it, and every amount of fuel of every shipped program."""

from __future__ import annotations

import struct

import pytest

pytest.importorskip("unicorn", reason="emulated cores need the sim extra")

from patchctl.assembly import assemble
from patchctl.contract import CONTEXT_BYTES, Fault, Verdict
from patchctl.description import load_description
from patchctl.isa import encode
from patchctl.program import load_program
from patchctl.reference import Outcome, Region, Space, run
from patchctl.source import compile_source

from tests.engine import ROOT, build
from tests.isa_vectors import CONTEXT, DATA, READABLE, STACK, WRITABLE
from tests.thumb_engine import CORES
from tests.thumb_engine import build as build_thumb

FRAME_BYTES = 16
OUTER = """
r6 = r1
r7 = 0x1122334455667788 ll
*(u64 *)(r10 - 8) = r7
r1 = r10
r1 += -16
r2 = 8
r3 = 0x20004003 ll
call 1
r8 = *(u64 *)(r10 - 16)
r8 = atomic_fetch_add((u64 *)(r10 - 8), r8)
r7 s/= 3
call sub
if r0 == 0 goto +1
*(u32 *)(r6 + 4) = r0
r0 = *(u64 *)(r10 - 8)
exit
sub:
r6 = 5
*(u16 *)(r10 - 3) = r6
r0 = *(u16 *)(r10 - 3)
exit
"""
INNER = """
r0 = 0xdeadbeef
*(u64 *)(r10 - 8) = r0
r6 = -1
r7 = -1
r8 = -1
r9 = -1
call sub
exit
sub:
r6 = 0
r0 = *(u64 *)(r1 + 8)
exit
"""


def program(text: str) -> bytes:
    return encode(assemble(text))


def outer_space() -> Space:
    return Space(
        Region(STACK, bytearray(64)),
        Region(CONTEXT, bytearray(range(CONTEXT_BYTES))),
        Region(DATA, bytearray(8)),
        [Region(READABLE, bytearray(range(64)))],
        [Region(WRITABLE, bytearray(16))],
    )


def inner_space() -> Space:
    """Another hit: its own stack and context, the same firmware memory."""
    return Space(
        Region(STACK + 64, bytearray(b"\xcc" * 64)),
        Region(CONTEXT + 128, bytearray(range(CONTEXT_BYTES))),
        Region(DATA, bytearray(8)),
        [Region(READABLE, bytearray(range(64)))],
        [Region(WRITABLE, bytearray(16))],
    )


@pytest.mark.parametrize("core", CORES)
def test_a_hit_inside_a_program_at_every_machine_instruction_changes_neither_run(core, tmp_path):
    engine = build_thumb(core, tmp_path, watched=False)
    code, nested_code = program(OUTER), program(INNER)
    expected_space, alone = outer_space(), inner_space()
    expected = run(code, expected_space, fuel=100, frame_bytes=FRAME_BYTES)
    inner = run(nested_code, alone, fuel=100, frame_bytes=FRAME_BYTES)
    assert (expected.fault, inner.fault) == (Fault.NONE, Fault.NONE)

    def hit(stop: int, inside: int) -> bool:
        space, nested_space = outer_space(), inner_space()
        outcome, nested = engine.run_interrupted(
            (code, space), (nested_code, nested_space),
            stop=stop, inside=inside, frame_bytes=FRAME_BYTES,
        )  # fmt: skip
        assert same(outcome, expected), (stop, inside)
        assert space == expected_space, (stop, inside)
        if nested is None:
            return False  # the outer run was over before
        assert same(nested, inner), (stop, inside)
        assert nested_space == alone, (stop, inside)
        return True

    hits = in_it_blocks = 0
    for stop in range(1, 100_000):
        if not hit(stop, 0):
            break
        hits += 1
        for place in range(engine.it_places):
            assert hit(stop, place + 1)
            in_it_blocks += 1

    assert hits > 1000
    assert (in_it_blocks > 0) == (core != "cortex-m0plus")  # ARMv6-M has no IT


def same(one: Outcome, other: Outcome) -> bool:
    """All but where the program counter stands."""
    return (one.fault, one.registers, one.fuel) == (other.fault, other.registers, other.fuel)


# ------------------------------------------------ shipped programs ------------------------------------------

PATCHES = sorted(path.parent for path in (ROOT / "patches").glob("*/patch.toml"))


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


@pytest.mark.parametrize("folder", PATCHES, ids=lambda folder: folder.name)
def test_every_amount_of_fuel_of_a_shipped_program_ends_as_in_the_reference(folder, tmp_path):
    pytest.importorskip("ziglang", reason="eBPF code needs a compiler: pip install 'patchctl[cc]'")
    engine = build(tmp_path)
    loaded = load_program(
        compile_source(folder / "patch.c", load_description(folder).header()), str(folder / "patch.c")
    )
    code = bytearray(loaded.code)
    for number, offset in enumerate(sorted(loaded.symbols)):
        struct.pack_into("<I", code, offset + 4, READABLE + 4 * number)
    verdicts = set()

    for registers in contexts():

        def space(registers: bytes = registers) -> Space:
            words = b"".join(struct.pack("<I", READABLE + 4 * n) for n in range(16))
            return Space(
                Region(STACK, bytearray(512)),
                Region(CONTEXT, bytearray(registers)),
                Region(DATA, bytearray(loaded.data)),
                [Region(READABLE, bytearray(words))],
            )

        used = 10_000 - run(bytes(code), space(), fuel=10_000, frame_bytes=64).fuel
        for fuel in range(used + 2):
            ours, theirs = space(), space()
            actual = engine.run(bytes(code), ours, fuel=fuel, frame_bytes=64)
            expected = run(bytes(code), theirs, fuel=fuel, frame_bytes=64)
            assert (actual.fault, actual.fuel) == (expected.fault, expected.fuel), fuel
            assert ours == theirs, fuel
            assert (actual.fault is Fault.FUEL) == (fuel < used), fuel
        assert expected.fault is not Fault.NONE or actual.registers == expected.registers
        verdicts |= {Verdict(actual.registers[0] & 0xFFFFFFFF)} if actual.fault is Fault.NONE else set()

    assert verdicts
