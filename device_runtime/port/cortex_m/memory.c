/// Stop 12 of 12. The runtime's own mem* functions: the firmware's may be patched, and a patch of what a hit runs would
/// call itself for ever. Made local when the runtime is linked into one object (Makefile).
///
/// Comes in: what the compiler and the core call. Goes out: the C library's four functions. Next: the caller
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
int memcmp(const void *left, const void *right, size_t size);

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    uint8_t *out      = to;
    const uint8_t *in = from;
    if ((((uintptr_t)out | (uintptr_t)in) & 3U) == 0U) {
        for (; size >= 4U; size -= 4U, out += 4, in += 4) {
            *(uint32_t *)(void *)out = *(const uint32_t *)(const void *)in;
        }
    }
    while (size-- > 0U) {
        *out++ = *in++;
    }
    return to;
}

void *memmove(void *to, const void *from, size_t size)
{
    uint8_t *out      = to;
    const uint8_t *in = from;
    if ((uintptr_t)out - (uintptr_t)in >= size) {
        return memcpy(to, from, size);
    }
    while (size-- > 0U) {
        out[size] = in[size];
    }
    return to;
}

void *memset(void *to, int value, size_t size)
{
    uint8_t *out        = to;
    const uint32_t four = (uint8_t)value * 0x01010101U;
    if (((uintptr_t)out & 3U) == 0U) {
        for (; size >= 4U; size -= 4U, out += 4) {
            *(uint32_t *)(void *)out = four;
        }
    }
    while (size-- > 0U) {
        *out++ = (uint8_t)value;
    }
    return to;
}

int memcmp(const void *left, const void *right, size_t size)
{
    const uint8_t *a = left;
    const uint8_t *b = right;
    for (; size > 0U; size--, a++, b++) {
        if (*a != *b) {
            return *a < *b ? -1 : 1;
        }
    }
    return 0;
}
