"""The key page: the bytes a board reads, plain and as Intel HEX."""

from __future__ import annotations

import zlib

import pytest
from patchctl.errors import ConfigError, KeyRefused
from patchctl.package import keypage
from patchctl.package.keypage import Keys
from patchctl.package.signing import SigningKey

from tests.host.samples import BOARD, KEY, OTHER_KEY

MAC_KEY = bytes(range(100, 132))
PAGE = keypage.encode(Keys((KEY.public, OTHER_KEY.public), MAC_KEY))


def test_the_page_is_laid_out_as_the_board_reads_it():
    body = b"HPK1" + b"\x01\x00" + b"\x02\x00" + MAC_KEY + KEY.public.raw + OTHER_KEY.public.raw

    assert PAGE[: len(body)] == body
    assert PAGE[len(body) :] == zlib.crc32(body).to_bytes(4, "little") + b"\xff" * 4
    assert len(PAGE) % 8 == 0


def test_a_page_reads_back():
    assert keypage.decode(PAGE) == Keys((KEY.public, OTHER_KEY.public), MAC_KEY)
    assert keypage.decode(PAGE.ljust(4096, b"\xff")) == keypage.decode(PAGE)


def test_the_hex_file_lies_at_the_boards_key_page():
    text = keypage.to_hex(PAGE, BOARD.keys.address)

    assert text.splitlines()[0] == ":02000004000FEB"  # the upper half of the address
    assert text.splitlines()[1].startswith(":10F00000" + b"HPK1".hex().upper())
    assert keypage.from_hex(text, BOARD.keys.address) == PAGE
    with pytest.raises(KeyRefused, match="no key page at 0x00010000"):
        keypage.from_hex(text, 0x10000)


@pytest.mark.parametrize(
    ("page", "complaint"),
    [
        (b"", "no key page"),
        (b"\xff" * 4096, "no key page"),
        (PAGE[:4] + b"\x02" + PAGE[5:], "contract level 2"),
        (PAGE[:20] + bytes([PAGE[20] ^ 1]) + PAGE[21:], "damaged"),
        (PAGE[:-12], "damaged"),
        (PAGE[:6] + b"\x09" + PAGE[7:], "no key page"),
    ],
)
def test_a_page_that_a_board_would_not_trust_is_refused(page, complaint):
    with pytest.raises(KeyRefused, match=complaint):
        keypage.decode(page)


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        (Keys((), MAC_KEY), "1 to 8 keys"),
        (Keys(tuple(SigningKey.from_seed(bytes([n] * 32)).public for n in range(9)), MAC_KEY), "1 to 8 keys"),
        (Keys((KEY.public, KEY.public), MAC_KEY), "twice"),
        (Keys((KEY.public,), MAC_KEY[1:]), "32 bytes"),
    ],
)
def test_keys_that_make_no_page_are_refused(keys, complaint):
    with pytest.raises(ConfigError, match=complaint):
        keypage.encode(keys)


def test_the_boards_own_key_is_not_printed():
    assert MAC_KEY.hex() not in repr(keypage.decode(PAGE))
    assert repr(MAC_KEY)[2:-1] not in repr(keypage.decode(PAGE))
