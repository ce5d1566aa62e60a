"""Stop 10 of 12. NOR flash: bits only fall until a page is erased, and power may fail in any operation.

Takes program and erase requests in absolute addresses; gives bytes, times, and, where it was asked to, a
PowerCut with a torn word or page. The emulated boards and the native library's tests share this one model, so
it knows nothing of Unicorn. Next: devices/nrf_nvmc.py
"""

from __future__ import annotations

import mmap
import random
from collections import Counter
from pathlib import Path
from typing import Final

from patchctl.board import Region
from patchctl.errors import InputError, PatchctlError

TORN_SHAPES: Final = 16
ERASED: Final = 0xFF

Buffer = mmap.mmap | bytearray


class PowerCut(PatchctlError):
    """The supply failed in a flash operation, as cut_after() asked; the board is off until power_cycle()."""


def flash_buffer(bytes_: int, path: Path | None = None) -> mmap.mmap:
    """`bytes_` of erased flash; with `path`, kept in that file: a killed process loses no finished write.

    A file that is absent or empty is made; InputError if it has another size, or cannot be used.
    """
    if path is None:
        buffer = mmap.mmap(-1, bytes_)
        buffer[:] = bytes([ERASED]) * bytes_
        return buffer
    try:
        return _kept_in(path, bytes_)
    except OSError as problem:
        raise InputError(f"cannot keep the flash here: {problem.strerror}", where=str(path)) from problem


def _kept_in(path: Path, bytes_: int) -> mmap.mmap:
    if not path.exists() or path.stat().st_size == 0:
        path.write_bytes(bytes([ERASED]) * bytes_)
    if path.stat().st_size != bytes_:
        raise InputError(
            f"flash file has {path.stat().st_size} bytes, the chip has {bytes_}",
            where=str(path),
            hint="delete the file to start with erased flash",
        )
    with path.open("r+b") as file:
        return mmap.mmap(file.fileno(), bytes_)


