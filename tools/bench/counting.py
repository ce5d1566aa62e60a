"""A Cortex-M4 core that counts: one call of one function, by basic blocks, in Unicorn.

Takes a linked image; gives instructions, modelled cycles and the depth of the C stack of a call. A block's
instructions count whether or not an IT block skips them: a skipped one costs its cycle. Next: engines.py
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import unicorn
from elftools.elf.elffile import ELFFile
from patchctl.errors import InputError, InternalError
from unicorn import arm_const

from bench.build import disassemble
from bench.cycles import REFILL_CYCLES, ThumbInstruction, costs

FLASH, FLASH_BYTES = 0x00000000, 0x00200000
RAM, RAM_BYTES = 0x20000000, 0x00080000
RETURN_ADDRESS = 0x00000100
STACK_ROOM_BYTES = 0x4000
PAINT = 0xA5
TRANSLATION_BYTES = 8 << 20

Block = tuple[int, int]  # address and bytes
BINDING: Any = unicorn  # its own types are incomplete
NOWHERE: Block = (0, 0)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one call took."""

    instructions: int
    cycles: int  # modelled, see cycles.py
    stack_bytes: int


@dataclass(frozen=True, slots=True)
class Symbol:
    address: int
    bytes: int


class Core:
    """An image in memory, ready to be called."""

    def __init__(self, image: Path) -> None:
        self.listing = disassemble(image)
        self.symbols: dict[str, Symbol] = {}
        self._uc: Any = BINDING.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
        self._uc.ctl_set_cpu_model(arm_const.UC_CPU_ARM_CORTEX_M4)
        self._uc.ctl_set_tcg_buffer_size(TRANSLATION_BYTES)
        self._uc.mem_map(FLASH, FLASH_BYTES, unicorn.UC_PROT_READ | unicorn.UC_PROT_EXEC)
        self._uc.mem_map(RAM, RAM_BYTES, unicorn.UC_PROT_READ | unicorn.UC_PROT_WRITE)
        self._load(image)
        self._edges: Counter[tuple[Block, Block]] = Counter()
        self._last = NOWHERE
        self._uc.hook_add(unicorn.UC_HOOK_BLOCK, self._on_block)

    def _load(self, image: Path) -> None:
        with image.open("rb") as stream:
            elf = ELFFile(stream)
            for segment in elf.iter_segments("PT_LOAD"):
                self._uc.mem_write(segment["p_vaddr"], segment.data())
            table: Any = elf.get_section_by_name(".symtab")
            for symbol in table.iter_symbols():
                self.symbols[symbol.name] = Symbol(symbol["st_value"] & ~1, symbol["st_size"])

    def _on_block(self, _uc: object, address: int, size: int, _data: object) -> None:
        block = (address, size)
        self._edges[self._last, block] += 1
        self._last = block

    def address(self, name: str) -> int:
        """Where the image has `name`. Raises InternalError if it has not."""
        if name not in self.symbols:
            raise InternalError(f"the image has no symbol {name}")
        return self.symbols[name].address

    def function_at(self, address: int) -> str:
        """The function that holds `address`, or "?"."""
        for name, symbol in self.symbols.items():
            if symbol.address <= address < symbol.address + symbol.bytes:
                return name
        return "?"

    def read(self, address: int, count: int) -> bytes:
        return bytes(self._uc.mem_read(address, count))

    def word(self, address: int) -> int:
        return int.from_bytes(self.read(address, 4), "little")

    def write(self, address: int, data: bytes) -> None:
        self._uc.mem_write(address, data)

    def call(self, name: str, arguments: Sequence[int] = ()) -> tuple[int, Cost]:
        """Calls `name`; its result (r1:r0) and cost. Raises InternalError if it faults."""
        top = RAM + RAM_BYTES
        self.write(top - STACK_ROOM_BYTES, bytes([PAINT]) * STACK_ROOM_BYTES)
        registers = [arm_const.UC_ARM_REG_R0, arm_const.UC_ARM_REG_R1, arm_const.UC_ARM_REG_R2]
        for register, value in zip(registers, arguments, strict=False):
            self._uc.reg_write(register, value)
        self._uc.reg_write(arm_const.UC_ARM_REG_SP, top)
        self._uc.reg_write(arm_const.UC_ARM_REG_LR, RETURN_ADDRESS | 1)
        self._edges.clear()
        self._last = NOWHERE
        try:
            self._uc.emu_start(self.address(name) | 1, RETURN_ADDRESS)
        except BINDING.UcError as error:
            place = self._uc.reg_read(arm_const.UC_ARM_REG_PC)
            raise InternalError(f"{name} failed: {error}", where=f"0x{place:x}") from error
        low = self._uc.reg_read(arm_const.UC_ARM_REG_R0)
        high = self._uc.reg_read(arm_const.UC_ARM_REG_R1)
        instructions, cycles = self._totals()
        return low | high << 32, Cost(instructions, cycles, self._stack_bytes(top))

    def _stack_bytes(self, top: int) -> int:
        """Depth of the stack by its paint. Raises InternalError if all of it was used."""
        room = self.read(top - STACK_ROOM_BYTES, STACK_ROOM_BYTES)
        untouched = len(room) - len(room.lstrip(bytes([PAINT])))
        if untouched == 0:
            raise InternalError("the stack overflowed", hint="raise STACK_ROOM_BYTES")
        return STACK_ROOM_BYTES - untouched

    def _totals(self) -> tuple[int, int]:
        profile = self.profile().values()
        return sum(ran for ran, _ in profile), sum(spent for _, spent in profile)

    def profile(self) -> dict[int, tuple[int, int]]:
        """Of the last call: the address of each executed instruction to its runs and its modelled cycles."""
        ran: Counter[int] = Counter()
        spent: Counter[int] = Counter()
        for (before, block), times in self._edges.items():
            for instruction, cycles in zip(
                instructions := self._block(block), costs(instructions), strict=True
            ):
                ran[instruction.address] += times
                spent[instruction.address] += times * cycles
            if before != NOWHERE and sum(before) != block[0]:
                spent[self._block(before)[-1].address] += times * REFILL_CYCLES
        spent[self._block(self._last)[-1].address] += REFILL_CYCLES  # the return
        return {address: (ran[address], spent[address]) for address in ran}

    def _block(self, block: Block) -> list[ThumbInstruction]:
        at, end = block[0], sum(block)
        found = []
        while at < end:
            if at not in self.listing:
                raise InputError("code that the disassembler did not see was run", where=f"0x{at:x}")
            found.append(self.listing[at])
            at += self.listing[at].bytes
        return found
