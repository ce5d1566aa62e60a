"""Stops 2 to 6 of 12. `patchctl build` and `patchctl verify`: from a patch's folder to signed containers.

Takes a folder, a board and its firmware's ELF; gives install and undo in one go, or the verifier's
findings. Next: patchctl/pipeline.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from patchctl.board import Board, load_board
from patchctl.cli.options import BoardName, Compiler, FirmwareFile, reporter_of, undo_path
from patchctl.cli.report import Reporter
from patchctl.description import Description
from patchctl.errors import InputError, PatchRejected
from patchctl.firmware import Firmware, load_firmware
from patchctl.package.envelope import seal_patch
from patchctl.package.signing import load_signing_key
from patchctl.pipeline import build_patch, verify_patch
from patchctl.verifier import Report

Folder = Annotated[
    Path, typer.Argument(metavar="PATCH_FOLDER", help="The folder with patch.c and patch.toml.")
]


def build(
    context: typer.Context,
    folder: Folder,
    board: BoardName,
    firmware: FirmwareFile,
    key: Annotated[Path, typer.Option("--key", metavar="FILE", help="The private key to sign with.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="The container; PATCH.suit unless given."),
    ] = None,
    cc: Compiler = None,
) -> None:
    """Compile, verify and sign a patch: FILE.suit installs it, FILE.undo.suit takes it out."""
    reporter = reporter_of(context)
    facts = load_board(board)
    signing_key = load_signing_key(key)
    patch = build_patch(folder, facts, _firmware_of(reporter, firmware, facts), cc=cc)
    install, undo = seal_patch(patch, facts.class_id, signing_key)
    path = out if out is not None else Path(f"{patch.id}.suit")
    for place, container in ((undo_path(path), undo), (path, install)):
        _write(place, container)
    build_id = patch.build_id.hex()
    reporter.event(
        "container",
        patch=patch.id,
        sequence=patch.sequence,
        board=board,
        build_id=build_id,
        install=str(path),
        undo=str(undo_path(path)),
        install_bytes=len(install),
        undo_bytes=len(undo),
    )
    reporter.say(
        f"{path}: {patch.id} {patch.sequence} for {board}, build {build_id[:12]}, {len(install)} bytes;"
        f" undo in {undo_path(path)}"
    )


def verify(
    context: typer.Context, folder: Folder, board: BoardName, firmware: FirmwareFile, cc: Compiler = None
) -> None:
    """Prove a patch safe and bounded for one board and build, or say why not."""
    reporter = reporter_of(context)
    facts = load_board(board)
    verification = verify_patch(folder, facts, _firmware_of(reporter, firmware, facts), cc=cc)
    report = verification.report
    for finding in report.findings:
        reporter.event(
            "finding", where=finding.where, kind=finding.kind, says=finding.says, hint=finding.hint
        )
        reporter.say(finding.render())
    if report.program is None:
        count = len(report.findings)
        raise PatchRejected(f"rejected: {count} finding{'' if count == 1 else 's'}", where=str(folder))
    _tell_verified(reporter, report, verification.patch.description)


def _firmware_of(reporter: Reporter, path: Path, board: Board) -> Firmware:
    """The firmware at `path`; a warning if it names no board, TargetMismatch if it is another's."""
    firmware = load_firmware(path)
    if not firmware.check_board(board):
        reporter.warn(f"{path}: this firmware names no board; that it is for {board.name} is taken on trust")
    return firmware


def _tell_verified(reporter: Reporter, report: Report, patch: Description) -> None:
    """Worst case, stack and variables of an accepted patch; of a metered one its fuel and endless loops."""
    program = report.program
    if program is None:
        return
    reporter.event(
        "verified",
        metered=program.metered,
        worst_case_steps=program.worst_case_steps,
        fuel=program.worst_case_steps if patch.fuel is None else patch.fuel,
        stack_bytes=program.stack_bytes,
        variable_bytes=program.program.variables.bytes,
        steps_analyzed=report.steps_analyzed,
    )
    for loop in program.unbounded:
        reporter.say(f"{loop.where}: metered: {loop.says}: {loop.known}")
    bound = f"at most {program.worst_case_steps} instructions"
    if program.metered:
        bound = f"metered: no worst case; at most {patch.fuel} instructions by fuel"
    kept = program.program.variables.bytes
    reporter.say(
        f"{patch.folder}: accepted; {bound} and {program.stack_bytes} bytes of stack in one run"
        + (f", {kept} bytes of variables between runs" if kept else "")
        + f" ({report.steps_analyzed} steps analyzed)"
    )


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as problem:
        raise InputError(
            f"cannot write: {problem.strerror}", where=str(path), hint="choose a file with -o"
        ) from problem
