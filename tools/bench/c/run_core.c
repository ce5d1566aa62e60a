/// Everything hp_vm_run needs for one workload, built as the runtime builds it at a site: the host reads the addresses
/// of these objects from the image and calls hp_vm_run itself, so that nothing but the engine is counted.
#include "core/check.h"
#include "core/vm.h"

extern const uint8_t program_code[];
extern const uint8_t program_code_end[];

hp_vm_t run_state;
hp_program_t program;
hp_space_t space;
uint64_t context[CONTEXT_BYTES / 8U];
const uint64_t *const result    = &run_state.registers[0];
const uint32_t *const fuel_left = &run_state.fuel;
static uint64_t stack[STACK_BYTES / 8U + 1U];

static hp_fault_t no_helper(hp_vm_t *vm, uint32_t number)
{
    (void)vm;
    (void)number;
    return HP_FAULT_CALL;
}

static hp_region_t region(uint64_t *memory, uint32_t bytes)
{
    return (hp_region_t){.address = (uint32_t)(uintptr_t)memory, .bytes = bytes, .memory = (uint8_t *)memory};
}

/// Admits the program; the status of the structural check, 0 if it passed.
uint32_t setup(void)
{
    uint32_t where                 = 0;
    const uint32_t code_bytes      = (uint32_t)(program_code_end - program_code);
    const hp_check_limits_t limits = {.instruction_count_max = code_bytes / 8U};

    program = (hp_program_t){
        .code       = program_code,
        .code_bytes = code_bytes,
        .fuel       = FUEL,
        .helper     = no_helper,
    };
    space = (hp_space_t){.stack = region(stack, STACK_BYTES), .context = region(context, CONTEXT_BYTES)};
    return (uint32_t)hp_check_program(program_code, code_bytes, &limits, &where);
}
