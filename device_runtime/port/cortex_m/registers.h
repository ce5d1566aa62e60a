/// Stop 11 of 12. Registers that every ARMv7-M core has, and the few inline functions that use them (ARMv7-M ARM B3, C1).
///
/// Comes in: nothing. Goes out: names for system registers, interrupt lines and barriers. Next: fpb.c
#ifndef HOTPATCH_CORTEX_M_REGISTERS_H
#define HOTPATCH_CORTEX_M_REGISTERS_H

#include <stdbool.h>
#include <stdint.h>

#define HP_REGISTER(address) (*(volatile uint32_t *)(address))

#define SYSTICK_CONTROL       HP_REGISTER(0xE000E010U)
#define SYSTICK_RELOAD        HP_REGISTER(0xE000E014U)
#define SYSTICK_CURRENT       HP_REGISTER(0xE000E018U)
#define NVIC_ENABLE(n)        HP_REGISTER(0xE000E100U + 4U * (n))
#define NVIC_DISABLE(n)       HP_REGISTER(0xE000E180U + 4U * (n))
#define NVIC_PEND(n)          HP_REGISTER(0xE000E200U + 4U * (n))
#define NVIC_PRIORITY(n)      HP_REGISTER(0xE000E400U + 4U * (n))
#define SCB_PRIORITY_12_TO_15 HP_REGISTER(0xE000ED20U)
#define SCB_CFSR              HP_REGISTER(0xE000ED28U)
#define SCB_HFSR              HP_REGISTER(0xE000ED2CU)
#define SCB_CPACR             HP_REGISTER(0xE000ED88U)
#define DEBUG_DEMCR           HP_REGISTER(0xE000EDFCU)
#define DEBUG_DAUTHCTRL       HP_REGISTER(0xE000EE04U)
#define FPB_CONTROL           HP_REGISTER(0xE0002000U)
#define FPB_COMPARATOR(n)     HP_REGISTER(0xE0002008U + 4U * (n))

#define SYSTICK_RUN 7U ///< counter on, interrupt on, processor clock
/// MSTKERR, MLSPERR, STKERR, LSPERR, STKOF: the stacked frame cannot be trusted. IMPRECISERR: a store before the hit, for a
/// program stores nowhere outside the runtime's own RAM.
#define CFSR_NOT_OURS       0x103430U
#define HFSR_DEBUGEVT       (1U << 31)
#define HFSR_FORCED         (1U << 30)
#define DEMCR_MON_EN        (1U << 16)
#define DEMCR_SDME          (1U << 20) ///< ARMv8-M: DebugMonitor is secure state's; read only
#define DAUTHCTRL_SPIDENSEL 1U         ///< secure debug as INTSPIDEN says, not as the chip's signal says
#define DAUTHCTRL_INTSPIDEN 2U
#define CPACR_FPU           (0xFU << 20)
#define CONTROL_SPSEL       (1U << 1) ///< threads use the process stack
#define FPB_KEY             2U        ///< must be set, or a write of FP_CTRL is ignored
#define FPB_ENABLE          1U
#define FPB_CODE_COUNT(control)                                                                              \
    (((control) >> 4 & 0xFU) | ((control) >> 8 & 0x70U)) ///< NUM_CODE, in two parts
#define XPSR_IT_ICI    0x0600FC00U                       ///< IF-THEN and load/store-multiple progress
#define XPSR_EXCEPTION 0x1FFU

/// What the core stacks when it takes an exception.
typedef struct hp_exception_frame_t {
    uint32_t r0_r3[4];
    uint32_t r12;
    uint32_t lr;
    uint32_t pc;
    uint32_t xpsr;
} hp_exception_frame_t;

/// Everything written before is visible, and everything fetched later sees it.
static inline void hp_barrier(void)
{
    __asm volatile("dsb\n\tisb" ::: "memory");
}

/// Sleeps until an interrupt.
static inline void hp_wait_for_interrupt(void)
{
    __asm volatile("dsb\n\twfi" ::: "memory");
}

/// The number of the exception that is being handled; 0 in a thread.
static inline uint32_t hp_exception_number(void)
{
    uint32_t number;
    __asm volatile("mrs %0, ipsr" : "=r"(number));
    return number;
}

/// Whether the code that runs uses the process stack: handlers never do.
static inline bool hp_on_process_stack(void)
{
    uint32_t control;
    __asm volatile("mrs %0, control" : "=r"(control));
    return hp_exception_number() == 0U && (control & CONTROL_SPSEL) != 0U;
}

/// The limit register of the stack that the code that runs uses; 0 if nobody set it, or if this core has none.
static inline uint32_t hp_stack_limit_register(bool process_stack)
{
    uint32_t limit = 0U;
#if defined(__ARM_ARCH_8M_MAIN__)
    if (process_stack) {
        __asm volatile("mrs %0, psplim" : "=r"(limit));
    } else {
        __asm volatile("mrs %0, msplim" : "=r"(limit));
    }
#else
    (void)process_stack;
#endif
    return limit;
}

static inline void hp_interrupt_enable(uint32_t line)
{
    NVIC_ENABLE(line / 32U) = 1U << (line % 32U);
}

/// The line's handler does not run after this returns.
static inline void hp_interrupt_disable(uint32_t line)
{
    NVIC_DISABLE(line / 32U) = 1U << (line % 32U);
    hp_barrier();
}

static inline void hp_interrupt_pend(uint32_t line)
{
    NVIC_PEND(line / 32U) = 1U << (line % 32U);
    hp_barrier();
}

/// `value` is the whole priority byte: 0 is the most urgent.
static inline void hp_interrupt_priority(uint32_t line, uint32_t value)
{
    uint32_t shift           = 8U * (line % 4U);
    NVIC_PRIORITY(line / 4U) = (NVIC_PRIORITY(line / 4U) & ~(0xFFU << shift)) | (value << shift);
}

#endif
