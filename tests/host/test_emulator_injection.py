"""Faults on purpose: each is what it says, repeats, and leaves the board usable."""

import pytest
from emulator_boards import core_probe, finish, firmware
from patchctl.board import load_board
from patchctl.emulator import Machine, injection
from patchctl.emulator.flash import TORN_SHAPES
from patchctl.errors import InputError


def echo(name="nrf52840dk"):
    board = load_board(name)
    machine = Machine(board, firmware("echo", board.chip.core, name))
    machine.run_until_output(b"ready\n")
    return machine


def flash_case(name):
    return core_probe(name, 16)


def start_again(machine):
    machine.write_memory(machine.symbols["which"], (16).to_bytes(4, "little"))


@pytest.mark.parametrize("name", ["nrf5340dk", "stm32l475", "nucleo_g0b1re"])
@pytest.mark.parametrize("shape", range(TORN_SHAPES))
def test_a_cut_in_every_shape_leaves_a_board_that_does_its_work_afterwards(name, shape):
    machine = flash_case(name)
    machine.write_memory(machine.board.keys.address, b"keys")
    total = injection.flash_operations(machine, lambda: finish(machine))
    assert total == 3
    for operation in range(shape % 2, total, 2):
        machine.power_cycle()
        start_again(machine)
        assert injection.with_cut(machine, injection.Cut(operation, shape), lambda: finish(machine))
        assert machine.read_memory(machine.board.keys.address, 4) == b"keys"
        start_again(machine)
        said = finish(machine)
        assert said["erased"] == 0xFFFF_FFFF
        assert said["low"] == (0x1122_0044 if name == "nrf5340dk" else 0x1122_3344)


def test_a_cut_before_changes_nothing_and_one_after_changes_all():
    for shape, wanted in ((injection.BEFORE, b"\xff" * 4), (injection.AFTER, b"\x44\x33\x22\x11")):
        machine = flash_case("nrf5340dk")
        assert injection.with_cut(machine, injection.Cut(1, shape), lambda m=machine: finish(m))
        assert machine.read_memory(0xE_0000, 4) == wanted


def test_a_cut_beyond_the_last_operation_does_not_come():
    machine = flash_case("nrf5340dk")
    assert not injection.with_cut(machine, injection.Cut(3, 5), lambda: finish(machine))
    machine.flash.erase(0xE_0000)


def test_cuts_reach_every_operation_and_every_shape_and_repeat():
    chosen = list(injection.cuts(7, 200))
    assert {cut.operations for cut in chosen[:7]} == set(range(7))
    assert {cut.shape for cut in chosen} == set(range(TORN_SHAPES))
    assert {(cut.operations, cut.shape) for cut in chosen} == {
        (operation, shape) for operation in range(7) for shape in range(TORN_SHAPES)
    }
    assert chosen == list(injection.cuts(7, 200)) != list(injection.cuts(7, 200, seed=1))
    with pytest.raises(InputError):
        next(injection.cuts(0, 1))


def test_a_reset_behind_any_instruction_keeps_flash_and_ram_and_starts_again():
    machine = echo()
    machine.write_memory(0x2001_0000, b"kept")
    for instructions in range(1, 60):
        before = machine.instructions
        injection.reset_after(machine, instructions)
        assert before < machine.instructions <= before + instructions + 3
        assert machine.core.pc == machine.symbols["Reset_Handler"]
    assert machine.read_memory(0x2001_0000, 4) == b"kept"
    assert machine.run_until_output(b"ready\n").endswith(b"ready\n")


def test_a_power_cycle_behind_an_instruction_loses_ram():
    machine = echo()
    machine.write_memory(0x2001_0000, b"kept")
    machine.reset()
    injection.power_cycle_after(machine, 100)
    assert machine.read_memory(0x2001_0000, 4) != b"kept"
    assert machine.run_until_output(b"ready\n").endswith(b"ready\n")


def test_flipped_bits_are_seen_without_ecc():
    machine = echo()
    machine.flash.program(0xE_0000, b"\x0f\x0f\x0f\x0f")
    injection.flip_bits(machine, 0xE_0001, b"\x81")
    assert machine.read_memory(0xE_0000, 4) == b"\x0f\x8e\x0f\x0f"


def test_ecc_corrects_one_bit_and_two_cannot_be_read():
    machine = core_probe("stm32l475", 18)
    page = machine.board.store.address
    machine.write_memory(machine.symbols["address"], page.to_bytes(4, "little"))
    machine.flash.program(page, b"12345678")
    snapshot = machine.snapshot()
    injection.flip_bits(machine, page + 3, b"\x01")
    assert finish(machine) == {"read": 0x3433_3231}
    machine.restore(snapshot)
    injection.flip_bits(machine, page + 3, b"\x01\x01")
    assert finish(machine)["nmi"] >> 31
    machine.restore(snapshot)
    assert finish(machine) == {"read": 0x3433_3231}


@pytest.mark.parametrize("name", ["nrf52840dk", "nrf5340dk", "stm32l475", "nucleo_g0b1re"])
def test_a_noisy_line_garbles_and_loses_bytes_the_same_way_each_time(name):
    sent = bytes(range(200))
    outputs = []
    for _ in range(2):
        machine = echo(name)
        injection.disturb(machine, to_board=injection.Noise(1, 10), to_host=injection.Noise(2, 20, lose=True))
        machine.serial.feed(sent)
        machine.run_us(40_000)
        outputs.append(machine.serial.take())
        injection.disturb(machine)
        machine.serial.feed(b"HAL")
        machine.run_us(2000)
        assert machine.serial.take() == b"IBM"
    assert outputs[0] == outputs[1]
    assert 150 < len(outputs[0]) < 200
    assert outputs[0] != bytes(range(1, 201))


def test_noise_is_part_of_a_snapshot():
    machine = echo()
    injection.disturb(machine, to_board=injection.Noise(3, 4))
    snapshot = machine.snapshot()
    outputs = []
    for _ in range(2):
        machine.serial.feed(bytes(50))
        machine.run_us(10_000)
        outputs.append(machine.serial.take())
        machine.restore(snapshot)
    assert outputs[0] == outputs[1] != bytes([1]) * 50


@pytest.mark.parametrize("name", ["nrf52840dk", "nrf5340dk", "stm32l475", "nucleo_g0b1re"])
def test_a_stuck_transmitter_says_nothing_more_until_reset(name):
    machine = echo(name)
    injection.stick(machine)
    machine.serial.feed(b"abc")
    machine.run_us(5000)
    assert machine.serial.take() == b""
    injection.stick(machine, False)
    machine.reset()
    assert machine.run_until_output(b"ready\n") == b"ready\n"
