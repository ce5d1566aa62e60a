"""Every board and image with its bug and its patch: built once per test process, set back by snapshots."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from patchctl.board import Board, load_board
from patchctl.client import Device, connect
from patchctl.contract import PatchState
from patchctl.emulator import Machine
from patchctl.link.emulated import EmulatedLink
from patchctl.package.archive import Archive
from patchctl.package.envelope import seal_patch
from patchctl.pipeline import build_patch
from patchctl.program import BuiltPatch

from tests.end_to_end.conftest import KEY, KEY_PAGE
from tests.micropython.firmware import ROOT, firmware_elf


@dataclass(frozen=True)
class Case:
    """An image's bug: where it faults, what the repaired firmware answers, and input that must not notice."""

    image: str
    patch: str
    prompt: bytes
    attack: tuple[bytes, ...]
    faults_in: str
    answer: bytes
    benign: tuple[bytes, ...]

    @property
    def folder(self) -> Path:
        return ROOT / "patches" / self.patch


def lines_of(*paths: Path) -> tuple[bytes, ...]:
    return tuple(line for path in paths for line in path.read_bytes().splitlines())


PARSER = ROOT / "patches" / "parser"
CASES = (
    Case(
        image="micropython",
        patch="import_all",
        prompt=b">>> ",
        # As a pointer this leads to 0x60000001, where no board has memory. 42 leads into the vectors, where
        # another address lies in each image.
        attack=(b"import sys; sys.modules['m'] = 0x30000000", b"from m import *"),
        faults_in="mp_import_all",
        answer=b"ImportError: not a module\r\n",
        benign=(b"from math import *", b"sin(0)", b"from sys import *", b"platform"),
    ),
    Case(
        image="bare",
        patch="parser",
        prompt=b"bare> ",
        attack=lines_of(PARSER / "attack.txt"),
        faults_in="count_reading",
        answer=b"refused\r\n",
        benign=lines_of(*sorted((PARSER / "benign").glob("*.txt"))),
    ),
)


@dataclass(frozen=True)
class Target:
    """A provisioned board at its prompt: `fresh`, and `patched` over its serial line."""

    case: Case
    board: Board
    machine: Machine
    built: BuiltPatch
    fresh: object
    patched: object
    folder: TemporaryDirectory[str]

    def type_line(self, line: bytes) -> bytes:
        self.machine.serial.feed(line + b"\r")
        return self.machine.run_until_output(b"\r\n" + self.case.prompt)

    def attack(self) -> bytes:
        """What the board printed for the attack, up to 300 ms after its last line."""
        for line in self.case.attack[:-1]:
            self.type_line(line)
        self.machine.serial.feed(self.case.attack[-1] + b"\r")
        self.machine.run_us(300_000)
        return self.machine.serial.take()

    def faulted_in(self) -> list[str]:
        return [self.machine.symbol_at(fault.pc).split(".")[0] for fault in self.machine.faults]

    @contextmanager
    def management(self) -> Iterator[Device]:
        link = EmulatedLink(self.machine, self.board.name)
        with connect(link, archive=Archive(Path(self.folder.name)), known_keys=(KEY.public,)) as device:
            yield device


@cache
def make_target(name: str, case: Case) -> Target:
    """The board `name` with the case's image, unpatched and patched."""
    board, elf = load_board(name), firmware_elf(name, case.image)
    built = build_patch(case.folder, board, elf)
    machine = Machine(board, elf, provisioning=KEY_PAGE)
    machine.run_until_output(case.prompt)
    fresh, folder = machine.snapshot(), TemporaryDirectory()
    install, undo = seal_patch(built, board.class_id, KEY)
    with Target(case, board, machine, built, fresh, fresh, folder).management() as device:
        report = device.push(install, undo=undo)
    assert (report.state, report.armed) == (PatchState.UPDATED, True)
    return Target(case, board, machine, built, fresh, machine.snapshot(), folder)
