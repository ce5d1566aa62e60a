"""What programs broke out of on other engines: on ours each attempt ends in a fault or a refusal.

The probes are those that Femto-Containers, RapidPatch and Zephyr's eBPF subsystem fail.
"""

from __future__ import annotations

import random

import pytest
from patchctl.assembly import assemble
from patchctl.contract import Fault, Status
from patchctl.isa import encode
from patchctl.reference import Outcome, Region, Space, run
from patchctl.structure import Limits

from tests.engine import Engine, build
from tests.isa_vectors import CONTEXT, DATA, READABLE, STACK, VARIABLES, WRITABLE

LIMITS = Limits(4096, 8, 16, frozenset({1}))
NO_HELPERS: frozenset[int] = frozenset()


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    return build(tmp_path_factory.mktemp("engine"))


def program(text: str) -> bytes:
    return encode(assemble(text))


def space() -> Space:
    return Space(
        Region(STACK, bytearray(b"\xcc" * 64)),
        Region(CONTEXT, bytearray(range(68))),
        Region(DATA, bytearray(b"constant")),
        Region(VARIABLES, bytearray(b"kept, 16 bytes ..")[:16]),
        [Region(READABLE, bytearray(range(64)))],
        [Region(WRITABLE, bytearray(range(16)))],
    )


def attempt(
    engine: Engine, text: str, *, fuel: int = 100, helpers: frozenset[int] = frozenset({1})
) -> Outcome:
    """Runs an attempt that must not change anything outside the run's own stack."""
    given, expected = space(), space()
    code = program(text)
    assert engine.check(code, Limits(4096, 8, 16, helpers)) == (Status.OK, 0)
    outcome = engine.run(code, given, fuel=fuel, frame_bytes=16, helpers=helpers)
    expected.stack.data[:] = given.stack.data
    assert given == expected
    return outcome


# ------------------------------------------------ Femto-Containers ------------------------------------------


def test_a_jump_one_past_the_end_is_refused_and_one_to_the_last_instruction_runs(engine):
    past = bytes.fromhex("b700000001000000 0500010000000000 9500000000000000")

    assert engine.check(past, LIMITS) == (Status.CHECK_JUMP_RANGE, 1)
    assert engine.run(program("r0 = 1\ngoto +0\nexit"), space(), fuel=9).registers[0] == 1


def test_a_wide_load_that_would_swallow_exit_is_refused_and_a_whole_one_runs(engine):
    swallows = bytes.fromhex("1800000077070000 9500000000000000")

    assert engine.check(swallows, LIMITS) == (Status.CHECK_WIDE_LOAD, 0)
    assert engine.run(program("r0 = 0x777 ll\nexit"), space(), fuel=9).registers[0] == 0x777


EDGES = (0, 1, 4, 0x7FFFFFFC, 0x7FFFFFF8, 0x80000000, 0xFFFFFFF8, 0xFFFFFFFC, 0xFFFFFFFF)


@pytest.mark.parametrize("address", EDGES, ids=hex)
@pytest.mark.parametrize("size", ("u8", "u16", "u32", "u64"))
def test_addresses_at_the_edges_of_signed_and_unsigned_numbers_are_outside(engine, address, size):
    load = attempt(engine, f"r1 = {address:#x} ll\nr0 = *({size} *)(r1 + 0)\nexit")
    store = attempt(engine, f"r1 = {address:#x} ll\n*({size} *)(r1 + 0) = 1\nexit")

    assert (load.fault, store.fault) == (Fault.MEMORY, Fault.MEMORY)


@pytest.mark.parametrize("size", ("u16", "u32", "u64"))
@pytest.mark.parametrize("offset", range(1, 8))
def test_an_unaligned_access_inside_a_region_is_carried_out(engine, size, offset):
    place = f"*({size} *)(r10 - {16 - offset})"

    outcome = attempt(engine, f"{place} = 0x1234\nr0 = {place}\nexit")

    assert (outcome.fault, outcome.registers[0]) == (Fault.NONE, 0x1234)


