/// Stop 9 of 12. SHA-256, HMAC-SHA-256 and CRC-32, small rather than fast. In: bytes in pieces. Out: a digest.
/// Next: core/sha512.c
#include "core/sha256.h"

#include <string.h>

#include "core/bytes.h"

static uint32_t rotate(uint32_t value, unsigned count)
{
    return (value >> count) | (value << (32U - count));
}

/// One block; the message schedule is kept as a ring of sixteen words to save stack.
static void compress(void *of_hash, const uint8_t *block)
{
    uint32_t *state = of_hash;
    uint32_t ring[16];
    uint32_t work[8];

    memcpy(work, state, sizeof work);
    for (unsigned round = 0; round < 64U; round++) {
        uint32_t *word = &ring[round & 15U];
        if (round < 16U) {
            *word = hp_load_u32_big(block + 4U * round);
        } else {
            const uint32_t old    = ring[(round + 1U) & 15U];
            const uint32_t recent = ring[(round + 14U) & 15U];
            *word += (rotate(old, 7) ^ rotate(old, 18) ^ (old >> 3)) + ring[(round + 9U) & 15U] +
                     (rotate(recent, 17) ^ rotate(recent, 19) ^ (recent >> 10));
        }
        const uint32_t e   = work[4];
        const uint32_t a   = work[0];
        const uint32_t one = work[7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) +
                             ((e & work[5]) ^ (~e & work[6])) + (uint32_t)(hp_cube_roots[round] >> 32) +
                             *word;
        const uint32_t two = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) +
                             ((a & work[1]) ^ (a & work[2]) ^ (work[1] & work[2]));
        memmove(work + 1, work, 7U * sizeof work[0]);
        work[4] += one;
        work[0] = one + two;
    }
    for (unsigned index = 0; index < 8U; index++) {
        state[index] += work[index];
    }
}

void hp_sha256_begin(hp_sha256_t *self)
{
    for (unsigned index = 0; index < 8U; index++) {
        self->state[index] = (uint32_t)(hp_square_roots[index] >> 32);
    }
    self->blocks = (hp_blocks_t){compress, self->state, self->block, HP_SHA256_BLOCK, 0};
}

void hp_sha256_add(hp_sha256_t *self, const void *data, size_t size)
{
    hp_blocks_add(&self->blocks, data, size);
}

void hp_sha256_end(hp_sha256_t *self, uint8_t digest[HP_SHA256_BYTES])
{
    hp_blocks_end(&self->blocks);
    for (unsigned index = 0; index < 8U; index++) {
        hp_store_u32_big(digest + 4U * index, self->state[index]);
    }
}

void hp_sha256(const void *data, size_t size, uint8_t digest[HP_SHA256_BYTES])
{
    hp_sha256_t hash;

    hp_sha256_begin(&hash);
    hp_sha256_add(&hash, data, size);
    hp_sha256_end(&hash, digest);
}

/// Starts a hash with the key's block, each byte changed by `pad`.
static void begin_keyed(hp_sha256_t *hash, const uint8_t *key, size_t key_bytes, uint8_t pad)
{
    uint8_t block[HP_SHA256_BLOCK];

    memset(block, pad, sizeof block);
    for (size_t index = 0; index < key_bytes && index < sizeof block; index++) {
        block[index] ^= key[index];
    }
    hp_sha256_begin(hash);
    hp_sha256_add(hash, block, sizeof block);
}

void hp_hmac_sha256(const uint8_t *key, size_t key_bytes, const void *first, size_t first_bytes,
                    const void *second, size_t second_bytes, uint8_t mac[HP_SHA256_BYTES])
{
    hp_sha256_t hash;

    begin_keyed(&hash, key, key_bytes, 0x36);
    hp_sha256_add(&hash, first, first_bytes);
    hp_sha256_add(&hash, second, second_bytes);
    hp_sha256_end(&hash, mac);
    begin_keyed(&hash, key, key_bytes, 0x5c);
    hp_sha256_add(&hash, mac, HP_SHA256_BYTES);
    hp_sha256_end(&hash, mac);
}

uint32_t hp_crc32(const void *data, size_t size)
{
    const uint8_t *cursor = data;
    uint32_t crc          = 0xffffffffU;

    for (size_t index = 0; index < size; index++) {
        crc ^= cursor[index];
        for (unsigned bit = 0; bit < 8U; bit++) {
            crc = (crc >> 1) ^ (0xedb88320U & (0U - (crc & 1U)));
        }
    }
    return ~crc;
}
