/// Stops 10 to 12 of 12. What a patch keeps between its runs, until it is armed anew or the board resets. In: a payload and its
/// slot. Out: RAM of its own. Next: core/trigger.h
///
/// The RAM belongs to the slot, not to the patch: while a run of the older version goes on, the newer one has its own,
/// and it is given away when the slot is, under the same rule (core/store.c).
#ifndef HP_CORE_VARIABLES_H
#define HP_CORE_VARIABLES_H

#include "hotpatch/hotpatch.h"

/// Bytes of RAM that the programs of `payload` ask for: its sections lie inside it, and its map record is whole.
uint32_t hp_variables_bytes(const uint8_t *payload);

/// Gives the variables of the admitted `payload` in slot `slot` their initial values. The slot is not armed.
void hp_variables_start(hp_runtime_t *self, uint32_t slot, const uint8_t *payload);

/// The variables of the admitted `payload` in slot `slot`, into *region. Called at a site, in any context.
void hp_variables_of(const hp_runtime_t *self, uint32_t slot, const uint8_t *payload, hp_region_t *region);

/// Where a program sees memory of the core: its real address on a device. On a 64-bit host no such address exists, and
/// `stand_in` is used, which no board has memory at.
static inline uint32_t hp_seen_at(const void *memory, uint32_t stand_in)
{
    return sizeof(uintptr_t) == sizeof(uint32_t) ? (uint32_t)(uintptr_t)memory : stand_in;
}

#endif
