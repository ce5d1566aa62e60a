"""Stops 7 to 12 of 12. A whole emulated board: boards/*.toml and a firmware ELF become a machine that runs.

Takes a Board, an image, perhaps flash contents; gives virtual time, a serial port, flash, memory, taken
faults, snapshots, resets and power cuts. The same inputs give the same instructions, time and memory for any
slicing. Next: core.py
"""

from __future__ import annotations

import mmap
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from patchctl.board import Board
from patchctl.emulator.breakpoints import apply_exits, handle_match
from patchctl.emulator.clock import NEVER, Clock
from patchctl.emulator.core import Core
from patchctl.emulator.cpu import Cpu, Reason, Stop
from patchctl.emulator.devices import make_device
from patchctl.emulator.devices.base import Bus, Device
from patchctl.emulator.exceptions import Exceptions
from patchctl.emulator.faults import FaultRecord, classify
from patchctl.emulator.flash import Flash, flash_buffer
from patchctl.emulator.image import load_image
from patchctl.emulator.memory import Memory, Span
from patchctl.emulator.registers import unmodelled
from patchctl.emulator.serial import SerialPort
from patchctl.emulator.snapshot import FlashCopy, Snapshot, put_back, take
from patchctl.emulator.system.space import SYSTEM_ADDRESS, SYSTEM_BYTES, SystemSpace
from patchctl.errors import InputError, InternalError

SLICE: Final = 100_000
_WFI: Final = b"\x30\xbf"
_WINDOW: Final = 0xFFF0_0000  # a megabyte that holds a device holds devices only
_STORE_BYTES: Final = 8  # the largest store, and the largest program unit
_BIT_BANDS: Final = (0x2200_0000, 0x4200_0000)
_NAMES: Final = (*(f"r{index}" for index in range(13)), "sp", "lr", "xpsr", "msp", "psp", "control")


