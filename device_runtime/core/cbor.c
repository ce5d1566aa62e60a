/// Stop 9 of 12. Deterministic CBOR, read item by item and written in windows. In: bytes. Out: items. Next: core/suit.c
#include "core/cbor.h"

#define SIMPLE_FALSE 20U
#define SIMPLE_TRUE  21U

hp_cbor_t hp_cbor_over(hp_span_t data)
{
    return (hp_cbor_t){.cursor = data.data, .end = data.data + data.size, .status = HP_STATUS_OK};
}

static void fail(hp_cbor_t *self, hp_status_t status)
{
    if (self->status == HP_STATUS_OK) {
        self->status = status;
    }
    self->cursor = self->end;
}

static size_t left(const hp_cbor_t *self)
{
    return (size_t)(self->end - self->cursor);
}

/// The argument behind an initial byte with additional information `info` (RFC 8949 section 3), in its shortest form.
static hp_status_t read_argument(hp_cbor_t *self, uint32_t info, uint64_t *argument)
{
    *argument = info;
    if (info < 24U) {
        return HP_STATUS_OK;
    }
    if (info > 27U) { // 28..30 reserved, 31 indefinite
        return HP_STATUS_MALFORMED;
    }
    const size_t width = (size_t)1U << (info - 24U);
    if (left(self) < width) {
        return HP_STATUS_TRUNCATED;
    }
    uint64_t value = 0;
    for (size_t index = 0; index < width; index++) {
        value = (value << 8) | self->cursor[index];
    }
    self->cursor += width;
    *argument = value;
    if (width == 8U) {
        return value > UINT32_MAX ? HP_STATUS_OK : HP_STATUS_MALFORMED;
    }
    const uint32_t shortest = width == 1U ? 24U : 1U << (4U * width);
    return value >= shortest ? HP_STATUS_OK : HP_STATUS_MALFORMED;
}

/// Whether `content` is UTF-8 (RFC 3629): no overlong forms, no surrogates.
static bool is_utf8(hp_span_t content)
{
    static const uint32_t smallest[4] = {0, 0x80U, 0x800U, 0x10000U};
    size_t index                      = 0;

    while (index < content.size) {
        const uint8_t lead  = content.data[index++];
        const uint32_t more = lead < 0x80U   ? 0U
                              : lead < 0xc0U ? 4U
                              : lead < 0xe0U ? 1U
                              : lead < 0xf0U ? 2U
                              : lead < 0xf8U ? 3U
                                             : 4U;
        if (more > 3U || content.size - index < more) {
            return false;
        }
        uint32_t point = more == 0U ? lead : lead & (0x3fU >> more);
        for (uint32_t count = 0; count < more; count++) {
            const uint8_t byte = content.data[index++];
            if ((byte & 0xc0U) != 0x80U) {
                return false;
            }
            point = (point << 6) | (byte & 0x3fU);
        }
        if (point < smallest[more] || point > 0x10ffffU || (point >= 0xd800U && point <= 0xdfffU)) {
            return false;
        }
    }
    return true;
}

static hp_status_t read_item(hp_cbor_t *self, hp_item_t *item)
{
    if (left(self) == 0U) {
        return HP_STATUS_TRUNCATED;
    }
    const uint8_t initial    = *self->cursor++;
    const hp_status_t status = read_argument(self, initial & 31U, &item->argument);
    if (status != HP_STATUS_OK) {
        return status;
    }
    item->major = (hp_major_t)(initial >> 5);
    if (item->major == HP_MAJOR_SIMPLE && (initial < 0xf4U || initial > 0xf6U)) { // only false, true and null
        return HP_STATUS_MALFORMED;
    }
    item->content = (hp_span_t){self->cursor, 0};
    if (item->major != HP_MAJOR_BYTES && item->major != HP_MAJOR_TEXT) {
        return HP_STATUS_OK;
    }
    if (item->argument > left(self)) {
        return HP_STATUS_TRUNCATED;
    }
    item->content.size = (size_t)item->argument;
    self->cursor += item->content.size;
    return item->major == HP_MAJOR_BYTES || is_utf8(item->content) ? HP_STATUS_OK : HP_STATUS_MALFORMED;
}

