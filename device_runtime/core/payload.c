/// Stop 9 of 12. Checks a payload before it is kept: sections, records, programs, sites, displaced copies. In: bytes under a
/// good signature. Out: a status. Next: core/check.c
#include "core/payload.h"

#include "core/check.h"
#include "core/helpers.h"
#include "core/trigger.h"
#include "core/variables.h"

#define SECTION_COUNT      10U
#define SECTION_BYTES      8U ///< of the header: offset and size
#define ORIGINAL_BYTES_MAX 16U
#define SAFE_ARGUMENTS_MAX 4U
#define FLAG_METERED       1U
#define FRAME_SHIFT        16U
#define VERDICT_MASK       0x1fU
#define CONTEXT_MASK       ((1U << HP_CONTEXT_REGISTERS) - 1U)
#define COPY_TAIL_BYTES    8U ///< the jump back: one instruction and its literal
#define NARROW_NOP         0xbf00U
#define JUMP_FIRST         0xf8dfU ///< ldr.w pc, [pc, #0]
#define JUMP_SECOND        0xf000U

/// A section, found in the header by the offset of its offset field.
typedef struct section_t {
    const uint8_t *data;
    uint32_t bytes;
} section_t;

/// In line, since only the loads of what the caller uses are then left; a call would hand over both words in memory.
static inline __attribute__((always_inline)) section_t section(hp_span_t payload, uint32_t field)
{
    return (section_t){payload.data + hp_load_u32(payload.data + field),
                       hp_load_u32(payload.data + field + 4U)};
}

#define SECTION(payload, name) section(payload, HP_PAYLOAD_HEADER_##name##_OFFSET)

// ------------------------------------------------ structure ------------------------------------------------

static bool is_zero(const uint8_t *data, uint32_t bytes)
{
    uint8_t all = 0;

    for (uint32_t index = 0; index < bytes; index++) {
        all = (uint8_t)(all | data[index]);
    }
    return all == 0U;
}

/// Sections follow each other in the header's order, 8-aligned, with nothing between but zeros, to the last byte.
static bool sections_fit(hp_span_t payload)
{
    const uint32_t total = (uint32_t)payload.size;
    uint32_t expected    = HP_PAYLOAD_HEADER_BYTES;

    for (uint32_t index = 0; index < SECTION_COUNT; index++) {
        const uint8_t *field  = payload.data + HP_PAYLOAD_HEADER_PROGRAMS_OFFSET + index * SECTION_BYTES;
        const uint32_t offset = hp_load_u32(field);
        const uint32_t bytes  = hp_load_u32(field + 4);
        if (offset != expected || !hp_inside(offset, bytes, 0, total)) {
            return false;
        }
        const uint32_t end = offset + bytes;
        expected           = hp_align8(end);
        if (expected > total || !is_zero(payload.data + end, expected - end)) {
            return false;
        }
    }
    return expected == total;
}

static hp_status_t check_header(hp_span_t payload)
{
    const uint8_t *header = payload.data;

    if (payload.size < HP_PAYLOAD_HEADER_BYTES ||
        hp_load_u32(header + HP_PAYLOAD_HEADER_MAGIC) != HP_PAYLOAD_MAGIC) {
        return HP_STATUS_BAD_PAYLOAD;
    }
    if (hp_load_u16(header + HP_PAYLOAD_HEADER_LEVEL) != HP_LEVEL) {
        return HP_STATUS_UNSUPPORTED;
    }
    if (hp_load_u16(header + HP_PAYLOAD_HEADER_HEADER_BYTES) != HP_PAYLOAD_HEADER_BYTES ||
        hp_load_u32(header + HP_PAYLOAD_HEADER_TOTAL_BYTES) != payload.size ||
        hp_load_u32(header + HP_PAYLOAD_HEADER_TENANT) != 0U || !sections_fit(payload)) {
        return HP_STATUS_BAD_PAYLOAD;
    }
    return HP_STATUS_OK;
}

static bool is_whole(section_t part, uint32_t record_bytes, bool required)
{
    return part.bytes % record_bytes == 0U && (part.bytes > 0U || !required);
}

