"""How the image is laid out: build-id, vectors, and the runtime's code apart from the firmware's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from tests.micropython.firmware import BOARD, ROOT

# A mnemonic with an FP operand, or one of the FP system moves.
FLOATING_POINT = re.compile(r"\t(v[a-z0-9.]+|fld|fst)\w*\t")


@pytest.fixture(scope="module")
def symbols(firmware: Path) -> dict[str, list[int]]:
    with firmware.open("rb") as stream:
        table = ELFFile(stream).get_section_by_name(".symtab")
        found: dict[str, list[int]] = {}
        for symbol in table.iter_symbols():
            found.setdefault(symbol.name, []).append(symbol["st_value"] & ~1)
    return found


def runtime_range(symbols: dict[str, list[int]]) -> range:
    return range(symbols["hp_runtime_text_start"][0], symbols["hp_runtime_text_end"][0])


def test_the_vectors_come_first_and_the_build_id_note_behind_them(firmware: Path) -> None:
    with firmware.open("rb") as stream:
        elf = ELFFile(stream)
        vectors = elf.get_section_by_name(".vectors")
        note = elf.get_section_by_name(".note.gnu.build-id")
        assert vectors["sh_addr"] == 0
        assert note["sh_addr"] >= vectors["sh_addr"] + vectors["sh_size"]
        assert len(next(iter(note.iter_notes()))["n_desc"]) == 40


@pytest.mark.parametrize("name", ["hp_fire", "hp_abort", "hp_veneers", "hp_fault_exit", "hp_debug_monitor"])
def test_what_a_hit_runs_lies_in_the_runtimes_text(symbols: dict[str, list[int]], name: str) -> None:
    assert symbols[name][0] in runtime_range(symbols)


@pytest.mark.parametrize("name", ["mp_import_all", "mp_raise_msg", "hp_console_write", "main"])
def test_what_may_be_patched_lies_outside_the_runtimes_text(symbols: dict[str, list[int]], name: str) -> None:
    assert symbols[name][0] not in runtime_range(symbols)


@pytest.mark.parametrize("name", ["memcpy", "memset"])
def test_runtime_and_firmware_have_copies_of_their_own(symbols: dict[str, list[int]], name: str) -> None:
    inside = [address in runtime_range(symbols) for address in symbols[name]]
    assert sorted(inside) == [False, True]


def test_calls_from_the_runtimes_text_stay_inside_or_go_to_the_image(
    firmware: Path, symbols: dict[str, list[int]]
) -> None:
    inside = runtime_range(symbols)
    allowed = {"firmware_fault", "main", "mp_sched_keyboard_interrupt"}
    leaving = set()
    for line in disassembly(firmware, inside).splitlines():
        match = re.search(r"\tb(?:l|\.w)?\t([0-9a-f]+) <([^>+]+)", line)
        if match and int(match[1], 16) not in inside:
            leaving.add(match[2])
    assert leaving <= allowed


def test_the_runtimes_text_holds_no_floating_point_instruction(
    firmware: Path, symbols: dict[str, list[int]]
) -> None:
    assert FLOATING_POINT.search(disassembly(firmware, runtime_range(symbols))) is None


def test_the_check_for_floating_point_would_see_one(firmware: Path, symbols: dict[str, list[int]]) -> None:
    start = symbols["mp_obj_float_binary_op"][0]
    assert FLOATING_POINT.search(disassembly(firmware, range(start, start + 256))) is not None


def disassembly(firmware: Path, addresses: range) -> str:
    limits = [f"--start-address={addresses.start}", f"--stop-address={addresses.stop}"]
    command = ["arm-none-eabi-objdump", "-d", *limits, str(firmware)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_another_checkout_gives_the_same_image_and_build_id(firmware: Path, tmp_path: Path) -> None:
    clone = tmp_path / "somewhere" / "else"
    for name in ("device_runtime", "boards", "tools", "host"):
        shutil.copytree(ROOT / name, clone / name, ignore=shutil.ignore_patterns("__pycache__", "build"))
    environment = {**os.environ, "PYTHON": str(ROOT / ".venv" / "bin" / "python")}
    command = ["make", "-s", "-j2", "-C", "device_runtime", f"BOARD={BOARD}", "IMAGE=micropython"]
    shutil.copytree(ROOT / "build" / "mpy-cross", clone / "build" / "mpy-cross")
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=clone)
    assert done.returncode == 0, done.stderr[-4000:]
    other = clone / "build" / "firmware" / BOARD / "micropython" / "firmware.elf"
    assert other.read_bytes() == firmware.read_bytes()
