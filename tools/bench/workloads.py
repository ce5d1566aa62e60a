"""The work: six workloads and their inputs, one C file each in c/. Inputs are fixed, so counts are too.

Gives the context's bytes that every engine starts from. Results are not written here: native code gives
them. Next: build.py
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

SOURCES = Path(__file__).resolve().parent / "c"


@dataclass(frozen=True, slots=True)
class Workload:
    """`name`.c, and the context it runs on (a multiple of 8 bytes)."""

    name: str
    title: str
    context: bytes

    @property
    def source(self) -> Path:
        return SOURCES / f"{self.name}.c"


def noise(seed: int) -> Iterator[int]:
    """Bytes without a pattern, the same on every machine (a linear congruential generator, Knuth's MMIX)."""
    state = seed
    while True:
        state = (state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        yield state >> 56


def noise_bytes(seed: int, count: int) -> bytes:
    return bytes(islice(noise(seed), count))


def padded(context: bytes) -> bytes:
    return context + bytes(-len(context) % 8)


WORKLOADS = (
    Workload("fletcher32", "Fletcher-32, 360 B", padded(struct.pack("<I", 180) + noise_bytes(1, 360))),
    Workload("filter", "filter, 4 fields", struct.pack("<4I", 17, 128, 5683, 0x22)),
    Workload("sort", "bubble sort, 64 words", noise_bytes(2, 256)),
    Workload("crc32", "CRC-32, 256 B", noise_bytes(3, 256)),
    Workload("math64", "64-bit maths, 1000 rounds", struct.pack("<2Q", 0x0123456789ABCDEF, 1_000_003)),
    Workload("memcpy", "byte copy, 256 B", noise_bytes(4, 512)),
)
