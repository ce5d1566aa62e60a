/// Stop 8 of 12. The runtime's home on a Cortex-M: its own interrupt, the serial line's queues, the clock.
///
/// Comes in: bytes from the chip's serial interrupt, console text from thread code. Goes out: hp_feed, hp_poll and
/// hp_console, all called in the management interrupt, the lowest priority of all. A script that spins cannot keep it
/// away, and it delays no other interrupt. Next: core/slipmux.c
#include "system.h"

#include "board_config.h"
#include "chip.h"
#include "layout.h"
#include "registers.h"
#include "ring.h"
#include "runtime_instance.h"
#include "sites.h"

#define PRIORITY_LEVELS      (1U << HP_BOARD_PRIORITY_BITS)
#define PRIORITY_BYTE(level) ((level) << (8U - HP_BOARD_PRIORITY_BITS))
#define MANAGEMENT_PRIORITY  PRIORITY_BYTE(PRIORITY_LEVELS - 1U)
#define TICK_PRIORITY        PRIORITY_BYTE(PRIORITY_LEVELS - 2U)
#define SERIAL_PRIORITY      PRIORITY_BYTE(PRIORITY_LEVELS - 3U)

#define TICKS_PER_SECOND 1000U
#define POLL_MS          10U
#define FRAME_SILENCE_MS 300U ///< longer than the 200 ms after which the core gives a broken-off frame up

#define SERIAL_IN_BYTES     2048U
#define SERIAL_OUT_BYTES    1024U
#define CONSOLE_IN_BYTES    1024U
#define CONSOLE_OUT_BYTES   512U
#define CHUNK_BYTES         64U
#define CHUNK_ON_WIRE_BYTES (2U * CHUNK_BYTES + 8U) ///< all bytes escaped, and the frame around them

#define BUILD_ID_NOTE_HEAD_BYTES 16U ///< name size, size, type, "GNU\0"

/// Functions that only the image calls; apart from the runtime's own code, so that they may be patched.
#define IMAGE_API __attribute__((section(".image_text")))

void hp_tick(void);
void hp_management(const hp_exception_frame_t *stacked);

hp_runtime_t hp_runtime;

static const hp_image_t *image;
static volatile uint32_t now;
static volatile uint32_t last_arrival;
static volatile bool postponed;
static uint32_t interrupted_pc; ///< where management interrupted the thread; 0 before it ever did

static uint8_t serial_in_bytes[SERIAL_IN_BYTES], serial_out_bytes[SERIAL_OUT_BYTES];
static uint8_t console_in_bytes[CONSOLE_IN_BYTES], console_out_bytes[CONSOLE_OUT_BYTES];
static hp_ring_t serial_in   = {.bytes = serial_in_bytes, .size = SERIAL_IN_BYTES};
static hp_ring_t serial_out  = {.bytes = serial_out_bytes, .size = SERIAL_OUT_BYTES};
static hp_ring_t console_in  = {.bytes = console_in_bytes, .size = CONSOLE_IN_BYTES};
static hp_ring_t console_out = {.bytes = console_out_bytes, .size = CONSOLE_OUT_BYTES};

// ------------------------------------------------ interrupts ------------------------------------------------

void hp_serial_arrived(uint8_t byte)
{
    (void)hp_ring_put(&serial_in,
                      byte); // a byte lost here is a bad checksum or a dropped key, as on the wire
    last_arrival = now;
    hp_interrupt_pend(HP_BOARD_MANAGEMENT_IRQ);
}

int hp_serial_next(void)
{
    int byte = hp_ring_take(&serial_out);
    if (hp_ring_used(&console_out) != 0U && hp_ring_free(&serial_out) == CHUNK_ON_WIRE_BYTES) {
        hp_interrupt_pend(HP_BOARD_MANAGEMENT_IRQ); // room for more console text
    }
    return byte;
}

