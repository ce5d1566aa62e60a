/// Stop 10 of 12. The journal and the slots in flash. In: records and payloads. Out: what is true after a reset.
/// Next: core/trigger.c
#include "core/store.h"

#include "core/atomic.h"
#include "core/crypto.h"
#include "core/sha256.h"

#define PROGRAM_CHUNK 64U ///< bytes copied from the stage into a slot at once; a multiple of the program unit
#define JOURNALS      2U

_Static_assert(HP_JOURNAL_RECORD_BYTES % HP_PROGRAM_UNIT == 0U, "records are whole units");
_Static_assert(HP_JOURNAL_RECORD_COMMIT + 8U > HP_JOURNAL_RECORD_BYTES,
               "the commit word is in the last unit");
_Static_assert(HP_JOURNAL_RECORD_CRC == HP_JOURNAL_RECORD_COMMIT - 4U, "the check covers all before it");

static const uint8_t *flash_at(const hp_runtime_t *self, uint32_t address, uint32_t size)
{
    return self->port->memory(self->port->context, address, size);
}

static hp_status_t program(hp_runtime_t *self, uint32_t address, const void *data, uint32_t size)
{
    self->journal.tidy = false;
    return self->port->flash_program(self->port->context, address, data, size);
}

static bool is_blank(const uint8_t *data, uint32_t size)
{
    for (uint32_t index = 0; data != NULL && index < size; index++) {
        if (data[index] != 0xffU) {
            return false;
        }
    }
    return data != NULL;
}

hp_status_t hp_store_prepare_page(hp_runtime_t *self, uint32_t address)
{
    self->journal.tidy = false;
    if (is_blank(flash_at(self, address, self->board->page_bytes), self->board->page_bytes)) {
        return HP_STATUS_OK;
    }
    return self->port->flash_erase(self->port->context, address);
}

/// Whether the CRC at `crc_at` and the commit word behind it fit the bytes before them.
static bool is_committed(const uint8_t *bytes, uint32_t magic, uint32_t crc_at)
{
    const uint32_t crc = hp_crc32(bytes, crc_at);

    return hp_load_u32(bytes) == magic && hp_load_u32(bytes + crc_at) == crc &&
           hp_load_u32(bytes + crc_at + 4U) == (crc ^ HP_COMMIT_MASK);
}

static void commit(uint8_t *bytes, uint32_t crc_at)
{
    const uint32_t crc = hp_crc32(bytes, crc_at);

    hp_store_u32(bytes + crc_at, crc);
    hp_store_u32(bytes + crc_at + 4U, crc ^ HP_COMMIT_MASK);
}

/// Programs a committed record or header, its last unit by itself. What flash holds counts, not what the driver says: a
/// record that is there will be in force after a reset, so nobody may be told that it failed.
static hp_status_t program_committed(hp_runtime_t *self, uint32_t address, const uint8_t *bytes,
                                     uint32_t size)
{
    const uint32_t body  = size - HP_PROGRAM_UNIT;
    const uint8_t *there = flash_at(self, address, size);
    hp_status_t status   = program(self, address, bytes, body);

    status = status == HP_STATUS_OK ? program(self, address + body, bytes + body, HP_PROGRAM_UNIT) : status;
    return there != NULL && memcmp(there, bytes, size) == 0 ? HP_STATUS_OK : status;
}

hp_keys_t hp_store_keys(const hp_runtime_t *self)
{
    const uint8_t *page = flash_at(self, self->board->key_page_address, self->board->page_bytes);

    if (page == NULL || hp_load_u32(page + HP_KEY_PAGE_MAGIC) != HP_KEY_MAGIC) {
        return (hp_keys_t){0};
    }
    const uint32_t count = hp_load_u16(page + HP_KEY_PAGE_KEY_COUNT);
    if (count == 0U || count > HP_KEYS_MAX || hp_load_u16(page + HP_KEY_PAGE_LEVEL) != HP_LEVEL) {
        return (hp_keys_t){0};
    }
    const uint32_t size = HP_KEY_PAGE_BYTES + count * HP_PUBLIC_KEY_BYTES;
    if (hp_load_u32(page + size) != hp_crc32(page, size)) {
        return (hp_keys_t){0};
    }
    return (hp_keys_t){count, page + HP_KEY_PAGE_BYTES, page + HP_KEY_PAGE_MAC_KEY};
}

