/// Stop 11 of 12. How this core gets from a site to its veneer: fpb.c by comparators, fixed.c by calls in the firmware.
///
/// Comes in: a site's address and where to go on. Goes out: an armed site. Next: fpb.c
#ifndef HOTPATCH_CORTEX_M_SITES_H
#define HOTPATCH_CORTEX_M_SITES_H

#include <stdint.h>

#include "hotpatch/hotpatch.h"

/// How many sites can be armed at once.
extern const uint32_t hp_sites_count;

/// Makes ready, with nothing armed.
void hp_sites_start(void);

/// As site_check, trigger_arm and trigger_disarm of port.h.
HP_MUST_CHECK hp_status_t hp_sites_check(hp_trigger_t trigger, uint32_t address);
HP_MUST_CHECK hp_status_t hp_sites_arm(uint32_t index, uint32_t address, uint32_t resume);
void hp_sites_disarm(uint32_t index);

#endif
