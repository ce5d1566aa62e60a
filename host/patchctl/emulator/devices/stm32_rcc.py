"""Stop 8 of 12. Clock control of STM32L4 and STM32G0 (ST's CMSIS device headers; fields from memory).

Takes oscillator, PLL, prescaler and enable bits; gives the core's clock, who has a clock, and the cause of
the last reset. Time itself always runs at the chip file's clock_hz: firmware sets the clock before it uses a
serial port, and one used at another clock is a loud error. Next: stm32_flash.py
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from patchctl.emulator.devices.base import Device
from patchctl.emulator.registers import Register, misuse, unmodelled

HSI_HZ: Final = 16_000_000
_PIN_RESET: Final = 1 << 26
_POWER_RESET: Final = 1 << 27
_SOFTWARE_RESET: Final = 1 << 28
_REMOVE_FLAGS: Final = 1 << 23
_MSI_HZ: Final = tuple(
    hz * 1000 for hz in (100, 200, 400, 800, 1000, 2000, 4000, 8000, 16_000, 24_000, 32_000, 48_000)
)


class StRcc(Device):
    """Registers that keep what is written, and what follows from them. Oscillators are ready at once."""

    state: ClassVar[tuple[str, ...]] = (*Device.state, "values", "flags")
    control_reset: ClassVar[int]
    kept: ClassVar[Mapping[int, tuple[str, int]]]  # offset: name, value after reset
    enables: ClassVar[Mapping[str, tuple[int, int]]]  # device: offset and bit of its clock
    flags_at: ClassVar[int]
    ready_bits: ClassVar[tuple[tuple[int, int], ...]]  # on, ready
    flags = 0

    def reset(self) -> None:
        """The clock after reset, flash clocked."""
        super().reset()
        self.values = {offset: value for offset, (_, value) in self.kept.items()}
        self.flags |= _PIN_RESET | (0 if self.flags & _POWER_RESET else _SOFTWARE_RESET)

    def power_on(self) -> None:
        """The next reset's cause is the supply."""
        self.flags = _POWER_RESET

    def table(self) -> dict[int, Register]:
        """Kept registers, and CSR."""
        rows = {offset: self._kept(offset, name) for offset, (name, _) in self.kept.items()}
        rows[self.flags_at] = Register("CSR", lambda: self.flags, self._set_flags)
        return rows

    def gives(self, name: str) -> bool:
        """The device has a clock; those without an enable bit always have."""
        offset, bit = self.enables.get(name, (0, 0))
        return not offset or bool(self.values[offset] >> bit & 1)

    def has_48_mhz(self) -> bool:
        """CCIPR gives the RNG its clock."""
        return True

    @property
    def clock_hz(self) -> int:
        """The core's clock as the registers have it."""
        return self.source_hz(self.values[0x08] & self.switch_mask)

    switch_mask: ClassVar[int]
    switch_shift: ClassVar[int]

    def source_hz(self, switch: int) -> int:
        """The clock that CFGR.SW = `switch` chooses."""
        raise NotImplementedError

    def _kept(self, offset: int, name: str) -> Register:
        def read() -> int:
            value = self.values[offset]
            if offset == 0:
                return value | sum((value >> on & 1) << ready for on, ready in self.ready_bits)
            if offset == 0x08:
                return value | (value & self.switch_mask) << self.switch_shift
            return value

        def write(value: int) -> None:
            self.values[offset] = value & ~self.read_only(offset)
            self._check(name)

        return Register(name, read, write)

    def read_only(self, offset: int) -> int:
        """Bits that only the chip changes."""
        if offset == 0:
            return sum(1 << ready for _, ready in self.ready_bits)
        return self.switch_mask << self.switch_shift if offset == 0x08 else 0

    def _check(self, name: str) -> None:
        """The core's clock must exist, and flash must have the wait states for it."""
        if self.values[0x08] & ~(self.switch_mask | self.switch_mask << self.switch_shift):
            self._raise(f"a prescaler (CFGR = 0x{self.values[0x08]:x})", name)
        flash = self.bus.devices.get("flash_controller")
        slowest = getattr(flash, "clock_hz_max", self.clock_hz)
        if self.clock_hz > slowest:
            reason = f"the core at {self.clock_hz} Hz is too fast for flash with these wait states"
            raise misuse(reason, f"{self.spec.name}.{name}", self.spec.address, self.bus.pc())

    def _raise(self, what: str, name: str) -> None:
        raise unmodelled(what, f"{self.spec.name}.{name}", self.spec.address, self.bus.pc())

    def _set_flags(self, value: int) -> None:
        if value & _REMOVE_FLAGS:
            self.flags = 0


