"""Stop 6 of 12. Keys: made, loaded, used and never overwritten.

Takes PEM files (PKCS 8 private keys, SubjectPublicKeyInfo public keys; Ed25519, RFC 8032); gives
signatures and verdicts on them. Private keys leave this module only into a file that its owner alone can
read. Next: patchctl/package/envelope.py
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from patchctl.errors import KeyRefused

SIGNATURE_BYTES = 64
FINGERPRINT_BYTES = 8
_NEW_KEY_HINT = "make one with: patchctl keys new FILE"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """32 bytes that a board may trust."""

    raw: bytes

    @property
    def fingerprint(self) -> bytes:
        """First eight bytes of SHA-256 of the key, as a board reports it."""
        return hashlib.sha256(self.raw).digest()[:FINGERPRINT_BYTES]

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether this key's owner signed `message`."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except InvalidSignature:
            return False
        return True

    def pem(self) -> bytes:
        """SubjectPublicKeyInfo as PEM."""
        key = Ed25519PublicKey.from_public_bytes(self.raw)
        return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key; its bytes stay inside."""

    _key: Ed25519PrivateKey

    @classmethod
    def generate(cls) -> SigningKey:
        """A new key from the system's entropy."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_seed(cls, seed: bytes) -> SigningKey:
        """The key of a 32-byte seed (RFC 8032 5.1.5)."""
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    @property
    def public(self) -> PublicKey:
        """The half that boards hold."""
        raw = self._key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return PublicKey(raw)

    def sign(self, message: bytes) -> bytes:
        """64 bytes, the same for the same message."""
        return self._key.sign(message)

    def pem(self) -> bytes:
        """PKCS 8 as PEM, not encrypted."""
        return self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


def public_path(private_path: Path) -> Path:
    """Where the public half of `private_path` lies: key.pem has key.pub.pem."""
    return private_path.with_suffix(".pub.pem")


def save_new_key(key: SigningKey, path: Path) -> Path:
    """Writes `key` (mode 0600) and its public half beside it; KeyRefused if either file exists."""
    for taken in (path, public_path(path)):
        if taken.exists():
            raise KeyRefused(
                "the file exists and a key is never overwritten",
                where=str(taken),
                hint="choose another name, or move it away",
            )
    write_new(path, key.pem(), 0o600)
    write_new(public_path(path), key.public.pem(), 0o644)
    return public_path(path)


def write_new(path: Path, data: bytes, mode: int) -> None:
    """Writes a file that must not exist yet, with `mode` from its first byte on."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except OSError as problem:
        raise KeyRefused(
            f"cannot write the key: {problem.strerror}", where=str(path), hint="does its folder exist?"
        ) from problem
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def load_signing_key(path: Path) -> SigningKey:
    """The Ed25519 private key in a PEM file; KeyRefused says what is wrong with the file."""
    data = _read(path)
    try:
        key = serialization.load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as problem:
        raise KeyRefused(
            "this is no private key in PEM form", where=str(path), hint=_NEW_KEY_HINT
        ) from problem
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyRefused("this is no Ed25519 key", where=str(path), hint=_NEW_KEY_HINT)
    return SigningKey(key)


def load_public_key(path: Path) -> PublicKey:
    """The Ed25519 public key in a PEM file; a private key's file will do, its public half is taken."""
    data = _read(path)
    if b"PRIVATE KEY" in data:
        return load_signing_key(path).public
    try:
        key = serialization.load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm) as problem:
        raise KeyRefused(
            "this is no public key in PEM form", where=str(path), hint=_NEW_KEY_HINT
        ) from problem
    if not isinstance(key, Ed25519PublicKey):
        raise KeyRefused("this is no Ed25519 key", where=str(path), hint=_NEW_KEY_HINT)
    return PublicKey(key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise KeyRefused(
            f"cannot read the key: {problem.strerror}", where=str(path), hint=_NEW_KEY_HINT
        ) from problem