void hp_tick(void)
{
    now          = now + 1U;
    bool waiting = hp_session_open(&hp_runtime) || now - last_arrival < FRAME_SILENCE_MS;
    if (postponed || (waiting && now % POLL_MS == 0U)) {
        hp_interrupt_pend(HP_BOARD_MANAGEMENT_IRQ);
    }
}

/// Whether the interrupted thread could still go on at an address that management is about to reuse: between a hit and
/// hp_fire's record, between its record and the way out, or in a displaced copy. Interrupts cannot: they are done by the
/// time the lowest priority runs. Other threads may be: what they need is kept as long as port_quiet says false.
static bool thread_in_flight(uint32_t pc)
{
    uint32_t slots_bytes = HP_BOARD_SLOT_COUNT * HP_BOARD_SLOT_BYTES;
    return hp_layout_in_runtime(pc) || pc - HP_BOARD_SLOTS_ADDRESS < slots_bytes;
}

static void drain_console(void)
{
    uint8_t chunk[CHUNK_BYTES];
    while (hp_ring_used(&console_out) != 0U && hp_ring_free(&serial_out) >= CHUNK_ON_WIRE_BYTES) {
        hp_console(&hp_runtime, chunk, hp_ring_take_many(&console_out, chunk, sizeof chunk));
    }
}

void hp_management(const hp_exception_frame_t *stacked)
{
    interrupted_pc = stacked->pc;
    postponed      = thread_in_flight(interrupted_pc);
    if (postponed) {
        return; // the next tick comes back
    }
    uint8_t chunk[CHUNK_BYTES];
    size_t size;
    while ((size = hp_ring_take_many(&serial_in, chunk, sizeof chunk)) > 0U) {
        hp_feed(&hp_runtime, chunk, size);
    }
    drain_console();
    hp_poll(&hp_runtime);
}

_Static_assert(HP_BOARD_JOURNAL_BYTES >= HP_JOURNAL_BYTES_MIN(HP_BOARD_SLOT_COUNT),
               "[store] journal_pages of the board file is too small");

// ------------------------------------------------ what the core asks for ------------------------------------------------

/// What a program may read: code flash and every RAM of the chip.
static const hp_range_t readable[] = HP_BOARD_READABLE;

static bool holds(const hp_range_t *range, uint32_t address, uint32_t size)
{
    uint32_t offset = address - range->address;
    return offset <= range->bytes && size <= range->bytes - offset;
}

static const void *port_memory(void *context, uint32_t address, uint32_t size)
{
    (void)context;
    static const hp_range_t flash = {HP_BOARD_FLASH_ADDRESS, HP_BOARD_FLASH_BYTES};
    bool here                     = holds(&flash, address, size);
    for (size_t i = 0U; i < HP_BOARD_READABLE_COUNT; i++) {
        here = here || holds(&readable[i], address, size);
    }
    return here ? (const void *)address : NULL;
}

static bool in_store(uint32_t address, size_t size)
{
    uint32_t end    = HP_BOARD_SLOTS_ADDRESS + HP_BOARD_SLOT_COUNT * HP_BOARD_SLOT_BYTES;
    uint32_t bytes  = end - HP_BOARD_JOURNAL_ADDRESS;
    uint32_t offset = address - HP_BOARD_JOURNAL_ADDRESS;
    return offset < bytes && size <= bytes - offset;
}

static hp_status_t port_flash_program(void *context, uint32_t address, const void *data, size_t size)
{
    (void)context;
    bool in_units = address % HP_PROGRAM_UNIT == 0U && size % HP_PROGRAM_UNIT == 0U;
    return in_store(address, size) && in_units ? hp_chip_flash_program(address, data, size)
                                               : HP_STATUS_FLASH_FAILED;
}

static hp_status_t port_flash_erase(void *context, uint32_t address)
{
    (void)context;
    bool whole = in_store(address, HP_BOARD_PAGE_BYTES) && address % HP_BOARD_PAGE_BYTES == 0U;
    return whole ? hp_chip_flash_erase(address) : HP_STATUS_FLASH_FAILED;
}

