"""Figures that others' engines reached on the same kind of work, and what ours is meant to reach. Data only.

The figures were measured once, with the cycle model of cycles.py, for a study that built those engines with
arm-none-eabi-gcc 12.2.1 at -O2 and ran eBPF of -mcpu=v2 made by clang 19; they are not run here. The
workloads are the same in kind and size; the C text, the inputs and so the instructions executed are not,
which is why cycles per eBPF instruction stand beside the totals. Next: report.py
"""

from __future__ import annotations

from dataclasses import dataclass

LABEL = "published measurement, not run here"


@dataclass(frozen=True, slots=True)
class Published:
    """Modelled cycles by workload; a workload is absent where the engine's result was wrong."""

    engine: str
    source: str
    cycles: dict[str, int]
    text_bytes: int
    ram_bytes: int
    stack_bytes: int


PUBLISHED = (
    Published(
        engine="Femto-Container",
        source="commit 6987a20c of 2022-04-14; its wide load mended, or crc32 and math64 are wrong",
        cycles={
            "fletcher32": 71_258,
            "filter": 838,
            "sort": 1_194_000,
            "crc32": 392_000,
            "math64": 707_000,
            "memcpy": 87_400,
        },
        text_bytes=4_872,
        ram_bytes=600,
        stack_bytes=156,
    ),
    Published(
        engine="RapidPatch",
        source="commit bcde1473 of 2023-05-30, interpreter, no bounds checks, as it ships; math64 is wrong",
        cycles={"fletcher32": 73_300, "filter": 513, "sort": 939_000, "crc32": 457_000, "memcpy": 66_000},
        text_bytes=5_577,
        ram_bytes=240,
        stack_bytes=272,
    ),
)

# eBPF instructions that one of those runs executed.
PUBLISHED_INSTRUCTIONS = {
    "fletcher32": 2_022,
    "filter": 13,
    "sort": 25_470,
    "crc32": 12_959,
    "math64": 19_008,
    "memcpy": 1_797,
}

# Modelled cycles of our interpreter in portable C, every check on, from flash: what the prototype reached.
TARGET_CYCLES = {"fletcher32": 40_000, "filter": 390, "sort": 480_000, "crc32": 485_000}
