/// Bubble sort of 64 signed words, in place; ends at the first pass that swaps nothing.
#include "workload.h"

WORKLOAD uint64_t workload(int32_t *context)
{
    uint32_t swaps = 0;

    for (uint32_t end = 63; end > 0; end--) {
        uint32_t before = swaps;
        for (uint32_t i = 0; i < end; i++) {
            int32_t left  = context[i];
            int32_t right = context[i + 1];
            if (left > right) {
                context[i]     = right;
                context[i + 1] = left;
                swaps++;
            }
        }
        if (swaps == before) {
            break;
        }
    }
    return swaps;
}