def test_a_helper_given_a_wild_destination_ends_the_run_and_one_given_the_stack_copies(engine):
    text = f"r1 = {{}}\nr2 = 8\nr3 = {READABLE:#x} ll\ncall 1\nr0 = *(u64 *)(r10 - 8)\nexit"

    for wild in (
        0,
        READABLE,
        WRITABLE,
        DATA,
        CONTEXT,
        VARIABLES,
        STACK - 8,
        STACK + 64,
        STACK + 57,
        0x7FFFFFFC,
    ):
        assert attempt(engine, text.format(f"{wild:#x} ll")).fault is Fault.MEMORY
    assert attempt(engine, text.format(f"{STACK + 56:#x} ll")).registers[0] == 0x0706050403020100


def test_a_helper_given_a_wild_source_says_so_and_copies_nothing(engine):
    text = "r1 = r10\nr1 += -8\nr2 = 8\nr3 = {} ll\ncall 1\nr6 = *(u64 *)(r10 - 8)\nr0 += r6\nexit"

    for wild in (0, READABLE + 57, READABLE - 1, 0x7FFFFFFC, 0xFFFFFFFC, 2**32 + READABLE, 2**64 - 4):
        assert attempt(engine, text.format(f"{wild:#x}")).registers[0] == 2**64 - 1


def test_straight_lines_cost_fuel_and_so_do_helpers(engine):
    straight = "r0 = 1\n" * 50 + "exit"
    helpers = "r2 = 0\n" + "call 1\n" * 50 + "exit"

    assert attempt(engine, straight, fuel=50).fault is Fault.FUEL
    assert attempt(engine, straight, fuel=51).fault is Fault.NONE
    assert attempt(engine, helpers, fuel=51).fault is Fault.FUEL
    assert attempt(engine, helpers, fuel=52).fault is Fault.NONE


def test_the_data_section_begins_where_its_region_does(engine):
    outcome = attempt(engine, "r1 = map[idx:0]+0\nr0 = *(u64 *)(r1 + 0)\nexit")

    assert outcome.registers[0].to_bytes(8, "little") == b"constant"


# ------------------------------------------------ RapidPatch ------------------------------------------------


def test_a_store_is_judged_by_its_destination_not_by_its_source(engine):
    good_source = f"r3 = {CONTEXT:#x} ll\nr4 = {READABLE:#x} ll\n"

    wrong = attempt(engine, good_source + "*(u64 *)(r4 + 0) = r3\nexit")
    right = attempt(engine, "r3 = 0 ll\n*(u64 *)(r10 - 8) = r3\nr0 = 5\nexit")

    assert wrong.fault is Fault.MEMORY
    assert (right.fault, right.registers[0]) == (Fault.NONE, 5)


def test_a_region_is_no_longer_than_it_says(engine):
    for base, size in ((READABLE, 64), (WRITABLE, 16), (DATA, 8), (CONTEXT, 68), (VARIABLES, 16)):
        for offset in (size - 7, size, size + 1, 2 * size, 4 * size - 8, 4 * size):
            outcome = attempt(engine, f"r1 = {base:#x} ll\nr0 = *(u64 *)(r1 + {offset})\nexit")
            assert outcome.fault is Fault.MEMORY


def test_a_run_out_of_fuel_ends_in_a_fault_never_in_a_verdict(engine):
    outcome = attempt(engine, "r0 = 1\ngoto -2\nexit", fuel=1000)

    assert (outcome.fault, outcome.fuel) == (Fault.FUEL, 0)


def test_no_helper_calls_an_address(engine):
    for number in (0, 2, 3, 31, 32, 0x08000101, 0xFFFFFFFF, 2**32 + 1):
        outcome = attempt(engine, f"r6 = {number:#x} ll\nr1 = 0x08000101 ll\ncallx r6\nexit")
        assert outcome.fault is Fault.CALL


