/// Stop 11 of 12. Arms and disarms comparators of the flash patch and breakpoint unit.
///
/// Comes in: an address, and where its displaced copy lies. Goes out: comparator, resume address and hash entry. The
/// tables are right before a comparator matches, and stay right until it matches no more. Next: veneer.S
#include "fpb.h"

#include "board_config.h"
#include "layout.h"
#include "registers.h"
#include "sites.h"

#define HASH_ENTRIES     16U
#define HASH_TRIES       65536U
#define VENEER_BYTES     16U
#define NO_PC            0xFFFFFFFFU ///< matches no stacked pc, which is even
#define REVISION_1_END   0x20000000U
#define REVISION_1_WORD  0x1FFFFFFCU
#define REVISION_1_LOWER (1U << 30)
#define REVISION_1_UPPER (2U << 30)
#define COMPARATOR_ON    1U

#if defined(__ARM_ARCH_8M_MAIN__)
#define MONITOR_READY (DEMCR_MON_EN | DEMCR_SDME) ///< the image is secure
#else
#define MONITOR_READY DEMCR_MON_EN
#endif

_Static_assert(HP_BOARD_COMPARATORS <= HP_TRIGGERS_MAX, "build with a larger HP_TRIGGERS_MAX");

typedef struct hash_entry_t {
    uint32_t pc;
    uint32_t veneer;
} hash_entry_t;

/// Perfect for what is armed: entry (multiplier * pc) >> 28. veneer.S knows this layout.
typedef struct hash_t {
    uint32_t multiplier;
    uint32_t unused;
    hash_entry_t entries[HASH_ENTRIES];
} hash_t;

_Static_assert(sizeof(hash_t) == 136U, "veneer.S knows this layout");

// Two, so that a hit while one is being filled still finds the other.
static hash_t tables[2];
const uint32_t hp_sites_count = HP_BOARD_COMPARATORS;

static uint32_t armed[HP_BOARD_COMPARATORS]; // addresses, NO_PC where free

/// The table in force: swapped by one store. Read by veneer.S.
const hash_t *volatile hp_hash;
/// Where each site goes on, Thumb bit set. Kept after disarming, for a hit that is on its way. Read by veneer.S.
uint32_t hp_resume[HP_BOARD_COMPARATORS];

extern const uint8_t hp_veneers[];

static uint32_t veneer_of(uint32_t index)
{
    return ((uint32_t)hp_veneers & ~1U) + VENEER_BYTES * index;
}

static bool fill(hash_t *table, uint32_t multiplier)
{
    table->multiplier = multiplier;
    for (uint32_t i = 0U; i < HASH_ENTRIES; i++) {
        table->entries[i] = (hash_entry_t){.pc = NO_PC, .veneer = 0U};
    }
    for (uint32_t index = 0U; index < HP_BOARD_COMPARATORS; index++) {
        if (armed[index] == NO_PC) {
            continue;
        }
        hash_entry_t *entry = &table->entries[(multiplier * armed[index]) >> 28];
        if (entry->pc != NO_PC) {
            return false;
        }
        *entry = (hash_entry_t){.pc = armed[index], .veneer = veneer_of(index)};
    }
    return true;
}

/// Puts a table for all of `armed` in force. False if no multiplier separates them.
static bool rebuild(void)
{
    hash_t *table       = hp_hash == &tables[0] ? &tables[1] : &tables[0];
    uint32_t multiplier = 0x9E3779B1U;
    for (uint32_t tries = 0U; tries < HASH_TRIES; tries++) {
        if (fill(table, multiplier)) {
            hp_barrier();
            hp_hash = table;
            hp_barrier();
            return true;
        }
        multiplier = (multiplier * 1664525U + 1013904223U) | 1U;
    }
    return false;
}

void hp_sites_start(void)
{
    for (uint32_t index = 0U; index < HP_BOARD_COMPARATORS; index++) {
        FPB_COMPARATOR(index) = 0U;
        armed[index]          = NO_PC;
    }
    (void)rebuild(); // of nothing: the first multiplier will do
#if defined(__ARM_ARCH_8M_MAIN__)
    if ((DEBUG_DEMCR & DEMCR_SDME) == 0U) { // where the chip allows it already, its settings stay
        DEBUG_DAUTHCTRL = DAUTHCTRL_SPIDENSEL | DAUTHCTRL_INTSPIDEN;
        hp_barrier();
    }
#endif
    DEBUG_DEMCR |= DEMCR_MON_EN;
    FPB_CONTROL = FPB_KEY | FPB_ENABLE;
    hp_barrier();
}

