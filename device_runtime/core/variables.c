/// Stops 10 to 12 of 12. A patch's variables: an equal share of the board's RAM for each slot. In: a payload and its slot. Out:
/// a region, with the initial values when it starts. Next: core/trigger.c
#include "core/variables.h"

#include "core/bytes.h"

static uint8_t *share_of(const hp_runtime_t *self, uint32_t slot)
{
    return self->variables + slot * self->variables_share;
}

/// The payload's map record; NULL if it has none.
static const uint8_t *record_of(const uint8_t *payload)
{
    const uint8_t *record = payload + hp_load_u32(payload + HP_PAYLOAD_HEADER_MAPS_OFFSET);

    return hp_load_u32(payload + HP_PAYLOAD_HEADER_MAPS_BYTES) == 0U ? NULL : record;
}

uint32_t hp_variables_bytes(const uint8_t *payload)
{
    const uint8_t *record = record_of(payload);

    return record == NULL ? 0U : hp_load_u32(record + HP_MAP_VALUE_BYTES);
}

void hp_variables_start(hp_runtime_t *self, uint32_t slot, const uint8_t *payload)
{
    const uint8_t *record = record_of(payload);

    if (record == NULL) {
        return; // a board may have no RAM for variables at all
    }
    const uint32_t initial = hp_load_u32(record + HP_MAP_INITIAL_BYTES);
    const uint8_t *data    = payload + hp_load_u32(payload + HP_PAYLOAD_HEADER_DATA_OFFSET);
    const uint8_t *end     = data + hp_load_u32(payload + HP_PAYLOAD_HEADER_DATA_BYTES);
    memcpy(share_of(self, slot), end - initial, initial);
    memset(share_of(self, slot) + initial, 0, hp_variables_bytes(payload) - initial);
}

void hp_variables_of(const hp_runtime_t *self, uint32_t slot, const uint8_t *payload, hp_region_t *region)
{
    uint8_t *share = share_of(self, slot);

    *region = (hp_region_t){hp_seen_at(share, 0xf3000000U + slot * self->variables_share),
                            hp_variables_bytes(payload), share};
}
