/// Stop 8 of 12. One serial line for console and management: slipmux (draft-bormann-t2trg-slipmux over RFC 1055, checksum of
/// RFC 1662). In: bytes of the line. Out: CoAP messages for the server, all else for the console. Next: core/coap.h
#ifndef HP_CORE_SLIPMUX_H
#define HP_CORE_SLIPMUX_H

#include <stddef.h>
#include <stdint.h>

#include "hotpatch/hotpatch.h"

#define HP_SILENCE_MS 200U  ///< after which a frame under way is given up
#define HP_SESSION_MS 3000U ///< after the last valid frame, a session closes

/// Takes bytes from the line. Whole frames go to hp_server_handle and its answers back, console bytes to the port.
void hp_slipmux_feed(hp_runtime_t *self, const uint8_t *data, size_t size);

/// Gives up a frame that stopped coming, closes an idle session.
void hp_slipmux_poll(hp_runtime_t *self);

/// Sends console text as a diagnostics frame.
void hp_slipmux_send_text(hp_runtime_t *self, const uint8_t *text, size_t size);

/// RFC 1662 appendix C: the frame check sequence (CRC-16/X-25), `fcs` 0xffff to begin with; complement it to send it.
uint16_t hp_fcs16(uint16_t fcs, const uint8_t *data, size_t size);

#endif
