/// Stop 11 of 12. HardFault on ARMv6-M, the one fault there is.
///
/// Comes in: the stacked frame of a fault. Goes out: true with the frame edited, if a program faulted; false if the fault is
/// the firmware's own. Next: core/trigger.c
#include "board_config.h"
#include "layout.h"
#include "registers.h"
#include "runtime_instance.h"

bool hp_hard_fault_taken(hp_exception_frame_t *stacked);

extern const uint8_t hp_fault_exit[];

/// A program's fault ends in its site's safe verdict, as in fault.c. There is no status register to ask or to clear.
bool hp_hard_fault_taken(hp_exception_frame_t *stacked)
{
    if (!hp_layout_in_runtime(stacked->pc)) {
        return false;
    }
    hp_frame_t *frame = hp_fault_frame(&hp_runtime, (uint32_t)stacked, stacked->xpsr & XPSR_EXCEPTION);
    if (frame == NULL) {
        return false;
    }
    stacked->r0_r3[0] = (uint32_t)frame;
    stacked->pc       = (uint32_t)hp_fault_exit & ~1U;
    hp_interrupt_pend(HP_BOARD_MANAGEMENT_IRQ); // where hp_poll takes out what faults too often
    return true;
}
