/// Stops 8 to 12 of 12. The facade of include/hotpatch/hotpatch.h. In: calls of the port and the policy layer. Out: work for
/// the rest of core/. Next: core/slipmux.c
#include "hotpatch/hotpatch.h"

#include "core/admit.h"
#include "core/atomic.h"
#include "core/slipmux.h"
#include "core/store.h"

static void map_readable(hp_runtime_t *self)
{
    const hp_board_t *board = self->board;

    for (uint32_t index = 0; index < board->readable_count && index < HP_READABLE_MAX; index++) {
        const hp_range_t *range = &board->readable[index];
        const void *memory      = self->port->memory(self->port->context, range->address, range->bytes);
        if (memory != NULL) {
            // Readable only: the engine never writes to these regions.
            self->readable[self->readable_count++] =
                (hp_region_t){range->address, range->bytes, (uint8_t *)(uintptr_t)memory};
        }
    }
}

static void share_variables(hp_runtime_t *self, const hp_config_t *config)
{
    const uint32_t slots = self->board->slot_count;

    self->variables       = config->variables;
    self->variables_share = slots == 0U ? 0U : (config->variables_bytes / slots) & ~7U;
}

hp_status_t hp_init(hp_runtime_t *self, const hp_config_t *config)
{
    memset(self, 0, sizeof *self);
    self->port           = config->port;
    self->board          = config->board;
    self->build_id       = config->build_id;
    self->build_id_bytes = config->build_id_bytes;
    self->arena          = config->arena;
    self->stack_share    = (config->arena_bytes / HP_INVOCATIONS_MAX) & ~7U;
    share_variables(self, config);
    map_readable(self);
    const hp_status_t status = hp_store_start(self);
    hp_admit_rearm(self);
    hp_store_tidy(self);
    return status;
}

void hp_feed(hp_runtime_t *self, const uint8_t *data, size_t size)
{
    hp_slipmux_feed(self, data, size);
}

void hp_poll(hp_runtime_t *self)
{
    hp_slipmux_poll(self);
    hp_admit_strike_out(self);
}

void hp_console(hp_runtime_t *self, const uint8_t *data, size_t size)
{
    if (self->line.session) {
        hp_slipmux_send_text(self, data, size);
    } else {
        self->port->serial_write(self->port->context, data, size);
    }
}

bool hp_session_open(const hp_runtime_t *self)
{
    return self->line.session;
}

hp_status_t hp_patch_info(const hp_runtime_t *self, uint32_t index, hp_patch_info_t *out)
{
    if (index >= self->journal.patch_count) {
        return HP_STATUS_NOT_FOUND;
    }
    const hp_patch_t *patch  = &self->journal.patches[index];
    const hp_record_t record = hp_store_record(self, index);
    *out                     = (hp_patch_info_t){
        .sequence      = record.sequence,
        .state         = (uint32_t)record.state,
        .hits          = hp_observe(&patch->hits),
        .safe_verdicts = hp_observe(&patch->safe_verdicts),
        .last_fault    = hp_observe(&patch->last_fault),
        .armed         = patch->armed,
    };
    memcpy(out->id, record.id, sizeof out->id);
    return HP_STATUS_OK;
}

hp_status_t hp_confirm(hp_runtime_t *self, const char *id)
{
    return hp_admit_confirm(self, (hp_span_t){(const uint8_t *)id, hp_text_bytes(id)});
}
