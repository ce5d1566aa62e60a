"""Stop 7 of 12. The host says no before the board has to.

Takes a container and what the board said of itself; gives the manifest, or raises the very refusal that
the board would give. It is a courtesy, never a permission: the board checks everything again. Next:
patchctl/client.py
"""

from __future__ import annotations

from collections.abc import Iterable

from patchctl.board import VENDOR_ID
from patchctl.contract import CONTRACT_ID, LEVEL, Status
from patchctl.errors import TargetMismatch, refusal
from patchctl.firmware import Firmware
from patchctl.package import payload as payloads
from patchctl.package.envelope import Envelope, open_envelope
from patchctl.package.manifest import Manifest
from patchctl.package.reports import Identity, InstalledPatch
from patchctl.package.signing import PublicKey


def precheck(
    container: bytes,
    identity: Identity,
    installed: Iterable[InstalledPatch],
    known_keys: Iterable[PublicKey],
    firmware: Firmware | None = None,
) -> Manifest:
    """The manifest of a container the board should accept; otherwise its own refusal, in its order.

    With the `firmware` that the board runs, the bytes at the sites are compared too.
    """
    envelope = open_envelope(container)
    check_signature(envelope, identity, known_keys)
    envelope.check_manifest_digest()
    manifest = envelope.manifest()
    check_target(manifest, identity)
    check_sequence(manifest, envelope.digest, installed)
    envelope.check_payload(manifest)
    if envelope.payload is not None:
        if len(envelope.payload) > identity.slot_bytes:
            raise refusal(Status.TOO_LARGE, where=manifest.patch_id)
        payload = payloads.unpack(envelope.payload)
        if firmware is not None:
            check_sites(payload, manifest, firmware)
    return manifest


def check_signature(envelope: Envelope, identity: Identity, known_keys: Iterable[PublicKey]) -> None:
    """Refuses a signature that none of the board's keys made, as far as this host holds those keys.

    The board names its keys by fingerprint only: where the host does not hold one, the board decides.
    """
    if not identity.keys:
        hint = "give it a key page: patchctl keys provision"
        raise refusal(Status.NO_KEYS, where=identity.board, hint=hint)
    trusted = [key for key in known_keys if key.fingerprint in identity.keys]
    holds_all = {key.fingerprint for key in trusted} == set(identity.keys)
    if holds_all and not envelope.is_signed_by(trusted):
        hint = "sign with a key that patchctl status shows for this board"
        raise refusal(Status.BAD_SIGNATURE, where="container", hint=hint)


def check_target(manifest: Manifest, identity: Identity) -> None:
    """Refuses a container for another vendor, board or build."""
    if manifest.vendor_id != VENDOR_ID.bytes:
        raise refusal(Status.WRONG_VENDOR, where=manifest.patch_id)
    if manifest.class_id != identity.class_id:
        raise refusal(Status.WRONG_BOARD, where=manifest.patch_id)
    if manifest.build_id != identity.build_id:
        made_for, runs = manifest.build_id.hex()[:12], identity.build_id.hex()[:12]
        hint = f"made for build {made_for}, the board runs {runs}; build the patch against that firmware"
        raise refusal(Status.WRONG_BUILD, where=manifest.patch_id, hint=hint)


def check_sequence(manifest: Manifest, digest: bytes, installed: Iterable[InstalledPatch]) -> None:
    """Refuses a sequence number below the last accepted one, or equal to it with other contents.

    An undo of a patch that the board never held has nothing to take out.
    """
    patch = next((patch for patch in installed if patch.id == manifest.patch_id), None)
    if patch is None:
        if not manifest.installs:
            raise refusal(Status.NOT_FOUND, where=manifest.patch_id)
        return
    if manifest.sequence < patch.sequence:
        hint = f"the board has {patch.sequence}, this is {manifest.sequence}; raise sequence in patch.toml"
        raise refusal(Status.OLD_SEQUENCE, where=patch.id, hint=hint)
    if manifest.sequence == patch.sequence and digest != patch.digest:
        raise refusal(Status.SEQUENCE_CONFLICT, where=patch.id, hint="raise sequence in patch.toml")


def check_sites(payload: payloads.Payload, manifest: Manifest, firmware: Firmware) -> None:
    """Refuses a patch whose original bytes are not the firmware's; TargetMismatch for another firmware."""
    if firmware.build_id != manifest.build_id:
        raise refusal(Status.WRONG_BUILD, where=firmware.where, hint="give the ELF the board was built from")
    for site in payload.sites:
        found = firmware.original(site.address, firmware.where)
        if found[: len(site.original)] != site.original:
            raise refusal(Status.SITE_BYTES, where=f"{manifest.patch_id} at 0x{site.address:08x}")


def check_contract(identity: Identity) -> str | None:
    """A warning if the board's contract differs in detail; TargetMismatch if its level does."""
    if identity.level != LEVEL:
        older = "the board's runtime" if identity.level < LEVEL else "this patchctl"
        raise TargetMismatch(
            f"the board speaks contract level {identity.level}, this patchctl speaks {LEVEL}",
            where=identity.board,
            hint=f"{older} is older: update it",
        )
    if identity.contract_id != CONTRACT_ID:
        theirs, ours = identity.contract_id.hex(), CONTRACT_ID.hex()
        return f"the board was built with contract {theirs}, this patchctl with {ours}; the level is the same"
    return None
