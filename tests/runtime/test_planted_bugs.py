"""Bugs that other engines shipped, planted in a copy of ours: the named vectors see every one of them.

A load or store goes two ways: the loop compares with the region last hit, and asks the slow way only where
that says no. So a bug that lets too much through is planted in both; one that refuses too much shows only in
the slow way (in the loop it is slowness, which the bench's baseline sees). For cases: test_planted_cases.py
"""

from __future__ import annotations

import pytest

from tests import thumb_engine
from tests.engine import ROOT, build_changed
from tests.isa_vectors import Vector
from tests.planting import BY_NAME, Bug, agrees, changed_file

BOARD_RUN = 100_000  # machine instructions: no vector named below needs a tenth
BUGS = (
    # Femto-Containers and CertFC
    Bug(
        "a jump may lead one past the end", "check.c",
        "(target >= (int64_t)end)", "(target > (int64_t)end)",
        ("a jump to the end",),
    ),
    Bug(
        "a wide load swallows the last exit", "check.c",
        "if ((uint32_t)half.op != NO_INSTRUCTION) {", "if (false) {",
        ("a wide load that swallows exit",),
    ),
    Bug(
        "r10 may be written", "check.c",
        "(insn->dst == FRAME_POINTER)) ||", "false) ||",
        ("r10 written by mov", "r10 written by a load", "r10 written by a wide load"),
    ),
    Bug(
        "the last byte of a region is refused", "vm.c",
        "(offset <= (region->bytes - bytes))", "(offset < (region->bytes - bytes))",
        ("firmware memory can be read",),
    ),
    Bug(
        "lddw extends the sign of its low half", "vm.c",
        "[1] << 32U) | imm_behind(pc);", "[1] << 32U) | wide(imm_behind(pc));",
        ("lddw keeps bit 31 of its low half unsigned",),
    ),
    Bug(
        "movsx does not extend the sign", "vm.c",
        "case 16: return (uint64_t)(int64_t)(int16_t)value;", "case 16: return (uint16_t)value;",
        ("mov64 extends the sign of 16 bits", "mov32 extends the sign of 16 bits", "load s16 at 0"),
    ),
    Bug(
        "arsh32 extends the sign into the upper half", "vm.c",
        "HP_OP_ARSH32_REG: *d = (uint32_t)(",
        "HP_OP_ARSH32_REG: *d = wide(",
        ("arsh32_reg with high halves set",),
    ),
    # RapidPatch
    Bug(
        "a run out of fuel fails open", "vm.c",
        "return HP_FAULT_FUEL;", "return HP_FAULT_NONE;",
        ("a loop ends when fuel ends", "straight lines cost fuel", "no fuel, no run"),
    ),
    Bug(
        "a store checks its source register", "vm.c",
        "address_of(write ? *dst : src, word)", "address_of(src, word)",
        ("the stack keeps what is stored", "a named range can be written"),
    ),
    Bug(
        "a region's size is scaled by four", "vm.c",
        "(offset <= (region->bytes - bytes))", "(offset <= (region->bytes * 4U - bytes))",
        ("load u64 one byte past the end", "store u64 immediate one byte past the end"),
    ),
    # Translators: micro-bpf, rbpf
    Bug(
        "a 64-bit comparison ignores the high word", "vm.c",
        "if (*d == *register_at(r, word >> 12U))",
        "if ((uint32_t)*d == (uint32_t)*register_at(r, word >> 12U))",
        ("if r == reg",),
    ),
    Bug(
        "mov32 moves 64 bits", "vm.c",
        "case HP_OP_MOV32_REG: *d = (uint32_t)extend(", "case HP_OP_MOV32_REG: *d = extend(",
        ("mov32_reg with high halves set",),
    ),
    Bug(
        "a shift's count is not masked", "vm.c",
        "*d = *d << ((uint32_t)*register_at(r, word >> 12U) & 63U);",
        "*d = (*register_at(r, word >> 12U) > 63U) ? 0U : (*d << *register_at(r, word >> 12U));",
        ("lsh64 masks its count",),
    ),
    Bug(
        "a jump may lead into a wide load", "check.c",
        "return self->code[index * HP_INSTRUCTION_BYTES] == NO_INSTRUCTION;", "return false;",
        ("a jump into a wide load", "a call into a wide load"),
    ),
    Bug(
        "a wide load may be the last slot", "check.c",
        "if ((index + 1U) >= self->count) {\n        return HP_STATUS_CHECK_WIDE_LOAD;",
        "if ((index + 1U) >= self->count) {\n        return HP_STATUS_OK;",
        ("a wide load in the last slot",),
    ),
    # Zephyr's subsystem
    Bug(
        "signed division is done as unsigned", "vm.c",
        "divide64(*d, *register_at(r, word >> 12U), offset_of(word) != 0)",
        "divide64(*d, *register_at(r, word >> 12U), false)",
        ("sdiv64_reg with high halves set",),
    ),
    Bug(
        "x % 0 is 0", "vm.c",
        "        return x;\n    }\n    if (!is_signed) {\n        return x % y;\n    }\n    const uint64_t",
        "        return 0U;\n    }\n    if (!is_signed) {\n        return x % y;\n    }\n    const uint64_t",
        ("mod64 by zero", "smod64 by zero"),
    ),
    Bug(
        "unused fields are accepted", "check.c",
        "(((facts & USES_IMM) == 0U) && (insn->imm != 0U))", "false",
        ("unused immediate of exit",),
    ),
    Bug(
        "the stack keeps what the run before left", "vm.c",
        "    clear(&space->stack);\n", "",
        ("the stack is cleared",),
    ),
    Bug(
        "address bits 63 to 32 are ignored", "vm.c",
        "((uint32_t)(address >> 32U) == 0U) &&", "true &&",
        ("high address bits are not ignored",),
    ),
    Bug(
        "8 bytes at r10 - 4 pass", "vm.c",
        "(cache->last + (8U - bytes))", "(cache->last + 8U)",
        ("load u64 one byte past the end", "load u32 one byte past the end"),
    ),
    Bug(
        "a local call runs a helper", "check.c",
        "} else if (insn->src == SOURCE_SUB_PROGRAM) {", "} else if (false) {",
        ("a sub-program returns to its caller",),
    ),
    Bug(
        "every program may call every helper", "check.c",
        "(((self->limits->helper_mask >> insn->imm) & 1U) != 0U)", "true",
        ("a helper that was not granted", "a helper that does not exist"),
    ),
    Bug(
        "a computed call ignores high bits", "vm.c",
        "call_helper(self, *d)", "call_helper(self, (uint32_t)*d)",
        ("callx does not ignore high bits",),
    ),
    Bug(
        "a helper writes past the end of the stack", "helpers.c",
        "> (stack->bytes - size))", "> stack->bytes)",
        ("fw_read past the stack's end is outside",),
    ),
    # Ours, found while the loop was made fast: what the limit pointer must not forget
    Bug(
        "a store happens without fuel", "vm.c",
        "!spent", "true",
        ("no store happens without fuel", "store u8 immediate without fuel"),
    ),
    Bug(
        "a store into another region happens without fuel", "vm.c",
        "found = (pc > limit) ? NULL : access", "found = access",
        ("a store whose region is not the one last hit needs fuel too",),
    ),
    Bug(
        "an atomic of 32 bits happens without fuel", "vm.c",
        "HP_OP_ATOMICW: if ((pc > limit) || ", "HP_OP_ATOMICW: if (",
        ("no atomic happens without fuel",),
    ),
    Bug(
        "an atomic of 64 bits happens without fuel", "vm.c",
        "HP_OP_ATOMICDW: if ((pc > limit) || ", "HP_OP_ATOMICDW: if (",
        ("no wide atomic happens without fuel",),
    ),
    Bug(
        "a wide load costs two", "vm.c",
        "            limit += SLOT;\n", "",
        ("a wide load costs one",),
    ),
    Bug(
        "a jump costs what it leaps over", "vm.c",
        "        limit += (uintptr_t)distance;\n", "",
        ("a taken jump costs one, however far it leads",),
    ),
    # What the region kept in the loop must not forget: the slow way is asked only where this one says no
    Bug(
        "the kept region's size is scaled by four", "vm.c",
        "= region->bytes - 8U;", "= region->bytes * 4U - 8U;",
        ("load u64 one byte past the end", "store u64 register one byte past the end"),
    ),
    Bug(
        "a short region is kept once it was read", "vm.c",
        "if (found->bytes >= 8U) {\n            remember(&load", "if (true) {\n            remember(&load",
        ("a region shorter than 8 bytes stays exact once it was read",),
    ),
    Bug(
        "a short region is kept once it was written", "vm.c",
        "if (found->bytes >= 8U) {\n            remember(&store", "if (true) {\n            remember(&store",
        ("a region shorter than 8 bytes stays exact once it was written",),
    ),
    Bug(
        "what was read may be written", "vm.c",
        "remember(&load, found)", "remember(&store, found)",
        ("a load from a range does not open it for stores",),
    ),
    Bug(
        "the kept region ends 8 bytes late", "vm.c",
        "(cache->last + (8U - bytes))", "(cache->last + (16U - bytes))",
        ("8 bytes at r10 - 4 are outside once the stack was read",
         "8 bytes at r10 - 4 are outside once the stack was written"),
    ),
    Bug(
        "the base's upper half is dropped before the offset is added", "vm.c",
        "return base + wide(", "return (uint32_t)base + wide(",
        ("a store with high address bits is outside", "high address bits are not ignored"),
    ),
    # The slow way's own
    Bug(
        "address bits 63 to 32 are ignored where a region is looked up", "vm.c",
        "if ((address >> 32U) != 0U) {", "if (false) {",
        ("high address bits are not ignored", "a store with high address bits is outside"),
    ),
    Bug(
        "only an access's first byte is checked", "vm.c",
        "(offset <= (region->bytes - bytes))", "(offset < region->bytes)",
        ("8 bytes at r10 - 4 are outside", "a named range ends where it ends"),
    ),
    Bug(
        "a region may be shorter than the access", "vm.c",
        "(region->bytes >= bytes) && ", "",
        ("more bytes than a region has are outside",),
    ),
    Bug(
        "an atomic checks 4 of its 8 bytes", "vm.c",
        "hp_vm_memory(self, address, bytes, true)", "hp_vm_memory(self, address, 4U, true)",
        ("atomic 64 one byte past the end",),
    ),
    Bug(
        "an atomic needs only readable memory", "vm.c",
        "hp_vm_memory(self, address, bytes, true)", "hp_vm_memory(self, address, bytes, false)",
        ("atomic 64 on readable memory", "atomic 32 on readable memory"),
    ),
    # Variables
    Bug(
        "variables are found nowhere", "vm.c",
        "found = find_among(&space->variables, 1U, low, bytes);", "found = NULL;",
        ("variables: load u8 at 0", "variables: store u8 register at 0", "variables: lock add 64 at 3"),
    ),
    Bug(
        "variables are read only", "vm.c",
        "if (found == NULL) {\n        found = find_among(&space->variables,",
        "if ((found == NULL) && !write) {\n        found = find_among(&space->variables,",
        ("variables: store u8 register at 0", "variables: store u64 immediate at 3",
         "variables: fetch add 32 at 3"),
    ),
    Bug(
        "variables are one byte too long", "vm.c",
        "find_among(&space->variables, 1U, low, bytes)", "find_among(&space->variables, 1U, low, bytes - 1U)",
        ("variables: load u8 one byte past the end", "variables: store u64 one byte past the end",
         "variables: store immediate u32 one byte past the end",
         "variables: atomic 64 one byte past the end"),
    ),
    Bug(
        "data may be written as variables may", "vm.c",
        "if ((found == NULL) && !write) {\n        found = find_among(&space->data,",
        "if (found == NULL) {\n        found = find_among(&space->data,",
        ("variables: a store u8 into data is refused where there are variables",
         "variables: an atomic of 64 bits on data is refused where there are variables"),
    ),
    Bug(
        "a wide load leads into data whatever its section", "vm.c",
        "((section == HP_SECTION_DATA) ? space->data.address : space->variables.address)",
        "space->data.address",
        ("variables: a wide load into variables leads there where there is data too",),
    ),
    Bug(
        "a wide load leads into variables whatever its section", "vm.c",
        "((section == HP_SECTION_DATA) ? space->data.address : space->variables.address)",
        "space->variables.address",
        ("variables: a wide load into data leads to data where there are variables too",),
    ),
    Bug(
        "a wide load into variables loses its offset", "vm.c",
        "space->data.address : space->variables.address) + offset",
        "space->data.address + offset : space->variables.address)",
        ("variables: a wide load leads to the byte it names", "variables: a wide load may lead to the end"),
    ),
    Bug(
        "variables end where data does", "check.c",
        "(offset <= limits->variable_bytes)", "(offset <= limits->data_bytes)",
        ("variables: one byte behind the end, where there is more data",
         "variables: a wide load leads to the byte it names"),
    ),
    Bug(
        "variables that are not there have an end", "check.c",
        "(limits->variable_bytes != 0U) && ", "",
        ("variables: that are not there", "variables: that are not there, where there is data"),
    ),
    Bug(
        "sections are known by their lowest bit", "check.c",
        "switch (section) {", "switch (section & 1U) {",
        ("variables: a third section", "variables: a section of number 256",
         "variables: a section as large as can be"),
    ),
    # Calls
    Bug(
        "a call loses r6 to r9", "vm.c",
        "r[6U + i] = frame->r6_r9[i];", "(void)r;",
        ("r6 to r9 survive a call",),
    ),
    Bug(
        "a frame may lie below the stack", "vm.c",
        "(self->program->frame_bytes > room)", "false",
        ("a frame that does not fit the stack is too deep",),
    ),
    Bug(
        "division checks the wrong register", "vm.c",
        "\n    if (y == 0U) {\n        return 0U;\n    }\n    if (!is_signed) {\n        return x / y;\n    }"
        "\n    const uint64_t",
        "\n    if (x == 0U) {\n        return x;\n    }\n    if (y == 0U) {\n        return ~0ULL;\n    }"
        "\n    if (!is_signed) {\n        return x / y;\n    }\n    const uint64_t",
        ("div64 by zero",),
    ),
)  # fmt: skip
BOARD_BUGS = (
    Bug(
        "bounds are compared as signed numbers", "vm.c",
        "(offset <= (region->bytes - bytes))", "((int32_t)offset <= (int32_t)(region->bytes - bytes))",
        ("load u8 one byte before the start", "NULL is outside"),
    ),
    Bug(
        "a 64-bit access is one LDRD, which faults unaligned", "vm.c",
        "return ((uint64_t)get32(&at[4]) << 32U) | get32(at);", "return *(const uint64_t *)at;",
        ("load u64 at 1",),
    ),
    Bug(
        "a jump needs no fuel, and a loop never ends", "vm.c",
        "    moved:\n        if (pc > limit) {\n            goto ended;\n        }\n", "    moved:\n",
        ("a loop ends when fuel ends",),
    ),
    Bug(
        "a record has room for a fifth caller", "vm.c",
        "(self->depth >= HP_SUB_PROGRAMS_DEEP)", "(self->depth > HP_SUB_PROGRAMS_DEEP)",
        ("a fifth caller is too deep",),
    ),
)  # fmt: skip


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_planted_bug_is_caught_by_its_vectors(bug: Bug, tmp_path):
    engine = build_changed(tmp_path, changed_file(bug, tmp_path))

    missed = [name for name in bug.seen_by if agrees(engine, BY_NAME[name])]

    assert missed == []


