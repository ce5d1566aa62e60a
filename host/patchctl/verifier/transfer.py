"""Stop 5 of 12. What one instruction does to a state, and what must hold for it to be allowed.

Takes an instruction that is no jump, and a state; changes the state. What cannot be proved is reported, and
the analysis goes on with a state that holds whatever may have happened. Next: host/patchctl/verifier/state.py
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from patchctl.contract import CONTEXT_BYTES, SECTION_DATA, SECTION_VARIABLES, STACK_BYTES_MAX, Helper, Op
from patchctl.description import REGISTERS
from patchctl.isa import COMPARE_EXCHANGE, SOURCE_DATA, Instruction, written_registers
from patchctl.verifier.findings import Finding
from patchctl.verifier.limits import Limits
from patchctl.verifier.state import State
from patchctl.verifier.value import (
    Region,
    Value,
    calculate,
    constant,
    low_word,
    sign_extended,
    unknown,
)

_WORD_BYTES = 4
_SIZES = {"B": 1, "H": 2, "W": 4, "DW": 8}
_SECTIONS = {SECTION_DATA: Region.DATA, SECTION_VARIABLES: Region.VARIABLES}
_ARITHMETIC = re.compile(r"(?P<name>[A-Z]+)(?P<width>32|64)(_(IMM|REG))?")
_ACCESS = re.compile(r"(?P<kind>LDXS|LDX|STX|ST|ATOMIC)(?P<size>DW|B|H|W)")

Rule = Callable[["Transfer", int, Instruction, State], None]


class Transfer:
    """The rules for one program. Collects findings, helpers used, and how deep the stack was touched."""

    def __init__(self, limits: Limits, frame_bytes: int) -> None:
        self._limits = limits
        self._found: dict[tuple[int, str], Finding] = {}
        self._deepest = STACK_BYTES_MAX
        self.helpers: set[Helper] = set()
        self._frame_bytes = frame_bytes
        self.functions: list[int] = []  # slots of the function that is followed, last, and of its callers
        self.frames: dict[int, int] = {}  # by that slot: how much of its own stack it uses

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What could not be proved, by instruction."""
        return tuple(self._found[key] for key in sorted(self._found))

    @property
    def stack_bytes(self) -> int:
        """How much stack the program uses, in whole words of 8 bytes."""
        return (STACK_BYTES_MAX - self._deepest + 7) // 8 * 8

    def reach(self, low: int) -> None:
        """The stack is needed down to `low`."""
        self._deepest = min(self._deepest, low)

    def touch(self, low: int, state: State) -> None:
        """The stack is used down to `low`: by the function that is followed, or for a caller's variable."""
        self.reach(low)
        depth = state.depth
        if low >= STACK_BYTES_MAX - depth * self._frame_bytes and self._frame_bytes:
            depth = (STACK_BYTES_MAX - 1 - low) // self._frame_bytes
        owner = self.functions[depth]
        used = STACK_BYTES_MAX - depth * self._frame_bytes - low
        self.frames[owner] = max(used, self.frames.get(owner, 0))

    def report(self, finding: Finding) -> None:
        """Keep the first finding of its kind at its instruction."""
        self._found.setdefault((finding.at, finding.kind), finding)

    def apply(self, at: int, instruction: Instruction, state: State) -> None:
        """Execute one instruction that is neither a jump nor exit."""
        state.steps += 1
        _RULES[instruction.op](self, at, instruction, state)

    def read(self, at: int, register: int, instruction: Instruction, state: State) -> Value:
        """The register's value; one that was never set is a finding."""
        value = state.registers[register]
        if value is None:
            self.report(
                Finding(
                    at,
                    "register",
                    f"r{register} is read but was not set on every path",
                    hint="give the variable a value where it is declared",
                    instruction=str(instruction),
                )
            )
            value = state.registers[register] = unknown()
        return value

    def operand(self, at: int, instruction: Instruction, state: State, width: int) -> Value:
        """The second operand: a register, or the immediate at the operation's width."""
        if instruction.op.name.endswith("_REG"):
            return self.read(at, instruction.src, instruction, state)
        return constant(instruction.imm & (2**width - 1))

    # ---------------------------------------------------------------------------- arithmetic

    def arithmetic(self, at: int, i: Instruction, state: State) -> None:
        shape = _ARITHMETIC.fullmatch(i.op.name)
        assert shape is not None  # _RULES sends nothing else here
        name, width = shape["name"].lower(), int(shape["width"])
        is_wide = width == 64
        if name == "mov":
            value = self.operand(at, i, state, width)
            if i.offset:
                value = sign_extended(value, i.offset, is_wide)
            state.registers[i.dst] = value if is_wide else low_word(value)
            return
        old = self.read(at, i.dst, i, state)
        if name == "neg":
            state.registers[i.dst] = calculate("sub", is_wide, constant(0), old)
        else:
            name = f"s{name}" if i.offset else name  # signed division
            state.registers[i.dst] = calculate(name, is_wide, old, self.operand(at, i, state, width))

    def swap(self, at: int, i: Instruction, state: State) -> None:
        old = self.read(at, i.dst, i, state)
        if old.region is not None:
            state.registers[i.dst] = unknown(i.imm)
        elif i.op is Op.TO_LE:
            state.registers[i.dst] = calculate("and", True, old, constant(2**i.imm - 1))
        else:
            state.registers[i.dst] = _swapped(old, i.imm)

    def wide_constant(self, at: int, i: Instruction, state: State) -> None:
        if i.src == 0:
            state.registers[i.dst] = constant(i.imm64)
        elif i.src == SOURCE_DATA and i.imm in _SECTIONS:
            state.registers[i.dst] = constant(i.imm_high, _SECTIONS[i.imm])
        else:
            self.report(Finding(at, "call", "maps are not supported", instruction=str(i)))
            state.registers[i.dst] = unknown()

    # ---------------------------------------------------------------------------- memory

    def load(self, at: int, i: Instruction, state: State) -> None:
        size, signed = _size(i), i.op.name.startswith("LDXS")
        pointer = self.read(at, i.src, i, state)
        value = sign_extended(unknown(8 * size), 8 * size, True) if signed else unknown(8 * size)
        if pointer.region is not None and self._inside(at, i, pointer, size, "read", state):
            kept = state.slots.get(pointer.whole.signed_low + i.offset) if pointer.is_constant else None
            if pointer.region is Region.STACK and kept and kept[0] == size and not signed:
                value = kept[1]
        state.registers[i.dst] = value

    def store(self, at: int, i: Instruction, state: State) -> None:
        size = _size(i)
        pointer = self.read(at, i.dst, i, state)
        is_register = i.op.name.startswith("STX")
        value = self.read(at, i.src, i, state) if is_register else constant(i.imm & (2**64 - 1))
        if not self._inside(at, i, pointer, size, "write", state):
            return
        if pointer.region is Region.CONTEXT:
            self._check_context_write(at, i, pointer, value)
        elif pointer.region is Region.VARIABLES:
            self._check_kept_value(at, i, value)
        else:
            self._store_on_stack(i, pointer, size, value, state)

    def _store_on_stack(self, i: Instruction, pointer: Value, size: int, value: Value, state: State) -> None:
        low, high = pointer.whole.signed_low + i.offset, pointer.whole.signed_high + i.offset
        if low != high:
            state.forget_slots(low, high + size)
            return
        if size == 8:
            state.store_slot(low, size, value)
        elif size == _WORD_BYTES:
            state.store_slot(low, size, low_word(value))
        elif value.region is None:
            state.store_slot(low, size, calculate("and", True, value, constant(2 ** (8 * size) - 1)))
        else:
            state.forget_slots(low, low + size)

    def atomic(self, at: int, i: Instruction, state: State) -> None:
        size = _size(i)
        pointer = self.read(at, i.dst, i, state)
        value = self.read(at, i.src, i, state)
        if i.imm == COMPARE_EXCHANGE:
            self.read(at, 0, i, state)
        if self._inside(at, i, pointer, size, "write", state):
            if pointer.region is Region.STACK:
                low, high = pointer.whole.signed_low + i.offset, pointer.whole.signed_high + i.offset
                state.forget_slots(low, high + size)
            elif pointer.region is Region.VARIABLES:
                self._check_kept_value(at, i, value)
            else:
                self._check_context_write(at, i, pointer, value)
        for register in written_registers(i):
            state.registers[register] = unknown(8 * size)

    def _inside(self, at: int, i: Instruction, pointer: Value, size: int, verb: str, state: State) -> bool:
        """Whether the access lies inside its region; a finding if not."""
        region = pointer.region
        if region is None or (region is Region.DATA and verb == "write"):
            thing = "firmware memory" if region is None else "the data section"
            self.report(
                Finding(
                    at,
                    "pointer",
                    f"a write to {thing}, which a patch may not do",
                    known=f"the address is {pointer.describe()}",
                    hint="write to a variable by its name, not by a pointer that was kept; or to the context",
                    instruction=str(i),
                )
            )
            return False
        low, high = pointer.whole.signed_low + i.offset, pointer.whole.signed_high + i.offset
        room = self._room(region)
        if low < 0 or high + size > room:
            self.report(_leaves(at, i, region, (low, high), size, room, verb))
            return False
        if region is Region.STACK:
            self.touch(low, state)
        return region is not Region.CONTEXT or self._is_context_word(at, i, pointer, size)

    def _room(self, region: Region) -> int:
        sizes = {
            Region.CONTEXT: CONTEXT_BYTES,
            Region.STACK: STACK_BYTES_MAX,
            Region.DATA: self._limits.data_bytes,
            Region.VARIABLES: self._limits.variable_bytes,
        }
        return sizes[region]

    def _is_context_word(self, at: int, i: Instruction, pointer: Value, size: int) -> bool:
        offset = calculate("add", True, pointer, constant(i.offset & (2**64 - 1)))
        aligned = (offset.whole.known | offset.whole.unknown) % _WORD_BYTES == 0
        if size == _WORD_BYTES and aligned:
            return True
        self.report(
            Finding(
                at,
                "memory",
                f"the context is accessed {size} bytes at a time, at {offset.describe()}",
                needed="one whole register: 4 bytes at a multiple of 4",
                hint="copy context->r[n] to a u32 first",
                instruction=str(i),
            )
        )
        return False

    def _check_context_write(self, at: int, i: Instruction, pointer: Value, value: Value) -> None:
        low, high = pointer.whole.signed_low + i.offset, pointer.whole.signed_high + i.offset
        words = range(low // _WORD_BYTES, high // _WORD_BYTES + 1)
        closed = [REGISTERS[word] for word in words if not self._limits.writable_registers >> word & 1]
        if closed:
            self.report(
                Finding(
                    at,
                    "memory",
                    f"a write to {', '.join(closed)}, which patch.toml does not allow",
                    hint=f'add "{closed[0]}" to [site] writable',
                    instruction=str(i),
                )
            )
        if value.region in (Region.STACK, Region.CONTEXT):
            self.report(
                Finding(
                    at,
                    "pointer",
                    f"the firmware would be given an address of {value.region.value}",
                    hint="it is gone when the firmware goes on: use a constant, or a static variable",
                    instruction=str(i),
                )
            )

    def _check_kept_value(self, at: int, i: Instruction, value: Value) -> None:
        """What a variable keeps must still mean something in the next run."""
        if value.region in (Region.STACK, Region.CONTEXT):
            self.report(
                Finding(
                    at,
                    "pointer",
                    f"a variable would keep an address of {value.region.value}",
                    hint="it is gone when the run ends: keep what lies there instead",
                    instruction=str(i),
                )
            )

    # ---------------------------------------------------------------------------- calls

    def call(self, at: int, i: Instruction, state: State) -> None:
        """A helper, by number or through a register."""
        value = self.read(at, i.dst, i, state) if i.op is Op.CALLX else constant(i.imm & (2**64 - 1))
        if value.region is None and value.is_constant and value.whole.known == Helper.FW_READ:
            self.helpers.add(Helper.FW_READ)
            self._firmware_read(at, i, state)
        elif value.region is None and value.is_constant:
            says = f"a call of helper {value.whole.signed_low}, which does not exist"
            self.report(Finding(at, "call", says, instruction=str(i)))
        else:
            self.report(
                Finding(
                    at,
                    "call",
                    "a call through a pointer, which may lead anywhere",
                    known=f"r{i.dst} is {value.describe()}",
                    needed="one helper's number",
                    hint="choose between functions with if or switch",
                    instruction=str(i),
                )
            )
        self.after_call(state)

    def after_call(self, state: State) -> None:
        """What a call leaves of the registers when nothing is known of what it did."""
        state.registers[0] = unknown()
        for register in range(1, 6):
            state.registers[register] = None

    def _firmware_read(self, at: int, i: Instruction, state: State) -> None:
        """fw_read(destination, size, address)."""
        target, size, _ = (self.read(at, register, i, state) for register in (1, 2, 3))
        if target.region is not Region.STACK or size.region is not None:
            says = f"hp_firmware_read copies to {target.describe()}"
            needed, hint = "a buffer on the stack", "copy from there to where it shall stay"
            self.report(Finding(at, "pointer", says, needed=needed, hint=hint, instruction=str(i)))
            return
        low, high = target.whole.signed_low, target.whole.signed_high + size.whole.high
        if low < 0 or high > STACK_BYTES_MAX:
            self.report(
                _leaves(
                    at,
                    i,
                    Region.STACK,
                    (low, target.whole.signed_high),
                    size.whole.high,
                    STACK_BYTES_MAX,
                    "write",
                )
            )
            return
        self.touch(low, state)
        state.forget_slots(low, high)


def _size(i: Instruction) -> int:
    shape = _ACCESS.fullmatch(i.op.name)
    assert shape is not None  # _RULES sends nothing else here
    return _SIZES[shape["size"]]


def _swapped(value: Value, width: int) -> Value:
    """The low `width` bits of a number with their bytes in the opposite order."""
    low = calculate("and", True, value, constant(2**width - 1))
    if not low.is_constant:
        return unknown(width)
    return constant(int.from_bytes(low.whole.known.to_bytes(width // 8, "little"), "big"))


def _leaves(
    at: int, i: Instruction, region: Region, span: tuple[int, int], size: int, room: int, verb: str
) -> Finding:
    places = f"offset {span[0]}" if span[0] == span[1] else f"offsets {span[0]}..{span[1]}"
    return Finding(
        at,
        "memory",
        f"this {verb} of {size} bytes can leave {region.value}",
        known=f"it is at {places} of {room} bytes",
        needed=f"an offset of 0..{room - size}" if room >= size else f"{region.value} is not that large",
        hint="test the index before this line, or cut it with &; a test behind % is left out by clang",
        instruction=str(i),
    )


def _rule_for(op: Op) -> Rule:
    if _ACCESS.fullmatch(op.name):
        kinds: Mapping[str, Rule] = {"L": Transfer.load, "S": Transfer.store, "A": Transfer.atomic}
        return kinds[op.name[0]]
    special: Mapping[Op, Rule] = {
        Op.LDDW: Transfer.wide_constant,
        Op.CALL: Transfer.call,
        Op.CALLX: Transfer.call,
        Op.TO_LE: Transfer.swap,
        Op.TO_BE: Transfer.swap,
        Op.BSWAP: Transfer.swap,
    }
    return special.get(op, Transfer.arithmetic)


_RULES: Mapping[Op, Rule] = {op: _rule_for(op) for op in Op}
