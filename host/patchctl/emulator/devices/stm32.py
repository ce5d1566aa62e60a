"""Stops 8 to 10 of 12. What the STM32 models share: a device whose clock RCC does not give cannot be used.

Takes the chip's RCC model; gives StDevice, and GPIO and RNG, which are small. On silicon a device without a
clock ignores writes and reads as 0, which no firmware means: here it is a loud error. Next: stm32_rcc.py
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import ClassVar, Final

from patchctl.emulator.devices.base import Device
from patchctl.emulator.devices.stm32_rcc import StRcc
from patchctl.emulator.registers import Register, misuse, unmodelled

ALTERNATE: Final = 2
_PINS: Final = 16
_RNG_BYTES: Final = 4
_RNG_CYCLES_48_MHZ: Final = 40  # from one word to the next; the reference manual's figure, from memory


class StDevice(Device):
    """A device behind RCC."""

    def refusal(self) -> str:
        """Its clock is off."""
        return "" if self.rcc.gives(self.spec.name) else "RCC does not give this device a clock"

    @property
    def rcc(self) -> StRcc:
        """The chip's clock control."""
        rcc = self.bus.devices["rcc"]
        assert isinstance(rcc, StRcc)
        return rcc

    def plain(self, name: str, attribute: str, allowed: int = 0xFFFF_FFFF) -> Register:
        """A register that keeps what is written; bits outside `allowed` are unmodelled."""

        def write(value: int) -> None:
            if value & ~allowed:
                self.unmodelled(f"{name} = 0x{value:x}", name)
            setattr(self, attribute, value)

        return Register(name, self._reader(attribute), write)

    def unmodelled(self, what: str, register: str) -> None:
        """Raise: the firmware asks for what the model does not do."""
        raise unmodelled(what, f"{self.spec.name}.{register}", self.spec.address, self.bus.pc())

    def misuse(self, reason: str, register: str) -> None:
        """Raise: the firmware does what a chip would answer with silence or a fault."""
        raise misuse(reason, f"{self.spec.name}.{register}", self.spec.address, self.bus.pc())


class StGpio(StDevice):
    """One port: modes and alternate functions, which the serial port looks at; levels are only kept."""

    names: ClassVar[dict[int, tuple[str, str]]] = {
        0x00: ("MODER", "mode"), 0x04: ("OTYPER", "open_drain"), 0x08: ("OSPEEDR", "speed"),
        0x0C: ("PUPDR", "pull"), 0x14: ("ODR", "output"), 0x20: ("AFRL", "function_low"),
        0x24: ("AFRH", "function_high"),
    }  # fmt: skip
    state: ClassVar[tuple[str, ...]] = (*Device.state, *(attribute for _, attribute in names.values()))

    def reset(self) -> None:
        """All pins analog; A13 and A14 belong to the debugger, which no test looks at."""
        super().reset()
        for _, attribute in self.names.values():
            setattr(self, attribute, 0)
        self.mode = 0xFFFF_FFFF

    def table(self) -> dict[int, Register]:
        """MODER to AFRH; IDR reads what ODR drives."""
        rows = {offset: self.plain(name, attribute) for offset, (name, attribute) in self.names.items()}
        rows[0x10] = Register("IDR", lambda: self.output)
        rows[0x18] = Register("BSRR", None, self._set_bits)
        rows[0x28] = Register("BRR", None, lambda value: self._set_bits(value << _PINS))
        return rows

    def _set_bits(self, value: int) -> None:
        self.output = (self.output & ~(value >> _PINS) | value) & 0xFFFF

    def function(self, pin: int) -> int:
        """The alternate function that `pin` (0..15) is connected to; -1 if to none."""
        if self.mode >> 2 * pin & 3 != ALTERNATE:
            return -1
        return (self.function_high << 32 | self.function_low) >> 4 * pin & 0xF

    output: int
    function_low: int
    function_high: int


def pin_function(find: Callable[[str], Device | None], pin: int) -> int:
    """The alternate function of `pin`, counted through the ports; -1 if its port is off or unknown."""
    port = find(f"gpio{chr(ord('a') + pin // _PINS)}")
    return port.function(pin % _PINS) if isinstance(port, StGpio) and not port.refusal() else -1


class StRng(StDevice):
    """Random numbers, seeded, so that runs repeat: word n is the first of SHA-256(seed, n)."""

    state: ClassVar[tuple[str, ...]] = (*Device.state, "control", "ready", "drawn")
    drawn = 0  # not cleared by a reset: the noise goes on

    def reset(self) -> None:
        """Off."""
        super().reset()
        self.control = 0
        self.ready = False

    def table(self) -> dict[int, Register]:
        """CR, SR, DR."""
        return {
            0x00: Register("CR", lambda: self.control, self._set_control),
            0x04: Register(
                "SR", lambda: int(self.ready), lambda _value: None
            ),  # no error ever: nothing to clear
            0x08: Register("DR", self._draw),
        }

    def refusal(self) -> str:
        """Its bus clock is off, or its 48 MHz."""
        return super().refusal() or ("" if self.rcc.has_48_mhz() else "CCIPR.CLK48SEL gives it no 48 MHz")

    def fire(self) -> None:
        """A word is ready."""
        super().fire()
        self.ready = True
        self._line()

    def _set_control(self, value: int) -> None:
        if value & ~0xC:
            self.unmodelled(f"CR = 0x{value:x}", "CR")
        self.control = value
        self._plan()
        self._line()

    def _plan(self) -> None:
        if self.control & 4 and not self.ready:
            self.deadline = self.bus.clock.now + _RNG_CYCLES_48_MHZ * self.bus.clock.hz // 48_000_000
            self.bus.kick()

    def _draw(self) -> int:
        if not self.ready:
            return 0
        text = f"{self.bus.seed}:{self.drawn}".encode()
        self.drawn += 1
        self.ready = False
        self._plan()
        self._line()
        return int.from_bytes(hashlib.sha256(text).digest()[:_RNG_BYTES], "little")

    def _line(self) -> None:
        self.bus.set_line(self.spec.irq, self.ready and bool(self.control & 8))
