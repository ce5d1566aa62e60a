/// Stop 12 of 12. The smallest of kernels: threads on process stacks, one after the other.
///
/// Comes in: stacks and functions. Goes out: threads that take turns. Next: kernel.c
#ifndef HOTPATCH_THREADS_KERNEL_H
#define HOTPATCH_THREADS_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

typedef struct thread_t {
    uint32_t *stack_pointer; ///< where its registers lie while another thread runs
    uint32_t *stack;
    uint32_t stack_bytes;
    bool declared; ///< whether the runtime is told of its stack
    struct thread_t *next;
} thread_t;

#define THREAD(words, told) {.stack = (words), .stack_bytes = sizeof(words), .declared = (told)}

/// Makes a thread that calls `run`, which must not return. Before kernel_start.
void kernel_add(thread_t *thread, void (*run)(void *), void *argument);

/// Runs the first thread that was added. The main stack is the handlers' from then on.
_Noreturn void kernel_start(void);

/// Lets the next thread run: PendSV, which a device's interrupt may pend too.
void kernel_yield(void);

#endif
