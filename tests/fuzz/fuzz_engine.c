/// Stop 12 of 12. libFuzzer's way into the structural check and the engine. In: any bytes. Out: nothing, or a crash that
/// AddressSanitizer or UndefinedBehaviorSanitizer explains. Next: core/vm.c
///
/// The first bytes choose fuel, helpers and the context's length; the rest is the program, in a block of its own size, so
/// that reading behind it shows. Every region lies in a block of its own too. What the check accepts is run.
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/helpers.h"
#include "core/vm.h"

#define HEAD_BYTES  4U
#define STACK_BYTES 64U
#define DATA_BYTES  5U
#define RANGE_BYTES 16U

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes);

static hp_region_t region_of(const uint32_t address, const uint32_t bytes)
{
    uint8_t *const memory = calloc(1U, bytes);
    if (memory == NULL) {
        abort();
    }
    return (hp_region_t){.address = address, .bytes = bytes, .memory = memory};
}

static void run_it(const uint8_t *const head, const uint8_t *const code, const uint32_t code_bytes)
{
    hp_region_t readable = region_of(0x20008000U, RANGE_BYTES);
    hp_region_t writable = region_of(0x2000a000U, 3U);
    hp_space_t space     = {
        .stack          = region_of(0x20000000U, STACK_BYTES),
        .context        = region_of(0x20001000U + (head[2] & 7U), 1U + head[3]),
        .data           = region_of(0x00042000U, DATA_BYTES),
        .readable       = &readable,
        .readable_count = 1U,
        .writable       = &writable,
        .writable_count = 1U,
    };
    const hp_program_t program = {
        .code        = code,
        .code_bytes  = code_bytes,
        .fuel        = 4U * head[0],
        .frame_bytes = 16U,
        .helper_mask = head[1],
        .helper      = hp_helper_call,
    };
    hp_vm_t vm;
    memset(&vm, 0xee, sizeof(vm));
    const hp_fault_t fault = hp_vm_run(&vm, &program, &space);
    const bool exact       = (vm.fuel <= program.fuel) && ((fault != HP_FAULT_FUEL) || (vm.fuel == 0U));
    const bool known       = (fault != HP_FAULT_VERDICT) && (fault != HP_FAULT_CORE);
    if (!exact || !known || (vm.depth > HP_SUB_PROGRAMS_DEEP)) {
        abort();
    }
    free(readable.memory);
    free(writable.memory);
    free(space.stack.memory);
    free(space.context.memory);
    free(space.data.memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *const input, const size_t bytes)
{
    if (bytes < HEAD_BYTES) {
        return 0;
    }
    const uint32_t code_bytes = (uint32_t)(bytes - HEAD_BYTES);
    uint8_t *const code       = malloc(code_bytes + 1U);
    if (code == NULL) {
        abort();
    }
    // One byte on for the check, which takes any alignment, and exactly at the block's end.
    memcpy(&code[1], &input[HEAD_BYTES], code_bytes);
    const hp_check_limits_t limits = {
        .instruction_count_max = 512U, .data_bytes = DATA_BYTES, .helper_mask = input[1]};
    uint32_t where           = UINT32_MAX;
    const hp_status_t status = hp_check_program(&code[1], code_bytes, &limits, &where);
    if ((status != HP_STATUS_OK) && (where > (code_bytes / HP_INSTRUCTION_BYTES))) {
        abort();
    }
    free(code);
    if (status == HP_STATUS_OK) {
        uint8_t *const aligned = malloc(code_bytes);
        if (aligned == NULL) {
            abort();
        }
        memcpy(aligned, &input[HEAD_BYTES], code_bytes);
        run_it(input, aligned, code_bytes);
        free(aligned);
    }
    return 0;
}
