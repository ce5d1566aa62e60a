/// Stop 12 of 12. What tests of the engine need beside the core: a helper of the public conformance suite, and sizes to
/// compare with. In: calls through ctypes. Out: the core's answers. Next: tests/engine.py
#include <stddef.h>

#include "core/check.h"
#include "core/helpers.h"
#include "core/vm.h"

/// The suite's helper 5 gives its first argument back; all others are the core's own.
hp_fault_t harness_helper(hp_vm_t *vm, uint32_t number);

hp_fault_t harness_helper(hp_vm_t *vm, uint32_t number)
{
    if (number == 5U) {
        vm->registers[0] = vm->registers[1];
        return HP_FAULT_NONE;
    }
    return hp_helper_call(vm, number);
}

size_t harness_vm_bytes(void);

size_t harness_vm_bytes(void)
{
    return sizeof(hp_vm_t);
}