static hp_status_t check_sections(hp_span_t payload)
{
    const section_t helpers = SECTION(payload, HELPERS);

    // Writable ranges need an owner's consent that this level cannot express.
    if (SECTION(payload, RANGES).bytes != 0U) {
        return HP_STATUS_UNSUPPORTED;
    }
    if (!is_whole(SECTION(payload, PROGRAMS), HP_PROGRAM_BYTES, true) ||
        !is_whole(SECTION(payload, SITES), HP_SITE_BYTES, true) ||
        !is_whole(SECTION(payload, REDIRECTS), HP_REDIRECT_BYTES, false) || !is_whole(helpers, 4, false) ||
        !is_whole(SECTION(payload, CODE), HP_INSTRUCTION_BYTES, true)) {
        return HP_STATUS_BAD_PAYLOAD;
    }
    for (uint32_t at = 0; at < helpers.bytes; at += 4U) {
        const uint32_t helper = hp_load_u32(helpers.data + at);
        if (helper >= 32U || ((HP_HELPER_MASK >> helper) & 1U) == 0U) {
            return HP_STATUS_UNSUPPORTED;
        }
    }
    return HP_STATUS_OK;
}

/// Of maps there may be one, the variables.
static hp_status_t check_maps(const hp_runtime_t *self, hp_span_t payload)
{
    const section_t maps = SECTION(payload, MAPS);

    if (maps.bytes == 0U) {
        return HP_STATUS_OK;
    }
    if (maps.bytes != HP_MAP_BYTES || hp_load_u32(maps.data + HP_MAP_KIND) != HP_MAP_VARIABLES) {
        return HP_STATUS_UNSUPPORTED;
    }
    const uint32_t bytes   = hp_variables_bytes(payload.data);
    const uint32_t initial = hp_load_u32(maps.data + HP_MAP_INITIAL_BYTES);
    if (bytes == 0U || bytes % 8U != 0U || initial > bytes || initial > SECTION(payload, DATA).bytes) {
        return HP_STATUS_BAD_PAYLOAD;
    }
    return bytes <= self->variables_share ? HP_STATUS_OK : HP_STATUS_UNSUPPORTED;
}

static hp_status_t check_program(hp_runtime_t *self, hp_span_t payload, const uint8_t *record)
{
    const section_t code     = SECTION(payload, CODE);
    const section_t helpers  = SECTION(payload, HELPERS);
    const uint32_t start     = hp_load_u32(record + HP_PROGRAM_CODE_OFFSET);
    const uint32_t bytes     = hp_load_u32(record + HP_PROGRAM_CODE_BYTES);
    const uint32_t stack     = hp_load_u32(record + HP_PROGRAM_STACK_BYTES);
    const uint32_t flags     = hp_load_u32(record + HP_PROGRAM_FLAGS);
    const uint32_t frame     = flags >> FRAME_SHIFT;
    hp_check_limits_t limits = {.instruction_count_max = self->board->program_count_max,
                                .data_bytes            = SECTION(payload, DATA).bytes,
                                .variable_bytes        = hp_variables_bytes(payload.data)};

    if (start % HP_INSTRUCTION_BYTES != 0U || bytes % HP_INSTRUCTION_BYTES != 0U || bytes == 0U ||
        !hp_inside(start, bytes, 0, code.bytes) || stack % 8U != 0U || stack > HP_STACK_BYTES_MAX ||
        (flags & ((1U << FRAME_SHIFT) - 1U)) > FLAG_METERED || frame % 8U != 0U || frame > stack ||
        !hp_inside(hp_load_u32(record + HP_PROGRAM_CERTIFICATE_OFFSET),
                   hp_load_u32(record + HP_PROGRAM_CERTIFICATE_BYTES), 0,
                   SECTION(payload, CERTIFICATE).bytes)) {
        return HP_STATUS_BAD_PAYLOAD;
    }
    if (stack > self->stack_share) {
        return HP_STATUS_UNSUPPORTED;
    }
    for (uint32_t at = 0; at < helpers.bytes; at += 4U) {
        limits.helper_mask |= 1U << hp_load_u32(helpers.data + at);
    }
    return hp_check_program(code.data + start, bytes, &limits, &self->detail);
}

