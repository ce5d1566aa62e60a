"""A hit inside a hit of the same site is as if each were alone; `sweep nested` takes every instruction."""

import struct

import pytest

from tests.sweeps.nested import Bench, nested, offsets, patched

BOARDS = {"nrf52840dk": 1000, "nrf5340dk": 1000, "mps2_an385": 1000, "nucleo_g0b1re": 2000}
STEP = 13


def group(name):
    return pytest.mark.xdist_group(f"{name}-bare")


@pytest.mark.parametrize("name", [pytest.param(name, marks=group(name)) for name in BOARDS])
def test_a_hit_inside_a_hit_leaves_both_as_they_are_alone(name):
    bench = Bench(patched(name))
    instructions = bench.length()

    tally = nested(bench, STEP)

    assert tally.differences == []
    assert tally.places >= instructions // STEP
    assert instructions > BOARDS[name]
    assert tally.both_at_once > tally.places * 3 // 4


def share_one_stack(machine):
    machine.write_memory(machine.symbols["hp_runtime"] + offsets()["stack_share"], bytes(4))


def keep_a_record(machine):
    at = offsets()
    record = machine.symbols["hp_runtime"] + at["invocations"] + 2 * at["invocation_bytes"]
    machine.write_memory(record + at["claimed"], struct.pack("<I", 1))


@pytest.mark.parametrize("name", [pytest.param("nrf52840dk", marks=group("nrf52840dk"))])
@pytest.mark.parametrize("spoil, seen", [(share_one_stack, "outer"), (keep_a_record, "held (2,), not ()")])
def test_what_two_hits_must_not_share_or_keep_is_noticed(name, spoil, seen):
    tally = nested(Bench(patched(name), spoil), 40)

    assert any(seen in text for text in tally.differences)
