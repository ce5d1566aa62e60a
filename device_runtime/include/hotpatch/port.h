/// What a chip must supply: struct hp_port_t, filled once by the port, called by the core only.
///
/// Every function gets `context` back unchanged. Unless its comment says otherwise it is called in the management
/// context (the port's lowest-priority interrupt), never from a site. A port includes this header and contract.h, never
/// a header of core/.
#ifndef HOTPATCH_PORT_H
#define HOTPATCH_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hotpatch/contract.h"

#if defined(__GNUC__)
#define HP_MUST_CHECK __attribute__((warn_unused_result))
#else
#define HP_MUST_CHECK
#endif

typedef struct hp_port_t {
    void *context; ///< handed back unchanged to every function below

    /// Where the `size` bytes at device address `address` can be read by the core: the same address on a device, a
    /// place in a buffer on a host. NULL if any of them is neither flash nor RAM. Called in any context; must be
    /// re-entrant.
    const void *(*memory)(void *context, uint32_t address, uint32_t size);

    /// Writes `size` bytes (a multiple of 8) at `address` (a multiple of 8) into flash that is erased there. Returns
    /// HP_STATUS_FLASH_FAILED if the bytes read back differ. A power cut inside may leave any bits of one unit.
    HP_MUST_CHECK hp_status_t (*flash_program)(void *context, uint32_t address, const void *data,
                                               size_t size);

    /// Erases the page that starts at `address`. After HP_STATUS_OK each of its bytes reads 0xff. May stop the processor
    /// for tens of milliseconds.
    HP_MUST_CHECK hp_status_t (*flash_erase)(void *context, uint32_t address);

    /// Queues `size` bytes for the serial line, in order; waits while the queue is full.
    void (*serial_write)(void *context, const uint8_t *data, size_t size);

    /// Takes one byte that a person or tool typed: it lay outside every management frame. False if nobody had room.
    bool (*console_input)(void *context, uint8_t byte);

    /// Milliseconds since reset; wraps. Called in any context.
    uint32_t (*now_ms)(void *context);

    /// Whether the port can trap at `address` by `trigger`. HP_STATUS_UNSUPPORTED: never by this kind of trigger;
    /// HP_STATUS_ILLEGAL_SITE: not there; HP_STATUS_NO_DEBUG_MONITOR: the chip keeps breakpoints from its firmware.
    HP_MUST_CHECK hp_status_t (*site_check)(void *context, hp_trigger_t trigger, uint32_t address);

    /// Arms trigger `index` (0 .. trigger_count-1): when the firmware reaches `address`, the port's veneer calls hp_fire
    /// with this index and continues at `resume` (Thumb bit set; 0 at a
    /// fixed site, which knows the function it stands for) unless the frame says otherwise. The firmware goes on
    /// seeing the old arming or the new one, never half of it. HP_STATUS_ILLEGAL_SITE if the port cannot trap there.
    HP_MUST_CHECK hp_status_t (*trigger_arm)(void *context, uint32_t index, uint32_t address,
                                             uint32_t resume);

    /// Disarms trigger `index`. No effect if it is not armed.
    void (*trigger_disarm)(void *context, uint32_t index);

    /// Bytes that the interrupted stack still has below the frame at `frame`. Called at a site, in any context.
    uint32_t (*stack_room)(void *context, const void *frame);

    /// The number of the exception that is being handled (IPSR), 0 in a thread. Called at a site, in any context; a fault
    /// belongs to a run only if it was taken at the same level.
    uint32_t (*level)(void *context);

    /// Whether nothing that management interrupted can go on among the `bytes` bytes from `address` on, nor is on its way
    /// between a trap and hp_fire's record: then a slot there, disarmed before, may be erased. A port that cannot tell says
    /// false, and the slot waits for a reset.
    bool (*quiet)(void *context, uint32_t address, uint32_t bytes);
} hp_port_t;

#endif
