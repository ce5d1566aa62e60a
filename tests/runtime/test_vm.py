"""core/vm.c and core/helpers.c: our vectors, the public suite, and the holes that other engines had."""

from __future__ import annotations

import subprocess

import pytest
from patchctl.assembly import assemble
from patchctl.contract import Fault, Op
from patchctl.isa import decode, encode
from patchctl.reference import HELPERS, Region, Space

from tests import bpf_conformance as suite
from tests.engine import INCLUDES, ROOT, SOURCES, WARNINGS, build
from tests.isa_vectors import CONTEXT, STACK, Vector, vectors

RUNNABLE = [vector for vector in vectors() if vector.status == 0]


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    return build(tmp_path_factory.mktemp("engine"))


def program(text: str) -> bytes:
    return encode(assemble(text))


@pytest.mark.parametrize("vector", RUNNABLE, ids=lambda vector: vector.name)
def test_vector_gives_its_result(engine, vector: Vector):
    space = vector.space()

    outcome = engine.run(
        vector.code, space, fuel=vector.fuel, frame_bytes=vector.frame_bytes, helpers=vector.helpers
    )

    assert outcome.fault is vector.fault
    assert vector.result in (None, outcome.registers[0])
    assert vector.fuel_left in (None, outcome.fuel)
    assert vector.fits(space)


def test_vectors_cover_every_opcode_and_every_fault_of_the_engine():
    opcodes = {instruction.op for vector in RUNNABLE for instruction in decode(vector.code)}
    faults = {vector.fault for vector in RUNNABLE}

    assert set(Op) - opcodes == set()
    assert faults == {Fault.NONE, Fault.FUEL, Fault.MEMORY, Fault.CALL, Fault.DEPTH}


@pytest.mark.skipif(not suite.FILES, reason="bpf_conformance absent: 214 files not run")
def test_public_suite_passes_on_the_engine(engine):
    wrong = {}
    for path in suite.FILES:
        case = suite.load(path)
        context = Region(CONTEXT if case.memory else 0, bytearray(case.memory))
        space = Space(Region(STACK, bytearray(512)), context)
        outcome = engine.run(case.code, space, fuel=100_000, frame_bytes=64, helpers=frozenset({5}))
        if (outcome.fault, outcome.registers[0]) != (Fault.NONE, case.result):
            wrong[case.name] = (outcome.fault, hex(outcome.registers[0]))

    assert len(suite.FILES) == suite.FILE_COUNT
    assert wrong == {}


def test_run_without_a_region_of_8_bytes_ends_at_once_and_with_one_it_runs(engine):
    code = program("r0 = 3\nexit")

    without = engine.run(code, Space(Region(STACK, bytearray(0)), Region(CONTEXT, bytearray(7))), fuel=9)
    only_context = engine.run(code, Space(Region(0, bytearray(0)), Region(CONTEXT, bytearray(8))), fuel=9)
    only_stack = engine.run(code, Space(Region(STACK, bytearray(8)), Region(0, bytearray(0))), fuel=9)

    assert without.fault is Fault.RECORD
    assert (only_context.fault, only_context.registers[0]) == (Fault.NONE, 3)
    assert (only_stack.fault, only_stack.registers[0]) == (Fault.NONE, 3)


@pytest.mark.parametrize("size, kind", [(1, "u8"), (2, "u16"), (4, "u32"), (8, "u64")])
def test_every_offset_of_a_region_is_exact_at_every_alignment(engine, size, kind):
    for base in range(CONTEXT, CONTEXT + 8):
        for offset in range(-9, 34):
            space = Space(Region(STACK, bytearray(8)), Region(base, bytearray(range(24))))
            place = f"*({kind} *)(r1 {'-' if offset < 0 else '+'} {abs(offset)})"
            code = program(f"{place} = -1\nr0 = {place}\nexit")

            outcome = engine.run(code, space, fuel=9)

            inside = 0 <= offset <= 24 - size
            assert outcome.fault is (Fault.NONE if inside else Fault.MEMORY)
            assert not inside or outcome.registers[0] == 2 ** (8 * size) - 1


def test_a_region_that_ends_at_the_top_of_memory_is_exact(engine):
    for offset, fault in ((8, Fault.NONE), (9, Fault.MEMORY), (-1, Fault.MEMORY)):
        space = Space(Region(STACK, bytearray(8)), Region(2**32 - 16, bytearray(16)))

        outcome = engine.run(program(f"r1 += {offset}\nr0 = *(u64 *)(r1 + 0)\nexit"), space, fuel=9)

        assert outcome.fault is fault


def test_a_run_does_not_see_what_an_earlier_run_left_on_the_stack(engine):
    space = Space(Region(STACK, bytearray(b"secret!!" * 8)), Region(CONTEXT, bytearray(16)))

    outcome = engine.run(program("r0 = *(u64 *)(r10 - 32)\nexit"), space, fuel=9)

    assert outcome.registers[0] == 0


def test_registers_do_not_leak_from_an_earlier_run(engine):
    for register in (0, 3, 4, 5, 6, 7, 8, 9):
        space = Space(Region(STACK, bytearray(8)), Region(CONTEXT, bytearray(16)))

        outcome = engine.run(program(f"r0 = r{register}\nexit"), space, fuel=9)

        assert outcome.registers[0] == 0


def test_helpers_of_the_engine_are_those_of_the_reference(engine):
    asked = []
    for number in range(32):
        space = Space(Region(STACK, bytearray(16)), Region(CONTEXT, bytearray(16)))
        code = program(f"r2 = 0\nr6 = {number}\ncallx r6\nexit")
        outcome = engine.run(code, space, fuel=9, helpers=frozenset(range(32)) - {5})
        asked += [number] if outcome.fault is Fault.NONE else []

    assert asked == sorted(HELPERS)


# ------------------------------------------------ the portable core's gates ---------------------------------


CORES = ("cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m33")


@pytest.mark.parametrize("core", CORES)
def test_engine_needs_nothing_but_mem_functions_and_the_compilers_arithmetic(core, tmp_path):
    for source in SOURCES:
        target = tmp_path / f"{source.rsplit('/', 1)[1]}.o"
        flags = [*WARNINGS, *INCLUDES, "-Os", "-mthumb", f"-mcpu={core}"]
        subprocess.run(["arm-none-eabi-gcc", *flags, "-c", "-o", str(target), str(ROOT / source)], check=True)
    objects = [str(path) for path in tmp_path.glob("*.o")]

    names = subprocess.run(["arm-none-eabi-nm", *objects], check=True, capture_output=True, text=True).stdout
    rows = [line.split() for line in names.splitlines() if line.strip() and not line.endswith(":")]
    undefined = {row[1] for row in rows if row[0] == "U"}
    writable = [row for row in rows if row[-2].upper() in ("B", "D", "C")]
    own = {row[-1] for row in rows if row[-2] == "T"}

    allowed = ("mem", "__aeabi_", "__gnu_thumb1_case_")
    assert {name for name in undefined - own if not name.startswith(allowed)} == set()
    assert writable == []


def test_record_of_a_run_is_within_its_budget_on_a_32_bit_core(tmp_path):
    source = tmp_path / "size.c"
    source.write_text('#include "core/vm.h"\n_Static_assert(sizeof(hp_vm_t) <= 300U, "budget");\n')

    subprocess.run(
        ["arm-none-eabi-gcc", *WARNINGS, *INCLUDES, "-mcpu=cortex-m4", "-fsyntax-only", str(source)],
        check=True,
    )
