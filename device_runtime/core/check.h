/// Stop 9 of 12. The structural check: refuses every malformed program before it can run. In: instructions and what the
/// payload declares. Out: a status and the instruction at fault. Next: core/store.h
#ifndef HP_CORE_CHECK_H
#define HP_CORE_CHECK_H

#include <stdint.h>

#include "hotpatch/port.h"

/// What a program may refer to and how long it may be.
typedef struct hp_check_limits_t {
    uint32_t instruction_count_max; ///< slots: a wide load counts twice
    uint32_t data_bytes;            ///< of the data section; 0: none
    uint32_t variable_bytes;        ///< of the variables; 0: none
    uint32_t helper_mask;           ///< bit n: the program may call helper n
} hp_check_limits_t;

/// HP_STATUS_OK if every instruction of `code` is well formed and every path stays inside its own (sub-)program; then
/// hp_vm_run is safe on it. Otherwise an HP_STATUS_CHECK_* of the first offence, and its instruction index in *where.
/// `code` may have any alignment. Cost: time in the order of instructions times sub-program calls; no memory.
HP_MUST_CHECK hp_status_t hp_check_program(const uint8_t *code, uint32_t code_bytes,
                                           const hp_check_limits_t *limits, uint32_t *where);

#endif
