"""Stop 6 of 12. The key page: which public keys a board trusts, and the board's own key.

Takes public keys and 32 random bytes; gives the page as the board reads it, plain or as Intel HEX at the
board's address, and reads a page back. Layout: device_runtime/spec/store.toml. Next:
patchctl/link/emulated.py
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from intelhex import IntelHex, IntelHexError

from patchctl.contract import (
    KEY_MAGIC,
    KEYS_MAX,
    LEVEL,
    MAC_KEY_BYTES,
    PROGRAM_UNIT,
    PUBLIC_KEY_BYTES,
    KeyPage,
)
from patchctl.errors import ConfigError, KeyRefused
from patchctl.package.signing import PublicKey

_CRC_BYTES = 4
_ERASED = b"\xff"


@dataclass(frozen=True, slots=True)
class Keys:
    """What a key page holds; the board's own key is kept out of every printed form."""

    public: tuple[PublicKey, ...]
    mac_key: bytes = field(repr=False)


def encode(keys: Keys) -> bytes:
    """The page's bytes, filled up with erased flash to a whole program unit."""
    if not 1 <= len(keys.public) <= KEYS_MAX:
        raise ConfigError(f"a board trusts 1 to {KEYS_MAX} keys, not {len(keys.public)}")
    if len({key.raw for key in keys.public}) != len(keys.public):
        raise ConfigError("the same public key is given twice")
    if len(keys.mac_key) != MAC_KEY_BYTES:
        raise ConfigError(f"the board's own key has {MAC_KEY_BYTES} bytes, not {len(keys.mac_key)}")
    head = KeyPage(KEY_MAGIC, LEVEL, len(keys.public), keys.mac_key).pack()
    body = head + b"".join(key.raw for key in keys.public)
    page = body + zlib.crc32(body).to_bytes(_CRC_BYTES, "little")
    return page + _ERASED * (-len(page) % PROGRAM_UNIT)


def decode(page: bytes) -> Keys:
    """The keys in a page; KeyRefused if it is none, of another contract level, or damaged."""
    if len(page) < KeyPage.BYTES:
        raise KeyRefused("this is no key page", hint="make one with: patchctl keys provision")
    head = KeyPage.unpack(page[: KeyPage.BYTES])
    if head.magic != KEY_MAGIC or not 1 <= head.key_count <= KEYS_MAX:
        raise KeyRefused("this is no key page", hint="make one with: patchctl keys provision")
    if head.level != LEVEL:
        raise KeyRefused(f"the key page has contract level {head.level}, this host has {LEVEL}")
    end = KeyPage.BYTES + head.key_count * PUBLIC_KEY_BYTES
    if zlib.crc32(page[:end]).to_bytes(_CRC_BYTES, "little") != page[end : end + _CRC_BYTES]:
        raise KeyRefused("the key page is damaged: its checksum is wrong")
    return Keys(tuple(PublicKey(raw) for raw in _pieces(page[KeyPage.BYTES : end])), head.mac_key)


def to_hex(page: bytes, address: int) -> str:
    """The page as Intel HEX at absolute `address`, for any flash programmer."""
    image = IntelHex()
    image.frombytes(page, address)
    text = io.StringIO()
    image.write_hex_file(text)
    return text.getvalue()


def from_hex(text: str, address: int) -> bytes:
    """The page at `address` of an Intel HEX text; KeyRefused if nothing lies there."""
    try:
        image = IntelHex(io.StringIO(text))
    except IntelHexError as problem:
        raise KeyRefused(f"the HEX file is damaged: {problem}") from problem
    if not image.segments() or image.minaddr() != address:
        raise KeyRefused(f"the HEX file has no key page at 0x{address:08x}", hint="is it for another board?")
    return bytes(image.tobinarray())


def _pieces(body: bytes) -> Sequence[bytes]:
    return [body[start : start + PUBLIC_KEY_BYTES] for start in range(0, len(body), PUBLIC_KEY_BYTES)]