static void port_serial_write(void *context, const uint8_t *data, size_t size)
{
    (void)context;
    for (size_t i = 0U; i < size; i++) {
        while (!hp_ring_put(&serial_out, data[i])) {
            hp_chip_serial_flow();
            hp_wait_for_interrupt();
        }
    }
    hp_chip_serial_flow();
}

static bool port_console_input(void *context, uint8_t byte)
{
    (void)context;
    const bool taken = image->interrupt_key != NULL && image->interrupt_key(byte);
    return taken || hp_ring_put(&console_in, byte);
}

static uint32_t port_now_ms(void *context)
{
    (void)context;
    return now;
}

static hp_status_t port_site_check(void *context, hp_trigger_t trigger, uint32_t address)
{
    (void)context;
    return hp_sites_check(trigger, address);
}

static hp_status_t port_trigger_arm(void *context, uint32_t index, uint32_t address, uint32_t resume)
{
    (void)context;
    return hp_sites_arm(index, address, resume);
}

static void port_trigger_disarm(void *context, uint32_t index)
{
    (void)context;
    hp_sites_disarm(index);
}

/// Where the image tells nothing, no room is promised on a process stack, and its hits get the safe verdict.
__attribute__((weak)) uint32_t hp_process_stack_limit(uint32_t stack_pointer)
{
    (void)stack_pointer;
    return 0U;
}

/// The lowest address of the stack in use, which `address` is on; 0 if nobody knows it.
static uint32_t stack_limit(uint32_t address)
{
    bool process_stack = hp_on_process_stack();
    uint32_t limit     = hp_stack_limit_register(process_stack);
    if (limit != 0U) {
        return limit;
    }
    if (process_stack) {
        return hp_process_stack_limit(address);
    }
    return address < (uint32_t)hp_stack_top ? (uint32_t)hp_stack_bottom : 0U;
}

static uint32_t port_stack_room(void *context, const void *frame)
{
    (void)context;
    uint32_t address = (uint32_t)frame;
    uint32_t limit   = stack_limit(address);
    return limit != 0U && limit < address ? address - limit : 0U;
}

static uint32_t port_level(void *context)
{
    (void)context;
    return hp_exception_number();
}

/// An image's only thread is all that can be anywhere when the lowest priority runs: see thread_in_flight. A displaced copy
/// holds no calls, so no function that it called can return into it. Of several threads any may have been stopped anywhere.
static bool port_quiet(void *context, uint32_t address, uint32_t bytes)
{
    (void)context;
    return image->one_thread && !hp_layout_in_runtime(interrupted_pc) && interrupted_pc - address >= bytes;
}

static const hp_port_t port = {
    .context        = NULL,
    .memory         = port_memory,
    .flash_program  = port_flash_program,
    .flash_erase    = port_flash_erase,
    .serial_write   = port_serial_write,
    .console_input  = port_console_input,
    .now_ms         = port_now_ms,
    .site_check     = port_site_check,
    .trigger_arm    = port_trigger_arm,
    .trigger_disarm = port_trigger_disarm,
    .stack_room     = port_stack_room,
    .level          = port_level,
    .quiet          = port_quiet,
};

// ------------------------------------------------ what the image calls ------------------------------------------------

