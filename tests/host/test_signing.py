"""Key files: private to their owner, never overwritten, and named in every complaint."""

from __future__ import annotations

import stat

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from patchctl.errors import KeyRefused
from patchctl.package.signing import SigningKey, load_public_key, load_signing_key, save_new_key

from tests.host.samples import KEY, OTHER_KEY

# RFC 8032 7.1, test 2.
SEED = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
PUBLIC = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
SIGNATURE = (
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)


def test_signatures_are_those_of_rfc_8032():
    key = SigningKey.from_seed(SEED)

    assert key.public.raw.hex() == PUBLIC
    assert key.sign(b"\x72").hex() == SIGNATURE
    assert key.public.verifies(bytes.fromhex(SIGNATURE), b"\x72")
    assert not key.public.verifies(bytes.fromhex(SIGNATURE), b"\x73")


def test_a_new_key_is_readable_by_its_owner_alone(tmp_path):
    path = tmp_path / "key.pem"

    public = save_new_key(KEY, path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert public.name == "key.pub.pem"
    assert load_signing_key(path).public == load_public_key(public) == load_public_key(path) == KEY.public


@pytest.mark.parametrize("taken", ["key.pem", "key.pub.pem"])
def test_a_key_is_never_overwritten(tmp_path, taken):
    (tmp_path / taken).write_bytes(b"precious")

    with pytest.raises(KeyRefused, match="never overwritten"):
        save_new_key(KEY, tmp_path / "key.pem")

    assert [path.name for path in tmp_path.iterdir()] == [taken]
    assert (tmp_path / taken).read_bytes() == b"precious"


def test_generated_keys_differ():
    assert SigningKey.generate().public != SigningKey.generate().public


def test_a_private_key_is_not_printed():
    assert KEY.pem().decode().splitlines()[1] not in repr(KEY)


def _p256() -> bytes:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(encoding, form, serialization.NoEncryption())


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "cannot read the key"),
        (b"", "no p"),
        (b"\0\xff garbage", "no p"),
        (_p256(), "no Ed25519 key"),
    ],
    ids=["missing", "empty", "garbage", "another kind"],
)
@pytest.mark.parametrize("load", [load_signing_key, load_public_key])
def test_a_file_that_holds_no_key_is_named(tmp_path, load, content, complaint):
    path = tmp_path / "key.pem"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(KeyRefused, match=complaint) as refusal:
        load(path)

    assert refusal.value.where == str(path)
    assert "patchctl keys new" in refusal.value.hint


def test_a_public_key_cannot_sign(tmp_path):
    path = tmp_path / "key.pub.pem"
    path.write_bytes(OTHER_KEY.public.pem())

    with pytest.raises(KeyRefused, match="no private key"):
        load_signing_key(path)
