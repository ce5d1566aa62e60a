/// Stop 11 of 12. The flash patch and breakpoint unit as triggers (ARMv7-M ARM C1.11; revision 2: ARMv8-M ARM).
///
/// Comes in: a site's address and where to go on. Goes out: a comparator that leads to the site's veneer. Next: veneer.S
#ifndef HOTPATCH_CORTEX_M_FPB_H
#define HOTPATCH_CORTEX_M_FPB_H

#include <stdbool.h>
#include <stdint.h>

#include "hotpatch/hotpatch.h"

/// Turns the unit on with every comparator off, and lets DebugMonitor be taken.
void hp_fpb_start(void);

/// As trigger_arm and trigger_disarm of port.h.
HP_MUST_CHECK hp_status_t hp_fpb_arm(uint32_t index, uint32_t address, uint32_t resume);
void hp_fpb_disarm(uint32_t index);

/// The veneer of the site armed at `address`, or 0.
uint32_t hp_fpb_veneer(uint32_t address);

#endif
