/// Stop 12 of 12. The victim: this parser has a bug, and it stays, for patches/parser to repair.
///
/// It checks that a record's text has arrived whole, and never that it fits: a text of more than 20 bytes runs over the
/// pointer behind the buffer, which the parser follows next. Every core faults there.
/// Comes in: a record. Goes out: latest_reading. Next: main.c
#include "parser.h"

reading_t latest_reading;

static channel_t channels[] = {{.name = "temperature"}, {.name = "pressure"}, {.name = "label"}};

#define CHANNEL_COUNT (sizeof channels / sizeof channels[0])

/// Not inlined: the compiler would otherwise keep the pointer that the copy runs over in a register.
__attribute__((noinline)) static void copy_text(uint8_t *to, const uint8_t *from, size_t size)
{
    for (size_t i = 0U; i < size; i++) {
        to[i] = from[i];
    }
}

__attribute__((noinline, noclone)) static void count_reading(const reading_t *reading)
{
    reading->channel->count++;
}

__attribute__((noinline)) parse_result_t parse_record(const uint8_t *record, size_t size)
{
    if (size < RECORD_HEAD_BYTES || record[0] >= CHANNEL_COUNT || size - RECORD_HEAD_BYTES < record[1]) {
        return PARSE_REFUSED;
    }
    latest_reading.channel    = &channels[record[0]];
    latest_reading.text_bytes = record[1];
    copy_text(latest_reading.text, record + RECORD_HEAD_BYTES, record[1]);
    count_reading(&latest_reading);
    return PARSE_OK;
}
