"""Stop 6 of 12. Containers for the core's tests: small patches at sites of the tests' own firmware text.

Takes a program and what differs from the sample; gives install and undo containers. Next: tests/native.py
"""

from __future__ import annotations

from dataclasses import replace

from patchctl.board import load_board
from patchctl.contract import Trigger, Verdict
from patchctl.package import payload as payloads
from patchctl.package.envelope import seal_install, seal_undo
from patchctl.package.manifest import Manifest
from patchctl.package.signing import SigningKey
from patchctl.program import BuiltPatch, BuiltProgram, BuiltRedirect, BuiltSite, SafeVerdict

from tests.native import BUILD_ID, NativeDevice, blank_flash

BOARD = load_board("nrf52840dk")
KEY = SigningKey.from_seed(bytes(range(32)))
OTHER_KEY = SigningKey.from_seed(bytes(range(1, 33)))
SITE = 0x0000_2000
SECOND_SITE = 0x0000_3000
REDIRECTED = 0x0000_4000
PUSH = bytes.fromhex("10b5")  # push {r4, lr}
ORIGINAL = PUSH + bytes.fromhex("044600f0010d")
ALL_VERDICTS = frozenset(Verdict)


def exit_with(verdict: int, value: int = 0) -> bytes:
    """lddw r0, value << 32 | verdict; exit"""
    return (
        b"\x18\x00\x00\x00"
        + verdict.to_bytes(4, "little")
        + bytes(4)
        + value.to_bytes(4, "little")
        + bytes.fromhex("9500000000000000")
    )


def copy_of(address: int, displaced: bytes) -> bytes:
    """The copy that a board accepts: the instructions, a nop to align, ldr.w pc, [pc, #0], where to go on."""
    nop = bytes.fromhex("00bf") if len(displaced) % 4 else b""
    back = ((address + len(displaced)) | 1).to_bytes(4, "little")
    return displaced + nop + bytes.fromhex("dff800f0") + back


def site(address: int = SITE, **changes: object) -> BuiltSite:
    """A site at a function's entry."""
    plain = BuiltSite(
        function="",
        address=address,
        original=ORIGINAL,
        displaced_bytes=len(PUSH),
        trigger=Trigger.BREAKPOINT,
        program_index=0,
        verdicts=ALL_VERDICTS,
        writable_registers=0,
        copy=copy_of(address, PUSH),
        safe=SafeVerdict(Verdict.PASS),
    )
    return replace(plain, **changes)


def patch(code: bytes | None = None, *, fuel: int = 64, **changes: object) -> BuiltPatch:
    """One program at one site."""
    plain = BuiltPatch(
        id="sample",
        sequence=1,
        about="",
        board=BOARD.name,
        build_id=BUILD_ID,
        programs=(BuiltProgram("entry", code or exit_with(Verdict.PASS), fuel=fuel, stack_bytes=64),),
        sites=(site(),),
        redirects=(BuiltRedirect("", REDIRECTED),),
    )
    return replace(plain, **changes)


def manifest(sequence: int, **changes: object) -> Manifest:
    """The sample's manifest with a raw SUIT sequence."""
    return replace(Manifest("sample", sequence, BOARD.class_id, BUILD_ID), **changes)


def install(
    sequence: int = 2, built: BuiltPatch | None = None, key: SigningKey = KEY, **changes: object
) -> bytes:
    """A signed install of `built`."""
    return seal_install(manifest(sequence, **changes), payloads.pack(built or patch()), key)


def undo(sequence: int = 3, key: SigningKey = KEY, **changes: object) -> bytes:
    """A signed undo."""
    return seal_undo(manifest(sequence, **changes), key)


def device(**changes: object) -> NativeDevice:
    """A board that trusts KEY and whose firmware has ORIGINAL at both sites."""
    flash = blank_flash(BOARD, (KEY.public,))
    flash.load(SITE, ORIGINAL)
    flash.load(SECOND_SITE, ORIGINAL)
    return NativeDevice(flash, **changes)
