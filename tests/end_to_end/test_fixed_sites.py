"""A chip without comparators takes patches only where its firmware calls the runtime by itself."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from patchctl.board import load_board
from patchctl.contract import STATUS_TEXT, PatchState, Status, Trigger, Verdict
from patchctl.errors import PatchctlError, TargetMismatch
from patchctl.firmware import load_firmware
from patchctl.package.envelope import seal_patch
from patchctl.pipeline import build_patch
from patchctl.program import BuiltSite
from unicorn.unicorn_const import UC_HOOK_MEM_WRITE

from tests.end_to_end.conftest import KEY
from tests.end_to_end.targets import CASES, Target, make_target
from tests.micropython.firmware import firmware_elf

BARE = CASES[1]
WITHOUT_COMPARATORS, WITH_COMPARATORS = "nucleo_g0b1re", "nrf52840dk"
pytestmark = pytest.mark.xdist_group(f"{WITHOUT_COMPARATORS}-bare")


@pytest.fixture
def target() -> Target:
    made = make_target(WITHOUT_COMPARATORS, BARE)
    made.machine.restore(made.fresh)
    return made


def elsewhere(site: BuiltSite) -> BuiltSite:
    firmware = load_firmware(firmware_elf(WITHOUT_COMPARATORS, BARE.image))
    address = firmware.function("main", "here").address
    return replace(site, address=address, original=firmware.original(address, "here"))


FORGED = {
    "a function without a fixed site": (elsewhere, Status.ILLEGAL_SITE),
    "a breakpoint": (lambda site: replace(site, trigger=Trigger.BREAKPOINT), Status.UNSUPPORTED),
    "a displaced copy": (lambda site: replace(site, copy=bytes(12)), Status.BAD_COPY),
    "skip": (lambda site: replace(site, verdicts=site.verdicts | {Verdict.SKIP}), Status.UNSUPPORTED),
}


@pytest.mark.parametrize(("forge", "status"), FORGED.values(), ids=FORGED)
def test_the_board_refuses_what_a_fixed_site_cannot_do_and_takes_the_sound_patch(target, forge, status):
    built, class_id = target.built, target.board.class_id
    forged = replace(built, sites=(forge(built.sites[0]),))

    with target.management() as device:
        with pytest.raises(PatchctlError) as refused:
            device.push(seal_patch(forged, class_id, KEY)[0])
        report = device.push(seal_patch(built, class_id, KEY)[0])

    assert STATUS_TEXT[status] in refused.value.line()
    assert report.state is PatchState.UPDATED


def update(target: Target) -> None:
    """The same patch anew, with the next sequence number."""
    target.machine.restore(target.patched)
    newer = replace(target.built, sequence=target.built.sequence + 1)
    install, undo = seal_patch(newer, target.board.class_id, KEY)
    with target.management() as device:
        report = device.push(install, undo=undo)
    assert (report.state, report.armed) == (PatchState.UPDATED, True)


def test_the_site_is_armed_at_every_moment_of_an_update(target):
    machine = target.machine
    flag, stored = machine.symbols["hp_flag_parse_record"], []

    def seen(_uc, _kind: int, _address: int, _size: int, value: int, _data) -> None:
        stored.append(value)

    watch = machine.cpu._uc.hook_add(UC_HOOK_MEM_WRITE, seen, None, flag, flag)
    machine.cpu._uc.ctl_flush_tb()
    update(target)
    machine.cpu._uc.hook_del(watch)

    assert stored
    assert 0 not in stored
    assert machine.read_memory(flag, 1)[0] == stored[-1]


def test_a_comparator_matches_at_every_moment_of_an_update(monkeypatch):
    target = make_target(WITH_COMPARATORS, BARE)
    fpb, armed = target.machine.system.fpb, []
    change = fpb._update

    def watched() -> None:
        change()
        armed.append(fpb.armed)

    monkeypatch.setattr(fpb, "_update", watched)
    update(target)

    assert set(armed) == {frozenset({target.built.sites[0].address})}


@pytest.fixture
def patch_of_console(tmp_path) -> Path:
    folder = tmp_path / "patch"
    shutil.copytree(BARE.folder, folder)
    description = folder / "patch.toml"
    description.write_text(description.read_text().replace('"parse_record"', '"hp_console_write"'))
    return folder


def test_the_host_refuses_a_site_that_the_chip_cannot_reach_and_names_those_it_can(patch_of_console):
    board = load_board(WITHOUT_COMPARATORS)

    with pytest.raises(TargetMismatch) as refused:
        build_patch(patch_of_console, board, firmware_elf(board.name, BARE.image))

    assert "no fixed site at 'hp_console_write'" in refused.value.line()
    assert "parse_record" in str(refused.value.hint)


def test_the_same_site_is_a_breakpoint_where_there_are_comparators(patch_of_console):
    board = load_board(WITH_COMPARATORS)

    built = build_patch(patch_of_console, board, firmware_elf(board.name, BARE.image))

    assert built.sites[0].trigger is Trigger.BREAKPOINT
