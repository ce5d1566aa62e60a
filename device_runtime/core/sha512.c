/// Stop 9 of 12. SHA-512 (FIPS 180-4), small rather than fast. In: bytes in pieces. Out: a digest. Next: core/crypto.c
#include "core/sha512.h"

#include <string.h>

#include "core/bytes.h"

static uint64_t rotate(uint64_t value, unsigned count)
{
    return (value >> count) | (value << (64U - count));
}

/// One block; the message schedule is kept as a ring of sixteen words to save stack.
static void compress(void *of_hash, const uint8_t *block)
{
    uint64_t *state = of_hash;
    uint64_t ring[16];
    uint64_t work[8];

    memcpy(work, state, sizeof work);
    for (unsigned round = 0; round < 80U; round++) {
        uint64_t *word = &ring[round & 15U];
        if (round < 16U) {
            *word = hp_load_u64_big(block + 8U * round);
        } else {
            const uint64_t old    = ring[(round + 1U) & 15U];
            const uint64_t recent = ring[(round + 14U) & 15U];
            *word += (rotate(old, 1) ^ rotate(old, 8) ^ (old >> 7)) + ring[(round + 9U) & 15U] +
                     (rotate(recent, 19) ^ rotate(recent, 61) ^ (recent >> 6));
        }
        const uint64_t e   = work[4];
        const uint64_t a   = work[0];
        const uint64_t one = work[7] + (rotate(e, 14) ^ rotate(e, 18) ^ rotate(e, 41)) +
                             ((e & work[5]) ^ (~e & work[6])) + hp_cube_roots[round] + *word;
        const uint64_t two = (rotate(a, 28) ^ rotate(a, 34) ^ rotate(a, 39)) +
                             ((a & work[1]) ^ (a & work[2]) ^ (work[1] & work[2]));
        memmove(work + 1, work, 7U * sizeof work[0]);
        work[4] += one;
        work[0] = one + two;
    }
    for (unsigned index = 0; index < 8U; index++) {
        state[index] += work[index];
    }
}

void hp_sha512_begin(hp_sha512_t *self)
{
    memcpy(self->state, hp_square_roots, sizeof self->state);
    self->blocks = (hp_blocks_t){compress, self->state, self->block, HP_SHA512_BLOCK, 0};
}

void hp_sha512_add(hp_sha512_t *self, const void *data, size_t size)
{
    hp_blocks_add(&self->blocks, data, size);
}

void hp_sha512_end(hp_sha512_t *self, uint8_t digest[HP_SHA512_BYTES])
{
    hp_blocks_end(&self->blocks);
    for (unsigned index = 0; index < 8U; index++) {
        hp_store_u64_big(digest + 8U * index, self->state[index]);
    }
}
