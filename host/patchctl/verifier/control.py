"""Stop 5 of 12. Blocks and loops of a program.

Takes its instructions; gives basic blocks, each with its successors, in an order that visits a loop's head
before its body, and the loops. A jump out of the program, off its end or into the middle of a wide load is a
Finding, and so is a loop with two entries. Next: host/patchctl/verifier/analyze.py
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from patchctl.contract import Op
from patchctl.isa import Instruction
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


def build_flow(instructions: Sequence[Instruction]) -> Flow:
    """The program's control flow; FlowError if it has none."""
    slots = dict(_numbered(instructions))
    blocks = _blocks(slots)
    order = _reverse_post_order(blocks)
    return Flow(blocks, order, _loops(blocks, order))


def _numbered(instructions: Sequence[Instruction]) -> Iterator[tuple[int, Instruction]]:
    slot = 0
    for instruction in instructions:
        yield slot, instruction
        slot += instruction.slots


def _ends_block(instruction: Instruction) -> bool:
    """Whether it is exit or a jump, be it only to the next instruction."""
    is_call = instruction.op is Op.CALL
    return instruction.op is Op.EXIT or (instruction.jump_slots is not None and not is_call)


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


def _blocks(slots: Mapping[int, Instruction]) -> Mapping[int, Block]:
    heads = {0}
    for slot, instruction in slots.items():
        targets = _targets(slot, instruction)
        for target in targets:
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


def _reverse_post_order(blocks: Mapping[int, Block]) -> tuple[int, ...]:
    seen, finished = {0}, []
    path = [(0, iter(blocks[0].successors))]
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
