"""Stop 12 of 12. The board's engine as Thumb code, on an emulated core that refuses what real ones refuse.

Takes what tests/engine.py takes; gives the same. Unicorn does not fault on unaligned accesses, so every
access is looked at: on M0+ it must be aligned, elsewhere LDRD, STRD, LDM and STM must be.
Next: device_runtime/core/vm.c
"""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

from elftools.elf.elffile import ELFFile
from footprint import optimization
from patchctl.contract import Fault, Status
from patchctl.reference import Outcome, Region, Space
from patchctl.structure import Limits
from unicorn import (
    UC_ARCH_ARM,
    UC_HOOK_MEM_READ,
    UC_HOOK_MEM_WRITE,
    UC_MODE_MCLASS,
    UC_MODE_THUMB,
    Uc,
    UcError,
    arm_const,
)

from tests.engine import INCLUDES, ROOT, SOURCES, WARNINGS

CORES = {
    "cortex-m0plus": arm_const.UC_CPU_ARM_CORTEX_M0,
    "cortex-m3": arm_const.UC_CPU_ARM_CORTEX_M3,
    "cortex-m4": arm_const.UC_CPU_ARM_CORTEX_M4,
    "cortex-m33": arm_const.UC_CPU_ARM_CORTEX_M33,
}
__all__ = ["CORES", "Endless", "ThumbEngine", "UcError", "build"]

_FLASH, _FLASH_BYTES = 0x00000000, 0x80000
_RAM, _RAM_BYTES = 0x20000000, 0x10000
_OWN, _OWN_BYTES = 0x30000000, 0x10000  # what the engine itself needs: its stack, the record, the program
_RETURN = 0x00070000
_PROGRAM, _SPACE, _VM, _RANGES, _CODE, _STACK_END = (
    _OWN + n for n in (0, 0x100, 0x200, 0x400, 0x800, 0x10000)
)
_NESTED = 0x4000  # how far behind the first run's data that of a nested run lies
_NESTED_FUEL = 100
_LIMIT = 50_000_000
_IT_STATE = 0x0600FC00  # of CPSR, as Unicorn shows it
Run = tuple[bytes, Space]  # a program, and what it runs on
_VM_AFTER = "<11Q5I"  # registers, program, space, pc, fuel, depth
_REGISTERS = tuple(getattr(arm_const, f"UC_ARM_REG_R{number}") for number in range(4))


class Endless(Exception):
    """A run did not come to its end within the machine instructions allowed."""


