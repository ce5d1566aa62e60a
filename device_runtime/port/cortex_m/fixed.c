/// Stop 11 of 12. Arms sites that were compiled into the firmware, on a core without a flash patch unit (fixed_site.inc).
///
/// Comes in: a function's address. Goes out: the flag of its site set to the trigger's index plus one, or to zero. One byte
/// stored is all: a call of the function sees it before or after. Next: veneer_v6m.S
#include <stddef.h>

#include "layout.h"
#include "registers.h"
#include "sites.h"

/// A row of the table that the linker gathers: fixed_site.inc writes it.
typedef struct fixed_site_t {
    uint32_t address; ///< of the function, Thumb bit set
    volatile uint8_t *flag;
} fixed_site_t;

_Static_assert(sizeof(fixed_site_t) == 8U, "fixed_site.inc and the host know this layout");

extern const fixed_site_t hp_fixed_sites_start[], hp_fixed_sites_end[];

const uint32_t hp_sites_count = HP_TRIGGERS_MAX;

static volatile uint8_t *flags[HP_TRIGGERS_MAX]; // of what is armed, NULL where free

void hp_sites_start(void)
{
    // Every flag is zero after reset, and each function goes its own way.
}

static volatile uint8_t *flag_of(uint32_t address)
{
    for (const fixed_site_t *site = hp_fixed_sites_start; site < hp_fixed_sites_end; site++) {
        if ((site->address & ~1U) == address) {
            return site->flag;
        }
    }
    return NULL;
}

hp_status_t hp_sites_check(hp_trigger_t trigger, uint32_t address)
{
    if (trigger != HP_TRIGGER_FIXED) {
        return HP_STATUS_UNSUPPORTED;
    }
    return flag_of(address) != NULL ? HP_STATUS_OK : HP_STATUS_ILLEGAL_SITE;
}

hp_status_t hp_sites_arm(uint32_t index, uint32_t address, uint32_t resume)
{
    (void)resume; // the site itself knows its function
    volatile uint8_t *flag = flag_of(address);
    if (index >= HP_TRIGGERS_MAX || flag == NULL) {
        return HP_STATUS_ILLEGAL_SITE;
    }
    if (flags[index] != flag) {
        hp_sites_disarm(index);
    }
    flags[index] = flag;
    hp_barrier();
    *flag = (uint8_t)(index + 1U);
    return HP_STATUS_OK;
}

void hp_sites_disarm(uint32_t index)
{
    if (index >= HP_TRIGGERS_MAX || flags[index] == NULL) {
        return;
    }
    *flags[index] = 0U;
    flags[index]  = NULL;
    hp_barrier();
}