def test_nothing_is_caught_where_nothing_is_planted(tmp_path):
    source = tmp_path / "vm.c"
    source.write_text((ROOT / "device_runtime/core/vm.c").read_text())
    engine = build_changed(tmp_path, source)

    wrong = {name for bug in BUGS for name in bug.seen_by if not agrees(engine, BY_NAME[name])}

    assert wrong == set()


@pytest.mark.parametrize("core", ("cortex-m0plus", "cortex-m4"))
@pytest.mark.parametrize("bug", BOARD_BUGS, ids=lambda bug: bug.name)
def test_planted_bug_that_only_a_32_bit_core_shows_is_caught(bug: Bug, core: str, tmp_path):
    pytest.importorskip("unicorn", reason="emulated cores need the sim extra")
    engine = thumb_engine.build(core, tmp_path, changed_file(bug, tmp_path))

    missed = [name for name in bug.seen_by if agrees_on_board(engine, BY_NAME[name])]

    assert missed == []


def agrees_on_board(engine: thumb_engine.ThumbEngine, vector: Vector) -> bool:
    """True if the core gives what the vector says and makes no access that a real one refuses."""
    engine.bad_accesses.clear()
    try:
        outcome = engine.run(
            vector.code, vector.space(), fuel=vector.fuel, frame_bytes=vector.frame_bytes, at_most=BOARD_RUN
        )
    except (thumb_engine.UcError, thumb_engine.Endless):
        return False  # an access to memory that is not there, or no end
    answer = outcome.registers[0]
    return outcome.fault is vector.fault and vector.result in (None, answer) and not engine.bad_accesses
