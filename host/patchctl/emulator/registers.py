"""Stops 8 to 12 of 12. Device registers as tables: what no table knows is a loud error.

Takes accesses as (offset, size, value); gives what the device's row for that offset says. Next: devices/
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from patchctl.errors import InputError

_WORD = 0xFFFF_FFFF


class UnmodelledAccess(InputError):
    """Firmware touched a register, or a use of one, that no model knows."""


@dataclass(frozen=True, slots=True)
class Register:
    """One 32-bit register. No `read`: reading it is unmodelled; no `write`: writing it is.

    Reads may be narrow. `narrow` allows byte and halfword writes too: the other bytes keep their value.
    """

    name: str
    read: Callable[[], int] | None = None
    write: Callable[[int], None] | None = None
    narrow: bool = False


def constant(name: str, value: int) -> Register:
    """A register that always reads as `value`."""
    return Register(name, lambda: value)


class RegisterFile:
    """The registers of one device at `address`, reached by offset."""

    def __init__(
        self,
        name: str,
        address: int,
        table: Mapping[int, Register],
        pc: Callable[[], int],
        refusal: Callable[[], str] = str,
    ) -> None:
        self.name = name
        self.address = address
        self.table = dict(table)
        self._pc = pc
        self._refusal = refusal

    def read(self, offset: int, size: int) -> int:
        """What the core loads; UnmodelledAccess if no row knows."""
        self._check(offset)
        register = self.table.get(offset & ~3)
        if register is None or register.read is None or (offset & 3) + size > 4:
            raise self._unmodelled("read", offset, size, register)
        return register.read() >> 8 * (offset & 3) & (1 << 8 * size) - 1

    def write(self, offset: int, size: int, value: int) -> None:
        """What the core stores; UnmodelledAccess if no row knows."""
        self._check(offset)
        register = self.table.get(offset & ~3)
        if register is None or register.write is None:
            raise self._unmodelled("write", offset, size, register)
        if size != 4:
            if not register.narrow or register.read is None:
                raise self._unmodelled("write", offset, size, register)
            shift = 8 * (offset & 3)
            mask = (1 << 8 * size) - 1
            value = register.read() & ~(mask << shift) | (value & mask) << shift
        register.write(value & _WORD)

    def _check(self, offset: int) -> None:
        reason = self._refusal()
        if reason:
            raise misuse(reason, self.name, self.address + offset, self._pc())

    def _unmodelled(self, verb: str, offset: int, size: int, register: Register | None) -> UnmodelledAccess:
        name = f"{self.name}.{register.name}" if register else self.name
        return unmodelled(f"{verb} of {8 * size} bits", name, self.address + offset, self._pc())


def unmodelled(what: str, device: str, address: int, pc: int) -> UnmodelledAccess:
    """The error for an access at `address` by the instruction at `pc`."""
    return UnmodelledAccess(
        f"{what} at 0x{address:08x} ({device}) by the instruction at 0x{pc:08x}: no model knows it",
        where="emulator",
        hint="add the register to the device's table in host/patchctl/emulator, or correct the firmware",
    )


def misuse(reason: str, device: str, address: int, pc: int) -> UnmodelledAccess:
    """The error for an access that a real chip would ignore, or worse, and that no firmware means."""
    return UnmodelledAccess(
        f"0x{address:08x} ({device}) used by the instruction at 0x{pc:08x}, but {reason}",
        where="emulator",
        hint="correct the firmware",
    )


class Stateful:
    """Something whose changing attributes are named in `state`, so that snapshots need no code of its own."""

    state: ClassVar[tuple[str, ...]] = ()

    def save(self) -> tuple[Any, ...]:
        """A copy of the state, independent of what happens later."""
        return tuple(copy.copy(getattr(self, name)) for name in self.state)

    def restore(self, saved: tuple[Any, ...]) -> None:
        """Back to a state that save() gave; it stays good for further restores."""
        for name, value in zip(self.state, saved, strict=True):
            setattr(self, name, copy.copy(value))
