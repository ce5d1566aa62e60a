/// Stop 11 of 12. Arms sites, runs their programs, carries out verdicts. In: hits, from any context. Out: edited frames.
/// Next: core/vm.c
///
/// A hit owns an invocation record from claim to release. Everything that a hit reads was written before the one word that
/// published it.
#include "core/trigger.h"

#include "core/atomic.h"
#include "core/bytes.h"
#include "core/helpers.h"
#include "core/store.h"
#include "core/variables.h"
#include "core/vm.h"

#define THUMB          1U
#define VERSION_BITS   3U ///< of `published`: which version is in force
#define GENERATION_ONE 4U

enum {
    CONTEXT_R4  = 4,
    CONTEXT_R12 = 12,
    CONTEXT_SP  = 13,
    CONTEXT_LR  = 14,
    CONTEXT_PC  = 15,
    CONTEXT_PSR = 16
};

/// A function that keeps its part of the stack to itself: before the room was asked for, hp_fire must take little.
#define APART static __attribute__((noinline))

#define APSR_WRITABLE 0xf80f0000U ///< N, Z, C, V, Q and GE: what the veneer restores

/// Bits 0-12, lr and the flags; sp and pc are never written.
#define REGISTERS_WRITABLE 0x00015fffU

// ------------------------------------------------ arming ------------------------------------------------

static bool snapshot(const hp_trigger_entry_t *entry, hp_arming_t *out)
{
    while (true) {
        const uint32_t published = hp_observe(&entry->published);
        if ((published & VERSION_BITS) == 0U) {
            return false;
        }
        *out = entry->versions[(published & VERSION_BITS) - 1U];
        hp_reads_done(); // the copy must be whole before `published` is looked at again
        if (hp_observe(&entry->published) == published) {
            return true;
        }
    }
}

static void publish(hp_trigger_entry_t *entry, const hp_arming_t *arming)
{
    const uint32_t published = entry->published;
    const uint32_t version   = (published & VERSION_BITS) == 1U ? 2U : 1U;

    entry->versions[version - 1U] = *arming;
    hp_publish(&entry->published, (published & ~VERSION_BITS) + GENERATION_ONE + version);
}

static void retire(hp_runtime_t *self, uint32_t index)
{
    hp_trigger_entry_t *entry = &self->triggers[index];

    self->port->trigger_disarm(self->port->context, index);
    entry->served = entry->address;
    hp_publish(&entry->published, (entry->published & ~VERSION_BITS) + GENERATION_ONE);
    entry->address = 0;
}

static uint32_t owner(const hp_trigger_entry_t *entry)
{
    const uint32_t version = entry->published & VERSION_BITS;

    return version == 0U ? HP_PATCHES_MAX : entry->versions[version - 1U].patch_index;
}

/// Whether a trigger that had another site before may get one: no thread is on its way from a hit there to hp_fire. Such
/// a thread carries no more than the trigger's number, and would run the new site's program.
static bool may_move(const hp_runtime_t *self)
{
    const hp_range_t *runtime = &self->board->runtime_text;

    return self->port->quiet(self->port->context, runtime->address, runtime->bytes);
}

/// Whether the payload has a site at `address`.
static bool has_site(const uint8_t *payload, uint32_t address)
{
    const uint32_t start = hp_load_u32(payload + HP_PAYLOAD_HEADER_SITES_OFFSET);
    const uint32_t bytes = hp_load_u32(payload + HP_PAYLOAD_HEADER_SITES_BYTES);

    for (uint32_t at = 0; at < bytes; at += HP_SITE_BYTES) {
        if (hp_load_u32(payload + start + at + HP_SITE_ADDRESS) == address) {
            return true;
        }
    }
    return false;
}

