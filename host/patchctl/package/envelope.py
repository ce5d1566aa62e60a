"""Stop 6 of 12. The SUIT envelope: manifest, signature and payload in one run of bytes.

Takes a manifest, its payload and a signing key; gives the container that travels, and reads one back
without believing it. The digest covers the manifest with its byte-string head, the signature covers the
digest (draft-ietf-suit-manifest 8.3, RFC 9052 4.4). Next: patchctl/link/base.py
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

import cbor2

from patchctl.contract import Status, Suit
from patchctl.errors import refusal
from patchctl.package import cbor
from patchctl.package import manifest as manifests
from patchctl.package.manifest import PAYLOAD_URI, Manifest
from patchctl.package.signing import SIGNATURE_BYTES, PublicKey, SigningKey

_COSE_SIGN1_TAG = 18
_PROTECTED = cbor.encode({1: Suit.ALGORITHM_ED25519})
_DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True)
class Envelope:
    """A container taken apart; only its shape is checked yet. `digest` is the one it is signed under."""

    manifest_bytes: bytes
    digest: bytes
    signature: bytes
    payload: bytes | None

    def manifest(self) -> Manifest:
        """The manifest; refused if it is not in our shape. Ask is_signed_by first."""
        return manifests.decode(self.manifest_bytes)

    def is_signed_by(self, keys: Iterable[PublicKey]) -> bool:
        """Whether one of `keys` signed the digest."""
        signed = to_be_signed(self.digest)
        return any(key.verifies(self.signature, signed) for key in keys)

    def check_manifest_digest(self) -> None:
        """Refuses manifest bytes that are not those of the signed digest."""
        if manifest_digest(self.manifest_bytes) != self.digest:
            raise refusal(Status.BAD_DIGEST, where="manifest")

    def check_payload(self, manifest: Manifest) -> None:
        """Refuses a payload that is not the one `manifest` describes."""
        if manifest.installs != (self.payload is not None):
            raise refusal(Status.MALFORMED, where="envelope")
        if self.payload is not None and not _is_payload_of(manifest, self.payload):
            raise refusal(Status.BAD_DIGEST, where="payload")

    def checked_manifest(self) -> Manifest:
        """The manifest, once its bytes and the payload's are the signed ones."""
        self.check_manifest_digest()
        manifest = self.manifest()
        self.check_payload(manifest)
        return manifest


def seal_install(manifest: Manifest, payload: bytes, key: SigningKey) -> bytes:
    """A signed container that installs and arms `payload`; digest and size are filled into the manifest."""
    whole = replace(manifest, payload_digest=hashlib.sha256(payload).digest(), payload_bytes=len(payload))
    return _seal(whole, {PAYLOAD_URI: payload}, key)


def seal_undo(manifest: Manifest, key: SigningKey) -> bytes:
    """A signed container that takes the patch out; whoever holds it can do so."""
    return _seal(replace(manifest, payload_digest=None, payload_bytes=0), {}, key)


def _seal(manifest: Manifest, payload: dict[int | str, bytes], key: SigningKey) -> bytes:
    content = manifests.encode(manifest)
    digest = manifest_digest(content)
    fields: dict[int | str, bytes] = {
        Suit.ENVELOPE_AUTHENTICATION: _authentication(digest, key.sign(to_be_signed(digest))),
        Suit.ENVELOPE_MANIFEST: content,
        **payload,
    }
    return cbor.encode(cbor2.CBORTag(Suit.TAG_ENVELOPE, fields))


def manifest_digest(manifest_bytes: bytes) -> bytes:
    """SHA-256 over the manifest wrapped as a byte string, head included."""
    return hashlib.sha256(cbor.encode(manifest_bytes)).digest()


def to_be_signed(digest: bytes) -> bytes:
    """The COSE Sig_structure over a SUIT_Digest."""
    return cbor.encode(["Signature1", _PROTECTED, b"", _suit_digest(digest)])


def _suit_digest(digest: bytes) -> bytes:
    return cbor.encode([Suit.ALGORITHM_SHA256, digest])


def _authentication(digest: bytes, signature: bytes) -> bytes:
    sign1 = cbor2.CBORTag(_COSE_SIGN1_TAG, [_PROTECTED, {}, None, signature])
    return cbor.encode([_suit_digest(digest), cbor.encode(sign1)])


def open_envelope(data: bytes) -> Envelope:
    """The parts of a container; refused as truncated or malformed unless it has exactly our shape."""
    try:
        envelope = _extract(cbor.decode(data))
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        raise refusal(Status.MALFORMED, where="envelope") from None
    return envelope


def _extract(tagged: cbor.Item) -> Envelope:
    """Shape errors surface as the built-in exceptions that open_envelope() expects."""
    fields = tagged.value
    known = [
        Suit.ENVELOPE_AUTHENTICATION,
        Suit.ENVELOPE_MANIFEST,
        *([PAYLOAD_URI] if len(fields) > 2 else []),
    ]
    if tagged.tag != Suit.TAG_ENVELOPE or list(fields) != known:
        raise ValueError
    if not all(isinstance(value, bytes) for value in fields.values()):
        raise ValueError
    authentication = fields[Suit.ENVELOPE_AUTHENTICATION]
    blocks = cbor.decode(authentication)
    digest = cbor.decode(blocks[0])[1]
    signature = cbor.decode(blocks[1]).value[3]
    if len(digest) != _DIGEST_BYTES or len(signature) != SIGNATURE_BYTES:
        raise ValueError
    if _authentication(digest, signature) != authentication:
        raise ValueError
    return Envelope(fields[Suit.ENVELOPE_MANIFEST], digest, signature, fields.get(PAYLOAD_URI))


def _is_payload_of(manifest: Manifest, payload: bytes) -> bool:
    same_size = len(payload) == manifest.payload_bytes
    return same_size and hashlib.sha256(payload).digest() == manifest.payload_digest
