/// Stop 12 of 12. The _hotpatch module: the runtime's policy functions as Python values. It translates and decides
/// nothing; the hotpatch package in Python is what users import.
///
/// Comes in: Python arguments. Goes out: tuples, integers, bytes. Next: hotpatch/__init__.py
#include "py/runtime.h"

#include "layout.h"
#include "system.h"

#define BUILD_ID_NOTE_HEAD_BYTES 16U ///< name size, size, type, "GNU\0"

#define NAME_OF(name, enumerator) #name "\0"

// Each list is one string of names, NUL after each: small, and in the order of the contract.
static const char counter_names[] = HP_COUNTERS(NAME_OF);
static const char state_names[]   = HP_PATCH_STATES(NAME_OF);
static const char fault_names[]   = HP_FAULTS(NAME_OF);

static mp_obj_t name_at(const char *names, uint32_t index)
{
    while (index-- > 0U && *names != '\0') {
        names += strlen(names) + 1U;
    }
    return mp_obj_new_str(names, strlen(names));
}

/// patch(index): the index-th patch the store knows as (id, sequence, state, hits, safe_verdicts, last_fault, armed), or
/// None behind the last.
static mp_obj_t hotpatch_patch(mp_obj_t index)
{
    hp_patch_info_t info;
    mp_int_t wanted       = mp_obj_get_int(index);
    hp_runtime_t *runtime = hp_management_enter();
    hp_status_t status    = hp_patch_info(runtime, (uint32_t)wanted, &info);
    hp_management_leave();
    if (status != HP_STATUS_OK) {
        return mp_const_none;
    }
    mp_obj_t items[] = {
        mp_obj_new_str(info.id, strlen(info.id)),
        mp_obj_new_int_from_uint(info.sequence),
        name_at(state_names, info.state),
        mp_obj_new_int_from_uint(info.hits),
        mp_obj_new_int_from_uint(info.safe_verdicts),
        name_at(fault_names, info.last_fault),
        mp_obj_new_bool(info.armed),
    };
    return mp_obj_new_tuple(MP_ARRAY_SIZE(items), items);
}
static MP_DEFINE_CONST_FUN_OBJ_1(hotpatch_patch_obj, hotpatch_patch);

/// counter(index): (name, value), or None behind the last.
static mp_obj_t hotpatch_counter(mp_obj_t index)
{
    mp_int_t wanted = mp_obj_get_int(index);
    if (wanted < 0 || wanted >= (mp_int_t)HP_COUNTER_COUNT) {
        return mp_const_none;
    }
    hp_runtime_t *runtime = hp_management_enter();
    uint32_t value        = hp_counter(runtime, (hp_counter_t)wanted);
    hp_management_leave();
    mp_obj_t items[] = {name_at(counter_names, (uint32_t)wanted), mp_obj_new_int_from_uint(value)};
    return mp_obj_new_tuple(MP_ARRAY_SIZE(items), items);
}
static MP_DEFINE_CONST_FUN_OBJ_1(hotpatch_counter_obj, hotpatch_counter);

/// confirm(id): the status, 0 if the patch is now kept over resets.
static mp_obj_t hotpatch_confirm(mp_obj_t id)
{
    const char *text      = mp_obj_str_get_str(id);
    hp_runtime_t *runtime = hp_management_enter();
    hp_status_t status    = hp_confirm(runtime, text);
    hp_management_leave();
    return MP_OBJ_NEW_SMALL_INT(status);
}
static MP_DEFINE_CONST_FUN_OBJ_1(hotpatch_confirm_obj, hotpatch_confirm);

/// build_id(): the bytes that patches for this firmware are bound to.
static mp_obj_t hotpatch_build_id(void)
{
    const uint8_t *start = hp_build_id_start + BUILD_ID_NOTE_HEAD_BYTES;
    return mp_obj_new_bytes(start, (size_t)(hp_build_id_end - start));
}
static MP_DEFINE_CONST_FUN_OBJ_0(hotpatch_build_id_obj, hotpatch_build_id);

static const mp_rom_map_elem_t hotpatch_globals_table[] = {
    {MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR__hotpatch)},
    {MP_ROM_QSTR(MP_QSTR_patch), MP_ROM_PTR(&hotpatch_patch_obj)},
    {MP_ROM_QSTR(MP_QSTR_counter), MP_ROM_PTR(&hotpatch_counter_obj)},
    {MP_ROM_QSTR(MP_QSTR_confirm), MP_ROM_PTR(&hotpatch_confirm_obj)},
    {MP_ROM_QSTR(MP_QSTR_build_id), MP_ROM_PTR(&hotpatch_build_id_obj)},
    {MP_ROM_QSTR(MP_QSTR_NOT_FOUND), MP_ROM_INT(HP_STATUS_NOT_FOUND)},
};
static MP_DEFINE_CONST_DICT(hotpatch_globals, hotpatch_globals_table);

const mp_obj_module_t hotpatch_module = {
    .base    = {&mp_type_module},
    .globals = (mp_obj_dict_t *)&hotpatch_globals,
};

MP_REGISTER_MODULE(MP_QSTR__hotpatch, hotpatch_module);
