/// Copies 256 bytes one at a time, from the first half of the context to the second.
#include "workload.h"

WORKLOAD uint64_t workload(uint8_t *context)
{
    for (uint32_t i = 0; i < 256; i++) {
        context[256 + i] = context[i];
    }
    return context[511];
}