// ------------------------------------------------ records ------------------------------------------------

static hp_record_t decode(const uint8_t *bytes)
{
    hp_record_t record = {
        .state         = (hp_patch_state_t)bytes[HP_JOURNAL_RECORD_STATE],
        .slot          = bytes[HP_JOURNAL_RECORD_SLOT],
        .sequence      = hp_load_u32(bytes + HP_JOURNAL_RECORD_SEQUENCE),
        .payload_bytes = hp_load_u32(bytes + HP_JOURNAL_RECORD_PAYLOAD_BYTES),
        .id_bytes      = bytes[HP_JOURNAL_RECORD_ID_BYTES],
    };

    memcpy(record.id, bytes + HP_JOURNAL_RECORD_ID, HP_PATCH_ID_BYTES_MAX);
    memcpy(record.digest, bytes + HP_JOURNAL_RECORD_DIGEST, sizeof record.digest);
    return record;
}

/// Whether a committed record makes sense on this board.
static bool is_plausible(const hp_runtime_t *self, const uint8_t *bytes)
{
    const hp_record_t record = decode(bytes);
    const bool live          = record.state == HP_PATCH_STATE_TRIAL || record.state == HP_PATCH_STATE_UPDATED;
    const bool ended = record.state == HP_PATCH_STATE_REJECTED || record.state == HP_PATCH_STATE_UNDONE;

    if (record.id_bytes == 0U || record.id_bytes > HP_PATCH_ID_BYTES_MAX || !(live || ended)) {
        return false;
    }
    return live ? record.slot < self->board->slot_count && record.payload_bytes <= self->board->slot_bytes
                : record.slot == HP_SLOT_NONE;
}

/// MAC over a record's bytes up to the MAC itself, and over its payload.
static bool record_mac(const hp_runtime_t *self, const uint8_t *bytes, uint8_t mac[HP_SHA256_BYTES])
{
    const hp_keys_t keys     = hp_store_keys(self);
    const hp_record_t record = decode(bytes);
    const uint8_t *payload   = bytes;

    if (record.slot != HP_SLOT_NONE) {
        payload = flash_at(self, hp_store_slot_address(self, record.slot), record.payload_bytes);
    }
    if (keys.count == 0U || payload == NULL) {
        return false;
    }
    hp_hmac_sha256(keys.mac_key, HP_MAC_KEY_BYTES, bytes, HP_JOURNAL_RECORD_MAC, payload,
                   record.payload_bytes, mac);
    return true;
}

static void encode(const hp_runtime_t *self, const hp_record_t *record,
                   uint8_t bytes[HP_JOURNAL_RECORD_BYTES])
{
    uint8_t mac[HP_SHA256_BYTES] = {0};

    memset(bytes, 0, HP_JOURNAL_RECORD_BYTES);
    hp_store_u32(bytes + HP_JOURNAL_RECORD_MAGIC, HP_RECORD_MAGIC);
    bytes[HP_JOURNAL_RECORD_STATE]    = (uint8_t)record->state;
    bytes[HP_JOURNAL_RECORD_SLOT]     = (uint8_t)record->slot;
    bytes[HP_JOURNAL_RECORD_ID_BYTES] = (uint8_t)record->id_bytes;
    hp_store_u32(bytes + HP_JOURNAL_RECORD_SEQUENCE, record->sequence);
    hp_store_u32(bytes + HP_JOURNAL_RECORD_PAYLOAD_BYTES, record->payload_bytes);
    memcpy(bytes + HP_JOURNAL_RECORD_ID, record->id, record->id_bytes);
    memcpy(bytes + HP_JOURNAL_RECORD_DIGEST, record->digest, sizeof record->digest);
    if (record_mac(self, bytes, mac)) {
        memcpy(bytes + HP_JOURNAL_RECORD_MAC, mac, HP_MAC_BYTES);
    }
    commit(bytes, HP_JOURNAL_RECORD_CRC);
}

