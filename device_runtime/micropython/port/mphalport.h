/// Stop 12 of 12. The little that MicroPython wants of the hardware: time, and the console through py/mphal.h. Next: main.c
#ifndef HOTPATCH_MPHALPORT_H
#define HOTPATCH_MPHALPORT_H

#include <stdint.h>

#include "shared/runtime/interrupt_char.h"

mp_uint_t mp_hal_ticks_ms(void);
void mp_hal_delay_ms(mp_uint_t ms);

static inline mp_uint_t mp_hal_ticks_us(void)
{
    return mp_hal_ticks_ms() * 1000U;
}

static inline mp_uint_t mp_hal_ticks_cpu(void)
{
    return mp_hal_ticks_ms();
}

static inline void mp_hal_delay_us(mp_uint_t us)
{
    mp_hal_delay_ms((us + 999U) / 1000U);
}

static inline uint64_t mp_hal_time_ns(void)
{
    return (uint64_t)mp_hal_ticks_ms() * 1000000U;
}

#endif
