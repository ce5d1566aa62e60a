"""A PASS at any instruction changes nothing that the firmware can see; veneers that do are caught."""

import pytest

from tests.sweeps.invisible import CONTEXTS, Bench, compare, patched

BOARDS = ("nrf52840dk", "nrf5340dk", "stm32l475")
MUTATIONS = {  # what the veneer forgets: where, its bytes, and what is there instead
    "the flags": ("hp_veneers", "81f3008c", "00bf00bf"),
    "lr": ("hp_veneers", "5df804eb", "01b000bf"),
    "r12": ("hp_veneers", "bde80f90", "bde80f88"),
    "the IF-THEN state": ("hp_debug_monitor", "23f47c43", "00bf00bf"),
}


def group(name):
    return pytest.mark.xdist_group(f"{name}-bare")


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("name", [pytest.param(name, marks=group(name)) for name in BOARDS])
def test_a_pass_at_any_instruction_is_invisible(name, context):
    bench = Bench(patched(name), context)
    able, _ = bench.sites()

    tally = compare(bench)

    assert tally.differences == []
    assert tally.hits == len(able) >= 30
    assert sum(tally.refused.values()) == 1  # the IT instruction itself


def edit(machine, place, old, new):
    address = machine.symbols[place] & ~1
    code = machine.read_memory(address, 256)
    assert bytes.fromhex(old) in code, code.hex()
    return {address + code.index(bytes.fromhex(old)): bytes.fromhex(new)}


@pytest.mark.parametrize("lost", MUTATIONS)
@pytest.mark.parametrize("name", [pytest.param("nrf52840dk", marks=group("nrf52840dk"))])
def test_a_veneer_that_loses_something_is_caught(name, lost):
    target = patched(name)

    tally = compare(Bench(target, "thread", flash_edits=edit(target.machine, *MUTATIONS[lost])))

    assert tally.differences
