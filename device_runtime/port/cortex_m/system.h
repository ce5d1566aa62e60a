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
    /// the management context. NULL: the image has no such key.
    bool (*interrupt_key)(uint8_t byte);

    /// Whether the image has one thread, main, from start to end. With more, a thread may be stopped on its way from a hit
    /// or inside a patch's displaced copy while management runs: a slot or trigger that has served one site serves no other
    /// until reset.
    bool one_thread;
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
/// them with. It is no lock between threads and does not nest: the first to leave lets management in. So only one thread of
/// the image may call it. Keep it short.
hp_runtime_t *hp_management_enter(void);
void hp_management_leave(void);

/// The image's, if it has threads on process stacks: the lowest address of the stack that contains `stack_pointer`, 0 if it
/// is none of the image's. Where nobody supplies it (it is weak), or where it says 0, hits on a process stack get the safe
/// verdict, counted. Not asked where the core has a limit register and it is set: PSPLIM of ARMv8-M.
/// Called at a site, in the context and on the stack of the code that was hit: any thread, interrupts on or off. It must be
/// re-entrant, take no lock, call nothing of the RTOS and no function that can be patched, use no floating point, and take
/// little: 32 bytes of stack, and time that each hit pays. Reading the running thread's control block, or comparing with a
/// table of stacks, will do. The attribute puts it into the runtime's part of the text, where no site may lie.
__attribute__((section(".hotpatch_stubs"))) uint32_t hp_process_stack_limit(uint32_t stack_pointer);

/// The image's, if it has its own handlers of SVC and PendSV: without them either exception is the firmware's fault. PendSV
/// belongs at the lowest priority, the management interrupt's: neither interrupts the other. The runtime's are weak, so that an
/// image without an RTOS need not write them.
void SVC_Handler(void);
void PendSV_Handler(void);

/// The image's: never returns.
_Noreturn void firmware_fault(void);

#endif
