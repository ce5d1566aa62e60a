"""Stop 6 of 12. The manifest: for which board, build and patch a container is meant, and in which order.

Takes the facts of one install or undo; gives its one encoding in the shape of draft-ietf-suit-manifest,
and reads it back. A manifest that is not byte for byte what we would write is refused. Next:
patchctl/package/envelope.py
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from patchctl.board import VENDOR_ID
from patchctl.contract import PATCH_ID_BYTES_MAX, Status, Suit
from patchctl.errors import ConfigError, InputError, refusal
from patchctl.package import cbor

PAYLOAD_URI = "#patch"
SEQUENCE_MAX = 0xFFFF_FFFF
_COMPONENT_FAMILY = b"hp"
_MANIFEST_VERSION = 1
_REPORT_ALL = 15  # SUIT reporting policy: record pass and fail, system and command
_REPORT_FAILURE = 2
_PATCH_ID = re.compile(f"[a-z0-9_-]{{1,{PATCH_ID_BYTES_MAX}}}")


@dataclass(frozen=True, slots=True)
class Manifest:
    """One signed order to a board: install a payload, or (payload_digest None) take the patch out."""

    patch_id: str
    sequence: int
    class_id: bytes
    build_id: bytes
    payload_digest: bytes | None = None
    payload_bytes: int = 0
    vendor_id: bytes = VENDOR_ID.bytes

    @property
    def installs(self) -> bool:
        """True for an install, False for an undo."""
        return self.payload_digest is not None


def check_patch_id(patch_id: str) -> str:
    """`patch_id` itself; ConfigError unless it is 1 to 32 of a-z, 0-9, minus and underscore."""
    if not _PATCH_ID.fullmatch(patch_id):
        raise ConfigError(
            f"{patch_id!r} cannot name a patch", hint="1 to 32 of a-z, 0-9, minus and underscore"
        )
    return patch_id


def install_sequence(sequence: int) -> int:
    """SUIT sequence of the install of patch.toml's `sequence`."""
    return 2 * sequence


def undo_sequence(sequence: int) -> int:
    """SUIT sequence of the undo that goes with it."""
    return 2 * sequence + 1


def encode(manifest: Manifest) -> bytes:
    """The manifest's bytes, without the byte string that wraps them in an envelope."""
    common = {
        Suit.COMMON_COMPONENTS: [[_COMPONENT_FAMILY, manifest.patch_id.encode()]],
        Suit.COMMON_SHARED_SEQUENCE: cbor.encode(_shared_sequence(manifest)),
    }
    fields: dict[int, cbor.Item] = {
        Suit.MANIFEST_VERSION: _MANIFEST_VERSION,
        Suit.MANIFEST_SEQUENCE: manifest.sequence,
        Suit.MANIFEST_COMMON: cbor.encode(common),
        Suit.MANIFEST_INSTALL: cbor.encode(_install_commands(manifest)),
    }
    if manifest.installs:
        fields[Suit.MANIFEST_VALIDATE] = cbor.encode([Suit.CONDITION_IMAGE_MATCH, _REPORT_ALL])
        fields[Suit.MANIFEST_INVOKE] = cbor.encode([Suit.DIRECTIVE_INVOKE, _REPORT_FAILURE])
    return cbor.encode(fields)


def _shared_sequence(manifest: Manifest) -> list[cbor.Item]:
    parameters: dict[int, cbor.Item] = {
        Suit.PARAMETER_VENDOR: manifest.vendor_id,
        Suit.PARAMETER_CLASS: manifest.class_id,
        Suit.BUILD_ID: manifest.build_id,
    }
    if manifest.payload_digest is not None:
        digest = [Suit.ALGORITHM_SHA256, manifest.payload_digest]
        parameters[Suit.PARAMETER_DIGEST] = cbor.encode(digest)
        parameters[Suit.PARAMETER_SIZE] = manifest.payload_bytes
    conditions = (Suit.CONDITION_VENDOR, Suit.CONDITION_CLASS, Suit.BUILD_ID)
    checks = [number for condition in conditions for number in (condition, _REPORT_ALL)]
    return [Suit.DIRECTIVE_OVERRIDE_PARAMETERS, parameters, *checks]


def _install_commands(manifest: Manifest) -> list[cbor.Item]:
    if not manifest.installs:
        return [Suit.DIRECTIVE_UNLINK, _REPORT_FAILURE]
    return [
        *(Suit.DIRECTIVE_OVERRIDE_PARAMETERS, {Suit.PARAMETER_URI: PAYLOAD_URI}),
        *(Suit.DIRECTIVE_FETCH, _REPORT_FAILURE),
        *(Suit.CONDITION_IMAGE_MATCH, _REPORT_ALL),
    ]


def decode(data: bytes) -> Manifest:
    """The manifest in `data`; refused as malformed unless encode() gives the same bytes."""
    try:
        manifest = _extract(cbor.decode(data))
    except (InputError, KeyError, IndexError, TypeError, ValueError, AttributeError):
        raise refusal(
            Status.MALFORMED, where="manifest"
        ) from None  # in a byte string nothing is "still to come"
    if encode(manifest) != data:
        raise refusal(Status.MALFORMED, where="manifest")
    return manifest


def _extract(fields: cbor.Item) -> Manifest:
    """What the fields say; shape errors surface as the built-in exceptions that decode() expects."""
    common = cbor.decode(fields[Suit.MANIFEST_COMMON])
    parameters = cbor.decode(common[Suit.COMMON_SHARED_SEQUENCE])[1]
    patch_id = common[Suit.COMMON_COMPONENTS][0][1].decode()
    digest = None
    if Suit.PARAMETER_DIGEST in parameters:
        digest = _bytes_of(cbor.decode(parameters[Suit.PARAMETER_DIGEST])[1], 32, 32)
    return Manifest(
        patch_id=_checked_id(patch_id),
        sequence=_unsigned(fields[Suit.MANIFEST_SEQUENCE]),
        class_id=_bytes_of(parameters[Suit.PARAMETER_CLASS], 16, 16),
        build_id=_bytes_of(parameters[Suit.BUILD_ID], 1, 64),
        payload_digest=digest,
        payload_bytes=_unsigned(parameters[Suit.PARAMETER_SIZE]) if digest is not None else 0,
        vendor_id=_bytes_of(parameters[Suit.PARAMETER_VENDOR], 16, 16),
    )


def _checked_id(patch_id: str) -> str:
    try:
        return check_patch_id(patch_id)
    except InputError as problem:
        raise ValueError from problem


def _unsigned(value: cbor.Item) -> int:
    if type(value) is not int or not 0 <= value <= SEQUENCE_MAX:
        raise ValueError
    return value


def _bytes_of(value: cbor.Item, least: int, most: int) -> bytes:
    if not isinstance(value, bytes) or not least <= len(value) <= most:
        raise ValueError
    return value