class ThumbEngine:
    """The engine on one core."""

    def __init__(self, core: str, elf: Path, *, watched: bool = True) -> None:
        self._core = core
        self._watched = watched
        with elf.open("rb") as stream:
            image = ELFFile(stream)
            symbols = image.get_section_by_name(".symtab")
            self._start = symbols.get_symbol_by_name("hp_vm_run")[0]["st_value"]
            self._check = symbols.get_symbol_by_name("hp_check_program")[0]["st_value"]
            self._helper = symbols.get_symbol_by_name("harness_helper")[0]["st_value"]
            self._segments = [(s["p_paddr"], s.data()) for s in image.iter_segments("PT_LOAD")]
        self.bad_accesses: list[tuple[int, int, int]] = []
        self.stack_bytes = 0  # deepest use of the C stack so far
        self.it_places = 0  # instructions of the IT block where the last run_interrupted() stopped
        self.masked_places = 0  # machine instructions that run_interrupted() waited for
        self._uc = self._machine()

    def check(self, code: bytes, limits: Limits) -> tuple[Status, int]:
        """hp_check_program on a copy at an odd address: it must not care."""
        uc = self._uc
        mask = sum(1 << number for number in limits.helpers)
        uc.mem_write(_CODE + 1, code)
        sizes = (limits.instruction_count_max, limits.data_bytes, limits.variable_bytes)
        uc.mem_write(_SPACE, struct.pack("<4I", *sizes, mask))
        arguments = (_CODE + 1, len(code), _SPACE, _RANGES)
        for register, value in zip(_REGISTERS, arguments, strict=True):
            uc.reg_write(register, value)
        uc.reg_write(arm_const.UC_ARM_REG_LR, _RETURN | 1)
        uc.reg_write(arm_const.UC_ARM_REG_SP, _STACK_END)
        uc.emu_start(self._check | 1, _RETURN, count=_LIMIT)
        where = int.from_bytes(uc.mem_read(_RANGES, 4), "little")
        status = int.from_bytes(
            uc.reg_read(arm_const.UC_ARM_REG_R0).to_bytes(4, "little"), "little", signed=True
        )
        return Status(status), where

    def run(
        self,
        code: bytes,
        space: Space,
        *,
        fuel: int,
        frame_bytes: int = 0,
        helpers: frozenset[int] = frozenset({1}),
        at_most: int = _LIMIT,
    ) -> Outcome:
        """hp_vm_run; changes the bytes of `space` as the run does. Endless after `at_most` instructions."""
        self._prepare(0, code, space, fuel, frame_bytes, helpers)
        self._uc.reg_write(arm_const.UC_ARM_REG_SP, _STACK_END)
        self._uc.emu_start(self._start | 1, _RETURN, count=at_most)
        if self._uc.reg_read(arm_const.UC_ARM_REG_PC) != _RETURN:
            raise Endless(f"{at_most} instructions")
        return self._outcome(0, space)

    def run_interrupted(
        self, outer: Run, inner: Run, *, stop: int, inside: int = 0, frame_bytes: int
    ) -> tuple[Outcome, Outcome | None]:
        """Runs `outer`, and `inner` whole behind its machine instruction `stop`; None if that was too late.

        Unicorn counts an IT block as one instruction; `inside` goes so many further into one behind `stop`,
        of it_places. The inner run has a record of its own, and the same C stack, as in an interrupt; where
        interrupts are masked it waits. Both are runs of one patch: the variables that they have are the same.
        """
        uc, nested = self._uc, None
        self._prepare(0, *outer, _NESTED_FUEL, frame_bytes, frozenset({1}))
        uc.reg_write(arm_const.UC_ARM_REG_SP, _STACK_END)
        uc.emu_start(self._start | 1, _RETURN, count=stop)
        block = self._it_block(uc.reg_read(arm_const.UC_ARM_REG_PC))
        self.it_places = len(block)
        if inside:
            uc.emu_start(uc.reg_read(arm_const.UC_ARM_REG_PC) | 1, block[inside - 1])
        while uc.reg_read(arm_const.UC_ARM_REG_PRIMASK) and uc.reg_read(arm_const.UC_ARM_REG_PC) != _RETURN:
            self.masked_places += 1
            uc.emu_start(uc.reg_read(arm_const.UC_ARM_REG_PC) | 1, _RETURN, count=1)
        if uc.reg_read(arm_const.UC_ARM_REG_PC) != _RETURN:
            saved = uc.context_save()
            kept = inner[1].variables
            kept.data[:] = uc.mem_read(kept.address, len(kept.data))
            uc.reg_write(arm_const.UC_ARM_REG_CPSR, uc.reg_read(arm_const.UC_ARM_REG_CPSR) & ~_IT_STATE)
            self._prepare(_NESTED, *inner, _NESTED_FUEL, frame_bytes, frozenset({1}))
            uc.emu_start(self._start | 1, _RETURN, count=_LIMIT)
            nested = self._outcome(_NESTED, inner[1])
            uc.context_restore(saved)
            uc.emu_start(uc.reg_read(arm_const.UC_ARM_REG_PC) | 1, _RETURN, count=_LIMIT)
        return self._outcome(0, outer[1]), nested

    def _it_block(self, at: int) -> list[int]:
        """Where the instructions of the IT block that begins at `at` lie; none: it is no IT."""
        first, places = self._half(at), []
        if first >> 8 != 0xBF or not first & 15:
            return []
        at += 2
        for _ in range(5 - (first & -first).bit_length()):  # ARMv7-M ARM A7.3.2: the mask's lowest 1 ends it
            places.append(at)
            at += 4 if self._half(at) >> 11 in (0x1D, 0x1E, 0x1F) else 2
        return places

    def _half(self, address: int) -> int:
        return int.from_bytes(self._uc.mem_read(address, 2), "little")

    def _prepare(
        self, at: int, code: bytes, space: Space, fuel: int, frame_bytes: int, helpers: frozenset[int]
    ) -> None:
        """Writes all that a run needs, `at` bytes behind the usual places, and its arguments."""
        uc = self._uc
        for region in _regions(space):
            uc.mem_write(region.address, bytes(region.data))
        uc.mem_write(_VM + at, b"\xee" * (_RANGES - _VM))  # nothing may depend on an earlier run
        mask = sum(1 << number for number in helpers)
        uc.mem_write(_CODE + at, code)
        program = (_CODE + at, len(code), fuel, frame_bytes, mask, self._helper)
        uc.mem_write(_PROGRAM + at, struct.pack("<6I", *program))
        uc.mem_write(_SPACE + at, _packed_space(uc, space, _RANGES + at))
        for register, value in zip(_REGISTERS, (_VM, _PROGRAM, _SPACE), strict=False):
            uc.reg_write(register, value + at)
        uc.reg_write(arm_const.UC_ARM_REG_LR, _RETURN | 1)

    def _outcome(self, at: int, space: Space) -> Outcome:
        uc = self._uc
        fault = Fault(uc.reg_read(arm_const.UC_ARM_REG_R0))
        record = uc.mem_read(_VM + at, struct.calcsize(_VM_AFTER))
        *registers, _, _, pc, left, _ = struct.unpack(_VM_AFTER, record)
        for region in _regions(space):
            region.data[:] = uc.mem_read(region.address, len(region.data))
        return Outcome(fault, tuple(registers), left, (pc - _CODE - at) // 8)

    def _machine(self) -> Uc:
        uc = Uc(UC_ARCH_ARM, UC_MODE_THUMB | UC_MODE_MCLASS)
        uc.ctl_set_cpu_model(CORES[self._core])
        for start, size in ((_FLASH, _FLASH_BYTES), (_RAM, _RAM_BYTES), (_OWN, _OWN_BYTES)):
            uc.mem_map(start, size)
        for address, data in self._segments:
            uc.mem_write(address, data)
        if self._watched:
            uc.hook_add(UC_HOOK_MEM_READ | UC_HOOK_MEM_WRITE, self._look)
        return uc

    def _look(self, uc: Uc, access: int, address: int, size: int, value: int, user: object) -> None:
        if _CODE + 0x2000 <= address < _STACK_END:
            self.stack_bytes = max(self.stack_bytes, _STACK_END - address)
        # A hook inside an IT block leaves its state set (Unicorn 2.1.4): the next block would run under it.
        status = uc.reg_read(arm_const.UC_ARM_REG_CPSR)
        if status & _IT_STATE:
            uc.reg_write(arm_const.UC_ARM_REG_CPSR, status & ~_IT_STATE)
        if address % size == 0:
            return
        pc = uc.reg_read(arm_const.UC_ARM_REG_PC)
        first = int.from_bytes(uc.mem_read(pc, 2), "little")
        # ARMv7-M Architecture Reference Manual A3.2.1: these always fault on unaligned addresses.
        multiple = first >> 9 == 0b1110100 or first >> 12 == 0b1100
        if self._core == "cortex-m0plus" or (multiple and address % 4):
            self.bad_accesses.append((pc, address, size))


def _regions(space: Space) -> list[Region]:
    return [space.stack, space.context, space.data, space.variables, *space.writable, *space.readable]


def _packed_space(uc: Uc, space: Space, at: int) -> bytes:
    def packed(region: Region) -> bytes:
        return struct.pack("<3I", region.address, len(region.data), region.address)

    ranges = b"".join(packed(region) for region in [*space.readable, *space.writable])
    uc.mem_write(at, ranges)
    own = b"".join(packed(region) for region in (space.stack, space.context, space.data, space.variables))
    writable = at + 12 * len(space.readable)
    return own + struct.pack("<4I", at, len(space.readable), writable, len(space.writable))


def build(core: str, folder: Path, changed: Path | None = None, *, watched: bool = True) -> ThumbEngine:
    """Compiles the engine for `core` into `folder`, at address 0; `changed` as in build_changed.

    Optimized as it ships (device_runtime/Makefile): for size, and vm.c for speed, but on the M0+.
    Not `watched` it is three times as fast, and bad_accesses and stack_bytes say nothing.
    """
    elf = folder / f"engine-{core}.elf"
    flags = ["-mthumb", f"-mcpu={core}", *WARNINGS, *INCLUDES]
    kept = [ROOT / source for source in SOURCES if changed is None or Path(source).name != changed.name]
    objects = []
    for source in (*kept, ROOT / "tests/runtime/vm_harness.c", *([] if changed is None else [changed])):
        target = folder / f"{core}-{source.stem}.o"
        command = ["arm-none-eabi-gcc", *flags, *optimization(source.stem, core), "-c", str(source)]
        subprocess.run([*command, "-o", str(target)], check=True)
        objects.append(str(target))
    link = ["-nostartfiles", "--specs=nosys.specs", "-Wl,-Ttext=0x1000,-e,hp_vm_run,--no-warn-rwx-segments"]
    subprocess.run(["arm-none-eabi-gcc", *flags[:2], *link, "-o", str(elf), *objects], check=True)
    return ThumbEngine(core, elf, watched=watched)
