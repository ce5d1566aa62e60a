"""A PASS at any instruction changes nothing that the firmware can see; veneers that do are caught."""

import pytest

from tests.sweeps.invisible import (
    BOARDS,
    REFUSED,
    REFUSED_WITH_FP,
    Choice,
    every_moment,
    make_bench,
    sweep,
)
from tests.sweeps.invisible_boards import M3, patched
from tests.sweeps.invisible_code import Build, builds
from tests.sweeps.invisible_mutants import (
    FIXED_MUTANTS,
    HARMLESS,
    MUTANTS,
    differences_with,
    mutants,
)

EVERY = 16  # tools/dev sweep pass: 1
SOME_BUILDS = {
    "cortex-m4f": (Build("-O2", True), Build("-Os")),
    "cortex-m33f": (Build("-Os", True), Build("-O2")),
}
WITH_COMPARATORS = [name for name in BOARDS if name != "nucleo_g0b1re"]
NOT_ON = {(M3, "no GE"), (M3, "FP in the program")}


def on(names):
    return pytest.mark.parametrize(
        "name", [pytest.param(name, marks=pytest.mark.xdist_group(f"{name}-bare")) for name in names]
    )


@on(WITH_COMPARATORS)
def test_a_pass_at_any_instruction_is_invisible(name):
    target = patched(name)

    tally = sweep(name, Choice(EVERY), only=SOME_BUILDS.get(target.core))

    assert tally.differences == []
    assert tally.unreached == []
    assert set(tally.runs) == set(target.contexts())
    assert len(tally.functions) >= 20
    assert tally.hits >= tally.runs.total() >= tally.sites / 2
    assert min(tally.escalated, tally.nested, tally.odd) > 50
    assert set(tally.refused) == REFUSED | (REFUSED_WITH_FP if target.has_fp else set())


@on(["nucleo_g0b1re"])
def test_a_pass_at_a_fixed_site_is_invisible(name):
    target = patched(name)

    tally = sweep(name, Choice())

    assert tally.differences == []
    assert tally.unreached == []
    assert set(tally.runs) == set(target.contexts())
    assert len(tally.functions) >= 20
    assert min(tally.nested, tally.odd) > 50


@on(BOARDS)
def test_a_pass_is_invisible_with_an_interrupt_at_any_moment(name):
    tally = every_moment(name, step=6, first=BOARDS.index(name))

    assert tally.differences == []
    assert tally.nested == tally.injected > 30


@pytest.mark.parametrize(
    ("name", "lost"),
    [
        pytest.param(name, lost, marks=pytest.mark.xdist_group(f"{name}-bare"))
        for name in BOARDS
        for lost in (MUTANTS if name in WITH_COMPARATORS else FIXED_MUTANTS)
        if (name, lost) not in NOT_ON
    ],
)
def test_a_veneer_that_loses_something_is_caught(name, lost):
    target = patched(name)

    assert lost in mutants(target)
    assert differences_with(target, lost)


@pytest.mark.parametrize("harmless", HARMLESS)
@on(WITH_COMPARATORS)
def test_a_veneer_that_loses_nothing_is_not_caught(name, harmless):
    target = patched(name)

    assert differences_with(target, harmless) == []


@on(BOARDS)
def test_of_ram_and_flash_only_the_runtimes_own_the_bench_and_the_stack_below_sp_are_left_out(name):
    target = patched(name)
    bench = make_bench(target, builds(target.core)[0], "assembly")
    machine, board = target.machine, target.board
    flash, ram, stack = board.flash, board.ram, machine.symbols["hp_stack_bottom"]
    before = bench.elsewhere.digest()
    noticed = [flash.address, board.store.address, flash.address + flash.bytes - 1, stack - 1]
    noticed += [machine.symbols[variable] for variable in ("latest_reading", "channels", "serial_in_bytes")]
    left_out = [machine.symbols["hp_runtime"], bench.block, stack]

    for address in noticed + left_out:
        kept = machine.read_memory(address, 1)
        machine.write_memory(address, bytes([kept[0] ^ 1]))
        assert (bench.elsewhere.digest() != before) == (address in noticed), hex(address)
        machine.write_memory(address, kept)

    assert bench.elsewhere.digest() == before
    assert bench.elsewhere.bytes > 0.7 * ram.bytes
