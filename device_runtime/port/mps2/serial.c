/// Stop 8 of 12. The CMSDK UART of an MPS2 (Arm Cortex-M System Design Kit TRM, APB UART): one byte each way, two lines.
///
/// Comes in: bytes on the wire, and bytes queued for it. Goes out: each to the other side. Next: ../cortex_m/system.c
#include "board_config.h"
#include "chip.h"
#include "registers.h"

#define UART(offset) HP_REGISTER(HP_BOARD_UART0_ADDRESS + (offset))
#define DATA         UART(0x00U)
#define STATE        UART(0x04U)
#define CONTROL      UART(0x08U)
#define INTERRUPTS   UART(0x0CU) ///< read: which; written ones clear
#define DIVIDER      UART(0x10U)

#define STATE_SEND_FULL    1U
#define STATE_RECEIVED     2U
#define CONTROL_BOTH       0xFU ///< transmitter and receiver, and an interrupt of each
#define INTERRUPT_SENT     1U
#define INTERRUPT_RECEIVED 2U

void hp_chip_start(void)
{
    // The board wakes with the clock that its file names.
}

void hp_chip_serial_start(void)
{
    DIVIDER = HP_BOARD_CLOCK_HZ / HP_BOARD_BAUD;
    CONTROL = CONTROL_BOTH;
    hp_interrupt_enable(HP_BOARD_TRANSMIT_IRQ);
}

static void send_next(void)
{
    while ((STATE & STATE_SEND_FULL) == 0U) {
        int byte = hp_serial_next();
        if (byte < 0) {
            return; // the next interrupt comes after hp_chip_serial_flow
        }
        DATA = (uint32_t)byte;
    }
}

void hp_chip_serial_flow(void)
{
    hp_interrupt_disable(HP_BOARD_SERIAL_IRQ);
    hp_interrupt_disable(HP_BOARD_TRANSMIT_IRQ);
    send_next();
    hp_interrupt_enable(HP_BOARD_TRANSMIT_IRQ);
    hp_interrupt_enable(HP_BOARD_SERIAL_IRQ);
}

/// Of both lines. Cleared before the buffers are looked at: a byte that comes meanwhile raises the line again.
void hp_chip_serial_interrupt(void)
{
    INTERRUPTS = INTERRUPT_SENT | INTERRUPT_RECEIVED;
    if ((STATE & STATE_RECEIVED) != 0U) {
        hp_serial_arrived((uint8_t)DATA);
    }
    send_next();
}
