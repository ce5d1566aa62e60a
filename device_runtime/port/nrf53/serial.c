/// Stop 8 of 12. UARTE0 of an nRF5340, one byte per DMA transfer (nRF5340 product specification, UARTE).
///
/// Comes in: bytes on the wire, and bytes queued for it. Goes out: each to the other side. The next reception begins by a
/// shortcut at the end of the last, in the same one-byte buffer: the interrupt has one byte's time to read it.
/// Next: ../cortex_m/system.c
#include "board_config.h"
#include "chip.h"
#include "registers.h"

#define UARTE(offset) HP_REGISTER(HP_BOARD_UARTE0_ADDRESS + (offset))
#define TASKS_STARTRX UARTE(0x000U)
#define TASKS_STARTTX UARTE(0x008U)
#define EVENTS_ENDRX  UARTE(0x110U)
#define EVENTS_ENDTX  UARTE(0x120U)
#define SHORTS        UARTE(0x200U)
#define INTENSET      UARTE(0x304U)
#define ENABLE        UARTE(0x500U)
#define PSEL_TXD      UARTE(0x50CU)
#define PSEL_RXD      UARTE(0x514U)
#define BAUDRATE      UARTE(0x524U)
#define RXD_PTR       UARTE(0x534U)
#define RXD_MAXCNT    UARTE(0x538U)
#define TXD_PTR       UARTE(0x544U)
#define TXD_MAXCNT    UARTE(0x548U)

#define ENABLE_UARTE    8U
#define INTERRUPT_ENDRX (1U << 4)
#define INTERRUPT_ENDTX (1U << 8)
#define ENDRX_STARTRX   (1U << 5)
#define BAUDRATE_115200 0x01D60000U

_Static_assert(HP_BOARD_BAUD == 115200U, "add the register's value for this speed");

static bool sending; // a byte is on the wire; changed with the line's interrupt off or in it
static volatile uint8_t received, sent; // DMA reads and writes RAM only

void hp_chip_start(void)
{
    // The chip wakes with the clock that its board file names.
}

void hp_chip_serial_start(void)
{
    PSEL_TXD      = HP_BOARD_TRANSMIT_PIN;
    PSEL_RXD      = HP_BOARD_RECEIVE_PIN;
    BAUDRATE      = BAUDRATE_115200;
    ENABLE        = ENABLE_UARTE;
    RXD_PTR       = (uint32_t)&received;
    RXD_MAXCNT    = 1U;
    TXD_PTR       = (uint32_t)&sent;
    TXD_MAXCNT    = 1U;
    SHORTS        = ENDRX_STARTRX;
    INTENSET      = INTERRUPT_ENDRX | INTERRUPT_ENDTX;
    TASKS_STARTRX = 1U;
}

static void send_next(void)
{
    int byte = hp_serial_next();
    sending  = byte >= 0;
    if (sending) {
        sent          = (uint8_t)byte;
        TASKS_STARTTX = 1U;
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
    if (EVENTS_ENDRX != 0U) {
        EVENTS_ENDRX = 0U;
        hp_serial_arrived(received);
    }
    if (EVENTS_ENDTX != 0U) {
        EVENTS_ENDTX = 0U;
        send_next();
    }
}
