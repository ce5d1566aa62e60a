"""Firmware files: symbols, build-id, code bytes, and where a patch may not act."""

import subprocess

import pytest
from conftest import compile_firmware
from patchctl.errors import InputError, TargetMismatch
from patchctl.firmware import load_firmware, parse_firmware


def test_functions_have_no_thumb_bit_but_pointers_to_them_do(tiny_firmware):
    function = tiny_firmware.function("mp_import_all", "patch.toml")

    assert function.address % 2 == 0
    assert function.pointer == function.address | 1


def test_objects_are_found_with_their_address_as_it_is(tiny_firmware):
    symbol = tiny_firmware.symbol("mp_type_module", "patch.toml")

    assert not symbol.is_function
    assert symbol.pointer == symbol.address
    assert tiny_firmware.original(symbol.address, "")[:4] == b"\x01\0\0\0"


def test_build_id_is_the_linker_s(tiny_firmware, tiny_elf):
    notes = subprocess.run(
        ["arm-none-eabi-readelf", "-n", str(tiny_elf)], check=True, capture_output=True, text=True
    ).stdout

    assert f"Build ID: {tiny_firmware.build_id.hex()}" in notes
    assert len(tiny_firmware.build_id) == 20


def test_original_bytes_are_those_of_the_file(tiny_firmware):
    wide = tiny_firmware.function("starts_with_a_wide_push", "patch.toml")

    assert tiny_firmware.original(wide.address, "").startswith(bytes.fromhex("2de9f041"))


def test_unknown_symbol_is_refused_and_near_ones_are_named(tiny_firmware):
    with pytest.raises(InputError) as refusal:
        tiny_firmware.function("mp_import_al", "patch.toml")

    assert refusal.value.what == "the firmware has no symbol 'mp_import_al'"
    assert "mp_import_all" in refusal.value.hint
    assert refusal.value.where == "patch.toml"


def test_ambiguous_symbol_is_refused_with_both_addresses(tiny_firmware):
    with pytest.raises(InputError) as refusal:
        tiny_firmware.function("twice", "patch.toml")

    assert refusal.value.what.startswith("the firmware has 2 symbols 'twice', at 0x")


def test_object_is_no_function(tiny_firmware):
    with pytest.raises(InputError) as refusal:
        tiny_firmware.function("mp_type_module", "patch.toml")

    assert refusal.value.what == "'mp_type_module' is no function of the firmware"


def test_runtime_text_is_no_site_but_what_it_calls_is(tiny_firmware, some_board):
    tiny_firmware.check_site(tiny_firmware.function("take", ""), some_board, "patch.toml")
    with pytest.raises(TargetMismatch) as refusal:
        tiny_firmware.check_site(tiny_firmware.function("hp_inner", ""), some_board, "patch.toml")

    assert refusal.value.what == "'hp_inner' belongs to the runtime itself"


def test_address_without_code_is_refused(tiny_firmware):
    with pytest.raises(InputError) as refusal:
        tiny_firmware.original(0x2000_0000, "patch.toml")

    assert refusal.value.what == "the firmware's file holds no code at 0x20000000"


def test_firmware_without_a_build_id_is_refused(tmp_path):
    elf = compile_firmware(tmp_path / "plain.elf", "-Wl,--build-id=none")

    with pytest.raises(InputError) as refusal:
        load_firmware(elf)

    assert refusal.value.what == "the firmware has no build-id"


def test_stripped_firmware_is_refused(tmp_path, tiny_elf):
    stripped = tmp_path / "stripped.elf"
    subprocess.run(["arm-none-eabi-strip", "-o", str(stripped), str(tiny_elf)], check=True)

    with pytest.raises(InputError) as refusal:
        load_firmware(stripped)

    assert refusal.value.what == "the firmware has no symbols"


def test_missing_file_and_other_machine_are_refused(tmp_path, tiny_elf):
    with pytest.raises(InputError) as refusal:
        load_firmware(tmp_path / "none.elf")
    assert refusal.value.what == "there is no such firmware file"

    other = bytearray(tiny_elf.read_bytes())
    other[18] = 3
    with pytest.raises(InputError) as refusal:
        parse_firmware(bytes(other), "other.elf")
    assert refusal.value.what == "this is not a firmware for Arm"
