/// Stop 8 of 12. The server: one transfer at a time, one answer kept for a request that comes again. In: messages.
/// Out: answers. Next: core/admit.c
#include "core/server.h"

#include "core/admit.h"
#include "core/bytes.h"
#include "core/cbor.h"
#include "core/coap.h"
#include "core/sha256.h"
#include "core/store.h"

#define FORMAT_CBOR      60U
#define CONTENT_ATTEMPTS 4U ///< a length that changes in each of them is no accident of time
#define BLOCK_EXPONENT   4U ///< answers travel in blocks of 256 bytes at most
#define KEY_PRINT        8U ///< bytes of a key's digest that name it

#define EXCHANGE_LIFETIME_MS 247000U ///< RFC 7252 section 4.8.2: how long a message id means one request

/// The representation of a resource, written through a window.
typedef void (*represent_t)(const hp_runtime_t *self, hp_cbor_writer_t *out);

static uint8_t response_code(hp_status_t status)
{
#define ONE_CODE(name, enumerator, code)                                                                     \
    case enumerator: return code;
    switch (status) {
        HP_STATUSES(ONE_CODE)
    }
#undef ONE_CODE
    return 0xa0U; // 5.00, for a number that is no status
}

// ------------------------------------------------ representations ------------------------------------------------

static void put_key(hp_cbor_writer_t *out, uint32_t key)
{
    hp_cbor_put_head(out, HP_MAJOR_UNSIGNED, key);
}

static void put_number(hp_cbor_writer_t *out, uint32_t key, uint32_t value)
{
    put_key(out, key);
    hp_cbor_put_head(out, HP_MAJOR_UNSIGNED, value);
}

static void put_keys(const hp_runtime_t *self, hp_cbor_writer_t *out)
{
    const hp_keys_t keys = hp_store_keys(self);

    put_key(out, HP_IDENTITY_KEY_KEYS);
    hp_cbor_put_head(out, HP_MAJOR_ARRAY, keys.count);
    for (uint32_t index = 0; index < keys.count; index++) {
        uint8_t digest[HP_SHA256_BYTES];
        hp_sha256(keys.public_keys + index * HP_PUBLIC_KEY_BYTES, HP_PUBLIC_KEY_BYTES, digest);
        hp_cbor_put_bytes(out, digest, KEY_PRINT);
    }
}

static void represent_identity(const hp_runtime_t *self, hp_cbor_writer_t *out)
{
    static const uint8_t contract_id[] = HP_CONTRACT_ID;

    hp_cbor_put_head(out, HP_MAJOR_MAP, 11);
    put_key(out, HP_IDENTITY_KEY_BOARD);
    hp_cbor_put_text(out, self->board->name);
    put_key(out, HP_IDENTITY_KEY_CLASS_ID);
    hp_cbor_put_bytes(out, self->board->class_id, sizeof self->board->class_id);
    put_key(out, HP_IDENTITY_KEY_BUILD_ID);
    hp_cbor_put_bytes(out, self->build_id, self->build_id_bytes);
    put_number(out, HP_IDENTITY_KEY_LEVEL, HP_LEVEL);
    put_key(out, HP_IDENTITY_KEY_CONTRACT_ID);
    hp_cbor_put_bytes(out, contract_id, sizeof contract_id);
    put_number(out, HP_IDENTITY_KEY_SLOTS_FREE, hp_store_slots_free(self));
    put_number(out, HP_IDENTITY_KEY_SLOTS_TOTAL, self->board->slot_count);
    put_number(out, HP_IDENTITY_KEY_UPTIME_MS, self->port->now_ms(self->port->context));
    put_keys(self, out);
    put_number(out, HP_IDENTITY_KEY_SLOT_BYTES, self->board->slot_bytes);
    put_number(out, HP_IDENTITY_KEY_COMPARATORS, self->board->trigger_count);
}

/// The addresses of a patch's sites; none if it holds no slot.
static void put_sites(const hp_runtime_t *self, const hp_record_t *record, hp_cbor_writer_t *out)
{
    const uint8_t *payload = NULL;

    if (record->slot != HP_SLOT_NONE) {
        const uint32_t address = hp_store_slot_address(self, record->slot);
        payload                = self->port->memory(self->port->context, address, self->board->slot_bytes);
    }
    const uint32_t start = payload == NULL ? 0U : hp_load_u32(payload + HP_PAYLOAD_HEADER_SITES_OFFSET);
    const uint32_t bytes = payload == NULL ? 0U : hp_load_u32(payload + HP_PAYLOAD_HEADER_SITES_BYTES);
    const bool good      = hp_inside(start, bytes, 0, record->payload_bytes);
    put_key(out, HP_PATCH_KEY_SITES);
    hp_cbor_put_head(out, HP_MAJOR_ARRAY, good ? bytes / HP_SITE_BYTES : 0U);
    for (uint32_t at = 0; good && at + HP_SITE_BYTES <= bytes; at += HP_SITE_BYTES) {
        hp_cbor_put_head(out, HP_MAJOR_UNSIGNED, hp_load_u32(payload + start + at + HP_SITE_ADDRESS));
    }
}

