/// Stop 11 of 12. What the fault handlers ask the flash patch and breakpoint unit's tables.
///
/// Comes in: an address. Goes out: the veneer of the site armed there. Next: fpb.c
#ifndef HOTPATCH_CORTEX_M_FPB_H
#define HOTPATCH_CORTEX_M_FPB_H

#include <stdint.h>

/// The veneer of the site armed at `address`, or 0.
uint32_t hp_fpb_veneer(uint32_t address);

#endif
