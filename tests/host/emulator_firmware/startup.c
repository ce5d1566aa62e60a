/// Vectors, reset and weak handlers, which report what was not expected and stop.
#include "support.h"

extern uint32_t stack_top;

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
#if __ARM_ARCH >= 7
    say("hardfault", HFSR);
#else
    say("hardfault", 0);
#endif
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

#define LINES 96
__attribute__((section(".vectors"), used)) static void *const vectors[16 + LINES] = {
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
    [16 + 0]        = (void *)Irq0_Handler,
    [16 + 1]        = (void *)Irq1_Handler,
    [16 + 3]        = (void *)Irq3_Handler,
    [16 + UART_IRQ] = (void *)Uart_Handler,
};
