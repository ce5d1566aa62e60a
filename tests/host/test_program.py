"""Objects become programs: references resolved, firmware symbols still names, the rest refused."""

import random
import struct

import pytest
from patchctl.contract import SECTION_VARIABLES, Op
from patchctl.errors import InputError
from patchctl.isa import SOURCE_DATA, decode
from patchctl.program import SymbolReference, load_program
from patchctl.reference import Region, Space, run
from patchctl.source import compile_source

HEAD = "#include <hotpatch/patch.h>\nextern const u8 thing[];\n"


def loaded(folder, body):
    source = folder / "patch.c"
    source.write_text(HEAD + body)
    return load_program(compile_source(source), "patch.c")


def wide_loads(program):
    return [i for i in decode(program.code) if i.op is Op.LDDW]


def test_firmware_symbols_stay_named(tmp_path):
    program = loaded(tmp_path, "HP_PATCH(p) { context->r[0] = HP_ADDRESS(thing) + 12; return 0; }")

    assert list(program.symbols.values()) == [SymbolReference("thing", 0)]  # clang adds 12 in code
    assert program.name == "p"
    assert program.data == b""


def test_constant_texts_become_offsets_into_the_data_section(tmp_path):
    program = loaded(
        tmp_path, 'HP_PATCH(p) { context->r[0] = HP_TEXT("one"); context->r[1] = HP_TEXT("two"); return 0; }'
    )

    texts = [program.data[i.imm_high :].split(b"\0")[0] for i in wide_loads(program)]
    assert sorted(texts) == [b"one", b"two"]
    assert all(i.src == SOURCE_DATA and i.imm == 0 for i in wide_loads(program))


def test_sub_programs_are_laid_out_behind_the_entry(tmp_path):
    program = loaded(
        tmp_path,
        "__attribute__((noinline)) static u32 first(u32 a) { return hp_firmware_u32(a) + 1; }\n"
        "__attribute__((noinline)) static u32 second(u32 a) { return first(a) + hp_firmware_u32(a + 4); }\n"
        "HP_PATCH(p) { return hp_return(second(context->r[0])); }",
    )

    slots, at = {}, 0
    for instruction in decode(program.code):
        slots[at] = instruction
        at += instruction.slots
    calls = [(slot, i) for slot, i in slots.items() if i.is_local_call]
    starts = [slot + 1 + i.imm for slot, i in calls]
    ends = {slot + 1 for slot, i in slots.items() if i.op is Op.EXIT}
    assert len(calls) == 2
    assert all(start in ends for start in starts)


def test_every_instruction_has_a_line(tmp_path):
    program = loaded(tmp_path, "HP_PATCH(p)\n{\n    return hp_return(context->r[3]);\n}\n")

    assert {line.line for line in program.lines.values()} >= {5}
    assert set(program.lines) == set(range(0, len(program.code), 8))


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            "static const u8 *place = thing; HP_PATCH(p) { place += 1; return hp_return(*place); }",
            "'place' starts as the address of 'thing'",
        ),
        (
            "static u32 kept; static u32 *place = &kept; HP_PATCH(p) { return hp_return(*place++); }",
            "'place' starts as the address of 'kept'",
        ),
        (
            "static u8 ring[64] __attribute__((aligned(16)));\n"
            "HP_PATCH(p) { return hp_return(ring[context->r[0] & 63]++); }",
            "'ring' asks for an alignment of 16 bytes",
        ),
        (
            "static const u8 table[64] __attribute__((aligned(32))) = {1};\n"
            "HP_PATCH(p) { return hp_return(table[context->r[0] & 63]); }",
            "'table' asks for an alignment of 32 bytes",
        ),
        (
            'static u32 kept __attribute__((section("keep"))); HP_PATCH(p) { return hp_return(kept++); }',
            "'kept' lies in section 'keep'",
        ),
        ("u64 p(void) { return 0; }", "no patch function"),
        ("HP_PATCH(p) { return 0; } HP_PATCH(q) { return 1; }", "2 patch functions"),
        ("extern u32 other(u32); HP_PATCH(p) { return hp_return(other(1)); }", "'other' is called"),
        (
            "static const u8 *const table[] = {thing, thing + 1};\n"
            "HP_PATCH(p) { context->r[0] = (u32)(u64)table[context->r[1] & 1]; return 0; }",
            "'table' starts as the address of 'thing'",
        ),
        (
            'struct { u32 type; } m __attribute__((section(".maps")));\n'
            "HP_PATCH(p) { return hp_return(m.type); }",
            "maps are not supported",
        ),
    ],
)
def test_what_is_not_supported_is_refused_with_the_reason(tmp_path, body, told):
    with pytest.raises(InputError) as refusal:
        loaded(tmp_path, body)

    assert told in refusal.value.what


