"""Stop 5 of 12. Every path through a program, with what is known of each register and stack slot on it.

Takes the control flow and the Limits; runs loops until no path is left in them, and sub-programs anew at
each call; gives the worst case, and findings. A loop without an end in sight is followed all rounds at once:
what is proved of it is proved for any number of rounds. Next: host/patchctl/verifier/transfer.py
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress

from patchctl.contract import STACK_BYTES_MAX, SUB_PROGRAMS_DEEP, Op, Verdict
from patchctl.isa import Instruction
from patchctl.verifier.compare import OPPOSITE
from patchctl.verifier.control import Block, Flow, Loop, call_target
from patchctl.verifier.findings import Finding
from patchctl.verifier.limits import Limits
from patchctl.verifier.state import State, covers, entry_state, join_states, same, widen
from patchctl.verifier.transfer import Transfer
from patchctl.verifier.value import Value

PATHS_MAX = 8  # states kept apart at one block; more are joined
ITERATIONS_MAX = 1024  # rounds that are followed one by one
STEPS_MAX = 65_536  # abstract instructions after which no loop is followed round by round: under a second
_STEPS_END = 4 * STEPS_MAX  # after which nothing is followed
_JOINS_BEFORE_WIDENING = 2
_UNSURE_BITS_MAX = 4

_JUMP = re.compile(r"(?P<name>[A-Z]+)(?P<width>32|64)_(IMM|REG)")

Pending = dict[int, list[State]]


class _OutOfSteps(Exception):
    """Unwinds an analysis that has become too long; it has reported that."""


class Analysis:
    """One run over one program, with a given distance between the stacks of caller and sub-program."""

    def __init__(self, limits: Limits, flows: Mapping[int, Flow], frame_bytes: int) -> None:
        self._limits = limits
        self.frame_bytes = frame_bytes
        self.transfer = Transfer(limits, frame_bytes)
        self.steps = 0
        self.worst_case_steps = 0
        self._flows = flows
        self._nodes = {entry: _all_nodes(flow) for entry, flow in flows.items()}
        self._unbounded: dict[int, Finding] = {}  # by the head of the loop
        self._callers: set[int] = set()
        self._ended: list[State] = []

    @property
    def unbounded(self) -> tuple[Finding, ...]:
        """Loops that were not followed to their end."""
        return tuple(self._unbounded[head] for head in sorted(self._unbounded))

    @property
    def frame_needed(self) -> int:
        """The most that a function which calls uses of its own stack, in whole words of 8 bytes."""
        used = max((self.transfer.frames.get(entry, 0) for entry in self._callers), default=0)
        return (used + 7) // 8 * 8

    @property
    def _function(self) -> int:
        return self.transfer.functions[-1]

    @property
    def _flow(self) -> Flow:
        return self._flows[self._function]

    def run(self) -> None:
        with suppress(_OutOfSteps):
            self._follow(0, entry_state())
        if not self._limits.metered:
            for finding in self.unbounded:
                self.transfer.report(finding)

    def _follow(self, entry: int, state: State) -> list[State]:
        """Run the function at `entry`; the states at its exits."""
        outer, self._ended = self._ended, []
        self.transfer.functions.append(entry)
        self._region(None, [state])
        ended = self._ended
        self._ended = outer
        self.transfer.functions.pop()
        return ended

    def _region(self, loop: Loop | None, states: list[State]) -> tuple[list[State], Pending]:
        """One pass through the blocks of `loop` (None: the program): states at its head, and outside."""
        start = loop.head if loop else self._function
        pending: Pending = {start: states}
        again: list[State] = []
        exits: Pending = {}
        for head in self._nodes[self._function][loop.head if loop else None]:
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
        """Everything behind `loop`: round by round until no path is left in it, or all rounds at once."""
        spent = self.steps > STEPS_MAX and bool(self._unbounded)  # one loop that says so is enough
        if loop.head not in self._unbounded and not spent:
            exits = self._rounds(loop, join_states(states))
            if exits is not None:
                return exits
        return self._all_rounds(loop, join_states(states))

    def _rounds(self, loop: Loop, current: State) -> Pending | None:
        """The states outside, or None if no end is in sight."""
        exits: Pending = {}
        known = f"it has not ended after {ITERATIONS_MAX} rounds"
        for count in range(ITERATIONS_MAX):
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
                known = f"it has not ended after {count + 1} rounds, when {STEPS_MAX} steps had been analyzed"
                break
        slot, instruction = self._flow.blocks[loop.head].body[-1]
        self._unbounded[loop.head] = Finding(
            slot,
            "loop",
            "this loop cannot be shown to end",
            known=known,
            needed=f"a counter with a constant bound, at most {ITERATIONS_MAX} rounds",
            hint="bound it: for (u32 i = 0; i < 16; i++) { if (i >= count) break; ... };"
            " or let fuel end it: [site] metered = true, and a fuel of your own",
            instruction=str(instruction),
        )
        return None

    def _all_rounds(self, loop: Loop, current: State) -> Pending:
        """The states outside, from a state at the head that holds in every round."""
        tries = 0
        while True:
            again, leaving = self._region(loop, [current.copy()])
            if not again:
                return leaving
            after = join_states(again)
            if covers(current, after):
                return leaving
            tries += 1
            joined = tries <= _JOINS_BEFORE_WIDENING
            current = join_states([current, after]) if joined else widen(current, after)

    def _block(self, block: Block, states: list[State]) -> Pending:
        leaving: Pending = {}
        for arriving in states:
            state = arriving.copy()
            self._count(block)
            for slot, instruction in block.body[:-1]:
                self.transfer.apply(slot, instruction, state)
            for target, reached in self._last(*block.body[-1], block, state):
                _add(leaving, target, [reached])
        return leaving

    def _count(self, block: Block) -> None:
        self.steps += len(block.body)
        if self.steps > _STEPS_END:
            slot, instruction = block.body[0]
            says = f"the program is too large: {_STEPS_END} steps were analyzed up to here"
            hint = "fewer loops in loops, and fewer calls in calls"
            self.transfer.report(Finding(slot, "size", says, hint=hint, instruction=str(instruction)))
            raise _OutOfSteps

    def _last(self, at: int, i: Instruction, block: Block, state: State) -> Iterator[tuple[int, State]]:
        """Carry out a block's last instruction; the states behind it."""
        shape = _JUMP.fullmatch(i.op.name)
        if i.op is Op.EXIT:
            state.steps += 1
            self._exit(at, i, state)
        elif i.is_local_call:
            state.steps += 1
            for returned in self._call(at, i, state):
                yield block.successors[0], returned
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

    def _call(self, at: int, i: Instruction, state: State) -> list[State]:
        """Follow the sub-program from the state at the call; the states behind it."""
        self._callers.add(self._function)
        caller_end = STACK_BYTES_MAX - state.depth * self.frame_bytes
        end = caller_end - self.frame_bytes
        says = ""
        if state.depth >= SUB_PROGRAMS_DEEP:
            says = f"sub-programs call each other more than {SUB_PROGRAMS_DEEP} deep"
        elif end < 0:
            says = f"the stacks of {state.depth + 1} callers, {self.frame_bytes} bytes each, do not fit"
        if says:
            hint = "no recursion; write short functions with HP_INLINE, and share arrays"
            self.transfer.report(Finding(at, "call", says, hint=hint, instruction=str(i)))
            state.forget_slots(0, STACK_BYTES_MAX)
            self.transfer.after_call(state)
            return [state]
        self.transfer.reach(end)
        state.enter(end)
        ended = self._follow(call_target(at, i), state)
        for each in ended:
            each.leave(caller_end)
            each.forget_slots(0, end)
        return ended

    def _exit(self, at: int, i: Instruction, state: State) -> None:
        if state.depth:
            self._ended = _few([*self._ended, state])
            return
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


def _all_nodes(flow: Flow) -> Mapping[int | None, tuple[int, ...]]:
    """The blocks of each loop by its head, and with None those of the function."""
    loops = {loop.head: _nodes(flow, loop) for loop in flow.loops.values()}
    return {None: _nodes(flow, None)} | loops


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
    waiting = pending.get(target, [])
    pending[target] = _few([*waiting, *states])


def _few(states: list[State]) -> list[State]:
    return [join_states(states)] if len(states) > PATHS_MAX else states


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
