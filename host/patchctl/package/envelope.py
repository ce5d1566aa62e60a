"""Stop 6 of 12. The SUIT envelope: manifest, signature and payload in one run of bytes.

Takes a manifest, its payload and a signing key; gives the container that travels, and reads one back
without believing it. The digest covers the manifest with its byte-string head, the signature covers the
digest (draft-ietf-suit-manifest 8.3, RFC 9052 4.4). Next: patchctl/link/selector.py
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

import cbor2

from patchctl.contract import Status, Suit
from patchctl.errors import InputError, refusal
from patchctl.package import cbor
from patchctl.package import manifest as manifests
from patchctl.package import payload as payloads
from patchctl.package.manifest import PAYLOAD_URI, Manifest
from patchctl.package.signing import SIGNATURE_BYTES, PublicKey, SigningKey
from patchctl.program import BuiltPatch

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
        """The manifest; malformed unless it installs its payload, or undoes without one."""
        manifest = manifests.decode(self.manifest_bytes)
        if manifest.installs != (self.payload is not None):
            raise _malformed()
        return manifest

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


def seal_patch(patch: BuiltPatch, class_id: bytes, key: SigningKey) -> tuple[bytes, bytes]:
    """(install, undo) of a built patch for boards of `class_id`; the same bytes for the same inputs."""
    patch_id = manifests.check_patch_id(patch.id)
    install = Manifest(patch_id, manifests.install_sequence(patch.sequence), class_id, patch.build_id)
    undo = replace(install, sequence=manifests.undo_sequence(patch.sequence))
    return seal_install(install, payloads.pack(patch), key), seal_undo(undo, key)


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
    """The parts of a container; refused (truncated, malformed, unsupported) unless it has our shape."""
    reader = cbor.Reader(data)
    reader.expect(cbor.TAG, Suit.TAG_ENVELOPE)
    count = reader.expect(cbor.MAP, 2, 3)
    reader.expect(cbor.UNSIGNED, Suit.ENVELOPE_AUTHENTICATION)
    authentication = reader.byte_string()
    reader.expect(cbor.UNSIGNED, Suit.ENVELOPE_MANIFEST)
    manifest_bytes = reader.byte_string()
    payload = _open_payload(reader) if count == 3 else None
    reader.end()
    return Envelope(manifest_bytes, *_open_authentication(authentication), payload)


def _open_payload(reader: cbor.Reader) -> bytes:
    start = reader.offset
    count = reader.expect(cbor.TEXT, len(PAYLOAD_URI))
    if reader.take(count) != PAYLOAD_URI.encode():
        raise reader.malformed(start)
    return reader.byte_string()


def _open_authentication(authentication: bytes) -> tuple[bytes, bytes]:
    """(digest, signature), by position: the only free bytes of the one shape there is."""
    blank = _authentication(bytes(_DIGEST_BYTES), bytes(SIGNATURE_BYTES))
    if len(authentication) != len(blank):
        raise _malformed()
    digest_end = blank.index(bytes(_DIGEST_BYTES)) + _DIGEST_BYTES
    digest = authentication[digest_end - _DIGEST_BYTES : digest_end]
    signature = authentication[-SIGNATURE_BYTES:]
    expected = _authentication(digest, signature)
    if authentication == expected:
        return digest, signature
    algorithm_at = expected.index(_PROTECTED) + len(_PROTECTED) - 1
    if authentication[:algorithm_at] == expected[:algorithm_at] and (
        authentication[algorithm_at] != expected[algorithm_at]
    ):
        raise refusal(Status.UNSUPPORTED, where="signature algorithm")
    raise _malformed()


def _malformed() -> InputError:
    return refusal(Status.MALFORMED, where="envelope")


def _is_payload_of(manifest: Manifest, payload: bytes) -> bool:
    same_size = len(payload) == manifest.payload_bytes
    return same_size and hashlib.sha256(payload).digest() == manifest.payload_digest