def test_an_address_is_that_of_a_scalar_a_struct_or_an_array(tmp_path):
    program = loaded(
        tmp_path,
        "static u32 number = 7; static struct { u32 a, b; } pair = {1, 2}; static u8 bytes[8] = {3};\n"
        "HP_PATCH(p)\n{\n    number += 1; pair.b += 1; bytes[1] += 1;\n"
        "    context->r[0] = HP_ADDRESS(number);\n    context->r[1] = HP_ADDRESS(pair);\n"
        "    context->r[2] = HP_ADDRESS(bytes);\n    return 3;\n}\n",
    )
    space = Space(Region(0x20000000, bytearray(64)), Region(0x20001000, bytearray(68)))
    space.variables = Region(0x20002000, bytearray(program.variables.initial))

    run(program.code, space, fuel=100)

    at = [offset - 0x20002000 for offset in struct.unpack_from("<3I", space.context.data)]
    assert [space.variables.data[offset] for offset in at] == [8, 1, 3]


def test_constant_variables_are_data(tmp_path):
    program = loaded(
        tmp_path,
        "static const u32 table[4] = {1, 20, 300, 4000};\n"
        "HP_PATCH(p) { return hp_return(table[context->r[0] & 3]); }",
    )

    assert program.data == b"".join(number.to_bytes(4, "little") for number in (1, 20, 300, 4000))
    assert [i.src for i in wide_loads(program)] == [SOURCE_DATA]


def test_variables_are_laid_out_with_the_initialized_ones_first(tmp_path):
    program = loaded(
        tmp_path,
        "static u32 total; u8 last[3]; static u16 limit = 700; u32 factor = 3;\n"
        "HP_PATCH(p)\n{\n    last[total % 3] = (u8)context->r[0];\n    total += factor;\n"
        "    factor = total > limit-- ? 1 : 3;\n    return hp_return(total + last[0]);\n}\n",
    )

    given, size = program.variables.initial, program.variables.bytes
    loads = [i for i in wide_loads(program) if i.imm == SECTION_VARIABLES]
    words = {given[i.imm_high :][:4].ljust(4, b"\0") for i in loads}
    assert words == {bytes(4), (700).to_bytes(4, "little"), (3).to_bytes(4, "little")}
    assert (len(given), size) == (6, 16)  # a u32 and a u16; behind them zeros
    assert all(i.src == SOURCE_DATA and 0 <= i.imm_high < size for i in loads)
    assert program.data == b""


def test_a_patch_may_point_into_a_variable(tmp_path):
    program = loaded(
        tmp_path,
        "static struct { u32 head; u8 ring[8]; } log = {7, {1, 2, 3}};\n"
        "HP_PATCH(p) { log.ring[context->r[0] & 7] = 9; context->r[0] = (u32)(u64)&log.ring; return 3; }",
    )

    assert program.variables.initial == struct.pack("<I8B", 7, 1, 2, 3, 0, 0, 0, 0, 0)
    assert {i.imm for i in wide_loads(program)} == {SECTION_VARIABLES}


def test_call_of_the_firmware_is_refused_at_its_line(tmp_path):
    with pytest.raises(InputError) as refusal:
        loaded(tmp_path, "extern u32 other(u32);\nHP_PATCH(p)\n{\n    return hp_return(other(1));\n}\n")

    assert refusal.value.where.startswith(f"{tmp_path}/patch.c:6:")


def test_object_of_another_machine_is_refused(tiny_elf):
    with pytest.raises(InputError) as refusal:
        load_program(tiny_elf.read_bytes(), "firmware.elf")

    assert refusal.value.what == "this is not an eBPF object"


def test_flipped_bytes_of_an_object_raise_nothing_but_input_error(tmp_path):
    source = tmp_path / "patch.c"
    source.write_text(
        HEAD + "__attribute__((noinline)) static u32 f(u32 a) { return hp_firmware_u32(a) + 1; }\n"
        'HP_PATCH(p) { context->r[0] = HP_TEXT("text") + HP_ADDRESS(thing); return f(context->r[1]); }\n'
    )
    data, chance = compile_source(source), random.Random(4)
    loaded_whole = 0
    for _ in range(400):
        broken = bytearray(data)
        for _ in range(chance.randrange(1, 4)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        try:
            load_program(bytes(broken), "broken.o")
            loaded_whole += 1
        except InputError as refusal:
            assert refusal.what

    assert 0 < loaded_whole < 400
