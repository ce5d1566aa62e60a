/// Stop 8 of 12. What a chip's folder supplies to system.c, and what its interrupt calls back.
///
/// Comes in: bytes for the serial line and the flash. Goes out: bytes that arrived. Next: system.c
#ifndef HOTPATCH_CORTEX_M_CHIP_H
#define HOTPATCH_CORTEX_M_CHIP_H

#include <stddef.h>
#include <stdint.h>

#include "hotpatch/hotpatch.h"

/// Sets the clock to HP_BOARD_CLOCK_HZ, if the chip did not wake with it. Called first of all.
void hp_chip_start(void);

/// Sets pins, speed and interrupt sources of the serial line; its interrupt line is still off.
void hp_chip_serial_start(void);

/// Makes sure that queued bytes flow: call after each hp_serial_queue.
void hp_chip_serial_flow(void);

/// Handler of the serial line's interrupt.
void hp_chip_serial_interrupt(void);

/// Handler of NMI: whether its cause was the runtime's and is dealt with. A chip without such a cause need not have it.
bool hp_chip_nonmaskable(void);

/// As flash_program and flash_erase of port.h.
HP_MUST_CHECK hp_status_t hp_chip_flash_program(uint32_t address, const void *data, size_t size);
HP_MUST_CHECK hp_status_t hp_chip_flash_erase(uint32_t address);

/// system.c's, for the chip's interrupt: a byte has arrived.
void hp_serial_arrived(uint8_t byte);

/// system.c's: the next byte to send, or -1 if there is none.
int hp_serial_next(void);

#endif
