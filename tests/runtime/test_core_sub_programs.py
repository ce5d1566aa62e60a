"""Stops 1 to 12 of 12. Sub-programs and metered loops on the core, from C to a register of the firmware."""

from dataclasses import replace

import pytest
from patchctl.binding import BoundProgram
from patchctl.contract import Counter, Fault, Status, Verdict
from patchctl.program import BuiltProgram, load_program
from patchctl.source import compile_source
from patchctl.verifier import Limits, verify

from tests.runtime import containers, exchange
from tests.runtime.containers import SITE, install, patch

HELPERS = """
#include <hotpatch/patch.h>
static __attribute__((noinline)) u32 twice(u32 a)
{
    volatile u32 own[2] = {a, a};
    return own[a & 1] + own[~a & 1];
}
static __attribute__((noinline)) u32 sum(const volatile u32 *numbers, u32 count)
{
    volatile u32 total[3] = {0, 0, 0};
    for (u32 i = 0; i < 4; i++) {
        if (i >= count) break;
        total[i & 1] += twice(numbers[i & 3]);
    }
    return total[0] + total[1];
}
HP_PATCH(sums)
{
    volatile u32 numbers[4] = {context->r[0], context->r[1], context->r[2], 1000};
    u32 first = sum(numbers, context->r[3]);
    return hp_return(first + numbers[3]);
}
"""
COUNT = """
#include <hotpatch/patch.h>
HP_PATCH(count)
{
    u32 rounds = 0;
    while (rounds != context->r[0]) {
        rounds++;
        __asm__ volatile("" : "+r"(rounds));
    }
    return hp_return(rounds);
}
"""


def verified(folder, text, **limits):
    source = folder / "patch.c"
    source.write_text(text)
    program = load_program(compile_source(source), "patch.c")
    bound = BoundProgram(program.name, "patch.c", program.code, program.data, program.lines)
    return verify(bound, Limits(frozenset({Verdict.PASS, Verdict.RETURN}), **limits))


def built(program, fuel):
    return BuiltProgram(
        "entry",
        program.program.code,
        fuel,
        program.stack_bytes,
        metered=program.metered,
        frame_bytes=program.frame_bytes,
    )


def armed(program):
    device = containers.device()
    assert exchange.push(device, install(built=patch(programs=(program,)))) == Status.OK
    return device


def result(device, **values):
    frame = device.frame(SITE, **values)
    device.fire(SITE, frame)
    return frame.r0_r3[0]


@pytest.mark.parametrize("count", [0, 1, 3, 4, 9])
def test_sub_programs_have_stacks_of_their_own_and_cost_no_more_than_proved(tmp_path, count):
    report = verified(tmp_path, HELPERS)
    assert report.findings == ()
    program = report.program
    device = armed(built(program, program.worst_case_steps))

    got = result(device, r0=5, r1=70, r2=900, r3=count)

    assert program.frame_bytes >= 16
    assert program.stack_bytes >= 2 * program.frame_bytes + 8
    assert got == 2 * sum([5, 70, 900, 1000][:count]) + 1000
    assert device.patches()["sample"].last_fault == Fault.NONE


def test_stack_without_room_for_the_frames_ends_the_run_safely(tmp_path):
    program = verified(tmp_path, HELPERS).program
    short = replace(built(program, 500), stack_bytes=program.frame_bytes)

    device = armed(short)
    result(device, r3=1)

    assert device.patches()["sample"].last_fault == Fault.MEMORY


def test_metered_loop_ends_by_itself_or_by_its_fuel(tmp_path):
    assert [finding.kind for finding in verified(tmp_path, COUNT).findings] == ["loop"]
    program = verified(tmp_path, COUNT, metered=True).program
    device = armed(built(program, 200))

    assert program.metered
    assert result(device, r0=20) == 20
    assert device.counter(Counter.FAULTS_FUEL) == 0
    result(device, r0=10_000)
    assert device.counter(Counter.FAULTS_FUEL) == 1