def _torn_mask(count: int, shape: int) -> bytes:
    """Which bits of `count` bytes an interrupted operation still changed: none, all, a part, some."""
    if shape < 2:
        return bytes([0xFF if shape else 0]) * count
    if shape < 10:
        part = max(1, count * (1 + (shape - 2) % 4) // 5)
        head = bytes([0xFF]) * part + bytes(count - part)
        return head if shape < 6 else head[::-1]
    return random.Random(shape).randbytes(count)


class Flash:
    """One flash region. Times come from the region; `operations` counts programmed units and erased pages."""

    def __init__(self, region: Region, buffer: Buffer | None = None) -> None:
        self.region = region
        self.buffer: Buffer = flash_buffer(region.bytes) if buffer is None else buffer
        self.operations = 0
        self.busy_us = 0
        self.erases: Counter[int] = Counter()  # page address -> erases
        self.rising_bits = 0  # units whose program asked a 0 to become 1: a driver's error
        self.version = object()  # another object after every change, so that snapshots see what changed
        self.torn: set[int] = set()  # offsets of program units whose ECC cannot be right; empty without ECC
        self._cut_in = -1
        self._shape = 0

    def read(self, address: int, count: int) -> bytes:
        """`count` bytes at `address`; InputError outside the region."""
        offset = self._offset(address, count)
        return bytes(self.buffer[offset : offset + count])

    def program(self, address: int, data: bytes) -> None:
        """Clear the bits that are 0 in `data`, unit by unit. `address` and size are multiples of the unit."""
        unit = self.region.program_unit
        offset = self._offset(address, len(data))
        if offset % unit or len(data) % unit:
            raise InputError(
                f"program of {len(data)} bytes at 0x{address:08x} is not in units of {unit} bytes",
                where=self.region.name,
            )
        for start in range(0, len(data), unit):
            self._program_unit(offset + start, data[start : start + unit])

    def erase(self, address: int) -> None:
        """Set the page that starts at `address` to 0xff; InputError if no page starts there."""
        page = self.region.page_bytes
        offset = self._offset(address, page)
        if offset % page:
            raise InputError(f"no page starts at 0x{address:08x}", where=self.region.name)
        old = bytes(self.buffer[offset : offset + page])
        self.erases[address] += 1
        self.busy_us += self.region.erase_us
        self._change(offset, old, bytes([ERASED]) * page)

    def load(self, address: int, data: bytes) -> None:
        """Put `data` at `address` as a programmer on the bench would: no time, no operation counted."""
        self.put_back(address, data)
        if self.torn:
            offset, unit = address - self.region.address, self.region.program_unit
            self.torn.difference_update(range(offset - offset % unit, offset + len(data), unit))

    def put_back(self, address: int, data: bytes) -> None:
        """Undo what others did to the buffer; torn units stay torn."""
        offset = self._offset(address, len(data))
        self.buffer[offset : offset + len(data)] = data
        self.version = object()

    def flip(self, address: int, mask: bytes) -> None:
        """Bits flip at rest. ECC corrects one bit of a unit, and cannot correct more."""
        unit = self.region.program_unit
        for index, byte in enumerate(mask):
            if not byte:
                continue
            offset = self._offset(address + index, 1)
            start = offset - offset % unit
            if self.region.ecc:
                bits = self._flips_in(address, mask, start)
                if bits < 2:
                    continue
                self.torn.add(start)
            self.buffer[offset] ^= byte
        self.version = object()

    def _flips_in(self, address: int, mask: bytes, start: int) -> int:
        first = address - self.region.address
        unit = self.region.program_unit
        return sum(
            byte.bit_count() for index, byte in enumerate(mask) if start <= first + index < start + unit
        )

    def cut_after(self, operations: int, shape: int = 0) -> None:
        """Let `operations` more finish, tear the next by `shape` (0..15; 0 none, 1 all), raise PowerCut."""
        if operations < 0 or not 0 <= shape < TORN_SHAPES:
            raise InputError(f"cut after {operations} operations with shape {shape}", hint="shapes are 0..15")
        self._cut_in = operations
        self._shape = shape

    def cut_never(self) -> None:
        """Forget a cut that has not happened."""
        self._cut_in = -1

    def _program_unit(self, offset: int, data: bytes) -> None:
        old = bytes(self.buffer[offset : offset + len(data)])
        new = bytes(before & wanted for before, wanted in zip(old, data, strict=True))
        if new != data:
            self.rising_bits += 1
        self.busy_us += self.region.program_us
        self._change(offset, old, new)

    def _change(self, offset: int, old: bytes, new: bytes) -> None:
        cut = self._cut_in == 0
        wanted = new
        if cut:
            mask = _torn_mask(len(new), self._shape)
            new = bytes((a & ~m & 0xFF) | (b & m) for a, b, m in zip(old, new, mask, strict=True))
        self.buffer[offset : offset + len(new)] = new
        if self.region.ecc:
            self._note_torn(offset, old, wanted, new)
        self.version = object()
        self.operations += 1
        self._cut_in -= self._cut_in >= 0
        if cut:
            address = self.region.address + offset
            raise PowerCut(f"power failed in flash operation {self.operations} at 0x{address:08x}")

    def _note_torn(self, offset: int, old: bytes, wanted: bytes, new: bytes) -> None:
        """A unit is as it was, as it should be, or unreadable."""
        unit = self.region.program_unit
        for start in range(0, len(new), unit):
            part = slice(start, start + unit)
            if new[part] == wanted[part]:
                self.torn.discard(offset + start)
            elif new[part] != old[part]:
                self.torn.add(offset + start)

    def _offset(self, address: int, count: int) -> int:
        offset = address - self.region.address
        if not (0 <= offset and offset + count <= self.region.bytes):
            raise InputError(f"0x{address:08x} + {count} lies outside {self.region.name}")
        return offset