uint32_t hp_trigger_room(const hp_runtime_t *self, uint32_t patch_index, const uint8_t *payload)
{
    const bool any = may_move(self);
    uint32_t room  = 0;

    for (uint32_t index = 0; index < self->board->trigger_count; index++) {
        const hp_trigger_entry_t *entry = &self->triggers[index];
        const bool own                  = entry->address == 0U || owner(entry) == patch_index;
        const uint32_t site             = entry->address == 0U ? entry->served : entry->address;
        room += own && (any || site == 0U || has_site(payload, site)) ? 1U : 0U;
    }
    return room;
}

bool hp_trigger_taken(const hp_runtime_t *self, uint32_t patch_index, uint32_t address, uint32_t bytes)
{
    for (uint32_t index = 0; index < self->board->trigger_count; index++) {
        const hp_trigger_entry_t *entry = &self->triggers[index];
        if (entry->address == 0U || owner(entry) == patch_index) {
            continue;
        }
        const hp_arming_t *arming = &entry->versions[(entry->published & VERSION_BITS) - 1U];
        const uint32_t displaced  = arming->payload[arming->site_offset + HP_SITE_DISPLACED_BYTES];
        if (hp_overlap(entry->address, displaced, address, bytes)) {
            return true;
        }
    }
    return false;
}

/// The trigger that has `address` already or had it last, or a free one; trigger_count if there is none.
static uint32_t choose(const hp_runtime_t *self, uint32_t address)
{
    const bool any  = may_move(self);
    uint32_t chosen = self->board->trigger_count;

    for (uint32_t index = self->board->trigger_count; index-- > 0U;) {
        const hp_trigger_entry_t *entry = &self->triggers[index];
        const bool unused               = entry->address == 0U;
        if (entry->address == address || (unused && entry->served == address)) {
            return index;
        }
        chosen = unused && (any || entry->served == 0U) ? index : chosen;
    }
    return chosen;
}

static hp_status_t arm_site(hp_runtime_t *self, const hp_arming_t *arming)
{
    const uint8_t *site    = arming->payload + arming->site_offset;
    const uint32_t address = hp_load_u32(site + HP_SITE_ADDRESS);
    const uint32_t copies  = hp_load_u32(arming->payload + HP_PAYLOAD_HEADER_COPIES_OFFSET);
    const uint32_t copy    = arming->payload_address + copies + hp_load_u32(site + HP_SITE_COPY_OFFSET);
    const uint32_t resume  = site[HP_SITE_TRIGGER] == HP_TRIGGER_FIXED ? 0U : copy | THUMB;
    const uint32_t index   = choose(self, address);

    if (index == self->board->trigger_count) {
        return HP_STATUS_NO_TRIGGER;
    }
    publish(&self->triggers[index], arming);
    self->triggers[index].address = address;
    return self->port->trigger_arm(self->port->context, index, address, resume);
}

/// Disarms the triggers of patch `patch_index` that do not serve `keep` (NULL: all of them).
static void disarm_others(hp_runtime_t *self, uint32_t patch_index, const uint8_t *keep)
{
    for (uint32_t index = 0; index < self->board->trigger_count; index++) {
        const hp_trigger_entry_t *entry = &self->triggers[index];
        if (entry->address == 0U || owner(entry) != patch_index) {
            continue;
        }
        if (keep == NULL || entry->versions[(entry->published & VERSION_BITS) - 1U].payload != keep) {
            retire(self, index);
        }
    }
}

/// Frees the triggers of patch `patch_index` whose site the new payload no longer has, so that it has room.
static void drop_stale_sites(hp_runtime_t *self, uint32_t patch_index, const uint8_t *payload)
{
    for (uint32_t index = 0; index < self->board->trigger_count; index++) {
        const hp_trigger_entry_t *entry = &self->triggers[index];
        if (entry->address != 0U && owner(entry) == patch_index && !has_site(payload, entry->address)) {
            retire(self, index);
        }
    }
}

