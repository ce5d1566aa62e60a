"""From patch.c to verdict on the emulated board: the attack, the repair, and what must not change."""

from dataclasses import replace

import pytest
from patchctl.client import connect
from patchctl.contract import Counter, Fault, PatchState
from patchctl.link.emulated import EmulatedLink
from patchctl.package.archive import Archive

from tests.end_to_end.conftest import PATCH
from tests.micropython.firmware import PROMPT

BENIGN = sorted((PATCH / "benign").glob("*.py"))
THROUGH_THE_SITE = {
    "import_frozen_package": 1,
    "import_in_loop": 20,
    "import_json": 1,
    "import_names": 2,
    "import_own_module": 1,
}
OUTSIDE = {  # aligned, so without tag bits: what a program may not read, by the board's facts
    "no memory": lambda board: 0x6000_0000,
    "key page": lambda board: board.keys.address,
    "store": lambda board: board.store.address,
    "store's last word": lambda board: board.slots_address + board.store.slot_count * board.slot_bytes - 4,
    "serial device": lambda board: board.chip.device_named(board.link.device).address,
    "null": lambda board: 0,
    "above null": lambda board: 4,
}
INSIDE = {
    "behind null": lambda board: board.flash.address + 8,
    "below the store": lambda board: board.store.address - 4,
    "last of RAM": lambda board: board.ram.end - 4,
}


def test_attack_faults_the_unpatched_board_in_mp_import_all(bench):
    said = bench.attack()

    assert PROMPT.decode() not in said
    assert [fault.exception for fault in bench.machine.faults] == [3]
    assert bench.machine.symbol_at(bench.machine.faults[0].pc) == "mp_import_all"


def test_attack_raises_import_error_on_the_patched_board_which_goes_on(bench, built, seal):
    install, undo = seal(built)
    before_ms = bench.device.identity().uptime_ms

    report = bench.device.push(install, undo=undo)

    assert (report.state, report.armed) == (PatchState.UPDATED, True)
    assert bench.attack().endswith("ImportError: not a module\r\n>>> ")
    assert bench.console.line("6 * 7") == "42"
    assert bench.machine.faults == []
    assert bench.device.identity().uptime_ms > before_ms
    assert bench.machine.resets == 0


@pytest.mark.parametrize("value", ["0", "-1", "1 << 29", "None", "'abc'", "3.5", "{'a': 1}", "(1, 2)"])
def test_every_other_object_in_place_of_a_module_is_an_import_error(bench, built, seal, value):
    bench.device.push(seal(built)[0])

    bench.console.line(f"import sys; sys.modules['m'] = {value}")

    assert bench.console.line("from m import *").endswith("ImportError: not a module")
    assert bench.machine.faults == []
    assert bench.hits() == 1


def test_there_are_ten_benign_scripts_and_five_cross_the_site():
    assert len(BENIGN) == 10
    assert set(THROUGH_THE_SITE) < {path.stem for path in BENIGN}


@pytest.mark.parametrize("script", BENIGN, ids=lambda path: path.stem)
def test_benign_script_prints_the_same_before_and_after_the_patch(bench, built, seal, script):
    before = bench.console.run_script(script.read_bytes())
    bench.machine.reset()
    bench.machine.run_until_output(PROMPT)
    bench.device.push(seal(built)[0])

    after = bench.console.run_script(script.read_bytes())

    assert after == before
    assert before[0] and before[1] == ""
    assert bench.hits() == THROUGH_THE_SITE.get(script.stem, 0)


def test_rollback_needs_no_key_and_brings_the_crash_back(bench, built, seal, tmp_path):
    install, undo = seal(built)
    bench.device.push(install, undo=undo)
    kept = list(Archive(tmp_path / "archive").keys())

    report = bench.device.rollback("import_all")

    assert kept == []
    assert (report.state, report.armed) == (PatchState.UNDONE, False)
    bench.attack()
    assert bench.machine.symbol_at(bench.machine.faults[0].pc) == "mp_import_all"


