"""Stop 6 of 12. The payload: programs, sites and data, laid out for a board to use in place.

Takes the parts of a patch; gives the `#patch` bytes of device_runtime/spec/container.toml, and takes such
bytes apart with the board's own structural rules (bad_payload). Whether the programs are sound is the
verifier's and the board's business. Next: patchctl/package/manifest.py
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import TypeVar

from patchctl.contract import (
    CONTEXT_REGISTERS,
    COPY_BYTES_MAX,
    INSTRUCTION_BYTES,
    LEVEL,
    MAP_VARIABLES,
    ORIGINAL_BYTES_MIN,
    PAYLOAD_ALIGNMENT,
    PAYLOAD_MAGIC,
    STACK_BYTES_MAX,
    Map,
    PayloadHeader,
    Program,
    Range,
    Record,
    Redirect,
    Site,
    Status,
    Trigger,
    Verdict,
)
from patchctl.errors import InputError, InternalError, refusal
from patchctl.program import (
    NO_VARIABLES,
    BuiltPatch,
    BuiltProgram,
    BuiltRedirect,
    BuiltSite,
    MemoryRange,
    SafeArgument,
    SafeVerdict,
    Variables,
)

FLAG_METERED = 1
FRAME_SHIFT = 16  # the program record's flags above this bit: frame_bytes
COPY_ALIGNMENT = 4
ORIGINAL_BYTES_MAX = 16
SAFE_ARGUMENTS_MAX = 4
_SAFE_VERDICTS = (Verdict.PASS, Verdict.RETURN, Verdict.REDIRECT)
_SECTIONS = tuple(
    field.name.removesuffix("_offset") for field in fields(PayloadHeader) if field.name.endswith("_offset")
)

_R = TypeVar("_R", bound=Record)


@dataclass(frozen=True, slots=True)
class Payload:
    """A patch as a board keeps it: a BuiltPatch without names and target."""

    programs: tuple[BuiltProgram, ...]
    sites: tuple[BuiltSite, ...]
    redirects: tuple[BuiltRedirect, ...] = ()
    ranges: tuple[MemoryRange, ...] = ()
    helpers: tuple[int, ...] = ()
    data: bytes = b""
    variables: Variables = NO_VARIABLES


def pack(patch: BuiltPatch | Payload) -> bytes:
    """The payload's bytes; InternalError if no board could accept them."""
    sections = _fill_sections(patch)
    offset = PayloadHeader.BYTES
    places: dict[str, int] = {}
    body = bytearray()
    for name in _SECTIONS:
        content = sections.get(name, b"")
        places |= {f"{name}_offset": offset, f"{name}_bytes": len(content)}
        padded = content + bytes(-len(content) % PAYLOAD_ALIGNMENT)
        body += padded
        offset += len(padded)
    header = PayloadHeader(PAYLOAD_MAGIC, LEVEL, PayloadHeader.BYTES, offset, 0, **places)
    packed = header.pack() + bytes(body)
    try:
        unpack(packed)
    except InputError as problem:
        raise InternalError(f"the packed patch is not acceptable: {problem.line()}") from problem
    return packed


def _fill_sections(patch: BuiltPatch | Payload) -> dict[str, bytes]:
    code, certificates, copies = bytearray(), bytearray(), bytearray()
    programs, sites = bytearray(), bytearray()
    for program in patch.programs:
        certificate_offset = len(certificates) if program.certificate else 0
        record = Program(
            *(len(code), len(program.code), program.fuel, program.stack_bytes),
            *(certificate_offset, len(program.certificate), _flags(program)),
        )
        programs += record.pack()
        code += program.code
        certificates += program.certificate + bytes(-len(program.certificate) % PAYLOAD_ALIGNMENT)
    for site in patch.sites:
        sites += _site_record(site, len(copies)).pack()
        copies += site.copy + bytes(-len(site.copy) % COPY_ALIGNMENT)
    return {
        "programs": bytes(programs),
        "sites": bytes(sites),
        "redirects": b"".join(Redirect(redirect.target).pack() for redirect in patch.redirects),
        "ranges": b"".join(Range(each.address, each.bytes).pack() for each in patch.ranges),
        "helpers": struct.pack(f"<{len(patch.helpers)}I", *patch.helpers),
        "copies": bytes(copies),
        "code": bytes(code),
        "maps": _map_record(patch.variables),
        "data": patch.data + patch.variables.initial,
        "certificate": bytes(certificates),
    }


