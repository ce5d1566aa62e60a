"""The cycle model: what the manual says of each kind of instruction, and what it must refuse."""

import pytest
from bench.cycles import ThumbInstruction, cost, costs
from patchctl.errors import InputError


def instruction(text: str) -> ThumbInstruction:
    mnemonic, _, operands = text.partition(" ")
    return ThumbInstruction(0, 2, mnemonic, operands)


@pytest.mark.parametrize(
    ("text", "cycles"),
    [
        ("adds r0, r1, r2", 1),
        ("add.w r8, r4, r5".replace(".w", ""), 1),
        ("umull r0, r1, r2, r3", 1),
        ("ite hi", 1),
        ("addhi r9, r2, #12", 1),
        ("movls r9, r2", 1),
        ("bls 112ac", 1),
        ("bl 117f4", 1),
        ("bx lr", 1),
        ("cbnz r3, 10a8e", 1),
        ("ldr r3, [r4, #8]", 2),
        ("ldrsb r3, [r4, r5]", 2),
        ("ldrls r3, [pc, #4]", 2),
        ("str r3, [r4, #8]", 1),
        ("strb r3, [r4], #1", 1),
        ("str r3, [r4, r5, lsl #3]", 2),
        ("strh r3, [r4, r5]", 2),
        ("ldrd r1, r9, [r0]", 3),
        ("strd r4, r3, [r0]", 3),
        ("push {r4}", 2),
        ("push {r4, r5, lr}", 4),
        ("pop {r3-r7, pc}", 7),
        ("stmdb sp!, {r4, r5, r6, r7, r8, r9, sl, fp, lr}", 10),
        ("ldmia r0!, {r1, r2}", 3),
        ("udiv r0, r1, r2", 7),
        ("tbh [pc, r3, lsl #1]", 2),
    ],
)
def test_an_instruction_alone_costs_what_the_manual_says(text, cycles):
    assert cost(instruction(text)) == cycles


@pytest.mark.parametrize(
    ("first", "second", "cycles"),
    [
        ("ldr r0, [r1, #0]", "ldr r2, [r1, #4]", 1),
        ("str r0, [r1, #0]", "ldr r0, [r1, #4]", 1),
        ("ldr r0, [r1, #0]", "ldr r2, [r0, #4]", 2),
        ("ldr r0, [r1, #0]", "ldr r2, [r3, r0, lsl #2]", 2),
        ("ldrd r0, r2, [r1]", "ldr r3, [r1, #4]", 2),
        ("adds r0, r1, r2", "ldr r3, [r4, #0]", 2),
    ],
)
def test_a_load_hides_behind_a_single_access_that_does_not_load_its_address(first, second, cycles):
    assert list(costs([instruction(first), instruction(second)]))[1] == cycles


@pytest.mark.parametrize("text", ["vldr s0, [r0]", "dmb sy", "svc 0", "ldrex r0, [r1]"])
def test_an_unknown_instruction_is_refused_by_name(text):
    with pytest.raises(InputError, match=text.split()[0]):
        cost(instruction(text))


def test_costs_of_a_block_add_up_without_its_branch():
    block = map(instruction, ["ldr r3, [r4, #8]", "ldr r2, [r4, #12]", "cmp r3, r2", "bhi 10696"])

    assert sum(costs(block)) == 2 + 1 + 1 + 1