hp_status_t hp_trigger_arm(hp_runtime_t *self, uint32_t patch_index, uint32_t slot)
{
    const hp_record_t record = hp_store_record(self, patch_index);
    hp_arming_t arming       = {
        .payload_address = hp_store_slot_address(self, slot), .patch_index = patch_index, .slot = slot};

    arming.payload = self->port->memory(self->port->context, arming.payload_address, record.payload_bytes);
    if (arming.payload == NULL) {
        return HP_STATUS_FLASH_FAILED;
    }
    self->journal.touched_slots |= 1U << slot;
    drop_stale_sites(self, patch_index, arming.payload);
    const uint32_t start = hp_load_u32(arming.payload + HP_PAYLOAD_HEADER_SITES_OFFSET);
    const uint32_t bytes = hp_load_u32(arming.payload + HP_PAYLOAD_HEADER_SITES_BYTES);
    for (uint32_t at = 0; at < bytes; at += HP_SITE_BYTES) {
        arming.site_offset       = start + at;
        const hp_status_t status = arm_site(self, &arming);
        if (status != HP_STATUS_OK) {
            hp_trigger_disarm(self, patch_index);
            return status;
        }
    }
    disarm_others(self, patch_index, arming.payload);
    self->journal.patches[patch_index].armed = true;
    return HP_STATUS_OK;
}

void hp_trigger_disarm(hp_runtime_t *self, uint32_t patch_index)
{
    disarm_others(self, patch_index, NULL);
    self->journal.patches[patch_index].armed = false;
}

// ------------------------------------------------ verdicts ------------------------------------------------

static const uint8_t *section(const hp_arming_t *arming, uint32_t field)
{
    return arming->payload + hp_load_u32(arming->payload + field);
}

static uint32_t redirect_target(const hp_arming_t *arming, uint32_t index)
{
    return hp_load_u32(section(arming, HP_PAYLOAD_HEADER_REDIRECTS_OFFSET) + index * HP_REDIRECT_BYTES) |
           THUMB;
}

static void give_back(hp_frame_t *frame, uint32_t value)
{
    frame->r0_r3[0] = value;
    frame->pc       = frame->lr;
}

/// Takes note that the firmware may now hold an address of the payload's data or variables: the slot, and the RAM that goes
/// with it, stay until the next reset.
static void lend(hp_runtime_t *self, const hp_arming_t *arming)
{
    if (hp_load_u32(arming->payload + HP_PAYLOAD_HEADER_DATA_BYTES) != 0U ||
        hp_load_u32(arming->payload + HP_PAYLOAD_HEADER_MAPS_BYTES) != 0U) {
        __atomic_store_n(&self->journal.lent_slots[arming->slot], 1U, __ATOMIC_RELAXED);
    }
}

/// The site's safe verdict. Admission checked that its redirect exists.
static void be_safe(hp_runtime_t *self, const hp_arming_t *arming, hp_frame_t *frame, hp_fault_t fault)
{
    const uint8_t *site = arming->payload + arming->site_offset;
    hp_patch_t *patch   = &self->journal.patches[arming->patch_index];
    const uint32_t data = hp_load_u32(arming->payload + HP_PAYLOAD_HEADER_DATA_OFFSET);

    hp_add_one(&patch->safe_verdicts);
    hp_publish(&patch->last_fault, (uint32_t)fault);
    if (site[HP_SITE_SAFE_VERDICT] == HP_VERDICT_RETURN) {
        give_back(frame, hp_load_u32(site + HP_SITE_SAFE_VALUE));
    } else if (site[HP_SITE_SAFE_VERDICT] == HP_VERDICT_REDIRECT) {
        lend(self, arming);
        for (uint32_t index = 0; index < site[HP_SITE_SAFE_ARGUMENTS] && index < 4U; index++) {
            const uint32_t value = hp_load_u32(site + HP_SITE_SAFE_ARGUMENT0 + 4U * index);
            const bool pointer   = ((site[HP_SITE_SAFE_POINTERS] >> index) & 1U) != 0U;
            frame->r0_r3[index]  = pointer ? arming->payload_address + data + value : value;
        }
        frame->pc = redirect_target(arming, site[HP_SITE_SAFE_REDIRECT]);
    }
}

