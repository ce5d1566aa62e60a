/// Stop 12 of 12. The interpreter (RFC 9669 and callx). In: an admitted program and the regions it may touch. Out: a fault,
/// r0, and the fuel left. Next: core/helpers.c
///
/// Fuel costs next to nothing: `limit` is where the program counter would stand if the rest of the fuel were spent on a
/// straight line. A jump moves both by the same distance, so "pc <= limit" is the whole test, made only where something can
/// be seen from outside or the straight line ends: taken jumps, stores, atomics, calls, exit. Between two tests there is
/// only arithmetic and loads, which nobody can observe; a fault of such a load behind the limit counts as fuel.
#include "core/vm.h"

#include <stddef.h>
#include <string.h>

#include "core/atomic.h"

#define SLOT                HP_INSTRUCTION_BYTES
#define FRAME_POINTER       10U
#define SOURCE_SUB_PROGRAM  1U
#define SOURCE_DATA_SECTION 6U

// RFC 9669 section 5: what a load's or store's opcode says beside its width.
#define WRITES        0x02U
#define FROM_REGISTER 0x01U
#define EXTENDS       0x80U

/// A word of code or of a register, whatever else it is a part of.
typedef uint32_t hp_word_t __attribute__((may_alias));

// The loop is worth its bytes; the rest of the core is compiled for size. Not on ARMv6-M: with eight usable registers -O2
// keeps 112 bytes more on the interrupted stack, and such cores have the least memory.
#if defined(__GNUC__) && !defined(__clang__) && !defined(__ARM_ARCH_6M__)
#define FAST_LOOP
#pragma GCC push_options
#pragma GCC optimize("O2")
#endif

// What every load and store has in common: in line, the region last hit stays in registers. ARMv6-M has too few of them.
#if defined(__ARM_ARCH_6M__)
#define IN_THE_LOOP static __attribute__((noinline))
#else
#define IN_THE_LOOP static inline __attribute__((always_inline))
#endif

// Here, so that the loop's options reach it.
#include "core/vm_arithmetic.h"
#include "core/vm_memory.h"

// ------------------------------------------------ fields ------------------------------------------------

static inline uint32_t source_of(const uint32_t word)
{
    return (word >> 12U) & 15U;
}

/// The offset field, counted in bytes of code where it is a jump's.
static inline int32_t offset_of(const uint32_t word)
{
    return (int32_t)word >> 16;
}

static inline uint64_t wide(const uint32_t imm)
{
    return (uint64_t)(int64_t)(int32_t)imm;
}

// ------------------------------------------------ regions ------------------------------------------------

uint8_t *hp_vm_memory(const hp_vm_t *const self, const uint64_t address, const uint32_t bytes,
                      const bool write)
{
    const hp_region_t *const region = find_region(self->space, address, bytes, write);
    return (region == NULL) ? NULL : place_in(region, address);
}

/// The region last hit, in the loop's own variables, so that an access costs one comparison. `last` is its length less 8:
/// only regions of at least 8 bytes are kept here.
typedef struct hp_region_cache_t {
    uint32_t address;
    uint32_t last;
    uint8_t *memory;
} hp_region_cache_t;

static inline void remember(hp_region_cache_t *const cache, const hp_region_t *const region)
{
    cache->address = region->address;
    cache->last    = region->bytes - 8U;
    cache->memory  = region->memory;
}

/// Where the instruction's memory operand lies, unless it wraps or overflows 32 bits: then it is outside of everything.
static inline uint64_t address_of(const uint64_t base, const uint32_t word)
{
    return base + wide((uint32_t)offset_of(word));
}

/// Finds where `bytes` (1, 2, 4 or 8) bytes at base + offset lie; false if not in the region kept in `cache`.
IN_THE_LOOP bool hits(const hp_region_cache_t *const cache, const uint64_t base, const uint32_t word,
                      const uint32_t bytes, uint8_t **const at)
{
    const uint64_t address = address_of(base, word);
    const uint32_t offset  = (uint32_t)address - cache->address;
    // Where an address is a pointer, memory is the address itself: one load less.
    *at = (sizeof(void *) == 4U) ? (uint8_t *)(uintptr_t)address : &cache->memory[offset];
    return __builtin_expect(((uint32_t)(address >> 32U) == 0U) && (offset <= (cache->last + (8U - bytes))),
                            true);
}

