/// Stop 9 of 12. SHA-256, HMAC-SHA-256 and CRC-32, small rather than fast. In: bytes in pieces. Out: a digest.
/// Next: core/sha512.c
#include "core/sha256.h"

#include <string.h>

#include "core/bytes.h"

static const uint32_t round_constants[64] = {
    0x428a2f98U, 0x71374491U, 0xb5c0fbcfU, 0xe9b5dba5U, 0x3956c25bU, 0x59f111f1U, 0x923f82a4U, 0xab1c5ed5U,
    0xd807aa98U, 0x12835b01U, 0x243185beU, 0x550c7dc3U, 0x72be5d74U, 0x80deb1feU, 0x9bdc06a7U, 0xc19bf174U,
    0xe49b69c1U, 0xefbe4786U, 0x0fc19dc6U, 0x240ca1ccU, 0x2de92c6fU, 0x4a7484aaU, 0x5cb0a9dcU, 0x76f988daU,
    0x983e5152U, 0xa831c66dU, 0xb00327c8U, 0xbf597fc7U, 0xc6e00bf3U, 0xd5a79147U, 0x06ca6351U, 0x14292967U,
    0x27b70a85U, 0x2e1b2138U, 0x4d2c6dfcU, 0x53380d13U, 0x650a7354U, 0x766a0abbU, 0x81c2c92eU, 0x92722c85U,
    0xa2bfe8a1U, 0xa81a664bU, 0xc24b8b70U, 0xc76c51a3U, 0xd192e819U, 0xd6990624U, 0xf40e3585U, 0x106aa070U,
    0x19a4c116U, 0x1e376c08U, 0x2748774cU, 0x34b0bcb5U, 0x391c0cb3U, 0x4ed8aa4aU, 0x5b9cca4fU, 0x682e6ff3U,
    0x748f82eeU, 0x78a5636fU, 0x84c87814U, 0x8cc70208U, 0x90befffaU, 0xa4506cebU, 0xbef9a3f7U, 0xc67178f2U,
};

static uint32_t rotate(uint32_t value, unsigned count)
{
    return (value >> count) | (value << (32U - count));
}

/// One block; the message schedule is kept as a ring of sixteen words to save stack.
static void compress(uint32_t state[8], const uint8_t *block)
{
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
                             ((e & work[5]) ^ (~e & work[6])) + round_constants[round] + *word;
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
    static const uint32_t start[8] = {0x6a09e667U, 0xbb67ae85U, 0x3c6ef372U, 0xa54ff53aU,
                                      0x510e527fU, 0x9b05688cU, 0x1f83d9abU, 0x5be0cd19U};

    memcpy(self->state, start, sizeof start);
    self->total_bytes = 0;
}

void hp_sha256_add(hp_sha256_t *self, const void *data, size_t size)
{
    const uint8_t *cursor = data;

    while (size > 0U) {
        const size_t used = (size_t)(self->total_bytes % HP_SHA256_BLOCK);
        const size_t room = HP_SHA256_BLOCK - used;
        const size_t take = size < room ? size : room;
        memcpy(self->block + used, cursor, take);
        self->total_bytes += take;
        cursor += take;
        size -= take;
        if (take == room) {
            compress(self->state, self->block);
        }
    }
}

void hp_sha256_end(hp_sha256_t *self, uint8_t digest[HP_SHA256_BYTES])
{
    static const uint8_t padding[HP_SHA256_BLOCK] = {0x80};
    const uint64_t bits                           = self->total_bytes * 8U;
    const size_t used                             = (size_t)(self->total_bytes % HP_SHA256_BLOCK);
    uint8_t length[8];

    hp_sha256_add(self, padding, used < 56U ? 56U - used : 120U - used);
    hp_store_u64_big(length, bits);
    hp_sha256_add(self, length, sizeof length);
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
