"""A run inside a run, at every machine instruction of it, on the four cores: neither sees the other."""

from __future__ import annotations

import struct

import pytest

pytest.importorskip("unicorn", reason="emulated cores need the sim extra")

from patchctl.assembly import assemble
from patchctl.contract import CONTEXT_BYTES, Fault
from patchctl.isa import encode
from patchctl.reference import Outcome, Region, Space, run

from tests.isa_vectors import CONTEXT, DATA, READABLE, STACK, VARIABLES, WRITABLE
from tests.planting import engine_text
from tests.spoiling import spoiled
from tests.thumb_engine import CORES, ThumbEngine
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
COUNTS = """
r1 = map[idx:1]+0
r0 = 1
r0 = atomic_fetch_add((u64 *)(r1 + 0), r0)
w2 = 1
w2 = -w2
lock *(u32 *)(r1 + 9) += w2
exit
"""
COUNTERS = struct.pack("<QBIxxx", 0, 0xFF, 0xFFFFFFFF)  # the second one unaligned
COUNT_INSTRUCTIONS_MIN = 300  # of COUNTS, as the least of the cores takes them


def program(text: str) -> bytes:
    return encode(assemble(text))


def outer_space(variables: bytes = b"") -> Space:
    return Space(
        Region(STACK, bytearray(64)),
        Region(CONTEXT, bytearray(range(CONTEXT_BYTES))),
        Region(DATA, bytearray(8)),
        Region(VARIABLES, bytearray(variables)),
        readable=[Region(READABLE, bytearray(range(64)))],
        writable=[Region(WRITABLE, bytearray(16))],
    )


def inner_space(variables: bytes = b"") -> Space:
    """Another hit: its own stack and context, the same variables and firmware memory."""
    return Space(
        Region(STACK + 64, bytearray(b"\xcc" * 64)),
        Region(CONTEXT + 128, bytearray(range(CONTEXT_BYTES))),
        Region(DATA, bytearray(8)),
        Region(VARIABLES, bytearray(variables)),
        readable=[Region(READABLE, bytearray(range(64)))],
        writable=[Region(WRITABLE, bytearray(16))],
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


def wrong_counts(engine: ThumbEngine) -> list[int]:
    """The machine instructions of a count behind which a hit that counts too is lost, or never comes."""
    code, wrong = program(COUNTS), []
    for stop in range(1, 100_000):
        spaces = [given(COUNTERS) for given in (outer_space, inner_space)]
        outcome, nested = engine.run_interrupted(
            (code, spaces[0]), (code, spaces[1]), stop=stop, frame_bytes=FRAME_BYTES
        )
        if nested is None and stop > COUNT_INSTRUCTIONS_MIN:
            return wrong  # the count was over before
        words = struct.unpack("<QBIxxx", spaces[0].variables.data)
        seen = None if nested is None else {outcome.registers[0], nested.registers[0]}
        if (outcome.fault, *words) != (Fault.NONE, 2, 0xFF, 0xFFFFFFFD) or seen != {0, 1}:
            wrong.append(stop)
    raise AssertionError("the count has no end")


@pytest.mark.parametrize("core", CORES)
def test_no_count_in_a_variable_is_lost_to_a_hit_at_any_machine_instruction(core, tmp_path):
    engine = build_thumb(core, tmp_path, watched=False)

    assert wrong_counts(engine) == []
    assert engine.masked_places > 0


@pytest.mark.parametrize(
    "planted",
    [("hp_mask_interrupts()", "0U"), ("hp_unmask_interrupts(mask);", "(void)mask;")],
    ids=["atomics let interrupts in", "atomics keep interrupts out for good"],
)
@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m4"])
def test_counts_go_wrong_in_an_engine_with_this_bug(core, planted, tmp_path):
    changed = tmp_path / "vm.c"
    changed.write_text(spoiled(engine_text("vm.c"), planted, of="vm.c"))

    assert wrong_counts(build_thumb(core, tmp_path, changed, watched=False)) != []


def same(one: Outcome, other: Outcome) -> bool:
    """All but where the program counter stands."""
    return (one.fault, one.registers, one.fuel) == (other.fault, other.registers, other.fuel)