hp_record_t hp_store_record(const hp_runtime_t *self, uint32_t index)
{
    return decode(flash_at(self, self->journal.patches[index].record_address, HP_JOURNAL_RECORD_BYTES));
}

bool hp_store_find(const hp_runtime_t *self, hp_span_t id, uint32_t *index)
{
    for (uint32_t at = 0; at < self->journal.patch_count; at++) {
        const hp_record_t record = hp_store_record(self, at);
        if (hp_span_equal(id, record.id, record.id_bytes)) {
            *index = at;
            return true;
        }
    }
    return false;
}

bool hp_store_payload_good(const hp_runtime_t *self, uint32_t index)
{
    const uint8_t *bytes =
        flash_at(self, self->journal.patches[index].record_address, HP_JOURNAL_RECORD_BYTES);
    uint8_t mac[HP_SHA256_BYTES];

    return record_mac(self, bytes, mac) && hp_secret_equal(mac, bytes + HP_JOURNAL_RECORD_MAC, HP_MAC_BYTES);
}

/// Takes note of the committed record at `address`: it is now the one in force of its id.
static hp_status_t note(hp_runtime_t *self, uint32_t address, uint32_t *index)
{
    hp_journal_t *journal    = &self->journal;
    const hp_record_t record = decode(flash_at(self, address, HP_JOURNAL_RECORD_BYTES));

    if (!hp_store_find(self, (hp_span_t){(const uint8_t *)record.id, record.id_bytes}, index)) {
        if (journal->patch_count == HP_PATCHES_MAX) {
            return HP_STATUS_TOO_MANY_PATCHES;
        }
        *index                   = journal->patch_count++;
        journal->patches[*index] = (hp_patch_t){.record_address = address};
        return HP_STATUS_OK;
    }
    hp_patch_t *patch = &journal->patches[*index];
    if (record.state != HP_PATCH_STATE_TRIAL) {
        patch->fallback_address = 0;
    } else if (hp_store_record(self, *index).state == HP_PATCH_STATE_UPDATED) {
        patch->fallback_address = patch->record_address;
    }
    patch->record_address = address;
    return HP_STATUS_OK;
}

// ------------------------------------------------ journals ------------------------------------------------

static uint32_t other_journal(const hp_runtime_t *self)
{
    const uint32_t first = self->board->journal_address;

    return self->journal.start_address == first ? first + self->board->journal_bytes : first;
}

/// Whether the journal that starts at `start` has room for a record at `address`.
static bool has_room(const hp_runtime_t *self, uint32_t start, uint32_t address)
{
    return hp_inside(address, HP_JOURNAL_RECORD_BYTES, start, self->board->journal_bytes);
}

/// Makes `bytes` bytes of whole pages from `address` on ready for writing.
static hp_status_t prepare(hp_runtime_t *self, uint32_t address, uint32_t bytes)
{
    hp_status_t status = HP_STATUS_OK;

    for (uint32_t at = 0; at < bytes && status == HP_STATUS_OK; at += self->board->page_bytes) {
        status = hp_store_prepare_page(self, address + at);
    }
    return status;
}

static hp_status_t write_header(hp_runtime_t *self, uint32_t start, uint32_t generation)
{
    uint8_t header[HP_JOURNAL_HEADER_BYTES];

    hp_store_u32(header + HP_JOURNAL_HEADER_MAGIC, HP_JOURNAL_MAGIC);
    hp_store_u32(header + HP_JOURNAL_HEADER_GENERATION, generation);
    commit(header, HP_JOURNAL_HEADER_CRC);
    return program_committed(self, start, header, sizeof header);
}

/// Copies the record at *address to *end in the journal that starts at `start`, and lets both follow it.
static hp_status_t move_record(hp_runtime_t *self, uint32_t start, uint32_t *address, uint32_t *end)
{
    const uint8_t *bytes = flash_at(self, *address, HP_JOURNAL_RECORD_BYTES);

    if (!has_room(self, start, *end)) {
        return HP_STATUS_STORE_FULL;
    }
    const hp_status_t status = program_committed(self, *end, bytes, HP_JOURNAL_RECORD_BYTES);
    *address                 = *end;
    *end += HP_JOURNAL_RECORD_BYTES;
    return status;
}

