/// Stop 9 of 12. The structural check. In: instructions and what the payload declares. Out: a status and the instruction at
/// fault. Next: core/store.c
///
/// Two passes without memory: first every instruction by itself, then every sub-program, whose end is found by looking
/// through all calls again.
#include "core/check.h"

#include <stdbool.h>
#include <stddef.h>

#define FRAME_POINTER              10U
#define NO_INSTRUCTION             0U ///< the opcode byte of a wide load's second half, and of nothing else
#define SOURCE_SUB_PROGRAM         1U
#define SOURCE_DATA_SECTION        6U
#define OPERATION_FETCH            1U
#define OPERATION_COMPARE_EXCHANGE 0xf1U

// What an instruction uses and does; every field it does not use must be zero (RFC 9669 section 3).
#define USES_DST    1U
#define USES_SRC    2U
#define USES_OFFSET 4U
#define USES_IMM    8U
#define WRITES_DST  16U
#define KNOWN       32U

typedef struct insn_t {
    hp_op_t op;
    uint32_t dst;
    uint32_t src;
    int32_t offset;
    uint32_t imm;
} insn_t;

typedef struct checker_t {
    const uint8_t *code;
    uint32_t count;
    const hp_check_limits_t *limits;
} checker_t;

static uint32_t word_at(const uint8_t *const at)
{
    return (uint32_t)at[0] | ((uint32_t)at[1] << 8U) | ((uint32_t)at[2] << 16U) | ((uint32_t)at[3] << 24U);
}

static insn_t insn_at(const checker_t *const self, const uint32_t index)
{
    const uint8_t *const at = &self->code[index * HP_INSTRUCTION_BYTES];
    const uint32_t field    = (uint32_t)at[2] | ((uint32_t)at[3] << 8U);
    return (insn_t){
        .op     = (hp_op_t)at[0],
        .dst    = at[1] & 15U,
        .src    = (uint32_t)at[1] >> 4U,
        .offset = (int16_t)(uint16_t)field,
        .imm    = word_at(&at[4]),
    };
}