static void start_runtime(void)
{
    static __attribute__((aligned(8))) uint8_t arena[HP_BOARD_ARENA_BYTES];
    static __attribute__((aligned(8))) uint8_t variables[HP_BOARD_VARIABLE_BYTES];
    static hp_board_t board = {
        .name              = HP_BOARD_NAME,
        .vendor_id         = HP_BOARD_VENDOR_ID,
        .class_id          = HP_BOARD_CLASS_ID,
        .page_bytes        = HP_BOARD_PAGE_BYTES,
        .journal_address   = HP_BOARD_JOURNAL_ADDRESS,
        .journal_bytes     = HP_BOARD_JOURNAL_BYTES,
        .stage_address     = HP_BOARD_STAGE_ADDRESS,
        .stage_bytes       = HP_BOARD_STAGE_BYTES,
        .slots_address     = HP_BOARD_SLOTS_ADDRESS,
        .slot_bytes        = HP_BOARD_SLOT_BYTES,
        .slot_count        = HP_BOARD_SLOT_COUNT,
        .key_page_address  = HP_BOARD_KEY_PAGE_ADDRESS,
        .program_count_max = HP_BOARD_PROGRAM_COUNT_MAX,
        .readable          = readable,
        .readable_count    = HP_BOARD_READABLE_COUNT,
    };
    static hp_config_t config = {.port            = &port,
                                 .board           = &board,
                                 .arena           = arena,
                                 .arena_bytes     = sizeof arena,
                                 .variables       = variables,
                                 .variables_bytes = sizeof variables};
    board.trigger_count       = hp_sites_count;
    board.text            = (hp_range_t){(uint32_t)hp_text_start, (uint32_t)(hp_text_end - hp_text_start)};
    board.runtime_text    = (hp_range_t){(uint32_t)hp_runtime_text_start,
                                         (uint32_t)(hp_runtime_text_end - hp_runtime_text_start)};
    config.build_id       = hp_build_id_start + BUILD_ID_NOTE_HEAD_BYTES;
    config.build_id_bytes = (uint32_t)(hp_build_id_end - config.build_id);
    // Without a usable journal the board still runs and answers, which is how anybody learns of it.
    (void)!hp_init(&hp_runtime, &config);
}

void hp_system_start(const hp_image_t *of_image)
{
    image = of_image;
    hp_chip_start();
    // DebugMonitor (the low byte) delays nobody, so it gets the most urgent priority; SysTick is the high byte.
    SCB_PRIORITY_12_TO_15 = (SCB_PRIORITY_12_TO_15 & 0x00FFFF00U) | (TICK_PRIORITY << 24);
    hp_interrupt_priority(HP_BOARD_SERIAL_IRQ, SERIAL_PRIORITY);
#if defined(HP_BOARD_TRANSMIT_IRQ)
    hp_interrupt_priority(HP_BOARD_TRANSMIT_IRQ, SERIAL_PRIORITY);
#endif
    hp_interrupt_priority(HP_BOARD_MANAGEMENT_IRQ, MANAGEMENT_PRIORITY);
    SYSTICK_RELOAD  = HP_BOARD_CLOCK_HZ / TICKS_PER_SECOND - 1U;
    SYSTICK_CURRENT = 0U;
    hp_sites_start();
    start_runtime();
    SYSTICK_CONTROL = SYSTICK_RUN;
    hp_chip_serial_start();
    hp_interrupt_enable(HP_BOARD_SERIAL_IRQ);
    hp_interrupt_enable(HP_BOARD_MANAGEMENT_IRQ);
}

IMAGE_API uint32_t hp_system_now_ms(void)
{
    return now;
}

IMAGE_API void hp_console_write(const uint8_t *data, size_t size)
{
    for (size_t i = 0U; i < size; i++) {
        while (!hp_ring_put(&console_out, data[i])) {
            hp_interrupt_pend(HP_BOARD_MANAGEMENT_IRQ);
            hp_wait_for_interrupt();
        }
    }
    hp_interrupt_pend(HP_BOARD_MANAGEMENT_IRQ);
}

IMAGE_API int hp_console_read(void)
{
    return hp_ring_take(&console_in);
}

IMAGE_API bool hp_console_readable(void)
{
    return hp_ring_used(&console_in) != 0U;
}

IMAGE_API hp_runtime_t *hp_management_enter(void)
{
    hp_interrupt_disable(HP_BOARD_MANAGEMENT_IRQ);
    return &hp_runtime;
}

IMAGE_API void hp_management_leave(void)
{
    hp_interrupt_enable(HP_BOARD_MANAGEMENT_IRQ);
}