static void represent_patches(const hp_runtime_t *self, hp_cbor_writer_t *out)
{
    hp_cbor_put_head(out, HP_MAJOR_ARRAY, self->journal.patch_count);
    for (uint32_t index = 0; index < self->journal.patch_count; index++) {
        const hp_patch_t *patch  = &self->journal.patches[index];
        const hp_record_t record = hp_store_record(self, index);
        hp_cbor_put_head(out, HP_MAJOR_MAP, 9);
        put_key(out, HP_PATCH_KEY_ID);
        hp_cbor_put_text(out, record.id);
        put_number(out, HP_PATCH_KEY_SEQUENCE, record.sequence);
        put_number(out, HP_PATCH_KEY_STATE, (uint32_t)record.state);
        put_key(out, HP_PATCH_KEY_DIGEST);
        hp_cbor_put_bytes(out, record.digest, sizeof record.digest);
        put_number(out, HP_PATCH_KEY_HITS, patch->hits);
        put_number(out, HP_PATCH_KEY_SAFE_VERDICTS, patch->safe_verdicts);
        put_number(out, HP_PATCH_KEY_LAST_FAULT, patch->last_fault);
        put_sites(self, &record, out);
        put_key(out, HP_PATCH_KEY_ARMED);
        hp_cbor_put_bool(out, patch->armed);
    }
}

static void represent_counters(const hp_runtime_t *self, hp_cbor_writer_t *out)
{
    hp_cbor_put_head(out, HP_MAJOR_MAP, HP_COUNTER_COUNT);
    for (uint32_t counter = 0; counter < HP_COUNTER_COUNT; counter++) {
        put_number(out, counter, hp_counter(self, (hp_counter_t)counter));
    }
}

// ------------------------------------------------ answers ------------------------------------------------

static hp_coap_writer_t begin(hp_runtime_t *self, const hp_message_t *request, uint8_t code)
{
    const bool confirmable  = request->type == HP_COAP_CONFIRMABLE;
    hp_exchange_t *exchange = &self->exchange;
    hp_coap_writer_t out    = {.data = exchange->reply, .size = sizeof exchange->reply};

    hp_coap_begin(&out, confirmable ? HP_COAP_ACKNOWLEDGEMENT : HP_COAP_NON_CONFIRMABLE, code,
                  confirmable ? request->message_id : exchange->next_message_id++, request->token);
    return out;
}

/// Keeps the answer: it goes out now, and once more if its request comes again.
static void finish(hp_runtime_t *self, uint32_t reply_bytes)
{
    self->exchange.answered    = true;
    self->exchange.answered_ms = self->port->now_ms(self->port->context);
    self->exchange.reply_bytes = reply_bytes;
}

/// {1: status, 2: detail}; Block1 is echoed where the request had it.
static void answer_status(hp_runtime_t *self, const hp_message_t *request, hp_status_t status)
{
    hp_coap_writer_t out = begin(self, request, response_code(status));
    const bool detailed  = status != HP_STATUS_OK && self->detail != 0U;

    hp_coap_put_format(&out, FORMAT_CBOR);
    if (request->block1.present && !request->bad_option) {
        const hp_block_t echoed = {true, false, request->block1.number, request->block1.exponent};
        hp_coap_put_block1(&out, &echoed);
    }
    hp_coap_put_marker(&out);
    hp_cbor_writer_t body = {.data = out.data + out.used, .size = out.size - out.used};
    hp_cbor_put_head(&body, HP_MAJOR_MAP, detailed ? 2U : 1U);
    put_key(&body, HP_REPLY_KEY_STATUS);
    hp_cbor_put_int(&body, (int32_t)status);
    if (detailed) {
        put_number(&body, HP_REPLY_KEY_DETAIL, self->detail);
    }
    finish(self, out.used + body.written);
}

