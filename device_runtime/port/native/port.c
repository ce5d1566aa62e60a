/// Stops 8 to 12 of 12. A port for tests on a host: device memory is buffers, and everything that happens is a callback. In:
/// calls of the core. Out: calls of the test. Next: core/hotpatch.c
#include <stdlib.h>
#include <string.h>

#include "core/vm.h"
#include "hotpatch/hotpatch.h"

#define BUFFERS_MAX 4U

/// What the test lends: `memory` stands for device memory from `address` on.
typedef struct native_buffer_t {
    uint32_t address;
    uint32_t bytes;
    void *memory;
} native_buffer_t;

/// The test's side of the port. Every function may be called only from inside a call of the core.
typedef struct native_callbacks_t {
    int32_t (*flash_program)(uint32_t address, const void *data, size_t size);
    int32_t (*flash_erase)(uint32_t address);
    void (*serial_write)(const uint8_t *data, size_t size);
    bool (*console_input)(uint8_t byte);
    uint32_t (*now_ms)(void);
    int32_t (*trigger_arm)(uint32_t index, uint32_t address, uint32_t resume);
    void (*trigger_disarm)(uint32_t index);
    uint32_t (*stack_room)(void);
    uint32_t (*level)(void);
    bool (*quiet)(uint32_t address, uint32_t bytes);
    void (*during_run)(void); // no part of the port: a run under way, just before its program starts
} native_callbacks_t;

/// One emulated board: the runtime and what it was told to use.
typedef struct native_t {
    native_callbacks_t callbacks;
    native_buffer_t buffers[BUFFERS_MAX];
    uint32_t buffer_count;
    hp_port_t port;
    hp_board_t board;
    hp_range_t readable[HP_READABLE_MAX];
    hp_config_t config;
    char name[64];
    uint8_t build_id[32];
    uint8_t *arena;
    uint8_t *variables;
    hp_runtime_t runtime;
} native_t;

static const void *native_memory(void *context, uint32_t address, uint32_t size)
{
    const native_t *self = context;

    for (uint32_t index = 0; index < self->buffer_count; index++) {
        const native_buffer_t *buffer = &self->buffers[index];
        if (address >= buffer->address && size <= buffer->bytes &&
            address - buffer->address <= buffer->bytes - size) {
            return (const uint8_t *)buffer->memory + (address - buffer->address);
        }
    }
    return NULL;
}

static hp_status_t native_flash_program(void *context, uint32_t address, const void *data, size_t size)
{
    const native_t *self = context;

    return (hp_status_t)self->callbacks.flash_program(address, data, size);
}

static hp_status_t native_flash_erase(void *context, uint32_t address)
{
    const native_t *self = context;

    return (hp_status_t)self->callbacks.flash_erase(address);
}

static void native_serial_write(void *context, const uint8_t *data, size_t size)
{
    const native_t *self = context;

    self->callbacks.serial_write(data, size);
}

static bool native_console_input(void *context, uint8_t byte)
{
    const native_t *self = context;

    return self->callbacks.console_input(byte);
}

static uint32_t native_now_ms(void *context)
{
    const native_t *self = context;

    return self->callbacks.now_ms();
}

static hp_status_t native_site_check(void *context, hp_trigger_t trigger, uint32_t address)
{
    (void)context;
    (void)address;
    return trigger == HP_TRIGGER_BREAKPOINT ? HP_STATUS_OK : HP_STATUS_UNSUPPORTED;
}

static hp_status_t native_trigger_arm(void *context, uint32_t index, uint32_t address, uint32_t resume)
{
    const native_t *self = context;

    return (hp_status_t)self->callbacks.trigger_arm(index, address, resume);
}

static void native_trigger_disarm(void *context, uint32_t index)
{
    const native_t *self = context;

    self->callbacks.trigger_disarm(index);
}

static uint32_t native_stack_room(void *context, const void *frame)
{
    const native_t *self = context;

    (void)frame;
    return self->callbacks.stack_room();
}

static uint32_t native_level(void *context)
{
    const native_t *self = context;

    return self->callbacks.level();
}

