"""Keys, patches and containers for the host's tests; the same bytes every time."""

from __future__ import annotations

from patchctl.board import load_board
from patchctl.contract import Trigger, Verdict
from patchctl.package import payload
from patchctl.package.envelope import seal_install, seal_undo
from patchctl.package.manifest import Manifest, install_sequence, undo_sequence
from patchctl.package.signing import SigningKey
from patchctl.program import (
    BuiltPatch,
    BuiltProgram,
    BuiltRedirect,
    BuiltSite,
    MemoryRange,
    SafeArgument,
    SafeVerdict,
)

KEY = SigningKey.from_seed(bytes(range(32)))
OTHER_KEY = SigningKey.from_seed(bytes(range(1, 33)))
BOARD = load_board("nrf52840dk")
BUILD_ID = bytes(range(20))
MOV_EXIT = bytes.fromhex("b7000000000000009500000000000000")  # r0 = 0; exit
COPY = bytes.fromhex("10b504460048004700000000")  # twelve bytes that stand for displaced code

PATCH = BuiltPatch(
    id="import-star",
    sequence=3,
    about="a sample",
    board=BOARD.name,
    build_id=BUILD_ID,
    programs=(BuiltProgram("entry", MOV_EXIT, fuel=64, stack_bytes=16),),
    sites=(
        BuiltSite(
            function="mp_import_all",
            address=0x0001_2344,
            original=bytes.fromhex("10b5044600f0010d"),
            displaced_bytes=2,
            trigger=Trigger.BREAKPOINT,
            program_index=0,
            verdicts=frozenset({Verdict.PASS, Verdict.REDIRECT}),
            writable_registers=0b11,
            copy=COPY,
            safe=SafeVerdict(Verdict.REDIRECT, 0, (SafeArgument(0x0002_0000), SafeArgument(4, in_data=True))),
        ),
    ),
    redirects=(BuiltRedirect("mp_raise_msg", 0x0001_0000),),
    ranges=(MemoryRange(0x2000_0000, 16),),
    helpers=(1,),
    data=b"not\0a module\0",
)


def manifest(sequence: int, *, patch_id: str = PATCH.id, build_id: bytes = BUILD_ID) -> Manifest:
    return Manifest(patch_id, sequence, BOARD.class_id, build_id)


def install(sequence: int = 3, *, key: SigningKey = KEY, **changes: object) -> bytes:
    """A whole container of PATCH, with patch.toml's `sequence`."""
    return seal_install(manifest(install_sequence(sequence), **changes), payload.pack(PATCH), key)


def undo(sequence: int = 3, *, key: SigningKey = KEY, **changes: object) -> bytes:
    """The undo that goes with it."""
    return seal_undo(manifest(undo_sequence(sequence), **changes), key)