class Machine:
    """A board that is powered on and not yet run. `slice_instructions` changes speed only."""

    def __init__(
        self,
        board: Board,
        image: Path | bytes,
        *,
        flash: bytes | None = None,
        provisioning: bytes | None = None,
        flash_file: Path | None = None,
        seed: int = 0,
        slice_instructions: int = SLICE,
    ) -> None:
        chip = board.chip
        self.board = board
        self.seed = seed
        self.slice_instructions = slice_instructions
        self.image = load_image(image)
        self.symbols = self.image.symbols
        self.serial = SerialPort()
        self.resets = 0
        self._last = NEVER  # instruction count at which a run ends
        self.exits: frozenset[int] = frozenset()  # where the processor stops: comparators and
        self.breakpoints: frozenset[int] = frozenset()  # what a debugger set
        self.exits_changed = False
        self._stores: list[tuple[int, bytes]] = []
        self.flash_copy: FlashCopy = (None, b"", frozenset())
        self.flash = Flash(board.flash, flash_buffer(board.flash.bytes, flash_file))
        self.clock = Clock(chip.clock_hz, chip.cycles_per_instruction)
        self.cpu = Cpu(chip.core)
        self.clock.in_flight = self.cpu.in_flight
        self._map_memory()
        self.exceptions = Exceptions(chip.interrupts, chip.priority_bits)
        self.core = Core(self.cpu, self.memory, self.exceptions, self.clock, chip.core)
        self.system = SystemSpace(self.core, chip, self.cpu.end_slice)
        self._map_devices()
        self._load(flash, provisioning)
        self.power_cycle()

    # Set-up ------------------------------------------------------------------------------------------------

    def _map_memory(self) -> None:
        spans = []
        for region in self.board.chip.region:
            if region.name == self.board.flash.name:
                spans.append(Span(region.address, self.flash.buffer, False))
            else:
                spans.append(Span(region.address, mmap.mmap(-1, region.bytes), "w" in region.access))
            access = region.access if spans[-1].writable else region.access.replace("w", "")
            self.cpu.map_memory(region.address, spans[-1].buffer, access)
            if region.alias >= 0:
                spans.append(Span(region.alias, spans[-1].buffer, False))
                self.cpu.map_memory(region.alias, spans[-1].buffer, access)
        self.memory = Memory(spans)

    def _map_devices(self) -> None:
        self.devices: dict[str, Device] = {}
        bus = Bus(
            self.clock, self.exceptions, self.flash, self.memory, self.serial, self.board.link, self.seed,
            self.cpu.end_slice, self.cpu.pc, self.forget_code, self.devices,
        )  # fmt: skip
        for spec in self.board.chip.device:
            self.devices[spec.name] = make_device(spec, bus)
        for device in self.devices.values():
            registers = device.registers
            self.cpu.map_device(device.spec.address, device.spec.bytes, registers.read, registers.write)
        registers = self.system.registers
        self.cpu.map_device(SYSTEM_ADDRESS, SYSTEM_BYTES, registers.read, registers.write)
        self.cpu.on_store(self._store)
        self._timed: list[Device | Any] = [*self.devices.values(), self.system.systick]
        self._windows = {device.spec.address & _WINDOW for device in self.devices.values()}

    def _load(self, flash: bytes | None, provisioning: bytes | None) -> None:
        if flash is not None:
            self.flash.load(self.board.flash.address, flash)
        for address, data in self.image.segments:
            self.flash.load(address, data)
        if provisioning is not None:
            self.load_key_page(provisioning)

    def load_key_page(self, page: bytes) -> None:
        """Put the key page into flash, as a programmer on the bench would."""
        size = self.board.flash.page_bytes
        if len(page) > size:
            raise InputError(f"a key page of {len(page)} bytes does not fit into {size}")
        self.flash.load(self.board.keys.address, page.ljust(size, b"\xff"))

    # Power and reset ---------------------------------------------------------------------------------------

    def power_cycle(self) -> None:
        """Off and on: RAM holds noise, all state is lost but flash and the clock, which counts on."""
        noise = random.Random(self.seed)
        for span in self.memory.spans:
            if span.writable:
                span.buffer[:] = noise.randbytes(len(span.buffer))
                self.cpu.forget_code(span.address, len(span.buffer))
        self.flash.cut_never()
        self.watch_torn_flash()
        self.system.power_on()
        for device in self.devices.values():
            device.power_on()
        self._restart()

    def reset(self) -> None:
        """System reset: RAM, flash and armed comparators stay."""
        self.system.reset()
        self.resets += 1
        self._restart()

    def _restart(self) -> None:
        self.exceptions.reset()
        self.core.reset_state()
        for device in self.devices.values():
            device.reset()
        flash = self.board.flash
        self.core.start(flash.address if flash.alias < 0 else flash.alias)

    # Running -----------------------------------------------------------------------------------------------

    def run(
        self,
        cycles: int | None = None,
        until: Callable[[], bool] | None = None,
        *,
        instructions: int | None = None,
    ) -> bool:
        """Run for `cycles`, `instructions` (an IT block is one), or until `until()` holds; True if it held.

        `until` is looked at whenever a device acts. A debugger's halt ends the run. Raises UnmodelledAccess,
        PowerCut (the board is off until power_cycle()), and InputError if the board sleeps for ever and no
        time limit was given.
        """
        end = NEVER if cycles is None else self.clock.now + cycles
        self._last = NEVER if instructions is None else self.clock.instructions + instructions
        while self.clock.now < end and self.clock.instructions < self._last and not self.core.debug_halted:
            if until is not None and until():
                return True
            self._slice(end)
        return until is not None and until()

    def run_us(self, us: int) -> None:
        """Run for `us` microseconds of virtual time."""
        self.run(self.clock.cycles_of_us(us))

    def run_until_output(self, wanted: bytes, *, limit_us: int = 10_000_000) -> bytes:
        """Run until the board has sent `wanted`; takes all output up to there. InputError if it does not."""
        ends_at = self.serial.finder(wanted)
        if not self.run(self.clock.cycles_of_us(limit_us), lambda: ends_at() >= 0):
            state = self.core.lockup or f"pc 0x{self.core.pc:08x} {self.symbol_at(self.core.pc)}"
            came = bytes(self.serial.output[-200:])
            raise InputError(
                f"no {wanted!r} within {limit_us} us of virtual time, but {came!r}",
                where=self.board.name,
                hint=f"{state}; faults: {self.faults or 'none'}",
            )
        return self.serial.take(ends_at())

    def _slice(self, end: int) -> None:
        """Do the next thing: a due device, a reset, an exception, sleep, a breakpoint, or instructions."""
        core, clock = self.core, self.clock
        if self._fire_due():
            return  # so that run() looks at once at what a device did
        if self.system.scb.reset_requested:
            self.reset()
        apply_exits(self)
        if core.lockup or (core.sleeping and not core.wakes()):
            self._idle(end)
            return
        core.sleeping = False
        if core.take_pending():
            return
        if handle_match(self):
            return
        deadline = min(end, self._next_deadline())
        count = min(
            clock.instructions_until(deadline), self.slice_instructions, self._last - clock.instructions
        )
        self._handle(self._execute(1 if core.held_by_mask() else count))

    def _fire_due(self) -> bool:
        due = [device for device in self._timed if device.deadline <= self.clock.now]
        for device in due:
            device.fire()
        return bool(due)

    def _execute(self, count: int) -> Stop:
        try:
            stop = self.cpu.run(self.core.pc, count)
        finally:
            self._settle_stores()
        self._account(stop)
        return stop

    def _settle_stores(self) -> None:
        """Unicorn overwrote what the flash model made of a store; put the model's result back."""
        for address, data in self._stores:
            self.flash.put_back(address, data)
            self.forget_code(address, len(data))
        self._stores.clear()

    def finish_step(self, stop: Stop) -> None:
        """What follows from a run of the processor."""
        self._account(stop)
        self._handle(stop)

    def _account(self, stop: Stop) -> None:
        self.clock.instructions += stop.executed
        self.core.pc = stop.pc

    def _handle(self, stop: Stop) -> None:
        core = self.core
        if core.fpu and not self.system.scb.fp_enabled and core.fp_used():
            raise InputError(
                f"floating-point instructions ran before CPACR allowed them, shortly before 0x{stop.pc:08x}",
                where=self.board.name,
                hint="set CPACR bits 20 to 23 first: real parts raise a UsageFault here",
            )
        if stop.reason is Reason.EARLY:
            core.sleeping = stop.pc not in self.exits and self.memory.read(stop.pc - 2, 2) == _WFI
            if not (core.sleeping or stop.executed or stop.pc in self.exits):
                raise InternalError(f"Unicorn stands still at 0x{stop.pc:08x} for no reason we know")
        elif stop.reason is Reason.SVC:
            core.supervisor_call()
        elif stop.reason is Reason.EXC_RETURN:
            core.leave(stop.address)
        elif stop.reason is Reason.BKPT:
            self.debug_event()
        elif stop.reason is not Reason.COUNT:
            self._fault(stop)

    def _fault(self, stop: Stop) -> None:
        fault = classify(stop, self.core.thumb())
        window = fault.address & _WINDOW
        if stop.reason in (Reason.READ, Reason.WRITE):
            if window in self._windows:
                raise unmodelled("access", "no device", fault.address, stop.pc)
            if fault.address & 0xFE00_0000 in _BIT_BANDS:
                raise unmodelled("access", "bit-band alias", fault.address, stop.pc)
        self.core.fault(fault, stop.pc)

    def debug_event(self) -> None:
        """A breakpoint instruction or comparator matches at the pc."""
        debug = self.system.debug
        self.core.debug_event(debug.monitor_enabled, debug.debugger)

    def _next_deadline(self) -> int:
        return min(device.deadline for device in self._timed)

    def _idle(self, end: int) -> None:
        """Sleep, or lockup: time jumps to the next deadline."""
        until = min(end, self._next_deadline())
        if until == NEVER:
            state = self.core.lockup or "it sleeps and nothing will wake it"
            raise InputError(f"the board stands still for ever: {state}", where=self.board.name)
        self.clock.stall(until - self.clock.now)

    def _store(self, address: int, size: int, value: int) -> bool:
        """The core stores into flash. A whole program unit is put back later: its halves go together."""
        self._settle_stores()
        address = self._unaliased(address)
        accepted = "w" in self.board.flash.access  # RAM in flash's place
        if accepted:
            self.flash.put_back(address, (value & (1 << 8 * size) - 1).to_bytes(size, "little"))
        accepted = accepted or any(device.store(address, size, value) for device in self.devices.values())
        if accepted:
            start = address - address % _STORE_BYTES
            self._stores.append((start, self.flash.read(start, _STORE_BYTES)))
        return accepted

    def _unaliased(self, address: int) -> int:
        flash = self.board.flash
        aliased = flash.alias >= 0 and 0 <= address - flash.alias < flash.bytes
        return address - flash.alias + flash.address if aliased else address

    def forget_code(self, address: int, count: int) -> None:
        """Memory changed: translate it anew, under both of its addresses."""
        self.cpu.forget_code(address, count)
        flash = self.board.flash
        if flash.alias >= 0 and flash.address <= address < flash.end:
            self.cpu.forget_code(address - flash.address + flash.alias, count)

    def watch_torn_flash(self) -> None:
        """Reads of program units that a power cut tore reach the flash controller, where the chip has ECC."""
        flash = self.board.flash
        spans = [(start + offset, flash.program_unit) for offset in self.flash.torn for start in flash.starts]
        self.cpu.watch_reads(spans, self._torn_read)

    def _torn_read(self, address: int) -> None:
        address = self._unaliased(address)
        if address - self.board.flash.address & -self.board.flash.program_unit in self.flash.torn:
            for device in self.devices.values():
                device.torn_read(address)

    # Looking and touching ----------------------------------------------------------------------------------

    @property
    def now_us(self) -> int:
        """Virtual time since creation."""
        return self.clock.now * 1_000_000 // self.clock.hz

    @property
    def instructions(self) -> int:
        """Instructions executed since creation."""
        return self.clock.instructions

    @property
    def faults(self) -> list[FaultRecord]:
        """Every fault exception that was taken since the last snapshot restored, the newest last."""
        return self.core.faults

    @property
    def lockup(self) -> str:
        """Why the core has locked up, or ""."""
        return self.core.lockup

    def symbol_at(self, address: int) -> str:
        """The function that holds `address`, or ""."""
        return self.image.symbol_at(address)

    def registers(self) -> dict[str, int]:
        """r0-r12, sp, lr, pc, xpsr, msp, psp, control."""
        values = dict(zip(_NAMES, self.cpu.batch(*_NAMES).read(), strict=True))
        return {**values, "pc": self.core.pc}

    def read_memory(self, address: int, count: int) -> bytes:
        """Bytes of flash or RAM; InputError elsewhere."""
        data = self.memory.read(address, count)
        if data is None:
            raise InputError(f"0x{address:08x} + {count} is neither flash nor RAM", where=self.board.name)
        return data

    def write_memory(self, address: int, data: bytes) -> None:
        """Change RAM, or flash as a programmer would; InputError elsewhere."""
        self.read_memory(address, len(data))
        if not self.memory.write(address, data):
            self.flash.load(self._unaliased(address), data)
        self.forget_code(self._unaliased(address), len(data))

    def flash_bytes(self) -> bytes:
        """All of flash."""
        return bytes(self.flash.buffer)

    # Snapshots ---------------------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """This moment."""
        return take(self)

    def restore(self, snapshot: Snapshot) -> None:
        """Back to a moment of this machine."""
        put_back(self, snapshot)


__all__ = ["FaultRecord", "Machine", "Snapshot"]