/// Copies what is in force into the other journal and makes that the one in force; its header is written last. The index in RAM
/// changes only when all of it is in flash.
static hp_status_t compact(hp_runtime_t *self)
{
    hp_journal_t *journal = &self->journal;
    const uint32_t start  = other_journal(self);
    uint32_t end          = start + HP_JOURNAL_HEADER_BYTES;
    uint32_t moved[HP_PATCHES_MAX][2];
    hp_status_t status = prepare(self, start, self->board->journal_bytes);

    for (uint32_t index = 0; index < journal->patch_count && status == HP_STATUS_OK; index++) {
        moved[index][0] = journal->patches[index].fallback_address;
        moved[index][1] = journal->patches[index].record_address;
        if (moved[index][0] != 0U) {
            status = move_record(self, start, &moved[index][0], &end);
        }
        if (status == HP_STATUS_OK) {
            status = move_record(self, start, &moved[index][1], &end);
        }
    }
    if (status == HP_STATUS_OK) {
        status = write_header(self, start, journal->generation + 1U);
    }
    if (status != HP_STATUS_OK) {
        return status;
    }
    for (uint32_t index = 0; index < journal->patch_count; index++) {
        journal->patches[index].fallback_address = moved[index][0];
        journal->patches[index].record_address   = moved[index][1];
    }
    journal->start_address = start;
    journal->generation++;
    journal->end_address = end;
    return HP_STATUS_OK;
}

hp_status_t hp_store_append(hp_runtime_t *self, const hp_record_t *record, uint32_t *index)
{
    const hp_span_t id    = {(const uint8_t *)record->id, record->id_bytes};
    hp_journal_t *journal = &self->journal;
    uint8_t bytes[HP_JOURNAL_RECORD_BYTES];
    hp_status_t status = HP_STATUS_OK;

    if (journal->start_address == 0U) {
        return HP_STATUS_FLASH_FAILED;
    }
    if (!hp_store_find(self, id, index) && journal->patch_count == HP_PATCHES_MAX) {
        return HP_STATUS_TOO_MANY_PATCHES;
    }
    if (!has_room(self, journal->start_address, journal->end_address)) {
        status = compact(self);
    }
    if (status == HP_STATUS_OK && !has_room(self, journal->start_address, journal->end_address)) {
        return HP_STATUS_STORE_FULL;
    }
    if (status != HP_STATUS_OK) {
        return status;
    }
    encode(self, record, bytes);
    const uint32_t address = journal->end_address;
    status                 = program_committed(self, address, bytes, sizeof bytes);
    if (!is_blank(flash_at(self, address, sizeof bytes), sizeof bytes)) {
        journal->end_address +=
            HP_JOURNAL_RECORD_BYTES; // even if it failed: nothing can be written there now
    }
    return status == HP_STATUS_OK ? note(self, address, index) : status;
}

/// Reads every record of the journal in force, to its end: behind a place that stayed blank there may be more. A place that is
/// neither blank nor whole was torn by a power cut: it is passed over, and counted.
static void read_journal(hp_runtime_t *self)
{
    hp_journal_t *journal = &self->journal;
    const uint32_t first  = journal->start_address + HP_JOURNAL_HEADER_BYTES;

    journal->end_address = first;
    for (uint32_t address = first; has_room(self, journal->start_address, address);
         address += HP_JOURNAL_RECORD_BYTES) {
        const uint8_t *bytes = flash_at(self, address, HP_JOURNAL_RECORD_BYTES);
        uint32_t index       = 0;
        if (is_blank(bytes, HP_JOURNAL_RECORD_BYTES)) {
            continue;
        }
        journal->end_address = address + HP_JOURNAL_RECORD_BYTES;
        if (!is_committed(bytes, HP_RECORD_MAGIC, HP_JOURNAL_RECORD_CRC) || !is_plausible(self, bytes) ||
            note(self, address, &index) != HP_STATUS_OK) {
            hp_count(self, HP_COUNTER_STORE_RECOVERIES);
        }
    }
}