/// Whether DebugMonitor takes a match. The chip's debug authentication has the last word: SDME tells what it was, whatever
/// DAUTHCTRL was asked for. Armed without it, each hit would be the firmware's own HardFault, or nothing at all.
static bool monitor_is_ready(void)
{
    return (DEBUG_DEMCR & MONITOR_READY) == MONITOR_READY;
}

static uint32_t comparator_of(uint32_t address)
{
#if HP_BOARD_FPB_VERSION == 1U
    uint32_t half = (address & 2U) != 0U ? REVISION_1_UPPER : REVISION_1_LOWER;
    return half | (address & REVISION_1_WORD) | COMPARATOR_ON;
#else
    return address | COMPARATOR_ON;
#endif
}

static bool may_trap(uint32_t address)
{
    bool reachable = HP_BOARD_FPB_VERSION != 1U || address < REVISION_1_END;
    return reachable && (address & 1U) == 0U && hp_layout_in_text(address) && !hp_layout_in_runtime(address);
}

hp_status_t hp_sites_check(hp_trigger_t trigger, uint32_t address)
{
    if (trigger != HP_TRIGGER_BREAKPOINT) {
        return HP_STATUS_UNSUPPORTED;
    }
    if (!monitor_is_ready()) {
        return HP_STATUS_NO_DEBUG_MONITOR;
    }
    return may_trap(address) ? HP_STATUS_OK : HP_STATUS_ILLEGAL_SITE;
}

hp_status_t hp_sites_arm(uint32_t index, uint32_t address, uint32_t resume)
{
    if (index >= HP_BOARD_COMPARATORS || !may_trap(address)) {
        return HP_STATUS_ILLEGAL_SITE;
    }
    if (!monitor_is_ready()) {
        return HP_STATUS_NO_DEBUG_MONITOR;
    }
    if (armed[index] != NO_PC && armed[index] != address) {
        hp_sites_disarm(index);
    }
    hp_resume[index] = resume;
    armed[index]     = address;
    if (!rebuild()) {
        armed[index] = NO_PC;
        return HP_STATUS_NO_TRIGGER;
    }
    FPB_COMPARATOR(index) = comparator_of(address);
    hp_barrier();
    return HP_STATUS_OK;
}

void hp_sites_disarm(uint32_t index)
{
    if (index >= HP_BOARD_COMPARATORS || armed[index] == NO_PC) {
        return;
    }
    FPB_COMPARATOR(index) = 0U;
    hp_barrier();
    armed[index] = NO_PC;
    (void)
        rebuild(); // of a subset of what the table in force separates: it cannot fail for want of a multiplier
}

uint32_t hp_fpb_veneer(uint32_t address)
{
    const hash_t *table       = hp_hash;
    const hash_entry_t *entry = &table->entries[(table->multiplier * address) >> 28];
    return entry->pc == address ? entry->veneer : 0U;
}

static bool matches(uint32_t comparator, uint32_t address)
{
#if HP_BOARD_FPB_VERSION == 1U
    uint32_t half = (address & 2U) != 0U ? REVISION_1_UPPER : REVISION_1_LOWER;
    bool here     = ((comparator ^ address) & REVISION_1_WORD) == 0U && (comparator & half) != 0U;
#else
    bool here = (comparator & ~COMPARATOR_ON) == address;
#endif
    return here && (comparator & COMPARATOR_ON) != 0U;
}

void hp_fpb_drop_foreign(uint32_t address)
{
    uint32_t count = FPB_CODE_COUNT(FPB_CONTROL);
    for (uint32_t index = 0U; index < count; index++) {
        if (matches(FPB_COMPARATOR(index), address)) {
            bool site             = index < HP_BOARD_COMPARATORS && hp_fpb_veneer(armed[index]) != 0U;
            FPB_COMPARATOR(index) = site ? comparator_of(armed[index]) : 0U;
        }
    }
    hp_barrier();
}