/// A store can be seen from outside, so it is refused once the fuel is spent.
IN_THE_LOOP bool for_store(const hp_region_cache_t *const cache, const uint64_t base, const uint32_t word,
                           const uint32_t bytes, const bool spent, uint8_t **const at)
{
    return __builtin_expect(!spent, true) && hits(cache, base, word, bytes, at);
}

// ------------------------------------------------ the slow way ------------------------------------------------

/// Carries out a load or store of any width whose region is not the one last hit. Returns the region; NULL, and nothing
/// done, if the run may not touch it.
static __attribute__((noinline)) const hp_region_t *access(hp_vm_t *const self, const uint32_t word,
                                                           const uint32_t imm)
{
    static const uint8_t widths[4]  = {4U, 2U, 1U, 8U};
    uint64_t *const dst             = &self->registers[(word >> 8U) & 15U];
    const uint64_t src              = self->registers[source_of(word)];
    const bool write                = (word & WRITES) != 0U;
    const uint32_t bytes            = widths[(word >> 3U) & 3U];
    const uint64_t address          = address_of(write ? *dst : src, word);
    const hp_region_t *const region = find_region(self->space, address, bytes, write);
    if (region == NULL) {
        return NULL;
    }
    uint8_t *const at = place_in(region, address);
    if (write) {
        put(at, ((word & FROM_REGISTER) != 0U) ? src : wide(imm), bytes);
    } else {
        const uint64_t value = get(at, bytes);
        *dst                 = ((word & EXTENDS) != 0U) ? extend(value, (int32_t)(bytes * 8U)) : value;
    }
    return region;
}

// ------------------------------------------------ atomics ------------------------------------------------

/// What an atomic operation leaves in memory; RFC 9669 section 5.3.
static uint64_t atomic_result(const uint32_t operation, const uint64_t old, const uint64_t operand)
{
    switch (operation & 0xf0U) {
    case 0x00: return old + operand;
    case 0x40: return old | operand;
    case 0x50: return old & operand;
    case 0xa0: return old ^ operand;
    default: return operand; // exchange, and compare-and-exchange where it compared equal
    }
}

/// Carries out an atomic instruction. Interrupts wait for the few cycles between its load and its store, on every core:
/// exclusive loads know neither 64 bits nor unaligned addresses. All of it is RAM that answers, so no fault can arrive there.
static __attribute__((noinline)) bool atomic(hp_vm_t *const self, const uint32_t word,
                                             const uint32_t operation, const bool is_wide)
{
    uint64_t *const r      = self->registers;
    uint64_t *const src    = &r[source_of(word)];
    const uint32_t bytes   = is_wide ? 8U : 4U;
    const uint64_t address = address_of(r[(word >> 8U) & 15U], word);
    uint8_t *const at      = hp_vm_memory(self, address, bytes, true);
    if (at == NULL) {
        return false;
    }
    const bool compares     = (operation == 0xf1U);
    const uint64_t expected = is_wide ? r[0] : (uint32_t)r[0];
    const uint32_t mask     = hp_mask_interrupts();
    const uint64_t old      = get(at, bytes);
    if (!compares || (old == expected)) {
        put(at, atomic_result(operation, old, *src), bytes);
    }
    hp_unmask_interrupts(mask);
    if (compares) {
        r[0] = old;
    } else if ((operation & 1U) != 0U) {
        *src = old;
    }
    return true;
}

// ------------------------------------------------ calls ------------------------------------------------

static __attribute__((noinline)) hp_fault_t call_helper(hp_vm_t *const self, const uint64_t number)
{
    const hp_program_t *const program = self->program;
    const bool may = (number < 32U) && (((program->helper_mask >> (uint32_t)number) & 1U) != 0U);
    return may ? program->helper(self, (uint32_t)number) : HP_FAULT_CALL;
}

