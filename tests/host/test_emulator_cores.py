"""The four cores and their chips' peripherals, each behaviour on every board that has it."""

import hashlib
from dataclasses import replace

import pytest
from emulator_boards import BOARDS, core_probe, finish, firmware
from patchctl.board import load_board
from patchctl.emulator import Machine
from patchctl.emulator.registers import UnmodelledAccess

FORCED, DEBUGEVT, STKOF = 1 << 30, 1 << 31, 1 << 20
MAIN = ("nrf52840dk", "stm32l475", "nrf5340dk")  # cores with fault registers and FPB
STM32 = ("stm32l475", "nucleo_g0b1re")
every_board = pytest.mark.parametrize("name", BOARDS)
main_boards = pytest.mark.parametrize("name", MAIN)
stm32_boards = pytest.mark.parametrize("name", STM32)


def is_main(name):
    return name in MAIN


@every_board
def test_an_undefined_instruction_becomes_a_hard_fault(name):
    machine = core_probe(name, 0)
    assert finish(machine) == {"hardfault": FORCED if is_main(name) else 0}
    (fault,) = machine.faults
    assert (fault.exception, fault.pc) == (3, machine.symbols["undefined_at"])
    assert fault.cfsr == (1 << 16 if is_main(name) else 0)


@every_board
def test_registers_and_flags_survive_an_exception_and_frames_are_aligned(name):
    assert finish(core_probe(name, 1)) == {
        "low": 0x89ABC, "high": 0x234567, "zero": 0, "main misaligned": 0, "process misaligned": 0,
    }  # fmt: skip


@every_board
def test_priorities_preempt_and_an_equal_one_is_chained_without_unstacking(name):
    assert finish(core_probe(name, 2)) == {"trace": 0xA1B3, "chained in place": 1}


@every_board
def test_a_breakpoint_instruction_without_a_monitor_is_a_hard_fault(name):
    machine = core_probe(name, 3)
    assert finish(machine) == {"hardfault": DEBUGEVT if is_main(name) else 0}
    assert machine.faults[0].pc == machine.symbols["bkpt_at"]


@every_board
def test_a_supervisor_call_under_primask_is_a_hard_fault(name):
    machine = core_probe(name, 4)
    assert finish(machine) == {"hardfault": FORCED if is_main(name) else 0}
    assert machine.faults[0].pc == machine.symbols["svc_at"]


@every_board
def test_a_second_fault_locks_up_and_nmi_still_preempts_a_hard_fault(name):
    machine = core_probe(name, 0)
    machine.write_memory(machine.symbols["again"], b"\1")
    machine.run_us(2000)
    assert machine.lockup
    machine = core_probe(name, 0)
    machine.write_memory(machine.symbols["again"], b"\2")
    assert finish(machine)["trace"] == 0x324


@every_board
def test_thread_and_nested_exc_return_values_and_control_in_a_handler(name):
    links = finish(core_probe(name, 27))
    assert links == {"thread link": 0xFFFF_FFFD, "nested link": 0xFFFF_FFF1, "nested control": 0}


@every_board
def test_slicing_changes_nothing_on_any_core(name):
    prints = []
    for slice_instructions in (100_000, 777, 13, 1):
        machine = core_probe(name, 25, slice_instructions=slice_instructions)
        said = finish(machine)
        ram = machine.read_memory(machine.board.ram.address, machine.board.ram.bytes)
        prints.append((said, machine.instructions, machine.clock.now, hashlib.sha256(ram).hexdigest()))
    assert prints[0][0] == {"ticks": 40}
    assert all(print_ == prints[0] for print_ in prints)


@every_board
def test_a_snapshot_restores_on_every_board(name):
    machine = core_probe(name, 25)
    machine.run_us(100)
    snapshot = machine.snapshot()
    first = (finish(machine), machine.instructions, machine.now_us)
    machine.restore(snapshot)
    assert (finish(machine), machine.instructions, machine.now_us) == first


@every_board
def test_a_serial_line_echoes_by_interrupt(name):
    board = load_board(name)
    machine = Machine(board, firmware("echo", board.chip.core, name))
    machine.run_until_output(b"ready\n")
    start = machine.now_us
    machine.serial.feed(bytes(range(100)))
    assert machine.run_until_output(b"\x64") == bytes(range(1, 101))
    assert 100 * 86 < machine.now_us - start < 100 * 87 + 60


@main_boards
def test_floating_point_state_survives_a_handler_that_uses_it(name):
    assert finish(core_probe(name, 13)) == {"float": 0x4020_0001}


@main_boards
def test_the_cycle_counter_counts(name):
    assert finish(core_probe(name, 23)) == {"counted": 1}


@main_boards
def test_every_comparator_hits_on_either_half_of_a_word(name):
    count = 8 if name == "nrf5340dk" else 6
    control = 0x1000_0081 if name == "nrf5340dk" else 0x261
    assert finish(core_probe(name, 8)) == {"hits": count, "control": control, "second half": 2}


def test_the_cortex_m33_faults_on_a_push_below_its_stack_limit():
    machine = core_probe("nrf5340dk", 11)
    assert finish(machine) == {"cfsr": STKOF}
    assert (machine.faults[0].exception, machine.symbol_at(machine.faults[0].pc)) == (6, "dig")


def test_the_cortex_m33_faults_on_a_frame_below_its_stack_limit_before_the_exception():
    machine = core_probe("nrf5340dk", 17)
    assert finish(machine) == {"cfsr": STKOF}
    assert [(fault.exception, fault.cfsr) for fault in machine.faults] == [(6, STKOF)]
    assert 11 in machine.exceptions.pending  # the call waits


