/// One workload under wasm3: setup() parses, loads and compiles the module, run() copies the context into linear memory,
/// calls, and copies it back, which is what a firmware must do that does not live inside that memory.
#include <string.h>

#include "wasm3.h"

#define CONTEXT_OFFSET 0x8000U

extern const uint8_t program_code[];
extern const uint8_t program_code_end[];

uint64_t context[CONTEXT_BYTES / 8U];
uint64_t result;
static IM3Runtime runtime;
static IM3Function function;

/// 0, or the number of the step that failed.
uint32_t setup(void)
{
    IM3Environment environment = m3_NewEnvironment();
    IM3Module module           = NULL;

    if (environment == NULL) {
        return 1;
    }
    runtime = m3_NewRuntime(environment, 1024, NULL);
    if (runtime == NULL) {
        return 2;
    }
    if (m3_ParseModule(environment, &module, program_code, (uint32_t)(program_code_end - program_code)) !=
        NULL) {
        return 3;
    }
    if (m3_LoadModule(runtime, module) != NULL) {
        return 4;
    }
    return m3_FindFunction(&function, runtime, "workload") == NULL ? 0 : 5;
}

/// 0, or the number of the step that failed.
uint32_t run(void)
{
    uint32_t offset          = CONTEXT_OFFSET;
    const void *arguments[1] = {&offset};
    const void *results[1]   = {&result};
    uint8_t *memory          = m3_GetMemory(runtime, NULL, 0);

    memcpy(memory + CONTEXT_OFFSET, context, CONTEXT_BYTES);
    if (m3_Call(function, 1, arguments) != NULL) {
        return 1;
    }
    if (m3_GetResults(function, 1, results) != NULL) {
        return 2;
    }
    memcpy(context, memory + CONTEXT_OFFSET, CONTEXT_BYTES);
    return 0;
}

/// newlib asks for these; nothing here may reach them.
void *_sbrk(int bytes);
void _exit(int code);

void *_sbrk(int bytes)
{
    (void)bytes;
    return (void *)-1;
}

void _exit(int code)
{
    (void)code;
    for (;;) {
        __asm__ volatile("udf #1");
    }
}
