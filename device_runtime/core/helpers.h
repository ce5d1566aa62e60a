/// Stop 12 of 12. What programs may ask the runtime for. In: a run and a helper's number. Out: a value in r0, or a fault.
/// Next: core/trigger.h, which carries out the verdict
#ifndef HP_CORE_HELPERS_H
#define HP_CORE_HELPERS_H

#include <stdint.h>

#include "core/vm.h"

#define HP_HELPER_MASK (1U << HP_HELPER_FW_READ) ///< helpers this runtime has

/// Calls helper `number` with registers[1..5]; see hp_helper_t. HP_FAULT_CALL if there is no such helper, HP_FAULT_MEMORY
/// if it is asked to write where the program may not.
hp_fault_t hp_helper_call(hp_vm_t *vm, uint32_t number);

#endif
