/// Stop 10 of 12. What is kept over a reset: two journals, one in force, and slots of whole pages. In: admitted payloads and
/// changes of state. Out: records, and after any power cut the old state or the new. Next: core/trigger.h
///
/// A record is in force once its last unit is in flash; the last whole record of an id counts. A trial remembers the
/// record it replaced: that one comes back if the trial is not confirmed before a reset.
#ifndef HP_CORE_STORE_H
#define HP_CORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/bytes.h"
#include "hotpatch/hotpatch.h"

/// A journal record as a value.
typedef struct hp_record_t {
    hp_patch_state_t state;
    uint32_t slot; ///< HP_SLOT_NONE: no payload
    uint32_t sequence;
    uint32_t payload_bytes;
    uint32_t id_bytes;
    char id[HP_PATCH_ID_BYTES_MAX + 1U];
    uint8_t digest[32];
} hp_record_t;

/// What the key page holds.
typedef struct hp_keys_t {
    uint32_t count; ///< 0: the page is blank or damaged
    const uint8_t *public_keys;
    const uint8_t *mac_key;
} hp_keys_t;

hp_keys_t hp_store_keys(const hp_runtime_t *self);

/// Finds the journal in force, or makes a first one, and reads it; takes back trials. HP_STATUS_FLASH_FAILED,
/// HP_STATUS_UNSUPPORTED if the board's journals are too small.
HP_MUST_CHECK hp_status_t hp_store_start(hp_runtime_t *self);

/// The record in force of patch `index` (< patch_count).
hp_record_t hp_store_record(const hp_runtime_t *self, uint32_t index);

/// The number of the patch called `id`; false if the journal does not know it.
bool hp_store_find(const hp_runtime_t *self, hp_span_t id, uint32_t *index);

/// Writes `record` behind the last one, and makes it the one in force. *index: the patch's number.
/// HP_STATUS_TOO_MANY_PATCHES, HP_STATUS_FLASH_FAILED: nothing changed. An id is never forgotten, undone ones included: with
/// its sequence number gone, an old container of it could be replayed.
HP_MUST_CHECK hp_status_t hp_store_append(hp_runtime_t *self, const hp_record_t *record, uint32_t *index);

/// Copies `payload` into a free slot and reads it back; record->slot and record->payload_bytes then say where it is. No
/// record is written. HP_STATUS_STORE_FULL, HP_STATUS_TOO_LARGE, HP_STATUS_FLASH_FAILED.
HP_MUST_CHECK hp_status_t hp_store_place(hp_runtime_t *self, hp_span_t payload, hp_record_t *record);

/// Ends the trial of patch `index`: the version before it comes back in the journal, or the patch is rejected.
/// HP_STATUS_FLASH_FAILED.
HP_MUST_CHECK hp_status_t hp_store_take_back(hp_runtime_t *self, uint32_t index);

/// Whether the payload of patch `index` is what the board itself admitted: checks the record's MAC.
bool hp_store_payload_good(const hp_runtime_t *self, uint32_t index);

/// Where slot `slot` is.
uint32_t hp_store_slot_address(const hp_runtime_t *self, uint32_t slot);

/// How many slots a new patch could take.
uint32_t hp_store_slots_free(const hp_runtime_t *self);

/// Makes the stage's page at `address` ready for writing: erases it unless it is blank. HP_STATUS_FLASH_FAILED.
HP_MUST_CHECK hp_status_t hp_store_prepare_page(hp_runtime_t *self, uint32_t address);

/// Erases every page that will be needed and is dirty, so that later requests find blank ones. Called where the line is
/// silent because the host waits for an answer: an erase stops the processor, and bytes that arrive then are lost.
void hp_store_tidy(hp_runtime_t *self);

#endif
