/// Stop 12 of 12. libFuzzer's way into the engine. In: any bytes. Out: nothing, or a crash that AddressSanitizer or
/// UndefinedBehaviorSanitizer explains, or an abort where a run is not what it promises. Next: core/vm.c
///
/// The first bytes choose fuel, helpers and the context's place and length; the rest is the program. What the check accepts
/// is run, every region in a block of its own: twice, which must be alike; with exactly the fuel it used; and with one less.
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/helpers.h"
#include "core/vm.h"

#define HEAD_BYTES     4U
#define STACK_BYTES    64U
#define DATA_BYTES     5U
#define VARIABLE_BYTES 24U
#define READABLE_BYTES 16U
#define WRITABLE_BYTES 3U
#define CONTEXT_MAX    256U
#define FIRST          0x51U ///< the first byte of a region; the others count up

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes);

/// Where one run ended.
typedef struct end_t {
    hp_fault_t fault;
    uint64_t registers[HP_REGISTERS];
    uint32_t fuel;
    uint32_t behind; ///< the slot behind the last instruction executed
    uint8_t stack[STACK_BYTES];
    uint8_t context[CONTEXT_MAX];
    uint8_t variables[VARIABLE_BYTES];
    uint8_t writable[WRITABLE_BYTES];
} end_t;

static void hold(const bool what)
{
    if (!what) {
        abort();
    }
}

static hp_region_t region_of(const uint32_t address, const uint32_t bytes, const uint8_t first)
{
    uint8_t *const memory = malloc(bytes);
    hold(memory != NULL);
    for (uint32_t i = 0U; i < bytes; i++) {
        memory[i] = (uint8_t)(first + i);
    }
    return (hp_region_t){.address = address, .bytes = bytes, .memory = memory};
}

/// A region that no program may change.
static void gone_unchanged(const hp_region_t region)
{
    for (uint32_t i = 0U; i < region.bytes; i++) {
        hold(region.memory[i] == (uint8_t)(FIRST + i));
    }
    free(region.memory);
}

static void taken(uint8_t *const into, const hp_region_t region)
{
    memcpy(into, region.memory, region.bytes);
    free(region.memory);
}

static end_t run_once(const uint8_t *const head, const uint8_t *const code, const uint32_t code_bytes,
                      const uint32_t fuel, const uint8_t left_over)
{
    const hp_region_t readable = region_of(0x20004000U, READABLE_BYTES, FIRST);
    const hp_region_t writable = region_of(0x20006000U, WRITABLE_BYTES, FIRST);
    const hp_space_t space     = {
        .stack          = region_of(0x20000000U, STACK_BYTES, left_over),
        .context        = region_of(0x20001000U + (head[2] & 7U), 1U + head[3], FIRST),
        .data           = region_of(0x00042000U, DATA_BYTES, FIRST),
        .variables      = region_of(0x20005000U, VARIABLE_BYTES, FIRST),
        .readable       = &readable,
        .readable_count = 1U,
        .writable       = &writable,
        .writable_count = 1U,
    };
    const hp_program_t program = {
        .code        = code,
        .code_bytes  = code_bytes,
        .fuel        = fuel,
        .frame_bytes = 16U,
        .helper_mask = head[1],
        .helper      = hp_helper_call,
    };
    hp_vm_t vm;
    memset(&vm, left_over, sizeof(vm));
    end_t end;
    memset(&end, 0, sizeof(end));
    end.fault  = hp_vm_run(&vm, &program, &space);
    end.fuel   = vm.fuel;
    end.behind = (uint32_t)((uintptr_t)vm.pc - (uintptr_t)code) / HP_INSTRUCTION_BYTES;
    memcpy(end.registers, vm.registers, sizeof(end.registers));
    hold(vm.depth <= HP_SUB_PROGRAMS_DEEP);
    taken(end.stack, space.stack);
    taken(end.context, space.context);
    taken(end.variables, space.variables);
    taken(end.writable, writable);
    gone_unchanged(readable);
    gone_unchanged(space.data);
    return end;
}

/// The fault is one that the last instruction can cause; no opcode is one that the engine does not know.
static void fault_fits(const end_t *const end, const uint8_t *const code, const uint32_t code_bytes)
{
    if (end->fault == HP_FAULT_FUEL) {
        hold(end->fuel == 0U);
        return;
    }
    hold((end->behind != 0U) && (end->behind <= (code_bytes / HP_INSTRUCTION_BYTES)));
    const uint8_t op     = code[(end->behind - 1U) * HP_INSTRUCTION_BYTES];
    const uint32_t group = op & 7U;
    const bool calls     = (op == HP_OP_CALL) || (op == HP_OP_CALLX);
    switch (end->fault) {
    case HP_FAULT_NONE: hold(op == HP_OP_EXIT); break;
    case HP_FAULT_MEMORY: hold(calls || ((group >= 1U) && (group <= 3U))); break;
    case HP_FAULT_CALL: hold(calls); break;
    case HP_FAULT_DEPTH: hold(op == HP_OP_CALL); break;
    case HP_FAULT_FUEL:
    case HP_FAULT_RECORD:
    case HP_FAULT_CORE:
    case HP_FAULT_VERDICT: abort();
    }
}

static void run_it(const uint8_t *const head, const uint8_t *const code, const uint32_t code_bytes)
{
    const uint32_t fuel = 4U * head[0];
    const end_t end     = run_once(head, code, code_bytes, fuel, 0x51U);
    const end_t again = run_once(head, code, code_bytes, fuel, 0xeeU); // what lay there before must not show
    hold(memcmp(&end, &again, sizeof(end)) == 0);
    hold(end.fuel <= fuel);
    fault_fits(&end, code, code_bytes);
    if (end.fault == HP_FAULT_FUEL) {
        return;
    }
    end_t exact = run_once(head, code, code_bytes, fuel - end.fuel, 0x51U);
    hold(exact.fuel == 0U);
    exact.fuel = end.fuel;
    hold(memcmp(&end, &exact, sizeof(end)) == 0);
    const end_t less = run_once(head, code, code_bytes, fuel - end.fuel - 1U, 0x51U);
    hold((less.fault == HP_FAULT_FUEL) && (less.fuel == 0U));
}

int LLVMFuzzerTestOneInput(const uint8_t *const input, const size_t bytes)
{
    if (bytes <= HEAD_BYTES) {
        return 0;
    }
    const uint32_t code_bytes = (uint32_t)(bytes - HEAD_BYTES);
    uint8_t *const code       = malloc(code_bytes); // aligned, and ends where its block ends
    hold(code != NULL);
    memcpy(code, &input[HEAD_BYTES], code_bytes);
    const hp_check_limits_t limits = {.instruction_count_max = 256U,
                                      .data_bytes            = DATA_BYTES,
                                      .variable_bytes        = VARIABLE_BYTES,
                                      .helper_mask           = input[1]};
    uint32_t where;
    if (hp_check_program(code, code_bytes, &limits, &where) == HP_STATUS_OK) {
        run_it(input, code, code_bytes);
    }
    free(code);
    return 0;
}