def _map_record(variables: Variables) -> bytes:
    if variables == NO_VARIABLES:
        return b""
    return Map(MAP_VARIABLES, variables.bytes, len(variables.initial)).pack()


def _flags(program: BuiltProgram) -> int:
    return program.frame_bytes << FRAME_SHIFT | (FLAG_METERED if program.metered else 0)


def _site_record(site: BuiltSite, copy_offset: int) -> Site:
    safe = site.safe
    values = [argument.value for argument in safe.arguments]
    pointers = sum(1 << index for index, argument in enumerate(safe.arguments) if argument.in_data)
    legal_verdicts = sum(1 << verdict for verdict in site.verdicts)
    return Site(
        *(site.address, site.original, len(site.original), site.displaced_bytes),
        *(site.trigger, site.program_index, legal_verdicts, site.writable_registers),
        *(copy_offset, len(site.copy), safe.verdict, safe.redirect),
        *(pointers, len(values), safe.value, *values, *[0] * (SAFE_ARGUMENTS_MAX - len(values))),
    )


def unpack(data: bytes) -> Payload:
    """The parts of a payload; refused as bad_payload (another level: unsupported) unless all of it fits."""
    if len(data) < PayloadHeader.BYTES:
        raise _bad("header")
    header = PayloadHeader.unpack(data[: PayloadHeader.BYTES])
    if header.magic == PAYLOAD_MAGIC and header.level != LEVEL:
        raise refusal(Status.UNSUPPORTED, where=f"payload of contract level {header.level}")
    whole = (header.magic, header.header_bytes, header.total_bytes, header.tenant)
    _require(whole == (PAYLOAD_MAGIC, PayloadHeader.BYTES, len(data), 0), "header")
    return _read_parts(_cut_sections(header, data))


def _cut_sections(header: PayloadHeader, data: bytes) -> dict[str, bytes]:
    """Every section's bytes: in order, without gaps but zero padding, up to the last byte."""
    sections: dict[str, bytes] = {}
    expected = PayloadHeader.BYTES
    for name in _SECTIONS:
        offset, size = getattr(header, f"{name}_offset"), getattr(header, f"{name}_bytes")
        end = offset + size
        expected_end = end + (-end % PAYLOAD_ALIGNMENT)
        _require(offset == expected and expected_end <= len(data), name)
        _require(not any(data[end:expected_end]), name)
        sections[name] = data[offset:end]
        expected = expected_end
    _require(expected == len(data), "end")
    return sections


def _read_parts(sections: dict[str, bytes]) -> Payload:
    programs = tuple(_read_program(record, sections) for record in _records(Program, sections["programs"]))
    redirects = tuple(_read_redirect(record) for record in _records(Redirect, sections["redirects"]))
    data_bytes = len(sections["data"])
    sites = tuple(
        _read_site(record, sections["copies"], (len(programs), len(redirects), data_bytes))
        for record in _records(Site, sections["sites"])
    )
    _require(bool(programs), "programs")
    _require(bool(sites), "sites")
    helpers = sections["helpers"]
    _require(len(helpers) % 4 == 0, "helpers")
    variables = _read_variables(sections["maps"], sections["data"])
    return Payload(
        programs=programs,
        sites=sites,
        redirects=redirects,
        ranges=tuple(_read_range(record) for record in _records(Range, sections["ranges"])),
        helpers=struct.unpack(f"<{len(helpers) // 4}I", helpers),
        data=sections["data"].removesuffix(variables.initial),
        variables=variables,
    )


def _read_variables(maps: bytes, data: bytes) -> Variables:
    """Of maps there may be one, the variables; their initial values are the end of the data."""
    if not maps:
        return NO_VARIABLES
    record = Map.unpack(maps) if len(maps) == Map.BYTES else None
    if record is None or record.kind != MAP_VARIABLES:
        raise refusal(Status.UNSUPPORTED, where="payload section maps")
    _require(record.value_bytes > 0 and record.value_bytes % 8 == 0, "maps")
    _require(record.initial_bytes <= min(record.value_bytes, len(data)), "maps")
    return Variables(data[len(data) - record.initial_bytes :], record.value_bytes)


def _read_redirect(record: Redirect) -> BuiltRedirect:
    _require(record.target % 2 == 0, "redirects")
    return BuiltRedirect("", record.target)


