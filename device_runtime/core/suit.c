/// Stop 9 of 12. Opens, verifies and reads a SUIT envelope. In: a container's bytes. Out: a manifest's facts.
/// Next: core/admit.c
#include "core/suit.h"

#include "core/cbor.h"
#include "core/crypto.h"
#include "core/sha256.h"

#define SIGNATURE_BYTES 64U
#define DIGEST_BYTES    (sizeof digest_head + HP_SHA256_BYTES)

/// [-16, bytes of 32]: a SUIT_Digest by SHA-256, up to the hash itself.
static const uint8_t digest_head[4] = {0x82, 0x2f, 0x58, 0x20};

/// COSE_Sign1 up to its signature: tag 18, [<< {1: -19} >>, {}, null, bytes of 64].
static const uint8_t sign1_head[10] = {0xd2, 0x84, 0x43, 0xa1, 0x01, 0x32, 0xa0, 0xf6, 0x58, 0x40};

/// Where the algorithm stands in it.
#define SIGN1_ALGORITHM_AT 5U

/// RFC 9052 section 4.4, Sig_structure up to the signed digest: ["Signature1", << {1: -19} >>, b"", bytes of 36].
static const uint8_t signed_head[] = {0x84, 0x6a, 'S',  'i',  'g',  'n',  'a',  't',  'u', 'r',
                                      'e',  '1',  0x43, 0xa1, 0x01, 0x32, 0x40, 0x58, 0x24};

// What never differs in a manifest, as it is encoded.

/// A patch: 7: << [3, 15] >>, 9: << [23, 2] >>, 20: << [20, {21: "#patch"}, 21, 2, 3, 15] >>: image match; invoke; set uri,
/// fetch, image match.
static const uint8_t patch_commands[] = {0x07, 0x43, 0x82, 0x03, 0x0f, 0x09, 0x43, 0x82, 0x17,
                                         0x02, 0x14, 0x4f, 0x86, 0x14, 0xa1, 0x15, 0x66, '#',
                                         'p',  'a',  't',  'c',  'h',  0x15, 0x02, 0x03, 0x0f};

/// An undo: 20: << [33, 2] >>: unlink.
static const uint8_t undo_commands[] = {0x14, 0x44, 0x82, 0x18, 0x21, 0x02};

/// Conditions of both: 1, 15, 2, 15, -257, 15.
static const uint8_t conditions[] = {0x01, 0x0f, 0x02, 0x0f, 0x39, 0x01, 0x00, 0x0f};

/// {2: [["hp", id]], 4: ...} up to the id.
static const uint8_t common_head[] = {0xa2, 0x02, 0x81, 0x82, 0x42, 'h', 'p'};

_Static_assert(HP_SUIT_MANIFEST_VALIDATE == 7 && HP_SUIT_MANIFEST_INVOKE == 9 &&
                   HP_SUIT_MANIFEST_INSTALL == 20 && HP_SUIT_CONDITION_VENDOR == 1 &&
                   HP_SUIT_CONDITION_CLASS == 2 && HP_SUIT_BUILD_ID == -257 && HP_SUIT_COMMON_COMPONENTS == 2,
               "what is encoded above");

/// The byte string behind `key`, which must hold exactly `size` bytes.
static hp_span_t bytes_of(hp_cbor_t *reader, int32_t key, size_t size)
{
    const hp_span_t content = hp_cbor_bytes_under(reader, key);

    if (content.size != size && reader->status == HP_STATUS_OK) {
        reader->status = HP_STATUS_MALFORMED;
    }
    return content;
}

static uint32_t unsigned_under(hp_cbor_t *reader, int32_t key)
{
    hp_cbor_expect_int(reader, key);
    const uint64_t value = hp_cbor_unsigned(reader);

    if (value > UINT32_MAX) {
        reader->status = HP_STATUS_MALFORMED;
    }
    return (uint32_t)value;
}

