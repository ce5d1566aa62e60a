/// Stop 11 of 12. What the fault handlers ask the flash patch and breakpoint unit's tables.
///
/// Comes in: an address. Goes out: the veneer of the site armed there, or no more match there. Next: fpb.c
#ifndef HOTPATCH_CORTEX_M_FPB_H
#define HOTPATCH_CORTEX_M_FPB_H

#include <stdint.h>

/// The veneer of the site armed at `address`, or 0.
uint32_t hp_fpb_veneer(uint32_t address);

/// Switches off every comparator that matches at `address`, where no site is armed. One that a site should have had gets it
/// back. Called by DebugMonitor only.
void hp_fpb_drop_foreign(uint32_t address);

#endif
