/// Stop 8 of 12. A USART of an STM32L4 or STM32G0, by interrupt (reference manuals RM0351 and RM0444, USART and GPIO).
///
/// Comes in: bytes on the wire, and bytes queued for it. Goes out: each to the other side. Next: ../cortex_m/system.c
#include "board_config.h"
#include "chip.h"
#include "clock.h"
#include "registers.h"

#define USART(offset) HP_REGISTER(HP_BOARD_SERIAL_ADDRESS + (offset))
#define CR1           USART(0x00U)
#define BRR           USART(0x0CU)
#define ISR           USART(0x1CU)
#define ICR           USART(0x20U)
#define RDR           USART(0x24U)
#define TDR           USART(0x28U)

#define CR1_UE      (1U << 0)
#define CR1_RE      (1U << 2)
#define CR1_TE      (1U << 3)
#define CR1_RXNEIE  (1U << 5)
#define CR1_TXEIE   (1U << 7)
#define ISR_RXNE    (1U << 5)
#define ISR_TXE     (1U << 7)
#define ICR_ORECF   (1U << 3)
#define ISR_OVERRUN (1U << 3)

#define PORT_BYTES                0x400U ///< from one GPIO port's registers to the next one's
#define PINS_PER_PORT             16U
#define GPIO(port, offset)        HP_REGISTER(HP_BOARD_GPIOA_ADDRESS + PORT_BYTES * (port) + (offset))
#define GPIO_MODE(port)           GPIO(port, 0x00U)
#define GPIO_FUNCTION(port, half) GPIO(port, 0x20U + 4U * (half))
#define MODE_ALTERNATE            2U

static void replace(volatile uint32_t *word, uint32_t shift, uint32_t mask, uint32_t value)
{
    *word = (*word & ~(mask << shift)) | (value << shift);
}

static void connect(uint32_t pin)
{
    uint32_t port   = pin / PINS_PER_PORT;
    uint32_t number = pin % PINS_PER_PORT;
    replace(&GPIO_FUNCTION(port, number / 8U), 4U * (number % 8U), 0xFU, HP_BOARD_PIN_FUNCTION);
    replace(&GPIO_MODE(port), 2U * number, 3U, MODE_ALTERNATE);
}

void hp_chip_serial_start(void)
{
    hp_clock_serial(HP_BOARD_TRANSMIT_PIN / PINS_PER_PORT);
    hp_clock_serial(HP_BOARD_RECEIVE_PIN / PINS_PER_PORT);
    connect(HP_BOARD_TRANSMIT_PIN);
    connect(HP_BOARD_RECEIVE_PIN);
    BRR = (HP_BOARD_CLOCK_HZ + HP_BOARD_BAUD / 2U) / HP_BOARD_BAUD;
    CR1 = CR1_TE | CR1_RE | CR1_RXNEIE | CR1_UE;
}

/// The interrupt switches itself off when the queue is empty. It may do so in the middle of this: then it runs once more.
void hp_chip_serial_flow(void)
{
    CR1 |= CR1_TXEIE;
}

void hp_chip_serial_interrupt(void)
{
    while ((ISR & ISR_RXNE) != 0U) {
        hp_serial_arrived((uint8_t)RDR);
    }
    if ((ISR & ISR_OVERRUN) != 0U) {
        ICR = ICR_ORECF;
    }
    if ((CR1 & CR1_TXEIE) == 0U || (ISR & ISR_TXE) == 0U) {
        return;
    }
    int byte = hp_serial_next();
    if (byte >= 0) {
        TDR = (uint32_t)byte;
    } else {
        CR1 &= ~CR1_TXEIE;
    }
}
