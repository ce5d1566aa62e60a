@ Stop 11 of 12. What tests/sweeps/invisible.py runs with a site at each instruction: a function, and the ways into it.
@ Next: device_runtime/port/cortex_m/veneer.S
        .syntax unified
        .thumb

        .section .function, "ax", %progbits
function:
        push    {r4-r7, lr}
        sub     sp, #8
        adds    r0, r1
        adcs    r2, r3
        sbcs    r5, r6
        lsls    r1, r2, #3
        uadd8   r8, r9, r10             @ GE
        sel     r11, r8, r9
        qadd    r9, r10, r9             @ Q
        str     r0, [sp]
        strd    r2, r5, [sp]
        ldrd    r0, r2, [sp]
        mov     r12, r7
        stmia   r7!, {r0, r2, r5}
        ldrb    r6, [r12, #1]
        umull   r3, r5, r2, r8
        clz     r8, r3
        bfi     r10, r6, #4, #7
        movw    r4, #0x1234
        movt    r4, #0x5678
        cmp     r4, r4
        ite     eq
        moveq   r3, #5                  @ a hit here must leave the IT block behind
        nopne
        vadd.f32 s0, s1, s2
        vpush   {s16-s19}
        vmul.f32 s16, s17, s0
        vcmp.f32 s16, s0
        vmrs    APSR_nzcv, fpscr
        vpop    {s16-s19}
        mov     r1, r12
        mrs     r2, apsr
        rsbs    r0, r0, #0
        mov     r12, lr
        mov     lr, r3
        add     lr, r12
        add     sp, #8
        pop     {r4-r7, pc}

        .section .entry, "ax", %progbits
entry:
        movs    r0, #0
        ldr     r1, =0xE000E010         @ no tick: both runs take their time
        str     r0, [r1]
        dsb
        ldr     r4, =block
#if defined(ON_PSP)
        ldr     r0, =process_stack
        msr     psp, r0
        movs    r0, #2
        msr     control, r0
        isb
#elif defined(MASKED)
        cpsid   i
#elif defined(BY_BASEPRI)
        movs    r0, #0x20
        msr     basepri, r0
#elif defined(IN_INTERRUPT)
        ldr     r1, =0xE000E400 + LINE  @ priority
        movs    r0, #0xc0
        strb    r0, [r1]
        ldr     r1, =0xE000E100         @ enable, then pend
        ldr     r0, =1 << LINE
        str     r0, [r1]
        str     r0, [r1, #0x100]
        dsb
        isb
        b       .
#endif
go:     ldr     r4, =block
        add     r0, r4, #56
#if !defined(WITHOUT_FP)
        vldmia  r0, {s0-s31}
#endif
        ldr     r0, [r4, #52]
        msr     APSR_nzcvqg, r0
        ldr     lr, =after + 1
        ldm     r4, {r0-r12}
        ldr     pc, =function + 1
        .balign 4
after:  b       .

        .balign 4
arm:    ldr     r0, =0                  @ hp_sites_arm(0, site, copy)
        ldr     r4, =block
        ldr     r1, [r4, #184]
        ldr     r2, [r4, #188]
        ldr     r3, =hp_sites_arm + 1
        blx     r3
        ldr     lr, =armed + 1
armed:  b       .
        .ltorg
