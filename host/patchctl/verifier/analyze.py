"""Stop 5 of 12. Is this program safe, and how long can it run?

Takes a bound program and its Limits; has every path followed, and gives a Report. The only module that
constructs a VerifiedProgram. Next: host/patchctl/verifier/paths.py
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from patchctl import structure
from patchctl.binding import BoundProgram
from patchctl.contract import INSTRUCTION_BYTES, STATUS_TEXT, Helper, Status
from patchctl.isa import decode
from patchctl.verifier.control import Flow, FlowError, build_flows, frame_estimate
from patchctl.verifier.findings import Finding
from patchctl.verifier.limits import Limits
from patchctl.verifier.paths import Analysis

_FRAME_ROUNDS_MAX = 4
_ATOMICS = "of the atomics there are add, sub, and, or, xor, exchange, compare and swap: __sync_*"
_STRUCTURE_HINTS = {Status.CHECK_IMMEDIATE: _ATOMICS}


@dataclass(frozen=True, slots=True)
class VerifiedProgram:
    """Proof that verify() accepted `program`. Constructed in this module only.

    A metered program has no worst case: `unbounded` says which loops it is for, and fuel ends its runs.
    """

    program: BoundProgram
    worst_case_steps: int | None
    stack_bytes: int
    frame_bytes: int
    helpers: tuple[Helper, ...]
    unbounded: tuple[Finding, ...] = ()

    @property
    def metered(self) -> bool:
        """Whether nothing but fuel is known to end every run."""
        return self.worst_case_steps is None


@dataclass(frozen=True, slots=True)
class Report:
    """What verify() found. `program` is there only if there are no findings."""

    findings: tuple[Finding, ...]
    program: VerifiedProgram | None
    steps_analyzed: int


def verify(program: BoundProgram, limits: Limits) -> Report:
    """Follow every path of `program`. InputError only if it is no eBPF at all."""
    status, at = _structure(program, limits)
    if status is Status.CHECK_IMMEDIATE:  # some of clang's atomics, for one: decode() would know no line
        return Report(_placed(program, (_structure_finding(status, at),)), None, 0)
    instructions = decode(program.code)
    try:
        flows = build_flows(instructions)
    except FlowError as problem:
        return Report(_placed(program, (problem.finding,)), None, 0)
    analysis = _analyzed(flows, limits, frame_estimate(instructions))
    findings = (*_size_findings(program, limits, analysis), *analysis.transfer.findings)
    if not findings and status is not Status.OK:
        findings = (_structure_finding(status, at),)
    if findings:
        return Report(_placed(program, findings), None, analysis.steps)
    transfer = analysis.transfer
    verified = VerifiedProgram(
        program,
        None if analysis.unbounded else analysis.worst_case_steps,
        transfer.stack_bytes,
        analysis.frame_bytes,
        tuple(sorted(transfer.helpers)),
        _placed(program, analysis.unbounded),
    )
    return Report((), verified, analysis.steps)


def _analyzed(flows: Mapping[int, Flow], limits: Limits, frame_bytes: int) -> Analysis:
    """The analysis with the least frame that no caller's own stack exceeds."""
    steps = 0
    for _ in range(_FRAME_ROUNDS_MAX):
        analysis = Analysis(limits, flows, frame_bytes)
        analysis.run()
        steps += analysis.steps
        if analysis.frame_needed == frame_bytes:
            break
        frame_bytes = analysis.frame_needed
    if analysis.frame_needed > analysis.frame_bytes:
        says = "the stack of this program cannot be told from its sub-programs'"
        analysis.transfer.report(Finding(0, "size", says, hint="keep arrays in one function"))
    analysis.steps = steps
    return analysis


def _placed(program: BoundProgram, findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(
        replace(finding, line=program.lines.get(finding.at * INSTRUCTION_BYTES)) for finding in findings
    )


def _size_findings(program: BoundProgram, limits: Limits, analysis: Analysis) -> Iterator[Finding]:
    slots = len(program.code) // INSTRUCTION_BYTES
    if slots > limits.instructions_max:
        says = f"the program has {slots} instructions"
        yield Finding(0, "size", says, needed=f"at most {limits.instructions_max} on this board")
    if analysis.transfer.stack_bytes > limits.stack_bytes_max:
        says = f"the program uses {analysis.transfer.stack_bytes} bytes of stack"
        yield Finding(0, "size", says, needed=f"at most {limits.stack_bytes_max} on this board")
    if limits.variable_bytes > limits.variable_bytes_max:
        says = f"the variables take {limits.variable_bytes} bytes"
        yield Finding(0, "size", says, needed=f"at most {limits.variable_bytes_max} on this board")


def _structure(program: BoundProgram, limits: Limits) -> tuple[Status, int]:
    """What the board's own check will say, whatever is proved."""
    bounds = structure.Limits(
        limits.instructions_max, limits.data_bytes, limits.variable_bytes, frozenset(Helper)
    )
    return structure.check(program.code, bounds)


def _structure_finding(status: Status, at: int) -> Finding:
    hint = _STRUCTURE_HINTS.get(status, "the board would refuse it")
    return Finding(at, "structure", STATUS_TEXT[status], hint=hint)
