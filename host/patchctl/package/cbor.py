"""Stop 6 of 12. Deterministic CBOR (RFC 8949 4.2.1), written and read strictly.

Takes plain values; gives the only bytes the board accepts for them: shortest heads, definite lengths, map
keys in bytewise order of their encodings. Reading refuses everything else, so that a value has one
encoding. Next: patchctl/package/manifest.py
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import cbor2

from patchctl.contract import Status
from patchctl.errors import InputError, InternalError, refusal

Item: TypeAlias = Any  # what CBOR can say; whoever takes it apart checks it
DEPTH_MAX = 8
UNSIGNED, NEGATIVE, BYTES, TEXT, ARRAY, MAP, TAG, _SIMPLE = range(8)
_SIMPLE_VALUES = {20: False, 21: True, 22: None}
_SMALLEST_WITH_HEAD = {24: 24, 25: 0x100, 26: 0x1_0000, 27: 0x1_0000_0000}


def encode(value: Item) -> bytes:
    """The deterministic encoding of integers, bytes, text, booleans, None, sequences, maps and tags."""
    if isinstance(value, Mapping):
        pairs = sorted((encode(key), encode(item)) for key, item in value.items())
        return _head(MAP, len(pairs)) + b"".join(key + item for key, item in pairs)
    if isinstance(value, (list, tuple)):
        return _head(ARRAY, len(value)) + b"".join(encode(item) for item in value)
    if isinstance(value, cbor2.CBORTag):
        return _head(TAG, value.tag) + encode(value.value)
    if value is None or isinstance(value, (bool, int, bytes, str)):
        return cbor2.dumps(value)
    raise InternalError(f"a {type(value).__name__} has no place in a container")


def decode(data: bytes, *, depth_max: int = DEPTH_MAX) -> Item:
    """The value whose deterministic encoding is `data`; refused (truncated, malformed) if there is none."""
    reader = Reader(data)
    value = reader.value(depth_max)
    reader.end()
    return value


def _head(major: int, argument: int) -> bytes:
    plain = cbor2.dumps(argument)
    return bytes([plain[0] | (major << 5)]) + plain[1:]


class Reader:
    """A cursor over `data` that never reads past its end; every method refuses what is not there."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.offset = 0

    def malformed(self, offset: int) -> InputError:
        """The refusal of what stands at `offset`."""
        return refusal(Status.MALFORMED, where=f"byte {offset}")

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        if count > len(self.data) - self.offset:
            raise refusal(Status.TRUNCATED, where=f"byte {len(self.data)}")
        start, self.offset = self.offset, self.offset + count
        return self.data[start : self.offset]

    def head(self) -> tuple[int, int]:
        """(major type, argument) of the next item: in its shortest form, a string's content there."""
        start = self.offset
        first = self.take(1)[0]
        major, argument = first >> 5, first & 31
        if argument >= 24:
            argument = self._long_argument(major, argument, start)
        if major in (BYTES, TEXT):
            self.fits(argument)
        return major, argument

    def _long_argument(self, major: int, info: int, start: int) -> int:
        if info > 27 or major == _SIMPLE:
            raise self.malformed(start)
        argument = int.from_bytes(self.take(1 << (info - 24)), "big")
        if argument < _SMALLEST_WITH_HEAD[info]:
            raise self.malformed(start)
        return argument

    def expect(self, major: int, *arguments: int) -> int:
        """The argument of the next head, which must have this major type and one of these arguments."""
        start = self.offset
        found, argument = self.head()
        if found != major or argument not in arguments:
            raise self.malformed(start)
        return argument

    def byte_string(self) -> bytes:
        """The content of the next item, which must be a byte string."""
        start = self.offset
        major, count = self.head()
        if major != BYTES:
            raise self.malformed(start)
        return self.take(count)

    def end(self) -> None:
        """Nothing may follow."""
        if self.offset != len(self.data):
            raise self.malformed(self.offset)

    def value(self, depth: int) -> Item:
        """Any item, nested at most `depth` deep."""
        start = self.offset
        if depth == 0:
            raise self.malformed(start)
        major, argument = self.head()
        match major:
            case 0:
                return argument
            case 1:
                return -1 - argument
            case 2:
                return self.take(argument)
            case 3:
                return self.text(argument, start)
            case 4:
                self.fits(argument)
                return [self.value(depth - 1) for _ in range(argument)]
            case 5:
                return self.map(argument, depth - 1)
            case 6:
                return cbor2.CBORTag(argument, self.value(depth - 1))
        if argument not in _SIMPLE_VALUES:
            raise self.malformed(start)
        return _SIMPLE_VALUES[argument]

    def fits(self, count: int) -> None:
        """Whether `count` bytes, or items of a byte at least, can still come: a lying count costs nothing."""
        if count > len(self.data) - self.offset:
            raise refusal(Status.TRUNCATED, where=f"byte {len(self.data)}")

    def text(self, count: int, start: int) -> str:
        """The content of a text string whose head was at `start`."""
        try:
            return self.take(count).decode("utf-8")
        except UnicodeDecodeError:
            raise self.malformed(start) from None

    def map(self, count: int, depth: int) -> dict[Item, Item]:
        """Pairs with keys in strictly rising bytewise order: this refuses duplicates too."""
        self.fits(2 * count)
        result: dict[Item, Item] = {}
        previous = b""
        for _ in range(count):
            start = self.offset
            key = self.value(depth)
            encoded = self.data[start : self.offset]
            if encoded <= previous or not isinstance(key, (int, str, bytes)) or isinstance(key, bool):
                raise self.malformed(start)
            result[key] = self.value(depth)
            previous = encoded
        return result
