/// Stop 9 of 12. The container: a SUIT envelope (draft-ietf-suit-manifest, tag 107) of exactly one shape. In: its bytes.
/// Out: where its parts are, and what the signed manifest says. Next: core/admit.h
#ifndef HP_CORE_SUIT_H
#define HP_CORE_SUIT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/bytes.h"
#include "hotpatch/port.h"

/// The envelope's parts; nothing in it is trusted before the signature was checked.
typedef struct hp_envelope_t {
    hp_span_t digest;           ///< the SUIT_Digest array, as it is signed
    hp_span_t signature;        ///< 64 bytes
    hp_span_t wrapped_manifest; ///< with its byte string head, as the digest covers it
    hp_span_t manifest;
    hp_span_t payload; ///< data NULL: none
} hp_envelope_t;

/// What a manifest asks for.
typedef struct hp_manifest_t {
    bool undo; ///< take the patch out; else install it
    uint32_t sequence;
    hp_span_t id; ///< patch id: [a-z0-9_-], 1..HP_PATCH_ID_BYTES_MAX
    hp_span_t vendor_id;
    hp_span_t class_id;
    hp_span_t build_id;
    hp_span_t payload_digest; ///< install only
    uint32_t payload_bytes;   ///< install only
} hp_manifest_t;

/// Finds the parts of `container`. HP_STATUS_TRUNCATED, HP_STATUS_MALFORMED (trailing bytes too), HP_STATUS_UNSUPPORTED for
/// a signature algorithm other than Ed25519.
HP_MUST_CHECK hp_status_t hp_suit_open(hp_span_t container, hp_envelope_t *out);

/// HP_STATUS_OK if one of `key_count` public keys signed the envelope's digest, and the manifest has that digest.
/// HP_STATUS_BAD_SIGNATURE, HP_STATUS_BAD_DIGEST.
HP_MUST_CHECK hp_status_t hp_suit_verify(const hp_envelope_t *envelope, const uint8_t *keys,
                                         uint32_t key_count);

/// Reads a manifest whose signature is good. HP_STATUS_MALFORMED unless it is an install or an undo of the one shape that
/// this board accepts.
HP_MUST_CHECK hp_status_t hp_suit_read(const hp_envelope_t *envelope, hp_manifest_t *out);

#endif
