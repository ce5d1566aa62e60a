"""Stops 7 to 11 of 12. `patchctl push`, `list`, `status`, `rollback`: one board, one question or change.

Takes a selector and files; gives what the board reads back. Next: patchctl/client.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from patchctl.cli.options import (
    ArchiveFolder,
    PublicKeys,
    To,
    device_at,
    read_container,
    reporter_of,
    undo_path,
)
from patchctl.cli.report import Reporter
from patchctl.client import PushReport
from patchctl.contract import COUNTER_TEXT, PatchState
from patchctl.firmware import load_firmware
from patchctl.package.reports import Identity, InstalledPatch

_STATES = {
    PatchState.TRIAL: "armed, on trial until the next reset",
    PatchState.UPDATED: "armed, kept over resets",
    PatchState.UNDONE: "taken out",
}
UndoFile = Annotated[Path | None, typer.Option("--undo", metavar="FILE", help="The undo container.")]


def push(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="CONTAINER", help="What patchctl build made.")],
    to: To,
    undo: UndoFile = None,
    trial: Annotated[
        bool, typer.Option("--trial", help="Do not confirm: a reset takes the patch out.")
    ] = False,
    no_precheck: Annotated[
        bool, typer.Option("--no-precheck", help="Leave every refusal to the board.")
    ] = False,
    firmware: Annotated[
        Path | None,
        typer.Option("--firmware", metavar="ELF", help="What the board runs, to compare the sites before."),
    ] = None,
    archive: ArchiveFolder = None,
    key: PublicKeys = None,
) -> None:
    """Send a container, read back what became of it, and confirm it."""
    reporter = reporter_of(context)
    container = read_container(file)
    kept = undo if undo is not None else undo_path(file)
    undo_bytes = read_container(kept) if undo is not None or kept.exists() else None
    with device_at(to, reporter, archive, key or []) as device, reporter.progress(file.name) as progress:
        report = device.push(
            container,
            undo=undo_bytes,
            progress=progress,
            confirm=not trial,
            check_first=not no_precheck,
            firmware=None if firmware is None else load_firmware(firmware),
        )
    _tell(reporter, report)
    if undo_bytes is None and report.state in (PatchState.TRIAL, PatchState.UPDATED):
        reporter.warn(f"no undo was found beside {file}; rollback will need --undo FILE")


def rollback(
    context: typer.Context,
    patch: Annotated[str, typer.Argument(metavar="PATCH", help="The patch's name, as list shows it.")],
    to: To,
    undo: UndoFile = None,
    archive: ArchiveFolder = None,
) -> None:
    """Take a patch out with its signed undo; this needs no key."""
    reporter = reporter_of(context)
    undo_bytes = read_container(undo) if undo is not None else None
    with device_at(to, reporter, archive) as device, reporter.progress(f"undo {patch}") as progress:
        report = device.rollback(patch, undo=undo_bytes, progress=progress)
    _tell(reporter, report)
    reporter.say("to have it back, raise sequence in its patch.toml and build it again")


def list_patches(context: typer.Context, to: To) -> None:
    """Show every patch the board holds or remembers."""
    reporter = reporter_of(context)
    with device_at(to, reporter) as device:
        device.identity()
        patches = device.patches()
    for patch in patches:
        reporter.event("patch", **_patch_facts(patch))
    if not patches:
        reporter.say("no patches")
        return
    columns = ("patch", "state", "armed", "sequence", "hits", "safe verdicts", "last fault", "sites")
    reporter.table("", columns, [_patch_row(patch) for patch in patches])


def status(context: typer.Context, to: To) -> None:
    """Show who the board is and what it has counted since its last reset."""
    reporter = reporter_of(context)
    with device_at(to, reporter) as device:
        identity = device.identity()
        counters = device.counters()
    reporter.event("identity", **_identity_facts(identity))
    for counter, count in counters.items():
        reporter.event("counter", name=counter.name.lower(), count=count, about=COUNTER_TEXT[counter])
    reporter.table("", ("board", identity.board), _identity_rows(identity))
    rows = [(counter.name.lower(), str(count), COUNTER_TEXT[counter]) for counter, count in counters.items()]
    reporter.table("", ("counter", "count", ""), rows)


def _tell(reporter: Reporter, report: PushReport) -> None:
    text = _STATES.get(report.state, report.state.name.lower())
    reporter.event(
        "pushed",
        patch=report.patch_id,
        sequence=report.sequence,
        state=report.state.name.lower(),
        armed=report.armed,
        changed=report.changed,
    )
    unchanged = "" if report.changed else "; it was so before"
    reporter.say(f"{report.patch_id}: {text} (sequence {report.sequence}){unchanged}")


def _patch_facts(patch: InstalledPatch) -> dict[str, object]:
    return {
        "patch": patch.id,
        "sequence": patch.sequence,
        "state": patch.state.name.lower(),
        "armed": patch.armed,
        "digest": patch.digest,
        "hits": patch.hits,
        "safe_verdicts": patch.safe_verdicts,
        "last_fault": patch.last_fault.name.lower(),
        "sites": list(patch.sites),
    }


def _patch_row(patch: InstalledPatch) -> tuple[str, ...]:
    return (
        *(patch.id, patch.state.name.lower(), "yes" if patch.armed else "no", str(patch.sequence)),
        *(str(patch.hits), str(patch.safe_verdicts), patch.last_fault.name.lower()),
        " ".join(f"0x{address:08x}" for address in patch.sites),
    )


def _identity_facts(identity: Identity) -> dict[str, object]:
    return {
        "board": identity.board,
        "class_id": identity.class_id,
        "build_id": identity.build_id,
        "level": identity.level,
        "contract_id": identity.contract_id,
        "slots_free": identity.slots_free,
        "slots_total": identity.slots_total,
        "slot_bytes": identity.slot_bytes,
        "uptime_ms": identity.uptime_ms,
        "keys": [key.hex() for key in identity.keys],
        "comparators": identity.comparators,
    }


def _identity_rows(identity: Identity) -> list[tuple[str, str]]:
    return [
        ("build-id", identity.build_id.hex()),
        ("up for", f"{identity.uptime_ms / 1000:.1f} s"),
        ("slots", f"{identity.slots_free} of {identity.slots_total} free, {identity.slot_bytes} bytes each"),
        ("comparators", str(identity.comparators)),
        ("trusted keys", " ".join(key.hex() for key in identity.keys) or "none: provision the board first"),
        ("contract", f"level {identity.level}, {identity.contract_id.hex()}"),
    ]
