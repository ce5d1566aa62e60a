"""Stop 5 of 12. Is this program safe, and how long can it run?

Takes a bound program and its Limits; follows every path with what is known of each register, runs loops until
no path is left in them, and gives a Report. The only module that constructs a VerifiedProgram.
Next: host/patchctl/pipeline.py
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from patchctl import structure
from patchctl.binding import BoundProgram
from patchctl.contract import INSTRUCTION_BYTES, STATUS_TEXT, Helper, Op, Status, Verdict
from patchctl.isa import Instruction, decode
from patchctl.verifier.compare import OPPOSITE
from patchctl.verifier.control import Block, Flow, FlowError, Loop, build_flow
from patchctl.verifier.findings import Finding
from patchctl.verifier.limits import Limits
from patchctl.verifier.state import State, entry_state, join_states, same
from patchctl.verifier.transfer import Transfer
from patchctl.verifier.value import Value

PATHS_MAX = 8  # states kept apart at one block; more are joined
ITERATIONS_MAX = 4096
STEPS_MAX = 200_000  # abstract instructions: some seconds
_UNSURE_BITS_MAX = 4

_JUMP = re.compile(r"(?P<name>[A-Z]+)(?P<width>32|64)_(IMM|REG)")


@dataclass(frozen=True, slots=True)
class VerifiedProgram:
    """Proof that verify() accepted `program`. Constructed in this module only."""

    program: BoundProgram
    worst_case_steps: int
    stack_bytes: int
    helpers: tuple[Helper, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What verify() found. `program` is there only if there are no findings."""

    findings: tuple[Finding, ...]
    program: VerifiedProgram | None
    steps_analyzed: int


def verify(program: BoundProgram, limits: Limits) -> Report:
    """Follow every path of `program`. InputError only if it is no eBPF at all."""
    instructions = decode(program.code)
    analysis = _Analysis(limits)
    try:
        flow = build_flow(instructions)
    except FlowError as problem:
        return _report(program, (problem.finding,), analysis)
    analysis.run(flow)
    findings = (*_size_findings(program, limits, analysis), *analysis.transfer.findings)
    if not findings:
        findings = tuple(_structure_findings(program, limits))
    return _report(program, findings, analysis)


def _report(program: BoundProgram, findings: tuple[Finding, ...], analysis: _Analysis) -> Report:
    placed = tuple(
        replace(finding, line=program.lines.get(finding.at * INSTRUCTION_BYTES)) for finding in findings
    )
    if placed:
        return Report(placed, None, analysis.steps)
    transfer = analysis.transfer
    verified = VerifiedProgram(
        program, analysis.worst_case_steps, transfer.stack_bytes, tuple(sorted(transfer.helpers))
    )
    return Report((), verified, analysis.steps)


def _size_findings(program: BoundProgram, limits: Limits, analysis: _Analysis) -> Iterator[Finding]:
    slots = len(program.code) // INSTRUCTION_BYTES
    if slots > limits.instructions_max:
        says = f"the program has {slots} instructions"
        yield Finding(0, "size", says, needed=f"at most {limits.instructions_max} on this board")
    if analysis.transfer.stack_bytes > limits.stack_bytes_max:
        says = f"the program uses {analysis.transfer.stack_bytes} bytes of stack"
        yield Finding(0, "size", says, needed=f"at most {limits.stack_bytes_max} on this board")


def _structure_findings(program: BoundProgram, limits: Limits) -> Iterator[Finding]:
    """What the board's own check would refuse, whatever has been proved."""
    bounds = structure.Limits(limits.instructions_max, limits.data_bytes, frozenset(Helper))
    status, at = structure.check(program.code, bounds)
    if status is not Status.OK:
        yield Finding(at, "structure", STATUS_TEXT[status], hint="the board would refuse it")


Pending = dict[int, list[State]]


