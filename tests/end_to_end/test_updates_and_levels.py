"""What only a whole board shows: many updates in one boot, and a handler's fault above a program."""

from dataclasses import replace

import pytest
from patchctl.contract import Counter, PatchState

pytestmark = pytest.mark.xdist_group("nrf52840dk-micropython")

UNMAPPED = 0x6000_0000
BYTE_US = 87  # on the wire
EXCEPTION = 0x1FF  # of xPSR


def test_a_dozen_updates_without_a_reset_and_the_last_is_in_force(bench, built, seal):
    for number in range(1, 13):
        install, undo = seal(replace(built, sequence=number))
        report = bench.device.push(install, undo=undo)
        assert (report.state, report.armed) == (PatchState.UPDATED, True)

    assert "ImportError: not a module" in bench.attack()
    assert bench.hits() == 1
    assert bench.machine.faults == []


def thread_is_in(machine, function: str) -> bool:
    registers = machine.registers()
    return registers["xpsr"] & EXCEPTION == 0 and machine.symbol_at(registers["pc"]) == function


def start_hit(machine, snapshot) -> None:
    machine.restore(snapshot)
    machine.serial.feed(b"from m import *\r")


def interrupted_by_a_byte(machine, snapshot, at_us: int) -> str:
    """Where the thread was when the byte that arrives at about `at_us` made the serial handler fault."""
    start_hit(machine, snapshot)
    machine.run_us(at_us - BYTE_US - machine.now_us)
    machine.write_memory(machine.symbols["serial_in"], UNMAPPED.to_bytes(4, "little"))
    machine.serial.feed(b"x")
    machine.run_us(BYTE_US - 3)
    where = ""
    while not machine.faults:
        registers = machine.registers()
        if registers["xpsr"] & EXCEPTION == 0:
            where = machine.symbol_at(registers["pc"])
        machine.run(instructions=1)
    return where


def test_a_fault_of_the_serial_handler_above_a_program_is_the_firmware_s_own(bench, seal, built):
    machine = bench.machine
    install, undo = seal(built)
    bench.device.push(install, undo=undo)
    bench.console.line("import sys; sys.modules['m'] = 42")
    before = bench.device.counters()[Counter.CORE_FAULTS]
    machine.run_us(4_000_000)  # the session is over
    snapshot = machine.snapshot()
    start_hit(machine, snapshot)
    while not thread_is_in(machine, "hp_vm_run"):
        machine.run(instructions=40)
    at_us = machine.now_us
    for offset_us in range(-4, 12):
        where = interrupted_by_a_byte(machine, snapshot, at_us + offset_us)
        if where == "hp_vm_run":
            break
    machine.run_us(1000)

    assert (where, before) == ("hp_vm_run", 0)
    assert [machine.symbol_at(fault.pc) for fault in machine.faults] == ["hp_ring_put"]
    assert machine.symbol_at(machine.registers()["pc"]) == "firmware_fault"
