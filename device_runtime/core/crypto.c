/// Stop 9 of 12. Ed25519 verification, done twice with unlike results. In: key, signature, message. Out: a word.
/// Next: core/suit.c
#include "core/crypto.h"

#include "core/sha512.h"
#include "monocypher.h"

/// Made only by the first and only by the second check; their exclusive-or is HP_SIGNATURE_GOOD.
#define FIRST_GOOD  0x3ca5965aU
#define SECOND_GOOD 0xa5c975ffU

_Static_assert((FIRST_GOOD ^ SECOND_GOOD) == HP_SIGNATURE_GOOD, "two checks make one word");

/// `good` if the signature holds, its complement if not. RFC 8032 section 5.1.7: h = SHA-512(R || A || message).
static uint32_t verify_once(const uint8_t *public_key, const uint8_t *signature, hp_span_t first,
                            hp_span_t second, uint32_t good)
{
    hp_sha512_t hash;
    uint8_t digest[HP_SHA512_BYTES];
    uint8_t scalar[32];

    hp_sha512_begin(&hash);
    hp_sha512_add(&hash, signature, 32);
    hp_sha512_add(&hash, public_key, 32);
    hp_sha512_add(&hash, first.data, first.size);
    hp_sha512_add(&hash, second.data, second.size);
    hp_sha512_end(&hash, digest);
    crypto_eddsa_reduce(scalar, digest);
    const volatile int failed = crypto_eddsa_check_equation(signature, public_key, scalar);
    if (failed != 0) {
        return ~good;
    }
    return failed == 0 ? good : ~good;
}

uint32_t hp_verify_twice(const uint8_t *public_key, const uint8_t *signature, hp_span_t first,
                         hp_span_t second)
{
    const volatile uint32_t one = verify_once(public_key, signature, first, second, FIRST_GOOD);
    const volatile uint32_t two = verify_once(public_key, signature, first, second, SECOND_GOOD);

    // Two refusals would cancel to the good word too, so each is also asked alone.
    if (one != FIRST_GOOD || two != SECOND_GOOD) {
        return 0;
    }
    return one ^ two;
}

bool hp_secret_equal(const uint8_t *one, const uint8_t *two, uint32_t bytes)
{
    volatile uint8_t difference = 0;

    for (uint32_t index = 0; index < bytes; index++) {
        difference = (uint8_t)(difference | (one[index] ^ two[index]));
    }
    return difference == 0U;
}