/// Writes the reply that carries `request`'s block of the representation. False: its length changed on the way, for
/// hits and time go on meanwhile.
static bool write_content(hp_runtime_t *self, const hp_message_t *request, represent_t represent)
{
    const hp_block_t *asked = &request->block2;
    const uint32_t exponent =
        asked->present && asked->exponent < BLOCK_EXPONENT ? asked->exponent : BLOCK_EXPONENT;
    const uint32_t size      = 16U << exponent;
    const uint32_t skip      = asked->number * (16U << asked->exponent) * (asked->present ? 1U : 0U);
    hp_cbor_writer_t measure = {.data = self->exchange.reply};

    represent(self, &measure);
    if (skip >= measure.written) {
        answer_status(self, request, HP_STATUS_BAD_REQUEST);
        return true;
    }
    const hp_block_t block = {true, measure.written - skip > size, skip / size, exponent};
    hp_coap_writer_t out   = begin(self, request, HP_COAP_CONTENT);
    hp_coap_put_format(&out, FORMAT_CBOR);
    if (asked->present || block.more) {
        hp_coap_put_block2(&out, &block);
    }
    hp_coap_put_marker(&out);
    hp_cbor_writer_t body = {.data = out.data + out.used, .size = size, .skip = skip};
    represent(self, &body);
    if (body.written != measure.written) {
        return false;
    }
    finish(self, out.used + (block.more ? size : measure.written - skip));
    return true;
}

static void answer_content(hp_runtime_t *self, const hp_message_t *request, represent_t represent)
{
    for (uint32_t attempt = 0; attempt < CONTENT_ATTEMPTS; attempt++) {
        if (write_content(self, request, represent)) {
            return;
        }
    }
    answer_status(self, request, HP_STATUS_BUSY);
}

// ------------------------------------------------ transfers ------------------------------------------------

/// Writes a block's bytes into the stage, and prepares each page as it is reached.
static hp_status_t write_stage(hp_runtime_t *self, uint32_t offset, hp_span_t data)
{
    const uint32_t page_bytes = self->board->page_bytes;
    hp_status_t status        = HP_STATUS_OK;

    for (size_t at = 0; at < data.size && status == HP_STATUS_OK; at += HP_PROGRAM_UNIT) {
        const uint32_t address = self->board->stage_address + offset + (uint32_t)at;
        const size_t left      = data.size - at;
        uint8_t unit[HP_PROGRAM_UNIT];
        if ((address - self->board->stage_address) % page_bytes == 0U) {
            status = hp_store_prepare_page(self, address);
        }
        memset(unit, 0xff, sizeof unit);
        memcpy(unit, data.data + at, left < sizeof unit ? left : sizeof unit);
        if (status == HP_STATUS_OK) {
            status = self->port->flash_program(self->port->context, address, unit, sizeof unit);
        }
    }
    return status;
}

/// Takes the request's block. HP_STATUS_OK: it is in the stage.
static hp_status_t take_block(hp_runtime_t *self, const hp_message_t *request)
{
    hp_exchange_t *exchange = &self->exchange;
    const hp_block_t *block = &request->block1;
    const uint32_t size     = 16U << block->exponent;
    const uint32_t offset   = block->present ? block->number * size : 0U;

    if (offset == 0U) {
        exchange->receiving      = true;
        exchange->received_bytes = 0;
    }
    if (!exchange->receiving || offset != exchange->received_bytes) {
        return HP_STATUS_INCOMPLETE;
    }
    if (block->present && (block->more ? request->payload.size != size : request->payload.size > size)) {
        return HP_STATUS_BAD_REQUEST;
    }
    if (!hp_inside(offset, (uint32_t)request->payload.size, 0, self->board->stage_bytes)) {
        return HP_STATUS_TOO_LARGE;
    }
    const hp_status_t status = write_stage(self, offset, request->payload);
    exchange->received_bytes += (uint32_t)request->payload.size;
    return status;
}

static hp_status_t admit_stage(hp_runtime_t *self)
{
    const uint32_t size = self->exchange.received_bytes;
    const uint8_t *data = self->port->memory(self->port->context, self->board->stage_address, size);

    self->exchange.receiving = false;
    return data == NULL ? HP_STATUS_FLASH_FAILED : hp_admit(self, (hp_span_t){data, size});
}

static void put_patches(hp_runtime_t *self, const hp_message_t *request)
{
    hp_status_t status = take_block(self, request);

    if (status == HP_STATUS_OK && request->block1.present && request->block1.more) {
        hp_coap_writer_t out = begin(self, request, HP_COAP_CONTINUE);
        hp_coap_put_block1(&out, &request->block1);
        finish(self, out.used);
        return;
    }
    if (status == HP_STATUS_OK) {
        status = admit_stage(self);
        if (status != HP_STATUS_OK) {
            hp_count(self, HP_COUNTER_REFUSALS);
        }
    }
    self->exchange.receiving = false;
    hp_store_tidy(self);
    answer_status(self, request, status);
}