static uint32_t facts_of(const hp_op_t op)
{
    switch (op) {
        // clang-format off
    case HP_OP_ADD32_IMM: case HP_OP_ADD64_IMM: case HP_OP_SUB32_IMM: case HP_OP_SUB64_IMM:
    case HP_OP_MUL32_IMM: case HP_OP_MUL64_IMM: case HP_OP_OR32_IMM: case HP_OP_OR64_IMM:
    case HP_OP_AND32_IMM: case HP_OP_AND64_IMM: case HP_OP_LSH32_IMM: case HP_OP_LSH64_IMM:
    case HP_OP_RSH32_IMM: case HP_OP_RSH64_IMM: case HP_OP_XOR32_IMM: case HP_OP_XOR64_IMM:
    case HP_OP_MOV32_IMM: case HP_OP_MOV64_IMM: case HP_OP_ARSH32_IMM: case HP_OP_ARSH64_IMM:
    case HP_OP_TO_LE: case HP_OP_BSWAP: case HP_OP_TO_BE:
        return USES_DST | USES_IMM | WRITES_DST | KNOWN;
    case HP_OP_JA:
        return USES_OFFSET | KNOWN;
    case HP_OP_JA32:
        return USES_IMM | KNOWN;
    case HP_OP_ADD32_REG: case HP_OP_ADD64_REG: case HP_OP_SUB32_REG: case HP_OP_SUB64_REG:
    case HP_OP_MUL32_REG: case HP_OP_MUL64_REG: case HP_OP_OR32_REG: case HP_OP_OR64_REG:
    case HP_OP_AND32_REG: case HP_OP_AND64_REG: case HP_OP_LSH32_REG: case HP_OP_LSH64_REG:
    case HP_OP_RSH32_REG: case HP_OP_RSH64_REG: case HP_OP_XOR32_REG: case HP_OP_XOR64_REG:
    case HP_OP_ARSH32_REG: case HP_OP_ARSH64_REG:
        return USES_DST | USES_SRC | WRITES_DST | KNOWN;
    case HP_OP_JEQ64_IMM: case HP_OP_JEQ32_IMM: case HP_OP_JGT64_IMM: case HP_OP_JGT32_IMM:
    case HP_OP_JGE64_IMM: case HP_OP_JGE32_IMM: case HP_OP_JSET64_IMM: case HP_OP_JSET32_IMM:
    case HP_OP_JNE64_IMM: case HP_OP_JNE32_IMM: case HP_OP_STW: case HP_OP_JSGT64_IMM:
    case HP_OP_JSGT32_IMM: case HP_OP_STH: case HP_OP_STB: case HP_OP_JSGE64_IMM: case HP_OP_JSGE32_IMM:
    case HP_OP_STDW: case HP_OP_JLT64_IMM: case HP_OP_JLT32_IMM: case HP_OP_JLE64_IMM:
    case HP_OP_JLE32_IMM: case HP_OP_JSLT64_IMM: case HP_OP_JSLT32_IMM: case HP_OP_JSLE64_IMM:
    case HP_OP_JSLE32_IMM:
        return USES_DST | USES_OFFSET | USES_IMM | KNOWN;
    case HP_OP_LDDW:
        return USES_DST | USES_SRC | USES_IMM | WRITES_DST | KNOWN;
    case HP_OP_JEQ64_REG: case HP_OP_JEQ32_REG: case HP_OP_JGT64_REG: case HP_OP_JGT32_REG:
    case HP_OP_JGE64_REG: case HP_OP_JGE32_REG: case HP_OP_JSET64_REG: case HP_OP_JSET32_REG:
    case HP_OP_JNE64_REG: case HP_OP_JNE32_REG: case HP_OP_STXW: case HP_OP_STXH: case HP_OP_JSGT64_REG:
    case HP_OP_JSGT32_REG: case HP_OP_STXB: case HP_OP_STXDW: case HP_OP_JSGE64_REG:
    case HP_OP_JSGE32_REG: case HP_OP_JLT64_REG: case HP_OP_JLT32_REG: case HP_OP_JLE64_REG:
    case HP_OP_JLE32_REG: case HP_OP_JSLT64_REG: case HP_OP_JSLT32_REG: case HP_OP_JSLE64_REG:
    case HP_OP_JSLE32_REG:
        return USES_DST | USES_SRC | USES_OFFSET | KNOWN;
    case HP_OP_DIV32_IMM: case HP_OP_DIV64_IMM: case HP_OP_MOD32_IMM: case HP_OP_MOD64_IMM:
        return USES_DST | USES_OFFSET | USES_IMM | WRITES_DST | KNOWN;
    case HP_OP_DIV32_REG: case HP_OP_DIV64_REG: case HP_OP_LDXW: case HP_OP_LDXH: case HP_OP_LDXB:
    case HP_OP_LDXDW: case HP_OP_LDXSW: case HP_OP_LDXSH: case HP_OP_LDXSB: case HP_OP_MOD32_REG:
    case HP_OP_MOD64_REG: case HP_OP_MOV32_REG: case HP_OP_MOV64_REG:
        return USES_DST | USES_SRC | USES_OFFSET | WRITES_DST | KNOWN;
    case HP_OP_NEG32: case HP_OP_NEG64:
        return USES_DST | WRITES_DST | KNOWN;
    case HP_OP_CALL:
        return USES_SRC | USES_IMM | KNOWN;
    case HP_OP_CALLX:
        return USES_DST | KNOWN;
    case HP_OP_EXIT:
        return KNOWN;
    case HP_OP_ATOMICW: case HP_OP_ATOMICDW:
        return USES_DST | USES_SRC | USES_OFFSET | USES_IMM | KNOWN;
        // clang-format on
    }
    return 0U;
}

// ------------------------------------------------ one instruction ------------------------------------------------

static bool is_division(const hp_op_t op)
{
    const uint32_t operation = (uint32_t)op & 0xf0U;
    const uint32_t group     = (uint32_t)op & 7U;
    return ((group == 4U) || (group == 7U)) && ((operation == 0x30U) || (operation == 0x90U));
}

static bool is_swap(const hp_op_t op)
{
    return (op == HP_OP_TO_LE) || (op == HP_OP_TO_BE) || (op == HP_OP_BSWAP);
}

static bool is_atomic(const hp_op_t op)
{
    return (op == HP_OP_ATOMICW) || (op == HP_OP_ATOMICDW);
}

static bool atomic_exists(const uint32_t operation)
{
    const uint32_t kind = operation & ~OPERATION_FETCH;
    const bool any      = (kind == 0x00U) || (kind == 0x40U) || (kind == 0x50U) || (kind == 0xa0U);
    return any || (operation == 0xe1U) || (operation == OPERATION_COMPARE_EXCHANGE);
}

