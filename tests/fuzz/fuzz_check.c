/// Stop 9 of 12. libFuzzer's way into the structural check. In: any bytes. Out: nothing, or an abort where the check and a
/// second opinion differ. Next: core/check.c
///
/// The second opinion is told what an instruction may look like by opcodes.h, which tests/fuzzing.py writes from the
/// contract, and finds starts and sub-programs with memory, which the check does without. Input as in fuzz_engine.c.
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "opcodes.h"

#define HEAD_BYTES     4U
#define SLOTS_MAX      256U
#define DATA_BYTES     5U
#define VARIABLE_BYTES 24U
#define FRAME_POINTER  10U
#define FETCH          1U

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes);

typedef struct opinion_t {
    const uint8_t *code;
    uint32_t count;
    uint32_t helper_mask;
    bool starts[SLOTS_MAX];  ///< an instruction begins here
    bool entries[SLOTS_MAX]; ///< a sub-program begins here
} opinion_t;

typedef struct slot_t {
    uint8_t op;
    uint32_t dst;
    uint32_t src;
    int32_t offset;
    uint32_t imm;
} slot_t;

static void hold(const bool what)
{
    if (!what) {
        abort();
    }
}

static slot_t slot_at(const opinion_t *const self, const uint32_t index)
{
    const uint8_t *const at = &self->code[index * HP_INSTRUCTION_BYTES];
    int16_t offset;
    uint32_t imm;
    memcpy(&offset, &at[2], sizeof(offset));
    memcpy(&imm, &at[4], sizeof(imm));
    return (slot_t){
        .op = at[0], .dst = at[1] & 15U, .src = (uint32_t)at[1] >> 4U, .offset = offset, .imm = imm};
}

static bool fields_are_right(const opinion_t *const self, const uint32_t index, const slot_t slot)
{
    const uint32_t facts = opcode_facts[slot.op];
    const bool names =
        (slot.op == HP_OP_CALL) || (slot.op == HP_OP_LDDW); // the source says what the rest means
    const bool atomic    = (slot.op == HP_OP_ATOMICW) || (slot.op == HP_OP_ATOMICDW);
    const bool fetches   = atomic && ((slot.imm & FETCH) != 0U) && (slot.imm != 0xf1U);
    const bool known     = (facts & OPCODE_KNOWN) != 0U;
    const bool zero      = (((facts & OPCODE_DST) != 0U) || (slot.dst == 0U)) &&
                           (((facts & OPCODE_SRC) != 0U) || (slot.src == 0U)) &&
                           (((facts & OPCODE_OFFSET) != 0U) || (slot.offset == 0)) &&
                           (((facts & OPCODE_IMM) != 0U) || (slot.imm == 0U));
    const bool registers = (slot.dst <= FRAME_POINTER) && (names || (slot.src <= FRAME_POINTER));
    const bool keeps     = (((facts & OPCODE_WRITES_DST) == 0U) || (slot.dst != FRAME_POINTER)) &&
                           (!fetches || (slot.src != FRAME_POINTER));
    if (!known || !zero || !registers || !keeps || !opcode_variant(slot.op, slot.offset, slot.imm)) {
        return false;
    }
    if (slot.op == HP_OP_CALL) {
        const bool granted = (slot.imm < 32U) && (((self->helper_mask >> slot.imm) & 1U) != 0U);
        return (slot.src == 1U) || ((slot.src == 0U) && granted);
    }
    if (slot.op != HP_OP_LDDW) {
        return true;
    }
    if ((index + 1U) == self->count) {
        return false;
    }
    const slot_t half = slot_at(self, index + 1U);
    const bool empty  = (half.op == 0U) && (half.dst == 0U) && (half.src == 0U) && (half.offset == 0);
    const bool data   = (slot.src == 6U) && (slot.imm == 0U) && (half.imm <= DATA_BYTES);
    const bool kept   = (slot.src == 6U) && (slot.imm == 1U) && (half.imm <= VARIABLE_BYTES);
    return empty && ((slot.src == 0U) || data || kept);
}

/// Where a jump or a call of a sub-program leads, else `none`.
static int64_t lead(const uint32_t index, const slot_t slot, const int64_t none)
{
    const uint32_t facts = opcode_facts[slot.op];
    if (((facts & OPCODE_JUMPS) != 0U) && (slot.op != HP_OP_JA32)) {
        return (int64_t)index + 1 + slot.offset;
    }
    if ((slot.op == HP_OP_JA32) || ((slot.op == HP_OP_CALL) && (slot.src == 1U))) {
        return (int64_t)index + 1 + (int32_t)slot.imm;
    }
    return none;
}

/// The start of the sub-program that `index` lies in.
static uint32_t owner(const opinion_t *const self, const uint32_t index)
{
    uint32_t at = index;
    while ((at != 0U) && !self->entries[at]) {
        at--;
    }
    return at;
}

