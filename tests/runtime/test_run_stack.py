"""Stop 11 of 12. How deep a hit goes below its frame, by gcc's call graph of each board's own runtime.

Takes the .ci files that the firmware build leaves beside its objects, and the disassembly of the compiler's
library. A run and an exception above it must fit into HP_RUN_STACK_BYTES, which is what a hit asks for; what
it takes before it knows the answer is printed in device_runtime/README.md.
Next: device_runtime/core/trigger.c
"""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest
from call_graph import CallGraph
from elftools.elf.elffile import ELFFile
from patchctl.board import board_names, load_board

from tests.micropython.firmware import ROOT, firmware_elf

PORT = ("port_stack_room", "port_level")  # called by pointer on a hit's way, as is the helper
LIMIT_BYTES = 32  # what system.h lets the image's hp_process_stack_limit take
EXCEPTION_BYTES, EXCEPTION_BYTES_WITH_FP = 32, 104  # ARMv7-M ARM B1.5.6
ALIGNMENT_BYTES = 4  # the core's, and once more the veneer's
FRAME_BYTES = 64


def taken_by(line: str) -> int:
    """Bytes of stack that one instruction of a disassembly takes."""
    if pushed := re.search(r"\t(?:push|stmdb\tsp!,|stmfd\tsp!,)\s*{([^}]+)}", line):
        return sum(4 * registers_in(part) for part in pushed[1].split(","))
    lowered = re.search(r"\tsub(?:\.w|w)?\tsp, (?:sp, )?#(\d+)|\tstr.*\[sp, #-(\d+)\]!", line)
    return int(lowered[1] or lowered[2]) if lowered else 0


def registers_in(part: str) -> int:
    ends = re.findall(r"r(\d+)", part)
    return int(ends[1]) - int(ends[0]) + 1 if len(ends) == 2 else 1


def names_by_address(elf: Path) -> dict[int, set[str]]:
    """The library's functions; some have several names."""
    names: dict[int, set[str]] = {}
    with elf.open("rb") as stream:
        for symbol in ELFFile(stream).get_section_by_name(".symtab").iter_symbols():
            library = {symbol.name} if symbol.name.startswith("__") else set()
            names.setdefault(symbol["st_value"] & ~1, set()).update(library)
    return names


def read_library(graph: CallGraph, elf: Path) -> None:
    """Adds what no .ci file knows: the compiler's library, by its instructions."""
    dump = subprocess.run(
        ["arm-none-eabi-objdump", "-d", elf], check=True, capture_output=True, text=True
    ).stdout
    aliases = names_by_address(elf)
    for address, name, block in re.findall(r"^([0-9a-f]{8}) <(\w+)>:\n((?:.+\n)*)", dump, re.M):
        for alias in aliases[int(address, 16)] - set(graph.frames):
            graph.frames[alias] = sum(map(taken_by, block.splitlines()))
            graph.calls[alias] = set(re.findall(r"\tbl?(?:\.[wn])?\t[0-9a-f]+ <(\w+)>", block)) - {name}


@cache
def call_graph(board: str) -> CallGraph:
    """Frames and calls of a board's runtime."""
    elf = firmware_elf(board, "threads")
    graph = CallGraph(indirect=(*PORT, "hp_helper_call"))
    for path in sorted((elf.parent / "runtime").glob("*.ci")):
        graph.read(path.read_text())
    graph.frames["hp_process_stack_limit"] = LIMIT_BYTES
    read_library(graph, elf)
    return graph


def exception_bytes(board: str) -> int:
    with_fp = load_board(board).chip.core.endswith("f")
    return (EXCEPTION_BYTES_WITH_FP if with_fp else EXCEPTION_BYTES) + ALIGNMENT_BYTES


def constant(name: str) -> int:
    text = (ROOT / "device_runtime/include/hotpatch/config.h").read_text()
    return int(re.search(rf"#define {name} (\d+)U", text)[1])


@pytest.mark.parametrize("board", board_names())
def test_a_run_and_an_exception_above_it_fit_into_the_room_that_a_hit_asks_for(board):
    depth = call_graph(board).deepest("hp_fire") + ALIGNMENT_BYTES

    assert depth > 200  # the graph was read
    assert depth + exception_bytes(board) <= constant("HP_RUN_STACK_BYTES")


def before_the_answer(board: str) -> int:
    """What a hit takes below the interrupted sp whatever the room is: it asks, then does the safe verdict."""
    graph = call_graph(board)
    refused = graph.frames["fire"] + graph.deepest("be_safe")
    asked = graph.deepest("port_stack_room")
    return FRAME_BYTES + ALIGNMENT_BYTES + graph.frames["hp_fire"] + max(refused, asked)


def test_what_a_hit_takes_before_it_knows_its_room_is_in_the_porting_guide():
    text = (ROOT / "device_runtime/README.md").read_text()
    unconditional = max(map(before_the_answer, board_names()))

    assert f"{unconditional} bytes" in text
    assert unconditional < constant("HP_RUN_STACK_BYTES") // 2
