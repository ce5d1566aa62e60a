/// Stop 12 of 12. Sensor records as a radio or a bus would bring them: kind, length, then so many bytes of text.
///
/// Comes in: a record. Goes out: the reading it stands for. Next: parser.c
#ifndef HOTPATCH_BARE_PARSER_H
#define HOTPATCH_BARE_PARSER_H

#include <stddef.h>
#include <stdint.h>

#define READING_TEXT_BYTES 16U
#define RECORD_HEAD_BYTES  2U

typedef enum parse_result_t {
    PARSE_OK      = 0,
    PARSE_REFUSED = 1,
} parse_result_t;

/// Where readings of one kind are counted.
typedef struct channel_t {
    const char *name;
    uint32_t count;
} channel_t;

typedef struct reading_t {
    uint8_t text[READING_TEXT_BYTES];
    uint32_t text_bytes;
    channel_t *channel;
} reading_t;

/// The latest reading.
extern reading_t latest_reading;

/// Takes the record of `size` bytes apart into latest_reading and counts it. PARSE_REFUSED if it is cut short or of no
/// known kind.
parse_result_t parse_record(const uint8_t *record, size_t size);

#endif
