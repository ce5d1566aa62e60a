"""ELF files: what is read from good ones, and that bad ones raise InputError and nothing else."""

import random

import pytest
from patchctl.elf import KIND_FUNCTION, MACHINE_ARM, UNDEFINED, parse_elf
from patchctl.errors import InputError
from patchctl.source import compile_source


@pytest.fixture(scope="module")
def patch_object(tmp_path_factory):
    source = tmp_path_factory.mktemp("elf") / "patch.c"
    source.write_text(
        "#include <hotpatch/patch.h>\nextern const u8 thing[];\n"
        'HP_PATCH(p) { context->r[0] = HP_ADDRESS(thing); context->r[1] = HP_TEXT("text"); return 0; }\n'
    )
    return compile_source(source)


def test_relocations_name_their_symbols(patch_object):
    elf = parse_elf(patch_object, "patch.o")

    code = elf.section("hotpatch")
    names = {r.symbol.name: r.symbol.section for r in elf.relocations if r.section == code.index}
    assert names["thing"] == UNDEFINED
    assert len(names) == 2


def test_32_bit_files_are_read_too(tiny_elf):
    elf = parse_elf(tiny_elf.read_bytes(), "firmware.elf")

    entry = next(symbol for symbol in elf.symbols if symbol.name == "mp_import_all")
    assert elf.machine == MACHINE_ARM
    assert entry.kind == KIND_FUNCTION
    assert entry.value & 1
    assert elf.section(".text").address == 0x1000
    assert (elf.section(".bss").data, elf.section(".bss").bytes > 0) == (b"", True)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "not an ELF file"),
        (b"\x7fELF", "little-endian"),
        (b"\x7fELF\x02\x02" + bytes(58), "little-endian"),
        (b"\x7fELF\x02\x01" + bytes(10), "ends before"),
    ],
)
def test_what_is_no_elf_file_is_refused(data, told):
    with pytest.raises(InputError) as refusal:
        parse_elf(data, "x.elf")

    assert told in refusal.value.what
    assert refusal.value.where == "x.elf"


def test_every_truncation_is_refused_or_read_without_surprise(patch_object):
    for size in range(0, len(patch_object), 7):
        with pytest.raises(InputError):
            parse_elf(patch_object[:size], "cut.o")


def test_flipped_bytes_raise_nothing_but_input_error(patch_object):
    source = random.Random(3)
    for _ in range(600):
        broken = bytearray(patch_object)
        for _ in range(source.randrange(1, 4)):
            place = source.choice([source.randrange(64), source.randrange(len(broken))])
            broken[place] = source.randrange(256)
        try:
            parse_elf(bytes(broken), "broken.o")
        except InputError as refusal:
            assert refusal.where == "broken.o"
