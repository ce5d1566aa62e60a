/// Stop 12 of 12. Threads that take turns at PendSV, and what the runtime must know of them.
///
/// The image uses no floating point, so a thread is its integer registers. Comes in: PendSV. Goes out: the next thread.
/// Next: ../port/cortex_m/system.h
#include "kernel.h"

#include "registers.h"
#include "system.h"

#define SCB_ICSR       HP_REGISTER(0xE000ED04U)
#define ICSR_PENDSVSET (1U << 28)
#define PENDSV_LOWEST  (0xFFU << 16) ///< in SHPR3
#define SAVED_WORDS    8U            ///< r4-r11
#define XPSR_THUMB     (1U << 24)

uint32_t *kernel_switch(uint32_t *stack_pointer);

static thread_t *current; ///< a ring

void kernel_add(thread_t *thread, void (*run)(void *), void *argument)
{
    uint32_t *top               = thread->stack + thread->stack_bytes / sizeof(uint32_t);
    hp_exception_frame_t *frame = (hp_exception_frame_t *)top - 1;
    *frame =
        (hp_exception_frame_t){.r0_r3 = {(uint32_t)argument}, .pc = (uint32_t)run & ~1U, .xpsr = XPSR_THUMB};
    thread->stack_pointer = (uint32_t *)frame - SAVED_WORDS;
    if (current == NULL) {
        current = thread;
    }
    thread->next  = current->next == NULL ? thread : current->next;
    current->next = thread;
    current       = thread;
}

/// Where the core checks the stack pointer by itself, the runtime reads the same register.
static void set_limit_register(const thread_t *thread)
{
#if defined(__ARM_ARCH_8M_MAIN__)
    __asm volatile("msr psplim, %0" ::"r"(thread->declared ? thread->stack : NULL));
#else
    (void)thread;
#endif
}

#if !defined(__ARM_ARCH_8M_MAIN__)
/// The stack in use is the running thread's: PendSV switches both before any thread goes on.
uint32_t hp_process_stack_limit(uint32_t stack_pointer)
{
    uint32_t stack = (uint32_t)current->stack;
    return current->declared && stack_pointer - stack <= current->stack_bytes ? stack : 0U;
}
#endif

uint32_t *kernel_switch(uint32_t *stack_pointer)
{
    current->stack_pointer = stack_pointer;
    current                = current->next;
    set_limit_register(current);
    return current->stack_pointer;
}

/// In instructions that every Cortex-M has.
__attribute__((naked)) void PendSV_Handler(void)
{
    __asm volatile(".syntax unified\n\t"
                   "mrs   r0, psp\n\t"
                   "subs  r0, #16\n\t"
                   "stmia r0!, {r4-r7}\n\t"
                   "subs  r0, #32\n\t"
                   "mov   r4, r8\n\t"
                   "mov   r5, r9\n\t"
                   "mov   r6, r10\n\t"
                   "mov   r7, r11\n\t"
                   "stmia r0!, {r4-r7}\n\t"
                   "subs  r0, #16\n\t"
                   "push  {r4, lr}\n\t"
                   "bl    kernel_switch\n\t"
                   "ldmia r0!, {r4-r7}\n\t"
                   "mov   r8, r4\n\t"
                   "mov   r9, r5\n\t"
                   "mov   r10, r6\n\t"
                   "mov   r11, r7\n\t"
                   "ldmia r0!, {r4-r7}\n\t"
                   "msr   psp, r0\n\t"
                   "pop   {r2, pc}\n\t");
}

void kernel_yield(void)
{
    SCB_ICSR = ICSR_PENDSVSET;
    hp_barrier();
}

/// PendSV saves main on a stack that nobody goes back to.
void kernel_start(void)
{
    static _Alignas(8) uint32_t of_main[32];
    static thread_t left;
    left.next = current->next; // the first that was added
    current   = &left;
    SCB_PRIORITY_12_TO_15 |= PENDSV_LOWEST;
    __asm volatile("msr psp, %0\n\t"
                   "msr control, %1\n\t"
                   "isb\n\t" ::"r"(of_main + 32),
                   "r"(CONTROL_SPSEL)
                   : "memory");
    SCB_ICSR = ICSR_PENDSVSET;
    for (;;) {
        hp_barrier();
    }
}
