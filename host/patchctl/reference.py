"""Stop 12 of 12. The reference interpreter: what the board's interpreter must do, said plainly.

Takes program bytes and the regions a run may touch; gives the run's fault, registers and fuel left.
Clear rather than fast: the oracle of core/vm.c. Next: device_runtime/core/vm.c
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from patchctl.contract import (
    FUEL_MAX,
    INSTRUCTION_BYTES,
    SECTION_DATA,
    STATUS_TEXT,
    SUB_PROGRAMS_DEEP,
    Fault,
    Helper,
    Op,
    Status,
)
from patchctl.errors import InputError
from patchctl.isa import (
    COMPARE_EXCHANGE,
    FETCH,
    FRAME_POINTER,
    SOURCE_DATA,
    Instruction,
    family_of,
    split,
    stem_of,
)
from patchctl.structure import Limits, check

MASK32 = 2**32 - 1
MASK64 = 2**64 - 1
_REGION_BYTES_MIN = 8  # of the context or the stack: the engine's region caches need one region of this size


# ------------------------------------------------ memory ------------------------------------------------


@dataclass(slots=True)
class Region:
    """`data` as a program sees it, from `address` on."""

    address: int = 0
    data: bytearray = field(default_factory=bytearray)

    def holds(self, address: int, size: int) -> bool:
        """True if all of the bytes are inside."""
        return self.address <= address and address + size <= self.address + len(self.data)


@dataclass(slots=True)
class Space:
    """All that a run may touch (hp_space_t)."""

    stack: Region = field(default_factory=Region)
    context: Region = field(default_factory=Region)
    data: Region = field(default_factory=Region)
    variables: Region = field(default_factory=Region)
    readable: list[Region] = field(default_factory=list)
    writable: list[Region] = field(default_factory=list)

    def find(self, address: int, size: int, *, write: bool) -> Region | None:
        """The region that holds the bytes, the program's own first; None if the run may not touch them."""
        own = [self.stack, self.context, *([] if write else [self.data]), self.variables]
        firmware = self.writable if write else [*self.writable, *self.readable]
        return next((region for region in [*own, *firmware] if region.holds(address, size)), None)


# ------------------------------------------------ a run ------------------------------------------------


class _Ended(Exception):
    """Unwinds a run to its end."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.name)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: registers are exact unless fuel ran out; `at` is the slot of the last instruction."""

    fault: Fault
    registers: tuple[int, ...]
    fuel: int
    at: int


HelperCall = Callable[["Machine"], int]
Trace = Callable[[int, Instruction, "Machine"], None]


@dataclass(slots=True)
class Machine:
    """One run in progress."""

    program: dict[int, Instruction]
    space: Space
    fuel: int
    frame_bytes: int
    helpers: dict[int, HelperCall]
    registers: list[int] = field(default_factory=lambda: [0] * 11)
    callers: list[tuple[list[int], int]] = field(default_factory=list)
    pc: int = 0

    def load(self, address: int, size: int) -> int:
        """Reads an unsigned little-endian number; ends the run if it may not."""
        region = self.space.find(address & MASK64, size, write=False)
        if region is None:
            raise _Ended(Fault.MEMORY)
        offset = (address & MASK64) - region.address
        return int.from_bytes(region.data[offset : offset + size], "little")

    def store(self, address: int, size: int, value: int) -> None:
        """Writes the low `size` bytes of a number; ends the run if it may not."""
        region = self.space.find(address & MASK64, size, write=True)
        if region is None:
            raise _Ended(Fault.MEMORY)
        offset = (address & MASK64) - region.address
        region.data[offset : offset + size] = (value % (1 << 8 * size)).to_bytes(size, "little")


def fw_read(machine: Machine) -> int:
    """fw_read(destination, size, address): firmware memory to the stack; 0, or -1 if it may not be read."""
    destination, size, address = machine.registers[1:4]
    if size == 0:
        return 0
    stack = machine.space.stack
    if not stack.holds(destination, size):
        raise _Ended(Fault.MEMORY)
    source = machine.space.find(address, size, write=False)
    if source is None:
        return MASK64
    start = address - source.address
    copied = bytes(source.data[start : start + size])
    stack.data[destination - stack.address : destination - stack.address + size] = copied
    return 0


HELPERS: dict[int, HelperCall] = {Helper.FW_READ: fw_read}


