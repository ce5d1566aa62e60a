"""Exceptions, faults, breakpoints: one behaviour of the core a test. Sources as in the emulator's modules."""

import pytest
from emulator_boards import board_with, finish, probe
from patchctl.emulator.registers import UnmodelledAccess
from patchctl.errors import InputError

FORCED, DEBUGEVT = 1 << 30, 1 << 31
MAINLINE = ("cortex-m4f", "cortex-m33f")
mainline = pytest.mark.parametrize("core", MAINLINE)


def only_fault(machine):
    assert len(machine.faults) == 1
    return machine.faults[0]


@mainline
@pytest.mark.parametrize(("which", "exception", "hfsr"), [(0, 3, FORCED), (1, 6, 0)])
def test_an_undefined_instruction_is_a_usage_fault_where_enabled_and_else_a_hard_fault(
    which, exception, hfsr, core
):
    machine = probe(which, core)
    said = finish(machine)
    fault = only_fault(machine)
    assert (fault.exception, fault.pc, fault.cfsr, fault.hfsr) == (
        exception, machine.symbols["undefined_at"], 1 << 16, hfsr,
    )  # fmt: skip
    assert said == ({"hardfault": FORCED} if exception == 3 else {"usagefault": 1 << 16})


@mainline
def test_a_load_from_nowhere_is_a_precise_bus_fault_with_its_address_and_a_stacked_pc(core):
    machine = probe(2, core)
    assert finish(machine) == {"hardfault": FORCED}
    fault = only_fault(machine)
    assert (fault.pc, fault.cfsr, fault.bfar) == (machine.symbols["load_at"], 0x8200, 0x3000_0000)
    assert machine.symbol_at(fault.pc) == "load_from"


@mainline
def test_a_branch_to_an_even_address_is_an_invalid_state(core):
    machine = probe(20, core)
    finish(machine)
    assert (only_fault(machine).cfsr, only_fault(machine).pc) == (1 << 17, 0x100)


@mainline
@pytest.mark.parametrize(("which", "again"), [(0, 1), (22, 0)])
def test_a_fault_under_hard_fault_or_faultmask_locks_up_and_time_goes_on(which, again, core):
    machine = probe(which, core, fault_again=again)
    machine.run_us(1000)
    assert machine.lockup
    stopped_at = machine.instructions
    machine.run_us(1000)
    assert (machine.instructions, machine.now_us) == (stopped_at, 2000)
    with pytest.raises(InputError, match="for ever"):
        machine.run()


def test_a_reset_ends_a_lockup():
    machine = probe(0, fault_again=1)
    machine.run_us(1000)
    machine.write_memory(machine.symbols["fault_again"], bytes(4))
    machine.reset()
    assert (machine.lockup, finish(machine)) == ("", {"hardfault": FORCED})


def test_the_cortex_m0_has_hard_faults_only_and_faults_on_unaligned_loads():
    for which, at in ((0, "undefined_at"), (15, "load_at"), (2, "load_at")):
        machine = probe(which, "cortex-m0plus")
        machine.run(640_000, lambda machine=machine: bool(machine.faults))
        fault = only_fault(machine)
        assert (fault.exception, fault.pc, fault.cfsr, fault.hfsr) == (3, machine.symbols[at], 0, 0)


def test_the_cortex_m4_loads_an_unaligned_word():
    assert "unaligned" in finish(probe(15))


def test_a_breakpoint_reaches_debug_monitor_with_the_pc_of_its_site():
    machine = probe(5)
    assert finish(machine) == {"victim": 2}
    assert machine.faults == []
    assert monitor(machine) == (1, machine.symbols["victim"])


def monitor(machine):
    values = [machine.read_memory(machine.symbols[name], 4) for name in ("monitor_hits", "monitor_pc")]
    return tuple(int.from_bytes(value, "little") for value in values)


def test_a_breakpoint_hits_again_while_its_comparator_stays_armed():
    machine = probe(5, monitor_limit=3)
    assert finish(machine) == {"victim": 2}
    assert monitor(machine)[0] == 3


def test_a_masked_breakpoint_becomes_a_hard_fault_with_debugevt():
    machine = probe(4)
    assert finish(machine) == {"hardfault": DEBUGEVT}
    fault = only_fault(machine)
    assert (fault.pc, fault.hfsr) == (machine.symbols["victim"], DEBUGEVT)
    assert monitor(machine)[0] == 0


def test_a_masked_breakpoint_is_ignored_by_chips_that_do_so():
    machine = probe(4, board=board_with(masked_match="ignored"))
    assert finish(machine) == {}
    assert (machine.faults, monitor(machine)[0]) == ([], 0)


def test_an_unmasked_breakpoint_is_taken_by_chips_that_ignore_masked_ones():
    machine = probe(5, board=board_with(masked_match="ignored"))
    finish(machine)
    assert monitor(machine)[0] == 1


def test_a_breakpoint_inside_an_it_block_keeps_its_conditions():
    machine = probe(10)
    assert finish(machine) == {"eq": 1 + 16 + 32, "ne": 2 + 64 + 128}
    assert monitor(machine) == (1, machine.symbols["it_at"])


