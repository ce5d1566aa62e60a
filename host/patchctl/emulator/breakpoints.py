"""Stop 11 of 12. What the flash patch unit does at the pc: a debug event, nothing, another word.

Takes a Machine whose pc is one of the unit's exits; gives one step. A remapped word is fetched from its table
entry for this one instruction and data reads still see flash, but for a load of that very word by that very
instruction. Next: machine.py
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from patchctl.emulator.registers import misuse
from patchctl.emulator.system.fpb import FlashPatch

if TYPE_CHECKING:
    from patchctl.emulator.machine import Machine


def apply_exits(machine: Machine) -> None:
    """Tell the processor where to stop, if that has changed."""
    fpb = machine.system.fpb
    if machine.exits_changed or (fpb is not None and fpb.changed):
        machine.exits_changed = False
        machine.exits = machine.breakpoints
        if fpb is not None:
            fpb.changed = False
            machine.exits |= fpb.exits
        machine.cpu.set_exits(machine.exits)


def set_breakpoints(machine: Machine, addresses: frozenset[int]) -> None:
    """A debugger's own breakpoints: the core halts before these instructions. Not from a callback."""
    machine.breakpoints = addresses
    machine.exits_changed = True


def handle_match(machine: Machine) -> bool:
    """True if the instruction at the pc was dealt with here."""
    fpb, pc = machine.system.fpb, machine.core.pc
    if pc in machine.breakpoints:
        machine.core.debug_halted = f"the debugger's breakpoint at 0x{pc:08x}"
        return True
    if fpb is None or pc not in fpb.exits:
        return False
    if pc not in fpb.armed:
        _step_remapped(machine, fpb)
    elif _ignored(machine):
        machine.finish_step(machine.cpu.step_over(pc))
    else:
        machine.debug_event()
    return True


def resume(machine: Machine) -> None:
    """A debugger lets the halted core go on: an instruction with a breakpoint on it is executed."""
    machine.core.debug_halted = ""
    apply_exits(machine)
    if machine.core.pc in machine.exits:
        machine.finish_step(machine.cpu.step_over(machine.core.pc))


def _ignored(machine: Machine) -> bool:
    """On some chips a match while DebugMonitor may not run does nothing."""
    facts, debug = machine.board.chip.fpb, machine.system.debug
    allowed = debug.debugger or (debug.monitor_enabled and machine.core.monitor_may_run())
    return not allowed and facts is not None and facts.masked_match == "ignored"


def _step_remapped(machine: Machine, fpb: FlashPatch) -> None:
    pc = machine.core.pc
    words = [word for word in (pc & ~3, (pc & ~3) + 4) if word in fpb.remapped]
    saved = [(word, _exchange(machine, word, _entry(machine, fpb, word))) for word in words]
    try:
        stop = machine.cpu.step_over(pc)
    finally:
        for word, old in saved:
            _exchange(machine, word, old)
    machine.finish_step(stop)


def _entry(machine: Machine, fpb: FlashPatch, word: int) -> bytes:
    address = fpb.replacement(word)
    data = machine.memory.read(address, 4)
    if data is None:
        raise misuse(
            f"0x{word:08x} is remapped to 0x{address:08x}, no memory", "fpb", address, machine.core.pc
        )
    return data


def _exchange(machine: Machine, address: int, new: bytes) -> bytes:
    """Put `new` at `address` behind everybody's back; what was there."""
    found = machine.memory.find(address, len(new))
    if found is None:
        raise misuse("a remapped word is no memory", "fpb", address, machine.core.pc)
    span, offset = found
    old = bytes(span.buffer[offset : offset + len(new)])
    span.buffer[offset : offset + len(new)] = new
    machine.forget_code(address, len(new))
    return old