@pytest.mark.parametrize(("case", "word"), [(21, "0xe000ed28"), (22, "8 bits at 0xe000e400")])
def test_armv6m_has_no_fault_status_and_no_byte_priorities(case, word):
    with pytest.raises(UnmodelledAccess, match=word):
        finish(core_probe("nucleo_g0b1re", case))
    assert "hardfault" not in finish(core_probe("nrf5340dk", case))


@pytest.mark.parametrize(("name", "busy", "half"), [("stm32l475", 1, 0), ("nucleo_g0b1re", 0b110, 0b100)])
def test_stm32_flash_takes_double_words_once_and_says_what_it_refused(name, busy, half):
    machine = core_probe(name, 16)
    machine.write_memory(0x0802_0000, bytes(8))
    assert finish(machine) == {
        "runs on": busy, "erased": 0xFFFF_FFFF, "half": half, "not yet": 0xFFFF_FFFF,
        "low": 0x1122_3344, "high": 0x5566_7788, "twice": 8, "unchanged": 0x5566_7788,
        "second half first": 0x20, "byte": 0x40, "without PG": 0x80, "untouched": 0xFFFF_FFFF,
        "stood still": 0, "near": 0xFFFF_FFFF,
    }  # fmt: skip
    assert machine.flash.operations == 3
    assert machine.flash.rising_bits == 0
    assert machine.now_us > 44_000


@stm32_boards
def test_reading_a_torn_double_word_raises_nmi_under_either_address(name):
    board = load_board(name)
    for alias in (0, board.flash.address):
        machine = core_probe(name, 18)
        page = board.store.address
        machine.flash.program(page, bytes(8))
        machine.flash.cut_after(0, shape=2)
        with pytest.raises(Exception, match="power failed"):
            machine.flash.program(page + 8, bytes(8))
        where = page + 8 - alias
        machine.watch_torn_flash()
        machine.write_memory(machine.symbols["address"], where.to_bytes(4, "little"))
        offset = (page + 8 - board.flash.address) % board.flash.bank_bytes
        eccr = 1 << 31 | (1 << 19 | offset if name == "stm32l475" else 0)
        said = finish(machine)
        assert said.get("nmi", 0) & 0xF << 28 == (1 << 31 if name == "stm32l475" else 0)
        if name == "stm32l475":
            assert said["nmi"] == eccr
        else:
            assert machine.devices["flash_controller"].ecc[1] == 1 << 31 | offset // 8
        machine.flash.erase(page)
        assert machine.flash.torn == set()


@stm32_boards
def test_reading_a_whole_double_word_raises_nothing(name):
    machine = core_probe(name, 18)
    page = machine.board.store.address
    machine.flash.program(page, b"12345678")
    machine.write_memory(machine.symbols["address"], page.to_bytes(4, "little"))
    assert finish(machine) == {"read": 0x3433_3231}


@pytest.mark.parametrize(
    ("case", "words"),
    [
        (19, "RCC runs the chip at"),
        (20, "RCC does not give this device a clock"),
        (24, "wait states are too few"),
        (28, "locked"),
        (29, "key is wrong"),
    ],
)
@stm32_boards
def test_what_stm32_silicon_answers_with_silence_or_a_fault_is_a_loud_error(name, case, words):
    with pytest.raises(UnmodelledAccess, match=words):
        finish(core_probe(name, case))


def test_easydma_reaches_ram_only():
    with pytest.raises(UnmodelledAccess, match="EasyDMA reaches RAM only"):
        finish(core_probe("nrf5340dk", 28))


@pytest.mark.parametrize("factor", [1, 3])
def test_the_nrf5340_erases_by_a_store_of_ones_programs_by_and_and_takes_its_chip_files_time(factor):
    board = load_board("nrf5340dk")
    flash = replace(board.flash, erase_us=factor * board.flash.erase_us)
    regions = tuple(flash if region.name == flash.name else region for region in board.chip.region)
    machine = core_probe("nrf5340dk", 16, board=replace(board, chip=replace(board.chip, region=regions)))
    machine.write_memory(0xE_0000, bytes(0x1000))
    assert finish(machine) == {"erased": 0xFFFF_FFFF, "low": 0x1122_0044}
    assert machine.flash.operations == 3
    busy_us = flash.erase_us + 2 * flash.program_us
    assert busy_us < machine.now_us < busy_us + board.flash.erase_us


@pytest.mark.parametrize(("case", "words"), [(32, "does not give this device a clock"), (33, "48 MHz")])
def test_stm32_random_numbers_without_their_clocks_are_a_loud_error(case, words):
    with pytest.raises(UnmodelledAccess, match=words):
        finish(core_probe("stm32l475", case))


def test_stm32_random_words_repeat_with_the_seed_and_differ_with_another():
    first, again, other = (finish(core_probe("stm32l475", 34, seed=seed)) for seed in (5, 5, 6))
    assert first == again
    assert len({0, *first.values(), *other.values()}) == 5  # none early, then four different words


@stm32_boards
def test_a_pin_that_is_not_connected_is_a_loud_error(name):
    machine = core_probe(name, 25)
    for port in ("gpioa", "gpiob"):
        if port in machine.devices:
            machine.devices[port].function = lambda pin: 0
    with pytest.raises(UnmodelledAccess, match="no pin"):
        finish(machine)


@stm32_boards
def test_a_byte_before_the_last_one_was_read_is_an_overrun(name):
    machine = core_probe(name, 25)
    finish(machine)
    machine.serial.feed(b"ab")
    machine.run_us(1000)
    usart = machine.devices[machine.board.link.device]
    assert (usart.received, usart.flags & 1 << 3, usart.lost_bytes) == (ord("a"), 8, 1)
