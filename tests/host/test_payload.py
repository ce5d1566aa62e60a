"""The payload: packed as container.toml says, and taken apart with the board's own rules."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from patchctl.contract import (
    MAP_VARIABLES,
    PAYLOAD_ALIGNMENT,
    STATUS_TEXT,
    Map,
    PayloadHeader,
    Program,
    Site,
    Status,
    Verdict,
)
from patchctl.errors import DeviceRefused, InternalError
from patchctl.package import payload
from patchctl.program import (
    NO_VARIABLES,
    BuiltProgram,
    BuiltRedirect,
    MemoryRange,
    SafeArgument,
    SafeVerdict,
    Variables,
)

from tests.host.samples import COPY, MOV_EXIT, PATCH

PACKED = payload.pack(PATCH)
HEADER = PayloadHeader.unpack(PACKED[: PayloadHeader.BYTES])


def test_sections_follow_each_other_eight_aligned_up_to_the_end():
    assert HEADER.total_bytes == len(PACKED)
    assert (HEADER.programs_offset, HEADER.programs_bytes) == (96, Program.BYTES)
    assert (HEADER.sites_offset, HEADER.sites_bytes) == (128, Site.BYTES)
    assert (HEADER.redirects_offset, HEADER.redirects_bytes) == (192, 4)
    assert (HEADER.ranges_offset, HEADER.ranges_bytes) == (200, 8)
    assert (HEADER.helpers_offset, HEADER.helpers_bytes) == (208, 4)
    assert (HEADER.maps_offset, HEADER.maps_bytes) == (216, 0)
    assert (HEADER.copies_offset, HEADER.copies_bytes) == (216, 12)
    assert (HEADER.code_offset, HEADER.code_bytes) == (232, 16)
    assert (HEADER.data_offset, HEADER.data_bytes) == (248, 13)
    assert (HEADER.certificate_offset, HEADER.certificate_bytes) == (264, 0)
    assert len(PACKED) == 264


def test_a_site_is_written_with_its_masks():
    site = Site.unpack(PACKED[128 : 128 + Site.BYTES])

    assert site.legal_verdicts == 0b101
    assert (site.safe_verdict, site.safe_redirect, site.safe_arguments) == (2, 0, 2)
    assert (site.safe_pointers, site.safe_argument0, site.safe_argument1) == (0b10, 0x2_0000, 4)
    assert PACKED[216:228] == COPY


def test_a_payload_reads_back_without_its_names():
    parts = payload.unpack(PACKED)

    assert parts.programs == (replace(PATCH.programs[0], name=""),)
    assert parts.sites == (replace(PATCH.sites[0], function=""),)
    assert parts.redirects == (BuiltRedirect("", 0x1_0000),)
    assert parts.ranges == (MemoryRange(0x2000_0000, 16),)
    assert (parts.helpers, parts.data) == ((1,), PATCH.data)
    assert payload.pack(parts) == PACKED


def test_programs_copies_and_certificates_are_found_by_their_offsets():
    two = replace(
        PATCH,
        programs=(
            BuiltProgram("a", MOV_EXIT, 10, 0, certificate=b"abc"),
            BuiltProgram("b", MOV_EXIT * 2, 20, 8, certificate=b"defgh", metered=True, frame_bytes=8),
        ),
        sites=(PATCH.sites[0], replace(PATCH.sites[0], address=0x2000, program_index=1, copy=b"01234567")),
    )

    parts = payload.unpack(payload.pack(two))

    assert [program.certificate for program in parts.programs] == [b"abc", b"defgh"]
    assert [program.metered for program in parts.programs] == [False, True]
    assert [program.frame_bytes for program in parts.programs] == [0, 8]
    assert [len(program.code) for program in parts.programs] == [16, 32]
    assert [site.copy for site in parts.sites] == [COPY, b"01234567"]


def test_every_shortened_or_lengthened_payload_is_refused():
    for changed in (*(PACKED[:size] for size in range(len(PACKED))), PACKED + bytes(8)):
        with pytest.raises(DeviceRefused):
            payload.unpack(changed)


def _header(**changes: int) -> bytes:
    return replace(HEADER, **changes).pack() + PACKED[PayloadHeader.BYTES :]


def _poke(offset: int, value: bytes) -> bytes:
    return PACKED[:offset] + value + PACKED[offset + len(value) :]


def _site(**changes: object) -> bytes:
    site = replace(Site.unpack(PACKED[128 : 128 + Site.BYTES]), **changes)
    return _poke(128, site.pack())


BAD = {
    "magic": _header(magic=0),
    "header size": _header(header_bytes=100),
    "tenant": _header(tenant=1),
    "gap": _header(sites_offset=136),
    "overlap": _header(sites_offset=120),
    "huge section": _header(certificate_bytes=0xFFFF_FFFF),
    "padding": _poke(229, b"\x01"),
    "program size": _poke(100, struct.pack("<I", 12)),
    "program outside": _poke(96, struct.pack("<I", 8)),
    "stack": _poke(108, struct.pack("<I", 520)),
    "flags": _poke(120, struct.pack("<I", 2)),
    "odd redirect": _poke(192, struct.pack("<I", 0x1_0001)),
    "empty range": _poke(204, struct.pack("<I", 0)),
    "wrapping range": _poke(200, struct.pack("<II", 0xFFFF_FFF8, 16)),
    "odd site": _site(address=0x1_2345),
    "original": _site(original_bytes=7),
    "original behind": _site(original=bytes(8) + b"\x01" + bytes(7)),
    "displaced": _site(displaced_bytes=0),
    "trigger": _site(trigger=9),
    "program index": _site(program_index=1),
    "verdicts": _site(legal_verdicts=1 << 5),
    "registers": _site(writable_registers=1 << 17),
    "copy outside": _site(copy_bytes=16),
    "copy alignment": _site(copy_offset=2, copy_bytes=8),
    "safe verdict": _site(safe_verdict=Verdict.CHANGE),
    "safe redirect": _site(safe_redirect=1),
    "safe arguments": _site(safe_arguments=5),
    "argument not used": _site(safe_argument3=1),
    "pointer without argument": _site(safe_pointers=0b100),
    "pointer outside data": _site(safe_argument1=13),
}


@pytest.mark.parametrize("changed", BAD.values(), ids=BAD)
def test_an_inconsistent_payload_is_refused(changed):
    with pytest.raises(DeviceRefused) as refusal:
        payload.unpack(changed)

    assert refusal.value.what == STATUS_TEXT[Status.BAD_PAYLOAD]


@pytest.mark.parametrize("unchanged", [_header(), _site(), _poke(0, b"")])
def test_the_same_payload_unchanged_is_accepted(unchanged):
    assert payload.unpack(unchanged) == payload.unpack(PACKED)


@pytest.mark.parametrize("changed", [_header(level=99), _header(maps_bytes=8, maps_offset=216)])
def test_what_this_level_does_not_have_is_unsupported_or_bad(changed):
    with pytest.raises(DeviceRefused):
        payload.unpack(changed)


@pytest.mark.parametrize(
    "patch",
    [
        replace(PATCH, programs=()),
        replace(PATCH, sites=(replace(PATCH.sites[0], safe=SafeVerdict(Verdict.REDIRECT, 3)),)),
        replace(
            PATCH,
            sites=(replace(PATCH.sites[0], safe=SafeVerdict(Verdict.PASS, 0, (SafeArgument(99, True),))),),
        ),
    ],
)
def test_a_patch_that_no_board_would_accept_is_not_packed(patch):
    with pytest.raises(InternalError, match="not acceptable"):
        payload.pack(patch)


# ------------------------------------------------ variables ------------------------------------------------

KEEPING = replace(PATCH, variables=Variables(b"\x07\0\0\0\x03\0", 16))
PACKED_KEEPING = payload.pack(KEEPING)
HEADER_KEEPING = PayloadHeader.unpack(PACKED_KEEPING[: PayloadHeader.BYTES])
DATA_BYTES = len(PATCH.data) + len(KEEPING.variables.initial)


def test_variables_are_one_map_record_and_their_initial_values_end_the_data():
    maps, data = HEADER_KEEPING.maps_offset, HEADER_KEEPING.data_offset

    assert HEADER_KEEPING.maps_bytes == Map.BYTES
    assert Map.unpack(PACKED_KEEPING[maps : maps + Map.BYTES]) == Map(MAP_VARIABLES, 16, 6)
    assert HEADER_KEEPING.data_bytes == DATA_BYTES
    assert PACKED_KEEPING[data : data + DATA_BYTES] == PATCH.data + b"\x07\0\0\0\x03\0"


@pytest.mark.parametrize("data", [b"", b"x", PATCH.data, PATCH.data + b"\0" * 8])
@pytest.mark.parametrize(
    "variables",
    [
        NO_VARIABLES,
        Variables(b"", 8),
        Variables(b"\x01", 8),
        Variables(bytes(8), 8),
        Variables(b"a module\0", 24),
        Variables(bytes(range(200)), 2**16 - 8),
    ],
    ids=lambda variables: f"{len(variables.initial)} of {variables.bytes}",
)
def test_variables_and_data_come_back_as_they_were(data, variables):
    safe = SafeVerdict(Verdict.PASS)
    patch = replace(PATCH, data=data, variables=variables, sites=(replace(PATCH.sites[0], safe=safe),))

    parts = payload.unpack(payload.pack(patch))

    assert (parts.data, parts.variables) == (data, variables)
    assert payload.pack(parts) == payload.pack(patch)


def _with_maps(*records: Map, cut: int = 0) -> bytes:
    """The packed patch with these records as its maps, short of the last `cut` bytes."""
    maps = b"".join(record.pack() for record in records)
    maps = maps[: len(maps) - cut]
    start, old_end = HEADER_KEEPING.maps_offset, HEADER_KEEPING.copies_offset
    padded = maps + bytes(-len(maps) % PAYLOAD_ALIGNMENT)
    shift = start + len(padded) - old_end
    behind = ("copies", "code", "data", "certificate")
    header = replace(
        HEADER_KEEPING,
        maps_bytes=len(maps),
        total_bytes=HEADER_KEEPING.total_bytes + shift,
        **{f"{name}_offset": getattr(HEADER_KEEPING, f"{name}_offset") + shift for name in behind},
    )
    return header.pack() + PACKED_KEEPING[PayloadHeader.BYTES : start] + padded + PACKED_KEEPING[old_end:]


GOOD = Map(MAP_VARIABLES, 16, 6)
MAPS_AND_TWINS = {
    "kind": (Status.UNSUPPORTED, _with_maps(replace(GOOD, kind=2)), GOOD),
    "no kind": (Status.UNSUPPORTED, _with_maps(replace(GOOD, kind=0)), GOOD),
    "two records": (Status.UNSUPPORTED, _with_maps(GOOD, GOOD), GOOD),
    "a record too short": (Status.UNSUPPORTED, _with_maps(GOOD, cut=4), GOOD),
    "a record and a half": (Status.UNSUPPORTED, _with_maps(GOOD, GOOD, cut=8), GOOD),
    **{
        f"{size} bytes": (Status.BAD_PAYLOAD, _with_maps(replace(GOOD, value_bytes=size)), GOOD)
        for size in (9, 12, 15, 17, 20)
    },
    "more initial values than variables": (
        Status.BAD_PAYLOAD,
        _with_maps(Map(MAP_VARIABLES, 8, 9)),
        Map(MAP_VARIABLES, 8, 8),
    ),
    "initial values of no variables": (
        Status.BAD_PAYLOAD,
        _with_maps(Map(MAP_VARIABLES, 0, 1)),
        Map(MAP_VARIABLES, 8, 1),
    ),
    "more initial values than data": (
        Status.BAD_PAYLOAD,
        _with_maps(Map(MAP_VARIABLES, 24, DATA_BYTES + 1)),
        Map(MAP_VARIABLES, 24, DATA_BYTES),
    ),
    "initial values without end": (
        Status.BAD_PAYLOAD,
        _with_maps(Map(MAP_VARIABLES, 0xFFFF_FFF8, 0xFFFF_FFF8)),
        Map(MAP_VARIABLES, 0xFFFF_FFF8, DATA_BYTES),
    ),
}


@pytest.mark.parametrize(("status", "changed", "twin"), MAPS_AND_TWINS.values(), ids=MAPS_AND_TWINS)
def test_a_malformed_map_record_is_refused_with_its_status_and_its_twin_is_accepted(status, changed, twin):
    with pytest.raises(DeviceRefused) as refusal:
        payload.unpack(changed)

    assert refusal.value.what == STATUS_TEXT[status]
    assert refusal.value.where == "payload section maps"
    parts = payload.unpack(_with_maps(twin))
    data = PATCH.data + KEEPING.variables.initial
    assert parts.data + parts.variables.initial == data
    assert parts.variables == Variables(data[len(data) - twin.initial_bytes :], twin.value_bytes)


@pytest.mark.parametrize(
    ("variables", "twin"),
    [
        (Variables(b"", 12), Variables(b"", 16)),
        (Variables(bytes(9), 8), Variables(bytes(9), 16)),
        (Variables(b"\x01", 0), Variables(b"\x01", 8)),
    ],
)
def test_variables_that_no_board_would_accept_are_not_packed_and_their_twins_are(variables, twin):
    with pytest.raises(InternalError, match=r"not acceptable: .*section maps"):
        payload.pack(replace(PATCH, variables=variables))

    assert payload.unpack(payload.pack(replace(PATCH, variables=twin))).variables == twin


def test_every_shortened_payload_with_variables_is_refused():
    for size in range(len(PACKED_KEEPING)):
        with pytest.raises(DeviceRefused):
            payload.unpack(PACKED_KEEPING[:size])
    assert payload.unpack(PACKED_KEEPING).variables == KEEPING.variables
