"""Flipped bits in the store, a garbled and a stuck serial line: told clearly, and the board stays usable."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from patchctl.contract import PatchState
from patchctl.emulator import injection
from patchctl.errors import LinkError
from patchctl.package.envelope import seal_patch
from patchctl.package.payload import pack

from tests.end_to_end.conftest import KEY
from tests.end_to_end.targets import CASES, make_target

BARE = CASES[1]
BOARDS = ("nrf5340dk", "stm32l475", "nucleo_g0b1re")
WITHOUT_ECC, WITH_ECC = "nrf5340dk", ("stm32l475", "nucleo_g0b1re")
ONE_BIT, TWO_BITS = b"\x10", b"\x11"


def on(boards):
    return pytest.mark.parametrize(
        "target",
        [pytest.param(name, marks=pytest.mark.xdist_group(f"{name}-bare")) for name in boards],
        indirect=True,
    )


@pytest.fixture
def target(request):
    return make_target(request.param, BARE)


def push(target):
    install, undo = seal_patch(target.built, target.board.class_id, KEY)
    with target.management() as device:
        return device.push(install, undo=undo)


def start(target):
    target.machine.power_cycle()
    target.machine.serial.take()
    target.machine.run_until_output(BARE.prompt)


def held(target):
    with target.management() as device:
        patch = device.patch(BARE.patch)
    return patch and (patch.state, patch.armed)


def is_repaired(target):
    said = target.attack()
    return said.endswith(BARE.answer + BARE.prompt) and target.machine.faults == []


def with_flip(target, offset, mask):
    """The patched board with bits of the slot flipped at rest, started again."""
    target.machine.restore(target.patched)
    injection.flip_bits(target.machine, target.board.slots_address + offset, mask)
    start(target)


# ------------------------------------------------ flash ------------------------------------------------


@on(BOARDS)
@pytest.mark.parametrize("place", [0.0, 0.4, 0.8])
def test_a_kept_patch_with_flipped_bits_never_runs_again_and_may_be_pushed_again(target, place):
    with_flip(target, int(len(pack(target.built)) * place), TWO_BITS)

    assert held(target) == (PatchState.REJECTED, False)
    booted = target.machine.snapshot()
    assert not is_repaired(target)
    assert target.faulted_in() == [BARE.faults_in]
    target.machine.restore(booted)
    assert (push(target).state, held(target)) == (PatchState.UPDATED, (PatchState.UPDATED, True))
    assert is_repaired(target)


@on(BOARDS)
def test_bits_that_flip_behind_the_payload_do_not_matter(target):
    with_flip(target, target.board.slot_bytes - 8, TWO_BITS)

    assert held(target) == (PatchState.UPDATED, True)
    assert is_repaired(target)


@on([WITHOUT_ECC])
def test_one_flipped_bit_is_noticed_where_flash_has_no_ecc(target):
    with_flip(target, 40, ONE_BIT)

    assert held(target) == (PatchState.REJECTED, False)


@on(WITH_ECC)
def test_one_flipped_bit_is_corrected_where_flash_has_ecc(target):
    with_flip(target, 40, ONE_BIT)

    assert held(target) == (PatchState.UPDATED, True)
    assert is_repaired(target)


# ------------------------------------------------ the line ------------------------------------------------


@dataclass
class Noise(injection.Noise):
    """Counts what it hits."""

    hits: int = field(default=0)

    def __call__(self, byte: int) -> int | None:
        heard = super().__call__(byte)
        self.hits += heard != byte
        return heard


@on(BOARDS)
@pytest.mark.parametrize("lose", [False, True], ids=["garbled", "lost"])
def test_a_push_over_a_noisy_line_succeeds_by_sending_again(target, lose):
    target.machine.restore(target.fresh)
    to_board, to_host = Noise(5, 500, lose=lose), Noise(6, 120, lose=lose)
    injection.disturb(target.machine, to_board=to_board, to_host=to_host)

    report = push(target)

    assert min(to_board.hits, to_host.hits) > 0
    assert (report.state, report.armed) == (PatchState.UPDATED, True)
    injection.disturb(target.machine)
    assert is_repaired(target)


@on(BOARDS)
def test_a_push_over_a_line_that_garbles_every_message_fails_clearly_and_a_good_line_takes_it(target):
    target.machine.restore(target.fresh)
    noise = Noise(7, 3)
    injection.disturb(target.machine, to_board=noise)

    with pytest.raises(LinkError) as failed:
        push(target)

    assert (failed.value.exit_code, noise.hits > 0) == (8, True)
    assert failed.value.hint
    injection.disturb(target.machine)
    start(target)
    assert held(target) is None
    assert push(target).armed
    assert is_repaired(target)


@on(BOARDS)
def test_a_transmitter_that_is_stuck_ends_a_push_clearly_and_the_board_is_fine_after_a_reset(target):
    target.machine.restore(target.fresh)
    injection.stick(target.machine)

    with pytest.raises(LinkError) as failed:
        push(target)

    assert failed.value.exit_code == 8
    assert target.machine.faults == []
    injection.stick(target.machine, False)
    target.machine.reset()
    target.machine.serial.take()
    target.machine.run_until_output(BARE.prompt)
    assert held(target) is None
    assert push(target).armed
    assert is_repaired(target)