@pytest.mark.parametrize("opcode", sorted({0x00, 0x0D, 0x20, 0x28, 0x30, 0x40, 0x48, 0xE5, 0xEC, 0xFF}))
def test_an_unknown_opcode_is_refused_not_skipped(engine, opcode):
    code = bytes([0xB7, 0, 0, 0, 1, 0, 0, 0, opcode, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0])

    assert engine.check(code, LIMITS) == (Status.CHECK_OPCODE, 1)


# ------------------------------------------------ Zephyr's subsystem ----------------------------------------


def test_memory_outside_every_region_is_neither_read_nor_written(engine):
    for address in (STACK - 1, STACK + 64, CONTEXT - 1, CONTEXT + 68, READABLE + 64, WRITABLE + 16, DATA - 1):
        load = attempt(engine, f"r1 = {address:#x} ll\nr0 = *(u8 *)(r1 + 0)\nexit")
        store = attempt(engine, f"r1 = {address:#x} ll\n*(u8 *)(r1 + 0) = 1\nexit")
        assert (load.fault, store.fault) == (Fault.MEMORY, Fault.MEMORY)


def test_the_stack_shows_nothing_of_an_earlier_run(engine):
    for offset in range(8, 65, 8):
        outcome = attempt(engine, f"r0 = *(u64 *)(r10 - {offset})\nexit")
        assert (outcome.fault, outcome.registers[0]) == (Fault.NONE, 0)


def test_eight_bytes_that_reach_over_the_frame_pointer_are_outside(engine):
    for offset in range(1, 8):
        assert attempt(engine, f"r0 = *(u64 *)(r10 - {offset})\nexit").fault is Fault.MEMORY
    assert attempt(engine, "r0 = *(u64 *)(r10 - 8)\nexit").fault is Fault.NONE


@pytest.mark.parametrize("bit", range(32, 64))
def test_no_bit_of_an_address_is_ignored(engine, bit):
    load = attempt(engine, f"r6 = {1 << bit:#x} ll\nr1 += r6\nr0 = *(u8 *)(r1 + 0)\nexit")
    store = attempt(engine, f"r6 = {1 << bit:#x} ll\nr6 += r10\n*(u8 *)(r6 - 1) = 1\nexit")

    assert (load.fault, store.fault) == (Fault.MEMORY, Fault.MEMORY)


@pytest.mark.parametrize("offset", ("- 32768", "- 1", "+ 1", "+ 32767"))
def test_an_offset_is_added_to_all_64_bits_of_the_base(engine, offset):
    base = (CONTEXT - int(offset.replace(" ", ""))) % 2**64
    load = "r0 = *(u8 *)(r1 {})"

    good = attempt(engine, f"r1 = {base:#x} ll\n{load.format(offset)}\nexit")
    wild = attempt(engine, f"r1 = {(base + 2**32) % 2**64:#x} ll\n{load.format(offset)}\nexit")

    assert (good.fault, wild.fault) == (Fault.NONE, Fault.MEMORY)


def test_a_helper_that_was_not_granted_is_refused_and_by_number_it_ends_the_run(engine):
    code = program("r2 = 0\ncall 1\nexit")

    assert engine.check(code, Limits(4096, 8, helpers=NO_HELPERS)) == (Status.CHECK_CALL, 1)
    assert attempt(engine, "r6 = 1\ncallx r6\nexit", helpers=NO_HELPERS).fault is Fault.CALL
    assert attempt(engine, "r2 = 0\nr6 = 1\ncallx r6\nexit").fault is Fault.NONE


def test_a_sub_program_cannot_climb_out_of_the_stack(engine):
    deep = "call again\nexit\nagain:\ncall again\nexit"

    assert attempt(engine, deep, fuel=1000).fault is Fault.DEPTH


