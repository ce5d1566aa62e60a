"""The machine as a whole: determinism, serial line, snapshots, power, its pseudo-terminal."""

import hashlib
import os
import select
import socket
import threading
from functools import cache

import pytest
from emulator_boards import BOARDS, board_with, finish, firmware, probe
from patchctl.board import load_board
from patchctl.emulator import Machine, PowerCut
from patchctl.emulator.registers import Register
from patchctl.emulator.serial import SerialPort
from patchctl.emulator.terminal import TcpLine, run_line, serve
from patchctl.errors import ConfigError, InputError

from tests.micropython.firmware import firmware_elf

TOUR = (
    b"svc=0000000d\nfp_ctrl=00000260\nunarmed=0000000e\nreturn=00001092\nredirect=00000066\nskip=0000000d\n"
    b"disarmed=0000000e\nhits=00000003\nsvc from a task=00000017\nswitches=00000015\ndone\n"
)


@cache
def bare_image(name):
    return firmware_elf(name, "bare").read_bytes()


def machine_of(name, **options):
    return Machine(board_with(), firmware(name), **options)


def fingerprint(machine):
    rams = [region for region in machine.board.chip.region if "w" in region.access]
    data = b"".join(machine.read_memory(region.address, region.bytes) for region in rams)
    ram = hashlib.sha256(data).hexdigest()
    return machine.instructions, machine.clock.now, machine.registers(), ram


def test_a_tour_of_the_core_prints_what_silicon_would():
    assert machine_of("tour").run_until_output(b"done\n") == TOUR


def test_slicing_changes_neither_instructions_nor_time_nor_memory():
    prints = []
    for slice_instructions in (20_000, 777, 13, 1):
        machine = machine_of("tour", slice_instructions=slice_instructions)
        assert machine.run_until_output(b"done\n") == TOUR
        prints.append(fingerprint(machine))
    assert all(print_ == prints[0] for print_ in prints)


def typed_at(name, lines, slice_instructions):
    """What the bare image answers, and the board's fingerprint."""
    machine = Machine(load_board(name), bare_image(name), slice_instructions=slice_instructions)
    said = [machine.run_until_output(b"bare> ")]
    for line in lines:
        machine.serial.feed(line + b"\r")
        said.append(machine.run_until_output(b"\r\nbare> "))
    return said, fingerprint(machine)


@pytest.mark.parametrize("name", BOARDS)
def test_slicing_changes_nothing_for_a_board_that_is_typed_at(name):
    record = b"record 000432312e35"
    whole = typed_at(name, (b"uptime", record, b"patches"), 100_000)
    assert b"21.5, number 1" in whole[0][2]
    other = typed_at(name, (b"uptime", record[:-1] + b"6", b"patches"), 100_000)
    assert other[1] != whole[1]
    for slice_instructions in (777, 13, *([1] if name == "nrf52840dk" else [])):
        assert typed_at(name, (b"uptime", record, b"patches"), slice_instructions) == whole


def test_the_same_input_gives_the_same_run_and_another_input_another_output():
    machines = [machine_of("echo") for _ in range(3)]
    for machine, text in zip(machines, (b"a", b"a", b"b"), strict=True):
        machine.run_until_output(b"ready\n")
        machine.serial.feed(text)
        machine.run_us(1000)
    assert fingerprint(machines[0]) == fingerprint(machines[1])
    assert [machine.serial.take() for machine in machines] == [b"b", b"b", b"c"]


def test_bytes_arrive_at_the_lines_rate_and_are_echoed_by_interrupt():
    machine = machine_of("echo")
    machine.run_until_output(b"ready\n")
    start = machine.now_us
    machine.serial.feed(bytes(range(100)))
    assert machine.run_until_output(b"\x64") == bytes(range(1, 101))
    assert 100 * 86 < machine.now_us - start < 100 * 87 + 50


