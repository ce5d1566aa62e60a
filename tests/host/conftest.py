"""What the host's tests share: a firmware of a few functions, and a board."""

import subprocess
from pathlib import Path

import pytest
from patchctl.board import board_names, load_board
from patchctl.firmware import load_firmware

SOURCES = Path(__file__).parent / "tiny_firmware"
OPTIONS = ["-mcpu=cortex-m4", "-mthumb", "-Os", "-ffreestanding", "-nostdlib", "-Wl,--gc-sections"]


def compile_firmware(output, *options):
    """Compile the tiny firmware to `output`; `options` go to the compiler as well."""
    files = [str(SOURCES / name) for name in ("firmware.c", "second.c", "third.c")]
    kept = ["-Wl,--undefined=second", "-Wl,--undefined=third"]
    subprocess.run(
        [
            "arm-none-eabi-gcc",
            *OPTIONS,
            *kept,
            *options,
            "-T",
            str(SOURCES / "layout.ld"),
            "-o",
            str(output),
            *files,
        ],
        check=True,
    )
    return output


@pytest.fixture(scope="session")
def tiny_elf(tmp_path_factory):
    """The path of the tiny firmware's ELF file."""
    return compile_firmware(tmp_path_factory.mktemp("firmware") / "firmware.elf", "-Wl,--build-id=sha1")


@pytest.fixture(scope="session")
def tiny_firmware(tiny_elf):
    """The tiny firmware, parsed."""
    return load_firmware(tiny_elf)


@pytest.fixture(scope="session")
def some_board():
    """The first board with comparators."""
    return next(board for board in map(load_board, board_names()) if board.chip.fpb)