def test_random_pointers_never_leave_the_regions(engine):
    rng = random.Random(11)
    near = (STACK, STACK + 64, CONTEXT, CONTEXT + 68, DATA, DATA + 8, READABLE, READABLE + 64, WRITABLE)
    near += (VARIABLES, VARIABLES + 16)
    for _ in range(1500):
        address = (rng.choice(near) + rng.randrange(-16, 16) + rng.choice((0, 0, 0, 2**32, 2**63))) % 2**64
        size = rng.choice(("u8", "u16", "u32", "u64"))
        access = rng.choice((f"r0 = *({size} *)(r6 + 0)", f"*({size} *)(r6 + 0) = r0"))
        code = program(f"r6 = {address:#x} ll\n{access}\nexit")
        ours, theirs = space(), space()

        actual, expected = engine.run(code, ours, fuel=9), run(code, theirs, fuel=9)

        assert (actual.fault, actual.registers) == (expected.fault, expected.registers), code.hex()
        assert ours == theirs


# ------------------------------------------------ variables ------------------------------------------------

SHARE = 16  # the slots before and behind have theirs right beside it
ACCESSES = {
    "load": "r0 = *({size} *)(r6 + 0)",
    "store": "*({size} *)(r6 + 0) = r6",
    "store immediate": "*({size} *)(r6 + 0) = 1",
    "atomic": "lock *({size} *)(r6 + 0) += {word}6",
    "exchange": "r0 = 5\n{word}0 = {exchange}(r6 + 0, {word}0)",
}
WIDTHS = {
    "u8": (1, "", ""),
    "u16": (2, "", ""),
    "u32": (4, "w", "xchg32_32"),
    "u64": (8, "r", "xchg_64"),
}
REACHES = [
    (kind, size)
    for kind in ACCESSES
    for size in WIDTHS
    if kind not in ("atomic", "exchange") or size in ("u32", "u64")
]


def reach(kind: str, size: str, offset: int) -> str:
    """A program that gets at its variables' address plus `offset`."""
    _, word, exchange = WIDTHS[size]
    access = ACCESSES[kind].format(size=size, word=word, exchange=exchange)
    return f"r6 = map[idx:1]+0\nr5 = {offset % 2**64:#x} ll\nr6 += r5\n{access}\nr0 = 7\nexit"


@pytest.mark.parametrize(("kind", "size"), REACHES)
def test_no_program_gets_at_the_variables_of_the_slots_beside_its_own(engine, kind, size):
    octets = WIDTHS[size][0]
    before = [*range(-octets, 0), 1 - SHARE, -SHARE, -2 * SHARE]
    behind = [*range(SHARE - octets + 1, SHARE + 2), 2 * SHARE - octets, 2 * SHARE, 7 * SHARE]

    for offset in (*before, *behind):
        assert attempt(engine, reach(kind, size, offset)).fault is Fault.MEMORY, offset
    for offset in (0, SHARE - octets):
        outcome = engine.run(program(reach(kind, size, offset)), space(), fuel=9)
        assert (outcome.fault, outcome.registers[0]) == (Fault.NONE, 7)


@pytest.mark.parametrize(("kind", "size"), REACHES)
def test_an_offset_that_wraps_around_leads_back_to_the_variables_only_if_it_wraps_at_64_bits(
    engine, kind, size
):
    for bit in range(32, 64):
        assert attempt(engine, reach(kind, size, 1 << bit)).fault is Fault.MEMORY, bit
        assert attempt(engine, reach(kind, size, -(1 << bit))).fault is Fault.MEMORY, bit
    whole_turn = reach(kind, size, 2**63).replace("r6 += r5\n", "r6 += r5\nr6 += r5\n")

    assert engine.run(program(whole_turn), space(), fuel=9).fault is Fault.NONE


def test_the_helper_reads_a_programs_own_variables_and_none_beside_them(engine):
    text = "r1 = r10\nr1 += -8\nr2 = 8\nr3 = map[idx:1]+0\nr5 = {:#x} ll\nr3 += r5\ncall 1\nexit"

    for offset in (-1, -SHARE, SHARE - 7, SHARE, 2**32, -(2**32)):
        assert attempt(engine, text.format(offset % 2**64)).registers[0] == 2**64 - 1, offset
    for offset in (0, SHARE - 8):
        assert attempt(engine, text.format(offset)).registers[0] == 0
