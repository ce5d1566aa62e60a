/// Stop 9 of 12. Admission, in the order that lets nothing unsigned be looked at: signature, target, sequence, digest, payload,
/// sites. In: a staged container. Out: a changed store and changed triggers, or a status. Next: core/payload.c
#include "core/admit.h"

#include "core/atomic.h"
#include "core/payload.h"
#include "core/sha256.h"
#include "core/store.h"
#include "core/trigger.h"
#include "core/variables.h"

/// What admission found out on its way.
typedef struct request_t {
    hp_envelope_t envelope;
    hp_manifest_t manifest;
    uint8_t digest[HP_SHA256_BYTES]; ///< of the wrapped manifest
    uint32_t patch_index;            ///< HP_PATCHES_MAX: the journal does not know the patch
    bool done;                       ///< what it asks for is the case already
} request_t;

static hp_status_t check_signature(const hp_runtime_t *self, hp_span_t container, request_t *out)
{
    const hp_keys_t keys     = hp_store_keys(self);
    const hp_status_t status = hp_suit_open(container, &out->envelope);

    if (status != HP_STATUS_OK) {
        return status;
    }
    return keys.count == 0U ? HP_STATUS_NO_KEYS
                            : hp_suit_verify(&out->envelope, keys.public_keys, keys.count);
}

static hp_status_t check_target(const hp_runtime_t *self, const hp_manifest_t *manifest)
{
    if (!hp_span_equal(manifest->vendor_id, self->board->vendor_id, sizeof self->board->vendor_id)) {
        return HP_STATUS_WRONG_VENDOR;
    }
    if (!hp_span_equal(manifest->class_id, self->board->class_id, sizeof self->board->class_id)) {
        return HP_STATUS_WRONG_BOARD;
    }
    if (!hp_span_equal(manifest->build_id, self->build_id, self->build_id_bytes)) {
        return HP_STATUS_WRONG_BUILD;
    }
    return HP_STATUS_OK;
}

/// Per patch: a lower number is refused, the same number only with the same manifest.
static hp_status_t check_sequence(const hp_runtime_t *self, request_t *request)
{
    request->patch_index = HP_PATCHES_MAX;
    hp_sha256(request->envelope.wrapped_manifest.data, request->envelope.wrapped_manifest.size,
              request->digest);
    if (!hp_store_find(self, request->manifest.id, &request->patch_index)) {
        request->patch_index = HP_PATCHES_MAX;
        return request->manifest.undo ? HP_STATUS_NOT_FOUND : HP_STATUS_OK;
    }
    const hp_record_t record = hp_store_record(self, request->patch_index);
    if (request->manifest.sequence < record.sequence) {
        return HP_STATUS_OLD_SEQUENCE;
    }
    if (request->manifest.sequence == record.sequence) {
        if (memcmp(request->digest, record.digest, sizeof request->digest) != 0) {
            return HP_STATUS_SEQUENCE_CONFLICT;
        }
        request->done = record.state != HP_PATCH_STATE_REJECTED;
    }
    return HP_STATUS_OK;
}

static hp_status_t check_payload_digest(const request_t *request)
{
    uint8_t digest[HP_SHA256_BYTES];

    if (request->envelope.payload.size != request->manifest.payload_bytes) {
        return HP_STATUS_BAD_DIGEST;
    }
    hp_sha256(request->envelope.payload.data, request->envelope.payload.size, digest);
    return hp_span_equal(request->manifest.payload_digest, digest, sizeof digest) ? HP_STATUS_OK
                                                                                  : HP_STATUS_BAD_DIGEST;
}

static hp_record_t new_record(const request_t *request, hp_patch_state_t state)
{
    hp_record_t record = {
        .state    = state,
        .slot     = HP_SLOT_NONE,
        .sequence = request->manifest.sequence,
        .id_bytes = (uint32_t)request->manifest.id.size,
    };

    memcpy(record.id, request->manifest.id.data, request->manifest.id.size);
    memcpy(record.digest, request->digest, sizeof record.digest);
    return record;
}

/// Takes a patch out of force in the journal, as `state`.
static hp_status_t reject(hp_runtime_t *self, uint32_t index)
{
    hp_record_t record = hp_store_record(self, index);

    record.state         = HP_PATCH_STATE_REJECTED;
    record.slot          = HP_SLOT_NONE;
    record.payload_bytes = 0;
    return hp_store_append(self, &record, &index);
}

/// Puts the version before the trial of patch `index` back in force, or none; `why` the trial could not be armed. Its
/// variables are what they were.
static hp_status_t go_back(hp_runtime_t *self, uint32_t index, hp_status_t why)
{
    hp_status_t status = hp_store_take_back(self, index);

    if (status == HP_STATUS_OK) {
        const hp_record_t record = hp_store_record(self, index);
        if (record.state == HP_PATCH_STATE_UPDATED) {
            status = hp_trigger_arm(self, index, record.slot);
        }
    }
    return status == HP_STATUS_OK ? why : status;
}

