"""Stop 10 of 12. Flash controllers of STM32L4 and STM32G0 (ST's CMSIS device headers).

Takes the unlock keys, PG with two words of one double word, PER with STRT; gives changed flash, time and
error flags. The core stands still only if it executes from the busy bank; that its data reads from there
stall too is not modelled, nor is the data cache. Reading a double word that a power cut tore sets ECCD and
raises NMI. Next: ../flash.py
"""

from __future__ import annotations

from typing import ClassVar, Final

from patchctl.emulator.devices.base import Device
from patchctl.emulator.devices.stm32 import StDevice
from patchctl.emulator.exceptions import NMI
from patchctl.emulator.registers import Register, constant

_KEYS: Final = (0x4567_0123, 0xCDEF_89AB)
_PG: Final = 1 << 0
_PER: Final = 1 << 1
_STRT: Final = 1 << 16
_LOCK: Final = 1 << 31
_OPTLOCK: Final = 1 << 30
_PROGERR: Final = 1 << 3
_PGAERR: Final = 1 << 5
_SIZERR: Final = 1 << 6
_PGSERR: Final = 1 << 7
_ERRORS: Final = 0xC3FA
_EOP: Final = 1 << 0
_BSY: Final = 1 << 16
_ECCD: Final = 1 << 31
_UNIT: Final = 8
_POLL_US: Final = 20


class StFlash(StDevice):
    """Both families: double words, 2 KB pages, two banks."""

    state: ClassVar[tuple[str, ...]] = (
        *Device.state, "access", "status", "control", "key", "jammed", "first", "busy_until", "busy_bank",
        "ecc",
    )  # fmt: skip
    access_reset: ClassVar[int]
    options: ClassVar[int]
    wait_state_hz: ClassVar[tuple[int, ...]]
    page_mask: ClassVar[int]
    bank_bit: ClassVar[int]

    def reset(self) -> None:
        """Locked."""
        super().reset()
        self.access = self.access_reset
        self.status = 0
        self.control = _LOCK | _OPTLOCK
        self.key = 0
        self.jammed = False
        self.first: tuple[int, int] | None = None
        self.busy_until = 0
        self.busy_bank = 0
        self.ecc = [0, 0]

    def table(self) -> dict[int, Register]:
        """ACR to OPTR."""
        return {
            0x00: Register("ACR", lambda: self.access, self._set_access),
            0x08: Register("KEYR", None, self._unlock),
            0x10: Register("SR", self._status, self._clear_status),
            0x14: Register("CR", lambda: self.control, self._set_control),
            0x18: self._ecc_register("ECCR", 0),
            0x20: constant("OPTR", self.options),
        }

    @property
    def clock_hz_max(self) -> int:
        """The fastest clock for the wait states that are set (voltage range 1)."""
        return self.wait_state_hz[min(self.access & 7, len(self.wait_state_hz) - 1)]

    def _set_access(self, value: int) -> None:
        self.access = value
        if self.rcc.clock_hz > self.clock_hz_max:
            self.misuse("these wait states are too few for the clock", "ACR")

    def _unlock(self, value: int) -> None:
        if self.jammed or value != _KEYS[self.key]:
            self.jammed = True
            self.misuse("the key is wrong: a chip faults and stays locked until reset", "KEYR")
        self.key += 1
        if self.key == len(_KEYS):
            self.key = 0
            self.control &= ~_LOCK

    def _status(self) -> int:
        """A look at a busy controller takes a while, so that a wait is not a million instructions."""
        clock = self.bus.clock
        busy = clock.now < self.busy_until
        if busy:
            clock.stall(min(clock.cycles_of_us(_POLL_US), self.busy_until - clock.now))
            self.bus.kick()
        return self.status | self.busy_bits(self.busy_bank, busy, self.first is not None)

    def busy_bits(self, bank: int, busy: bool, half: bool) -> int:
        """BSY; `half`: one word of a double word has come."""
        del bank, half
        return _BSY if busy else 0

    def _clear_status(self, value: int) -> None:
        self.status &= ~(value & (_ERRORS | _EOP))

    def _set_control(self, value: int) -> None:
        if self.control & _LOCK:
            self.misuse("it is locked", "CR")
        if self.first is not None and value != self.control:
            self.misuse("half a double word was written: a chip waits for the other half", "CR")
        self._wait()
        allowed = _PG | _PER | self.page_mask | self.bank_bit | _STRT | _LOCK | _OPTLOCK
        if value & ~allowed:
            self.unmodelled(f"CR = 0x{value:x}", "CR")
        self.control = value & ~_STRT | self.control & _OPTLOCK
        if value & _STRT:
            self._erase(value)

    def _erase(self, value: int) -> None:
        region = self.bus.flash.region
        if not value & _PER or self.status & _ERRORS:
            self.status |= _PGSERR
            return
        address = self.page_address(value)
        try:
            self.bus.flash.erase(address)
        finally:
            self.bus.forget_code(address, region.page_bytes)
        self._busy(address, region.erase_us)

    def page_address(self, value: int) -> int:
        """The page that CR names."""
        raise NotImplementedError

    def _checked_page(self, bank: int, page: int) -> int:
        region = self.bus.flash.region
        if page * region.page_bytes >= region.bank_bytes:
            self.misuse(f"bank {bank + 1} has no page {page}", "CR")
        return region.address + bank * region.bank_bytes + page * region.page_bytes

    def store(self, address: int, size: int, value: int) -> bool:
        """One word, or both, of a double word; a store the controller does not want sets a flag, no fault."""
        self._wait()
        if size == _UNIT:
            self._word(address, value & 0xFFFF_FFFF)
            self._word(address + 4, value >> 32)
        elif size == 4:
            self._word(address, value)
        else:
            self.status |= _SIZERR
        self.bus.kick()
        return True

    def _word(self, address: int, value: int) -> None:
        if self.control & (_LOCK | _PG) != _PG or self.status & _ERRORS:
            self.status |= _PGSERR
        elif self.first is None and address % _UNIT == 0:
            self.first = (address, value)
        elif self.first is None or address != self.first[0] + 4:
            self.status |= _PGAERR
            self.first = None
        else:
            low, self.first = self.first[1], None
            self._program(address - 4, (value << 32 | low).to_bytes(_UNIT, "little"))

    def _program(self, address: int, data: bytes) -> None:
        if any(data) and self.bus.flash.read(address, _UNIT) != b"\xff" * _UNIT:
            self.status |= _PROGERR  # once per erase; all zeros may be written over anything
            return
        try:
            self.bus.flash.program(address, data)
        finally:
            self.bus.forget_code(address, _UNIT)
        self._busy(address, self.bus.flash.region.program_us)

    def _wait(self) -> None:
        """An operation that is still under way finishes first."""
        self.bus.clock.stall(max(0, self.busy_until - self.bus.clock.now))

    def _busy(self, address: int, us: int) -> None:
        cycles = self.bus.clock.cycles_of_us(us)
        region = self.bus.flash.region
        bank = (address - region.address) // region.bank_bytes
        pc = self.bus.pc()
        where = pc - (region.address if pc >= region.address else region.alias)
        if 0 <= where < region.bytes and where // region.bank_bytes == bank:
            self.bus.clock.stall(cycles)
        else:
            self.busy_until, self.busy_bank = self.bus.clock.now + cycles, bank
        self.bus.kick()

    def torn_read(self, address: int) -> None:
        """Two bits or more are wrong: ECCD, the address, and NMI."""
        region = self.bus.flash.region
        bank, offset = divmod(address - region.address, region.bank_bytes)
        self.note_ecc(bank, offset)
        self.bus.exceptions.pending.add(NMI)
        self.bus.kick()

    def note_ecc(self, bank: int, offset: int) -> None:
        """ECCR of the bad double word at `offset` of `bank`; the first one stays until it is cleared."""
        raise NotImplementedError

    def _ecc_register(self, name: str, index: int) -> Register:
        def clear(value: int) -> None:
            if value & _ECCD:
                self.ecc = [0 if number == index else old for number, old in enumerate(self.ecc)]

        return Register(name, lambda: self.ecc[index], clear)


