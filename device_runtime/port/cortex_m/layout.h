/// Stop 11 of 12. Where boards/cortex_m.ld put things.
///
/// Comes in: the linker's symbols. Goes out: answers about addresses. Next: fpb.c
#ifndef HOTPATCH_CORTEX_M_LAYOUT_H
#define HOTPATCH_CORTEX_M_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

extern const uint8_t hp_text_start[], hp_text_end[];
extern const uint8_t hp_runtime_text_start[], hp_runtime_text_end[];
extern const uint8_t hp_build_id_start[], hp_build_id_end[];
extern uint8_t hp_stack_bottom[], hp_stack_top[];

/// Whether `address` lies in the firmware's code, the runtime's own included.
static inline bool hp_layout_in_text(uint32_t address)
{
    return address >= (uint32_t)hp_text_start && address < (uint32_t)hp_text_end;
}

/// Whether `address` lies in code that a hit may run: no site may lie there.
static inline bool hp_layout_in_runtime(uint32_t address)
{
    return address >= (uint32_t)hp_runtime_text_start && address < (uint32_t)hp_runtime_text_end;
}

#endif
