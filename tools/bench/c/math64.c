/// A thousand rounds of 64-bit multiply, exclusive or, shift and divide.
#include "workload.h"

WORKLOAD uint64_t workload(const uint64_t *context)
{
    uint64_t value   = context[0];
    uint64_t divisor = context[1];

    for (uint32_t i = 0; i < 1000; i++) {
        value *= 6364136223846793005ULL;
        value ^= value >> 29;
        value += i;
        value ^= value / divisor;
    }
    return value;
}
