"""A provisioned board at its prompt, and the containers of the import_all patch, once per test process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from patchctl.board import Board, load_board
from patchctl.client import Device, connect
from patchctl.emulator import Machine
from patchctl.link.emulated import EmulatedLink
from patchctl.package import keypage
from patchctl.package.archive import Archive
from patchctl.package.envelope import seal_patch
from patchctl.package.signing import SigningKey
from patchctl.pipeline import build_patch
from patchctl.program import BuiltPatch

from tests.micropython.firmware import BOARD, PROMPT, ROOT, Console, firmware_elf

PATCH = ROOT / "patches" / "import_all"
KEY = SigningKey.from_seed(bytes(range(32)))
KEY_PAGE = keypage.encode(keypage.Keys((KEY.public,), bytes(range(32, 64))))


@pytest.fixture(scope="session")
def facts() -> Board:
    return load_board(BOARD)


@pytest.fixture(scope="session")
def firmware() -> Path:
    return firmware_elf()


@pytest.fixture(scope="session")
def built(facts, firmware) -> BuiltPatch:
    return build_patch(PATCH, facts, firmware)


@pytest.fixture(scope="session")
def seal(facts) -> Callable[[BuiltPatch], tuple[bytes, bytes]]:
    """Packs and signs a patch for the board: its install and its undo."""
    return lambda patch: seal_patch(patch, facts.class_id, KEY)


@pytest.fixture(scope="session")
def at_prompt(facts, firmware) -> tuple[Machine, object]:
    machine = Machine(facts, firmware, provisioning=KEY_PAGE)
    machine.run_until_output(PROMPT)
    return machine, machine.snapshot()


@dataclass(frozen=True)
class Bench:
    """One board, a terminal on it and a management client on it, sharing its serial line."""

    machine: Machine
    console: Console
    device: Device

    def attack(self) -> str:
        """Types the attack; what the board printed, up to its next prompt or for 300 ms."""
        self.console.line("import sys; sys.modules['m'] = 42")
        self.machine.serial.feed(b"from m import *\r")
        self.machine.run_us(300_000)
        return self.machine.serial.take().decode()

    def hits(self) -> int:
        patch = self.device.patch("import_all")
        return 0 if patch is None else patch.hits


@pytest.fixture
def bench(at_prompt, facts, tmp_path) -> Iterator[Bench]:
    machine, snapshot = at_prompt
    machine.restore(snapshot)
    link = EmulatedLink(machine, facts.name)
    with connect(link, archive=Archive(tmp_path / "archive"), known_keys=(KEY.public,)) as device:
        yield Bench(machine, Console(machine), device)
