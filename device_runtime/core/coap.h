/// Stop 8 of 12. CoAP messages (RFC 7252) with Block1 and Block2 (RFC 7959). In: a message's bytes. Out: its parts; and the
/// other way round. Next: core/server.h
#ifndef HP_CORE_COAP_H
#define HP_CORE_COAP_H

#include <stdbool.h>
#include <stdint.h>

#include "core/bytes.h"

#define HP_COAP_PATH_MAX 5U ///< segments of the longest resource path, and one

typedef enum hp_coap_type_t {
    HP_COAP_CONFIRMABLE     = 0,
    HP_COAP_NON_CONFIRMABLE = 1,
    HP_COAP_ACKNOWLEDGEMENT = 2,
    HP_COAP_RESET           = 3,
} hp_coap_type_t;

// Codes of RFC 7252 section 12.1, as bytes: class in the upper three bits.
typedef enum hp_coap_code_t {
    HP_COAP_EMPTY    = 0,
    HP_COAP_GET      = 1,
    HP_COAP_POST     = 2,
    HP_COAP_PUT      = 3,
    HP_COAP_CONTENT  = 69, ///< 2.05
    HP_COAP_CONTINUE = 95, ///< 2.31
} hp_coap_code_t;

/// RFC 7959 section 2.2.
typedef struct hp_block_t {
    bool present;
    bool more;
    uint32_t number;
    uint32_t exponent; ///< SZX: the block has 2^(exponent + 4) bytes
} hp_block_t;

typedef struct hp_message_t {
    hp_coap_type_t type;
    uint8_t code;
    uint16_t message_id;
    hp_span_t token;
    uint32_t path_count; ///< may be more than HP_COAP_PATH_MAX; the rest is not kept
    hp_span_t path[HP_COAP_PATH_MAX];
    hp_block_t block1;
    hp_block_t block2;
    bool bad_option; ///< a critical option that this board does not know, or one with a bad value
    hp_span_t payload;
} hp_message_t;

/// Takes a message apart. False if it is none (RFC 7252 section 3: message format error); type, code and message_id are
/// then set if its first four bytes were good.
bool hp_coap_parse(hp_span_t data, hp_message_t *out);

/// Where an answer is written. `used` counts bytes written; the buffer is as large as the longest answer.
typedef struct hp_coap_writer_t {
    uint8_t *data;
    uint32_t size;
    uint32_t used;
    uint32_t last_option;
} hp_coap_writer_t;

void hp_coap_begin(hp_coap_writer_t *self, hp_coap_type_t type, uint8_t code, uint16_t message_id,
                   hp_span_t token);

/// Options must come in rising order of number.
void hp_coap_put_format(hp_coap_writer_t *self, uint32_t format);
void hp_coap_put_block1(hp_coap_writer_t *self, const hp_block_t *block);
void hp_coap_put_block2(hp_coap_writer_t *self, const hp_block_t *block);

/// The payload marker; where the payload goes is data + used.
void hp_coap_put_marker(hp_coap_writer_t *self);

#endif
