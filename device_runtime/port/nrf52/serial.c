/// Stop 8 of 12. UART0 of an nRF52, by interrupt (nRF52840 product specification, UART).
///
/// Comes in: bytes on the wire, and bytes queued for it. Goes out: each to the other side. Next: ../cortex_m/system.c
#include "board_config.h"
#include "chip.h"
#include "registers.h"

#define UART(offset)  HP_REGISTER(HP_BOARD_UART0_ADDRESS + (offset))
#define TASKS_STARTRX UART(0x000U)
#define TASKS_STARTTX UART(0x008U)
#define EVENTS_RXDRDY UART(0x108U)
#define EVENTS_TXDRDY UART(0x11CU)
#define INTENSET      UART(0x304U)
#define ENABLE        UART(0x500U)
#define PSEL_TXD      UART(0x50CU)
#define PSEL_RXD      UART(0x514U)
#define RXD           UART(0x518U)
#define TXD           UART(0x51CU)
#define BAUDRATE      UART(0x524U)

#define ENABLE_UART      4U
#define INTERRUPT_RXDRDY (1U << 2)
#define INTERRUPT_TXDRDY (1U << 7)
#define BAUDRATE_115200  0x01D7E000U

_Static_assert(HP_BOARD_BAUD == 115200U, "add the register's value for this speed");

static bool sending; // a byte is on the wire; changed with the line's interrupt off or in it

void hp_chip_start(void)
{
    // The chip wakes with the clock that its board file names.
}

void hp_chip_serial_start(void)
{
    PSEL_TXD      = HP_BOARD_TRANSMIT_PIN;
    PSEL_RXD      = HP_BOARD_RECEIVE_PIN;
    BAUDRATE      = BAUDRATE_115200;
    ENABLE        = ENABLE_UART;
    INTENSET      = INTERRUPT_RXDRDY | INTERRUPT_TXDRDY;
    TASKS_STARTRX = 1U;
    TASKS_STARTTX = 1U;
}

static void send_next(void)
{
    int byte = hp_serial_next();
    sending  = byte >= 0;
    if (sending) {
        TXD = (uint32_t)byte;
    }
}

void hp_chip_serial_flow(void)
{
    hp_interrupt_disable(HP_BOARD_SERIAL_IRQ);
    if (!sending) {
        send_next();
    }
    hp_interrupt_enable(HP_BOARD_SERIAL_IRQ);
}

void hp_chip_serial_interrupt(void)
{
    // The event is cleared before RXD is read: reading brings the FIFO's next byte, and with it the next event.
    while (EVENTS_RXDRDY != 0U) {
        EVENTS_RXDRDY = 0U;
        hp_serial_arrived((uint8_t)RXD);
    }
    if (EVENTS_TXDRDY != 0U) {
        EVENTS_TXDRDY = 0U;
        send_next();
    }
}