/// The safe verdict of a site, and the fields that only it uses.
static bool safe_fits(hp_span_t payload, const uint8_t *site)
{
    const uint32_t verdict   = site[HP_SITE_SAFE_VERDICT];
    const uint32_t used      = site[HP_SITE_SAFE_ARGUMENTS];
    const uint32_t redirects = SECTION(payload, REDIRECTS).bytes / HP_REDIRECT_BYTES;

    if (used > SAFE_ARGUMENTS_MAX || site[HP_SITE_SAFE_POINTERS] >> used != 0 ||
        !is_zero(site + HP_SITE_SAFE_ARGUMENT0 + 4U * used, 4U * (SAFE_ARGUMENTS_MAX - used))) {
        return false;
    }
    for (uint32_t index = 0; index < used; index++) {
        const uint32_t value = hp_load_u32(site + HP_SITE_SAFE_ARGUMENT0 + 4U * index);
        if (((site[HP_SITE_SAFE_POINTERS] >> index) & 1U) != 0U && value >= SECTION(payload, DATA).bytes) {
            return false;
        }
    }
    if (verdict == HP_VERDICT_REDIRECT) {
        return site[HP_SITE_SAFE_REDIRECT] < redirects;
    }
    return verdict == HP_VERDICT_PASS || verdict == HP_VERDICT_RETURN;
}

static bool site_fits(hp_span_t payload, const uint8_t *site)
{
    const uint32_t original   = site[HP_SITE_ORIGINAL_BYTES];
    const uint32_t displaced  = site[HP_SITE_DISPLACED_BYTES];
    const uint32_t copy       = hp_load_u32(site + HP_SITE_COPY_OFFSET);
    const uint32_t copy_bytes = hp_load_u32(site + HP_SITE_COPY_BYTES);

    return original >= HP_ORIGINAL_BYTES_MIN && original <= ORIGINAL_BYTES_MAX && displaced > 0U &&
           displaced <= original &&
           is_zero(site + HP_SITE_ORIGINAL + original, ORIGINAL_BYTES_MAX - original) &&
           hp_load_u32(site + HP_SITE_ADDRESS) % 2U == 0U && site[HP_SITE_TRIGGER] <= HP_TRIGGER_FIXED &&
           site[HP_SITE_PROGRAM_INDEX] < SECTION(payload, PROGRAMS).bytes / HP_PROGRAM_BYTES &&
           hp_load_u32(site + HP_SITE_LEGAL_VERDICTS) <= VERDICT_MASK &&
           hp_load_u32(site + HP_SITE_WRITABLE_REGISTERS) <= CONTEXT_MASK && copy % 4U == 0U &&
           copy_bytes <= HP_COPY_BYTES_MAX &&
           hp_inside(copy, copy_bytes, 0, SECTION(payload, COPIES).bytes) && safe_fits(payload, site);
}

hp_status_t hp_payload_check(hp_runtime_t *self, hp_span_t payload)
{
    hp_status_t status = check_header(payload);

    status = status == HP_STATUS_OK ? check_sections(payload) : status;
    status = status == HP_STATUS_OK ? check_maps(self, payload) : status;
    if (status != HP_STATUS_OK) {
        return status;
    }
    const section_t sites     = SECTION(payload, SITES);
    const section_t programs  = SECTION(payload, PROGRAMS);
    const section_t redirects = SECTION(payload, REDIRECTS);
    for (uint32_t at = 0; at < redirects.bytes; at += HP_REDIRECT_BYTES) {
        if (hp_load_u32(redirects.data + at) % 2U != 0U) {
            return HP_STATUS_BAD_PAYLOAD;
        }
    }
    for (uint32_t at = 0; at < sites.bytes; at += HP_SITE_BYTES) {
        if (!site_fits(payload, sites.data + at)) {
            return HP_STATUS_BAD_PAYLOAD;
        }
    }
    for (uint32_t at = 0; at < programs.bytes && status == HP_STATUS_OK; at += HP_PROGRAM_BYTES) {
        status = check_program(self, payload, programs.data + at);
    }
    return status;
}