hp_status_t hp_store_take_back(hp_runtime_t *self, uint32_t index)
{
    const uint32_t fallback = self->journal.patches[index].fallback_address;
    hp_record_t record      = hp_store_record(self, index);
    uint32_t same           = 0;

    if (fallback != 0U) {
        record = decode(flash_at(self, fallback, HP_JOURNAL_RECORD_BYTES));
    } else {
        record.state         = HP_PATCH_STATE_REJECTED;
        record.slot          = HP_SLOT_NONE;
        record.payload_bytes = 0;
    }
    return hp_store_append(self, &record, &same);
}

static hp_status_t take_back_trials(hp_runtime_t *self)
{
    hp_status_t status = HP_STATUS_OK;

    for (uint32_t index = 0; index < self->journal.patch_count; index++) {
        if (hp_store_record(self, index).state == HP_PATCH_STATE_TRIAL) {
            const hp_status_t one = hp_store_take_back(self, index);
            status                = one == HP_STATUS_OK ? status : one;
        }
    }
    return status;
}

hp_status_t hp_store_start(hp_runtime_t *self)
{
    hp_journal_t *journal = &self->journal;

    if (self->board->journal_bytes < HP_JOURNAL_BYTES_MIN(self->board->slot_count)) {
        return HP_STATUS_UNSUPPORTED;
    }
    for (uint32_t number = 0; number < JOURNALS; number++) {
        const uint32_t start  = self->board->journal_address + number * self->board->journal_bytes;
        const uint8_t *header = flash_at(self, start, HP_JOURNAL_HEADER_BYTES);
        if (header == NULL) {
            return HP_STATUS_FLASH_FAILED;
        }
        const uint32_t generation = hp_load_u32(header + HP_JOURNAL_HEADER_GENERATION);
        if (is_committed(header, HP_JOURNAL_MAGIC, HP_JOURNAL_HEADER_CRC) &&
            (journal->start_address == 0U || generation > journal->generation)) {
            journal->start_address = start;
            journal->generation    = generation;
        }
    }
    if (journal->start_address != 0U) {
        read_journal(self);
        return take_back_trials(self);
    }
    const uint32_t first = self->board->journal_address;
    hp_status_t status   = prepare(self, first, self->board->journal_bytes);
    status               = status == HP_STATUS_OK ? write_header(self, first, 1) : status;
    if (status == HP_STATUS_OK) {
        journal->start_address = first;
        journal->generation    = 1;
        journal->end_address   = first + HP_JOURNAL_HEADER_BYTES;
    }
    return status;
}

// ------------------------------------------------ slots ------------------------------------------------

uint32_t hp_store_slot_address(const hp_runtime_t *self, uint32_t slot)
{
    return self->board->slots_address + slot * self->board->slot_bytes;
}

/// Slots that records in force, or records that may come back, point at.
static uint32_t slots_taken(const hp_runtime_t *self)
{
    uint32_t taken = 0;

    for (uint32_t index = 0; index < self->journal.patch_count; index++) {
        const hp_patch_t *patch     = &self->journal.patches[index];
        const uint32_t addresses[2] = {patch->record_address, patch->fallback_address};
        for (uint32_t which = 0; which < 2U; which++) {
            if (addresses[which] == 0U) {
                continue;
            }
            const hp_record_t record = decode(flash_at(self, addresses[which], HP_JOURNAL_RECORD_BYTES));
            taken |= record.slot < 32U ? 1U << record.slot : 0U;
        }
    }
    return taken;
}

/// Whether nobody can still be inside slot `slot`, whose patch was armed since reset and is no longer: no run is under way,
/// the port knows that no displaced copy is, and no verdict may have handed out an address of its data.
static bool is_left(const hp_runtime_t *self, uint32_t slot)
{
    for (uint32_t index = 0; index < HP_INVOCATIONS_MAX; index++) {
        if (hp_observe(&self->invocations[index].claimed) != 0U) {
            return false;
        }
    }
    return __atomic_load_n(&self->journal.lent_slots[slot], __ATOMIC_RELAXED) == 0U &&
           self->port->quiet(self->port->context, hp_store_slot_address(self, slot), self->board->slot_bytes);
}