/// Offsets and immediates that choose a variant of the instruction.
static bool variant_exists(const insn_t *const insn)
{
    if (is_division(insn->op)) {
        return (insn->offset == 0) || (insn->offset == 1);
    }
    if (insn->op == HP_OP_MOV32_REG) {
        return (insn->offset == 0) || (insn->offset == 8) || (insn->offset == 16);
    }
    if (insn->op == HP_OP_MOV64_REG) {
        return (insn->offset == 0) || (insn->offset == 8) || (insn->offset == 16) || (insn->offset == 32);
    }
    if (is_swap(insn->op)) {
        return (insn->imm == 16U) || (insn->imm == 32U) || (insn->imm == 64U);
    }
    return !is_atomic(insn->op) || atomic_exists(insn->imm);
}

static hp_status_t check_fields(const insn_t *const insn, const uint32_t facts)
{
    const bool dst = (facts & USES_DST) != 0U;
    // In call and lddw the source field is not a register.
    const bool chooses = (insn->op == HP_OP_CALL) || (insn->op == HP_OP_LDDW);
    const bool src     = (facts & USES_SRC) != 0U;
    if ((dst && (insn->dst > FRAME_POINTER)) || (src && !chooses && (insn->src > FRAME_POINTER))) {
        return HP_STATUS_CHECK_REGISTER;
    }
    if ((!dst && (insn->dst != 0U)) || (!src && (insn->src != 0U)) ||
        (((facts & USES_OFFSET) == 0U) && (insn->offset != 0)) ||
        (((facts & USES_IMM) == 0U) && (insn->imm != 0U))) {
        return HP_STATUS_CHECK_UNUSED_FIELD;
    }
    if (!variant_exists(insn)) {
        return HP_STATUS_CHECK_IMMEDIATE;
    }
    const bool fetches = is_atomic(insn->op) && ((insn->imm & OPERATION_FETCH) != 0U) &&
                         (insn->imm != OPERATION_COMPARE_EXCHANGE);
    if ((((facts & WRITES_DST) != 0U) && (insn->dst == FRAME_POINTER)) ||
        (fetches && (insn->src == FRAME_POINTER))) {
        return HP_STATUS_CHECK_FRAME_POINTER;
    }
    return HP_STATUS_OK;
}

/// Whether section `section` of the payload has a byte `offset`, or ends there.
static bool is_in_section(const hp_check_limits_t *const limits, const uint32_t section,
                          const uint32_t offset)
{
    switch (section) {
    case HP_SECTION_DATA: return (limits->data_bytes != 0U) && (offset <= limits->data_bytes);
    case HP_SECTION_VARIABLES: return (limits->variable_bytes != 0U) && (offset <= limits->variable_bytes);
    default: return false;
    }
}

static hp_status_t check_wide_load(const checker_t *const self, const uint32_t index,
                                   const insn_t *const insn)
{
    if ((index + 1U) >= self->count) {
        return HP_STATUS_CHECK_WIDE_LOAD;
    }
    const insn_t half = insn_at(self, index + 1U);
    if ((uint32_t)half.op != NO_INSTRUCTION) {
        return HP_STATUS_CHECK_WIDE_LOAD;
    }
    if ((half.dst != 0U) || (half.src != 0U) || (half.offset != 0)) {
        return HP_STATUS_CHECK_UNUSED_FIELD;
    }
    if (insn->src == 0U) {
        return HP_STATUS_OK;
    }
    const bool exists =
        (insn->src == SOURCE_DATA_SECTION) && is_in_section(self->limits, insn->imm, half.imm);
    return exists ? HP_STATUS_OK : HP_STATUS_CHECK_REFERENCE;
}

static hp_status_t check_call(const checker_t *const self, const uint32_t index, const insn_t *const insn)
{
    bool exists = false;
    if (insn->src == 0U) {
        exists = (insn->imm < 32U) && (((self->limits->helper_mask >> insn->imm) & 1U) != 0U);
    } else if (insn->src == SOURCE_SUB_PROGRAM) {
        const int64_t target = (int64_t)index + 1 + (int32_t)insn->imm;
        exists               = (target >= 0) && (target < (int64_t)self->count);
    }
    return exists ? HP_STATUS_OK : HP_STATUS_CHECK_CALL;
}

static hp_status_t check_instruction(const checker_t *const self, const uint32_t index)
{
    const insn_t insn    = insn_at(self, index);
    const uint32_t facts = facts_of(insn.op);
    if (facts == 0U) {
        return HP_STATUS_CHECK_OPCODE;
    }
    const hp_status_t fields = check_fields(&insn, facts);
    if (fields != HP_STATUS_OK) {
        return fields;
    }
    if (insn.op == HP_OP_LDDW) {
        return check_wide_load(self, index, &insn);
    }
    return (insn.op == HP_OP_CALL) ? check_call(self, index, &insn) : HP_STATUS_OK;
}