// ------------------------------------------------ sites ------------------------------------------------

/// Instructions that do something else at another address, or keep what follows them from running, by the bits of their
/// first halfword (ARMv7-M manual, A5.2 and A5.3); of the 32-bit ones more than must be.
static const struct {
    uint16_t mask;
    uint16_t bits;
} bound_to_place[] = {
    {0xf800, 0x4800},                                                       // LDR literal
    {0xf800, 0xa000},                                                       // ADR
    {0xf800, 0xe000},                                                       // B
    {0xf500, 0xb100},                                                       // CBZ, CBNZ
    {0xff80, 0x4780},                                                       // BLX register
    {0xff00, 0xbe00},                                                       // BKPT
    {0xf800, 0xd000}, {0xfc00, 0xd800}, {0xfe00, 0xdc00}, {0xff00, 0xde00}, // Bcc, UDF; not SVC
    {0xfe78, 0x4478}, {0xff78, 0x4678}, {0xfe87, 0x4487}, {0xff87, 0x4687}, // ADD, CMP, MOV with pc
    {0xff01, 0xbf01}, {0xff02, 0xbf02}, {0xff04, 0xbf04}, {0xff08, 0xbf08}, // IT; not NOP and other hints
    {0xff60, 0xe840},                                                       // exclusive, TBB
    {0xfe4f, 0xe84f},                                                       // LDRD from pc
    {0xfe0f, 0xf80f},                                                       // LDR literal of any width
    {0xee0f, 0xec0f},                                                       // VLDR, LDC literal
    {0xfbff, 0xf20f}, {0xfbff, 0xf2af},                                     // ADR
};

/// Whether the instruction does the same at any address, and lets what follows it run. `second`: 0 if it has 16 bits.
static bool is_free(uint32_t first, uint32_t second)
{
    if ((first & 0xf800U) == 0xf000U && (second & 0x8000U) != 0U) { // branches, MSR, barriers
        return false;
    }
    for (size_t index = 0; index < sizeof bound_to_place / sizeof bound_to_place[0]; index++) {
        if ((first & bound_to_place[index].mask) == bound_to_place[index].bits) {
            return false;
        }
    }
    return true;
}

/// Whether `displaced` bytes of `code` are whole instructions that do the same at any address.
static bool is_movable(const uint8_t *code, uint32_t displaced)
{
    uint32_t at = 0;

    while (at + 2U <= displaced) {
        const uint32_t first = hp_load_u16(code + at);
        const bool is_wide   = first >= 0xe800U;
        at += is_wide ? 4U : 2U;
        if (at > displaced || !is_free(first, is_wide ? hp_load_u16(code + at - 2U) : 0U)) {
            return false;
        }
    }
    return at == displaced;
}

/// Whether the copy is the site's own displaced instructions and the jump back behind them, and nothing else.
static bool copy_of_breakpoint_fits(hp_span_t payload, const uint8_t *site)
{
    const uint8_t *copy      = SECTION(payload, COPIES).data + hp_load_u32(site + HP_SITE_COPY_OFFSET);
    const uint32_t bytes     = hp_load_u32(site + HP_SITE_COPY_BYTES);
    const uint32_t displaced = site[HP_SITE_DISPLACED_BYTES];
    const uint32_t aligned   = (displaced + 3U) & ~3U;

    if (bytes != aligned + COPY_TAIL_BYTES || memcmp(copy, site + HP_SITE_ORIGINAL, displaced) != 0 ||
        !is_movable(copy, displaced)) {
        return false;
    }
    return (aligned == displaced || hp_load_u16(copy + displaced) == NARROW_NOP) &&
           hp_load_u16(copy + aligned) == JUMP_FIRST && hp_load_u16(copy + aligned + 2U) == JUMP_SECOND &&
           hp_load_u32(copy + aligned + 4U) == ((hp_load_u32(site + HP_SITE_ADDRESS) + displaced) | 1U);
}

