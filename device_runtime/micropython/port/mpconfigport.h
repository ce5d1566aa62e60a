/// Stop 12 of 12. What MicroPython is built with. Next: main.c
#ifndef HOTPATCH_MPCONFIGPORT_H
#define HOTPATCH_MPCONFIGPORT_H

#include <alloca.h>
#include <stdint.h>

#include "board_config.h"

#define MICROPY_CONFIG_ROM_LEVEL (MICROPY_CONFIG_ROM_LEVEL_EXTRA_FEATURES)

#define MICROPY_ENABLE_GC                      (1)
#define MICROPY_HELPER_REPL                    (1)
#define MICROPY_KBD_EXCEPTION                  (1)
#define MICROPY_ENABLE_EMERGENCY_EXCEPTION_BUF (1)
#define MICROPY_ENABLE_SCHEDULER               (1)
#define MICROPY_LONGINT_IMPL                   (MICROPY_LONGINT_IMPL_MPZ)
#define MICROPY_FLOAT_IMPL                     (MICROPY_FLOAT_IMPL_FLOAT)
#define MICROPY_PERSISTENT_CODE_LOAD           (1)
#define MICROPY_EMIT_THUMB                     (1)
#define MICROPY_EMIT_INLINE_THUMB              (1)
#if defined(__ARM_ARCH_6M__)
// Without these the emitter makes ARMv7-M instructions, and FP ones.
#define MICROPY_EMIT_THUMB_ARMV7M       (0)
#define MICROPY_EMIT_INLINE_THUMB_FLOAT (0)
#endif

// The os module and open() exist and find nothing: there is no file system.
#define MICROPY_VFS        (1)
#define MICROPY_READER_VFS (1)

#define MICROPY_PY_ASYNCIO                      (1)
#define MICROPY_PY_BINASCII                     (1)
#define MICROPY_PY_HASHLIB                      (1)
#define MICROPY_PY_HASHLIB_SHA256               (1)
#define MICROPY_PY_JSON                         (1)
#define MICROPY_PY_MACHINE                      (0)
#define MICROPY_PY_RANDOM                       (1)
#define MICROPY_PY_SELECT                       (1)
#define MICROPY_PY_STRUCT                       (1)
#define MICROPY_PY_SYS_PLATFORM                 "hotpatch"
#define MICROPY_PY_SYS_STDFILES                 (1)
#define MICROPY_PY_SYS_STDIO_BUFFER             (1)
#define MICROPY_PY_TIME                         (1)
#define MICROPY_PY_TIME_GMTIME_LOCALTIME_MKTIME (0)
#define MICROPY_PY_TIME_TIME_TIME_NS            (0)

#define MICROPY_HW_BOARD_NAME   HP_BOARD_NAME
#define MICROPY_HW_MCU_NAME     "patchctl runtime"
#define MICROPY_EVENT_POLL_HOOK mp_port_event_poll();

#define MICROPY_MAKE_POINTER_CALLABLE(p) ((void *)((mp_uint_t)(p) | 1))
#define MP_SSIZE_MAX                     (0x7fffffff)
#define MP_NEED_LOG2                     (1)
#define MP_STATE_PORT                    MP_STATE_VM

typedef int32_t mp_int_t;
typedef uint32_t mp_uint_t;
typedef long mp_off_t;

void mp_port_event_poll(void);

#endif
