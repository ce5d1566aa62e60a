/// Stop 8 of 12. CoAP messages, taken apart without copying and put together in one pass. In: bytes. Out: parts.
/// Next: core/server.c
#include "core/coap.h"

#define VERSION     1U
#define TOKEN_MAX   8U
#define MARKER      0xffU
#define FORMAT_CBOR 60U

/// Option numbers of RFC 7252 section 5.10 and RFC 7959.
enum {
    OPTION_URI_HOST       = 3,
    OPTION_URI_PORT       = 7,
    OPTION_URI_PATH       = 11,
    OPTION_CONTENT_FORMAT = 12,
    OPTION_ACCEPT         = 17,
    OPTION_BLOCK2         = 23,
    OPTION_BLOCK1         = 27
};

/// The value of an option nibble with its extension (RFC 7252 section 3.1); false if it is reserved or cut off.
static bool read_nibble(hp_span_t data, size_t *at, uint32_t nibble, uint32_t *value)
{
    *value = nibble;
    if (nibble == 13U && data.size - *at >= 1U) {
        *value = 13U + data.data[(*at)++];
        return true;
    }
    if (nibble == 14U && data.size - *at >= 2U) {
        *value = 269U + ((uint32_t)data.data[*at] << 8) + data.data[*at + 1U];
        *at += 2U;
        return true;
    }
    return nibble < 13U;
}

static uint32_t option_number(hp_span_t value)
{
    uint32_t number = 0;

    for (size_t index = 0; index < value.size; index++) {
        number = (number << 8) | value.data[index];
    }
    return number;
}

static bool read_block(hp_span_t value, hp_block_t *out)
{
    const uint32_t number = option_number(value);

    *out = (hp_block_t){true, ((number >> 3) & 1U) != 0U, number >> 4, number & 7U};
    return value.size <= 3U && out->exponent < 7U;
}

static bool keep_option(hp_message_t *out, uint32_t number, hp_span_t value)
{
    switch (number) {
    case OPTION_URI_HOST:
    case OPTION_URI_PORT: return true; // there is one host behind a serial line
    case OPTION_URI_PATH:
        if (out->path_count < HP_COAP_PATH_MAX) {
            out->path[out->path_count] = value;
        }
        out->path_count++;
        return true;
    case OPTION_ACCEPT: return value.size <= 2U && option_number(value) == FORMAT_CBOR;
    case OPTION_BLOCK1: return !out->block1.present && read_block(value, &out->block1);
    case OPTION_BLOCK2: return !out->block2.present && read_block(value, &out->block2);
    default: return number % 2U == 0U; // odd numbers are critical (RFC 7252 section 5.4.1)
    }
}

static bool read_options(hp_span_t data, size_t at, hp_message_t *out)
{
    uint32_t number = 0;

    while (at < data.size) {
        const uint8_t head = data.data[at++];
        uint32_t delta     = 0;
        uint32_t length    = 0;
        if (head == MARKER) {
            out->payload = (hp_span_t){data.data + at, data.size - at};
            return out->payload.size > 0U;
        }
        if (!read_nibble(data, &at, (uint32_t)head >> 4, &delta) ||
            !read_nibble(data, &at, head & 15U, &length) || length > data.size - at) {
            return false;
        }
        number += delta;
        if (!keep_option(out, number, (hp_span_t){data.data + at, length})) {
            out->bad_option = true;
        }
        at += length;
    }
    return true;
}

bool hp_coap_parse(hp_span_t data, hp_message_t *out)
{
    *out = (hp_message_t){.type = HP_COAP_RESET};
    if (data.size < 4U || data.data[0] >> 6 != VERSION) {
        return false;
    }
    const uint32_t token_bytes = data.data[0] & 15U;
    out->type                  = (hp_coap_type_t)((data.data[0] >> 4) & 3U);
    out->code                  = data.data[1];
    out->message_id            = (uint16_t)((data.data[2] << 8) | data.data[3]);
    if (out->code == HP_COAP_EMPTY) {
        return data.size == 4U && token_bytes == 0U;
    }
    if (token_bytes > TOKEN_MAX || data.size - 4U < token_bytes) {
        return false;
    }
    out->token = (hp_span_t){data.data + 4, token_bytes};
    return read_options(data, 4U + token_bytes, out);
}

static void put(hp_coap_writer_t *self, uint32_t byte)
{
    if (self->used < self->size) {
        self->data[self->used++] = (uint8_t)byte;
    }
}

void hp_coap_begin(hp_coap_writer_t *self, hp_coap_type_t type, uint8_t code, uint16_t message_id,
                   hp_span_t token)
{
    self->used        = 0;
    self->last_option = 0;
    put(self, (VERSION << 6) | ((uint32_t)type << 4) | (uint32_t)token.size);
    put(self, code);
    put(self, (uint32_t)message_id >> 8);
    put(self, message_id);
    for (size_t index = 0; index < token.size; index++) {
        put(self, token.data[index]);
    }
}

/// An option with an unsigned value in as few bytes as it needs. Every number written here is less than 13 above the last
/// one or needs one extension byte.
static void put_option(hp_coap_writer_t *self, uint32_t number, uint32_t value)
{
    const uint32_t delta = number - self->last_option;
    const uint32_t size  = value == 0U ? 0U : value < 0x100U ? 1U : value < 0x10000U ? 2U : 3U;

    self->last_option = number;
    put(self, ((delta < 13U ? delta : 13U) << 4) | size);
    if (delta >= 13U) {
        put(self, delta - 13U);
    }
    for (uint32_t index = size; index-- > 0U;) {
        put(self, value >> (8U * index));
    }
}

void hp_coap_put_format(hp_coap_writer_t *self, uint32_t format)
{
    put_option(self, OPTION_CONTENT_FORMAT, format);
}

static uint32_t block_value(const hp_block_t *block)
{
    return (block->number << 4) | (block->more ? 8U : 0U) | block->exponent;
}

void hp_coap_put_block1(hp_coap_writer_t *self, const hp_block_t *block)
{
    put_option(self, OPTION_BLOCK1, block_value(block));
}

void hp_coap_put_block2(hp_coap_writer_t *self, const hp_block_t *block)
{
    put_option(self, OPTION_BLOCK2, block_value(block));
}

void hp_coap_put_marker(hp_coap_writer_t *self)
{
    put(self, MARKER);
}