/// A fixed site displaces nothing: its function is called from the firmware's own code.
static bool copy_fits(hp_span_t payload, const uint8_t *site)
{
    if (site[HP_SITE_TRIGGER] == HP_TRIGGER_FIXED) {
        return hp_load_u32(site + HP_SITE_COPY_BYTES) == 0U;
    }
    return copy_of_breakpoint_fits(payload, site);
}

static bool may_skip(const uint8_t *site)
{
    return ((hp_load_u32(site + HP_SITE_LEGAL_VERDICTS) >> HP_VERDICT_SKIP) & 1U) != 0U;
}

static bool in_text(const hp_runtime_t *self, uint32_t address, uint32_t bytes)
{
    const hp_range_t *text = &self->board->text;
    const hp_range_t *own  = &self->board->runtime_text;

    return hp_inside(address, bytes, text->address, text->bytes) &&
           !hp_overlap(address, bytes, own->address, own->bytes);
}

static hp_status_t check_site(hp_runtime_t *self, hp_span_t payload, const uint8_t *site,
                              uint32_t patch_index)
{
    const uint32_t address     = hp_load_u32(site + HP_SITE_ADDRESS);
    const uint32_t original    = site[HP_SITE_ORIGINAL_BYTES];
    const uint32_t displaced   = site[HP_SITE_DISPLACED_BYTES];
    const hp_trigger_t trigger = (hp_trigger_t)site[HP_SITE_TRIGGER];

    self->detail = address;
    if (trigger == HP_TRIGGER_FIXED && may_skip(site)) {
        return HP_STATUS_UNSUPPORTED; // nothing is displaced there
    }
    if (!in_text(self, address, original) || hp_trigger_taken(self, patch_index, address, displaced)) {
        return HP_STATUS_ILLEGAL_SITE;
    }
    const hp_status_t status = self->port->site_check(self->port->context, trigger, address);
    if (status != HP_STATUS_OK) {
        return status;
    }
    const uint8_t *firmware = self->port->memory(self->port->context, address, original);
    if (firmware == NULL || memcmp(firmware, site + HP_SITE_ORIGINAL, original) != 0) {
        return HP_STATUS_SITE_BYTES;
    }
    return copy_fits(payload, site) ? HP_STATUS_OK : HP_STATUS_BAD_COPY;
}

/// Whether an earlier site of the payload covers the start of site `index`, or the other way round.
static bool meets_earlier_site(section_t sites, uint32_t at)
{
    const uint8_t *site = sites.data + at;

    for (uint32_t before = 0; before < at; before += HP_SITE_BYTES) {
        const uint8_t *other = sites.data + before;
        if (hp_overlap(hp_load_u32(site + HP_SITE_ADDRESS), site[HP_SITE_DISPLACED_BYTES],
                       hp_load_u32(other + HP_SITE_ADDRESS), other[HP_SITE_DISPLACED_BYTES])) {
            return true;
        }
    }
    return false;
}

hp_status_t hp_payload_check_sites(hp_runtime_t *self, hp_span_t payload, uint32_t patch_index)
{
    const section_t sites     = SECTION(payload, SITES);
    const section_t redirects = SECTION(payload, REDIRECTS);

    for (uint32_t at = 0; at < redirects.bytes; at += HP_REDIRECT_BYTES) {
        self->detail = hp_load_u32(redirects.data + at);
        if (!hp_inside(self->detail, 2, self->board->text.address, self->board->text.bytes)) {
            return HP_STATUS_ILLEGAL_SITE;
        }
    }
    for (uint32_t at = 0; at < sites.bytes; at += HP_SITE_BYTES) {
        const hp_status_t status = check_site(self, payload, sites.data + at, patch_index);
        if (status != HP_STATUS_OK) {
            return status;
        }
        if (meets_earlier_site(sites, at)) {
            return HP_STATUS_ILLEGAL_SITE;
        }
    }
    self->detail = 0;
    return sites.bytes / HP_SITE_BYTES <= hp_trigger_room(self, patch_index, payload.data)
               ? HP_STATUS_OK
               : HP_STATUS_NO_TRIGGER;
}
