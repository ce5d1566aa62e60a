/// Stop 9 of 12. SHA-256, HMAC-SHA-256 and CRC-32. In: bytes in pieces. Out: a digest. Next: core/crypto.h
/// Sources: FIPS 180-4 (SHA-256), RFC 2104 (HMAC), ISO 3309 as zlib has it (CRC-32).
#ifndef HP_CORE_SHA256_H
#define HP_CORE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#include "core/blocks.h"

#define HP_SHA256_BYTES 32U
#define HP_SHA256_BLOCK 64U

typedef struct hp_sha256_t {
    hp_blocks_t blocks;
    uint32_t state[8];
    uint8_t block[HP_SHA256_BLOCK];
} hp_sha256_t;

void hp_sha256_begin(hp_sha256_t *self);
void hp_sha256_add(hp_sha256_t *self, const void *data, size_t size);
void hp_sha256_end(hp_sha256_t *self, uint8_t digest[HP_SHA256_BYTES]);

/// The digest of one piece.
void hp_sha256(const void *data, size_t size, uint8_t digest[HP_SHA256_BYTES]);

/// HMAC under `key` (at most one block long) of two pieces.
void hp_hmac_sha256(const uint8_t *key, size_t key_bytes, const void *first, size_t first_bytes,
                    const void *second, size_t second_bytes, uint8_t mac[HP_SHA256_BYTES]);

/// CRC-32 of `size` bytes.
uint32_t hp_crc32(const void *data, size_t size);

#endif
