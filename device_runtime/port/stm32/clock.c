/// Stop 8 of 12. The clock tree of an STM32L4 or STM32G0 (reference manuals RM0351 and RM0444, RCC and FLASH_ACR).
///
/// Comes in: a chip just after reset. Goes out: HP_BOARD_CLOCK_HZ, and clocks for the serial line. Next: serial.c
#include "clock.h"

#include "board_config.h"
#include "chip.h"
#include "registers.h"

#define RCC(offset) HP_REGISTER(HP_BOARD_RCC_ADDRESS + (offset))
#define RCC_CR      RCC(0x00U)
#define RCC_CFGR    RCC(0x08U)
#define FLASH_ACR   HP_REGISTER(HP_BOARD_FLASH_CONTROLLER_ADDRESS)

#define ACR_LATENCY_MASK 7U
#define TWO_WAIT_STATES  2U
#define USART1_ADDRESS   0x40013800U
#define IS_USART1        (HP_BOARD_SERIAL_ADDRESS == USART1_ADDRESS)

_Static_assert(IS_USART1 || HP_BOARD_SERIAL_ADDRESS == 0x40004400U, "add the clock bit of this USART");

static void slow_flash(void)
{
    FLASH_ACR = (FLASH_ACR & ~ACR_LATENCY_MASK) | TWO_WAIT_STATES;
    while ((FLASH_ACR & ACR_LATENCY_MASK) != TWO_WAIT_STATES) {
    }
}

#if defined(HP_BOARD_HAS_STM32L4_RCC)

#define AHB2ENR RCC(0x4CU)
#define APB1ENR RCC(0x58U)
#define APB2ENR RCC(0x60U)

#define PORTS_ENABLE    AHB2ENR
#define CR_MSIRDY       (1U << 1)
#define CR_MSIRGSEL     (1U << 3) ///< the range is CR's, not that of a wake-up
#define CR_MSIRANGE     (0xFU << 4)
#define MSIRANGE_48_MHZ (11U << 4)

_Static_assert(HP_BOARD_CLOCK_HZ == 48000000U, "add the MSI range of this clock");

void hp_chip_start(void)
{
    slow_flash();
    while ((RCC_CR & CR_MSIRDY) == 0U) { // the range may be changed only then
    }
    RCC_CR = (RCC_CR & ~CR_MSIRANGE) | MSIRANGE_48_MHZ | CR_MSIRGSEL;
    while ((RCC_CR & CR_MSIRDY) == 0U) {
    }
}

#elif defined(HP_BOARD_HAS_STM32G0_RCC)

#define PLLCFGR RCC(0x0CU)
#define IOPENR  RCC(0x34U)
#define APB1ENR RCC(0x3CU)
#define APB2ENR RCC(0x40U)

#define PORTS_ENABLE      IOPENR
#define CR_PLLON          (1U << 24)
#define CR_PLLRDY         (1U << 25)
#define PLL_FROM_HSI16    2U
#define PLL_TIMES_8       (8U << 8)
#define PLL_R_ON          (1U << 28)
#define PLL_R_HALVES      (1U << 29)
#define CFGR_SWITCH_MASK  7U
#define CFGR_SWITCH_PLL   2U
#define CFGR_STATUS_SHIFT 3U

_Static_assert(HP_BOARD_CLOCK_HZ == 64000000U, "add the PLL factors of this clock");

void hp_chip_start(void)
{
    slow_flash();
    PLLCFGR = PLL_FROM_HSI16 | PLL_TIMES_8 | PLL_R_ON | PLL_R_HALVES;
    RCC_CR |= CR_PLLON;
    while ((RCC_CR & CR_PLLRDY) == 0U) {
    }
    RCC_CFGR = (RCC_CFGR & ~CFGR_SWITCH_MASK) | CFGR_SWITCH_PLL;
    while (((RCC_CFGR >> CFGR_STATUS_SHIFT) & CFGR_SWITCH_MASK) != CFGR_SWITCH_PLL) {
    }
}

#else
#error "this port knows the clock trees stm32l4_rcc and stm32g0_rcc"
#endif

void hp_clock_serial(uint32_t port)
{
    PORTS_ENABLE |= 1U << port;
    if (IS_USART1) {
        APB2ENR |= 1U << 14;
    } else {
        APB1ENR |= 1U << 17;
    }
}