/// The next item if it is of one of `majors` (bit n: major type n); else it is refused, and an unsigned zero stands for it.
static hp_item_t next_of(hp_cbor_t *self, uint32_t majors)
{
    hp_item_t item;
    hp_status_t status = self->status == HP_STATUS_OK ? read_item(self, &item) : self->status;

    if (status == HP_STATUS_OK && ((majors >> item.major) & 1U) == 0U) {
        status = HP_STATUS_MALFORMED;
    }
    if (status != HP_STATUS_OK) {
        fail(self, status);
        item = (hp_item_t){.major = HP_MAJOR_UNSIGNED, .content = {self->end, 0}};
    }
    return item;
}

hp_item_t hp_cbor_next(hp_cbor_t *self)
{
    return next_of(self, UINT32_MAX);
}

uint64_t hp_cbor_unsigned(hp_cbor_t *self)
{
    return next_of(self, 1U << HP_MAJOR_UNSIGNED).argument;
}

hp_span_t hp_cbor_bytes(hp_cbor_t *self)
{
    return next_of(self, 1U << HP_MAJOR_BYTES).content;
}

void hp_cbor_expect(hp_cbor_t *self, hp_major_t major, uint32_t argument)
{
    if (next_of(self, 1U << major).argument != argument) {
        fail(self, HP_STATUS_MALFORMED);
    }
}

void hp_cbor_expect_int(hp_cbor_t *self, int32_t value)
{
    if (value < 0) {
        hp_cbor_expect(self, HP_MAJOR_NEGATIVE, (uint32_t)(-1 - value));
    } else {
        hp_cbor_expect(self, HP_MAJOR_UNSIGNED, (uint32_t)value);
    }
}

hp_span_t hp_cbor_bytes_under(hp_cbor_t *self, int32_t key)
{
    hp_cbor_expect_int(self, key);
    return hp_cbor_bytes(self);
}

void hp_cbor_expect_encoded(hp_cbor_t *self, const uint8_t *encoded, size_t size)
{
    if (left(self) < size || memcmp(self->cursor, encoded, size) != 0) {
        fail(self, HP_STATUS_MALFORMED);
    } else {
        self->cursor += size;
    }
}

void hp_cbor_expect_text(hp_cbor_t *self, const char *text)
{
    if (!hp_span_equal(next_of(self, 1U << HP_MAJOR_TEXT).content, text, hp_text_bytes(text))) {
        fail(self, HP_STATUS_MALFORMED);
    }
}

hp_status_t hp_cbor_end(const hp_cbor_t *self)
{
    if (self->status != HP_STATUS_OK) {
        return self->status;
    }
    return left(self) == 0U ? HP_STATUS_OK : HP_STATUS_MALFORMED;
}

/// A container under way in hp_cbor_check.
typedef struct level_t {
    uint32_t remaining; ///< items still to come: no more than bytes, of a map twice as many
    bool map;
    const uint8_t *key; ///< where the current key starts, NULL while a value is due
    hp_span_t last_key;
} level_t;

/// RFC 8949 section 4.2.1: bytewise lexicographic order of the keys' encodings, none twice.
static bool in_order(hp_span_t before, hp_span_t after)
{
    const size_t shorter = before.size < after.size ? before.size : after.size;
    const int order      = before.size == 0U ? -1 : memcmp(before.data, after.data, shorter);

    return order < 0 || (order == 0 && before.size < after.size);
}

