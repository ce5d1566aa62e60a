/// Vectors, reset and weak handlers, which report what was not expected and stop.
#include "support.h"

extern uint32_t stack_top;

static void console_on(void)
{
    REG(UART + 0x50C) = 6;
    REG(UART + 0x514) = 8;
    REG(UART + 0x524) = 0x10000000u; /* 1 MBd: tests wait less */
    REG(UART + 0x500) = 4;
    REG(UART + 0x000) = 1;
    REG(UART + 0x008) = 1;
}

void Reset_Handler(void)
{
#ifdef __ARM_FP
    REG(0xE000ED88u) |= 0xFu << 20;
    __asm volatile("dsb\n isb");
#endif
    console_on();
    test_main();
    halt();
}

#define WEAK __attribute__((weak)) void
WEAK NMI_Handler(void)
{
    say("nmi", 0);
}
WEAK HardFault_Handler(void)
{
    say("hardfault", HFSR);
    halt();
}
WEAK MemManage_Handler(void)
{
    say("memmanage", CFSR);
    halt();
}
WEAK BusFault_Handler(void)
{
    say("busfault", CFSR);
    halt();
}
WEAK UsageFault_Handler(void)
{
    say("usagefault", CFSR);
    halt();
}
WEAK SVC_Handler(void) {}
WEAK DebugMon_Handler(void)
{
    say("monitor", 0);
    halt();
}
WEAK PendSV_Handler(void) {}
WEAK SysTick_Handler(void) {}
WEAK Irq0_Handler(void) {}
WEAK Irq1_Handler(void) {}
WEAK Uart_Handler(void) {}
WEAK Irq3_Handler(void) {}

__attribute__((section(".vectors"), used)) static void *const vectors[] = {
    &stack_top,
    (void *)Reset_Handler,
    (void *)NMI_Handler,
    (void *)HardFault_Handler,
    (void *)MemManage_Handler,
    (void *)BusFault_Handler,
    (void *)UsageFault_Handler,
    0,
    0,
    0,
    0,
    (void *)SVC_Handler,
    (void *)DebugMon_Handler,
    0,
    (void *)PendSV_Handler,
    (void *)SysTick_Handler,
    (void *)Irq0_Handler,
    (void *)Irq1_Handler,
    (void *)Uart_Handler,
    (void *)Irq3_Handler,
};
