"""Boards at their first prompt, booted once per test process and set back for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from patchctl.bench import Bench, Target

from tests.micropython.firmware import BOARD, PROMPT, booted, firmware_elf

# The boards that ship; the three that QEMU has too run scripts only.
BOARDS = ("nrf52840dk", "nrf5340dk", "nucleo_g0b1re", "stm32l475")


def on(*names: str, also: tuple[object, ...] = ()) -> list[object]:
    """Boards as parameters of a test, each with every one of `also`; one test process for each board."""
    return [
        pytest.param(name, *more, marks=pytest.mark.xdist_group(f"{name}-micropython"))
        for name in names
        for more in ([(value,) for value in also] or [()])
    ]


@pytest.fixture(scope="session")
def firmware() -> Path:
    return firmware_elf()


@pytest.fixture
def board(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """The board of the test's parameter, or else nrf52840dk."""
    name = getattr(request, "param", BOARD)
    bench = Bench(Target(name, "micropython", firmware_elf(name)), booted(name), PROMPT, tmp_path / "archive")
    yield bench
    bench.close()
