"""One booted board per test process, set back to its first prompt for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from patchctl.emulator import Machine

from tests.micropython.firmware import Console, booted, firmware_elf


@pytest.fixture(scope="session")
def firmware() -> Path:
    return firmware_elf()


@pytest.fixture(scope="session")
def prompt_board() -> tuple[Machine, object]:
    machine = booted()
    return machine, machine.snapshot()


@pytest.fixture
def console(prompt_board: tuple[Machine, object]) -> Iterator[Console]:
    machine, snapshot = prompt_board
    machine.restore(snapshot)
    yield Console(machine)