class _Analysis:
    """One run over one program."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.transfer = Transfer(limits)
        self.steps = 0
        self.worst_case_steps = 0
        self._flow: Flow
        self._nodes: Mapping[int | None, tuple[int, ...]]

    def run(self, flow: Flow) -> None:
        self._flow = flow
        self._nodes = {None: _nodes(flow, None)} | {
            loop.head: _nodes(flow, loop) for loop in flow.loops.values()
        }
        self._region(None, [entry_state()])

    def _region(self, loop: Loop | None, states: list[State]) -> tuple[list[State], Pending]:
        """One pass through the blocks of `loop` (None: the program): states at its head, and outside."""
        start = loop.head if loop else 0
        pending: Pending = {start: states}
        again: list[State] = []
        exits: Pending = {}
        for head in self._nodes[loop.head if loop else None]:
            arriving = pending.pop(head, [])
            if not arriving:
                continue
            inner = self._flow.loops.get(head)
            leaving = (
                self._loop(inner, arriving)
                if inner is not None and inner is not loop
                else self._block(self._flow.blocks[head], arriving)
            )
            for target, reached in leaving.items():
                if loop and target == loop.head:
                    again += reached
                elif loop and target not in loop.blocks:
                    _add(exits, target, reached)
                else:
                    _add(pending, target, reached)
        return again, exits

    def _loop(self, loop: Loop, states: list[State]) -> Pending:
        """Run `loop` until no path is left in it; the states outside."""
        exits: Pending = {}
        known = "it may go on for too long"
        current = join_states(states)
        for _ in range(ITERATIONS_MAX):
            before = current.copy()
            again, leaving = self._region(loop, [current])
            for target, reached in leaving.items():
                _add(exits, target, reached)
            if not again:
                return exits
            current = join_states(again)
            if same(before, current):
                known = "its state repeats"
                break
            if self.steps > STEPS_MAX:
                break
        slot, instruction = self._flow.blocks[loop.head].body[-1]
        self.transfer.report(
            Finding(
                slot,
                "loop",
                "this loop cannot be shown to end",
                known=known,
                needed=f"a counter with a constant bound, at most {ITERATIONS_MAX} rounds",
                hint="for (u32 i = 0; i < 16; i++) { if (i >= count) break; ... }",
                instruction=str(instruction),
            )
        )
        return exits

    def _block(self, block: Block, states: list[State]) -> Pending:
        leaving: Pending = {}
        for arriving in states:
            state = arriving.copy()
            self.steps += len(block.body)
            for slot, instruction in block.body[:-1]:
                self.transfer.apply(slot, instruction, state)
            for target, reached in self._last(*block.body[-1], block, state):
                _add(leaving, target, [reached])
        return leaving

    def _last(self, at: int, i: Instruction, block: Block, state: State) -> Iterator[tuple[int, State]]:
        """Carry out a block's last instruction; the states behind it."""
        shape = _JUMP.fullmatch(i.op.name)
        if i.op is Op.EXIT:
            state.steps += 1
            self._exit(at, i, state)
        elif i.op in (Op.JA, Op.JA32):
            state.steps += 1
            yield block.successors[0], state
        elif shape is not None and i.jump_slots is not None:
            state.steps += 1
            yield from self._branch(at, i, shape["name"].lower(), int(shape["width"]), block, state)
        else:
            self.transfer.apply(at, i, state)
            yield block.successors[0], state

    def _branch(
        self, at: int, i: Instruction, name: str, width: int, block: Block, state: State
    ) -> Iterator[tuple[int, State]]:
        first = self.transfer.read(at, i.dst, i, state)
        second = self.transfer.operand(at, i, state, width)
        for target, outcome in zip(block.successors, (name, OPPOSITE[name]), strict=True):
            branch = state.copy()
            if branch.assume(outcome, width, first, second):
                yield target, branch

    def _exit(self, at: int, i: Instruction, state: State) -> None:
        self.worst_case_steps = max(self.worst_case_steps, state.steps)
        result = self.transfer.read(at, 0, i, state)
        names = ", ".join(sorted(verdict.name.lower() for verdict in self._limits.verdicts))
        verdicts = _possible_verdicts(result)
        if verdicts is None or not verdicts <= self._limits.verdicts:
            self.transfer.report(
                Finding(
                    at,
                    "verdict",
                    "the result is not always a verdict that is legal at the site",
                    known=_verdict_names(result, verdicts),
                    needed=f"one of {names}",
                    hint="return hp_pass(), hp_return(v) or hp_redirect(i), and name it in [site] verdicts",
                    instruction=str(i),
                )
            )
        elif Verdict.REDIRECT in verdicts and result.whole.high >> 32 >= self._limits.redirect_count:
            self.transfer.report(
                Finding(
                    at,
                    "verdict",
                    "the redirect's index is not always one of patch.toml's redirects",
                    known=f"the index is up to {result.whole.high >> 32}",
                    needed=f"an index below {self._limits.redirect_count}",
                    hint="return hp_redirect(HP_TO_name)",
                    instruction=str(i),
                )
            )


def _nodes(flow: Flow, loop: Loop | None) -> tuple[int, ...]:
    """Blocks that are in `loop` and in no loop inside it, and heads of loops directly inside it."""
    nodes = []
    for head in flow.order:
        holder = flow.innermost(head)
        if holder is not loop and holder is not None and holder.head == head:
            holder = flow.innermost(head, outside=holder)
        if holder is loop:
            nodes.append(head)
    return tuple(nodes)


def _add(pending: Pending, target: int, states: list[State]) -> None:
    waiting = pending.setdefault(target, [])
    waiting += states
    if len(waiting) > PATHS_MAX:
        pending[target] = [join_states(waiting)]


def _possible_verdicts(result: Value) -> frozenset[int] | None:
    """What the low half of r0 can be, or None if it can be too much."""
    half = result.half
    if result.region is not None or half.unknown.bit_count() > _UNSURE_BITS_MAX:
        return None
    numbers = {half.known}
    for bit in range(32):
        if half.unknown >> bit & 1:
            numbers |= {number | 1 << bit for number in numbers}
    return frozenset(number for number in numbers if half.low <= number <= half.high)


def _verdict_names(result: Value, verdicts: frozenset[int] | None) -> str:
    if verdicts is None:
        return f"r0 is {result.describe()}"
    known = {int(verdict): verdict.name.lower() for verdict in Verdict}
    return "it is " + " or ".join(known.get(number, str(number)) for number in sorted(verdicts))
