"""The fence around Unicorn: each trap that cpu.py works around, shown on a few instructions."""

import mmap
import struct

import pytest
from patchctl.emulator.cpu import Cpu, Reason
from patchctl.emulator.registers import UnmodelledAccess

CODE, RAM, DEVICE = 0x1000, 0x2000_0000, 0x4000_0000
LOOP = 0xE7FE


def cpu_with(*halfwords, **devices):
    """A core whose flash at 0 holds `halfwords` at CODE."""
    cpu = Cpu("cortex-m4f")
    flash = mmap.mmap(-1, 0x4000)
    flash[CODE : CODE + 2 * len(halfwords)] = struct.pack(f"<{len(halfwords)}H", *halfwords)
    cpu.map_memory(0, flash, "rx")
    cpu.map_memory(RAM, mmap.mmap(-1, 0x1000), "rwx")
    if devices:
        cpu.map_device(DEVICE, 0x1000, devices["read"], devices["write"])
    return cpu


def test_a_flash_store_in_an_it_block_does_not_leak_its_condition():
    # movs r2,#0; cmp r2,#0; it eq; streq r1,[r0]; cmp r2,#1; b next; adds r2,#5; adds r2,#6; b .
    cpu = cpu_with(0x2200, 0x2A00, 0xBF08, 0x6001, 0x2A01, 0xE7FF, 0x3205, 0x3206, LOOP)
    stores = []
    cpu.on_store(lambda address, size, value: stores.append((address, size, value)) is None)
    registers = cpu.batch("r0", "r1")
    registers.write(0x2000, 0x1234)
    cpu.run(CODE, 20)
    assert stores == [(0x2000, 4, 0x1234)]
    assert cpu.batch("r2").read() == [11]


def test_a_device_ends_the_slice_behind_the_access_which_happens_once():
    writes = []

    def write(offset, size, value):
        writes.append((offset, value))
        cpu.end_slice()

    # str r1,[r0] with post-index; nop; b .
    cpu = cpu_with(0xF840, 0x1B04, 0xBF00, LOOP, read=lambda offset, size: 0, write=write)
    cpu.batch("r0", "r1").write(DEVICE, 7)
    stop = cpu.run(CODE, 100)
    assert (stop.reason, stop.pc, stop.executed, writes) == (Reason.COUNT, CODE + 4, 1, [(0, 7)])
    assert cpu.batch("r0").read() == [DEVICE + 4]


def test_an_exit_stops_before_its_instruction_even_after_translation():
    cpu = cpu_with(0x3001, 0x3001, 0xE7FC)  # adds r0,#1; adds r0,#1; b CODE
    cpu.run(CODE, 30)
    cpu.set_exits([CODE + 2])
    cpu.batch("r0").write(0)
    stop = cpu.run(CODE, 30)
    assert (stop.reason, stop.pc, cpu.batch("r0").read()) == (Reason.EARLY, CODE + 2, [1])
    assert cpu.step_over(CODE + 2).pc == CODE + 4
    cpu.set_exits([])
    assert cpu.run(CODE, 30).reason is Reason.COUNT


def test_wfe_is_a_nop_and_an_undefined_instruction_behind_it_is_not():
    cpu = cpu_with(0xBF20, 0x2001, 0xBF20, 0xDE01)  # wfe; movs r0,#1; wfe; udf
    for count in (10, 1):
        cpu.reset()
        stop = cpu.run(CODE, count)
        while stop.reason is Reason.COUNT:
            stop = cpu.run(stop.pc, count)
        assert (stop.reason, stop.pc, cpu.batch("r0").read()) == (Reason.INVALID, CODE + 6, [1])


def test_what_a_device_raises_comes_out_of_the_run():
    def read(offset, size):
        raise UnmodelledAccess("nothing here")

    cpu = cpu_with(0x6800, LOOP, read=read, write=lambda offset, size, value: None)  # ldr r0,[r0]; b .
    cpu.batch("r0").write(DEVICE)
    with pytest.raises(UnmodelledAccess, match="nothing here"):
        cpu.run(CODE, 10)
    assert cpu.run(CODE + 2, 10).executed == 10
