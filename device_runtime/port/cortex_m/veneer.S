/// Stop 11 of 12. From a hit to the core and back, and the entries of exceptions that need the stacked frame.
///
/// Comes in: DebugMonitor, or HardFault while that is masked. Goes out: a call of hp_fire in the context of the patched
/// code, then the firmware as the frame says. Registers r0-r12, lr, flags and the pc to go on at are saved as
/// hp_frame_t (hotpatch.h), 64 bytes; every verdict is an edit of it, and there is one way out. FP registers are never
/// touched: the core is built without them. Next: core/trigger.c
#include "board_config.h"

        .syntax unified
        .thumb

#if defined(__ARM_FEATURE_DSP)
#define APSR_ALL APSR_nzcvqg
#else
#define APSR_ALL APSR_nzcvq
#endif

        .macro  function name
        .global \name
        .type   \name, %function
        .thumb_func
\name:
        .endm

        .macro  stacked_frame register  @ the exception frame, on the stack that was in use
        tst     lr, #4
        ite     eq
        mrseq   \register, msp
        mrsne   \register, psp
        .endm

@ ------------------------------------------------ exceptions ------------------------------------------------

        .section .text.hp_debug_monitor, "ax", %progbits
        .balign 4
        function hp_debug_monitor       @ {multiplier, unused, {pc, veneer} x 16} is where hp_hash points
        stacked_frame r0
        ldr     r2, =hp_hash
        ldrd    r1, r3, [r0, #24]       @ stacked pc and xpsr
        ldr     r2, [r2]
        bic     r3, #0x06000000         @ the veneer starts outside any IF-THEN block
        ldr     r12, [r2], #8
        bic     r3, #0x0000fc00
        mul     r12, r12, r1
        lsr     r12, #28
        add     r2, r2, r12, lsl #3
        ldrd    r12, r2, [r2]
        cmp     r12, r1
        bne     other_debug_event
        strd    r2, r3, [r0, #24]
        bx      lr
other_debug_event:
        ldr     r1, =hp_other_debug_event
        b       ask
        .ltorg

        .balign 4
        function hp_hard_fault
        stacked_frame r0
        ldr     r1, =hp_hard_fault_taken
        b       ask

        .balign 4
        function hp_other_fault         @ MemManage, BusFault, UsageFault
        stacked_frame r0
        ldr     r1, =hp_fault_taken
ask:    push    {r4, lr}
        blx     r1                      @ true: the frame has been edited, the firmware goes on
        pop     {r4, lr}
        cbz     r0, 1f
        bx      lr
1:      ldr     r1, =firmware_fault
        bx      r1
        .ltorg

        .balign 4
        function hp_management_interrupt
        stacked_frame r0
        ldr     r1, =hp_management
        bx      r1
        .ltorg

@ ------------------------------------------------ veneers ------------------------------------------------

        .section .text.hp_veneers, "ax", %progbits
        .balign 16
        function hp_veneers             @ 16 bytes each, by trigger index
        .set    index, 0
        .rept   HP_BOARD_COMPARATORS
        .balign 16
        sub     sp, #4                  @ room for the pc to go on at
        push    {r0-r3, r12}
        movw    r0, #index
        b.w     enter
        .set    index, index + 1
        .endr

        .balign 4
enter:  ldr     r2, =hp_resume          @ up to the MRS nothing may change the flags
        ldr     r2, [r2, r0, lsl #2]
        str     r2, [sp, #20]
        mrs     r1, apsr
        push    {r1, r4-r11, lr}
        mov     r1, r0
        mov     r2, sp
        mov     r4, sp
        bic     r3, r4, #7              @ AAPCS wants 8
        mov     sp, r3
        ldr     r0, =hp_runtime
        bl      hp_fire                 @ (runtime, index, frame)
        mov     sp, r4
        cbnz    r0, leave_full
        ldrd    r1, r4, [sp], #36       @ r5-r11 are as they were: hp_fire preserved them
        ldr     lr, [sp], #4
        msr     APSR_ALL, r1
        pop     {r0-r3, r12, pc}

        function hp_fault_exit          @ r0 = frame; sp lies somewhere below it
        mov     r4, r0
        bic     r1, r0, #7
        mov     sp, r1
        mov     r1, r0
        ldr     r0, =hp_runtime
        bl      hp_abort                @ (runtime, frame)
        mov     sp, r4
leave_full:
        pop     {r1, r4-r11, lr}
        msr     APSR_ALL, r1
        pop     {r0-r3, r12, pc}
        .ltorg