static bool paths_are_right(opinion_t *const self)
{
    for (uint32_t i = 0U; i < self->count; i++) {
        const slot_t slot    = slot_at(self, i);
        const int64_t target = self->starts[i] ? lead(i, slot, 0) : 0;
        if ((target < 0) || (target >= (int64_t)self->count) || !self->starts[target]) {
            return false;
        }
        if (self->starts[i] && (slot.op == HP_OP_CALL) && (slot.src == 1U)) {
            self->entries[target] = true;
        }
    }
    for (uint32_t i = 0U; i < self->count; i++) {
        if (!self->starts[i]) {
            continue;
        }
        const slot_t slot   = slot_at(self, i);
        const uint32_t next = i + ((slot.op == HP_OP_LDDW) ? 2U : 1U);
        const bool ends     = (slot.op == HP_OP_EXIT) || (slot.op == HP_OP_JA) || (slot.op == HP_OP_JA32);
        const bool last     = (next == self->count) || self->entries[next];
        const bool jumps    = (opcode_facts[slot.op] & OPCODE_JUMPS) != 0U;
        if ((last && !ends) || (jumps && (owner(self, (uint32_t)lead(i, slot, 0)) != owner(self, i)))) {
            return false;
        }
    }
    return true;
}

static bool second_opinion(const uint8_t *const code, const uint32_t bytes, const uint32_t helper_mask)
{
    opinion_t self = {.code = code, .count = bytes / HP_INSTRUCTION_BYTES, .helper_mask = helper_mask};
    if ((bytes == 0U) || ((bytes % HP_INSTRUCTION_BYTES) != 0U) || (self.count > SLOTS_MAX)) {
        return false;
    }
    for (uint32_t i = 0U; i < self.count; i++) {
        const slot_t slot = slot_at(&self, i);
        if (!fields_are_right(&self, i, slot)) {
            return false;
        }
        self.starts[i] = true;
        i += (slot.op == HP_OP_LDDW) ? 1U : 0U;
    }
    return paths_are_right(&self);
}

/// The check's answer on a copy that ends where its block ends, `shift` bytes off alignment.
static hp_status_t answer(const uint8_t *const code, const uint32_t bytes, const uint32_t shift,
                          const hp_check_limits_t limits, uint32_t *const where)
{
    uint8_t *const copy = malloc((size_t)bytes + shift + 1U);
    hold(copy != NULL);
    if (bytes != 0U) {
        memcpy(&copy[shift + 1U], code, bytes);
    }
    const hp_status_t status = hp_check_program(&copy[shift + 1U], bytes, &limits, where);
    free(copy);
    return status;
}

static void accepted_stays_accepted(const uint8_t *const code, const uint32_t bytes,
                                    const hp_check_limits_t limits)
{
    static const uint8_t exit_slot[HP_INSTRUCTION_BYTES] = {HP_OP_EXIT};
    const uint32_t count                                 = bytes / HP_INSTRUCTION_BYTES;
    hp_check_limits_t other = {count, limits.data_bytes, limits.variable_bytes, UINT32_MAX};
    uint32_t where;
    hold(answer(code, bytes, 0U, other, &where) == HP_STATUS_OK);
    other.instruction_count_max = count - 1U;
    hold(answer(code, bytes, 0U, other, &where) == HP_STATUS_CHECK_LENGTH);
    other.instruction_count_max = count + 1U;
    uint8_t *const longer       = malloc(bytes + sizeof(exit_slot));
    hold(longer != NULL);
    memcpy(longer, code, bytes);
    memcpy(&longer[bytes], exit_slot, sizeof(exit_slot));
    hold(answer(longer, bytes + (uint32_t)sizeof(exit_slot), 0U, other, &where) == HP_STATUS_OK);
    free(longer);
}

int LLVMFuzzerTestOneInput(const uint8_t *const input, const size_t bytes)
{
    if (bytes < HEAD_BYTES) {
        return 0;
    }
    const uint8_t *const code      = &input[HEAD_BYTES];
    const uint32_t code_bytes      = (uint32_t)(bytes - HEAD_BYTES);
    const hp_check_limits_t limits = {SLOTS_MAX, DATA_BYTES, VARIABLE_BYTES, input[1]};
    uint32_t where                 = UINT32_MAX;
    uint32_t again                 = UINT32_MAX;
    const hp_status_t status       = answer(code, code_bytes, 0U, limits, &where);
    hold(status == answer(code, code_bytes, 2U, limits, &again));
    hold(where == again);
    hold((status == HP_STATUS_OK) == second_opinion(code, code_bytes, limits.helper_mask));
    if (status == HP_STATUS_OK) {
        hold(where == 0U);
        accepted_stays_accepted(code, code_bytes, limits);
    } else {
        hold((where == 0U) || (where < (code_bytes / HP_INSTRUCTION_BYTES)));
        hold(opcode_refusal(status));
    }
    return 0;
}
