"""What a patch keeps between its runs, on every board: through updates, resets, threads, and firmware."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from patchctl.board import board_names, load_board
from patchctl.contract import Counter, Fault
from patchctl.errors import PatchRejected
from patchctl.package.envelope import seal_patch
from patchctl.pipeline import build_patch
from patchctl.program import BuiltPatch

from tests.end_to_end.conftest import KEY
from tests.end_to_end.targets import CASES, PARSER, Case, Target, make_target
from tests.end_to_end.test_threads import PENDSV, THREADS, run_to_veneer
from tests.micropython.firmware import firmware_elf
from tests.spoiling import spoiled

BARE = next(case for case in CASES if case.image == "bare")
RECORD, LONG_RECORD = b"record 0103686f74", b"record 0118" + b"41" * 24
RATION = """
#include <hotpatch/patch.h>

static u32 left = {left};
static u32 refused;

HP_PATCH(parser)
{{
    if (left > 0) {{
        left -= 1;
        return hp_pass();
    }}
    refused += 1;
    return hp_return(refused);
}}
"""
FIRST_COME = """
#include <hotpatch/patch.h>

static u64 next;

HP_PATCH(parser)
{
    return __sync_fetch_and_add(&next, 1) % 2 == 0 ? hp_pass() : hp_return(1);
}
"""
SHORTENED = """
#include <hotpatch/patch.h>

static u8 shortened[18] = {0, 16};

HP_PATCH(parser)
{
    const u32 record = context->r[0];
    if (context->r[1] < 18 || hp_firmware_u8(record + 1) <= 16) {
        return hp_pass();
    }
    shortened[0] = hp_firmware_u8(record);
    for (u32 n = 2; n < 18; n++) {
        shortened[n] = hp_firmware_u8(record + n);
    }
    context->r[0] = HP_ADDRESS(shortened);
    context->r[1] = sizeof shortened;
    return hp_change();
}
"""


def made(target: Target, folder: Path, source: str, *edits: tuple[str, str]) -> BuiltPatch:
    """The parser's patch with another source, and with edits of its description."""
    copied = folder / "parser"
    if not copied.exists():
        shutil.copytree(PARSER, copied)
    (copied / "patch.c").write_text(source)
    text = (PARSER / "patch.toml").read_text()
    (copied / "patch.toml").write_text(spoiled(text, *edits, of="patch.toml"))
    return build_patch(copied, target.board, firmware_elf(target.board.name, target.case.image))


def push(target: Target, patch: BuiltPatch) -> None:
    with target.management() as device:
        device.push(seal_patch(patch, target.board.class_id, KEY)[0])


def said(target: Target, line: bytes) -> bytes:
    return target.type_line(line).splitlines()[-2]


def answers(target: Target, count: int, line: bytes = RECORD) -> list[bool]:
    """Whether the firmware took each of `count` records."""
    return [said(target, line) != b"refused" for _ in range(count)]


def on_every_board(case: Case, *, with_comparators: bool = False) -> pytest.MarkDecorator:
    """Parametrizes `target`; the others have one fixed site, and so at most one patch."""
    groups = [
        pytest.param((name, case), id=name, marks=pytest.mark.xdist_group(f"{name}-{case.image}"))
        for name in board_names()
        if load_board(name).chip.fpb or not with_comparators
    ]
    return pytest.mark.parametrize("target", groups, indirect=True)


@pytest.fixture
def target(request) -> Target:
    it = make_target(*request.param)
    it.machine.restore(it.fresh)
    return it


@on_every_board(BARE)
def test_a_variable_keeps_its_value_from_hit_to_hit(target, tmp_path):
    push(target, made(target, tmp_path, RATION.format(left=2)))

    assert answers(target, 4) == [True, True, False, False]

    with target.management() as device:
        assert (device.patch("parser").hits, device.patch("parser").last_fault) == (4, Fault.NONE)


@on_every_board(BARE)
def test_an_update_and_a_reset_start_with_the_initial_values_again(target, tmp_path):
    first = made(target, tmp_path, RATION.format(left=1))
    second = made(target, tmp_path, RATION.format(left=2), ("sequence = 1", "sequence = 2"))
    push(target, first)
    assert answers(target, 2) == [True, False]

    push(target, second)
    assert answers(target, 3) == [True, True, False]

    target.machine.power_cycle()
    target.machine.run_until_output(BARE.prompt)
    assert answers(target, 3) == [True, True, False]


