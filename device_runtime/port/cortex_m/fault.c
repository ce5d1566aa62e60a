/// Stop 11 of 12. Faults of ARMv7-M and ARMv8-M main line, and debug events that DebugMonitor's fast path did not settle.
///
/// Comes in: the stacked frame of a fault. Goes out: true with the frame edited, if a site was hit while DebugMonitor was
/// masked or if a program faulted; false if the fault is the firmware's own. A foreign comparator is switched off. Without
/// comparators there are no debug events of ours. Next: core/trigger.c
#include "board_config.h"
#include "fpb.h"
#include "layout.h"
#include "registers.h"
#include "runtime_instance.h"

bool hp_hard_fault_taken(hp_exception_frame_t *stacked);
bool hp_fault_taken(hp_exception_frame_t *stacked);

extern const uint8_t hp_fault_exit[];

static void go_on_at(hp_exception_frame_t *stacked, uint32_t address)
{
    stacked->pc = address & ~1U;
    stacked->xpsr &= ~XPSR_IT_ICI;
}

/// A program's fault ends in its site's safe verdict: the core stacked it below the record's frame, so hp_fault_exit
/// runs in the same context, on the same stack.
bool hp_fault_taken(hp_exception_frame_t *stacked)
{
    if ((SCB_CFSR & CFSR_NOT_OURS) != 0U || !hp_layout_in_runtime(stacked->pc)) {
        return false;
    }
    // At another level it is a handler of the runtime's own, above code that may be inside a program.
    hp_frame_t *frame = hp_fault_frame(&hp_runtime, (uint32_t)stacked, stacked->xpsr & XPSR_EXCEPTION);
    if (frame == NULL) {
        return false;
    }
    SCB_CFSR          = SCB_CFSR; // written ones clear
    SCB_HFSR          = HFSR_FORCED;
    stacked->r0_r3[0] = (uint32_t)frame;
    go_on_at(stacked, (uint32_t)hp_fault_exit);
    hp_interrupt_pend(HP_BOARD_MANAGEMENT_IRQ); // where hp_poll takes out what faults too often
    return true;
}

#if HP_BOARD_FPB_VERSION != 0U

#define BKPT_MASK   0xFF00U
#define BKPT_OPCODE 0xBE00U

bool hp_other_debug_event(hp_exception_frame_t *stacked);

/// A debug event at no armed site. The firmware's own BKPT is a fault, as it is without this runtime; anything else simply
/// goes on, be it a comparator switched off meanwhile or one that a debugger left behind: that would match again at once, so
/// it is switched off.
bool hp_other_debug_event(hp_exception_frame_t *stacked)
{
    hp_count(&hp_runtime, HP_COUNTER_FOREIGN_BREAKPOINTS);
    hp_fpb_drop_foreign(stacked->pc);
    uint16_t instruction = *(const uint16_t *)stacked->pc;
    return (instruction & BKPT_MASK) != BKPT_OPCODE;
}

/// A breakpoint that found DebugMonitor masked escalates to HardFault (ARMv7-M ARM C1.6) and goes the same way.
bool hp_hard_fault_taken(hp_exception_frame_t *stacked)
{
    if ((SCB_HFSR & HFSR_DEBUGEVT) == 0U) {
        return hp_fault_taken(stacked);
    }
    uint32_t veneer = hp_fpb_veneer(stacked->pc);
    if (veneer == 0U) {
        return false;
    }
    SCB_HFSR = HFSR_DEBUGEVT;
    hp_count(&hp_runtime, HP_COUNTER_ESCALATED_HITS);
    go_on_at(stacked, veneer);
    return true;
}

#else

bool hp_hard_fault_taken(hp_exception_frame_t *stacked)
{
    return hp_fault_taken(stacked);
}

#endif
