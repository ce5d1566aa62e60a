/// Stop 9 of 12. Admission: what a container must be before anything of it is kept or runs. In: a staged container. Out: a
/// patch armed or taken out, or the reason why not. Next: core/store.h
#ifndef HP_CORE_ADMIT_H
#define HP_CORE_ADMIT_H

#include "core/bytes.h"
#include "core/suit.h"
#include "hotpatch/hotpatch.h"

/// Carries out `container`, which rests in the stage. Any status of hp_status_t; on a refusal nothing has changed, and
/// self->detail may say where.
HP_MUST_CHECK hp_status_t hp_admit(hp_runtime_t *self, hp_span_t container);

/// Keeps the patch called `id` that is on trial; no effect if it is kept already. HP_STATUS_NOT_FOUND, HP_STATUS_FLASH_FAILED.
HP_MUST_CHECK hp_status_t hp_admit_confirm(hp_runtime_t *self, hp_span_t id);

/// Arms every kept patch whose payload is still what was admitted, and whose firmware is still this one; rejects the others.
void hp_admit_rearm(hp_runtime_t *self);

/// Takes out every armed patch whose programs made the processor fault HP_STRIKES_MAX times; a trial gives way to the
/// version before it. Cost: a look at each patch, and a journal record where one is taken out.
void hp_admit_strike_out(hp_runtime_t *self);

#endif