class StRccL4(StRcc):
    """STM32L4: MSI at 4 MHz after reset; MSI in any range, or HSI16."""

    switch_mask = 3
    switch_shift = 2
    flags_at = 0x94
    ready_bits = ((0, 1), (8, 10))
    kept: ClassVar[Mapping[int, tuple[str, int]]] = {
        0x00: ("CR", 0x61), 0x08: ("CFGR", 0), 0x48: ("AHB1ENR", 0x100), 0x4C: ("AHB2ENR", 0),
        0x58: ("APB1ENR1", 0), 0x60: ("APB2ENR", 0), 0x88: ("CCIPR", 0),
    }  # fmt: skip
    enables: ClassVar[Mapping[str, tuple[int, int]]] = {
        "flash_controller": (0x48, 8), "gpioa": (0x4C, 0), "gpiob": (0x4C, 1), "rng": (0x4C, 18),
        "usart1": (0x60, 14),
    }  # fmt: skip

    def source_hz(self, switch: int) -> int:
        """MSI (0) or HSI16 (1)."""
        control = self.values[0x00]
        if switch == 0 and control & 1:
            span = control >> 4 & 0xF if control & 8 else 6  # MSIRGSEL: else the standby range, 4 MHz
            if span < len(_MSI_HZ):
                return _MSI_HZ[span]
        if switch == 1 and control >> 8 & 1:
            return HSI_HZ
        self._raise(f"CFGR.SW = {switch}, CR = 0x{control:x}", "CFGR")
        return 0

    def has_48_mhz(self) -> bool:
        """CLK48SEL is MSI, and MSI is at 48 MHz."""
        return self.values[0x88] >> 26 & 3 == 3 and self.source_hz(0) == _MSI_HZ[-1]


class StRccG0(StRcc):
    """STM32G0: HSI16 after reset; HSI16 or the PLL of it."""

    switch_mask = 7
    switch_shift = 3
    flags_at = 0x60
    ready_bits = ((8, 10), (24, 25))
    kept: ClassVar[Mapping[int, tuple[str, int]]] = {
        0x00: ("CR", 0x100), 0x08: ("CFGR", 0), 0x0C: ("PLLCFGR", 0x1000), 0x34: ("IOPENR", 0),
        0x38: ("AHBENR", 0x100), 0x3C: ("APBENR1", 0), 0x40: ("APBENR2", 0), 0x54: ("CCIPR", 0),
    }  # fmt: skip
    enables: ClassVar[Mapping[str, tuple[int, int]]] = {
        "flash_controller": (0x38, 8), "gpioa": (0x34, 0), "gpiob": (0x34, 1), "usart2": (0x3C, 17),
        "usart1": (0x40, 14),
    }  # fmt: skip

    def source_hz(self, switch: int) -> int:
        """HSISYS (0) or PLLRCLK (2)."""
        control, pll = self.values[0x00], self.values[0x0C]
        if switch == 0 and control >> 8 & 1:
            return HSI_HZ >> (control >> 11 & 7)
        if switch == 2 and control >> 24 & 1 and pll >> 28 & 1 and pll & 3 == 2:
            return HSI_HZ // ((pll >> 4 & 7) + 1) * (pll >> 8 & 0x7F) // ((pll >> 29 & 7) + 1)
        self._raise(f"CFGR.SW = {switch}, CR = 0x{control:x}, PLLCFGR = 0x{pll:x}", "CFGR")
        return 0
