"""The board's engine and the reference agree on random programs: fault, registers, memory and fuel left."""

from __future__ import annotations

from collections import Counter

import pytest
from patchctl.contract import Op

pytest.importorskip("unicorn", reason="sweeps include emulated cores: the sim extra")

from sweep.__main__ import main, report

from tests.differential import ENGINE_FAULTS, LIMITS, Tally, compare, compare_program
from tests.engine import build
from tests.random_programs import random_program

PROGRAMS = 300
INPUTS = 4


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    return build(tmp_path_factory.mktemp("engine"))


def test_random_programs_agree_and_reach_every_opcode_and_fault(engine):
    tally = Tally()

    for seed in range(PROGRAMS):
        assert engine.check(random_program(seed), LIMITS) == (0, 0)
        compare_program([engine], seed, INPUTS, tally)

    assert tally.differences == []
    assert tally.unreached == []


@pytest.mark.parametrize("seed", range(40))
def test_every_amount_of_fuel_ends_alike(engine, seed):
    code, tally = random_program(seed), Tally()
    used = 200 - compare([engine], code, seed, 200, tally).fuel

    for fuel in range(used + 2):
        compare([engine], code, seed, fuel, tally)

    assert tally.differences == []


def test_sweep_prints_its_seed_and_totals_and_names_what_was_not_reached(capsys):
    assert main(["engine", "--seed", "300", "--programs", "30", "--inputs", "2"]) == 1
    said = capsys.readouterr()

    assert "seed 300: 30 programs, 60 runs" in said.out
    assert "differences: 0" in said.out
    assert "not reached: " in said.err


def test_sweep_ends_well_only_if_all_was_reached_and_nothing_differed(capsys):
    whole = Tally(9, 9, Counter(Op), Counter(ENGINE_FAULTS))
    different = Tally(9, 9, Counter(Op), Counter(ENGINE_FAULTS), ["registers differ"])

    assert (report(1, whole), report(1, different)) == (0, 1)
    assert "registers differ" in capsys.readouterr().err
