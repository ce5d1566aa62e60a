"""Stops 8 to 10 of 12. What every peripheral model has: registers, a deadline, a line, state.

Takes a DeviceSpec and a Bus, which is all a model may touch; gives Device for machine.py to map and to wake.
Callbacks run inside the processor's slice: they never stop it, they call bus.kick(). Next: nrf_uart.py
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from patchctl.board import DeviceSpec, LinkFacts
from patchctl.emulator.clock import NEVER, Clock
from patchctl.emulator.exceptions import FIRST_INTERRUPT, Exceptions
from patchctl.emulator.flash import Flash
from patchctl.emulator.memory import Memory
from patchctl.emulator.registers import Register, RegisterFile, Stateful
from patchctl.emulator.serial import SerialPort


@dataclass(frozen=True, slots=True)
class Bus:
    """The machine as devices see it. `kick` ends the slice after this instruction; `pc` is its address."""

    clock: Clock
    exceptions: Exceptions
    flash: Flash
    memory: Memory
    serial: SerialPort
    link: LinkFacts
    seed: int
    kick: Callable[[], None]
    pc: Callable[[], int]
    forget_code: Callable[[int, int], None]
    devices: dict[str, Device]  # the others, by name, for what they tell each other: clocks, pins

    def set_line(self, irq: int, level: bool) -> None:
        """Interrupt line `irq` goes high or low."""
        if self.exceptions.set_line(FIRST_INTERRUPT + irq, level):
            self.kick()


class Device(Stateful):
    """A peripheral. fire() is called once `deadline` (in cycles) has come; it must set a later one."""

    state: ClassVar[tuple[str, ...]] = ("deadline",)

    def __init__(self, spec: DeviceSpec, bus: Bus) -> None:
        self.spec = spec
        self.bus = bus
        self.deadline = NEVER
        self.reset()
        self.registers = RegisterFile(spec.name, spec.address, self.table(), bus.pc, self.refusal)

    def table(self) -> dict[int, Register]:
        """Offset to register."""
        raise NotImplementedError

    def _reader(self, attribute: str) -> Callable[[], int]:
        return lambda: int(getattr(self, attribute))

    def reset(self) -> None:
        """As after a system reset."""
        self.deadline = NEVER

    def power_on(self) -> None:
        """What a system reset leaves alone; reset() follows."""

    def refusal(self) -> str:
        """Why its registers cannot be used now, such as a clock that is off; or ""."""
        return ""

    def torn_read(self, address: int) -> None:
        """The core reads flash whose ECC cannot be right; only a flash controller cares."""
        del address

    def fire(self) -> None:
        """The deadline has come."""
        self.deadline = NEVER

    def store(self, address: int, size: int, value: int) -> bool:
        """The core stores into flash; only a flash controller accepts."""
        del address, size, value  # for those who accept
        return False


class NrfEvents(Device):
    """Nordic's tasks and events: each event is a register; INTENSET and INTENCLR let it raise the line."""

    state: ClassVar[tuple[str, ...]] = (*Device.state, "events", "interrupts")
    event_offsets: ClassVar[dict[str, int]] = {}

    def reset(self) -> None:
        """No event, no interrupt enabled."""
        super().reset()
        self.events: set[str] = set()
        self.interrupts = 0

    def task(self, name: str, run: Callable[[], None]) -> Register:
        """A write-only task register: writing 1 runs it."""

        def write(value: int) -> None:
            if value & 1:
                run()

        return Register(name, None, write)

    def event_rows(self) -> dict[int, Register]:
        """Event registers, INTENSET (0x304) and INTENCLR (0x308)."""
        rows = {offset: self._event(name) for name, offset in self.event_offsets.items()}
        rows[0x304] = Register("INTENSET", lambda: self.interrupts, self._enable)
        rows[0x308] = Register("INTENCLR", lambda: self.interrupts, self._disable)
        return rows

    def signal(self, name: str) -> None:
        """The event happens."""
        self.events.add(name)
        self.update_line()

    def update_line(self) -> None:
        """The line is high while an enabled event is set."""
        bits = sum(1 << (self.event_offsets[name] - 0x100) // 4 for name in self.events)
        if self.spec.irq >= 0:
            self.bus.set_line(self.spec.irq, bool(bits & self.interrupts))

    def _event(self, name: str) -> Register:
        def write(value: int) -> None:
            if value & 1:
                self.events.add(name)
            else:
                self.events.discard(name)
            self.update_line()

        return Register(f"EVENTS_{name}", lambda: int(name in self.events), write)

    def _enable(self, value: int) -> None:
        self.interrupts |= value
        self.update_line()

    def _disable(self, value: int) -> None:
        self.interrupts &= ~value
        self.update_line()
