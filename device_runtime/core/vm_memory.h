/// Stop 12 of 12. The interpreter's view of memory: which region holds an address, and values at any alignment. In: addresses
/// of a run. Out: places and numbers. Part of core/vm.c. Next: core/vm.c
#ifndef HP_CORE_VM_MEMORY_H
#define HP_CORE_VM_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/vm.h"

// Code is 4-aligned, data is not: aligned(1) makes the compiler use byte accesses where the core has no others (M0+), and
// keeps it from LDRD and LDM, which fault on unaligned addresses on every core.
typedef uint16_t hp_loose16_t __attribute__((may_alias, aligned(1)));
typedef uint32_t hp_loose32_t __attribute__((may_alias, aligned(1)));

static inline bool holds(const hp_region_t *const region, const uint32_t address, const uint32_t bytes)
{
    const uint32_t offset = address - region->address;
    return (region->bytes >= bytes) && (offset <= (region->bytes - bytes));
}

static const hp_region_t *find_among(const hp_region_t *const regions, const uint32_t count,
                                     const uint32_t address, const uint32_t bytes)
{
    for (uint32_t i = 0U; i < count; i++) {
        if (holds(&regions[i], address, bytes)) {
            return &regions[i];
        }
    }
    return NULL;
}

// Asked where the region last hit does not hold the address: worth fewer bytes than the loop, which -Os (ARMv6-M) gives it
// anyway.
#if defined(__ARM_ARCH_6M__)
#define SLOW_WAY static
#else
#define SLOW_WAY static __attribute__((cold))
#endif

/// The region that holds `bytes` bytes at `address`, the program's own first. NULL: the run may not touch them.
SLOW_WAY const hp_region_t *find_region(const hp_space_t *const space, const uint64_t address,
                                        const uint32_t bytes, const bool write)
{
    const uint32_t low       = (uint32_t)address;
    const hp_region_t *found = NULL;
    if ((address >> 32U) != 0U) {
        return NULL;
    }
    found = find_among(&space->stack, 1U, low, bytes);
    if (found == NULL) {
        found = find_among(&space->context, 1U, low, bytes);
    }
    if ((found == NULL) && !write) {
        found = find_among(&space->data, 1U, low, bytes);
    }
    if (found == NULL) {
        found = find_among(&space->variables, 1U, low, bytes);
    }
    if (found == NULL) {
        found = find_among(space->writable, space->writable_count, low, bytes);
    }
    if ((found == NULL) && !write) {
        found = find_among(space->readable, space->readable_count, low, bytes);
    }
    return found;
}

static inline uint8_t *place_in(const hp_region_t *const region, const uint64_t address)
{
    return &region->memory[(uint32_t)address - region->address];
}

static inline uint16_t get16(const uint8_t *const at)
{
    return *(const hp_loose16_t *)at;
}

static inline uint32_t get32(const uint8_t *const at)
{
    return *(const hp_loose32_t *)at;
}

static inline uint64_t get64(const uint8_t *const at)
{
    return ((uint64_t)get32(&at[4]) << 32U) | get32(at);
}

static inline void put16(uint8_t *const at, const uint64_t value)
{
    *(hp_loose16_t *)at = (uint16_t)value;
}

static inline void put32(uint8_t *const at, const uint64_t value)
{
    *(hp_loose32_t *)at = (uint32_t)value;
}

static inline void put64(uint8_t *const at, const uint64_t value)
{
    put32(at, value);
    put32(&at[4], value >> 32U);
}

static uint64_t get(const uint8_t *const at, const uint32_t bytes)
{
    switch (bytes) {
    case 1: return at[0];
    case 2: return get16(at);
    case 4: return get32(at);
    default: return get64(at);
    }
}

static void put(uint8_t *const at, const uint64_t value, const uint32_t bytes)
{
    switch (bytes) {
    case 1: at[0] = (uint8_t)value; break;
    case 2: put16(at, value); break;
    case 4: put32(at, value); break;
    default: put64(at, value); break;
    }
}

#endif