def test_bytes_sent_before_the_receiver_is_on_are_lost_as_on_a_wire():
    machine = machine_of("echo")
    machine.serial.feed(b"x")
    machine.run_us(5)
    uart = machine.devices["uart0"]
    uart.receiving = False
    machine.run_us(200)
    assert (uart.lost_bytes, machine.serial.take()) == (1, b"ready\n")


def test_a_seventh_unread_byte_overruns_the_fifo():
    machine = probe(21)
    machine.run_us(100)
    machine.serial.feed(b"1234567")
    machine.run_us(1000)
    uart = machine.devices["uart0"]
    assert (bytes(uart.fifo), uart.error_source, "ERROR" in uart.events) == (b"123456", 1, True)


def test_each_register_access_happens_exactly_once():
    machine = probe(7)
    table = machine.system.registers.table
    writes = []
    pend = table[0xE200]
    table[0xE200] = Register("ISPR0", pend.read, lambda value: (writes.append(value), pend.write(value)))
    finish(machine)
    assert writes == [1, 0xA]


def test_a_snapshot_restores_everything_and_may_be_used_again():
    machine = machine_of("tour")
    machine.run(50_000)
    snapshot = machine.snapshot()
    before = fingerprint(machine)
    texts = []
    for _ in range(2):
        texts.append((machine.run_until_output(b"done\n"), fingerprint(machine)))
        machine.restore(snapshot)
        assert fingerprint(machine) == before
    assert texts[0] == texts[1]


def test_a_snapshot_restores_the_count_of_resets():
    machine = machine_of("tour")
    machine.reset()
    once = machine.snapshot()
    machine.reset()
    assert machine.resets == 2

    machine.restore(once)

    assert machine.resets == 1


def test_a_snapshot_restores_flash_and_comparators():
    machine = probe(5)
    machine.run(0)
    snapshot = machine.snapshot()
    old = machine.flash_bytes()
    machine.flash.program(0xE_0000, bytes(4))
    finish(machine)
    machine.restore(snapshot)
    assert machine.flash_bytes() == old
    assert finish(machine) == {"victim": 2}


def test_a_power_cut_tears_the_operation_and_the_board_boots_again():
    machine = probe(11)
    machine.flash.cut_after(1, shape=0)
    with pytest.raises(PowerCut):
        finish(machine)
    assert machine.read_memory(0xE_0000, 4) == b"\xff" * 4
    machine.power_cycle()
    machine.write_memory(machine.symbols["which"], (14).to_bytes(4, "little"))
    assert finish(machine) == {"enable": 4}


def test_ram_does_not_survive_a_power_cycle_but_does_a_reset():
    machine = machine_of("echo")
    machine.write_memory(0x2001_0000, b"kept")
    machine.reset()
    assert machine.read_memory(0x2001_0000, 4) == b"kept"
    machine.power_cycle()
    assert machine.read_memory(0x2001_0000, 4) != b"kept"


def test_a_key_page_and_earlier_flash_are_there_at_power_on():
    machine = machine_of("echo", provisioning=b"keys")
    assert machine.read_memory(0xF_F000, 6) == b"keys\xff\xff"
    machine.write_memory(0xE_0000, b"patch")
    other = machine_of("echo", flash=machine.flash_bytes())
    assert other.flash_bytes() == machine.flash_bytes()
    assert other.run_until_output(b"ready\n") == b"ready\n"
    with pytest.raises(InputError):
        machine.load_key_page(bytes(4097))


def test_output_that_never_comes_is_reported_with_what_came():
    with pytest.raises(InputError, match="ready"):
        machine_of("echo").run_until_output(b"never", limit_us=1000)


@pytest.mark.parametrize(
    ("parts", "ends"),
    [
        ([b"ab", b"c>>", b"> x"], [-1, -1, 7]),  # the marker in two pieces
        ([b"", b">", b">", b">>> "], [-1, -1, -1, 6]),  # behind what only begins like it
        ([b">>> a", b">>> b"], [4, 4]),
        ([b">>", b">>"], [-1, -1]),
    ],
)
def test_a_marker_is_found_once_all_of_it_has_come_however_it_came(parts, ends):
    port = SerialPort()
    ends_at = port.finder(b">>> ")
    for part, end in zip(parts, ends, strict=True):
        port.output += part
        assert ends_at() == end == (port.output.find(b">>> ") + 4 if b">>> " in port.output else -1)


