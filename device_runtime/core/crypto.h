/// Stop 9 of 12. Who signed these bytes: Ed25519 (RFC 8032) over Monocypher's curve arithmetic. In: a key, a signature and a
/// message in pieces. Out: a word that only two agreeing checks can make. Next: core/suit.h
#ifndef HP_CORE_CRYPTO_H
#define HP_CORE_CRYPTO_H

#include <stdbool.h>
#include <stdint.h>

#include "core/bytes.h"

/// What hp_verify_twice gives for a good signature; each check alone gives neither this nor zero.
#define HP_SIGNATURE_GOOD 0x996ce3a5U

/// Checks `signature` (64 bytes) by `public_key` (32 bytes) over the bytes of `first` followed by `second`, twice, so that
/// one skipped instruction cannot accept a forgery. Returns HP_SIGNATURE_GOOD or another word. Cost: two verifications
/// (about 2.5 million cycles each on a Cortex-M4), 2 KB of stack.
uint32_t hp_verify_twice(const uint8_t *public_key, const uint8_t *signature, hp_span_t first,
                         hp_span_t second);

/// Whether two secrets are equal, in a time that does not depend on where they differ.
bool hp_secret_equal(const uint8_t *one, const uint8_t *two, uint32_t bytes);

#endif
