"""Stop 7 of 12. The conversation with a board: who it is, what it holds, push, confirm, roll back.

Takes a selector or an open Link, and containers; gives a Device. What the board reads back afterwards
decides whether something worked, never the fact that it was sent. Next: device_runtime/core/server.c
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from aiocoap import Message

from patchctl.contract import (
    RESOURCE_CONFIRM,
    RESOURCE_COUNTERS,
    RESOURCE_ID,
    RESOURCE_PATCHES,
    Counter,
    PatchState,
    Status,
)
from patchctl.errors import DeviceRefused, InputError, LinkError, PatchctlError, refusal
from patchctl.firmware import Firmware
from patchctl.link import Link, link_for
from patchctl.link.transport import Progress, Session
from patchctl.package import reports
from patchctl.package.archive import Archive, default_folder
from patchctl.package.envelope import open_envelope
from patchctl.package.manifest import Manifest
from patchctl.package.precheck import check_contract, precheck
from patchctl.package.reports import Identity, InstalledPatch
from patchctl.package.signing import PublicKey

_CONSOLE_STEP_S = 0.05
_ARMED_STATES = (PatchState.TRIAL, PatchState.UPDATED)


@dataclass(frozen=True, slots=True)
class PushReport:
    """What the board reads back after a push."""

    patch_id: str
    sequence: int
    state: PatchState
    armed: bool
    changed: bool


def _no_progress(taken_bytes: int, total_bytes: int) -> None:
    """Where nobody watches."""


def connect(
    target: str | Link, *, archive: Archive | None = None, known_keys: Iterable[PublicKey] = ()
) -> Device:
    """A Device at `target`: a selector, whose link is then closed with the Device, or an open Link.

    Who opens closes: a Link that was open before stays open, and its opener closes it.
    `archive` keeps undo containers and public keys (default: the user's data folder); `known_keys` are
    further keys to check signatures with before sending.
    """
    kept = archive if archive is not None else Archive(default_folder())
    if isinstance(target, str):
        return Device(link_for(target), kept, tuple(known_keys), owns_link=True)
    return Device(target, kept, tuple(known_keys), owns_link=False)


class Device:
    """One board on one link. A context manager; every method may raise LinkError."""

    def __init__(
        self, link: Link, archive: Archive, known_keys: tuple[PublicKey, ...], *, owns_link: bool
    ) -> None:
        self.link = link
        self.warnings: list[str] = []
        self._archive = archive
        self._known_keys = known_keys
        self._owns_link = owns_link
        self._session = Session(link)
        self._checked = False

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the session, and closes the link if connect() opened it."""
        self._session.close()
        if self._owns_link:
            self.link.close()

    # ------------------------------------------------------------------ questions

    def identity(self) -> Identity:
        """Who the board is. TargetMismatch if its level is not ours, `warnings` if details differ."""
        identity = reports.read_identity(self._content(self._session.get(RESOURCE_ID)))
        if not self._checked:
            warning = check_contract(identity)
            self.warnings += [warning] if warning else []
            self._checked = True
        return identity

    def patches(self) -> tuple[InstalledPatch, ...]:
        """Every patch the board holds or remembers."""
        return reports.read_patches(self._content(self._session.get(RESOURCE_PATCHES)))

    def patch(self, patch_id: str) -> InstalledPatch | None:
        """The board's entry for one patch."""
        return next((patch for patch in self.patches() if patch.id == patch_id), None)

    def counters(self) -> dict[Counter, int]:
        """What the board has counted since its last reset."""
        return reports.read_counters(self._content(self._session.get(RESOURCE_COUNTERS)))

    # ------------------------------------------------------------------ changes

    def push(
        self,
        container: bytes,
        *,
        undo: bytes | None = None,
        progress: Progress = _no_progress,
        confirm: bool = True,
        check_first: bool = True,
        firmware: Firmware | None = None,
    ) -> PushReport:
        """Sends a signed container and reads back what became of it.

        An install's `undo` is kept in the archive before anything is sent. With `confirm`, a patch that the
        board reads back as armed is kept over resets; without, it is on trial until the next one.
        `check_first` False leaves every refusal to the board; `firmware`, the ELF that it runs, lets the
        host compare the bytes at the sites too. Raises KeyRefused, TargetMismatch or DeviceRefused with the
        status' text.
        """
        identity = self.identity()
        before = self.patches()
        if check_first:
            keys = (*self._known_keys, *self._archive.keys())
            precheck(container, identity, before, keys, firmware)
        if undo is not None:
            self._keep_undo(undo)
        self._send(container, progress)
        return self._read_back(container, before, confirm)

    def rollback(
        self, patch_id: str, *, undo: bytes | None = None, progress: Progress = _no_progress
    ) -> PushReport:
        """Takes a patch out with its signed undo: the given one, or the one kept when it was pushed."""
        identity = self.identity()
        installed = self.patch(patch_id)
        if installed is None:
            raise refusal(
                Status.NOT_FOUND, where=patch_id, hint="see what the board holds with: patchctl list"
            )
        if undo is None:
            above = installed.sequence - 1 if installed.state is PatchState.UNDONE else installed.sequence
            undo = self._archive.find_undo(identity.class_id, identity.build_id, patch_id, above)
        if undo is None:
            raise DeviceRefused(
                "no undo is kept here for this patch", where=patch_id, hint="give its file with --undo FILE"
            )
        if open_envelope(undo).manifest().patch_id != patch_id:
            raise InputError("this undo is for another patch", where=patch_id)
        return self.push(undo, progress=progress)

    def confirm(self, patch_id: str) -> InstalledPatch:
        """Keeps a patch that is on trial, and reads it back."""
        self._content(self._session.post(RESOURCE_CONFIRM.format(id=patch_id)))
        patch = self.patch(patch_id)
        if patch is None or patch.state is not PatchState.UPDATED:
            raise DeviceRefused("the board took the confirmation and did not keep the patch", where=patch_id)
        return patch

    # ------------------------------------------------------------------ console

    def write_console(self, data: bytes) -> None:
        """Types `data` at the firmware's console; this ends the board's management session."""
        self._session.write_console(data)

    def read_console(self, duration_s: float = 0.0) -> bytes:
        """Console bytes that arrived until `duration_s` of the board's time have passed."""
        self._session.wait(duration_s)
        return self._session.take_console()

    def read_console_until(self, mark: bytes, limit_s: float) -> bytes:
        """Console bytes up to and with `mark`; LinkError if it does not come within `limit_s`."""
        end_s = self.link.now_s() + limit_s
        heard = b""
        while mark not in heard:
            if self.link.now_s() >= end_s:
                raise LinkError(f"the console did not say {mark!r} within {limit_s} s", where=self.link.name)
            heard += self.read_console(_CONSOLE_STEP_S)
        return heard

    # ------------------------------------------------------------------ inside

    def _keep_undo(self, undo: bytes) -> None:
        envelope = open_envelope(undo)
        manifest = envelope.checked_manifest()
        if manifest.installs:
            raise InputError("this container installs a patch; it is no undo", where=manifest.patch_id)
        self._archive.keep_undo(manifest, undo)

    def _send(self, container: bytes, progress: Progress) -> None:
        """One transfer; a second one if the board lost the first on the way."""
        answer = self._session.put(RESOURCE_PATCHES, container, progress)
        if self._status_of(answer) is Status.INCOMPLETE:
            answer = self._session.put(RESOURCE_PATCHES, container, progress)
        self._content(answer)

    def _read_back(self, container: bytes, before: Iterable[InstalledPatch], confirm: bool) -> PushReport:
        envelope = open_envelope(container)
        manifest = envelope.manifest()
        found = self.patch(manifest.patch_id)
        if not _carried_out(manifest, envelope.digest, found) or found is None:
            raise DeviceRefused(
                "the board took the container, but reads back something else",
                where=manifest.patch_id,
                hint="see its state with: patchctl list",
            )
        if confirm and found.state is PatchState.TRIAL:
            found = self.confirm(manifest.patch_id)
        old = next((patch for patch in before if patch.id == manifest.patch_id), None)
        changed = old is None or (old.digest, old.state, old.armed) != (
            found.digest,
            found.state,
            found.armed,
        )
        return PushReport(found.id, found.sequence, found.state, found.armed, changed)

    def _status_of(self, answer: Message) -> Status | None:
        if answer.code.is_successful() or not answer.payload:
            return None
        return reports.read_reply(answer.payload).status

    def _content(self, answer: Message) -> bytes:
        """The payload of a good answer; the exception of the status in any other."""
        if answer.code.is_successful():
            return bytes(answer.payload)
        raise self._refusal(answer)

    def _refusal(self, answer: Message) -> PatchctlError:
        where = self.link.board_name or self.link.name
        if not answer.payload:
            return DeviceRefused(f"the board answered {answer.code}", where=where)
        reply = reports.read_reply(answer.payload)
        if reply.status is None or reply.status is Status.OK:
            hint = "it may have a newer runtime; update patchctl"
            return DeviceRefused(f"the board refused with status {reply.number}", where=where, hint=hint)
        hint = "" if reply.detail is None else f"detail {reply.detail} (0x{reply.detail:x})"
        return refusal(reply.status, where=where, hint=hint)


def _carried_out(manifest: Manifest, digest: bytes, found: InstalledPatch | None) -> bool:
    """Whether the board's entry is what the container asked for."""
    if found is None or (found.sequence, found.digest) != (manifest.sequence, digest):
        return False
    if manifest.installs:
        return found.armed and found.state in _ARMED_STATES
    return not found.armed and found.state is PatchState.UNDONE
