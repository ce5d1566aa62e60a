/// UART echo by interrupt; the main program sleeps. Each byte comes back incremented.
#include "support.h"

void Uart_Handler(void)
{
    int byte = heard();
    if (byte >= 0) {
        put((char)(byte + 1));
    }
}

void test_main(void)
{
    listen();
    REG(0xE000E100u + 4u * (UART_IRQ / 32)) = 1u << UART_IRQ % 32;
    print("ready\n");
    for (;;) {
        __asm volatile("wfi");
    }
}
