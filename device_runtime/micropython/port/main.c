/// Stop 12 of 12. MicroPython's main, and its hardware layer on top of the runtime's console.
///
/// Comes in: console bytes. Goes out: console text. The runtime receives and admits patches in an interrupt of its own, so
/// nothing here needs to call it. Next: ../modhotpatch.c
#include "py/compile.h"
#include "py/gc.h"
#include "py/mphal.h"
#include "py/runtime.h"
#include "py/stackctrl.h"
#include "py/stream.h"
#include "shared/runtime/gchelper.h"
#include "shared/runtime/pyexec.h"

#include "layout.h"
#include "registers.h"
#include "system.h"

/// Half of the main RAM, but no more than a collection gets through in a few milliseconds.
#define HEAP_BYTES ((HP_BOARD_RAM_BYTES < 0x40000U ? HP_BOARD_RAM_BYTES : 0x40000U) / 2U)
/// What MicroPython leaves of the main stack to interrupts: the runtime checks signatures on it.
#define INTERRUPTS_STACK_BYTES (8U * 1024U)

static _Alignas(8) char heap[HEAP_BYTES];

static bool interrupt_key(uint8_t byte)
{
    if (mp_interrupt_char != byte) {
        return false;
    }
    mp_sched_keyboard_interrupt();
    return true;
}

static const hp_image_t image = {.interrupt_key = interrupt_key, .one_thread = true};

void mp_port_event_poll(void)
{
    mp_handle_pending(true);
    hp_wait_for_interrupt();
}

mp_uint_t mp_hal_ticks_ms(void)
{
    return hp_system_now_ms();
}

void mp_hal_delay_ms(mp_uint_t ms)
{
    uint32_t start = hp_system_now_ms();
    while (hp_system_now_ms() - start < ms) {
        mp_port_event_poll();
    }
}

int mp_hal_stdin_rx_chr(void)
{
    int byte;
    while ((byte = hp_console_read()) < 0) {
        mp_port_event_poll();
    }
    return byte;
}

uintptr_t mp_hal_stdio_poll(uintptr_t flags)
{
    uintptr_t ready = flags & MP_STREAM_POLL_WR;
    if ((flags & MP_STREAM_POLL_RD) != 0U && hp_console_readable()) {
        ready |= MP_STREAM_POLL_RD;
    }
    return ready;
}

mp_uint_t mp_hal_stdout_tx_strn(const char *text, size_t size)
{
    hp_console_write((const uint8_t *)text, size);
    return size;
}

void gc_collect(void)
{
    gc_collect_start();
    gc_helper_collect_regs_and_stack();
    gc_collect_end();
}

void nlr_jump_fail(void *value)
{
    (void)value;
    firmware_fault();
}

/// Where a fault of the firmware's own ends: nothing is printed, the board stands still, management included.
void firmware_fault(void)
{
    for (;;) {
    }
}

static void run_repl(void)
{
    for (;;) {
        int ended = pyexec_mode_kind == PYEXEC_MODE_RAW_REPL ? pyexec_raw_repl() : pyexec_friendly_repl();
        if (ended != 0) {
            return;
        }
    }
}

int main(void)
{
    hp_system_start(&image);
    mp_stack_set_top(hp_stack_top);
    mp_stack_set_limit((mp_uint_t)(hp_stack_top - hp_stack_bottom) - INTERRUPTS_STACK_BYTES);
    for (;;) {
        gc_init(heap, heap + sizeof heap);
        mp_init();
        run_repl();
        mp_hal_stdout_tx_strn("MPY: soft reboot\r\n", 18);
        gc_sweep_all();
        mp_deinit();
    }
}