def _read_range(record: Range) -> MemoryRange:
    _require(0 < record.span_bytes and record.address + record.span_bytes <= 1 << 32, "ranges")
    return MemoryRange(record.address, record.span_bytes)


def _read_program(record: Program, sections: dict[str, bytes]) -> BuiltProgram:
    _require(record.code_offset % INSTRUCTION_BYTES == 0, "programs")
    _require(record.code_bytes % INSTRUCTION_BYTES == 0 and record.code_bytes > 0, "programs")
    _require(record.stack_bytes % 8 == 0 and record.stack_bytes <= STACK_BYTES_MAX, "programs")
    frame_bytes, marks = record.flags >> FRAME_SHIFT, record.flags & ((1 << FRAME_SHIFT) - 1)
    _require(marks in (0, FLAG_METERED), "programs")
    _require(frame_bytes % 8 == 0 and frame_bytes <= record.stack_bytes, "programs")
    return BuiltProgram(
        name="",
        code=_slice(sections["code"], record.code_offset, record.code_bytes, "programs"),
        fuel=record.fuel,
        stack_bytes=record.stack_bytes,
        certificate=_slice(
            sections["certificate"], record.certificate_offset, record.certificate_bytes, "programs"
        ),
        metered=marks == FLAG_METERED,
        frame_bytes=frame_bytes,
    )


def _read_site(record: Site, copies: bytes, counts: tuple[int, int, int]) -> BuiltSite:
    """`counts`: of programs, of redirects, of data bytes."""
    original = record.original[: record.original_bytes]
    _require(ORIGINAL_BYTES_MIN <= record.original_bytes <= ORIGINAL_BYTES_MAX, "sites")
    _require(not any(record.original[record.original_bytes :]), "sites")
    _require(record.address % 2 == 0 and 0 < record.displaced_bytes <= record.original_bytes, "sites")
    _require(record.trigger in set(Trigger) and record.program_index < counts[0], "sites")
    _require(record.legal_verdicts >> len(Verdict) == 0, "sites")
    _require(record.writable_registers >> CONTEXT_REGISTERS == 0, "sites")
    _require(record.copy_offset % COPY_ALIGNMENT == 0 and record.copy_bytes <= COPY_BYTES_MAX, "sites")
    return BuiltSite(
        function="",
        address=record.address,
        original=original,
        displaced_bytes=record.displaced_bytes,
        trigger=Trigger(record.trigger),
        program_index=record.program_index,
        verdicts=frozenset(verdict for verdict in Verdict if record.legal_verdicts >> verdict & 1),
        writable_registers=record.writable_registers,
        copy=_slice(copies, record.copy_offset, record.copy_bytes, "sites"),
        safe=_read_safe(record, counts[1], counts[2]),
    )


def _read_safe(record: Site, redirects: int, data_bytes: int) -> SafeVerdict:
    values = (record.safe_argument0, record.safe_argument1, record.safe_argument2, record.safe_argument3)
    used = values[: record.safe_arguments]
    _require(record.safe_arguments <= SAFE_ARGUMENTS_MAX and not any(values[len(used) :]), "sites")
    _require(record.safe_pointers >> len(used) == 0, "sites")
    arguments = tuple(
        SafeArgument(value, bool(record.safe_pointers >> bit & 1)) for bit, value in enumerate(used)
    )
    _require(all(each.value < data_bytes for each in arguments if each.in_data), "sites")
    _require(record.safe_verdict in _SAFE_VERDICTS, "sites")
    _require(record.safe_verdict != Verdict.REDIRECT or record.safe_redirect < redirects, "sites")
    verdict = Verdict(record.safe_verdict)
    return SafeVerdict(verdict, record.safe_redirect, arguments, record.safe_value)


def _records(kind: type[_R], section: bytes) -> Iterable[_R]:
    _require(len(section) % kind.BYTES == 0, kind.__name__.lower())
    starts = range(0, len(section), kind.BYTES)
    return [kind.unpack(section[start : start + kind.BYTES]) for start in starts]


def _slice(section: bytes, offset: int, size: int, what: str) -> bytes:
    _require(offset + size <= len(section), what)
    return section[offset : offset + size]


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise _bad(what)


def _bad(what: str) -> InputError:
    return refusal(Status.BAD_PAYLOAD, where=f"payload section {what}")
