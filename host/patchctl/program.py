"""Stops 3 to 6 of 12. A patch between compiler and container: programs, sites, redirects, data.

Takes a patch object's bytes; gives a Program: instructions whose data and sub-program references are
resolved and whose firmware symbols are still names. Further down the walk the same patch, bound and verified,
is a BuiltPatch, the plain value that package/ packs. Next: host/patchctl/firmware.py
"""

from __future__ import annotations

from dataclasses import dataclass

from patchctl.contract import Trigger, Verdict


@dataclass(frozen=True, slots=True)
class BuiltProgram:
    """One verified eBPF program, as it will stand in the code section."""

    name: str
    code: bytes
    fuel: int
    stack_bytes: int
    certificate: bytes = b""
    metered: bool = False


@dataclass(frozen=True, slots=True)
class SafeArgument:
    """A constant for one argument register: a number, or an offset into the data section."""

    value: int
    in_data: bool = False


@dataclass(frozen=True, slots=True)
class SafeVerdict:
    """What a site does when its program cannot finish: pass, return `value`, or redirect with `arguments`."""

    verdict: Verdict
    redirect: int = 0
    arguments: tuple[SafeArgument, ...] = ()
    value: int = 0


@dataclass(frozen=True, slots=True)
class BuiltSite:
    """A bound site. `copy` is the displaced instruction and its jump back, in Thumb code."""

    function: str
    address: int
    original: bytes
    displaced_bytes: int
    trigger: Trigger
    program_index: int
    verdicts: frozenset[Verdict]
    writable_registers: int
    copy: bytes
    safe: SafeVerdict


@dataclass(frozen=True, slots=True)
class BuiltRedirect:
    """A function of the firmware that a verdict may go on at; `target` has no Thumb bit."""

    name: str
    target: int


@dataclass(frozen=True, slots=True)
class MemoryRange:
    """Firmware memory."""

    address: int
    bytes: int


@dataclass(frozen=True, slots=True)
class BuiltPatch:
    """Everything the payload and the manifest need, and nothing they could not carry."""

    id: str
    sequence: int
    about: str
    board: str
    build_id: bytes
    programs: tuple[BuiltProgram, ...]
    sites: tuple[BuiltSite, ...]
    redirects: tuple[BuiltRedirect, ...] = ()
    ranges: tuple[MemoryRange, ...] = ()
    helpers: tuple[int, ...] = ()
    data: bytes = b""
