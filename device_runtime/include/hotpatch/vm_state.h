/// State of one run of a program: what an invocation's record holds, so its size is public.
#ifndef HOTPATCH_VM_STATE_H
#define HOTPATCH_VM_STATE_H

#include <stdint.h>

#include "hotpatch/contract.h"

#define HP_REGISTERS 11U

/// `bytes` bytes that a program knows by `address`, and where the core finds them: the same place on a device, anywhere on
/// a host. Never wraps past address 2^32. Whoever holds the region says whether it may be written.
typedef struct hp_region_t {
    uint32_t address;
    uint32_t bytes;
    uint8_t *memory;
} hp_region_t;

/// What a call of a sub-program keeps of its caller (RFC 9669 section 2: r6-r9 survive a call).
typedef struct hp_call_frame_t {
    uint64_t r6_r9[4];
    const uint8_t *resume; ///< the instruction behind the call
} hp_call_frame_t;

struct hp_program_t;
struct hp_space_t;

typedef struct hp_vm_t {
    uint64_t registers[HP_REGISTERS]; ///< after a run r0 is the result; the rest is for tests and traces
    const struct hp_program_t *program;
    const struct hp_space_t *space;
    const uint8_t *pc; ///< after a run: behind the last instruction executed, unless fuel ended it
    uint32_t fuel;     ///< after a run: instructions it was allowed and did not use
    uint32_t depth;    ///< callers waiting
    hp_call_frame_t callers[HP_SUB_PROGRAMS_DEEP];
} hp_vm_t;

#endif
