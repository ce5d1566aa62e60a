/// Stop 9 of 12. SHA-512 (FIPS 180-4), as Ed25519 needs it. In: bytes in pieces. Out: a digest. Next: core/crypto.h
#ifndef HP_CORE_SHA512_H
#define HP_CORE_SHA512_H

#include <stddef.h>
#include <stdint.h>

#include "core/blocks.h"

#define HP_SHA512_BYTES 64U
#define HP_SHA512_BLOCK 128U

typedef struct hp_sha512_t {
    hp_blocks_t blocks;
    uint64_t state[8];
    uint8_t block[HP_SHA512_BLOCK];
} hp_sha512_t;

void hp_sha512_begin(hp_sha512_t *self);
void hp_sha512_add(hp_sha512_t *self, const void *data, size_t size);
void hp_sha512_end(hp_sha512_t *self, uint8_t digest[HP_SHA512_BYTES]);

#endif
