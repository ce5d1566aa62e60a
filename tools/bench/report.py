"""What the benchmark prints: a table of counts, one of sizes, others' published figures beside ours, or JSON.

Takes measurements; gives text. Modelled cycles are never turned into time. Next: command.py
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from bench.engines import Measurement
from bench.published import LABEL, PUBLISHED, PUBLISHED_INSTRUCTIONS, TARGET_CYCLES
from bench.workloads import WORKLOADS

TITLES = {work.name: work.title for work in WORKLOADS}
MODEL = "modelled Cortex-M4 cycles, memory without wait states (tools/bench/cycles.py); not time on silicon"


def table(rows: Iterable[Sequence[str]]) -> str:
    """Columns as wide as they must be; the first is flush left."""
    lines = [list(row) for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(aligned(line, widths) for line in lines)


def aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (cell.rjust(width) for cell, width in zip(line, widths, strict=True))
    return "  ".join([first.strip().ljust(widths[0]), *others]).rstrip()


def target_text(measured: Measurement) -> str:
    target = TARGET_CYCLES.get(measured.workload)
    if measured.engine != "interpreter" or target is None:
        return ""
    more = (measured.cycles / target - 1) * 100
    return f"{target:,} {'met' if measured.cycles <= target else f'missed by {more:.0f} %'}"


def counts_rows(measurements: Sequence[Measurement]) -> Iterable[list[str]]:
    yield ["workload", "engine", "instructions", "cycles", "x native", "cycles/eBPF", "C stack", "target"]
    native = {m.workload: m.cycles for m in measurements if m.engine == "native"}
    for name in dict.fromkeys(m.workload for m in measurements):
        for m in (m for m in measurements if m.workload == name):
            factor = f"{m.cycles / native[name]:.1f}" if name in native else ""
            each = f"{m.cycles / m.program_instructions:.1f}" if m.program_instructions else ""
            counts = [f"{m.instructions:,}", f"{m.cycles:,}", factor, each, str(m.stack_bytes)]
            yield [TITLES[name], m.engine, *counts, target_text(m)]
        for other in (other for other in PUBLISHED if name in other.cycles):
            each = f"{other.cycles[name] / PUBLISHED_INSTRUCTIONS[name]:.1f}"
            yield [TITLES[name], f"{other.engine} *", "", f"{other.cycles[name]:,}", "", each, "", ""]


def size_rows(measurements: Sequence[Measurement]) -> Iterable[list[str]]:
    yield ["engine", "text B", "RAM B", "C stack B", "program B", "setup cycles"]
    for engine in dict.fromkeys(m.engine for m in measurements if m.engine != "native"):
        mine = [m for m in measurements if m.engine == engine]
        ranges = (
            {m.program_bytes for m in mine},
            {m.setup_cycles for m in mine},
        )
        most = [
            max(m.text_bytes for m in mine),
            max(m.ram_bytes for m in mine),
            max(m.stack_bytes for m in mine),
        ]
        yield [engine, *(f"{n:,}" for n in most), *(f"{min(r):,}-{max(r):,}" for r in ranges)]
    for other in PUBLISHED:
        yield [
            f"{other.engine} *",
            f"{other.text_bytes:,}",
            f"{other.ram_bytes:,}",
            str(other.stack_bytes),
            "",
            "",
        ]


def as_text(toolchain: str, measurements: Sequence[Measurement]) -> str:
    """Both tables, and where their figures come from."""
    notes = [
        f"{toolchain}; {MODEL}.",
        "interpreter: device_runtime/core/vm.c, portable C, all checks on, program in flash.\n"
        "  Text of vm.c; RAM of a run's record and its eBPF stack; set-up is the structural check.",
        "wasm3: 0.5.0, bounds checks on, module in flash, clang free to unroll.\n"
        "  Text of the whole image; RAM of its heap, one page of 64 KiB in it; set-up: parse, load, compile.",
        *(f"* {other.engine}: {LABEL}; {other.source}." for other in PUBLISHED),
    ]
    return "\n\n".join([table(counts_rows(measurements)), table(size_rows(measurements)), "\n".join(notes)])


def as_json(toolchain: str, measurements: Sequence[Measurement]) -> str:
    """The same as data."""
    document = {
        "toolchain": toolchain,
        "model": MODEL,
        "measurements": [asdict(m) for m in measurements],
        "published": [{"label": LABEL, **asdict(other)} for other in PUBLISHED],
        "target_cycles": TARGET_CYCLES,
    }
    return json.dumps(document, indent=2)
