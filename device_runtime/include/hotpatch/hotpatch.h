/// Patches a running Cortex-M firmware with small verified programs.
///
/// Order of use:  fill hp_config_t, hp_init, then for ever: hp_feed with what the serial line brought and hp_poll, both in
///                one context (the port's lowest-priority interrupt). The port's veneer calls hp_fire.
/// Memory:        all of it is the caller's; the library has no globals and never allocates.
/// Contexts:      hp_fire, hp_abort and hp_fault_frame run wherever the firmware is, interrupts and fault handlers
///                included, and may interrupt everything else here. All other functions belong to the management context.
/// Not included:  a scheduler, printing, drivers: see port.h for what the chip supplies.
#ifndef HOTPATCH_H
#define HOTPATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hotpatch/config.h"
#include "hotpatch/contract.h"
#include "hotpatch/port.h"

// ------------------------------------------------ what the board is ------------------------------------------------

/// `bytes` of device memory from `address` on.
typedef struct hp_range_t {
    uint32_t address;
    uint32_t bytes;
} hp_range_t;

/// Facts of one board, made from boards/*.toml; constant for the runtime's life.
typedef struct hp_board_t {
    const char *name;
    uint8_t vendor_id[16];
    uint8_t class_id[16];
    uint32_t page_bytes;      ///< flash erase unit
    uint32_t journal_address; ///< two journals of journal_bytes
    uint32_t journal_bytes;   ///< whole pages; room for HP_JOURNAL_BYTES_MIN(slot_count)
    uint32_t stage_address;   ///< where an envelope rests while it arrives
    uint32_t stage_bytes;
    uint32_t slots_address; ///< slot_count slots of slot_bytes, whole pages
    uint32_t slot_bytes;
    uint32_t slot_count; ///< <= HP_SLOTS_MAX
    uint32_t key_page_address;
    uint32_t trigger_count;     ///< comparators; <= HP_TRIGGERS_MAX
    uint32_t program_count_max; ///< instructions of one program
    const hp_range_t *readable; ///< what a program may read: RAM and code flash, less store and key page
    uint32_t readable_count;    ///< <= HP_READABLE_MAX
    hp_range_t text;            ///< the firmware's code: where redirects may lead and sites may lie
    hp_range_t runtime_text;    ///< the runtime's own code inside it: no site may lie here
} hp_board_t;

/// What a journal must hold at once: the record of every patch, the older one of every trial, which has two slots, and one
/// more to be written.
#define HP_JOURNAL_BYTES_MIN(slot_count)                                                                     \
    (HP_JOURNAL_HEADER_BYTES + (HP_PATCHES_MAX + (slot_count) / 2U + 1U) * HP_JOURNAL_RECORD_BYTES)

typedef struct hp_config_t {
    const hp_port_t *port;
    const hp_board_t *board;
    const uint8_t *build_id; ///< of the firmware this runtime is linked into
    uint32_t build_id_bytes; ///< <= 32
    uint8_t *arena;          ///< eBPF stacks; 8-aligned
    uint32_t arena_bytes;
    uint8_t *variables; ///< of patches, an equal share for each slot; 8-aligned. NULL if there are no bytes
    uint32_t variables_bytes;
} hp_config_t;

// ------------------------------------------------ a hit ------------------------------------------------

/// What the veneer saved, in this order in memory; the veneer restores it, so edits are the verdict.
typedef struct hp_frame_t {
    uint32_t apsr;
    uint32_t r4_r11[8];
    uint32_t lr;
    uint32_t r0_r3[4];
    uint32_t r12;
    uint32_t pc; ///< where the firmware goes on, Thumb bit set; the displaced copy unless edited
} hp_frame_t;

_Static_assert(sizeof(hp_frame_t) == 64U, "the veneer's assembler knows this layout");

typedef struct hp_runtime_t hp_runtime_t;

/// Runs the program of the site behind trigger `index` and writes its verdict into `frame`. Returns true if r4-r11 of the
/// frame were changed. Whatever goes wrong ends in the site's safe verdict and a count. Cost: the program's fuel at most.
/// Touches flash: never. Re-entrant.
bool hp_fire(hp_runtime_t *self, uint32_t index, hp_frame_t *frame);

/// The frame of the run that owns the processor fault taken at stack pointer `stack_pointer` and execution level `level`
/// (port->level): of the runs at this level the frame nearest above, HP_RUN_STACK_BYTES away at the most; NULL if there is
/// none. A handler that interrupted a run and faults is not the run, and nor is another thread, whose stack lies farther off:
/// a run owns that much below its frame. Called by the port's fault handler.
hp_frame_t *hp_fault_frame(hp_runtime_t *self, uint32_t stack_pointer, uint32_t level);

/// Ends the run of `frame` after a processor fault inside it: frees its record, writes the safe verdict into the frame.
void hp_abort(hp_runtime_t *self, hp_frame_t *frame);

// ------------------------------------------------ life ------------------------------------------------

/// Starts the runtime: reads the key page, recovers the journal, re-checks every kept patch and arms it. Cost: a pass over
/// the journal and one MAC per patch. HP_STATUS_OK even with no keys and no patches; HP_STATUS_FLASH_FAILED if the
/// journal can be neither read nor made anew, HP_STATUS_UNSUPPORTED if the board's facts leave no room for it: the firmware
/// then runs unpatched and the runtime answers requests.
HP_MUST_CHECK hp_status_t hp_init(hp_runtime_t *self, const hp_config_t *config);

/// Takes `size` bytes from the serial line: frames are served, all else goes to port->console_input.
void hp_feed(hp_runtime_t *self, const uint8_t *data, size_t size);

/// Lets time pass: ends broken-off frames and idle sessions, and takes out patches whose programs made the processor fault
/// three times. Call it at least every 50 ms while hp_session_open, and after every hp_abort.
void hp_poll(hp_runtime_t *self);

/// Sends `size` bytes of console text to the serial line: as they are, or as diagnostics frames while a management session
/// is open.
void hp_console(hp_runtime_t *self, const uint8_t *data, size_t size);

/// True while a management session is open.
bool hp_session_open(const hp_runtime_t *self);

// ------------------------------------------------ policy ------------------------------------------------

/// What the policy layer may know of slot `slot`'s patch; id is NUL-terminated, empty for a free slot.
typedef struct hp_patch_info_t {
    char id[HP_PATCH_ID_BYTES_MAX + 1U];
    uint32_t sequence;
    uint32_t state; ///< hp_patch_state_t
    uint32_t hits;
    uint32_t safe_verdicts;
    uint32_t last_fault; ///< hp_fault_t
    bool armed;
} hp_patch_info_t;

/// Describes patch number `index` of those the store knows. HP_STATUS_NOT_FOUND behind the last.
HP_MUST_CHECK hp_status_t hp_patch_info(const hp_runtime_t *self, uint32_t index, hp_patch_info_t *out);

/// Keeps a patch that is on trial: it will be armed after a reset. HP_STATUS_NOT_FOUND, HP_STATUS_FLASH_FAILED.
HP_MUST_CHECK hp_status_t hp_confirm(hp_runtime_t *self, const char *id);

/// The value of counter `counter`; counters only rise between resets.
uint32_t hp_counter(const hp_runtime_t *self, hp_counter_t counter);

/// Counts an event that only the port can see (escalated hits, foreign breakpoints, console bytes). Any context.
void hp_count(hp_runtime_t *self, hp_counter_t counter);

#include "hotpatch/runtime.h"

#endif