/// Keeps the caller's state. Refused where the record or the stack has no room for another frame.
static __attribute__((noinline)) bool enter(hp_vm_t *const self, const uint8_t *const resume)
{
    uint64_t *const r   = self->registers;
    const uint32_t room = (uint32_t)r[FRAME_POINTER] - self->space->stack.address;
    if ((self->depth >= HP_SUB_PROGRAMS_DEEP) || (self->program->frame_bytes > room)) {
        return false;
    }
    hp_call_frame_t *const frame = &self->callers[self->depth];
    for (uint32_t i = 0U; i < 4U; i++) {
        frame->r6_r9[i] = r[6U + i];
    }
    frame->resume = resume;
    self->depth++;
    r[FRAME_POINTER] -= self->program->frame_bytes;
    return true;
}

/// Restores the caller's state; the address to go on at.
static __attribute__((noinline)) const uint8_t *leave(hp_vm_t *const self)
{
    uint64_t *const r = self->registers;
    self->depth--;
    const hp_call_frame_t *const frame = &self->callers[self->depth];
    for (uint32_t i = 0U; i < 4U; i++) {
        r[6U + i] = frame->r6_r9[i];
    }
    r[FRAME_POINTER] += self->program->frame_bytes;
    return frame->resume;
}

// ------------------------------------------------ the loop ------------------------------------------------

/// Register `index`, modulo 16. The empty asm statements (GNU C, clang too) emit nothing: they hide that a value is a sum,
/// so that it is loaded and stored through one register instead of being formed again in every case.
static inline uint64_t *register_at(uint64_t *const r, const uint32_t index)
{
    uint64_t *at = &r[index & 15U];
    __asm__("" : "+r"(at));
    return at;
}

/// *d = the 32 bits at `at`. The upper half first: behind the load, the two would be stored by STRD, which takes a cycle more.
static inline void load32(uint64_t *const d, const uint8_t *const at)
{
    hp_word_t *const words = (hp_word_t *)d;
    words[1]               = 0U;
    words[0]               = get32(at);
}

/// Where `offset` of a section lies; the check let in no other than these two.
static inline uint32_t address_in_section(const hp_space_t *const space, const uint32_t section,
                                          const uint32_t offset)
{
    return ((section == HP_SECTION_DATA) ? space->data.address : space->variables.address) + offset;
}

/// The immediate of the instruction that ends at `pc`: loaded only where it is used.
static inline uint32_t imm_behind(const uintptr_t pc)
{
    return ((const hp_word_t *)pc)[-1];
}