/// [<< SUIT_Digest >>, << COSE_Sign1 >>]
static hp_status_t open_authentication(hp_span_t wrapper, hp_envelope_t *out)
{
    hp_cbor_t reader = hp_cbor_over(wrapper);

    hp_cbor_expect(&reader, HP_MAJOR_ARRAY, 2);
    out->digest           = hp_cbor_bytes(&reader);
    const hp_span_t sign1 = hp_cbor_bytes(&reader);
    if (hp_cbor_end(&reader) != HP_STATUS_OK) {
        return HP_STATUS_MALFORMED; // inside a byte string of known length nothing is "still to come"
    }
    if (out->digest.size != DIGEST_BYTES || memcmp(out->digest.data, digest_head, sizeof digest_head) != 0) {
        return HP_STATUS_MALFORMED;
    }
    if (sign1.size != sizeof sign1_head + SIGNATURE_BYTES) {
        return HP_STATUS_MALFORMED;
    }
    if (memcmp(sign1.data, sign1_head, SIGN1_ALGORITHM_AT) == 0 &&
        sign1.data[SIGN1_ALGORITHM_AT] != sign1_head[SIGN1_ALGORITHM_AT]) {
        return HP_STATUS_UNSUPPORTED;
    }
    if (memcmp(sign1.data, sign1_head, sizeof sign1_head) != 0) {
        return HP_STATUS_MALFORMED;
    }
    out->signature = (hp_span_t){sign1.data + sizeof sign1_head, SIGNATURE_BYTES};
    return HP_STATUS_OK;
}

hp_status_t hp_suit_open(hp_span_t container, hp_envelope_t *out)
{
    hp_cbor_t reader = hp_cbor_over(container);

    *out = (hp_envelope_t){0};
    hp_cbor_expect(&reader, HP_MAJOR_TAG, HP_SUIT_TAG_ENVELOPE);
    const hp_item_t map = hp_cbor_next(&reader);
    if (reader.status == HP_STATUS_OK &&
        (map.major != HP_MAJOR_MAP || map.argument < 2U || map.argument > 3U)) {
        return HP_STATUS_MALFORMED;
    }
    const hp_span_t wrapper = hp_cbor_bytes_under(&reader, HP_SUIT_ENVELOPE_AUTHENTICATION);
    hp_cbor_expect_int(&reader, HP_SUIT_ENVELOPE_MANIFEST);
    const uint8_t *start  = reader.cursor;
    out->manifest         = hp_cbor_bytes(&reader);
    out->wrapped_manifest = (hp_span_t){start, (size_t)(reader.cursor - start)};
    if (map.argument == 3U) {
        hp_cbor_expect_text(&reader, "#patch");
        out->payload = hp_cbor_bytes(&reader);
    }
    const hp_status_t status = hp_cbor_end(&reader);
    return status == HP_STATUS_OK ? open_authentication(wrapper, out) : status;
}

hp_status_t hp_suit_verify(const hp_envelope_t *envelope, const uint8_t *keys, uint32_t key_count)
{
    const hp_span_t head   = {signed_head, sizeof signed_head};
    volatile uint32_t word = 0;
    uint8_t digest[HP_SHA256_BYTES];

    for (uint32_t index = 0; index < key_count && word != HP_SIGNATURE_GOOD; index++) {
        word = hp_verify_twice(keys + index * HP_PUBLIC_KEY_BYTES, envelope->signature.data, head,
                               envelope->digest);
    }
    if (word != HP_SIGNATURE_GOOD) {
        return HP_STATUS_BAD_SIGNATURE;
    }
    hp_sha256(envelope->wrapped_manifest.data, envelope->wrapped_manifest.size, digest);
    if (memcmp(digest, envelope->digest.data + sizeof digest_head, sizeof digest) != 0) {
        return HP_STATUS_BAD_DIGEST;
    }
    return word == HP_SIGNATURE_GOOD ? HP_STATUS_OK : HP_STATUS_BAD_SIGNATURE;
}

static bool is_patch_id(hp_span_t id)
{
    if (id.size == 0U || id.size > HP_PATCH_ID_BYTES_MAX) {
        return false;
    }
    for (size_t index = 0; index < id.size; index++) {
        const uint8_t c = id.data[index];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-')) {
            return false;
        }
    }
    return true;
}

