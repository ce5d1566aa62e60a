/// Registers and a polled console for the emulator's test firmware, which defines test_main() and the handlers it wants;
/// startup.c has weak ones for the rest.
#ifndef SUPPORT_H
#define SUPPORT_H
#include <stdint.h>

#include "chips.h"
#define RNG                 0x4000D000u
#define NVMC                0x4001E000u
#define ICSR                REG(0xE000ED04u)
#define VTOR                REG(0xE000ED08u)
#define AIRCR               REG(0xE000ED0Cu)
#define SHCSR               REG(0xE000ED24u)
#define CFSR                REG(0xE000ED28u)
#define HFSR                REG(0xE000ED2Cu)
#define DFSR                REG(0xE000ED30u)
#define BFAR                REG(0xE000ED38u)
#define DEMCR               REG(0xE000EDFCu)
#define FP_CTRL             REG(0xE0002000u)
#define FP_COMP(n)          REG(0xE0002008u + 4u * (n))
#define SYST_CSR            REG(0xE000E010u)
#define SYST_RVR            REG(0xE000E014u)
#define SYST_CVR            REG(0xE000E018u)
#define ISER                REG(0xE000E100u)
#define ISPR                REG(0xE000E200u)
#define PRIORITY(exception) REG8(0xE000ED14u + (exception)) /* system exceptions 4..15 */
#define IRQ_PRIORITY(line)  REG8(0xE000E400u + (line))

void test_main(void);

static inline void print(const char *text)
{
    while (*text != 0) {
        put(*text++);
    }
}

static inline void print_hex(uint32_t value)
{
    for (int shift = 28; shift >= 0; shift -= 4) {
        put("0123456789abcdef"[(value >> shift) & 15u]);
    }
}

static inline void say(const char *name, uint32_t value)
{
    print(name);
    put('=');
    print_hex(value);
    put('\n');
}

static inline void arm(uint32_t index, uint32_t address)
{
    address &= ~1u;
    FP_COMP(index) = ((address & 2u) ? 2u << 30 : 1u << 30) | (address & 0x1FFFFFFCu) | 1u;
    FP_CTRL        = 3;
}

static inline void halt(void)
{
    print("done\n");
    for (;;) {
        __asm volatile("wfi");
    }
}

#endif