/// Whether slot `slot` may be erased and written now.
static bool is_free(const hp_runtime_t *self, uint32_t slot)
{
    const bool taken   = ((slots_taken(self) >> slot) & 1U) != 0U;
    const bool touched = ((self->journal.touched_slots >> slot) & 1U) != 0U;

    return !taken && (!touched || is_left(self, slot));
}

uint32_t hp_store_slots_free(const hp_runtime_t *self)
{
    uint32_t count = 0;

    for (uint32_t slot = 0; slot < self->board->slot_count; slot++) {
        count += is_free(self, slot) ? 1U : 0U;
    }
    return count;
}

static hp_status_t copy_into(hp_runtime_t *self, uint32_t address, hp_span_t payload)
{
    uint8_t chunk[PROGRAM_CHUNK];
    hp_status_t status = HP_STATUS_OK;

    for (size_t at = 0; at < payload.size && status == HP_STATUS_OK; at += sizeof chunk) {
        const size_t left = payload.size - at;
        const size_t size = left < sizeof chunk ? left : sizeof chunk;
        memset(chunk, 0xff, sizeof chunk);
        memcpy(chunk, payload.data + at, size);
        status = program(self, address + (uint32_t)at, chunk, hp_align8((uint32_t)size));
    }
    return status;
}

hp_status_t hp_store_place(hp_runtime_t *self, hp_span_t payload, hp_record_t *record)
{
    uint32_t slot = 0;

    if (payload.size > self->board->slot_bytes) {
        return HP_STATUS_TOO_LARGE;
    }
    while (slot < self->board->slot_count && !is_free(self, slot)) {
        slot++;
    }
    if (slot == self->board->slot_count) {
        return HP_STATUS_STORE_FULL;
    }
    const uint32_t address = hp_store_slot_address(self, slot);
    hp_status_t status     = prepare(self, address, self->board->slot_bytes);
    status                 = status == HP_STATUS_OK ? copy_into(self, address, payload) : status;
    if (status != HP_STATUS_OK) {
        return status;
    }
    const uint8_t *placed = flash_at(self, address, (uint32_t)payload.size);
    if (placed == NULL || memcmp(placed, payload.data, payload.size) != 0) {
        return HP_STATUS_FLASH_FAILED;
    }
    record->slot          = slot;
    record->payload_bytes = (uint32_t)payload.size;
    return HP_STATUS_OK;
}

/// The first page that is not blank among `bytes` bytes from `address` on, or 0.
static uint32_t dirty_page_in(const hp_runtime_t *self, uint32_t address, uint32_t bytes)
{
    const uint32_t page_bytes = self->board->page_bytes;

    for (uint32_t at = 0; at < bytes; at += page_bytes) {
        if (!is_blank(flash_at(self, address + at, page_bytes), page_bytes)) {
            return address + at;
        }
    }
    return 0;
}

/// A page that will be needed and is not blank, or 0.
static uint32_t dirty_page(const hp_runtime_t *self)
{
    uint32_t page = 0;

    if (self->journal.start_address != 0U) {
        page = dirty_page_in(self, other_journal(self), self->board->journal_bytes);
    }
    if (page == 0U) {
        page = dirty_page_in(self, self->board->stage_address, self->board->stage_bytes);
    }
    for (uint32_t slot = 0; slot < self->board->slot_count && page == 0U; slot++) {
        if (is_free(self, slot)) {
            page = dirty_page_in(self, hp_store_slot_address(self, slot), self->board->slot_bytes);
        }
    }
    return page;
}

void hp_store_tidy(hp_runtime_t *self)
{
    const hp_board_t *board = self->board;
    const uint32_t bytes =
        JOURNALS * board->journal_bytes + board->stage_bytes + board->slot_count * board->slot_bytes;
    const uint32_t pages = bytes / board->page_bytes;

    for (uint32_t count = 0; count < pages && !self->journal.tidy; count++) {
        const uint32_t page = dirty_page(self);
        // A page that does not erase is met again when it is needed, and then somebody is told.
        self->journal.tidy = page == 0U || self->port->flash_erase(self->port->context, page) != HP_STATUS_OK;
    }
}
