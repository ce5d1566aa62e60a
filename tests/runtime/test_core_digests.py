"""Stop 9 of 12. Digests and signatures of the core, against Python's own and RFC 8032."""

import hashlib
import hmac
import zlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.runtime import calls

DATA = bytes(index * 7 % 256 for index in range(400))
LENGTHS = [*range(0, 140), 239, 240, 241, 255, 256, 257, 383, 384, 385]

# RFC 8032 section 7.1: secret key, message
RFC_8032 = [
    ("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", ""),
    ("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", "72"),
    ("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7", "af82"),
]


@pytest.mark.parametrize("length", LENGTHS)
def test_sha256_agrees_with_hashlib_around_every_block_edge(length):
    assert calls.sha256(DATA[:length]) == hashlib.sha256(DATA[:length]).digest()


@pytest.mark.parametrize("length", LENGTHS)
def test_sha512_in_pieces_agrees_with_hashlib_around_every_block_edge(length):
    pieces = [DATA[: length // 3], DATA[length // 3 : length]]

    assert calls.sha512(pieces) == hashlib.sha512(DATA[:length]).digest()


@pytest.mark.parametrize("key_bytes", [0, 1, 31, 32, 64])
def test_hmac_agrees_with_hmac(key_bytes):
    key = DATA[:key_bytes]

    assert calls.hmac_sha256(key, DATA[:50], DATA[50:90]) == hmac.digest(key, DATA[:90], "sha256")


def test_the_checksum_is_that_of_zlib():
    assert calls.crc32(DATA) == zlib.crc32(DATA)


@pytest.mark.parametrize(("secret", "message"), RFC_8032)
def test_signatures_of_rfc_8032_are_good_and_one_flipped_bit_of_anything_is_not(secret, message):
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret))
    text = bytes.fromhex(message)
    public, signature = key.public_key().public_bytes_raw(), key.sign(text)

    assert calls.verify(public, signature, text)
    for bit in range(8 * 64):
        assert not calls.verify(public, flipped(signature, bit), text)
    for bit in range(8 * len(text)):
        assert not calls.verify(public, signature, flipped(text, bit))


def test_a_message_in_two_pieces_is_one_message():
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))

    assert calls.verify(key.public_key().public_bytes_raw(), key.sign(DATA), DATA[:19], DATA[19:])


def test_a_signature_whose_scalar_is_raised_by_the_group_order_is_refused():
    order = 2**252 + 27742317777372353535851937790883648493
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    signature = key.sign(DATA)
    raised = int.from_bytes(signature[32:], "little") + order

    assert not calls.verify(
        key.public_key().public_bytes_raw(), signature[:32] + raised.to_bytes(32, "little"), DATA
    )


def flipped(data: bytes, bit: int) -> bytes:
    return bytes(byte ^ (1 << bit % 8 if index == bit // 8 else 0) for index, byte in enumerate(data))
