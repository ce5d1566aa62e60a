/// Stop 12 of 12. The interpreter's arithmetic where C's own is not RFC 9669's: shifts, division, extension, byte order.
/// In: operands. Out: what the instruction leaves in its register. Part of core/vm.c. Next: core/vm.c
#ifndef HP_CORE_VM_ARITHMETIC_H
#define HP_CORE_VM_ARITHMETIC_H

#include <stdbool.h>
#include <stdint.h>

static inline uint64_t shift_right_signed64(const uint64_t value, const uint32_t count)
{
    return (uint64_t)((int64_t)value >> (count & 63U));
}

static inline uint32_t shift_right_signed32(const uint32_t value, const uint32_t count)
{
    return (uint32_t)((int32_t)value >> (count & 31U));
}

static inline uint64_t magnitude64(const uint64_t value)
{
    return ((int64_t)value < 0) ? (0U - value) : value;
}

static inline uint32_t magnitude32(const uint32_t value)
{
    return ((int32_t)value < 0) ? (0U - value) : value;
}

/// RFC 9669 section 4.1: x / 0 is 0, and the most negative number / -1 is itself. Signed division goes through magnitudes,
/// which gives that without a case of its own.
static __attribute__((noinline)) uint64_t divide64(const uint64_t x, const uint64_t y, const bool is_signed)
{
    if (y == 0U) {
        return 0U;
    }
    if (!is_signed) {
        return x / y;
    }
    const uint64_t quotient = magnitude64(x) / magnitude64(y);
    return ((int64_t)(x ^ y) < 0) ? (0U - quotient) : quotient;
}

/// x % 0 is x; the sign is that of x.
static __attribute__((noinline)) uint64_t modulo64(const uint64_t x, const uint64_t y, const bool is_signed)
{
    if (y == 0U) {
        return x;
    }
    if (!is_signed) {
        return x % y;
    }
    const uint64_t rest = magnitude64(x) % magnitude64(y);
    return ((int64_t)x < 0) ? (0U - rest) : rest;
}

static __attribute__((noinline)) uint32_t divide32(const uint32_t x, const uint32_t y, const bool is_signed)
{
    if (y == 0U) {
        return 0U;
    }
    if (!is_signed) {
        return x / y;
    }
    const uint32_t quotient = magnitude32(x) / magnitude32(y);
    return ((int32_t)(x ^ y) < 0) ? (0U - quotient) : quotient;
}

static __attribute__((noinline)) uint32_t modulo32(const uint32_t x, const uint32_t y, const bool is_signed)
{
    if (y == 0U) {
        return x;
    }
    if (!is_signed) {
        return x % y;
    }
    const uint32_t rest = magnitude32(x) % magnitude32(y);
    return ((int32_t)x < 0) ? (0U - rest) : rest;
}

/// mov's sign-extending forms; `bits` is the instruction's offset field.
static inline uint64_t extend(const uint64_t value, const int32_t bits)
{
    if (__builtin_expect(bits == 0, true)) {
        return value;
    }
    switch (bits) {
    case 8: return (uint64_t)(int64_t)(int8_t)value;
    case 16: return (uint64_t)(int64_t)(int16_t)value;
    case 32: return (uint64_t)(int64_t)(int32_t)value;
    default: return value;
    }
}

static __attribute__((noinline)) uint64_t truncate(const uint64_t value, const uint32_t bits)
{
    return (bits == 64U) ? value : (value & ((1ULL << bits) - 1U));
}

static __attribute__((noinline)) uint64_t swap_bytes(const uint64_t value, const uint32_t bits)
{
    switch (bits) {
    case 16: return __builtin_bswap16((uint16_t)value);
    case 32: return __builtin_bswap32((uint32_t)value);
    default: return __builtin_bswap64(value);
    }
}

#endif
