"""Stops 8 to 12 of 12. The chip's memory as host buffers: what the core's stacks and the host's eyes share.

Takes absolute addresses; gives bytes. Devices are not memory. Next: core.py
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from patchctl.emulator.flash import Buffer

_WORD: Final = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Span:
    """One buffer at `address`; `writable` by the core."""

    address: int
    buffer: Buffer
    writable: bool


class Memory:
    """All spans of one chip."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self.spans = tuple(spans)

    def find(self, address: int, count: int) -> tuple[Span, int] | None:
        """The span that holds all `count` bytes, and the offset of `address` in it."""
        for span in self.spans:
            offset = address - span.address
            if 0 <= offset and offset + count <= len(span.buffer):
                return span, offset
        return None

    def read(self, address: int, count: int) -> bytes | None:
        """The bytes there; None if any lies outside memory."""
        found = self.find(address, count)
        if found is None:
            return None
        span, offset = found
        return bytes(span.buffer[offset : offset + count])

    def word(self, address: int) -> int | None:
        """The 32-bit word there; None outside memory."""
        data = self.read(address, 4)
        return None if data is None else int(_WORD.unpack(data)[0])

    def write(self, address: int, data: bytes) -> bool:
        """Store into RAM; False if any byte lies elsewhere."""
        found = self.find(address, len(data))
        if found is None or not found[0].writable:
            return False
        span, offset = found
        span.buffer[offset : offset + len(data)] = data
        return True
