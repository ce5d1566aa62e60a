"""Stops 7 to 12 of 12. A whole emulated board: boards/*.toml and a firmware ELF become a machine that runs.

Takes a Board, an image, perhaps flash contents; gives virtual time, a serial port, flash, memory, taken
faults, snapshots, resets and power cuts. The same inputs give the same instructions, time and memory for any
slicing. Next: core.py
"""

from __future__ import annotations

import mmap
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from patchctl.board import Board
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
from patchctl.emulator.system.space import SYSTEM_ADDRESS, SYSTEM_BYTES, SystemSpace
from patchctl.errors import InputError, InternalError

SLICE: Final = 100_000
_WFI: Final = b"\x30\xbf"
_WINDOW: Final = 0xFFF0_0000  # a megabyte that holds a device holds devices only
_BIT_BANDS: Final = (0x2200_0000, 0x4200_0000)
_NAMES: Final = (*(f"r{index}" for index in range(13)), "sp", "lr", "xpsr", "msp", "psp", "control")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A moment of a machine, for restore() on the same machine, as often as wanted."""

    registers: Any
    ram: tuple[bytes, ...]
    flash: bytes
    flash_version: object
    states: tuple[Any, ...]
    time: tuple[int, int]


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
        self._stores: list[tuple[int, bytes]] = []
        self._flash_copy: tuple[object, bytes] = (None, b"")
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
            self.cpu.map_memory(region.address, spans[-1].buffer, region.access)
        self.memory = Memory(spans)

    def _map_devices(self) -> None:
        bus = Bus(
            self.clock, self.exceptions, self.flash, self.serial, self.board.link.baud, self.seed,
            self.cpu.end_slice, self.cpu.pc, self.cpu.forget_code,
        )  # fmt: skip
        self.devices: dict[str, Device] = {
            spec.name: make_device(spec, bus) for spec in self.board.chip.device
        }
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
        self.system.power_on()
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
        self.core.start(self.board.flash.address)

    # Running -----------------------------------------------------------------------------------------------

    def run(self, cycles: int | None = None, until: Callable[[], bool] | None = None) -> bool:
        """Run for `cycles`, or until `until()` holds (looked at whenever a device acts); True if it held.

        Raises UnmodelledAccess, PowerCut (the board is off until power_cycle()), and InputError if the board
        sleeps for ever and no time limit was given.
        """
        end = NEVER if cycles is None else self.clock.now + cycles
        while self.clock.now < end:
            if until is not None and until():
                return True
            self._slice(end)
        return until is not None and until()

    def run_us(self, us: int) -> None:
        """Run for `us` microseconds of virtual time."""
        self.run(self.clock.cycles_of_us(us))

    def run_until_output(self, wanted: bytes, *, limit_us: int = 10_000_000) -> bytes:
        """Run until the board has sent `wanted`; takes all output up to there. InputError if it does not."""
        output = self.serial.output
        if not self.run(self.clock.cycles_of_us(limit_us), lambda: wanted in output):
            state = self.core.lockup or f"pc 0x{self.core.pc:08x} {self.symbol_at(self.core.pc)}"
            raise InputError(
                f"no {wanted!r} within {limit_us} us of virtual time, but {bytes(output)[-200:]!r}",
                where=self.board.name,
                hint=f"{state}; faults: {self.faults or 'none'}",
            )
        found = output.index(wanted) + len(wanted)
        taken = bytes(output[:found])
        del output[:found]
        return taken

    def _slice(self, end: int) -> None:
        """Do the next thing: a due device, a reset, an exception, sleep, a breakpoint, or instructions."""
        core, clock = self.core, self.clock
        if self._fire_due():
            return  # so that run() looks at once at what a device did
        if self.system.scb.reset_requested:
            self.reset()
        self._apply_breakpoints()
        if core.lockup or (core.sleeping and not core.wakes()):
            self._idle(end)
            return
        core.sleeping = False
        if core.take_pending():
            return
        if core.pc in self._armed and not self._step_over_ignored():
            core.debug_event(self.system.debug.monitor_enabled)
            return
        deadline = min(end, self._next_deadline())
        count = min(clock.instructions_until(deadline), self.slice_instructions)
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
            self.flash.load(address, data)
            self.cpu.forget_code(address, len(data))
        self._stores.clear()

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
            core.sleeping = stop.pc not in self._armed and self.memory.read(stop.pc - 2, 2) == _WFI
            if not (core.sleeping or stop.executed or stop.pc in self._armed):
                raise InternalError(f"Unicorn stands still at 0x{stop.pc:08x} for no reason we know")
        elif stop.reason is Reason.SVC:
            core.supervisor_call()
        elif stop.reason is Reason.EXC_RETURN:
            core.leave(stop.address)
        elif stop.reason is Reason.BKPT:
            core.debug_event(self.system.debug.monitor_enabled)
        elif stop.reason is not Reason.COUNT:
            self._fault(stop)

    def _fault(self, stop: Stop) -> None:
        fault = classify(stop, self.core.thumb())
        if fault is None:
            raise InputError(f"the processor stopped: {stop}", where=self.board.name)
        window = fault.address & _WINDOW
        if stop.reason in (Reason.READ, Reason.WRITE):
            if window in self._windows:
                raise unmodelled("access", "no device", fault.address, stop.pc)
            if fault.address & 0xFE00_0000 in _BIT_BANDS:
                raise unmodelled("access", "bit-band alias", fault.address, stop.pc)
        self.core.fault(fault, stop.pc)

    def _apply_breakpoints(self) -> None:
        fpb = self.system.fpb
        if fpb and fpb.changed:
            fpb.changed = False
            self.cpu.set_exits(fpb.armed)

    @property
    def _armed(self) -> frozenset[int]:
        return self.system.fpb.armed if self.system.fpb else frozenset()

    def _step_over_ignored(self) -> bool:
        """On chips that ignore a match while DebugMonitor may not run, execute the instruction."""
        facts = self.board.chip.fpb
        allowed = self.system.debug.monitor_enabled and self.core.monitor_may_run()
        if allowed or facts is None or facts.masked_match != "ignored":
            return False
        stop = self.cpu.step_over(self.core.pc)
        self._account(stop)
        self._handle(stop)
        return True

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
        accepted = any(device.store(address, size, value) for device in self.devices.values())
        if accepted:
            self._stores.append((address, self.flash.read(address, size)))
        return accepted

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
            self.flash.load(address, data)
        self.cpu.forget_code(address, len(data))

    def flash_bytes(self) -> bytes:
        """All of flash."""
        return bytes(self.flash.buffer)

    # Snapshots ---------------------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """This moment."""
        ram = tuple(bytes(span.buffer) for span in self.memory.spans if span.writable)
        states = tuple(part.save() for part in self._parts())
        time = (self.clock.instructions, self.clock.stalled_cycles)
        if self._flash_copy[0] is not self.flash.version:
            self._flash_copy = (self.flash.version, self.flash_bytes())
        return Snapshot(self.cpu.save(), ram, self._flash_copy[1], self.flash.version, states, time)

    def restore(self, snapshot: Snapshot) -> None:
        """Back to a moment of this machine."""
        self.cpu.restore(snapshot.registers)
        for span, ram in zip((s for s in self.memory.spans if s.writable), snapshot.ram, strict=True):
            span.buffer[:] = ram
            self.cpu.forget_code(span.address, len(ram))
        if self.flash.version is not snapshot.flash_version:
            self.flash.load(self.flash.region.address, snapshot.flash)
            self.flash.version = snapshot.flash_version
            self.cpu.forget_code(self.flash.region.address, self.flash.region.bytes)
        for part, state in zip(self._parts(), snapshot.states, strict=True):
            part.restore(state)
        self.clock.instructions, self.clock.stalled_cycles = snapshot.time

    def _parts(self) -> tuple[Any, ...]:
        return (self.core, self.exceptions, self.system, self.serial, *self.devices.values())


__all__ = ["FaultRecord", "Machine", "Snapshot"]
