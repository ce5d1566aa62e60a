@ Stop 11 of 12. The ways into the functions that tests/sweeps/invisible.py arms: context, registers, an interrupt.
@
@ Comes in: a block of memory that the test has filled; its offsets are those of invisible_bench.py. Goes out: a call of
@ the function in the context that was asked for, and `after`, where nothing more happens. The instructions are those of
@ every Cortex-M. Next: invisible_bench.py
        .syntax unified
        .thumb

        .equ    APSR, 52
        .equ    FLOAT_STATUS, 56
        .equ    HOW, 60                 @ bits: process stack, PRIMASK, BASEPRI, interrupt, sp % 8 = 4, FP in use
        .equ    FUNCTION, 64
        .equ    INJECTED, 68            @ counts the interrupts that arrived
        .equ    ARGUMENTS, 72           @ r0-r3 of the function in the interrupt; r7 is as r0
        .equ    TARGET, 88              @ what a fixed site goes on to
        .equ    FLOATS, 92

        .macro  skip_unless_next_bit    @ of r5
        lsrs    r5, r5, #1
        bcc     1f
        .endm

        .section .entry, "ax", %progbits
        .balign 4
        .global entry
entry:
        movs    r0, #0
        ldr     r1, =0xE000E010         @ no tick: both runs take their time
        str     r0, [r1]
        dsb
        ldr     r4, =block
        ldr     r5, [r4, #HOW]
#if defined(__ARM_FP)
        mrs     r0, control             @ nobody has used FP registers yet
        bic     r0, #12
        msr     control, r0
        isb
#endif
        skip_unless_next_bit
        ldr     r0, =process_stack
        msr     psp, r0
        mrs     r0, control
        movs    r1, #2
        orrs    r0, r1
        msr     control, r0
        isb
1:      skip_unless_next_bit
        cpsid   i
1:      skip_unless_next_bit
#if __ARM_ARCH >= 7
        movs    r0, #0x20
        msr     basepri, r0
#endif
1:      skip_unless_next_bit
        ldr     r1, =0xE000E200         @ pend
        ldr     r0, =1 << LINE
        str     r0, [r1]
        dsb
        isb
        b       .
1:
        .global go
        .thumb_func
go:     ldr     r4, =block              @ also that interrupt's handler
        ldr     r5, [r4, #HOW]
        lsrs    r5, r5, #4
        skip_unless_next_bit
        sub     sp, #4
1:      sub     sp, #4
        ldr     r0, [r4, #FUNCTION]
        str     r0, [sp]
#if defined(__ARM_FP)
        skip_unless_next_bit
        add     r0, r4, #FLOATS
        vldmia  r0, {s0-s31}
        ldr     r0, [r4, #FLOAT_STATUS]
        vmsr    fpscr, r0
1:
#endif
        ldr     r0, [r4, #APSR]
#if defined(__ARM_FEATURE_DSP)
        msr     APSR_nzcvqg, r0
#else
        msr     APSR_nzcvq, r0
#endif
        ldr     r0, =after + 1          @ from here nothing changes the flags
        mov     lr, r0
        ldr     r0, [r4, #32]
        mov     r8, r0
        ldr     r0, [r4, #36]
        mov     r9, r0
        ldr     r0, [r4, #40]
        mov     r10, r0
        ldr     r0, [r4, #44]
        mov     r11, r0
        ldr     r0, [r4, #48]
        mov     r12, r0
        ldr     r0, [r4]
        ldr     r1, [r4, #4]
        ldr     r2, [r4, #8]
        ldr     r3, [r4, #12]
        ldr     r5, [r4, #20]
        ldr     r6, [r4, #24]
        ldr     r7, [r4, #28]
        ldr     r4, [r4, #16]
        pop     {pc}
        .balign 4
        .global after
after:  b       .

        .balign 4
        .global injected
        .thumb_func
injected:                               @ the other interrupt: the same function, on other data
        push    {r3-r7, lr}
#if defined(__ARM_FP)
        vpush   {s0-s15}
        vmrs    r5, fpscr
#endif
        ldr     r4, =block
        ldr     r0, [r4, #INJECTED]
        adds    r0, #1
        str     r0, [r4, #INJECTED]
        adds    r4, #ARGUMENTS
        ldm     r4!, {r0-r3}
        subs    r4, #(ARGUMENTS + 16)
        mov     r7, r0
        ldr     r4, [r4, #FUNCTION]
        blx     r4
#if defined(__ARM_FP)
        vmsr    fpscr, r5
        vpop    {s0-s15}
#endif
        pop     {r3-r7, pc}

        .balign 4
        .global jump
jump:   push    {r0, r1}                @ placed where a fixed site goes on: no register changes
        ldr     r0, =block
        ldr     r0, [r0, #TARGET]
        str     r0, [sp, #4]
        pop     {r0, pc}
        .ltorg
        .global jump_end
jump_end:
