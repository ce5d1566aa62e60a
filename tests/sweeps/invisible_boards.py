"""Stop 11 of 12. Boards whose patch only passes, and the contexts that their cores have.

Takes a board's name; gives it booted, with the bare image's signed patch in force, its program one
that passes. Next: invisible_bench.py
"""

from __future__ import annotations

import struct
import subprocess
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from patchctl.board import Board, load_board
from patchctl.client import connect
from patchctl.contract import PatchState
from patchctl.emulator import Machine
from patchctl.emulator.snapshot import Snapshot
from patchctl.link.emulated import EmulatedLink
from patchctl.package.archive import Archive
from patchctl.package.envelope import seal_patch
from patchctl.pipeline import build_patch

from tests.end_to_end.conftest import KEY, KEY_PAGE
from tests.micropython.firmware import ROOT, firmware_elf

PASSES = struct.pack("<BBhi", 0xB7, 0, 0, 0) + struct.pack("<BBhi", 0x95, 0, 0, 0)  # r0 = 0; exit
M3 = "nrf52840dk with a Cortex-M3"
PROCESS, PRIMASK, BASEPRI, INTERRUPT, ODD, FLOATS = (1 << bit for bit in range(6))


@dataclass(frozen=True, slots=True)
class Context:
    """Where the function runs: bits of the block, and the interrupts' priorities."""

    how: int
    priority: int = 0xC0
    injected: tuple[int, ...] = ()  # priorities of an interrupt that may arrive
    escalates: bool = False  # hits come by way of HardFault


CONTEXTS = {
    "thread": Context(0, injected=(0x40, 0)),
    "thread, process stack": Context(PROCESS, injected=(0x40, 0)),
    "PRIMASK": Context(PRIMASK, escalates=True),
    "PRIMASK, process stack": Context(PROCESS | PRIMASK, escalates=True),
    "BASEPRI": Context(BASEPRI, injected=(0,)),
    "BASEPRI, process stack": Context(PROCESS | BASEPRI, injected=(0,)),
    "interrupt": Context(INTERRUPT, injected=(0x40, 0)),
    "interrupt at DebugMonitor's priority": Context(INTERRUPT, priority=0, escalates=True),
}


def _facts(name: str) -> tuple[Board, Path]:
    """A board and its bare image. No chip of boards/ is an M3 with comparators: one stands in for an M4F."""
    if name != M3:
        return load_board(name), firmware_elf(name, "bare")
    board = load_board("nrf52840dk")
    out = ROOT / "build" / "firmware" / "nrf52840dk-with-cortex-m3"
    command = ["make", "-s", "-C", str(ROOT / "device_runtime"), "BOARD=nrf52840dk", "IMAGE=bare"]
    subprocess.run([*command, f"BOARD_OUT={out}", "BOARD_CORE=cortex-m3"], check=True, capture_output=True)
    return replace(board, chip=replace(board.chip, core="cortex-m3")), out / "bare" / "firmware.elf"


@dataclass(frozen=True)
class Patched:
    """A board whose patch passes, at rest."""

    board: Board
    elf: Path
    machine: Machine
    rest: Snapshot

    @property
    def core(self) -> str:
        return self.board.chip.core

    @property
    def fixed(self) -> bool:
        """Sites are calls in the firmware."""
        return self.board.chip.fpb is None

    @property
    def has_fp(self) -> bool:
        """FP registers exist, whether the build passes floats in them or not."""
        return self.core.endswith("f")

    def contexts(self) -> dict[str, Context]:
        """Those that the core has."""
        if not self.fixed:
            return CONTEXTS
        kept = {name: c for name, c in CONTEXTS.items() if not c.how & BASEPRI and c.priority}
        return {name: replace(context, escalates=False) for name, context in kept.items()}


@cache
def patched(name: str) -> Patched:
    """Board `name` with the bare image's patch, its program replaced by one that passes."""
    board, elf = _facts(name)
    machine = Machine(board, elf, provisioning=KEY_PAGE)
    machine.run_until_output(b"bare> ")
    built = build_patch(ROOT / "patches" / "parser", board, elf)
    program = replace(built.programs[0], code=PASSES, certificate=b"", fuel=100)
    install, undo = seal_patch(replace(built, programs=(program,)), board.class_id, KEY)
    with TemporaryDirectory() as folder:
        link_to_it = EmulatedLink(machine, board.name)
        with connect(link_to_it, archive=Archive(Path(folder)), known_keys=(KEY.public,)) as device:
            assert device.push(install, undo=undo).state is PatchState.UPDATED
    machine.run_us(5_000_000)  # the session closes, and main waits for a key
    return Patched(board, elf, machine, machine.snapshot())