// ------------------------------------------------ sub-programs ------------------------------------------------

static uint32_t slots_of(const insn_t *const insn)
{
    return (insn->op == HP_OP_LDDW) ? 2U : 1U;
}

static bool is_local_call(const insn_t *const insn)
{
    return (insn->op == HP_OP_CALL) && (insn->src == SOURCE_SUB_PROGRAM);
}

static bool is_jump(const insn_t *const insn)
{
    const uint32_t group = (uint32_t)insn->op & 7U;
    const bool calls     = (insn->op == HP_OP_CALL) || (insn->op == HP_OP_CALLX) || (insn->op == HP_OP_EXIT);
    return ((group == 5U) || (group == 6U)) && !calls;
}

/// Where a jump or sub-program call leads; may be anywhere.
static int64_t target_of(const insn_t *const insn, const uint32_t index)
{
    const bool by_imm = (insn->op == HP_OP_JA32) || (insn->op == HP_OP_CALL);
    return (int64_t)index + 1 + (by_imm ? (int32_t)insn->imm : insn->offset);
}

/// The first instruction behind `start` that some call enters, or the end of the program.
static uint32_t end_of(const checker_t *const self, const uint32_t start)
{
    uint32_t end = self->count;
    insn_t insn;
    for (uint32_t i = 0U; i < self->count; i += slots_of(&insn)) {
        insn = insn_at(self, i);
        if (is_local_call(&insn)) {
            const uint32_t target = (uint32_t)target_of(&insn, i);
            if ((target > start) && (target < end)) {
                end = target;
            }
        }
    }
    return end;
}

static bool is_second_half(const checker_t *const self, const uint32_t index)
{
    return self->code[index * HP_INSTRUCTION_BYTES] == NO_INSTRUCTION;
}

static hp_status_t check_leads(const checker_t *const self, const uint32_t index, const insn_t *const insn,
                               const uint32_t start, const uint32_t end)
{
    if (!is_jump(insn) && !is_local_call(insn)) {
        return HP_STATUS_OK;
    }
    const int64_t target = target_of(insn, index);
    if (is_jump(insn) && ((target < (int64_t)start) || (target >= (int64_t)end))) {
        return HP_STATUS_CHECK_JUMP_RANGE;
    }
    return is_second_half(self, (uint32_t)target) ? HP_STATUS_CHECK_JUMP_MIDDLE : HP_STATUS_OK;
}

/// Checks [start, end): jumps stay inside, and the last instruction does not go on behind it.
static hp_status_t check_sub_program(const checker_t *const self, const uint32_t start, const uint32_t end,
                                     uint32_t *const where)
{
    insn_t insn = insn_at(self, start);
    for (uint32_t i = start; i < end; i += slots_of(&insn)) {
        insn                    = insn_at(self, i);
        *where                  = i;
        const hp_status_t leads = check_leads(self, i, &insn, start, end);
        if (leads != HP_STATUS_OK) {
            return leads;
        }
    }
    const bool ends = (insn.op == HP_OP_EXIT) || (insn.op == HP_OP_JA) || (insn.op == HP_OP_JA32);
    return ends ? HP_STATUS_OK : HP_STATUS_CHECK_FALLS_OFF;
}

hp_status_t hp_check_program(const uint8_t *const code, const uint32_t code_bytes,
                             const hp_check_limits_t *const limits, uint32_t *const where)
{
    const checker_t self = {.code = code, .count = code_bytes / HP_INSTRUCTION_BYTES, .limits = limits};
    *where               = 0U;
    if ((code_bytes == 0U) || ((code_bytes % HP_INSTRUCTION_BYTES) != 0U) ||
        (self.count > limits->instruction_count_max)) {
        return HP_STATUS_CHECK_LENGTH;
    }
    insn_t insn;
    for (uint32_t i = 0U; i < self.count; i += slots_of(&insn)) {
        insn                        = insn_at(&self, i);
        *where                      = i;
        const hp_status_t by_itself = check_instruction(&self, i);
        if (by_itself != HP_STATUS_OK) {
            return by_itself;
        }
    }
    uint32_t end = 0U;
    for (uint32_t start = 0U; start < self.count; start = end) {
        end                      = end_of(&self, start);
        const hp_status_t inside = check_sub_program(&self, start, end, where);
        if (inside != HP_STATUS_OK) {
            return inside;
        }
    }
    *where = 0U;
    return HP_STATUS_OK;
}