def test_output_behind_the_marker_is_left_and_what_was_there_before_counts():
    machine = machine_of("echo")
    machine.run_until_output(b"ready\n")
    machine.serial.feed(b"abcab")
    machine.run_us(2000)
    now = machine.now_us
    assert [machine.run_until_output(wanted) for wanted in (b"bc", b"", b"d")] == [b"bc", b"", b"d"]
    assert (machine.now_us, machine.serial.take()) == (now, b"bc")


def test_addresses_find_their_function():
    machine = machine_of("echo")
    assert machine.symbol_at(machine.symbols["Uart_Handler"] + 4) == "Uart_Handler"
    assert machine.symbol_at(0x2000_0000) == ""


@pytest.mark.parametrize("image", [b"no elf", b"\x7fELF" + bytes(60)])
def test_what_is_no_arm_elf_is_refused(image):
    with pytest.raises(InputError):
        Machine(board_with(), image)


def test_an_unknown_core_is_refused():
    with pytest.raises(ConfigError, match="cortex-m99"):
        Machine(board_with("cortex-m99"), firmware("echo"))


def test_flash_of_a_file_outlives_the_machine(tmp_path):
    path = tmp_path / "flash.bin"
    machine = machine_of("echo", flash_file=path)
    machine.flash.program(0xE_0000, b"abcd")
    assert machine_of("echo", flash_file=path).read_memory(0xE_0000, 4) == b"abcd"


def read_until(descriptor, wanted):
    data = b""
    while wanted not in data:
        assert select.select([descriptor], [], [], 20)[0], data
        data += os.read(descriptor, 100)
    return data


def open_terminal(machine, stop):
    return os.open(serve(machine, stop), os.O_RDWR | os.O_NOCTTY)


def open_port(machine, stop):
    host, port = serve(machine, stop, TcpLine()).split(":")
    return socket.create_connection((host, int(port))).detach()


@pytest.mark.parametrize(
    ("open_line", "greeting"),
    [(open_terminal, b"ready\n"), (open_port, b"")],  # nobody was at the port when the board said it
)
def test_a_line_carries_bytes_both_ways(open_line, greeting):
    machine, stop = machine_of("echo"), threading.Event()
    descriptor = open_line(machine, stop)
    try:
        read_until(descriptor, greeting)
        os.write(descriptor, b"HAL")
        assert read_until(descriptor, b"IBM").endswith(b"IBM")
    finally:
        stop.set()
        os.close(descriptor)


class ScriptedLine:
    """Input by step; notes how long it was asked to wait."""

    path = "script"

    def __init__(self, inputs):
        self.inputs, self.output, self.waits = list(inputs), b"", []

    def exchange(self, output, wait_s):
        self.output += output
        self.waits.append(wait_s)
        return self.inputs.pop(0) if self.inputs else b""

    def close(self):
        pass


def test_virtual_time_waits_for_the_wall_clock():
    machine, line = machine_of("echo"), ScriptedLine([b"", b"HAL"])
    run_line(machine, line, lambda: len(line.waits) == 4, lambda: 0.0)
    assert line.output == b"ready\nIBM"
    assert line.waits == pytest.approx([0.005, 0.010, 0.015, 0.020], abs=1e-4)


def test_a_slow_host_loses_pace_instead_of_time():
    ticks = iter(range(100))
    machine, line = machine_of("echo"), ScriptedLine([])
    run_line(machine, line, lambda: len(line.waits) == 3, lambda: float(next(ticks)))
    assert line.waits == [0.0, 0.0, 0.0]
    assert machine.now_us == 15_000


def test_a_tcp_port_in_use_is_a_clear_error():
    first = TcpLine()
    with pytest.raises(InputError, match="cannot listen"):
        TcpLine(int(first.path.rsplit(":", 1)[1]))
    first.close()
