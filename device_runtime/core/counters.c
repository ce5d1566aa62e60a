/// Stops 8 to 12 of 12. What happened, counted and never reset but by power. In: an event, from any context. Out: a number
/// that a host reads. Next: core/server.c
#include "core/atomic.h"
#include "hotpatch/hotpatch.h"

uint32_t hp_counter(const hp_runtime_t *self, hp_counter_t counter)
{
    return hp_observe(&self->counters[counter]);
}

void hp_count(hp_runtime_t *self, hp_counter_t counter)
{
    hp_add_one(&self->counters[counter]);
}