static bool native_quiet(void *context, uint32_t address, uint32_t bytes)
{
    const native_t *self = context;

    return self->callbacks.quiet(address, bytes);
}

hp_fault_t __real_hp_vm_run(hp_vm_t *self, const hp_program_t *program, const hp_space_t *space);
hp_fault_t __wrap_hp_vm_run(hp_vm_t *self, const hp_program_t *program, const hp_space_t *space);

/// Where core/trigger.c means hp_vm_run: native.mk asks the linker for it.
hp_fault_t __wrap_hp_vm_run(hp_vm_t *self, const hp_program_t *program, const hp_space_t *space)
{
    const native_t *device =
        (const native_t *)((uintptr_t)space->readable - offsetof(native_t, runtime.readable));

    device->callbacks.during_run();
    return __real_hp_vm_run(self, program, space);
}

/// A board that lives until native_close. `numbers`: page_bytes, journal, its bytes, stage, stage_bytes, slots, slot_bytes, slot_count,
/// key page, triggers, longest program, text, its bytes, the runtime's text, its bytes, bytes of variables. NULL if there is no memory.
native_t *native_open(const native_callbacks_t *callbacks, const char *name, const uint8_t *vendor_id,
                      const uint8_t *class_id, const uint8_t *build_id, uint32_t build_id_bytes,
                      uint32_t arena_bytes, const uint32_t *numbers)
{
    native_t *self = calloc(1, sizeof *self);

    if (self == NULL) {
        return NULL;
    }
    self->arena     = calloc(1, arena_bytes);
    self->variables = calloc(1, numbers[15]);
    self->callbacks = *callbacks;
    self->port      = (hp_port_t){self,
                                  native_memory,
                                  native_flash_program,
                                  native_flash_erase,
                                  native_serial_write,
                                  native_console_input,
                                  native_now_ms,
                                  native_site_check,
                                  native_trigger_arm,
                                  native_trigger_disarm,
                                  native_stack_room,
                                  native_level,
                                  native_quiet};
    self->board     = (hp_board_t){
        .name              = self->name,
        .page_bytes        = numbers[0],
        .journal_address   = numbers[1],
        .journal_bytes     = numbers[2],
        .stage_address     = numbers[3],
        .stage_bytes       = numbers[4],
        .slots_address     = numbers[5],
        .slot_bytes        = numbers[6],
        .slot_count        = numbers[7],
        .key_page_address  = numbers[8],
        .trigger_count     = numbers[9],
        .program_count_max = numbers[10],
        .readable          = self->readable,
        .text              = {numbers[11], numbers[12]},
        .runtime_text      = {numbers[13], numbers[14]},
    };
    strncpy(self->name, name, sizeof self->name - 1U);
    memcpy(self->board.vendor_id, vendor_id, sizeof self->board.vendor_id);
    memcpy(self->board.class_id, class_id, sizeof self->board.class_id);
    memcpy(self->build_id, build_id, build_id_bytes);
    self->config = (hp_config_t){&self->port, &self->board, self->build_id,  build_id_bytes,
                                 self->arena, arena_bytes,  self->variables, numbers[15]};
    return self;
}

/// Lends a buffer; `readable`: programs may read it.
void native_lend(native_t *self, uint32_t address, uint32_t bytes, void *memory)
{
    self->buffers[self->buffer_count++] = (native_buffer_t){address, bytes, memory};
}

/// Lets programs read `bytes` bytes from `address` on.
void native_let_read(native_t *self, uint32_t address, uint32_t bytes)
{
    self->readable[self->board.readable_count++] = (hp_range_t){address, bytes};
}

/// The runtime inside, for the functions of hotpatch.h.
hp_runtime_t *native_runtime(native_t *self)
{
    return &self->runtime;
}

/// Starts the runtime, as after a reset.
int32_t native_start(native_t *self)
{
    return (int32_t)hp_init(&self->runtime, &self->config);
}

void native_close(native_t *self)
{
    free(self->arena);
    free(self->variables);
    free(self);
}
