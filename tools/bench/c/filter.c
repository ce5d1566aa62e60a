/// A packet filter of the kind that sits on a hook: four fields of the context, a verdict.
#include "workload.h"

typedef struct filter_context_t {
    uint32_t kind;
    uint32_t bytes;
    uint32_t port;
    uint32_t flags;
} filter_context_t;

WORKLOAD uint64_t workload(const filter_context_t *context)
{
    if (context->kind != 17U || context->bytes > 1280U) {
        return 1;
    }
    if (context->port == 5683U && (context->flags & 4U) != 0) {
        return 2;
    }
    return 3;
}
