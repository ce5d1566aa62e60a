/// Stop 11 of 12. The one runtime of this board, named for the veneer and the fault handlers.
///
/// Comes in: nothing. Goes out: hp_runtime, system.c's. Next: system.c
#ifndef HOTPATCH_CORTEX_M_RUNTIME_INSTANCE_H
#define HOTPATCH_CORTEX_M_RUNTIME_INSTANCE_H

#include "hotpatch/hotpatch.h"

extern hp_runtime_t hp_runtime;

#endif
