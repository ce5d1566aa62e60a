/// Stop 1 of 12. `from m import *` where sys.modules['m'] is no module. In: mp_import_all's argument. Out: pass for a
/// module, else the ImportError that CPython raises. Next: host/patchctl/description.py
#include <hotpatch/patch.h>

extern const u8 mp_type_module[];
extern const u8 mp_type_ImportError[];

/// Whether a MicroPython object is a pointer to an object in memory; small integers and qstrs have a tag in bits 0 and 1.
HP_INLINE int is_pointer(u32 object)
{
    return (object & 3) == 0;
}

/// The word every object begins with: the address of its type.
HP_INLINE u32 type_of(u32 object)
{
    return hp_firmware_u32(object);
}

HP_PATCH(import_all)
{
    const u32 module = context->r[0];
    if (is_pointer(module) && type_of(module) == HP_ADDRESS(mp_type_module)) {
        return hp_pass();
    }
    context->r[0] = HP_ADDRESS(mp_type_ImportError);
    context->r[1] = HP_TEXT("not a module");
    return hp_redirect(HP_TO_mp_raise_msg);
}
