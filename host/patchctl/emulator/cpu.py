"""Stops 11 to 12 of 12. The processor itself: Unicorn 2.1.4, with its traps fenced in.

Takes a start address and an instruction count; gives why it stopped, where, and how many instructions ran.
The only module that knows Unicorn. What it works around: M-class mode is always an M33, so the core is chosen
by model; emu_stop() in a callback repeats the access, so a slice is ended by lowering the count limit
(layout.py); hflags are stale after IPSR is written, until APSR is; memory hooks
leak IT state; translations are stale after exits or memory change. Next: core.py
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final, TypeVar

from unicorn import arm_const, unicorn_const
from unicorn.unicorn_py3.unicorn import uclib

from patchctl.emulator.flash import Buffer
from patchctl.emulator.layout import BINDING, NO_EXIT, Engine, StackLimits, counter_offsets, engine, handle
from patchctl.errors import ConfigError, InternalError, PatchctlError

_Result = TypeVar("_Result")
_UcError: Final[type[Exception]] = BINDING.UcError
MODELS: Final = {
    "cortex-m0": arm_const.UC_CPU_ARM_CORTEX_M0,
    "cortex-m0plus": arm_const.UC_CPU_ARM_CORTEX_M0,
    "cortex-m3": arm_const.UC_CPU_ARM_CORTEX_M3,
    "cortex-m4": arm_const.UC_CPU_ARM_CORTEX_M4,
    "cortex-m4f": arm_const.UC_CPU_ARM_CORTEX_M4,
    "cortex-m33": arm_const.UC_CPU_ARM_CORTEX_M33,
    "cortex-m33f": arm_const.UC_CPU_ARM_CORTEX_M33,
}
_TRANSLATION_BYTES: Final = 8 << 20
_IT_BITS: Final = 0x0600_FC00
_THUMB: Final = 1 << 24

ReadCallback = Callable[[int, int], int]
WriteCallback = Callable[[int, int, int], None]
StoreCallback = Callable[[int, int, int], bool]


class Reason(Enum):
    """Why a slice ended."""

    COUNT = auto()  # the limit, or a device that wants attention
    EARLY = auto()  # an exit address, or WFI
    SVC = auto()
    BKPT = auto()
    EXC_RETURN = auto()  # `address` holds the EXC_RETURN value
    INVALID = auto()  # undefined instruction, or the Thumb bit is clear
    NO_COPROCESSOR = auto()
    UNALIGNED = auto()
    STACK_LIMIT = auto()
    EXECUTE_NEVER = auto()
    READ = auto()  # unmapped; `address` is the data's
    WRITE = auto()
    WRITE_PROTECTED = auto()
    FETCH = auto()


_INTERRUPTS: Final = {
    2: Reason.SVC,
    3: Reason.EXECUTE_NEVER,
    4: Reason.UNALIGNED,
    7: Reason.BKPT,
    8: Reason.EXC_RETURN,
    17: Reason.NO_COPROCESSOR,
    19: Reason.STACK_LIMIT,
}
_ERRORS: Final = {
    unicorn_const.UC_ERR_READ_UNMAPPED: Reason.READ,
    unicorn_const.UC_ERR_WRITE_UNMAPPED: Reason.WRITE,
    unicorn_const.UC_ERR_WRITE_PROT: Reason.WRITE_PROTECTED,
    unicorn_const.UC_ERR_FETCH_UNMAPPED: Reason.FETCH,
    unicorn_const.UC_ERR_FETCH_PROT: Reason.FETCH,
    unicorn_const.UC_ERR_INSN_INVALID: Reason.INVALID,
}


@dataclass(frozen=True, slots=True)
class Stop:
    """The end of a slice: the next instruction is at `pc`; a faulting one is at `pc` itself."""

    reason: Reason
    pc: int
    executed: int
    address: int = 0


class RegisterBatch:
    """A fixed list of 32-bit registers, read and written in one call each, in order."""

    def __init__(self, uc: Engine, registers: Sequence[int]) -> None:
        count = len(registers)
        self._values = (ctypes.c_uint64 * count)()
        start = ctypes.addressof(self._values)
        pointers = (ctypes.c_void_p * count)(*(start + 8 * index for index in range(count)))
        self._keep = ((ctypes.c_int * count)(*registers), pointers)
        self._arguments = (handle(uc), *self._keep, count)

    def read(self) -> list[int]:
        """Their values."""
        uclib.uc_reg_read_batch(*self._arguments)
        return list(self._values)

    def write(self, *values: int) -> None:
        """Set all of them."""
        self._values[:] = list(values)
        uclib.uc_reg_write_batch(*self._arguments)


class Cpu:
    """One Cortex-M core without its system registers, exceptions and time."""

    def __init__(self, core: str) -> None:
        if core not in MODELS:
            raise ConfigError(f"no emulated core {core!r}", hint=f"one of: {', '.join(MODELS)}")
        uc = engine(MODELS[core])
        uc.ctl_set_tcg_buffer_size(_TRANSLATION_BYTES)
        self._uc = uc
        self._exits: frozenset[int] = frozenset()
        self._buffers: list[ctypes.c_char] = []
        self._running = False
        self._stale: list[tuple[int, int]] = []
        self._why: Reason | None = None
        self._address = 0
        self._store: StoreCallback | None = None
        self._problem: Exception | None = None
        self._wait_event = (-1, -1)
        self._executed = 0
        self._watched: list[Any] = []
        counter, limit = counter_offsets()
        self._counter = ctypes.c_uint64.from_address(handle(uc).value + counter)
        self._limit = ctypes.c_uint64.from_address(handle(uc).value + limit)
        self._hook()
        self._pristine = uc.context_save()
        self.limits = StackLimits(uc) if "m33" in core else None

    def _hook(self) -> None:
        uc = self._uc
        uc.ctl_exits_enabled(True)
        uc.ctl_set_exits([NO_EXIT])
        uc.hook_add(unicorn_const.UC_HOOK_INTR, self._on_interrupt)
        uc.hook_add(unicorn_const.UC_HOOK_INSN_INVALID, self._on_invalid)
        uc.hook_add(unicorn_const.UC_HOOK_MEM_UNMAPPED, self._on_unmapped)
        uc.hook_add(unicorn_const.UC_HOOK_MEM_WRITE_PROT, self._on_protected)

    # Set-up ------------------------------------------------------------------------------------------------

    def map_memory(self, address: int, buffer: Buffer, access: str) -> None:
        """Map a host buffer. Flash is mapped without "w": its stores go to on_store()."""
        bits = {
            "r": unicorn_const.UC_PROT_READ,
            "w": unicorn_const.UC_PROT_WRITE,
            "x": unicorn_const.UC_PROT_EXEC,
        }
        first = ctypes.c_char.from_buffer(buffer)
        self._buffers.append(first)  # Unicorn holds a bare pointer: the buffer must live as long
        self._uc.mem_map_ptr(
            address, len(buffer), sum(map(bits.__getitem__, access)), ctypes.addressof(first)
        )

    def map_device(self, address: int, size: int, read: ReadCallback, write: WriteCallback) -> None:
        """Map registers; the callbacks take (offset, size) and (offset, size, value)."""

        def on_read(_uc: Engine, offset: int, count: int, _data: object) -> int:
            return self._guarded(lambda: read(offset, count)) or 0

        def on_write(_uc: Engine, offset: int, count: int, value: int, _data: object) -> None:
            self._guarded(lambda: write(offset, count, value))

        self._uc.mmio_map(address, size, on_read, None, on_write, None)

    def _guarded(self, action: Callable[[], _Result]) -> _Result | None:
        """Run a device's code; what it raises ends the slice and is raised again by run()."""
        try:
            return action()
        except PatchctlError as problem:
            self._problem = self._problem or problem
            self.end_slice()
            return None

    def on_store(self, store: StoreCallback) -> None:
        """`store(address, size, value)` carries out stores to flash; False makes them a fault.

        Unicorn 2.1.4 then also stores `value` itself: whoever needs another result writes it after the slice.
        """
        self._store = store

    def watch_reads(self, spans: Iterable[tuple[int, int]], seen: Callable[[int], None]) -> None:
        """`seen(address)` for each load from these (address, bytes); replaces earlier ones. Slow."""
        wanted = list(spans)
        if not wanted and not self._watched:
            return
        for hook in self._watched:
            self._uc.hook_del(hook)

        def on_read(uc: Engine, _kind: int, address: int, _size: int, _value: int, _data: object) -> None:
            self._clear_it_state(uc)
            self._guarded(lambda: seen(address))

        self._watched = [
            self._uc.hook_add(unicorn_const.UC_HOOK_MEM_READ, on_read, None, start, start + size - 1)
            for start, size in wanted
        ]
        self._uc.ctl_flush_tb()

    def batch(self, *names: str) -> RegisterBatch:
        """Registers by name ("r0", "ipsr", "s15", "apsr_nzcv")."""
        return RegisterBatch(self._uc, [getattr(arm_const, f"UC_ARM_REG_{name.upper()}") for name in names])

    # Running -----------------------------------------------------------------------------------------------

    def run(self, pc: int, count: int) -> Stop:
        """Execute up to `count` instructions from `pc`; an IT block counts as one."""
        self._why = None
        self._running = True
        error: Reason | None = None
        try:
            self._uc.emu_start(pc | 1, NO_EXIT, count=count)
        except _UcError as problem:
            number = getattr(problem, "errno", None)
            if number not in _ERRORS:
                raise InternalError(f"Unicorn: {problem} near 0x{self.pc():08x}") from problem
            error = _ERRORS[number]
        finally:
            self._running = False
            self._forget_stale()
        if self._problem is not None:
            raised, self._problem = self._problem, None
            raise raised
        counter, limit = self._counter.value, self._limit.value
        if counter > limit:
            reason, executed = Reason.COUNT, counter - 1
        else:
            reason, executed = Reason.EARLY, counter
        self._executed += executed
        return Stop(error or self._why or reason, self.pc(), executed, self._address)

    def in_flight(self) -> int:
        """Instructions of the running slice, the current one included; 0 between slices."""
        return self._counter.value if self._running else 0

    def end_slice(self) -> None:
        """Stop before the next instruction; for callbacks: emu_stop() would repeat the access."""
        if self._running:
            self._limit.value = self._counter.value

    def set_exits(self, exits: Iterable[int]) -> None:
        """Stop before the instructions at these addresses. Not from a callback."""
        wanted = frozenset(exits)
        self._uc.ctl_set_exits([NO_EXIT, *sorted(wanted)])
        for address in wanted ^ self._exits:
            self._uc.ctl_remove_cache(address, address + 2)
        self._exits = wanted

    def step_over(self, pc: int) -> Stop:
        """Execute the one instruction at `pc`, which is an exit."""
        exits = self._exits
        self.set_exits(exits - {pc})
        stop = self.run(pc, 1)
        self.set_exits(exits)
        return stop

    def forget_code(self, address: int, size: int) -> None:
        """Memory changed behind Unicorn's back: translate it anew, once this slice is over.

        In a callback Unicorn 2.1.4 crashes on an address that it has no translation of.
        """
        self._stale.append((address, size))
        if not self._running:
            self._forget_stale()

    def _forget_stale(self) -> None:
        for address, size in self._stale:
            self._uc.ctl_remove_cache(address, address + size)
        self._stale.clear()

    def pc(self) -> int:
        """The program counter; inside callbacks, of the current instruction."""
        value: int = self._uc.reg_read(arm_const.UC_ARM_REG_PC)
        return value

    def reset(self) -> None:
        """All registers as at creation."""
        self._uc.context_restore(self._pristine)

    def save(self) -> Engine:
        """The registers, for restore()."""
        return self._uc.context_save()

    def restore(self, saved: Engine) -> None:
        """Back to saved registers."""
        self._uc.context_restore(saved)

    # Hooks -------------------------------------------------------------------------------------------------

    def _on_interrupt(self, uc: Engine, number: int, _data: object) -> None:
        if number not in _INTERRUPTS:
            raise InternalError(f"Unicorn interrupt {number} at 0x{self.pc():08x} has no meaning here")
        self._why = _INTERRUPTS[number]
        if number == 8:  # the pc is EXC_RETURN with its lowest bit moved to XPSR.T
            thumb = uc.reg_read(arm_const.UC_ARM_REG_XPSR) & _THUMB
            self._address = self.pc() | bool(thumb)
        uc.emu_stop()

    def _on_invalid(self, uc: Engine, _data: object) -> bool:
        """WFE and YIELD arrive here too, with the pc behind them; they count as NOP."""
        pc, counter = self.pc(), self._executed + self._counter.value
        hint = pc >= 2 and bytes(uc.mem_read(pc - 2, 2)) in (b"\x20\xbf", b"\x10\xbf")
        if hint and self._wait_event != (pc, counter - 1):
            self._wait_event = (pc, counter)
            return True
        self._why = Reason.INVALID
        return False

    def _on_unmapped(
        self, _uc: Engine, _kind: int, address: int, _size: int, _value: int, _data: object
    ) -> bool:
        self._address = address
        return False

    def _on_protected(
        self, uc: Engine, _kind: int, address: int, size: int, value: int, _data: object
    ) -> bool:
        self._address = address
        self._clear_it_state(uc)
        store = self._store
        accepted = store is not None and self._guarded(
            lambda: store(address, size, value & (1 << 8 * size) - 1)
        )
        return bool(accepted)

    def _clear_it_state(self, uc: Engine) -> None:
        """For memory hooks: or the next block would run as if conditional."""
        if uc.reg_read(arm_const.UC_ARM_REG_XPSR) & _IT_BITS:
            uc.reg_write(arm_const.UC_ARM_REG_EPSR, _THUMB)
