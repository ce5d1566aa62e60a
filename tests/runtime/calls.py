"""Stops 8 and 9 of 12. Single functions of the core, called by ctypes.

Takes bytes; gives what the C function gives. Next: tests/native.py
"""

from __future__ import annotations

import ctypes

from patchctl.contract import Status

from tests.native import library


class Span(ctypes.Structure):
    """hp_span_t; keeps its bytes alive."""

    _fields_ = [("data", ctypes.c_char_p), ("size", ctypes.c_size_t)]


def span(data: bytes) -> Span:
    """`data` as the core takes it."""
    return Span(data, len(data))


def cbor_check(data: bytes) -> Status:
    """hp_cbor_check."""
    return Status(library().hp_cbor_check(span(data)))


def sha256(data: bytes) -> bytes:
    """hp_sha256."""
    out = ctypes.create_string_buffer(32)
    library().hp_sha256(data, ctypes.c_size_t(len(data)), out)
    return out.raw


def sha512(pieces: list[bytes]) -> bytes:
    """hp_sha512 over `pieces`."""
    state = ctypes.create_string_buffer(256)
    out = ctypes.create_string_buffer(64)
    library().hp_sha512_begin(state)
    for piece in pieces:
        library().hp_sha512_add(state, piece, ctypes.c_size_t(len(piece)))
    library().hp_sha512_end(state, out)
    return out.raw


def hmac_sha256(key: bytes, first: bytes, second: bytes) -> bytes:
    """hp_hmac_sha256."""
    out = ctypes.create_string_buffer(32)
    sizes = [ctypes.c_size_t(len(part)) for part in (key, first, second)]
    library().hp_hmac_sha256(key, sizes[0], first, sizes[1], second, sizes[2], out)
    return out.raw


def crc32(data: bytes) -> int:
    """hp_crc32."""
    return int(library().hp_crc32(data, ctypes.c_size_t(len(data))))


def verify(key: bytes, signature: bytes, first: bytes, second: bytes = b"") -> bool:
    """Whether hp_verify_twice gives the good word."""
    return bool(library().hp_verify_twice(key, signature, span(first), span(second)) == 0x996CE3A5)