@on_every_board(BARE)
def test_a_push_that_is_repeated_leaves_the_variables_alone(target, tmp_path):
    patch = made(target, tmp_path, RATION.format(left=2))
    push(target, patch)
    assert answers(target, 1) == [True]

    push(target, patch)

    assert answers(target, 2) == [True, False]


@on_every_board(BARE)
def test_the_firmware_may_be_handed_a_variable(target, tmp_path):
    verdicts = ('verdicts = ["pass", "return"]', 'verdicts = ["pass", "change"]\nwritable = ["r0", "r1"]')
    push(target, made(target, tmp_path, SHORTENED, verdicts))

    assert said(target, LONG_RECORD) == b"pressure " + b"A" * 16 + b", number 1"  # of the 24 that came
    assert said(target, RECORD) == b"pressure hot, number 2"
    assert target.machine.faults == []


@on_every_board(THREADS)
@pytest.mark.parametrize("every", [1, 2, 3, 7, 31])
def test_threads_that_take_turns_inside_a_patch_each_get_a_number_of_their_own(target, tmp_path, every):
    machine = target.machine
    push(target, made(target, tmp_path, FIRST_COME))
    machine.serial.feed(b"both 0103686f74\r")
    run_to_veneer(target, ("hp_fire", "hp_fixed_enter"))
    for _ in range(6000 // every):
        machine.exceptions.pending.add(PENDSV)
        machine.run(instructions=every)

    printed = machine.run_until_output(THREADS.prompt).removesuffix(THREADS.prompt)

    assert sorted(printed.splitlines()) == [b"refused", b"taken"]
    assert answers(target, 2, b"first 0103686f74") == [True, False]
    with target.management() as device:
        assert device.counters()[Counter.RECORDS_EXHAUSTED] == 0


@on_every_board(BARE)
def test_variables_beyond_the_slots_share_are_refused_and_the_largest_ones_work(target, tmp_path):
    share = target.board.slot_variable_bytes
    source = "#include <hotpatch/patch.h>\nstatic u8 seen[{bytes}];\nHP_PATCH(parser)\n{{\n" + (
        "    seen[context->r[1] & 7] = 1;\n    seen[{bytes} - 1] += 1;\n"
        "    return seen[{bytes} - 1] == 1 ? hp_pass() : hp_return(1);\n}}\n"
    )

    with pytest.raises(PatchRejected) as refusal:
        made(target, tmp_path, source.format(bytes=share + 1))
    push(target, made(target, tmp_path, source.format(bytes=share)))

    assert refusal.value.what == f"the variables take {share + 8} bytes"
    assert refusal.value.hint == f"needed: at most {share} on this board"
    assert answers(target, 2) == [True, False]


@pytest.mark.parametrize("target", [pytest.param(("nrf52840dk", BARE), id="nrf52840dk")], indirect=True)
def test_an_atomic_that_the_board_does_not_have_is_refused_at_its_line(target, tmp_path):
    source = (
        "#include <hotpatch/patch.h>\nu32 seen;\nHP_PATCH(parser)\n{{\n    seen += 1;\n"
        "    return __atomic_load_n(&seen, {order}) & 1 ? hp_pass() : hp_return(1);\n}}\n"
    )

    with pytest.raises(PatchRejected) as refusal:
        made(target, tmp_path, source.format(order="__ATOMIC_ACQUIRE"))
    push(target, made(target, tmp_path, source.format(order="__ATOMIC_RELAXED")))

    assert "patch.c:6:" in refusal.value.where
    assert "__sync_*" in refusal.value.hint
    assert answers(target, 2) == [True, False]


@on_every_board(BARE, with_comparators=True)
def test_two_patches_do_not_see_each_others_variables(target, tmp_path):
    push(target, made(target, tmp_path, RATION.format(left=1)))
    other = made(
        target,
        tmp_path,
        RATION.format(left=0x01010101),
        ('id       = "parser"', 'id       = "other"'),
        ('function = "parse_record"', 'function = "count_reading"'),
    )
    push(target, other)

    assert answers(target, 3) == [True, False, False]
    with target.management() as device:
        assert (device.patch("parser").hits, device.patch("other").hits) == (3, 1)
