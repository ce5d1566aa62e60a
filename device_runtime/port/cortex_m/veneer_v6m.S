/// Stop 11 of 12. From a fixed site to the core and back, and the entries of exceptions that need the stacked frame.
///
/// In ARMv6-M's instructions, which every Cortex-M has: for chips without comparators.
///
/// Comes in: a fixed site's stub with the trigger's index plus one in r12 and r0-r3, r12's room and the pc to go on at on
/// the stack. Goes out: a call of hp_fire, then the firmware as the frame says. There is no DebugMonitor. A program's fault
/// comes back from HardFault, and where the core has them from the other three. The frame is that of veneer.S.
/// Next: core/trigger.c
#include "board_config.h"

        .syntax unified
        .thumb

        .macro  function name
        .global \name
        .type   \name, %function
        .thumb_func
\name:
        .endm

        .macro  stacked_frame           @ r0: the exception frame, on the stack that was in use
        movs    r0, #4
        mov     r1, lr
        tst     r1, r0
        bne     1f
        mrs     r0, msp
        b       2f
1:      mrs     r0, psp
2:
        .endm

@ ------------------------------------------------ exceptions ------------------------------------------------

        .section .text.hp_hard_fault, "ax", %progbits
        .balign 4
        function hp_hard_fault
        stacked_frame
        ldr     r1, =hp_hard_fault_taken
        b       ask

#if !defined(__ARM_ARCH_6M__)
        .balign 4
        function hp_other_fault         @ MemManage, BusFault, UsageFault
        stacked_frame
        ldr     r1, =hp_fault_taken
#endif
ask:    push    {r4, lr}
        blx     r1                      @ true: the frame has been edited, the firmware goes on
        cmp     r0, #0
        beq     3f
        pop     {r4, pc}
3:      ldr     r1, =firmware_fault
        bx      r1
        .ltorg

        .balign 4
        function hp_management_interrupt
        stacked_frame
        ldr     r1, =hp_management
        bx      r1
        .ltorg

@ ------------------------------------------------ veneer ------------------------------------------------

        .section .text.hp_fixed_enter, "ax", %progbits
        .balign 4
        function hp_fixed_enter         @ flags and r12 are free: this is a function's entry
        mov     r0, r12
        str     r0, [sp, #16]
        subs    r0, #1
        push    {lr}
        sub     sp, #36
        mrs     r1, apsr
        str     r1, [sp]
        mov     r1, sp
        adds    r1, #4
        stmia   r1!, {r4-r7}
        mov     r4, r8
        mov     r5, r9
        mov     r6, r10
        mov     r7, r11
        stmia   r1!, {r4-r7}
        mov     r1, r0
        mov     r2, sp
        mov     r4, sp
        lsrs    r3, r4, #3
        lsls    r3, r3, #3              @ AAPCS wants 8
        mov     sp, r3
        ldr     r0, =hp_runtime
        bl      hp_fire                 @ (runtime, index, frame)
        mov     sp, r4
        b       leave

        .balign 4
        function hp_fault_exit          @ r0 = frame; sp lies somewhere below it
        mov     r4, r0
        lsrs    r1, r0, #3
        lsls    r1, r1, #3
        mov     sp, r1
        mov     r1, r0
        ldr     r0, =hp_runtime
        bl      hp_abort                @ (runtime, frame)
        mov     sp, r4
leave:  mov     r0, sp
        adds    r0, #20
        ldmia   r0!, {r4-r7}
        mov     r8, r4
        mov     r9, r5
        mov     r10, r6
        mov     r11, r7
        ldr     r1, [sp, #36]
        mov     lr, r1
        ldr     r1, [sp, #56]
        mov     r12, r1
        mov     r0, sp
        adds    r0, #4
        ldmia   r0!, {r4-r7}
        ldr     r1, [sp]
        msr     APSR_nzcvq, r1          @ from here nothing may change the flags
        add     sp, #40
        pop     {r0-r3}
        add     sp, #4
        pop     {pc}
        .ltorg
