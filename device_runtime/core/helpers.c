/// Stop 12 of 12. What programs may ask the runtime for. In: a run and a helper's number. Out: a value in r0, or a fault.
/// Next: core/trigger.c
#include "core/helpers.h"

#include <stddef.h>
#include <string.h>

/// fw_read(destination, size, address). Only the stack is a destination: it bounds the helper's time, and a copy cannot
/// change what the firmware sees. The source may overlap it, since the stack lies in readable memory too.
static hp_fault_t fw_read(hp_vm_t *const vm)
{
    uint64_t *const r              = vm->registers;
    const hp_region_t *const stack = &vm->space->stack;
    const uint64_t destination     = r[1];
    const uint64_t size            = r[2];
    if (size == 0U) {
        r[0] = 0U;
        return HP_FAULT_NONE;
    }
    if ((destination < stack->address) || (size > stack->bytes) ||
        ((destination - stack->address) > (stack->bytes - size))) {
        return HP_FAULT_MEMORY;
    }
    const uint8_t *const source = hp_vm_memory(vm, r[3], (uint32_t)size, false);
    r[0]                        = (source == NULL) ? UINT64_MAX : 0U;
    if (source != NULL) {
        memmove(&stack->memory[destination - stack->address], source, (size_t)size);
    }
    return HP_FAULT_NONE;
}

hp_fault_t hp_helper_call(hp_vm_t *const vm, const uint32_t number)
{
    switch ((hp_helper_t)number) {
    case HP_HELPER_FW_READ: return fw_read(vm);
    }
    return HP_FAULT_CALL;
}