static void read_frame(const hp_frame_t *frame, uint32_t address, uint32_t context[HP_CONTEXT_REGISTERS])
{
    memcpy(context, frame->r0_r3, sizeof frame->r0_r3);
    memcpy(context + CONTEXT_R4, frame->r4_r11, sizeof frame->r4_r11);
    context[CONTEXT_R12] = frame->r12;
    context[CONTEXT_SP]  = (uint32_t)(uintptr_t)frame + (uint32_t)sizeof *frame;
    context[CONTEXT_LR]  = frame->lr;
    context[CONTEXT_PC]  = address;
    context[CONTEXT_PSR] = frame->apsr;
}

/// Puts the registers that the program may write back into the frame. True if r4-r11 were among them.
static bool write_frame(hp_frame_t *frame, const uint32_t context[HP_CONTEXT_REGISTERS], uint32_t writable)
{
    const uint32_t mask = writable & REGISTERS_WRITABLE;

    for (uint32_t index = 0; index < CONTEXT_R4; index++) {
        frame->r0_r3[index] = ((mask >> index) & 1U) != 0U ? context[index] : frame->r0_r3[index];
    }
    for (uint32_t index = CONTEXT_R4; index < CONTEXT_R12; index++) {
        uint32_t *saved = &frame->r4_r11[index - CONTEXT_R4];
        *saved          = ((mask >> index) & 1U) != 0U ? context[index] : *saved;
    }
    frame->r12 = ((mask >> CONTEXT_R12) & 1U) != 0U ? context[CONTEXT_R12] : frame->r12;
    frame->lr  = ((mask >> CONTEXT_LR) & 1U) != 0U ? context[CONTEXT_LR] : frame->lr;
    if (((mask >> CONTEXT_PSR) & 1U) != 0U) {
        frame->apsr = (frame->apsr & ~APSR_WRITABLE) | (context[CONTEXT_PSR] & APSR_WRITABLE);
    }
    return (mask & 0xff0U) != 0U;
}

/// Carries out `result`, a program's r0. HP_FAULT_VERDICT, with nothing done, if the site does not allow it.
static hp_fault_t carry_out(hp_runtime_t *self, const hp_arming_t *arming, const uint32_t *context,
                            uint64_t result, hp_frame_t *frame, bool *changed)
{
    const uint8_t *site     = arming->payload + arming->site_offset;
    const uint32_t verdict  = (uint32_t)result;
    const uint32_t value    = (uint32_t)(result >> 32);
    const uint32_t writable = hp_load_u32(site + HP_SITE_WRITABLE_REGISTERS);
    const uint32_t redirects =
        hp_load_u32(arming->payload + HP_PAYLOAD_HEADER_REDIRECTS_BYTES) / HP_REDIRECT_BYTES;

    *changed = false;
    if (verdict > HP_VERDICT_SKIP || ((hp_load_u32(site + HP_SITE_LEGAL_VERDICTS) >> verdict) & 1U) == 0U) {
        return HP_FAULT_VERDICT;
    }
    if (verdict != HP_VERDICT_PASS && verdict != HP_VERDICT_SKIP) {
        lend(self, arming);
    }
    switch ((hp_verdict_t)verdict) {
    case HP_VERDICT_PASS: break;
    case HP_VERDICT_RETURN: give_back(frame, value); break;
    case HP_VERDICT_REDIRECT:
        if (value >= redirects) {
            return HP_FAULT_VERDICT;
        }
        *changed  = write_frame(frame, context, writable);
        frame->pc = redirect_target(arming, value);
        break;
    case HP_VERDICT_CHANGE: *changed = write_frame(frame, context, writable); break;
    case HP_VERDICT_SKIP:
        frame->pc = (hp_load_u32(site + HP_SITE_ADDRESS) + site[HP_SITE_DISPLACED_BYTES]) | THUMB;
        break;
    }
    return HP_FAULT_NONE;
}

