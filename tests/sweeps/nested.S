@ Stop 11 of 12. What tests/sweeps/nested.py runs: a call of the patched function, and an interrupt that makes another one.
@ Next: device_runtime/port/cortex_m/veneer.S
        .syntax unified
        .thumb
        .cpu    cortex-m0plus

        .section .entry, "ax", %progbits
entry:  movs    r0, #0
        ldr     r1, =0xE000E010         @ no tick: every run takes the same time
        str     r0, [r1]
        ldr     r1, =0xE000E400 + (LINE & ~3) @ the interrupt's priority: ARMv6-M takes words only
        ldr     r2, [r1]
        ldr     r0, =0xc0 << (8 * (LINE & 3))
        orrs    r2, r0
        str     r2, [r1]
        ldr     r1, =0xE000E100         @ enabled; who asks for it is the test
        ldr     r0, =1 << LINE
        str     r0, [r1]
        dsb
        isb
        ldr     r4, =block
        ldr     r0, [r4]
        ldr     r1, [r4, #4]
        ldr     r5, =site
        movs    r6, #6
        movs    r7, #7
        mov     r8, r6
        mov     r9, r7
        mov     r10, r6
        mov     r11, r7
go:     blx     r5
after:  b       .

        .balign 4
handler:
        push    {r4-r6, lr}
        ldr     r4, =block
        ldr     r0, [r4, #8]
        ldr     r1, [r4, #12]
        ldr     r5, =site
        blx     r5
        str     r0, [r4, #16]
        ldr     r0, [r4, #20]           @ how often it came
        adds    r0, #1
        str     r0, [r4, #20]
        pop     {r4-r6, pc}
        .ltorg