def test_comparators_outlive_a_system_reset_and_mon_en_does_not():
    machine = probe(16)
    text = machine.run_until_output(b"done\n").decode()
    assert text == "monitor on=00000001\nmonitor on=00000000\ncomparator on=00000001\ndone\n"
    assert machine.resets == 1


def test_a_power_cycle_disarms_all_comparators():
    machine = probe(16)
    machine.run_until_output(b"done\n")
    machine.power_cycle()
    machine.write_memory(machine.symbols["which"], (17).to_bytes(4, "little"))
    assert finish(machine) == {"monitor on": 0, "comparator on": 0}


def test_a_higher_priority_preempts_and_an_equal_one_waits():
    assert finish(probe(7)) == {"trace": 0xA1B3}


@mainline
def test_basepri_holds_back_equal_and_lower_priorities_only(core):
    assert finish(probe(6, core)) == {"trace": 0x1F3A13B}


@pytest.mark.parametrize("slice_instructions", [1, 13, 20_000])
def test_a_pending_exception_is_taken_right_behind_cpsie(slice_instructions):
    machine = probe(8)
    machine.slice_instructions = slice_instructions
    assert finish(machine) == {"taken at": 0}


@mainline
def test_floating_point_registers_survive_an_interrupt_on_an_unaligned_stack(core):
    assert finish(probe(9, core)) == {
        "float": 0x4020_0000,
        "below 8": 0,
    }  # 1.0 + 1.5, and the stack is where it was


@mainline
def test_floating_point_before_cpacr_is_a_loud_error(core):
    with pytest.raises(InputError, match="CPACR"):
        finish(probe(18, core))


@pytest.mark.parametrize(
    ("which", "words"),
    [
        (12, ("uart0", "40002ffc", "read")),
        (13, ("no device", "40001000")),
        (23, ("uart0.CONFIG", "4000256c")),
        (24, ("fpb.FP_COMP6", "literal")),
    ],
)
def test_what_no_model_knows_is_a_loud_error_with_device_address_and_pc(which, words):
    machine = probe(which)
    with pytest.raises(UnmodelledAccess) as caught:
        machine.run_us(10_000)
    for word in (*words, "by the instruction at 0x0000"):
        assert word in caught.value.what


def test_a_modelled_register_is_read():
    assert finish(probe(14)) == {"enable": 4}


def test_wfi_skips_to_the_next_event_and_time_is_exact():
    machine = probe(21)
    finish(machine)
    assert 100_000 <= machine.now_us < 101_500
    assert machine.instructions < 20_000


def test_the_nvmc_erases_programs_by_and_and_stalls_even_from_an_it_block():
    machine = probe(11)
    machine.write_memory(0xE_0000, bytes(0x1000))
    assert finish(machine) == {"it": 11, "first": 0x0FFF_00FF, "second": 0x1234_5678}
    assert machine.flash.operations == 4
    assert machine.now_us > 85_000 + 3 * 41
    assert machine.flash_bytes()[0xE_0008:0xE_1000] == b"\xff" * 0xFF8


def test_a_store_to_flash_without_write_enable_is_a_bus_fault_and_changes_nothing():
    machine = probe(19)
    assert finish(machine) == {"hardfault": FORCED}
    assert only_fault(machine).bfar == 0xE_0000
    assert machine.flash.operations == 0


@pytest.mark.parametrize("core", [*MAINLINE, "cortex-m0plus"])
def test_wfi_ends_under_primask_and_the_handler_waits(core):
    assert finish(probe(25, core)) == {"handler ran": 0, "handler ran then": 1}


@mainline
def test_an_illegal_exc_return_is_an_invalid_pc(core):
    machine = probe(26, core)
    assert finish(machine) == {"hardfault": FORCED}
    assert only_fault(machine).cfsr == 1 << 18


@mainline
def test_unprivileged_threads_take_exceptions_and_stay_unprivileged(core):
    assert finish(probe(27, core)) == {"control": 3}


@mainline
def test_systick_and_the_cycle_counter_agree_with_time(core):
    said = finish(probe(28, core))
    assert 400 < said["cycles"] < 2000
    assert said["value"] < 1000
    assert said["flag"] == (said["cycles"] > 1000)


@mainline
def test_a_frame_that_cannot_be_stacked_is_a_stacking_error(core):
    machine = probe(29, core)
    machine.run_us(1000)
    assert machine.faults[0].cfsr & 1 << 12
    assert machine.faults[0].exception == 3


def test_random_bytes_repeat_with_the_seed_and_differ_with_another():
    first, again, other = (finish(probe(30, seed=seed)) for seed in (5, 5, 6))
    assert first == again != other


def test_code_in_ram_may_change_itself():
    assert finish(probe(31)) == {"first": 1, "second": 2}


def test_code_that_the_host_changes_is_translated_anew():
    machine = probe(14)
    snapshot = machine.snapshot()
    assert finish(machine) == {"enable": 4}
    machine.restore(snapshot)
    machine.write_memory(machine.symbols["load_at"], b"\x07\x20")  # movs r0, #7
    assert finish(machine) == {"enable": 7}


def test_a_line_that_stays_high_enters_its_handler_again():
    assert finish(probe(32)) == {"entries": 3}


@mainline
def test_faultmask_is_cleared_when_a_handler_returns(core):
    assert finish(probe(33, core)) == {"trace": 1, "faultmask": 0}