// ------------------------------------------------ runs ------------------------------------------------

static hp_invocation_t *claim(hp_runtime_t *self)
{
    for (uint32_t index = 0; index < HP_INVOCATIONS_MAX; index++) {
        if (hp_claim(&self->invocations[index].claimed)) {
            return &self->invocations[index];
        }
    }
    return NULL;
}

static void release(hp_invocation_t *run)
{
    __atomic_store_n(&run->frame, NULL, __ATOMIC_RELEASE);
    hp_publish(&run->claimed, 0);
}

static uint32_t helper_mask(const hp_arming_t *arming)
{
    const uint8_t *helpers = section(arming, HP_PAYLOAD_HEADER_HELPERS_OFFSET);
    const uint32_t bytes   = hp_load_u32(arming->payload + HP_PAYLOAD_HEADER_HELPERS_BYTES);
    uint32_t mask          = 0;

    for (uint32_t at = 0; at < bytes; at += 4U) {
        mask |= 1U << (hp_load_u32(helpers + at) & 31U);
    }
    return mask;
}

/// What the run of program `record` may touch, into *space: a value that is returned would take its stack twice.
static void make_space(hp_runtime_t *self, hp_invocation_t *run, const uint8_t *record, hp_space_t *space)
{
    const hp_arming_t *arming  = &run->arming;
    const uint32_t number      = (uint32_t)(run - self->invocations);
    uint8_t *stack             = self->arena + number * self->stack_share;
    const uint32_t stack_bytes = hp_load_u32(record + HP_PROGRAM_STACK_BYTES);
    const uint32_t data        = hp_load_u32(arming->payload + HP_PAYLOAD_HEADER_DATA_OFFSET);
    const uint32_t data_bytes  = hp_load_u32(arming->payload + HP_PAYLOAD_HEADER_DATA_BYTES);

    *space = (hp_space_t){
        .stack   = {hp_seen_at(stack, 0xf2000000U + number * self->stack_share), stack_bytes, stack},
        .context = {hp_seen_at(run->context, 0xf1000000U + number * 256U), HP_CONTEXT_BYTES,
                    (uint8_t *)run->context},
        // Read only for the engine, which never writes to this region.
        .data = {arming->payload_address + data, data_bytes, (uint8_t *)(uintptr_t)(arming->payload + data)},
        .readable       = self->readable,
        .readable_count = self->readable_count,
    };
    hp_variables_of(self, arming->slot, arming->payload, &space->variables);
}

static hp_fault_t run_program(hp_runtime_t *self, hp_invocation_t *run)
{
    const hp_arming_t *arming = &run->arming;
    const uint8_t *site       = arming->payload + arming->site_offset;
    const uint8_t *record =
        section(arming, HP_PAYLOAD_HEADER_PROGRAMS_OFFSET) + site[HP_SITE_PROGRAM_INDEX] * HP_PROGRAM_BYTES;
    hp_space_t space;
    make_space(self, run, record, &space);
    const hp_program_t program = {
        .code = section(arming, HP_PAYLOAD_HEADER_CODE_OFFSET) + hp_load_u32(record + HP_PROGRAM_CODE_OFFSET),
        .code_bytes  = hp_load_u32(record + HP_PROGRAM_CODE_BYTES),
        .fuel        = hp_load_u32(record + HP_PROGRAM_FUEL),
        .frame_bytes = hp_load_u32(record + HP_PROGRAM_FLAGS) >> 16U,
        .helper_mask = helper_mask(arming),
        .helper      = hp_helper_call,
    };

    return hp_vm_run(&run->vm, &program, &space);
}

