"""Binding: names become addresses, texts become data, the site becomes bytes."""

from dataclasses import replace

import pytest
from patchctl.assembly import assemble
from patchctl.binding import bind
from patchctl.btf import SourceLine
from patchctl.contract import Trigger, Verdict
from patchctl.description import (
    Description,
    SafeDescription,
    SiteDescription,
    SymbolArgument,
    TextArgument,
)
from patchctl.errors import InputError, TargetMismatch
from patchctl.isa import decode, encode
from patchctl.program import Program, SafeArgument, SymbolReference

CODE = encode(assemble("r0 = 0 ll\nexit"))
LINE = SourceLine("patch.c", 9, 3, "")


@pytest.fixture
def description(tmp_path):
    return Description(
        folder=tmp_path,
        id="fix",
        sequence=1,
        about="",
        site=SiteDescription("mp_import_all", frozenset({Verdict.REDIRECT}), ("r0",)),
        safe=SafeDescription(Verdict.REDIRECT, "mp_raise_msg"),
        redirects=("mp_raise_msg",),
    )


def program(*symbols, data=b""):
    references = {0: symbols[0]} if symbols else {}
    return Program("p", "patch.c", CODE, data, references, {0: LINE})


@pytest.mark.parametrize(("name", "thumb"), [("mp_type_module", 0), ("take", 1)])
def test_symbol_becomes_the_constant_a_c_pointer_would_hold(
    description, tiny_firmware, some_board, name, thumb
):
    bound = bind(program(SymbolReference(name, 8)), description, tiny_firmware, some_board)

    load = decode(bound.program.code)[0]
    assert load.src == 0
    assert load.imm64 == tiny_firmware.symbol(name, "").address + thumb + 8


def test_unknown_symbol_is_told_at_its_source_line(description, tiny_firmware, some_board):
    with pytest.raises(InputError) as refusal:
        bind(program(SymbolReference("mp_type_modul", 0)), description, tiny_firmware, some_board)

    assert refusal.value.where == "patch.c:9:3"
    assert "mp_type_module" in refusal.value.hint


def test_address_outside_memory_is_refused(description, tiny_firmware, some_board):
    with pytest.raises(InputError) as refusal:
        bind(program(SymbolReference("take", -(2**31))), description, tiny_firmware, some_board)

    assert refusal.value.what == "take-2147483648 lies outside memory"


def test_site_carries_original_bytes_and_a_copy(description, tiny_firmware, some_board):
    site = bind(program(), description, tiny_firmware, some_board).site

    function = tiny_firmware.function("mp_import_all", "")
    assert site.address == function.address
    assert len(site.original) == 16
    assert site.copy.startswith(site.original[: site.displaced_bytes])
    assert site.copy[-4:] == (function.address + site.displaced_bytes + 1).to_bytes(4, "little")
    assert (site.trigger, site.writable_registers) == (Trigger.BREAKPOINT, 1)


def test_safe_arguments_are_numbers_addresses_and_texts_in_the_data(description, tiny_firmware, some_board):
    arguments = (5, SymbolArgument("mp_type_module"), TextArgument("known"), TextArgument("new"))
    given = replace(description, safe=SafeDescription(Verdict.REDIRECT, "mp_raise_msg", 0, arguments))

    bound = bind(program(data=b"\1known\0"), given, tiny_firmware, some_board)

    address = tiny_firmware.symbol("mp_type_module", "").address
    assert bound.program.data == b"\1known\0new\0"
    assert bound.site.safe.arguments == (
        SafeArgument(5),
        SafeArgument(address),
        SafeArgument(1, in_data=True),
        SafeArgument(7, in_data=True),
    )


def test_redirects_are_addresses_without_the_thumb_bit(description, tiny_firmware, some_board):
    redirect = bind(program(), description, tiny_firmware, some_board).redirects[0]

    assert redirect.target == tiny_firmware.function("mp_raise_msg", "").address


@pytest.mark.parametrize(
    ("function", "error", "told"),
    [
        ("hp_inner", TargetMismatch, "belongs to the runtime itself"),
        ("starts_with_a_literal_load", InputError, "is ldr (literal), which cannot be executed"),
        ("mp_import_some", InputError, "the firmware has no symbol 'mp_import_some'"),
        ("mp_type_module", InputError, "is no function"),
        ("twice", InputError, "the firmware has 2 symbols 'twice'"),
    ],
)
def test_site_that_cannot_be_patched_is_refused(
    description, tiny_firmware, some_board, function, error, told
):
    other = replace(description, site=replace(description.site, function=function))

    with pytest.raises(error) as refusal:
        bind(program(), other, tiny_firmware, some_board)

    assert told in refusal.value.what
    assert refusal.value.where.endswith("patch.toml")
