/// What struct hp_runtime_t holds, so that a port can reserve its memory. Only the core looks inside.
#ifndef HOTPATCH_RUNTIME_H
#define HOTPATCH_RUNTIME_H

#include <stdbool.h>
#include <stdint.h>

#include "hotpatch/config.h"
#include "hotpatch/contract.h"
#include "hotpatch/vm_state.h"

#define HP_FRAME_BYTES_MAX 1279U ///< of a slipmux frame, unescaped: kind, message and checksum
#define HP_REPLY_BYTES_MAX 320U  ///< a CoAP answer with one block of 256 bytes

/// Where the demultiplexer of the serial line is (core/slipmux.c).
typedef struct hp_line_t {
    uint8_t state;
    bool broken; ///< the frame under way is bad and will be dropped at its end
    bool session;
    uint32_t byte_ms;    ///< when the last byte of a frame came
    uint32_t session_ms; ///< when the last valid frame came
    uint32_t used;
    uint8_t frame[HP_FRAME_BYTES_MAX];
} hp_line_t;

/// The one transfer, and the last answer in case its request comes again (core/server.c).
typedef struct hp_exchange_t {
    bool receiving;
    uint32_t received_bytes; ///< in the stage
    bool answered;
    uint32_t answered_ms;     ///< when
    uint32_t request_size;    ///< bytes of the request that was answered
    uint32_t request_crc;     ///< CRC-32 of them: message id, token, method, path and payload
    uint16_t next_message_id; ///< of messages that the board starts itself
    uint32_t reply_bytes;
    uint8_t reply[HP_REPLY_BYTES_MAX];
    uint8_t reset[4]; ///< a CoAP reset, which leaves `reply` as it is
} hp_exchange_t;

/// One patch id the journal knows (core/store.c).
typedef struct hp_patch_t {
    uint32_t record_address;   ///< of the record in force
    uint32_t fallback_address; ///< of the record that comes back if the trial is not confirmed; 0: none
    uint32_t hits;
    uint32_t safe_verdicts;
    uint32_t last_fault; ///< hp_fault_t
    uint32_t strikes;    ///< runs that ended by a processor fault, since reset
    bool armed;
} hp_patch_t;

typedef struct hp_journal_t {
    uint32_t start_address; ///< of the journal in force; 0: there is none
    uint32_t generation;
    uint32_t end_address;             ///< where the next record goes
    uint32_t touched_slots;           ///< bit n: slot n held an armed patch since reset
    uint8_t lent_slots[HP_SLOTS_MAX]; ///< 1: the firmware may keep a pointer into the slot's data until reset
    bool tidy;                        ///< no page is known to wait for its erase
    uint32_t patch_count;
    hp_patch_t patches[HP_PATCHES_MAX];
} hp_journal_t;

/// What a hit must know: where the signed payload lies and which of its sites was reached.
typedef struct hp_arming_t {
    const uint8_t *payload;
    uint32_t payload_address;
    uint32_t site_offset;
    uint32_t patch_index;
    uint32_t slot;
} hp_arming_t;

/// One trigger. `published` names the version in force (low two bits: 0 none, 1, 2) and rises with each change, so that a
/// hit that read a version while it was rewritten can tell.
typedef struct hp_trigger_entry_t {
    uint32_t published;
    uint32_t address; ///< management context only; 0: free
    uint32_t served;  ///< the address it had last, 0: none since reset; a hit there may still be on its way
    hp_arming_t versions[2];
} hp_trigger_entry_t;

struct hp_frame_t;

/// One run under way. `claimed` is taken first and given back last; `frame` is published when all else is set.
typedef struct hp_invocation_t {
    uint32_t claimed;
    uint32_t level; ///< port->level of the hit
    struct hp_frame_t *frame;
    hp_arming_t arming;
    hp_vm_t vm;
    uint32_t context[HP_CONTEXT_REGISTERS];
} hp_invocation_t;

struct hp_runtime_t {
    const struct hp_port_t *port;
    const struct hp_board_t *board;
    const uint8_t *build_id;
    uint32_t build_id_bytes;
    uint8_t *arena;
    uint32_t stack_share; ///< bytes of the arena that each invocation owns
    uint8_t *variables;
    uint32_t variables_share; ///< bytes of them that each slot owns
    uint32_t detail;          ///< where the last refusal happened
    uint32_t readable_count;
    hp_journal_t journal; ///< early: what lies in the first 128 bytes is reached by short instructions
    hp_region_t readable[HP_READABLE_MAX];
    uint32_t counters[HP_COUNTER_COUNT];
    hp_trigger_entry_t triggers[HP_TRIGGERS_MAX];
    hp_invocation_t invocations[HP_INVOCATIONS_MAX];
    hp_exchange_t exchange;
    hp_line_t line;
};

#endif
