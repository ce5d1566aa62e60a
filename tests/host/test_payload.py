"""The payload: packed as container.toml says, and taken apart with the board's own rules."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from patchctl.contract import STATUS_TEXT, PayloadHeader, Program, Site, Status, Verdict
from patchctl.errors import DeviceRefused, InternalError
from patchctl.package import payload
from patchctl.program import BuiltProgram, BuiltRedirect, MemoryRange, SafeArgument, SafeVerdict

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
