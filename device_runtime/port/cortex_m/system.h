/// Stop 8 of 12. What a firmware image calls: the runtime started on this board, the console, the time.
///
/// Order of use: hp_system_start once, with interrupts on; then the rest, from thread code.
/// Supplied by the image: main, and firmware_fault, where the processor goes after a fault that no program caused.
/// Interrupts: the chip's serial line, SysTick and the board's management line belong to this file's implementation.
/// Comes in: console text and keys. Goes out: bytes on the serial line that console and management share. Next: server.c
#ifndef HOTPATCH_CORTEX_M_SYSTEM_H
#define HOTPATCH_CORTEX_M_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hotpatch/hotpatch.h"

typedef struct hp_image_t {
    /// Told of each console byte before it is queued; true if it was the interrupt key and has been dealt with. Runs in
    /// the management context.
    bool (*interrupt_key)(uint8_t byte);
} hp_image_t;

/// Starts serial line, clock, triggers and runtime. Patches kept in the store are armed when it returns. Cost: hp_init's.
void hp_system_start(const hp_image_t *image);

/// Milliseconds since reset; wraps.
uint32_t hp_system_now_ms(void);

/// Queues console text; waits while the queue is full.
void hp_console_write(const uint8_t *data, size_t size);

/// The next byte typed at the console, or -1.
int hp_console_read(void);

/// Whether hp_console_read has a byte.
bool hp_console_readable(void);

/// Keeps the management context out, so that the policy functions of hotpatch.h may be called. Gives the runtime to call
/// them with. Not nested; keep it short.
hp_runtime_t *hp_management_enter(void);
void hp_management_leave(void);

/// The image's: never returns.
_Noreturn void firmware_fault(void);

#endif