/// {1: vendor, 2: class, 3: << SUIT_Digest >>, 14: size, -257: build-id}, an undo without 3 and 14.
static void read_parameters(hp_cbor_t *reader, hp_manifest_t *out)
{
    hp_cbor_expect(reader, HP_MAJOR_MAP, out->undo ? 3U : 5U);
    out->vendor_id = bytes_of(reader, HP_SUIT_PARAMETER_VENDOR, 16);
    out->class_id  = bytes_of(reader, HP_SUIT_PARAMETER_CLASS, 16);
    if (!out->undo) {
        const hp_span_t digest = bytes_of(reader, HP_SUIT_PARAMETER_DIGEST, DIGEST_BYTES);
        if (reader->status == HP_STATUS_OK && memcmp(digest.data, digest_head, sizeof digest_head) != 0) {
            reader->status = HP_STATUS_MALFORMED;
        }
        if (reader->status == HP_STATUS_OK) {
            out->payload_digest = (hp_span_t){digest.data + sizeof digest_head, HP_SHA256_BYTES};
        }
        out->payload_bytes = unsigned_under(reader, HP_SUIT_PARAMETER_SIZE);
    }
    out->build_id = hp_cbor_bytes_under(reader, HP_SUIT_BUILD_ID);
}

/// [20, parameters, 1, 15, 2, 15, -257, 15]
static hp_status_t read_shared_sequence(hp_span_t sequence, hp_manifest_t *out)
{
    hp_cbor_t reader = hp_cbor_over(sequence);

    hp_cbor_expect(&reader, HP_MAJOR_ARRAY, 8);
    hp_cbor_expect_int(&reader, HP_SUIT_DIRECTIVE_OVERRIDE_PARAMETERS);
    read_parameters(&reader, out);
    hp_cbor_expect_encoded(&reader, conditions, sizeof conditions);
    return hp_cbor_end(&reader);
}

/// {2: [["hp", id]], 4: << shared sequence >>}
static hp_status_t read_common(hp_span_t common, hp_manifest_t *out)
{
    hp_cbor_t reader = hp_cbor_over(common);

    hp_cbor_expect_encoded(&reader, common_head, sizeof common_head);
    out->id                  = hp_cbor_bytes(&reader);
    const hp_span_t sequence = hp_cbor_bytes_under(&reader, HP_SUIT_COMMON_SHARED_SEQUENCE);
    const hp_status_t status = hp_cbor_end(&reader);
    if (status != HP_STATUS_OK) {
        return status;
    }
    if (!is_patch_id(out->id)) {
        return HP_STATUS_MALFORMED;
    }
    return read_shared_sequence(sequence, out);
}

hp_status_t hp_suit_read(const hp_envelope_t *envelope, hp_manifest_t *out)
{
    hp_cbor_t reader = hp_cbor_over(envelope->manifest);

    *out = (hp_manifest_t){.undo = envelope->payload.data == NULL};
    if (hp_cbor_check(envelope->manifest) != HP_STATUS_OK) {
        return HP_STATUS_MALFORMED;
    }
    hp_cbor_expect(&reader, HP_MAJOR_MAP, out->undo ? 4U : 6U);
    hp_cbor_expect_int(&reader, HP_SUIT_MANIFEST_VERSION);
    hp_cbor_expect_int(&reader, 1);
    out->sequence          = unsigned_under(&reader, HP_SUIT_MANIFEST_SEQUENCE);
    const hp_span_t common = hp_cbor_bytes_under(&reader, HP_SUIT_MANIFEST_COMMON);
    if (out->undo) {
        hp_cbor_expect_encoded(&reader, undo_commands, sizeof undo_commands);
    } else {
        hp_cbor_expect_encoded(&reader, patch_commands, sizeof patch_commands);
    }
    if (hp_cbor_end(&reader) != HP_STATUS_OK || read_common(common, out) != HP_STATUS_OK) {
        return HP_STATUS_MALFORMED;
    }
    return HP_STATUS_OK;
}
