/// Stop 12 of 12. The engine's vectors on a machine of QEMU, which faults on unaligned accesses as a real core does. In: a
/// table that tests/qemu_engine.py generates. Out: one line through semihosting. Next: core/vm.c
///
/// Regions lie where programs know them, as on a device; context and data 0 to 3 bytes off alignment.
#include <stddef.h>
#include <string.h>

#include "core/helpers.h"
#include "core/vm.h"
#include "vectors.h"

#define SYS_WRITE0  4U
#define SYS_EXIT    0x18U
#define ADP_STOPPED 0x20026U

extern uint32_t stack_top;
void reset(void);
void stopped(void);

static void semihost(const uint32_t operation, const void *const argument)
{
    register uint32_t r0 __asm__("r0")    = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

static void tell(const char *const text)
{
    semihost(SYS_WRITE0, text);
}

static void end(void)
{
    semihost(SYS_EXIT, (const void *)ADP_STOPPED);
    for (;;) {
    }
}

void stopped(void)
{
    tell("the core took a fault\n");
    end();
}

static hp_region_t filled(const uint32_t address, const uint8_t *const from, const uint32_t bytes)
{
    uint8_t *const memory = (uint8_t *)address;
    for (uint32_t i = 0U; i < bytes; i++) {
        memory[i] = (from == NULL) ? (uint8_t)i : from[i];
    }
    return (hp_region_t){.address = address, .bytes = bytes, .memory = memory};
}

static bool vector_passes(const vector_t *const vector)
{
    const hp_region_t readable = filled(READABLE, NULL, 64U);
    const hp_region_t writable = filled(WRITABLE, NULL, 16U);
    const hp_space_t space     = {
        .stack          = filled(STACK, NULL, 64U),
        .context        = filled(vector->context_address, vector->context, vector->context_bytes),
        .data           = filled(vector->data_address, vector->data, vector->data_bytes),
        .variables      = filled(vector->variables_address, vector->variables, vector->variable_bytes),
        .readable       = &readable,
        .readable_count = 1U,
        .writable       = &writable,
        .writable_count = 1U,
    };
    const hp_program_t program = {
        .code        = (const uint8_t *)vector->code,
        .code_bytes  = vector->code_bytes,
        .fuel        = vector->fuel,
        .frame_bytes = vector->frame_bytes,
        .helper_mask = vector->helper_mask,
        .helper      = hp_helper_call,
    };
    hp_vm_t vm;
    const hp_fault_t fault = hp_vm_run(&vm, &program, &space);
    const bool result      = (vector->ignores_result != 0U) || (vm.registers[0] == vector->result);
    const bool same_memory =
        (memcmp(space.context.memory, vector->context_after, vector->context_bytes) == 0) &&
        (memcmp(space.variables.memory, vector->variables_after, vector->variable_bytes) == 0);
    return ((uint32_t)fault == vector->fault) && result && (vm.fuel == vector->fuel_left) && same_memory;
}

void reset(void)
{
    bool all = true;
    for (uint32_t i = 0U; i < VECTOR_COUNT; i++) {
        if (!vector_passes(&vectors[i])) {
            tell(vectors[i].name);
            tell(": wrong\n");
            all = false;
        }
    }
    tell(all ? "all passed\n" : "some failed\n");
    end();
}

__attribute__((section(".vectors"), used)) static void *const table[16] = {
    &stack_top,      (void *)reset,   (void *)stopped, (void *)stopped,
    (void *)stopped, (void *)stopped, (void *)stopped,
};
