"""Stop 10 of 12. Nordic's flash controllers (nRF52840 product specification, 4.3; nRF5340's, NVMC).

Takes CONFIG, ERASEPAGE and stores straight into flash; gives changed flash and time. The core stands still
while it executes from the flash that is busy; from RAM it may poll READY. A store that CONFIG does not allow,
or that is no aligned word, is a bus fault (manual's text not seen). Next: ../flash.py
"""

from __future__ import annotations

from typing import ClassVar, Final

from patchctl.emulator.devices.base import Device
from patchctl.emulator.registers import Register, unmodelled

_READ_ONLY: Final = 0
_WRITE: Final = 1
_ERASE: Final = 2
_ALL_ONES: Final = 0xFFFF_FFFF


class NrfNvmc(Device):
    """The only writer of the main flash."""

    state: ClassVar[tuple[str, ...]] = (*Device.state, "config", "cache", "busy_until")

    def reset(self) -> None:
        """Read only."""
        super().reset()
        self.config = _READ_ONLY
        self.cache = 0
        self.busy_until = 0

    def table(self) -> dict[int, Register]:
        """READY to ICACHECNF."""
        return {
            0x400: Register("READY", self._ready),
            0x408: Register("READYNEXT", self._ready),
            0x504: Register("CONFIG", lambda: self.config, self._configure),
            0x508: Register("ERASEPAGE", None, self._erase_page),
            0x50C: Register("ERASEALL", None, self._erase_all),
            0x540: Register("ICACHECNF", lambda: self.cache, self._set_cache),
        }

    def store(self, address: int, size: int, value: int) -> bool:
        """Program one word."""
        if self.config != _WRITE or size != 4 or address % 4:
            return False
        self._wait()
        try:
            self.bus.flash.program(address, value.to_bytes(4, "little"))
        finally:
            self.bus.forget_code(address, 4)
        self._busy(self.bus.flash.region.program_us)
        return True

    def _ready(self) -> int:
        return int(self.bus.clock.now >= self.busy_until)

    def _configure(self, value: int) -> None:
        if value > _ERASE:
            name = f"{self.spec.name}.CONFIG"
            raise unmodelled(f"CONFIG = {value}", name, self.spec.address + 0x504, self.bus.pc())
        self.config = value

    def _set_cache(self, value: int) -> None:
        self.cache = value

    def _erase_page(self, address: int) -> None:
        region = self.bus.flash.region
        if self.config == _ERASE and region.address <= address < region.end:
            self._erase(address - address % region.page_bytes)

    def _erase_all(self, value: int) -> None:
        region = self.bus.flash.region
        if self.config == _ERASE and value & 1:
            for address in range(region.address, region.end, region.page_bytes):
                self._erase(address)

    def _erase(self, address: int) -> None:
        region = self.bus.flash.region
        self._wait()
        try:
            self.bus.flash.erase(address)
        finally:
            self.bus.forget_code(address, region.page_bytes)
        self._busy(region.erase_us)

    def _wait(self) -> None:
        """An operation that is still under way finishes first."""
        self.bus.clock.stall(max(0, self.busy_until - self.bus.clock.now))

    def _busy(self, us: int) -> None:
        cycles = self.bus.clock.cycles_of_us(us)
        region = self.bus.flash.region
        if region.address <= self.bus.pc() < region.end:
            self.bus.clock.stall(cycles)
        else:
            self.busy_until = self.bus.clock.now + cycles
        self.bus.kick()


class Nrf53Nvmc(NrfNvmc):
    """The nRF5340's, without ERASEPAGE: with CONFIG = 2, all ones stored to a page's first word erase it."""

    def table(self) -> dict[int, Register]:
        """READY to ICACHECNF, without what the chip does not have."""
        rows = super().table()
        del rows[0x508], rows[0x540]
        return rows

    def store(self, address: int, size: int, value: int) -> bool:
        """Program one word, or erase."""
        if self.config != _ERASE:
            return super().store(address, size, value)
        if size != 4 or address % self.bus.flash.region.page_bytes or value != _ALL_ONES:
            return False
        self._erase(address)
        return True
