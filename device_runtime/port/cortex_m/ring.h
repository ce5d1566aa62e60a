/// Stop 8 of 12. A queue of bytes between one writer and one reader, each of which may interrupt the other.
///
/// Comes in: bytes. Goes out: the same bytes, in order. Next: system.c
#ifndef HOTPATCH_CORTEX_M_RING_H
#define HOTPATCH_CORTEX_M_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// `bytes` holds `size` bytes, a power of two. Both counts only grow, so that full and empty differ.
typedef struct hp_ring_t {
    uint8_t *bytes;
    uint32_t size;
    uint32_t written;
    uint32_t taken;
} hp_ring_t;

static inline uint32_t hp_ring_used(const hp_ring_t *ring)
{
    return __atomic_load_n(&ring->written, __ATOMIC_ACQUIRE) -
           __atomic_load_n(&ring->taken, __ATOMIC_ACQUIRE);
}

static inline uint32_t hp_ring_free(const hp_ring_t *ring)
{
    return ring->size - hp_ring_used(ring);
}

/// False if the ring is full.
static inline bool hp_ring_put(hp_ring_t *ring, uint8_t byte)
{
    uint32_t written = ring->written;
    if (hp_ring_free(ring) == 0U) {
        return false;
    }
    ring->bytes[written & (ring->size - 1U)] = byte;
    __atomic_store_n(&ring->written, written + 1U, __ATOMIC_RELEASE);
    return true;
}

/// The next byte, or -1 if the ring is empty.
static inline int hp_ring_take(hp_ring_t *ring)
{
    uint32_t taken = ring->taken;
    if (hp_ring_used(ring) == 0U) {
        return -1;
    }
    uint8_t byte = ring->bytes[taken & (ring->size - 1U)];
    __atomic_store_n(&ring->taken, taken + 1U, __ATOMIC_RELEASE);
    return byte;
}

/// Up to `room` bytes; how many there were.
static inline size_t hp_ring_take_many(hp_ring_t *ring, uint8_t *out, size_t room)
{
    size_t size = 0U;
    while (size < room) {
        int byte = hp_ring_take(ring);
        if (byte < 0) {
            break;
        }
        out[size++] = (uint8_t)byte;
    }
    return size;
}

#endif