/// Notes that an item of `level` ended at `end`; false if it was a key out of order.
static bool finish_item(level_t *level, const uint8_t *end)
{
    level->remaining--;
    if (!level->map) {
        return true;
    }
    if (level->remaining % 2U == 0U) { // a value ended: the next key starts here
        level->key = end;
        return true;
    }
    const hp_span_t key = {level->key, (size_t)(end - level->key)};
    const bool good     = in_order(level->last_key, key);
    level->last_key     = key;
    return good;
}

hp_status_t hp_cbor_check(hp_span_t data)
{
    hp_cbor_t reader                       = hp_cbor_over(data);
    level_t levels[HP_CBOR_DEPTH_MAX + 1U] = {{.remaining = 1}};
    uint32_t depth                         = 0;

    while (true) {
        const hp_item_t item = hp_cbor_next(&reader);
        if (reader.status != HP_STATUS_OK) {
            return reader.status;
        }
        const bool map       = item.major == HP_MAJOR_MAP;
        const bool nests     = map || item.major == HP_MAJOR_ARRAY || item.major == HP_MAJOR_TAG;
        const uint64_t count = item.major == HP_MAJOR_TAG ? 1U : item.argument;
        if (nests && count > 0U) {
            if (depth == HP_CBOR_DEPTH_MAX || count > data.size) { // each item takes a byte at least
                return depth == HP_CBOR_DEPTH_MAX ? HP_STATUS_MALFORMED : HP_STATUS_TRUNCATED;
            }
            levels[++depth] = (level_t){
                .remaining = (uint32_t)(map ? 2U * count : count), .map = map, .key = reader.cursor};
            continue;
        }
        if (!finish_item(&levels[depth], reader.cursor)) {
            return HP_STATUS_MALFORMED;
        }
        while (levels[depth].remaining == 0U) {
            if (depth == 0U) {
                return hp_cbor_end(&reader);
            }
            depth--;
            if (!finish_item(&levels[depth], reader.cursor)) {
                return HP_STATUS_MALFORMED;
            }
        }
    }
}

// ------------------------------------------------ writing ------------------------------------------------

static void put(hp_cbor_writer_t *self, const uint8_t *data, uint32_t size)
{
    for (uint32_t index = 0; index < size; index++, self->written++) {
        if (self->written >= self->skip && self->written - self->skip < self->size) {
            self->data[self->written - self->skip] = data[index];
        }
    }
}

void hp_cbor_put_head(hp_cbor_writer_t *self, hp_major_t major, uint32_t argument)
{
    const uint8_t top = (uint8_t)((uint32_t)major << 5);
    uint32_t info     = argument;
    uint32_t width    = 0;
    uint8_t head[5];

    if (argument >= 24U) {
        info = 24;
        for (width = 1; width < 4U && argument >> (8U * width) != 0U; width *= 2U) {
            info++;
        }
    }
    hp_store_u32_big(head + 1, argument);
    head[4U - width] = (uint8_t)(top | info);
    put(self, head + 4U - width, 1U + width);
}

void hp_cbor_put_int(hp_cbor_writer_t *self, int32_t value)
{
    if (value < 0) {
        hp_cbor_put_head(self, HP_MAJOR_NEGATIVE, (uint32_t)(-1 - value));
    } else {
        hp_cbor_put_head(self, HP_MAJOR_UNSIGNED, (uint32_t)value);
    }
}

void hp_cbor_put_bytes(hp_cbor_writer_t *self, const void *data, uint32_t size)
{
    hp_cbor_put_head(self, HP_MAJOR_BYTES, size);
    put(self, data, size);
}

void hp_cbor_put_text(hp_cbor_writer_t *self, const char *text)
{
    const uint32_t size = hp_text_bytes(text);

    hp_cbor_put_head(self, HP_MAJOR_TEXT, size);
    put(self, (const uint8_t *)text, size);
}

void hp_cbor_put_bool(hp_cbor_writer_t *self, bool value)
{
    hp_cbor_put_head(self, HP_MAJOR_SIMPLE, value ? SIMPLE_TRUE : SIMPLE_FALSE);
}
