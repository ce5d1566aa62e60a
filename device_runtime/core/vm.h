/// Stop 12 of 12. The interpreter: runs one program, every access checked, fuel exact. In: a program that
/// hp_check_program accepted, and the regions it may touch. Out: a fault, and the result in r0. Next: core/helpers.h
///
/// All state is in the caller's hp_vm_t: any number of runs may be under way, one inside another. Uses no floating point.
#ifndef HP_CORE_VM_H
#define HP_CORE_VM_H

#include <stdbool.h>
#include <stdint.h>

#include "hotpatch/port.h"
#include "hotpatch/vm_state.h"

struct hp_vm_t;

/// Answers a call of helper `number`, which the program may call: arguments in registers[1..5], result in registers[0].
/// Returns a fault to end the run.
typedef hp_fault_t (*hp_helper_call_t)(hp_vm_t *vm, uint32_t number);

/// A program as the slot holds it; constant while it may run.
typedef struct hp_program_t {
    const uint8_t *code; ///< 4-aligned, accepted by hp_check_program, runs in place
    uint32_t code_bytes;
    uint32_t fuel;           ///< instructions one run may execute; at most HP_FUEL_MAX, more counts as none
    uint32_t frame_bytes;    ///< how far a call of a sub-program lowers r10; a multiple of 8
    uint32_t helper_mask;    ///< bit n: it may call helper n
    hp_helper_call_t helper; ///< hp_helper_call, or a superset of it
} hp_program_t;

/// All that one run may touch. An absent region has bytes 0.
typedef struct hp_space_t {
    hp_region_t stack;   ///< read and write; r10 starts at its end. 8-aligned, a multiple of 8 bytes
    hp_region_t context; ///< read and write; r1 starts at its address
    hp_region_t data;    ///< read only; what lddw source 6 is relative to if its immediate is HP_SECTION_DATA
    hp_region_t variables; ///< read and write, the same for all runs of a patch; with HP_SECTION_VARIABLES
    const hp_region_t *readable; ///< firmware memory: the board's ranges
    uint32_t readable_count;
    const hp_region_t *writable; ///< firmware memory that the signed payload names; read and write
    uint32_t writable_count;
} hp_space_t;

/// Runs `program` from its first instruction: r1 = the context's address, r2 = its bytes, r10 = the stack's end, all other
/// registers and the whole stack cleared. HP_FAULT_NONE: it ended by exit, r0 is in self->registers[0].
/// HP_FAULT_FUEL, _MEMORY, _CALL, _DEPTH: it ended at that instruction, nothing after it happened, r0 means nothing.
/// Fuel: each executed instruction costs 1 (lddw too), the faulting one included; self->fuel is what is left.
/// Cost: fuel instructions at most. Any context; re-entrant.
HP_MUST_CHECK hp_fault_t hp_vm_run(hp_vm_t *self, const hp_program_t *program, const hp_space_t *space);

/// Where the `bytes` (> 0) bytes at 64-bit `address` lie if the run may read them (`write`: write them), else NULL.
uint8_t *hp_vm_memory(const hp_vm_t *self, uint64_t address, uint32_t bytes, bool write);

#endif