def run(
    code: bytes,
    space: Space,
    *,
    fuel: int,
    frame_bytes: int = 0,
    helpers: dict[int, HelperCall] | None = None,
    trace: Trace | None = None,
) -> Outcome:
    """Runs a program as hp_vm_run does, changing the regions' bytes; InputError if check() refuses it."""
    known = HELPERS if helpers is None else helpers
    status, at = check(code, _limits(code, space, known))
    if status is not Status.OK:
        raise InputError(
            STATUS_TEXT[status], where=f"instruction {at}", hint="only a checked program can run"
        )
    program = dict(_instructions(code))
    machine = Machine(program, space, fuel if fuel <= FUEL_MAX else 0, frame_bytes, known)
    if max(len(space.context.data), len(space.stack.data)) < _REGION_BYTES_MIN:
        return Outcome(Fault.RECORD, tuple(machine.registers), machine.fuel, 0)
    space.stack.data[:] = bytes(len(space.stack.data))
    machine.registers[1] = space.context.address
    machine.registers[2] = len(space.context.data)
    machine.registers[FRAME_POINTER] = space.stack.address + len(space.stack.data)
    at = 0
    try:
        while True:
            at = machine.pc
            _step(machine, trace)
    except _Ended as end:
        return Outcome(end.fault, tuple(machine.registers), machine.fuel, at)


def _limits(code: bytes, space: Space, helpers: dict[int, HelperCall]) -> Limits:
    return Limits(len(code), len(space.data.data), len(space.variables.data), frozenset(helpers))


def _instructions(code: bytes) -> Iterator[tuple[int, Instruction]]:
    at = 0
    while at * INSTRUCTION_BYTES < len(code):
        instruction = split(code, at)[1]
        yield at, instruction
        at += instruction.slots


def _step(machine: Machine, trace: Trace | None) -> None:
    """One instruction: it is paid for first, so the faulting one counts too."""
    instruction = machine.program[machine.pc]
    if machine.fuel == 0:
        raise _Ended(Fault.FUEL)
    machine.fuel -= 1
    if trace is not None:
        trace(machine.pc, instruction, machine)
    machine.pc += instruction.slots
    _EXECUTE[family_of(instruction.op)](machine, instruction)


# ------------------------------------------------ operations ------------------------------------------------


def _signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def _divide(x: int, y: int) -> int:
    """Towards zero, as RFC 9669 section 4.1 wants; x / 0 is 0."""
    return 0 if y == 0 else abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)


def _modulo(x: int, y: int) -> int:
    """The rest of _divide; x % 0 is x."""
    return x if y == 0 else x - y * _divide(x, y)


_BINARY: dict[str, Callable[[int, int], int]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "or": lambda x, y: x | y,
    "and": lambda x, y: x & y,
    "xor": lambda x, y: x ^ y,
    "div": _divide,
    "mod": _modulo,
}
_COMPARE: dict[str, Callable[[int, int], bool]] = {
    "eq": lambda x, y: x == y,
    "ne": lambda x, y: x != y,
    "gt": lambda x, y: x > y,
    "ge": lambda x, y: x >= y,
    "lt": lambda x, y: x < y,
    "le": lambda x, y: x <= y,
    "set": lambda x, y: x & y != 0,
}
_ATOMIC = {0x00: "add", 0x40: "or", 0x50: "and", 0xA0: "xor"}
_LOAD_BYTES = {"b": 1, "h": 2, "w": 4, "dw": 8}


def _width(op: Op) -> int:
    return 32 if "32" in op.name else 64


def _operand(machine: Machine, instruction: Instruction) -> int:
    is_register = instruction.op.name.endswith("_REG")
    return machine.registers[instruction.src] if is_register else instruction.imm


def _alu(machine: Machine, instruction: Instruction) -> None:
    stem, bits = stem_of(instruction.op), _width(instruction.op)
    mask = (1 << bits) - 1
    x, y = machine.registers[instruction.dst] & mask, _operand(machine, instruction) & mask
    if stem == "mov":
        result = _signed(y, instruction.offset) if instruction.offset else y
    elif stem in ("lsh", "rsh", "arsh"):
        count = y & (bits - 1)
        result = x << count if stem == "lsh" else (_signed(x, bits) if stem == "arsh" else x) >> count
    else:
        if stem in ("div", "mod") and instruction.offset:
            x, y = _signed(x, bits), _signed(y, bits)
        result = _BINARY[stem](x, y)
    machine.registers[instruction.dst] = result & mask


def _negate(machine: Machine, instruction: Instruction) -> None:
    mask = (1 << _width(instruction.op)) - 1
    machine.registers[instruction.dst] = -machine.registers[instruction.dst] & mask