static inline hp_fault_t interpret(hp_vm_t *const self, const hp_program_t *const program,
                                   const hp_region_t *const first)
{
    uint64_t *const r = self->registers;
    uintptr_t pc      = (uintptr_t)program->code;
    uintptr_t limit   = pc + ((uintptr_t)((program->fuel <= HP_FUEL_MAX) ? program->fuel : 0U) * SLOT);
    hp_fault_t fault  = HP_FAULT_MEMORY;
    hp_region_cache_t load;
    remember(&load, first);
    hp_region_cache_t store = load;
    const hp_region_t *found;
    uint8_t *at;
    for (;;) {
        const uint32_t word = ((const hp_word_t *)pc)[0];
        pc += SLOT;
        __asm__("" : "+r"(pc));
        uint64_t *d = register_at(r, word >> 8U);
        intptr_t distance;
        switch ((uint8_t)word) {
            // clang-format off
        case HP_OP_ADD64_IMM: *d = *d + wide(imm_behind(pc)); continue;
        case HP_OP_ADD32_IMM: *d = (uint32_t)((uint32_t)*d + imm_behind(pc)); continue;
        case HP_OP_ADD64_REG: *d = *d + *register_at(r, word >> 12U); continue;
        case HP_OP_ADD32_REG: *d = (uint32_t)((uint32_t)*d + (uint32_t)*register_at(r, word >> 12U)); continue;
        case HP_OP_SUB64_IMM: *d = *d - wide(imm_behind(pc)); continue;
        case HP_OP_SUB32_IMM: *d = (uint32_t)((uint32_t)*d - imm_behind(pc)); continue;
        case HP_OP_SUB64_REG: *d = *d - *register_at(r, word >> 12U); continue;
        case HP_OP_SUB32_REG: *d = (uint32_t)((uint32_t)*d - (uint32_t)*register_at(r, word >> 12U)); continue;
        case HP_OP_MUL64_IMM: *d = *d * wide(imm_behind(pc)); continue;
        case HP_OP_MUL32_IMM: *d = (uint32_t)((uint32_t)*d * imm_behind(pc)); continue;
        case HP_OP_MUL64_REG: *d = *d * *register_at(r, word >> 12U); continue;
        case HP_OP_MUL32_REG: *d = (uint32_t)((uint32_t)*d * (uint32_t)*register_at(r, word >> 12U)); continue;
        case HP_OP_OR64_IMM: *d = *d | wide(imm_behind(pc)); continue;
        case HP_OP_OR32_IMM: *d = (uint32_t)((uint32_t)*d | imm_behind(pc)); continue;
        case HP_OP_OR64_REG: *d = *d | *register_at(r, word >> 12U); continue;
        case HP_OP_OR32_REG: *d = (uint32_t)((uint32_t)*d | (uint32_t)*register_at(r, word >> 12U)); continue;
        case HP_OP_AND64_IMM: *d = *d & wide(imm_behind(pc)); continue;
        case HP_OP_AND32_IMM: *d = (uint32_t)((uint32_t)*d & imm_behind(pc)); continue;
        case HP_OP_AND64_REG: *d = *d & *register_at(r, word >> 12U); continue;
        case HP_OP_AND32_REG: *d = (uint32_t)((uint32_t)*d & (uint32_t)*register_at(r, word >> 12U)); continue;
        case HP_OP_XOR64_IMM: *d = *d ^ wide(imm_behind(pc)); continue;
        case HP_OP_XOR32_IMM: *d = (uint32_t)((uint32_t)*d ^ imm_behind(pc)); continue;
        case HP_OP_XOR64_REG: *d = *d ^ *register_at(r, word >> 12U); continue;
        case HP_OP_XOR32_REG: *d = (uint32_t)((uint32_t)*d ^ (uint32_t)*register_at(r, word >> 12U)); continue;
        case HP_OP_LSH64_IMM: *d = *d << (imm_behind(pc) & 63U); continue;
        case HP_OP_LSH32_IMM: *d = (uint32_t)((uint32_t)*d << (imm_behind(pc) & 31U)); continue;
        case HP_OP_LSH64_REG: *d = *d << ((uint32_t)*register_at(r, word >> 12U) & 63U); continue;
        case HP_OP_LSH32_REG: *d = (uint32_t)((uint32_t)*d << ((uint32_t)*register_at(r, word >> 12U) & 31U)); continue;
        case HP_OP_RSH64_IMM: *d = *d >> (imm_behind(pc) & 63U); continue;
        case HP_OP_RSH32_IMM: *d = (uint32_t)((uint32_t)*d >> (imm_behind(pc) & 31U)); continue;
        case HP_OP_RSH64_REG: *d = *d >> ((uint32_t)*register_at(r, word >> 12U) & 63U); continue;
        case HP_OP_RSH32_REG: *d = (uint32_t)((uint32_t)*d >> ((uint32_t)*register_at(r, word >> 12U) & 31U)); continue;
        case HP_OP_ARSH64_IMM: *d = shift_right_signed64(*d, imm_behind(pc)); continue;
        case HP_OP_ARSH32_IMM: *d = (uint32_t)(shift_right_signed32((uint32_t)*d, imm_behind(pc))); continue;
        case HP_OP_ARSH64_REG: *d = shift_right_signed64(*d, (uint32_t)*register_at(r, word >> 12U)); continue;
        case HP_OP_ARSH32_REG: *d = (uint32_t)(shift_right_signed32((uint32_t)*d, (uint32_t)*register_at(r, word >> 12U))); continue;
        case HP_OP_DIV64_IMM: *d = divide64(*d, wide(imm_behind(pc)), offset_of(word) != 0); continue;
        case HP_OP_DIV32_IMM: *d = (uint32_t)(divide32((uint32_t)*d, imm_behind(pc), offset_of(word) != 0)); continue;
        case HP_OP_DIV64_REG: *d = divide64(*d, *register_at(r, word >> 12U), offset_of(word) != 0); continue;
        case HP_OP_DIV32_REG: *d = (uint32_t)(divide32((uint32_t)*d, (uint32_t)*register_at(r, word >> 12U), offset_of(word) != 0)); continue;
        case HP_OP_MOD64_IMM: *d = modulo64(*d, wide(imm_behind(pc)), offset_of(word) != 0); continue;
        case HP_OP_MOD32_IMM: *d = (uint32_t)(modulo32((uint32_t)*d, imm_behind(pc), offset_of(word) != 0)); continue;
        case HP_OP_MOD64_REG: *d = modulo64(*d, *register_at(r, word >> 12U), offset_of(word) != 0); continue;
        case HP_OP_MOD32_REG: *d = (uint32_t)(modulo32((uint32_t)*d, (uint32_t)*register_at(r, word >> 12U), offset_of(word) != 0)); continue;
        case HP_OP_NEG64: *d = 0U - *d; continue;
        case HP_OP_NEG32: *d = 0U - (uint32_t)*d; continue;
        case HP_OP_MOV64_IMM: *d = wide(imm_behind(pc)); continue;
        case HP_OP_MOV32_IMM: *d = imm_behind(pc); continue;
        case HP_OP_MOV64_REG: *d = extend(*register_at(r, word >> 12U), offset_of(word)); continue;
        case HP_OP_MOV32_REG: *d = (uint32_t)extend(*register_at(r, word >> 12U), offset_of(word)); continue;
        case HP_OP_TO_LE: *d = truncate(*d, imm_behind(pc)); continue;
        case HP_OP_TO_BE: *d = swap_bytes(*d, imm_behind(pc)); continue;
        case HP_OP_BSWAP: *d = swap_bytes(*d, imm_behind(pc)); continue;
        case HP_OP_LDDW:
            *d = ((uint64_t)((const hp_word_t *)pc)[1] << 32U) | imm_behind(pc);
            if (source_of(word) == SOURCE_DATA_SECTION) { *d = address_in_section(self->space, imm_behind(pc), ((const hp_word_t *)pc)[1]); }
            pc += SLOT;
            limit += SLOT;
            continue;
        case HP_OP_LDXB: if (!hits(&load, *register_at(r, word >> 12U), word, 1U, &at)) { goto load_missed; } *d = at[0]; continue;
        case HP_OP_LDXH: if (!hits(&load, *register_at(r, word >> 12U), word, 2U, &at)) { goto load_missed; } *d = get16(at); continue;
        case HP_OP_LDXW: if (!hits(&load, *register_at(r, word >> 12U), word, 4U, &at)) { goto load_missed; } load32(d, at); continue;
        case HP_OP_LDXDW: if (!hits(&load, *register_at(r, word >> 12U), word, 8U, &at)) { goto load_missed; } *d = get64(at); continue;
        case HP_OP_LDXSB: if (!hits(&load, *register_at(r, word >> 12U), word, 1U, &at)) { goto load_missed; } *d = extend(at[0], 8); continue;
        case HP_OP_LDXSH: if (!hits(&load, *register_at(r, word >> 12U), word, 2U, &at)) { goto load_missed; } *d = extend(get16(at), 16); continue;
        case HP_OP_LDXSW: if (!hits(&load, *register_at(r, word >> 12U), word, 4U, &at)) { goto load_missed; } *d = extend(get32(at), 32); continue;
        case HP_OP_STB: if (!for_store(&store, *d, word, 1U, pc > limit, &at)) { goto store_missed; } at[0] = (uint8_t)wide(imm_behind(pc)); continue;
        case HP_OP_STXB: if (!for_store(&store, *d, word, 1U, pc > limit, &at)) { goto store_missed; } at[0] = (uint8_t)*register_at(r, word >> 12U); continue;
        case HP_OP_STH: if (!for_store(&store, *d, word, 2U, pc > limit, &at)) { goto store_missed; } put16(at, wide(imm_behind(pc))); continue;
        case HP_OP_STXH: if (!for_store(&store, *d, word, 2U, pc > limit, &at)) { goto store_missed; } put16(at, *register_at(r, word >> 12U)); continue;
        case HP_OP_STW: if (!for_store(&store, *d, word, 4U, pc > limit, &at)) { goto store_missed; } put32(at, wide(imm_behind(pc))); continue;
        case HP_OP_STXW: if (!for_store(&store, *d, word, 4U, pc > limit, &at)) { goto store_missed; } put32(at, *register_at(r, word >> 12U)); continue;
        case HP_OP_STDW: if (!for_store(&store, *d, word, 8U, pc > limit, &at)) { goto store_missed; } put64(at, wide(imm_behind(pc))); continue;
        case HP_OP_STXDW: if (!for_store(&store, *d, word, 8U, pc > limit, &at)) { goto store_missed; } put64(at, *register_at(r, word >> 12U)); continue;
        case HP_OP_ATOMICDW: if ((pc > limit) || !atomic(self, word, imm_behind(pc), true)) { goto ended; } continue;
        case HP_OP_ATOMICW: if ((pc > limit) || !atomic(self, word, imm_behind(pc), false)) { goto ended; } continue;
        case HP_OP_JEQ64_IMM: if (*d == wide(imm_behind(pc))) { goto taken; } continue;
        case HP_OP_JEQ64_REG: if (*d == *register_at(r, word >> 12U)) { goto taken; } continue;
        case HP_OP_JEQ32_IMM: if ((uint32_t)*d == imm_behind(pc)) { goto taken; } continue;
        case HP_OP_JEQ32_REG: if ((uint32_t)*d == (uint32_t)*register_at(r, word >> 12U)) { goto taken; } continue;
        case HP_OP_JNE64_IMM: if (*d != wide(imm_behind(pc))) { goto taken; } continue;
        case HP_OP_JNE64_REG: if (*d != *register_at(r, word >> 12U)) { goto taken; } continue;
        case HP_OP_JNE32_IMM: if ((uint32_t)*d != imm_behind(pc)) { goto taken; } continue;
        case HP_OP_JNE32_REG: if ((uint32_t)*d != (uint32_t)*register_at(r, word >> 12U)) { goto taken; } continue;
        case HP_OP_JGT64_IMM: if (*d > wide(imm_behind(pc))) { goto taken; } continue;
        case HP_OP_JGT64_REG: if (*d > *register_at(r, word >> 12U)) { goto taken; } continue;
        case HP_OP_JGT32_IMM: if ((uint32_t)*d > imm_behind(pc)) { goto taken; } continue;
        case HP_OP_JGT32_REG: if ((uint32_t)*d > (uint32_t)*register_at(r, word >> 12U)) { goto taken; } continue;
        case HP_OP_JGE64_IMM: if (*d >= wide(imm_behind(pc))) { goto taken; } continue;
        case HP_OP_JGE64_REG: if (*d >= *register_at(r, word >> 12U)) { goto taken; } continue;
        case HP_OP_JGE32_IMM: if ((uint32_t)*d >= imm_behind(pc)) { goto taken; } continue;
        case HP_OP_JGE32_REG: if ((uint32_t)*d >= (uint32_t)*register_at(r, word >> 12U)) { goto taken; } continue;
        case HP_OP_JLT64_IMM: if (*d < wide(imm_behind(pc))) { goto taken; } continue;
        case HP_OP_JLT64_REG: if (*d < *register_at(r, word >> 12U)) { goto taken; } continue;
        case HP_OP_JLT32_IMM: if ((uint32_t)*d < imm_behind(pc)) { goto taken; } continue;
        case HP_OP_JLT32_REG: if ((uint32_t)*d < (uint32_t)*register_at(r, word >> 12U)) { goto taken; } continue;
        case HP_OP_JLE64_IMM: if (*d <= wide(imm_behind(pc))) { goto taken; } continue;
        case HP_OP_JLE64_REG: if (*d <= *register_at(r, word >> 12U)) { goto taken; } continue;
        case HP_OP_JLE32_IMM: if ((uint32_t)*d <= imm_behind(pc)) { goto taken; } continue;
        case HP_OP_JLE32_REG: if ((uint32_t)*d <= (uint32_t)*register_at(r, word >> 12U)) { goto taken; } continue;
        case HP_OP_JSGT64_IMM: if ((int64_t)*d > (int64_t)wide(imm_behind(pc))) { goto taken; } continue;
        case HP_OP_JSGT64_REG: if ((int64_t)*d > (int64_t)*register_at(r, word >> 12U)) { goto taken; } continue;
        case HP_OP_JSGT32_IMM: if ((int32_t)*d > (int32_t)imm_behind(pc)) { goto taken; } continue;
        case HP_OP_JSGT32_REG: if ((int32_t)*d > (int32_t)*register_at(r, word >> 12U)) { goto taken; } continue;
        case HP_OP_JSGE64_IMM: if ((int64_t)*d >= (int64_t)wide(imm_behind(pc))) { goto taken; } continue;
        case HP_OP_JSGE64_REG: if ((int64_t)*d >= (int64_t)*register_at(r, word >> 12U)) { goto taken; } continue;
        case HP_OP_JSGE32_IMM: if ((int32_t)*d >= (int32_t)imm_behind(pc)) { goto taken; } continue;
        case HP_OP_JSGE32_REG: if ((int32_t)*d >= (int32_t)*register_at(r, word >> 12U)) { goto taken; } continue;
        case HP_OP_JSLT64_IMM: if ((int64_t)*d < (int64_t)wide(imm_behind(pc))) { goto taken; } continue;
        case HP_OP_JSLT64_REG: if ((int64_t)*d < (int64_t)*register_at(r, word >> 12U)) { goto taken; } continue;
        case HP_OP_JSLT32_IMM: if ((int32_t)*d < (int32_t)imm_behind(pc)) { goto taken; } continue;
        case HP_OP_JSLT32_REG: if ((int32_t)*d < (int32_t)*register_at(r, word >> 12U)) { goto taken; } continue;
        case HP_OP_JSLE64_IMM: if ((int64_t)*d <= (int64_t)wide(imm_behind(pc))) { goto taken; } continue;
        case HP_OP_JSLE64_REG: if ((int64_t)*d <= (int64_t)*register_at(r, word >> 12U)) { goto taken; } continue;
        case HP_OP_JSLE32_IMM: if ((int32_t)*d <= (int32_t)imm_behind(pc)) { goto taken; } continue;
        case HP_OP_JSLE32_REG: if ((int32_t)*d <= (int32_t)*register_at(r, word >> 12U)) { goto taken; } continue;
        case HP_OP_JSET64_IMM: if ((*d & wide(imm_behind(pc))) != 0U) { goto taken; } continue;
        case HP_OP_JSET64_REG: if ((*d & *register_at(r, word >> 12U)) != 0U) { goto taken; } continue;
        case HP_OP_JSET32_IMM: if (((uint32_t)*d & imm_behind(pc)) != 0U) { goto taken; } continue;
        case HP_OP_JSET32_REG: if (((uint32_t)*d & (uint32_t)*register_at(r, word >> 12U)) != 0U) { goto taken; } continue;
        case HP_OP_JA: goto taken;
        case HP_OP_JA32: distance = (intptr_t)(int32_t)imm_behind(pc) * (intptr_t)SLOT; goto moved;
        case HP_OP_CALL:
            if (source_of(word) == SOURCE_SUB_PROGRAM) {
                if (pc > limit) { goto ended; }
                if (!enter(self, (const uint8_t *)pc)) { fault = HP_FAULT_DEPTH; goto ended; }
                distance = (intptr_t)(int32_t)imm_behind(pc) * (intptr_t)SLOT;
                goto moved;
            }
            fault = (pc > limit) ? HP_FAULT_FUEL : call_helper(self, imm_behind(pc));
            if (fault != HP_FAULT_NONE) { goto ended; }
            fault = HP_FAULT_MEMORY;
            continue;
        case HP_OP_CALLX:
            fault = (pc > limit) ? HP_FAULT_FUEL : call_helper(self, *d);
            if (fault != HP_FAULT_NONE) { goto ended; }
            fault = HP_FAULT_MEMORY;
            continue;
        case HP_OP_EXIT:
            if ((pc > limit) || (self->depth == 0U)) { fault = HP_FAULT_NONE; goto ended; }
            distance = (intptr_t)((uintptr_t)leave(self) - pc);
            goto moved;
        // Not an instruction, nor is any other value without a case; admission let none of them in. A case of its own for 0,
        // which the empty asm statement keeps from being merged with default, rids the dispatch of a subtraction.
        case 0: __asm__(""); fault = HP_FAULT_CALL; goto ended;
        default: fault = HP_FAULT_CALL; goto ended;
            // clang-format on
        }
    load_missed:
        found = access(self, word, imm_behind(pc));
        if (found == NULL) {
            goto ended;
        }
        if (found->bytes >= 8U) {
            remember(&load, found);
        }
        continue;
    store_missed:
        found = (pc > limit) ? NULL : access(self, word, imm_behind(pc));
        if (found == NULL) {
            goto ended;
        }
        if (found->bytes >= 8U) {
            remember(&store, found);
        }
        continue;
    taken:
        distance = (intptr_t)offset_of(word) * (intptr_t)SLOT;
    moved:
        if (pc > limit) {
            goto ended;
        }
        pc += (uintptr_t)distance;
        limit += (uintptr_t)distance;
    }
ended:
    self->pc = (const uint8_t *)pc;
    if (pc > limit) {
        self->fuel = 0U;
        return HP_FAULT_FUEL;
    }
    self->fuel = (uint32_t)((limit - pc) / SLOT);
    return fault;
}

