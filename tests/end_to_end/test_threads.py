"""Hits on process stacks: with room the program runs, without it the safe verdict; threads inside at once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from patchctl.board import board_names
from patchctl.contract import STATUS_TEXT, Counter, Fault, PatchState, Status
from patchctl.emulator import faults
from patchctl.emulator.exceptions import BUS_FAULT
from patchctl.errors import PatchctlError
from patchctl.package.envelope import seal_patch

from tests.end_to_end.conftest import KEY
from tests.end_to_end.targets import Case, Target, make_target

THREADS = Case(
    image="threads",
    patch="parser",
    prompt=b"threads> ",
    attack=(b"first 0118" + b"41" * 24,),
    faults_in="count_reading",
    answer=b"refused\r\n",
    benign=(b"first 0103686f74",),
)
FITS, TOO_LONG = b"0103686f74", b"0118" + b"41" * 24
PENDSV = 14
EXCEPTION, THREAD = 0x1FF, 0  # of xPSR
PROCESS_STACK = 2  # CONTROL.SPSEL
PRECISE, IMPRECISE = 1 << 9, 1 << 10  # CFSR.PRECISERR, CFSR.IMPRECISERR
ROOMY_BYTES = 4 * 320  # threads/main.c
OUTSIDE = 0x6000_0000  # no memory of any board
WITH_LIMIT_REGISTER = "nrf5340dk"


@pytest.fixture
def target(request) -> Target:
    made = make_target(request.param, THREADS)
    made.machine.restore(made.patched)
    return made


every_board = pytest.mark.parametrize(
    "target",
    [pytest.param(name, marks=pytest.mark.xdist_group(f"{name}-threads")) for name in board_names()],
    indirect=True,
)


def tally(target: Target) -> tuple[int, int, Fault, int]:
    """Hits and safe verdicts of the patch, its last fault, and hits that found no room."""
    with target.management() as device:
        patch = device.patch("parser")
        exhausted = device.counters()[Counter.RECORDS_EXHAUSTED]
    return patch.hits, patch.safe_verdicts, patch.last_fault, exhausted


def ask(target: Target, line: bytes) -> bytes:
    return target.type_line(line).removesuffix(THREADS.prompt)


@every_board
def test_a_hit_on_a_process_stack_with_room_runs_the_program_and_does_what_it_says(target):
    assert ask(target, b"first " + FITS) == b"taken\r\n"  # pass: the safe verdict would refuse
    assert ask(target, b"second " + TOO_LONG) == b"refused\r\n"
    assert tally(target) == (2, 0, Fault.NONE, 0)
    assert target.machine.faults == []


@every_board
@pytest.mark.parametrize("thread", [b"tight", b"stranger"])
def test_a_hit_on_a_stack_that_is_nearly_full_or_unknown_gets_the_safe_verdict(target, thread):
    assert ask(target, thread + b" " + FITS) == b"refused\r\n"
    assert tally(target) == (1, 1, Fault.RECORD, 1)
    assert target.machine.faults == []


@every_board
def test_the_same_threads_without_a_patch_take_the_same_record(target):
    target.machine.restore(target.fresh)

    for thread in (b"first", b"tight", b"stranger"):
        assert ask(target, thread + b" " + FITS) == b"taken\r\n"


def registers_of_thread(target: Target) -> dict[str, int] | None:
    registers = target.machine.registers()
    on_process_stack = registers["control"] & PROCESS_STACK
    return registers if registers["xpsr"] & EXCEPTION == THREAD and on_process_stack else None


def run_to_veneer(target: Target, names: tuple[str, ...]) -> None:
    """Up to a thread on its way from the site to the program, or inside it."""
    for _ in range(20_000):
        registers = registers_of_thread(target)
        if registers is not None and target.machine.symbol_at(registers["pc"]) in names:
            return
        target.machine.run(instructions=1)
    raise AssertionError(f"no thread came to {names}")


@every_board
@pytest.mark.parametrize("every", [3, 7, 31, 101])
def test_two_threads_inside_one_patch_that_take_turns_each_get_their_own_verdict(target, every):
    machine = target.machine
    machine.serial.feed(b"both " + FITS + b"\r")
    run_to_veneer(target, ("hp_fire", "hp_fixed_enter"))
    for _ in range(6000 // every):
        machine.exceptions.pending.add(PENDSV)
        machine.run(instructions=every)
    printed = machine.run_until_output(THREADS.prompt)

    assert printed == b"taken\r\ntaken\r\n" + THREADS.prompt
    assert tally(target) == (2, 0, Fault.NONE, 0)


def stack_of(target: Target, name: str) -> range:
    start = target.machine.symbols[f"{name}_stack"]
    return range(start, start + ROOMY_BYTES)


def run_thread_to(target: Target, thread: str, function: str) -> None:
    """Until the thread of that name is in `function`."""
    stack = stack_of(target, thread)
    for _ in range(20_000):
        registers = registers_of_thread(target)
        here = registers is not None and registers["psp"] in stack
        if here and target.machine.symbol_at(registers["pc"]) == function:
            return
        target.machine.run(instructions=1)
    raise AssertionError(f"{thread} came not to {function}")


def switch_from(target: Target, thread: str) -> None:
    target.machine.exceptions.pending.add(PENDSV)
    while (registers := registers_of_thread(target)) is None or registers["psp"] in stack_of(target, thread):
        target.machine.run(instructions=1)


@every_board
@pytest.mark.parametrize("inside", ["first", "second"])  # a program; the other is about to
def test_a_fault_before_a_thread_s_run_began_is_not_taken_for_another_thread_s_run(target, inside):
    machine = target.machine
    machine.serial.feed(b"both " + FITS + b"\r")
    run_thread_to(target, "first", "hp_vm_run" if inside == "first" else "hp_fire")
    switch_from(target, "first")
    run_thread_to(target, "second", "hp_vm_run" if inside == "second" else "hp_fire")
    if inside == "second":
        switch_from(target, "second")
        run_thread_to(target, "first", "hp_fire")
    machine.cpu.batch("r0").write(OUTSIDE)  # the runtime, of which hp_fire reads first
    machine.run(instructions=5000)

    assert [machine.symbol_at(fault.pc) for fault in machine.faults] == ["hp_fire"]
    assert machine.symbol_at(machine.registers()["pc"]) == "firmware_fault"


@pytest.mark.xdist_group("nrf52840dk-threads")
@pytest.mark.parametrize("target", ["nrf52840dk"], indirect=True)
@pytest.mark.parametrize(("cause", "is_the_program_s"), [(PRECISE, True), (IMPRECISE, False)])
def test_a_bus_fault_inside_a_program_is_its_own_unless_a_store_before_it_caused_it(
    target, cause, is_the_program_s
):
    machine = target.machine
    machine.serial.feed(b"first " + FITS + b"\r")
    run_thread_to(target, "first", "hp_vm_run")
    machine.core.fault(faults.Fault(BUS_FAULT, cause), machine.core.pc)

    if is_the_program_s:
        assert machine.run_until_output(THREADS.prompt) == b"refused\r\n" + THREADS.prompt
    else:
        machine.run(instructions=5000)
        assert machine.symbol_at(machine.registers()["pc"]) == "firmware_fault"


@pytest.mark.xdist_group(f"{WITH_LIMIT_REGISTER}-threads")
@pytest.mark.parametrize("target", [WITH_LIMIT_REGISTER], indirect=True)
def test_a_slot_that_a_thread_may_still_be_in_waits_for_a_reset(target):
    class_id, slots = target.board.class_id, target.board.store.slot_count
    updates = [
        seal_patch(replace(target.built, sequence=number), class_id, KEY) for number in range(2, slots + 2)
    ]
    with target.management() as device:
        for install, undo in updates[:-1]:
            assert device.push(install, undo=undo).state is PatchState.UPDATED
        with pytest.raises(PatchctlError) as refused:
            device.push(updates[-1][0])
    target.machine.reset()
    target.machine.run_until_output(THREADS.prompt)
    with target.management() as device:
        assert device.push(updates[-1][0], undo=updates[-1][1]).state is PatchState.UPDATED

    assert STATUS_TEXT[Status.STORE_FULL] in refused.value.line()
