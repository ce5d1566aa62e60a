/// Stop 9 of 12. The payload's own structure (spec/container.toml), and whether its sites may be patched. In: signed bytes.
/// Out: a status and where. Next: core/store.h
#ifndef HP_CORE_PAYLOAD_H
#define HP_CORE_PAYLOAD_H

#include "core/bytes.h"
#include "hotpatch/hotpatch.h"

/// HP_STATUS_BAD_PAYLOAD, _UNSUPPORTED, or an HP_STATUS_CHECK_* of one of its programs (self->detail: the instruction).
HP_MUST_CHECK hp_status_t hp_payload_check(hp_runtime_t *self, hp_span_t payload);

/// Of a payload that hp_payload_check accepted, for patch `patch_index`: HP_STATUS_ILLEGAL_SITE, _SITE_BYTES, _BAD_COPY,
/// _NO_TRIGGER; self->detail is the site's address.
HP_MUST_CHECK hp_status_t hp_payload_check_sites(hp_runtime_t *self, hp_span_t payload, uint32_t patch_index);

#endif