// ------------------------------------------------ a run ------------------------------------------------

/// Sets r1, r2 and r10, clears the others (words of registers: every core is little-endian). First the lower words of all, then the upper ones: neighbours would be
/// cleared in pairs by STRD, which takes a cycle more than two STR.
static inline void set_registers(uint64_t *const r, const hp_space_t *const space)
{
    hp_word_t *const words = (hp_word_t *)r;
    words[0]               = 0U;
#pragma GCC unroll 7
    for (uint32_t i = 6U; i < (2U * FRAME_POINTER); i += 2U) {
        words[i] = 0U;
    }
#pragma GCC unroll 10
    for (uint32_t i = 1U; i < (2U * FRAME_POINTER); i += 2U) {
        words[i] = 0U;
    }
    words[2]         = space->context.address;
    words[4]         = space->context.bytes;
    r[FRAME_POINTER] = (uint64_t)space->stack.address + space->stack.bytes;
}

/// What an earlier run left on the stack is none of this one's business.
static inline void clear(const hp_region_t *const stack)
{
    if (stack->bytes != 0U) {
        memset(stack->memory, 0, stack->bytes);
    }
}

hp_fault_t hp_vm_run(hp_vm_t *const self, const hp_program_t *const program, const hp_space_t *const space)
{
    set_registers(self->registers, space);
    clear(&space->stack);
    const hp_region_t *const first = (space->context.bytes >= 8U) ? &space->context : &space->stack;
    self->program                  = program;
    self->space                    = space;
    self->depth                    = 0U;
    if (first->bytes < 8U) {
        self->pc   = program->code;
        self->fuel = program->fuel;
        return HP_FAULT_RECORD; // the loop's first region needs 8 bytes, and every real hit brings a context
    }
    return interpret(self, program, first);
}

#if defined(FAST_LOOP)
#pragma GCC pop_options
#endif
