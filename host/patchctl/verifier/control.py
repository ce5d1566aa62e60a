"""Stop 5 of 12. Blocks and loops of a program.

Takes its instructions; gives, for the program and for each sub-program, basic blocks, each with its
successors, in an order that visits a loop's head before its body, and the loops. A jump out of the program,
off its end or into the middle of a wide load is a Finding, and so is a loop with two entries.
Next: host/patchctl/verifier/paths.py
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from patchctl.contract import STACK_BYTES_MAX, Op
from patchctl.isa import FRAME_POINTER, Instruction, written_registers
from patchctl.verifier.findings import Finding


class FlowError(Exception):
    """The program's jumps make no sense; `finding` says where."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.says)
        self.finding = finding


@dataclass(frozen=True, slots=True)
class Block:
    """Instructions with their slots, and the blocks behind: the jump's target first, then fall-through."""

    head: int
    body: tuple[tuple[int, Instruction], ...]
    successors: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Loop:
    """A natural loop: every path into `blocks` goes through the block `head`."""

    head: int
    blocks: frozenset[int]


@dataclass(frozen=True, slots=True)
class Flow:
    """The reachable blocks in reverse post-order, and the loops by their head."""

    blocks: Mapping[int, Block]
    order: tuple[int, ...]
    loops: Mapping[int, Loop]

    def innermost(self, head: int, outside: Loop | None = None) -> Loop | None:
        """The smallest loop that holds the block `head`, smaller than `outside` if that is given."""
        holders = [loop for loop in self.loops.values() if head in loop.blocks and loop is not outside]
        return min(holders, key=lambda loop: len(loop.blocks), default=None)


def build_flows(instructions: Sequence[Instruction]) -> Mapping[int, Flow]:
    """The control flow of the program, at 0, and of each sub-program; FlowError if one has none."""
    slots = dict(_numbered(instructions))
    entries = {0} | {call_target(slot, i) for slot, i in slots.items() if i.is_local_call}
    blocks = _blocks(slots, entries)
    return {entry: _flow(blocks, entry) for entry in sorted(entries)}


def frame_estimate(instructions: Sequence[Instruction]) -> int:
    """How deep below r10 the code reaches by constants, in words of 8 bytes; 0 if it has no sub-programs."""
    if not any(instruction.is_local_call for instruction in instructions):
        return 0
    deepest = 0
    bases: set[int] = set()  # registers that hold r10
    for i in instructions:
        if i.op is Op.ADD64_IMM and i.dst in bases:
            deepest = max(deepest, -i.imm)
        holder = i.src if i.op.name.startswith("LDX") else i.dst
        if holder == FRAME_POINTER:
            deepest = max(deepest, -i.offset)
        bases -= written_registers(i)
        if i.op is Op.MOV64_REG and i.src == FRAME_POINTER:
            bases.add(i.dst)
    return (min(deepest, STACK_BYTES_MAX) + 7) // 8 * 8


def call_target(slot: int, call: Instruction) -> int:
    """Where the sub-program starts that the call at `slot` enters."""
    return slot + call.slots + call.imm


def _flow(blocks: Mapping[int, Block], entry: int) -> Flow:
    order = _reverse_post_order(blocks, entry)
    return Flow(blocks, order, _loops(blocks, order))


def _numbered(instructions: Sequence[Instruction]) -> Iterator[tuple[int, Instruction]]:
    slot = 0
    for instruction in instructions:
        yield slot, instruction
        slot += instruction.slots


def _ends_block(instruction: Instruction) -> bool:
    """Whether it is exit, a jump, be it only to the next instruction, or a call of a sub-program."""
    return instruction.op is Op.EXIT or instruction.jump_slots is not None


def _targets(slot: int, instruction: Instruction) -> tuple[int, ...]:
    """Where the program can go on after an instruction."""
    behind = slot + instruction.slots
    if instruction.op is Op.EXIT:
        return ()
    if instruction.op is Op.CALL or instruction.jump_slots is None:
        return (behind,)
    if instruction.op in (Op.JA, Op.JA32):
        return (behind + instruction.jump_slots,)
    return (behind + instruction.jump_slots, behind)


def _blocks(slots: Mapping[int, Instruction], entries: set[int]) -> Mapping[int, Block]:
    heads = set(entries)
    for slot, instruction in slots.items():
        targets = _targets(slot, instruction)
        called = (call_target(slot, instruction),) if instruction.is_local_call else ()
        for target in (*targets, *called):
            if target not in slots:
                raise FlowError(_astray(slot, instruction, target))
        if _ends_block(instruction):
            heads.update(targets)
    return {head: _block(head, heads, slots) for head in heads}


def _astray(slot: int, instruction: Instruction, target: int) -> Finding:
    falls = target == slot + instruction.slots
    says = "the program can run off its end" if falls else f"the jump leads to slot {target}, no instruction"
    return Finding(slot, "flow", says, hint="end every path with exit", instruction=str(instruction))


def _block(head: int, heads: set[int], slots: Mapping[int, Instruction]) -> Block:
    body = []
    slot = head
    while True:
        instruction = slots[slot]
        body.append((slot, instruction))
        targets = _targets(slot, instruction)
        slot += instruction.slots
        if _ends_block(instruction) or slot in heads:
            return Block(head, tuple(body), targets)


def _reverse_post_order(blocks: Mapping[int, Block], entry: int) -> tuple[int, ...]:
    seen, finished = {entry}, []
    path = [(entry, iter(blocks[entry].successors))]
    while path:
        head, successors = path[-1]
        following = next((s for s in successors if s not in seen), None)
        if following is None:
            finished.append(head)
            path.pop()
        else:
            seen.add(following)
            path.append((following, iter(blocks[following].successors)))
    return tuple(reversed(finished))


def _loops(blocks: Mapping[int, Block], order: Sequence[int]) -> Mapping[int, Loop]:
    rank = {head: index for index, head in enumerate(order)}
    sources = _sources(blocks, order)
    dominators = _dominators(order, sources)
    members: dict[int, set[int]] = {}
    for head in order:
        for target in blocks[head].successors:
            if rank[target] > rank[head]:
                continue
            if target not in dominators[head]:
                slot = blocks[head].body[-1][0]
                says = "the loop can be entered at two places"
                raise FlowError(Finding(slot, "loop", says, hint="write it as for or while, without goto"))
            _grow(members.setdefault(target, {target}), head, sources)
    return {head: Loop(head, frozenset(body)) for head, body in members.items()}


def _grow(body: set[int], latch: int, sources: Mapping[int, Sequence[int]]) -> None:
    """Add every block from which `latch` is reached without passing the loop's head."""
    waiting = [latch]
    while waiting:
        head = waiting.pop()
        if head not in body:
            body.add(head)
            waiting += sources[head]


def _sources(blocks: Mapping[int, Block], order: Sequence[int]) -> Mapping[int, list[int]]:
    sources: dict[int, list[int]] = {head: [] for head in order}
    for head in order:
        for target in blocks[head].successors:
            sources[target].append(head)
    return sources


def _dominators(order: Sequence[int], sources: Mapping[int, Sequence[int]]) -> Mapping[int, frozenset[int]]:
    """For each block the blocks that every path to it goes through, itself included."""
    dominators = {head: frozenset(order) for head in order}
    dominators[order[0]] = frozenset({order[0]})
    changed = True
    while changed:
        changed = False
        for head in order[1:]:
            common = frozenset.intersection(*(dominators[source] for source in sources[head])) | {head}
            if common != dominators[head]:
                dominators[head], changed = common, True
    return dominators
