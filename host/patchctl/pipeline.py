"""Stops 2 to 5 of 12. A patch folder becomes a BuiltPatch. The only place where the stages meet.

Takes a folder, a board and a firmware ELF; compiles, loads, binds, verifies; gives the value that package/
packs, or raises PatchRejected with what the verifier found. Next: host/patchctl/package/payload.py
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from patchctl.binding import BoundPatch, bind
from patchctl.board import Board
from patchctl.contract import STACK_BYTES_MAX
from patchctl.description import load_description
from patchctl.errors import InternalError, PatchRejected
from patchctl.firmware import Firmware, load_firmware
from patchctl.program import BuiltPatch, BuiltProgram, load_program
from patchctl.source import compile_source
from patchctl.verifier import Finding, Limits, Report, VerifiedProgram, verify


@dataclass(frozen=True, slots=True)
class Verification:
    """A bound patch, and what the verifier says of it."""

    patch: BoundPatch
    report: Report


def build_patch(
    folder: Path, board: Board, firmware: Path | Firmware, *, cc: str | None = None
) -> BuiltPatch:
    """The patch in `folder` for one build of one board, ready to pack; `firmware` is its ELF.

    Raises PatchRejected if the verifier has findings, and whatever verify_patch() raises.
    """
    loaded = load_firmware(firmware) if isinstance(firmware, Path) else firmware
    verification = verify_patch(folder, board, loaded, cc=cc)
    if verification.report.program is None:
        raise _rejection(verification.report.findings)
    return _built(verification.patch, verification.report.program, board)


def verify_patch(folder: Path, board: Board, firmware: Firmware, *, cc: str | None = None) -> Verification:
    """Compile, bind and verify; a rejected patch is a value: its report has findings.

    Raises TargetMismatch if the firmware is another board's, and whatever compiler, loader and binding raise.
    """
    firmware.check_board(board)
    description = load_description(folder)
    source = folder / "patch.c"
    program = load_program(compile_source(source, description.header(), cc=cc), str(source))
    patch = bind(program, description, firmware, board)
    return Verification(patch, verify(patch.program, _limits(patch, board)))


def _limits(patch: BoundPatch, board: Board) -> Limits:
    return Limits(
        verdicts=patch.site.verdicts,
        writable_registers=patch.site.writable_registers,
        redirect_count=len(patch.redirects),
        data_bytes=len(patch.program.data),
        variable_bytes=patch.program.variables.bytes,
        variable_bytes_max=board.slot_variable_bytes,
        stack_bytes_max=min(STACK_BYTES_MAX, board.limits.arena_bytes // board.limits.invocations // 8 * 8),
        instructions_max=board.limits.program_count_max,
        metered=patch.description.site.metered,
    )


def _rejection(findings: tuple[Finding, ...]) -> PatchRejected:
    first, others = findings[0], len(findings) - 1
    hints = [f"needed: {first.needed}"] if first.needed else []
    hints += [first.hint] if first.hint else []
    hints += [f"and {others} more finding{'s' if others > 1 else ''}"] if others else []
    return PatchRejected(first.says, where=first.where, hint="; ".join(hints))


def _built(patch: BoundPatch, verified: VerifiedProgram, board: Board) -> BuiltPatch:
    description, program = patch.description, verified.program
    fuel = verified.worst_case_steps if description.fuel is None else description.fuel
    if fuel is None:
        raise InternalError("a metered patch has no fuel, though its description demands it")
    built = BuiltProgram(
        program.name,
        program.code,
        fuel,
        verified.stack_bytes,
        metered=verified.metered,
        frame_bytes=verified.frame_bytes,
    )
    return BuiltPatch(
        id=description.id,
        sequence=description.sequence,
        about=description.about,
        board=board.name,
        build_id=patch.build_id,
        programs=(built,),
        sites=(patch.site,),
        redirects=patch.redirects,
        helpers=tuple(int(helper) for helper in verified.helpers),
        data=program.data,
        variables=program.variables,
    )
