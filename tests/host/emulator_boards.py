"""Firmware of tests/host/emulator_firmware, compiled once a run, on emulated boards."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from patchctl.board import Board, load_board
from patchctl.emulator import Machine

SOURCES = Path(__file__).parent / "emulator_firmware"
BOARDS = ("nrf52840dk", "stm32l475", "nrf5340dk", "nucleo_g0b1re")
CORE_FLAGS = {
    "cortex-m4f": ("-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"),
    "cortex-m33f": ("-mcpu=cortex-m33", "-mfpu=fpv5-sp-d16", "-mfloat-abi=hard"),
    "cortex-m0plus": ("-mcpu=cortex-m0plus", "-mfloat-abi=soft"),
}
COMMON = ("-mthumb", "-O2", "-g", "-std=gnu11", "-ffreestanding", "-nostdlib", "-Wall", "-Werror")


@cache
def firmware(name: str, core: str = "cortex-m4f", board_name: str = "nrf52840dk") -> bytes:
    """The ELF of `name`.c with startup.c, for a board, or for the board with another core."""
    board = load_board(board_name)
    facts = (
        f"-DCHIP_{board.chip.name}",
        f"-Wl,--defsym=flash_address={board.flash.address}",
        f"-Wl,--defsym=ram_bytes={board.ram.bytes}",
    )
    with TemporaryDirectory() as folder:
        elf = Path(folder) / "firmware.elf"
        sources = [SOURCES / f"{name}.c", SOURCES / "startup.c"]
        flags = [*CORE_FLAGS[core], *COMMON, *facts, f"-T{SOURCES / 'board.ld'}"]
        command = ["arm-none-eabi-gcc", *flags, *sources, "-o", elf, "-lgcc"]
        subprocess.run([str(word) for word in command], check=True)
        return elf.read_bytes()


def board_with(core: str = "cortex-m4f", *, masked_match: str = "hardfault") -> Board:
    """The nRF52840 board, with another core or another fate of masked breakpoints."""
    board = load_board("nrf52840dk")
    fpb = board.chip.fpb
    assert fpb is not None
    unit = replace(fpb, masked_match=masked_match) if core == "cortex-m4f" else None
    return replace(board, chip=replace(board.chip, core=core, fpb=unit))


def core_probe(name: str, case: int, *, board: Board | None = None, **options: int) -> Machine:
    """A machine of the board `name` about to run `case` of cores.c."""
    board = board or load_board(name)
    machine = Machine(board, firmware("cores", board.chip.core, name), **options)
    for variable, value in {"which": case, "trace": 0, "again": 0, "monitor_hits": 0}.items():
        machine.write_memory(machine.symbols[variable], value.to_bytes(4, "little"))
    return machine


def probe(
    which: int, core: str = "cortex-m4f", *, board: Board | None = None, seed: int = 0, **variables: int
) -> Machine:
    """A machine about to run probe `which` of probes.c, with RAM variables set."""
    machine = Machine(board or board_with(core), firmware("probes", core), seed=seed)
    values = {
        "which": which,
        "fault_again": 0,
        "monitor_limit": 1,
        "monitor_hits": 0,
        "trace": 0,
        **variables,
    }
    for name, value in values.items():
        if name in machine.symbols:
            machine.write_memory(machine.symbols[name], value.to_bytes(4, "little"))
    return machine


def finish(machine: Machine, limit_us: int = 1_000_000) -> dict[str, int]:
    """Run to the end; what the firmware said, by name."""
    text = machine.run_until_output(b"done\n", limit_us=limit_us).decode()
    pairs = [line.split("=") for line in text.splitlines() if "=" in line]
    return {name: int(value, 16) for name, value in pairs}
