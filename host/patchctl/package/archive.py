"""Stops 6 to 7 of 12. What the host keeps: undo containers, and the public keys it has met.

Takes a folder (the user's data folder unless told otherwise); gives back what was put there. An undo is
kept before its install is sent, so that whoever can push can roll back, with no key at hand. Next:
patchctl/client.py
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from patchctl.errors import ConfigError, KeyRefused
from patchctl.package.manifest import Manifest
from patchctl.package.signing import PublicKey, load_public_key

_UNDO_SUFFIX = ".undo.suit"


def default_folder() -> Path:
    """The user's data folder for patchctl."""
    return Path(platformdirs.user_data_dir("patchctl", appauthor=False))


@dataclass(frozen=True, slots=True)
class Archive:
    """Files under `folder`: undo/BOARD-CLASS/BUILD/PATCH/SEQUENCE.undo.suit and keys/FINGERPRINT.pub.pem."""

    folder: Path

    def keep_undo(self, manifest: Manifest, container: bytes) -> Path:
        """Stores the undo that `manifest` describes; the same undo again changes nothing."""
        path = self._undo_path(manifest.class_id, manifest.build_id, manifest.patch_id, manifest.sequence)
        _write_whole(path, container)
        return path

    def find_undo(self, class_id: bytes, build_id: bytes, patch_id: str, above: int) -> bytes | None:
        """The kept undo with the lowest sequence above `above`, or None."""
        folder = self._undo_path(class_id, build_id, patch_id, 0).parent
        found = {int(path.name.removesuffix(_UNDO_SUFFIX)): path for path in folder.glob(f"*{_UNDO_SUFFIX}")}
        fitting = sorted(sequence for sequence in found if sequence > above)
        return found[fitting[0]].read_bytes() if fitting else None

    def keep_key(self, key: PublicKey) -> None:
        """Remembers a public key, so that signatures can be checked before they are sent."""
        _write_whole(self.folder / "keys" / f"{key.fingerprint.hex()}.pub.pem", key.pem())

    def keys(self) -> tuple[PublicKey, ...]:
        """Every remembered key; a file that holds none is passed over."""
        return tuple(
            key for path in sorted((self.folder / "keys").glob("*.pub.pem")) if (key := _key_or_none(path))
        )

    def _undo_path(self, class_id: bytes, build_id: bytes, patch_id: str, sequence: int) -> Path:
        place = self.folder / "undo" / class_id.hex()[:16] / build_id.hex()[:16] / patch_id
        return place / f"{sequence}{_UNDO_SUFFIX}"


def _key_or_none(path: Path) -> PublicKey | None:
    try:
        return load_public_key(path)
    except KeyRefused:
        return None


def _write_whole(path: Path, data: bytes) -> None:
    """All of `data` or nothing, also when the host dies in between."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        part.write_bytes(data)
        part.replace(path)
    except OSError as problem:
        raise ConfigError(
            f"cannot write: {problem.strerror}", where=str(path), hint="choose a folder with --archive"
        ) from problem
