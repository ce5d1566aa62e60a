/// The console and the serial interrupt of each emulated chip, chosen by the compiler's -D; the tests' 1 MBd where the
/// divider allows it, so that they wait less.
#ifndef CHIPS_H
#define CHIPS_H
#include <stdint.h>

#define REG(address)  (*(volatile uint32_t *)(address))
#define REG8(address) (*(volatile uint8_t *)(address))

#if defined(CHIP_nrf52840)
#define UART     0x40002000u
#define UART_IRQ 2
static inline void console_on(void)
{
    REG(UART + 0x50C) = 6;
    REG(UART + 0x514) = 8;
    REG(UART + 0x524) = 0x10000000u;
    REG(UART + 0x500) = 4;
    REG(UART + 0x000) = 1;
    REG(UART + 0x008) = 1;
}
static inline void put(char c)
{
    REG(UART + 0x51C) = (uint8_t)c;
    while (REG(UART + 0x11C) == 0) {
    }
    REG(UART + 0x11C) = 0;
}
static inline void listen(void)
{
    REG(UART + 0x304) = 1u << 2;
}
static inline int heard(void)
{
    if (REG(UART + 0x108) == 0) {
        return -1;
    }
    REG(UART + 0x108) = 0;
    return (int)REG(UART + 0x518);
}

#elif defined(CHIP_nrf5340)
#define UART     0x50008000u
#define UART_IRQ 8
static volatile uint8_t sent_byte, received_byte;
static inline void console_on(void)
{
    REG(UART + 0x50C) = 20;
    REG(UART + 0x514) = 22;
    REG(UART + 0x524) = 0x10000000u;
    REG(UART + 0x500) = 8;
}
static inline void put(char c)
{
    sent_byte         = (uint8_t)c;
    REG(UART + 0x544) = (uint32_t)&sent_byte;
    REG(UART + 0x548) = 1;
    REG(UART + 0x120) = 0;
    REG(UART + 0x008) = 1;
    while (REG(UART + 0x120) == 0) {
    }
}
static inline void listen(void)
{
    REG(UART + 0x534) = (uint32_t)&received_byte;
    REG(UART + 0x538) = 1;
    REG(UART + 0x200) = 1u << 5;
    REG(UART + 0x304) = 1u << 4;
    REG(UART + 0x000) = 1;
}
static inline int heard(void)
{
    if (REG(UART + 0x110) == 0) {
        return -1;
    }
    REG(UART + 0x110) = 0;
    return received_byte;
}

#else
#define RCC      0x40021000u
#define FLASHCON 0x40022000u
static inline void usart_on(uint32_t clock_hz);
#if defined(CHIP_stm32l475vg)
#define UART     0x40013800u
#define UART_IRQ 37
static inline void console_on(void)
{
    REG(FLASHCON) = 0x602;                                    /* two wait states */
    REG(RCC)      = (REG(RCC) & ~0xF0u) | 11u << 4 | 1u << 3; /* MSI at 48 MHz */
    REG(RCC + 0x4C) |= 1u << 1;
    REG(RCC + 0x60) |= 1u << 14;
    REG(0x48000420u) = 7u << 24 | 7u << 28; /* PB6, PB7: USART1 */
    REG(0x48000400u) = (REG(0x48000400u) & ~(0xFu << 12)) | 0xAu << 12;
    usart_on(48000000u);
}
#elif defined(CHIP_stm32g0b1re)
#define UART     0x40004400u
#define UART_IRQ 28
static inline void console_on(void)
{
    REG(FLASHCON)   = 0x40602;                            /* two wait states */
    REG(RCC + 0x0C) = 2u | 8u << 8 | 1u << 28 | 1u << 29; /* HSI16 * 8 / 2 */
    REG(RCC) |= 1u << 24;
    while ((REG(RCC) & 1u << 25) == 0) {
    }
    REG(RCC + 0x08) = 2;
    while ((REG(RCC + 0x08) >> 3 & 7u) != 2) {
    }
    REG(RCC + 0x34) |= 1u;
    REG(RCC + 0x3C) |= 1u << 17;
    REG(0x50000020u) = 1u << 8 | 1u << 12; /* PA2, PA3: USART2 */
    REG(0x50000000u) = (REG(0x50000000u) & ~(0xFu << 4)) | 0xAu << 4;
    usart_on(64000000u);
}
#endif
static inline void usart_on(uint32_t clock_hz)
{
    REG(UART + 0x0C) = clock_hz / 1000000u;
    REG(UART + 0x00) = 1u << 0 | 1u << 2 | 1u << 3;
}
static inline void put(char c)
{
    REG(UART + 0x28) = (uint8_t)c;
    while ((REG(UART + 0x1C) & 1u << 6) == 0) {
    }
}
static inline void listen(void)
{
    REG(UART + 0x00) |= 1u << 5;
}
static inline int heard(void)
{
    return REG(UART + 0x1C) & 1u << 5 ? (int)REG(UART + 0x24) : -1;
}
#endif
#endif
