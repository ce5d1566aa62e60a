/// Stop 9 of 12. What SHA-256 and SHA-512 share: bytes gathered to blocks, the padding, the constants. In: bytes in pieces.
/// Out: whole blocks. Next: core/sha256.h
#ifndef HP_CORE_BLOCKS_H
#define HP_CORE_BLOCKS_H

#include <stddef.h>
#include <stdint.h>

/// Fractional parts of the roots of the first primes (FIPS 180-4, 4.2.3 and 5.3.5). SHA-256 has the upper halves of the same
/// numbers, of the first 64.
extern const uint64_t hp_cube_roots[80];
extern const uint64_t hp_square_roots[8];

/// A hash under way, the first part of it: where the others lie, so it is not copied. `state` is what `compress` knows.
typedef struct hp_blocks_t {
    void (*compress)(void *state, const uint8_t *block);
    void *state;
    uint8_t *block;
    uint32_t block_bytes; ///< 64 or 128
    uint64_t total_bytes;
} hp_blocks_t;

void hp_blocks_add(hp_blocks_t *self, const void *data, size_t size);

/// The last block or two: a one, zeros, and the number of bits in the last 8 bytes.
void hp_blocks_end(hp_blocks_t *self);

#endif
