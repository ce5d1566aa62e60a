/// Stop 9 of 12. CBOR, the deterministic subset of RFC 8949 section 4.2: shortest heads, definite lengths, keys in bytewise
/// order; no floating point. In: bytes. Out: items one at a time, or bytes. Next: core/suit.h
///
/// The reader remembers its first mistake; every later read gives nothing, so a caller asks once, at the end.
#ifndef HP_CORE_CBOR_H
#define HP_CORE_CBOR_H

#include <stdbool.h>
#include <stdint.h>

#include "core/bytes.h"
#include "hotpatch/port.h"

#define HP_CBOR_DEPTH_MAX 8U

/// Major types of RFC 8949 section 3.1.
typedef enum hp_major_t {
    HP_MAJOR_UNSIGNED = 0,
    HP_MAJOR_NEGATIVE = 1,
    HP_MAJOR_BYTES    = 2,
    HP_MAJOR_TEXT     = 3,
    HP_MAJOR_ARRAY    = 4,
    HP_MAJOR_MAP      = 5,
    HP_MAJOR_TAG      = 6,
    HP_MAJOR_SIMPLE   = 7,
} hp_major_t;

typedef struct hp_cbor_t {
    const uint8_t *cursor;
    const uint8_t *end;
    hp_status_t status; ///< HP_STATUS_OK until something was wrong
} hp_cbor_t;

/// One item's head, and the content of a string.
typedef struct hp_item_t {
    hp_major_t major;
    uint64_t argument; ///< value, length, count or tag
    hp_span_t content; ///< of bytes and text
} hp_item_t;

hp_cbor_t hp_cbor_over(hp_span_t data);

/// Reads one head (and a string's content). HP_STATUS_TRUNCATED if the bytes end early, HP_STATUS_MALFORMED if the head is
/// not deterministic CBOR; then the item is an unsigned zero.
hp_item_t hp_cbor_next(hp_cbor_t *self);

/// As hp_cbor_next, and HP_STATUS_MALFORMED unless the item is of that type (and has that argument).
uint64_t hp_cbor_unsigned(hp_cbor_t *self);
hp_span_t hp_cbor_bytes(hp_cbor_t *self);
void hp_cbor_expect(hp_cbor_t *self, hp_major_t major, uint32_t argument);
void hp_cbor_expect_int(hp_cbor_t *self, int32_t value);
void hp_cbor_expect_text(hp_cbor_t *self, const char *text);

/// HP_STATUS_MALFORMED unless the next `size` bytes are `encoded`, whole items.
void hp_cbor_expect_encoded(hp_cbor_t *self, const uint8_t *encoded, size_t size);

/// The byte string behind `key`, an integer.
hp_span_t hp_cbor_bytes_under(hp_cbor_t *self, int32_t key);

/// HP_STATUS_MALFORMED if bytes are left; else the reader's status.
HP_MUST_CHECK hp_status_t hp_cbor_end(const hp_cbor_t *self);

/// Whether `data` is exactly one deterministic item, nested at most HP_CBOR_DEPTH_MAX deep, every map's keys in bytewise
/// order and different. No recursion. HP_STATUS_TRUNCATED, HP_STATUS_MALFORMED.
HP_MUST_CHECK hp_status_t hp_cbor_check(hp_span_t data);

// ------------------------------------------------ writing ------------------------------------------------

/// Writes a stretch of a longer text: bytes before `skip` and behind `size` are counted only, so that an answer of any
/// length is made in pieces without a buffer for all of it.
typedef struct hp_cbor_writer_t {
    uint8_t *data;
    uint32_t size;
    uint32_t skip;
    uint32_t written; ///< of the whole text so far
} hp_cbor_writer_t;

void hp_cbor_put_head(hp_cbor_writer_t *self, hp_major_t major, uint32_t argument);
void hp_cbor_put_int(hp_cbor_writer_t *self, int32_t value);
void hp_cbor_put_bytes(hp_cbor_writer_t *self, const void *data, uint32_t size);
void hp_cbor_put_text(hp_cbor_writer_t *self, const char *text);
void hp_cbor_put_bool(hp_cbor_writer_t *self, bool value);

#endif
