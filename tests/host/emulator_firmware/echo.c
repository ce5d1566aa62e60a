/// UART echo by interrupt; the main program sleeps. Each byte comes back incremented.
#include "support.h"

void Uart_Handler(void)
{
    if (REG(UART + 0x108) != 0) {
        REG(UART + 0x108) = 0;
        put((char)(REG(UART + 0x518) + 1));
    }
}

void test_main(void)
{
    REG(UART + 0x304) = 1u << 2;
    ISER              = 1u << 2;
    print("ready\n");
    for (;;) {
        __asm volatile("wfi");
    }
}
