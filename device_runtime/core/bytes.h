/// Stops 8 to 11 of 12. Numbers in bytes: the only place where wider numbers are read from or written to memory that came
/// from outside. In: little-endian (payload, journal) or big-endian (CoAP, CBOR) bytes. Out: numbers. Next: core/coap.h
#ifndef HP_CORE_BYTES_H
#define HP_CORE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/// `size` bytes that belong to somebody else.
typedef struct hp_span_t {
    const uint8_t *data;
    size_t size;
} hp_span_t;

// Little-endian, as every core is: where words may lie at any address the compiler makes one load or store of these bytes,
// but counts them as many and would rather call them. Without that (ARMv6-M) a call is smaller indeed.
#ifdef __ARM_FEATURE_UNALIGNED
#define HP_ONE_ACCESS static inline __attribute__((always_inline))
#else
#define HP_ONE_ACCESS static inline
#endif

HP_ONE_ACCESS uint16_t hp_load_u16(const uint8_t *data)
{
    return (uint16_t)(data[0] | (uint16_t)(data[1] << 8));
}

HP_ONE_ACCESS uint32_t hp_load_u32(const uint8_t *data)
{
    return (uint32_t)hp_load_u16(data) | ((uint32_t)hp_load_u16(data + 2) << 16);
}

HP_ONE_ACCESS void hp_store_u16(uint8_t *data, uint16_t value)
{
    data[0] = (uint8_t)value;
    data[1] = (uint8_t)(value >> 8);
}

HP_ONE_ACCESS void hp_store_u32(uint8_t *data, uint32_t value)
{
    hp_store_u16(data, (uint16_t)value);
    hp_store_u16(data + 2, (uint16_t)(value >> 16));
}

static inline uint32_t hp_load_u32_big(const uint8_t *data)
{
    return ((uint32_t)data[0] << 24) | ((uint32_t)data[1] << 16) | ((uint32_t)data[2] << 8) | data[3];
}

static inline void hp_store_u32_big(uint8_t *data, uint32_t value)
{
    for (unsigned index = 0; index < 4U; index++) {
        data[index] = (uint8_t)(value >> (24U - 8U * index));
    }
}

static inline uint64_t hp_load_u64_big(const uint8_t *data)
{
    return ((uint64_t)hp_load_u32_big(data) << 32) | hp_load_u32_big(data + 4);
}

static inline void hp_store_u64_big(uint8_t *data, uint64_t value)
{
    hp_store_u32_big(data, (uint32_t)(value >> 32));
    hp_store_u32_big(data + 4, (uint32_t)value);
}

/// True if both spans hold the same bytes. Not for secrets.
static inline bool hp_span_equal(hp_span_t one, const void *data, size_t size)
{
    return one.size == size && (size == 0U || memcmp(one.data, data, size) == 0);
}

/// Bytes of NUL-terminated text before its end.
static inline uint32_t hp_text_bytes(const char *text)
{
    uint32_t size = 0;

    while (text[size] != '\0') {
        size++;
    }
    return size;
}

/// True if `size` bytes from `address` on lie inside `bytes` bytes from `start` on; nothing wraps.
static inline bool hp_inside(uint32_t address, uint32_t size, uint32_t start, uint32_t bytes)
{
    return address >= start && size <= bytes && address - start <= bytes - size;
}

/// True if the two stretches of memory share a byte; neither may wrap.
static inline bool hp_overlap(uint32_t one, uint32_t one_bytes, uint32_t two, uint32_t two_bytes)
{
    return one < two + two_bytes && two < one + one_bytes;
}

/// `bytes` rounded up to a multiple of eight, the unit of the payload and of flash.
static inline uint32_t hp_align8(uint32_t bytes)
{
    return (bytes + 7U) & ~7U;
}

#endif