@pytest.mark.parametrize("restart", ["reset", "power_cycle"])
def test_a_confirmed_patch_survives_a_restart(bench, built, seal, restart):
    bench.device.push(seal(built)[0])

    getattr(bench.machine, restart)()
    bench.machine.run_until_output(PROMPT)

    assert bench.attack().endswith("ImportError: not a module\r\n>>> ")
    assert bench.hits() == 1


def test_a_trial_that_nobody_confirmed_does_not_survive_a_reset(bench, built, seal):
    report = bench.device.push(seal(built)[0], confirm=False)

    bench.machine.reset()
    bench.machine.run_until_output(PROMPT)

    assert report.state is PatchState.TRIAL
    assert bench.device.patch("import_all").state is PatchState.REJECTED
    assert bench.device.push(seal(built)[0]).state is PatchState.UPDATED


def test_a_board_whose_script_spins_can_be_patched(bench, built, seal):
    bench.machine.serial.feed(b"while True: pass\r\r")
    bench.machine.run_us(50_000)
    bench.machine.serial.take()

    report = bench.device.push(seal(built)[0])

    assert report.state is PatchState.UPDATED
    bench.machine.serial.feed(b"\x03")
    assert b"KeyboardInterrupt" in bench.machine.run_until_output(PROMPT)
    assert bench.attack().endswith("ImportError: not a module\r\n>>> ")


def import_from(bench, address):
    """`from m import *`, m an object whose address is replaced by another one; the patch's counts then."""
    bench.console.line("import sys; o = object(); sys.modules['m'] = o")
    pointer = int(bench.console.line("print(id(o))")).to_bytes(4, "little")
    ram = bench.machine.board.ram
    memory = bench.machine.read_memory(ram.address, ram.bytes)
    places = [at for at in range(0, ram.bytes, 4) if memory[at : at + 4] == pointer]
    for at in places:
        bench.machine.write_memory(ram.address + at, address.to_bytes(4, "little"))

    assert places
    assert bench.console.line("from m import *").endswith("ImportError: not a module")
    return bench.device.patch("import_all")


@pytest.mark.parametrize("place", OUTSIDE)
def test_a_pointer_outside_the_readable_window_gets_the_safe_verdict(bench, built, seal, place):
    bench.device.push(seal(built)[0])

    patch = import_from(bench, OUTSIDE[place](bench.machine.board))

    assert (patch.hits, patch.safe_verdicts, patch.last_fault) == (1, 1, Fault.MEMORY)
    assert bench.device.counters()[Counter.FAULTS_MEMORY] == 1


@pytest.mark.parametrize("place", INSIDE)
def test_a_pointer_just_inside_the_readable_window_is_read(bench, built, seal, place):
    bench.device.push(seal(built)[0])

    patch = import_from(bench, INSIDE[place](bench.machine.board))

    assert (patch.hits, patch.safe_verdicts, patch.last_fault) == (1, 0, Fault.NONE)
    assert bench.device.counters()[Counter.FAULTS_MEMORY] == 0


def test_without_fuel_the_safe_verdict_refuses_even_a_module(bench, built, seal):
    program = replace(built.programs[0], fuel=0)
    bench.device.push(seal(replace(built, programs=(program,)))[0])

    said = bench.console.line("from math import *")

    assert said.endswith("ImportError: not a module")
    patch = bench.device.patch("import_all")
    assert (patch.hits, patch.safe_verdicts, patch.last_fault) == (1, 1, Fault.FUEL)
    assert bench.device.counters()[Counter.FAULTS_FUEL] == 1


def test_the_same_push_takes_the_same_instructions_every_time(at_prompt, facts, built, seal, tmp_path):
    machine, snapshot = at_prompt
    counts = []
    for _ in range(2):
        machine.restore(snapshot)
        with connect(EmulatedLink(machine, facts.name), archive=Archive(tmp_path)) as device:
            device.push(seal(built)[0])
        counts.append((machine.instructions, machine.now_us, machine.flash_bytes()))

    assert counts[0] == counts[1]