class StFlashL4(StFlash):
    """STM32L475: BKER chooses the bank, PNB has 8 bits."""

    access_reset = 0x600
    options = 0xFFEF_F8AA
    wait_state_hz = (16_000_000, 32_000_000, 48_000_000, 64_000_000, 80_000_000)
    page_mask = 0xFF << 3
    bank_bit = 1 << 11

    def page_address(self, value: int) -> int:
        """BKER and PNB."""
        return self._checked_page(value >> 11 & 1, value >> 3 & 0xFF)

    def note_ecc(self, bank: int, offset: int) -> None:
        """One register: ADDR_ECC in bytes of the bank, BK_ECC."""
        if not self.ecc[0]:
            self.ecc = [_ECCD | bank << 19 | offset & ~7, 0]


class StFlashG0(StFlash):
    """STM32G0B1: the second bank's pages start at 256, and CFGBSY holds while half a unit is written."""

    access_reset = 0x4_0600
    options = 0xFFFF_FEAA
    wait_state_hz = (24_000_000, 48_000_000, 64_000_000)
    page_mask = 0x3FF << 3
    bank_bit = 1 << 13

    def table(self) -> dict[int, Register]:
        """One ECC register a bank."""
        return super().table() | {0x1C: self._ecc_register("ECC2R", 1)}

    def busy_bits(self, bank: int, busy: bool, half: bool) -> int:
        """BSY1, BSY2, CFGBSY."""
        return busy << 16 + bank | (busy or half) << 18

    def page_address(self, value: int) -> int:
        """BKER and PNB, which must agree."""
        bank, page = divmod(value >> 3 & 0x3FF, 256)
        if bank != value >> 13 & 1:
            self.misuse(
                f"BKER is {value >> 13 & 1} and page {value >> 3 & 0x3FF} is in bank {bank + 1}", "CR"
            )
        return self._checked_page(bank, page)

    def note_ecc(self, bank: int, offset: int) -> None:
        """A register a bank: ADDR_ECC in double words."""
        if not self.ecc[bank]:
            self.ecc = [
                _ECCD | offset // _UNIT if number == bank else old for number, old in enumerate(self.ecc)
            ]
