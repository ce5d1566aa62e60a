"""Displaced copies: what reads its own address is refused by name, its neighbour is copied."""

import subprocess

import pytest
from patchctl.displaced import displace, instruction_bytes
from patchctl.errors import InputError

SITE = 0x1234

# name told, what is refused, a near relative that is copied
PAIRS = [
    ("ldr (literal)", "ldr r0, [pc, #4]", "ldr r0, [r1, #4]"),
    ("adr", "add r0, pc, #4", "add r0, sp, #4"),
    ("b", "b.n .", "bx lr"),
    ("b<cond>", "beq.n .", "svc 0"),
    ("cbz or cbnz", "cbz r0, .+4", "push {r4, lr}"),
    ("cbz or cbnz", "cbnz r7, .+70", "pop {r4, pc}"),
    ("blx", "blx r3", "bx r3"),
    ("bx pc", "bx pc", "bx r0"),
    ("add, cmp or mov with pc", "mov r8, pc", "mov pc, r8"),
    ("add, cmp or mov with pc", "add r0, pc", "add r0, sp"),
    ("add or cmp with pc", "add pc, r1", "add sp, r1"),
    ("bkpt", "bkpt 1", "nop"),
    ("udf", "udf 1", "svc 1"),
    ("it (conditional block)", "it eq\nmoveq r0, r1", "yield"),
    ("bl or blx", "bl .+8", "msr PRIMASK, r0"),
    ("b.w", "b.w .+8", "dmb"),
    ("b<cond>.w", "beq.w .+8", "mrs r0, PRIMASK"),
    ("adr.w", "adr.w r9, .+400", "addw r9, r8, #400"),
    ("adr.w", "adr.w r9, .-400", "subw r9, r8, #400"),
    ("a literal load", "ldr.w r9, [pc, #100]", "ldr.w r9, [r8, #100]"),
    ("a literal load", "ldrb.w r0, [pc, #-100]", "ldrb.w r0, [r1, #-100]"),
    ("a literal load", "ldrsh.w r0, [pc, #100]", "ldrsh.w r0, [r1, #100]"),
    ("ldrd (literal)", "ldrd r0, r1, [pc, #8]", "ldrd r0, r1, [r2, #8]"),
    ("tbb or tbh", "tbb [r0, r1]", "ldrexb r0, [r1]"),
    ("tbb or tbh", "tbh [pc, r1, lsl #1]", "ldrex r0, [r1]"),
    ("an exclusive store", "strex r0, r1, [r2]", "strd r0, r1, [r2]"),
    ("an exclusive store", "strexb r0, r1, [r2]", "stmdb sp!, {r4-r11, lr}"),
    ("a literal load of a coprocessor", "vldr s0, [pc, #8]", "vldr s0, [r0, #8]"),
    ("a literal load of a coprocessor", "vldr d8, [pc, #-8]", "vpush {d8}"),
]


@pytest.fixture(scope="module")
def assembled(tmp_path_factory):
    """Text of an instruction to its bytes, all assembled at once."""
    folder = tmp_path_factory.mktemp("displaced")
    texts = [text for pair in PAIRS for text in pair[1:]]
    source = folder / "all.s"
    rows = "".join(f'.section .t{n},"ax"\n{text}\n' for n, text in enumerate(texts))
    source.write_text(f".syntax unified\n.thumb\n.cpu cortex-m4\n.fpu fpv4-sp-d16\n{rows}")
    obj = folder / "all.o"
    subprocess.run(["arm-none-eabi-as", str(source), "-o", str(obj)], check=True)
    codes = {}
    for n, text in enumerate(texts):
        out = folder / f"{n}.bin"
        subprocess.run(
            ["arm-none-eabi-objcopy", "-O", "binary", "-j", f".t{n}", str(obj), str(out)], check=True
        )
        codes[text] = out.read_bytes()
    return codes


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair[1])
def test_instruction_that_reads_its_address_is_refused_by_name_and_its_twin_is_copied(assembled, pair):
    name, refused, copied = pair

    with pytest.raises(InputError) as refusal:
        displace(assembled[refused], SITE, "patch.toml")
    kept = displace(assembled[copied], SITE, "patch.toml")

    assert (
        refusal.value.what
        == f"the instruction at 0x1234 is {name}, which cannot be executed at another address"
    )
    assert kept.copy.startswith(assembled[copied])
    assert kept.site_bytes == len(assembled[copied])


def test_copy_of_a_narrow_instruction_is_padded_and_jumps_behind_it():
    displaced = displace(bytes.fromhex("70b500000000"), SITE, "")

    assert displaced.site_bytes == 2
    assert displaced.copy.hex(" ") == "70 b5 00 bf df f8 00 f0 37 12 00 00"


def test_copy_of_a_wide_instruction_needs_no_padding():
    displaced = displace(bytes.fromhex("2de9f0410000"), SITE, "")

    assert displaced.site_bytes == 4
    assert displaced.copy.hex(" ") == "2d e9 f0 41 df f8 00 f0 39 12 00 00"


@pytest.mark.parametrize(("code", "size"), [("70b5", 2), ("00e8", 4), ("00f0", 4), ("00f8", 4), ("00e0", 2)])
def test_size_comes_from_the_top_bits(code, size):
    assert instruction_bytes(bytes.fromhex(code)) == size
