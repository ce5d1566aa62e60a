/// Fletcher-32 over the context's words; sums are folded at the end of a block of at most 359 words.
#include "workload.h"

typedef struct fletcher32_context_t {
    uint32_t words;
    uint16_t data[180];
} fletcher32_context_t;

WORKLOAD uint64_t workload(const fletcher32_context_t *context)
{
    const uint16_t *data = context->data;
    uint32_t words       = context->words;
    uint32_t low         = 0xffffU;
    uint32_t high        = 0xffffU;

    while (words != 0) {
        uint32_t block = words > 359U ? 359U : words;
        words -= block;
        do {
            low += *data++;
            high += low;
        } while (--block != 0);
        low  = (low & 0xffffU) + (low >> 16);
        high = (high & 0xffffU) + (high >> 16);
    }
    low  = (low & 0xffffU) + (low >> 16);
    high = (high & 0xffffU) + (high >> 16);
    return (high << 16) | low;
}
