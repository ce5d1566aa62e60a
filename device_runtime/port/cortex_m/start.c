/// Stop 11 of 12. From reset to main, and the vector table.
///
/// Comes in: a reset, perhaps with comparators still armed from before. Goes out: main, with memory set up. Next: system.c
#include <stdint.h>

#include "board_config.h"
#include "chip.h"
#include "layout.h"
#include "registers.h"
#include "system.h"

typedef void (*handler_t)(void);

extern uint32_t hp_data_load[], hp_data_start[], hp_data_end[], hp_bss_start[], hp_bss_end[];

int main(void);
void Reset_Handler(void);
void hp_debug_monitor(void);
void hp_hard_fault(void);
void hp_other_fault(void);
void hp_tick(void);
void hp_management_interrupt(void);

static void unexpected_exception(void)
{
    firmware_fault();
}

__attribute__((weak)) void SVC_Handler(void)
{
    firmware_fault();
}

__attribute__((weak)) void PendSV_Handler(void)
{
    firmware_fault();
}

/// Where the chip's folder supplies none, no NMI is the runtime's.
__attribute__((weak)) bool hp_chip_nonmaskable(void)
{
    return false;
}

static void nonmaskable(void)
{
    if (!hp_chip_nonmaskable()) {
        firmware_fault();
    }
}

__attribute__((noreturn)) void Reset_Handler(void)
{
    // A reset by software leaves the comparators armed, and the tables behind them are about to be cleared.
#if HP_BOARD_FPB_VERSION != 0U
    FPB_CONTROL = FPB_KEY;
    hp_barrier();
#endif
#if defined(HP_CORE_HAS_FPU)
    SCB_CPACR |= CPACR_FPU;
    hp_barrier();
#endif
    const uint32_t *from = hp_data_load;
    for (uint32_t *to = hp_data_start; to < hp_data_end;) {
        *to++ = *from++;
    }
    for (uint32_t *to = hp_bss_start; to < hp_bss_end;) {
        *to++ = 0U;
    }
    (void)main();
    firmware_fault();
}

#define EXCEPTIONS 16U

// Exceptions and lines of the chip first get the handler that reports them, then some get theirs: the override is meant.
#pragma GCC diagnostic ignored "-Woverride-init"

/// The core reads the first entry as the initial stack pointer.
typedef union vector_t {
    handler_t handler;
    void *stack;
} vector_t;

__attribute__((section(".vectors"), used)) const vector_t hp_vectors[EXCEPTIONS + HP_BOARD_INTERRUPTS] = {
    [0]        = {.stack = hp_stack_top},
    [1]        = {.handler = Reset_Handler},
    [2 ... 14] = {.handler = unexpected_exception},
    [2]        = {.handler = nonmaskable},
    [3]        = {.handler = hp_hard_fault},
#if !defined(__ARM_ARCH_6M__)
    [4 ... 6] = {.handler = hp_other_fault},
#endif
#if HP_BOARD_FPB_VERSION != 0U
    [12] = {.handler = hp_debug_monitor},
#endif
    [11]                                           = {.handler = SVC_Handler},
    [14]                                           = {.handler = PendSV_Handler},
    [15]                                           = {.handler = hp_tick},
    [16 ... EXCEPTIONS + HP_BOARD_INTERRUPTS - 1U] = {.handler = unexpected_exception},
    [EXCEPTIONS + HP_BOARD_SERIAL_IRQ]             = {.handler = hp_chip_serial_interrupt},
#if defined(HP_BOARD_TRANSMIT_IRQ)
    [EXCEPTIONS + HP_BOARD_TRANSMIT_IRQ] = {.handler = hp_chip_serial_interrupt},
#endif
    [EXCEPTIONS + HP_BOARD_MANAGEMENT_IRQ] = {.handler = hp_management_interrupt},
};
