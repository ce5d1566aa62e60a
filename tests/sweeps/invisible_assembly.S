@ Stop 11 of 12. A function of what compilers rarely write, whose instructions tests/sweeps/invisible.py arms in turn.
@
@ Carries from one instruction into the next, Q and GE, an IF-THEN block, FP registers with flags, lr as a number. r7 is the
@ data. Next: invisible_entry.S
        .syntax unified
        .thumb

        .macro  saves operation, last   @ what a function must preserve: an interrupt runs it too
#if __ARM_ARCH >= 7
        \operation {r4-r11, \last}
#else
        \operation {r4-r7, \last}
#endif
        .endm

        .section .function, "ax", %progbits
        .global flags_and_registers
        .type   flags_and_registers, %function
        .thumb_func
flags_and_registers:
        saves   push, lr
        sub     sp, #8
        adds    r0, r1
        adcs    r2, r3
        sbcs    r5, r6
        lsls    r1, r2, #3
#if defined(__ARM_FEATURE_DSP)
        uadd8   r8, r9, r10             @ GE
        sel     r11, r8, r9
        qadd    r9, r10, r9             @ Q
#endif
        str     r0, [sp]
#if __ARM_ARCH >= 7
        strd    r2, r5, [sp]
        ldrd    r0, r2, [sp]
#endif
        mov     r12, r7
        stmia   r7!, {r0, r2, r5}
#if __ARM_ARCH >= 7
        ldrb    r6, [r12, #1]
        umull   r3, r5, r2, r8
        clz     r8, r3
        bfi     r10, r6, #4, #7
        ssat    r11, #9, r11
        movw    r4, #0x1234
        movt    r4, #0x5678
        cmp     r4, r4
        ite     eq
        .global inside_a_block
inside_a_block:
        moveq   r3, r6                  @ a hit here must leave the IT block behind
        nopne
#endif
#if defined(__ARM_FP)
        vadd.f32 s0, s1, s2
        vpush   {s16-s19}
        vmul.f32 s16, s17, s0
        vcmp.f32 s16, s0
        vmrs    APSR_nzcv, fpscr
        vpop    {s16-s19}
#endif
        mov     r1, r12
        mrs     r2, apsr
        rsbs    r0, r0, #0
        mov     r12, lr
        mov     lr, r3
        add     lr, r12
        add     sp, #8
        saves   pop, pc
        .size   flags_and_registers, . - flags_and_registers
