"""Stops 8 to 12 of 12. Moments of a machine: everything that changes, copied and put back.

Takes a Machine; gives a Snapshot. Flash is copied only if it changed since the last one. Next: machine.py
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from patchctl.emulator.machine import Machine

FlashCopy: TypeAlias = tuple[object, bytes, frozenset[int]]  # version, contents, torn units


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A moment of a machine, for restore() on the same machine, as often as wanted."""

    registers: Any
    ram: tuple[bytes, ...]
    flash: FlashCopy
    states: tuple[Any, ...]
    time: tuple[int, int]
    resets: int


def take(machine: Machine) -> Snapshot:
    """This moment of `machine`."""
    ram = tuple(bytes(span.buffer) for span in machine.memory.spans if span.writable)
    states = tuple(part.save() for part in parts(machine))
    time = (machine.clock.instructions, machine.clock.stalled_cycles)
    flash = machine.flash
    if machine.flash_copy[0] is not flash.version:
        machine.flash_copy = (flash.version, machine.flash_bytes(), frozenset(flash.torn))
    return Snapshot(machine.cpu.save(), ram, machine.flash_copy, states, time, machine.resets)


def put_back(machine: Machine, snapshot: Snapshot) -> None:
    """`machine` is again as it was."""
    machine.cpu.restore(snapshot.registers)
    writable = (span for span in machine.memory.spans if span.writable)
    for span, ram in zip(writable, snapshot.ram, strict=True):
        span.buffer[:] = ram
        machine.cpu.forget_code(span.address, len(ram))
    _put_flash_back(machine, snapshot.flash)
    for part, state in zip(parts(machine), snapshot.states, strict=True):
        part.restore(state)
    machine.clock.instructions, machine.clock.stalled_cycles = snapshot.time
    machine.resets = snapshot.resets


def _put_flash_back(machine: Machine, copy: FlashCopy) -> None:
    flash = machine.flash
    if flash.version is copy[0]:
        return
    torn_before = set(flash.torn)
    flash.load(flash.region.address, copy[1])
    flash.version = copy[0]
    flash.torn = set(copy[2])
    machine.forget_code(flash.region.address, flash.region.bytes)
    if torn_before != flash.torn:
        machine.watch_torn_flash()


def parts(machine: Machine) -> tuple[Any, ...]:
    """Everything with save() and restore(), in a fixed order."""
    return (machine.core, machine.exceptions, machine.system, machine.serial, *machine.devices.values())
