/// Stops 8 to 12 of 12. Words that a hit in any context may share with what it interrupted. In: an aligned word. Out: its
/// change, whole. Next: core/trigger.h
///
/// ARMv6-M has no exclusive loads, so there the two read-modify-write operations mask interrupts for a few cycles. Hits run
/// privileged, so the mask takes effect.
#ifndef HP_CORE_ATOMIC_H
#define HP_CORE_ATOMIC_H

#include <stdbool.h>
#include <stdint.h>

/// Holds interrupts off, and with them every other hit. Returns what hp_unmask_interrupts must be given. A host has none.
static inline uint32_t hp_mask_interrupts(void)
{
    uint32_t before = 0;

#if defined(__arm__)
    __asm volatile("mrs %0, primask\n\tcpsid i" : "=r"(before)::"memory");
#endif
    return before;
}

static inline void hp_unmask_interrupts(uint32_t before)
{
#if defined(__arm__)
    __asm volatile("msr primask, %0" ::"r"(before) : "memory");
#else
    (void)before;
#endif
}

/// Sets `word` to 1. True if it was 0, so that the caller now owns what it guards.
static inline bool hp_claim(uint32_t *word)
{
#if defined(__ARM_ARCH_6M__)
    const uint32_t mask   = hp_mask_interrupts();
    const uint32_t before = *word;
    *word                 = 1;
    hp_unmask_interrupts(mask);
    return before == 0U;
#else
    return __atomic_exchange_n(word, 1U, __ATOMIC_ACQ_REL) == 0U;
#endif
}

/// Adds one; no count is lost.
static inline void hp_add_one(uint32_t *word)
{
#if defined(__ARM_ARCH_6M__)
    const uint32_t mask = hp_mask_interrupts();
    *word += 1U;
    hp_unmask_interrupts(mask);
#else
    (void)__atomic_fetch_add(word, 1U, __ATOMIC_RELAXED);
#endif
}

/// Reads a word that was published after what it stands for.
static inline uint32_t hp_observe(const uint32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

/// What was read before is not read later.
static inline void hp_reads_done(void)
{
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
}

/// Writes a word that stands for everything written before.
static inline void hp_publish(uint32_t *word, uint32_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

#endif