/// Flash first, triggers last: a cut before the record leaves the old state, one behind it the new.
static hp_status_t install(hp_runtime_t *self, const request_t *request)
{
    hp_record_t record = new_record(request, HP_PATCH_STATE_TRIAL);
    uint32_t index     = 0;
    hp_status_t status = hp_store_place(self, request->envelope.payload, &record);

    status = status == HP_STATUS_OK ? hp_store_append(self, &record, &index) : status;
    if (status != HP_STATUS_OK) {
        return status;
    }
    hp_variables_start(self, record.slot, request->envelope.payload.data);
    status = hp_trigger_arm(self, index, record.slot);
    if (status != HP_STATUS_OK) {
        return go_back(self, index, status);
    }
    hp_count(self, HP_COUNTER_INSTALLS);
    return HP_STATUS_OK;
}

static hp_status_t undo(hp_runtime_t *self, const request_t *request)
{
    const hp_record_t record = new_record(request, HP_PATCH_STATE_UNDONE);
    uint32_t index           = 0;
    const hp_status_t status = hp_store_append(self, &record, &index);

    if (status == HP_STATUS_OK) {
        hp_trigger_disarm(self, index);
        hp_count(self, HP_COUNTER_UNDOS);
    }
    return status;
}

hp_status_t hp_admit(hp_runtime_t *self, hp_span_t container)
{
    request_t request  = {.done = false};
    hp_status_t status = check_signature(self, container, &request);

    status = status == HP_STATUS_OK ? hp_suit_read(&request.envelope, &request.manifest) : status;
    status = status == HP_STATUS_OK ? check_target(self, &request.manifest) : status;
    status = status == HP_STATUS_OK ? check_sequence(self, &request) : status;
    if (status == HP_STATUS_OK && !request.manifest.undo) {
        status = check_payload_digest(&request);
    }
    if (status != HP_STATUS_OK || request.done) {
        return status;
    }
    if (request.manifest.undo) {
        return undo(self, &request);
    }
    if (request.envelope.payload.size > self->board->slot_bytes) {
        return HP_STATUS_TOO_LARGE;
    }
    status = hp_payload_check(self, request.envelope.payload);
    status = status == HP_STATUS_OK
                 ? hp_payload_check_sites(self, request.envelope.payload, request.patch_index)
                 : status;
    return status == HP_STATUS_OK ? install(self, &request) : status;
}

hp_status_t hp_admit_confirm(hp_runtime_t *self, hp_span_t id)
{
    uint32_t index = 0;

    if (!hp_store_find(self, id, &index)) {
        return HP_STATUS_NOT_FOUND;
    }
    hp_record_t record = hp_store_record(self, index);
    if (record.state == HP_PATCH_STATE_UPDATED) {
        return HP_STATUS_OK;
    }
    // A trial that could not be taken back at the start stands in the journal, but nobody has seen it work.
    if (record.state != HP_PATCH_STATE_TRIAL || !self->journal.patches[index].armed) {
        return HP_STATUS_NOT_FOUND;
    }
    record.state = HP_PATCH_STATE_UPDATED;
    return hp_store_append(self, &record, &index);
}

static void strike_out(hp_runtime_t *self, uint32_t index)
{
    const bool trial = hp_store_record(self, index).state == HP_PATCH_STATE_TRIAL;

    // Disarmed first: should the flash not take the record, the patch is back at the next start, and struck again.
    hp_trigger_disarm(self, index);
    self->journal.patches[index].strikes = 0;
    if ((trial ? go_back(self, index, HP_STATUS_OK) : reject(self, index)) == HP_STATUS_OK) {
        hp_count(self, HP_COUNTER_STRUCK_OUT);
    }
}

void hp_admit_strike_out(hp_runtime_t *self)
{
    for (uint32_t index = 0; index < self->journal.patch_count; index++) {
        const hp_patch_t *patch = &self->journal.patches[index];
        if (patch->armed && hp_observe(&patch->strikes) >= HP_STRIKES_MAX) {
            strike_out(self, index);
        }
    }
}

/// Whether the payload still suits the firmware around it: after an update of the firmware its bytes have moved.
static bool still_fits(hp_runtime_t *self, uint32_t index, hp_span_t payload)
{
    return payload.data != NULL && hp_store_payload_good(self, index) &&
           hp_payload_check(self, payload) == HP_STATUS_OK &&
           hp_payload_check_sites(self, payload, index) == HP_STATUS_OK;
}

/// Arms a patch that was in force before the reset. False if it cannot be.
static bool rearm(hp_runtime_t *self, uint32_t index, const hp_record_t *record)
{
    const uint32_t address  = hp_store_slot_address(self, record->slot);
    const hp_span_t payload = {self->port->memory(self->port->context, address, record->payload_bytes),
                               record->payload_bytes};

    if (!still_fits(self, index, payload)) {
        return false;
    }
    hp_variables_start(self, record->slot, payload.data);
    return hp_trigger_arm(self, index, record->slot) == HP_STATUS_OK;
}

void hp_admit_rearm(hp_runtime_t *self)
{
    for (uint32_t index = 0; index < self->journal.patch_count; index++) {
        const hp_record_t record = hp_store_record(self, index);
        if (record.state != HP_PATCH_STATE_UPDATED) {
            continue;
        }
        if (rearm(self, index, &record)) {
            continue;
        }
        // If even that cannot be written, the patch is looked at again after the next reset, and stays disarmed till then.
        if (reject(self, index) != HP_STATUS_OK) {
            hp_count(self, HP_COUNTER_STORE_RECOVERIES);
        }
    }
}