def _swap(machine: Machine, instruction: Instruction) -> None:
    size = instruction.imm // 8
    value = (machine.registers[instruction.dst] % (1 << instruction.imm)).to_bytes(size, "little")
    machine.registers[instruction.dst] = int.from_bytes(
        value, "little" if instruction.op is Op.TO_LE else "big"
    )


def _wide(machine: Machine, instruction: Instruction) -> None:
    if instruction.src == SOURCE_DATA:
        is_data = instruction.imm == SECTION_DATA
        section = machine.space.data if is_data else machine.space.variables
        machine.registers[instruction.dst] = (section.address + instruction.imm_high) & MASK32
    else:
        machine.registers[instruction.dst] = instruction.imm64


def _load(machine: Machine, instruction: Instruction) -> None:
    name = instruction.op.name[3:].lower()
    size = _LOAD_BYTES[name.removeprefix("s")]
    value = machine.load(machine.registers[instruction.src] + instruction.offset, size)
    machine.registers[instruction.dst] = (_signed(value, 8 * size) if name[0] == "s" else value) & MASK64


def _store(machine: Machine, instruction: Instruction) -> None:
    from_register = instruction.op.name.startswith("STX")
    size = _LOAD_BYTES[instruction.op.name[3 if from_register else 2 :].lower()]
    value = machine.registers[instruction.src] if from_register else instruction.imm
    machine.store(machine.registers[instruction.dst] + instruction.offset, size, value)


def _atomic(machine: Machine, instruction: Instruction) -> None:
    registers = machine.registers
    size = 8 if instruction.op is Op.ATOMICDW else 4
    address = registers[instruction.dst] + instruction.offset
    if machine.space.find(address & MASK64, size, write=True) is None:
        raise _Ended(Fault.MEMORY)
    old, mask, operand = machine.load(address, size), (1 << 8 * size) - 1, registers[instruction.src]
    if instruction.imm == COMPARE_EXCHANGE:
        if old == registers[0] & mask:
            machine.store(address, size, operand)
        registers[0] = old
        return
    stem = _ATOMIC.get(instruction.imm & ~FETCH)
    machine.store(address, size, operand if stem is None else _BINARY[stem](old, operand))
    if instruction.imm & FETCH:
        registers[instruction.src] = old


def _jump(machine: Machine, instruction: Instruction) -> None:
    stem, bits = stem_of(instruction.op)[1:], _width(instruction.op)
    x, y = machine.registers[instruction.dst], _operand(machine, instruction)
    signed = stem[0] == "s" and stem != "set"
    mask = (1 << bits) - 1
    x, y = (_signed(x, bits), _signed(y, bits)) if signed else (x & mask, y & mask)
    if _COMPARE[stem[1:] if signed else stem](x, y):
        machine.pc += instruction.offset


def _call_helper(machine: Machine, number: int) -> None:
    helper = machine.helpers.get(number)
    if helper is None:
        raise _Ended(Fault.CALL)
    machine.registers[0] = helper(machine)


def _call_operation(machine: Machine, instruction: Instruction) -> None:
    if not instruction.is_local_call:
        _call_helper(machine, instruction.imm)
        return
    room = machine.registers[FRAME_POINTER] - machine.space.stack.address
    if len(machine.callers) >= SUB_PROGRAMS_DEEP or machine.frame_bytes > room:
        raise _Ended(Fault.DEPTH)
    machine.callers.append((machine.registers[6:10], machine.pc))
    machine.registers[FRAME_POINTER] -= machine.frame_bytes
    machine.pc += instruction.imm


def _exit(machine: Machine, _: Instruction) -> None:
    if not machine.callers:
        raise _Ended(Fault.NONE)
    machine.registers[6:10], machine.pc = machine.callers.pop()
    machine.registers[FRAME_POINTER] += machine.frame_bytes


def _go(machine: Machine, instruction: Instruction) -> None:
    machine.pc += instruction.jump_slots or 0


_EXECUTE: dict[str, Callable[[Machine, Instruction], None]] = {
    "alu": _alu,
    "neg": _negate,
    "swap": _swap,
    "lddw": _wide,
    "ldx": _load,
    "st": _store,
    "stx": _store,
    "atomic": _atomic,
    "jump": _jump,
    "ja": _go,
    "call": _call_operation,
    "callx": lambda machine, instruction: _call_helper(machine, machine.registers[instruction.dst]),
    "exit": _exit,
}
