"""Every register that firmware touches is a row of a model's table; without it the board stops loudly."""

from functools import cache

import pytest
from emulator_boards import BOARDS
from patchctl.board import load_board
from patchctl.emulator import Machine
from patchctl.emulator.registers import RegisterFile, UnmodelledAccess

from tests.micropython.firmware import firmware_elf

LIMIT_US = 300_000  # a board that polls what no model knows fails soon


@cache
def image(name):
    return firmware_elf(name, "bare").read_bytes()


def powered_on(name):
    """The board with a page of its store spoiled, so that the boot erases and programs."""
    machine = Machine(load_board(name), image(name))
    machine.flash.load(machine.board.store.address, bytes(machine.board.flash.page_bytes))
    return machine


def boot_and_type(machine):
    machine.run_until_output(b"bare> ", limit_us=LIMIT_US)
    machine.serial.feed(b"uptime\r")
    machine.run_until_output(b"\r\nbare> ", limit_us=LIMIT_US)


def registers_touched(name):
    """(device, offset) of each word that a boot and a typed line reach."""
    seen = set()

    def noting(whole):
        def access(registers, offset, *rest):
            seen.add((registers.name, offset & ~3))
            return whole(registers, offset, *rest)

        return access

    with pytest.MonkeyPatch.context() as patch:
        for verb in ("read", "write"):
            patch.setattr(RegisterFile, verb, noting(getattr(RegisterFile, verb)))
        boot_and_type(powered_on(name))
    return sorted(seen)


@pytest.mark.parametrize("name", BOARDS)
def test_any_register_that_the_firmware_touches_stops_the_board_if_no_model_knows_it(name):
    found = registers_touched(name)
    assert {"system", load_board(name).link.device} < {device for device, _ in found}
    for device, offset in found:
        machine = powered_on(name)
        registers = (machine.system if device == "system" else machine.devices[device]).registers
        del registers.table[offset]
        with pytest.raises(UnmodelledAccess) as caught:
            boot_and_type(machine)
        words = [f"at 0x{registers.address + offset + byte:08x} ({device})" for byte in range(4)]
        assert any(word in caught.value.what for word in words)