// ------------------------------------------------ requests ------------------------------------------------

/// Whether the request's path is `path`; in it, a segment in braces stands for any.
static bool path_is(const hp_message_t *request, const char *path)
{
    for (uint32_t index = 0; index < request->path_count && index < HP_COAP_PATH_MAX; index++) {
        size_t size = 0;
        while (path[size] != '\0' && path[size] != '/') {
            size++;
        }
        if (path[0] != '{' && !hp_span_equal(request->path[index], path, size)) {
            return false;
        }
        if (path[size] == '\0') {
            return index + 1U == request->path_count;
        }
        path += size + 1U;
    }
    return false;
}

static void serve_get(hp_runtime_t *self, const hp_message_t *request, represent_t represent)
{
    if (request->code == HP_COAP_GET) {
        answer_content(self, request, represent);
    } else {
        answer_status(self, request, HP_STATUS_METHOD_NOT_ALLOWED);
    }
}

static void serve(hp_runtime_t *self, const hp_message_t *request)
{
    if (request->bad_option) {
        answer_status(self, request, HP_STATUS_BAD_OPTION);
    } else if (path_is(request, HP_RESOURCE_ID)) {
        serve_get(self, request, represent_identity);
    } else if (path_is(request, HP_RESOURCE_COUNTERS)) {
        serve_get(self, request, represent_counters);
    } else if (path_is(request, HP_RESOURCE_PATCHES)) {
        if (request->code == HP_COAP_PUT) {
            put_patches(self, request);
        } else {
            serve_get(self, request, represent_patches);
        }
    } else if (path_is(request, HP_RESOURCE_CONFIRM)) {
        const bool post = request->code == HP_COAP_POST;
        answer_status(self, request,
                      post ? hp_admit_confirm(self, request->path[2]) : HP_STATUS_METHOD_NOT_ALLOWED);
    } else {
        answer_status(self, request, HP_STATUS_NOT_FOUND);
    }
}

/// RFC 7252 section 4.2: what cannot be processed is rejected by a reset, and so is a ping answered (section 4.3).
static hp_span_t reset_of(hp_runtime_t *self, uint16_t message_id)
{
    uint8_t *bytes       = self->exchange.reset;
    hp_coap_writer_t out = {.data = bytes, .size = sizeof self->exchange.reset};

    hp_coap_begin(&out, HP_COAP_RESET, HP_COAP_EMPTY, message_id, (hp_span_t){bytes, 0});
    return (hp_span_t){bytes, out.used};
}

/// Whether `message` is the last request, sent once more because its answer was lost (RFC 7252 section 4.5): a host repeats
/// every byte. It may do so after a silence that closed the session, so only time ends this.
static bool came_again(hp_runtime_t *self, const uint8_t *message, size_t size)
{
    hp_exchange_t *exchange = &self->exchange;
    const uint32_t crc      = hp_crc32(message, size);
    const uint32_t since_ms = self->port->now_ms(self->port->context) - exchange->answered_ms;

    if (exchange->answered && since_ms < EXCHANGE_LIFETIME_MS && exchange->request_size == size &&
        exchange->request_crc == crc) {
        return true;
    }
    exchange->answered     = false;
    exchange->request_size = (uint32_t)size;
    exchange->request_crc  = crc;
    return false;
}

bool hp_server_handle(hp_runtime_t *self, const uint8_t *message, size_t size, hp_span_t *answer)
{
    hp_message_t request;
    const bool good       = hp_coap_parse((hp_span_t){message, size}, &request);
    const bool is_request = request.code >= HP_COAP_GET && request.code < 32U;

    *answer = (hp_span_t){NULL, 0};
    if (request.type == HP_COAP_ACKNOWLEDGEMENT || request.type == HP_COAP_RESET) {
        return good;
    }
    if (!good || !is_request) {
        if (request.type == HP_COAP_CONFIRMABLE) {
            *answer = reset_of(self, request.message_id);
        }
        return good;
    }
    if (!came_again(self, message, size)) {
        hp_count(self, HP_COUNTER_REQUESTS);
        self->detail = 0;
        serve(self, &request);
    }
    *answer = (hp_span_t){self->exchange.reply, self->exchange.reply_bytes};
    return true;
}
