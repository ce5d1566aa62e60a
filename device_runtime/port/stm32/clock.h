/// Stop 8 of 12. What serial.c wants of the clock tree.
///
/// Comes in: a GPIO port's number. Goes out: clocks that run. Next: clock.c
#ifndef HOTPATCH_STM32_CLOCK_H
#define HOTPATCH_STM32_CLOCK_H

#include <stdint.h>

/// Lets the link's USART and GPIO port number `port` (0: A) run.
void hp_clock_serial(uint32_t port);

#endif
