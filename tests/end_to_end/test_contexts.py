"""Hits with interrupts masked, and processor faults inside a program, on every board."""

import pytest
from patchctl.board import board_names
from patchctl.contract import Counter, Fault, Trigger
from patchctl.firmware import load_firmware

from tests.end_to_end.targets import CASES, Target, make_target
from tests.micropython.firmware import Console, firmware_elf

MICROPYTHON = CASES[0]
DEBUG_EVENT = 1 << 31  # HFSR.DEBUGEVT: a breakpoint found DebugMonitor masked (ARMv7-M ARM C1.6)
OUTSIDE = 0x6000_0000  # aligned, no tag bits, and no memory of any board
CALL = """
@micropython.asm_thumb
def call(r0, r1):
    data(2, {before})
    data(2, 0x4788)  # blx r1
    data(2, {after})
import math
try:
    call({argument}, {function})
    print(sin(0))
except ImportError as refusal:
    print(refusal)
"""
NOP, MASK, UNMASK = 0xBF00, 0xB672, 0xB662  # cpsid i, cpsie i


pytestmark = pytest.mark.parametrize(
    "target",
    [pytest.param(name, marks=pytest.mark.xdist_group(f"{name}-micropython")) for name in board_names()],
    indirect=True,
)


@pytest.fixture
def target(request) -> Target:
    made = make_target(request.param, MICROPYTHON)
    made.machine.restore(made.patched)
    return made


def entry(target: Target) -> int:
    """Where calls of mp_import_all arrive: at itself, or at its fixed site."""
    firmware = load_firmware(firmware_elf(target.board.name))
    fixed = target.built.sites[0].trigger is Trigger.FIXED
    return firmware.function("__wrap_mp_import_all" if fixed else "mp_import_all", "here").pointer


def call(target: Target, argument: str, before: int = NOP, after: int = NOP) -> tuple[str, str]:
    script = CALL.format(argument=argument, function=entry(target), before=before, after=after)
    return Console(target.machine).run_script(script.encode())


def test_a_hit_while_interrupts_are_masked_runs_the_program_and_passes(target):
    assert call(target, "id(math)", MASK, UNMASK) == ("0.0\n", "")

    escalated = [DEBUG_EVENT] if target.built.sites[0].trigger is Trigger.BREAKPOINT else []
    assert [fault.hfsr for fault in target.machine.faults] == escalated
    with target.management() as device:
        assert device.patch("import_all").hits == 1
        assert device.counters()[Counter.ESCALATED_HITS] == len(escalated)


def widen_readable_ram(target: Target) -> None:
    """Lets the runtime believe that RAM ends behind OUTSIDE: its own check no longer stops the load."""
    machine, ram = target.machine, target.board.ram
    row = b"".join(value.to_bytes(4, "little") for value in (ram.address, ram.bytes, ram.address))
    memory = machine.read_memory(ram.address, ram.bytes)
    assert memory.count(row) == 1
    machine.write_memory(ram.address + memory.index(row) + 4, (0x5000_0000).to_bytes(4, "little"))


def test_a_processor_fault_inside_the_program_ends_in_the_safe_verdict(target):
    widen_readable_ram(target)

    assert call(target, str(OUTSIDE)) == ("not a module\n", "")

    core = target.machine.core
    assert len(target.machine.faults) == 1
    assert (core.cfsr, core.hfsr) == (0, 0)  # the next fault's handler reads its own cause
    with target.management() as device:
        patch = device.patch("import_all")
        assert (patch.hits, patch.safe_verdicts, patch.last_fault) == (1, 1, Fault.CORE)
        assert device.counters()[Counter.CORE_FAULTS] == 1
    assert call(target, "id(math)") == ("0.0\n", "")