static void count_fault(hp_runtime_t *self, hp_fault_t fault)
{
    switch (fault) {
    case HP_FAULT_NONE: break;
    case HP_FAULT_FUEL: hp_count(self, HP_COUNTER_FAULTS_FUEL); break;
    case HP_FAULT_MEMORY: hp_count(self, HP_COUNTER_FAULTS_MEMORY); break;
    case HP_FAULT_RECORD: hp_count(self, HP_COUNTER_RECORDS_EXHAUSTED); break;
    case HP_FAULT_CORE: hp_count(self, HP_COUNTER_CORE_FAULTS); break;
    case HP_FAULT_CALL:
    case HP_FAULT_DEPTH:
    case HP_FAULT_VERDICT: hp_count(self, HP_COUNTER_FAULTS_OTHER); break;
    }
}

/// Runs the site's program in a record of its own. HP_FAULT_RECORD: none was free. Only where the stack has the room: a
/// published frame tells hp_fault_frame that the HP_RUN_STACK_BYTES below it belong to this run.
APART hp_fault_t serve(hp_runtime_t *self, const hp_arming_t *arming, hp_frame_t *frame, bool *changed)
{
    hp_invocation_t *run = claim(self);

    if (run == NULL) {
        return HP_FAULT_RECORD;
    }
    run->arming = *arming;
    run->level  = self->port->level(self->port->context);
    read_frame(frame, hp_load_u32(arming->payload + arming->site_offset + HP_SITE_ADDRESS), run->context);
    __atomic_store_n(&run->frame, frame, __ATOMIC_RELEASE);
    hp_fault_t fault = run_program(self, run);
    if (fault == HP_FAULT_NONE) {
        fault = carry_out(self, &run->arming, run->context, run->vm.registers[0], frame, changed);
    }
    release(run);
    return fault;
}

/// As hp_fire; `room`: the stack has HP_RUN_STACK_BYTES below the frame.
APART bool fire(hp_runtime_t *self, uint32_t index, hp_frame_t *frame, bool room)
{
    hp_arming_t arming;
    bool changed = false;

    if (index >= HP_TRIGGERS_MAX || !snapshot(&self->triggers[index], &arming)) {
        return false; // disarmed between the trap and here: the frame goes on at the displaced copy
    }
    hp_count(self, HP_COUNTER_HITS);
    hp_add_one(&self->journal.patches[arming.patch_index].hits);
    const hp_fault_t fault = room ? serve(self, &arming, frame, &changed) : HP_FAULT_RECORD;
    if (fault != HP_FAULT_NONE) {
        count_fault(self, fault);
        be_safe(self, &arming, frame, fault);
    }
    return changed;
}

bool hp_fire(hp_runtime_t *self, uint32_t index, hp_frame_t *frame)
{
    const bool room = self->port->stack_room(self->port->context, frame) >= HP_RUN_STACK_BYTES;

    return fire(self, index, frame, room);
}

hp_frame_t *hp_fault_frame(hp_runtime_t *self, uint32_t stack_pointer, uint32_t level)
{
    hp_frame_t *nearest = NULL;
    uint32_t distance   = HP_RUN_STACK_BYTES; // farther below its frame no run reaches

    for (uint32_t index = 0; index < HP_INVOCATIONS_MAX; index++) {
        const hp_invocation_t *run = &self->invocations[index];
        hp_frame_t *frame          = __atomic_load_n(&run->frame, __ATOMIC_ACQUIRE);
        const uint32_t below       = (uint32_t)(uintptr_t)frame - stack_pointer; // huge if it is above
        if (frame != NULL && run->level == level && below <= distance) {
            nearest  = frame;
            distance = below;
        }
    }
    return nearest;
}

void hp_abort(hp_runtime_t *self, hp_frame_t *frame)
{
    for (uint32_t index = 0; index < HP_INVOCATIONS_MAX; index++) {
        hp_invocation_t *run = &self->invocations[index];
        if (frame != NULL && __atomic_load_n(&run->frame, __ATOMIC_ACQUIRE) == frame) {
            const hp_arming_t arming = run->arming;
            release(run);
            count_fault(self, HP_FAULT_CORE);
            hp_add_one(&self->journal.patches[arming.patch_index].strikes);
            be_safe(self, &arming, frame, HP_FAULT_CORE);
            return;
        }
    }
}
