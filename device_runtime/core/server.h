/// Stop 8 of 12. Answers requests: the resources of spec/protocol.toml. In: a CoAP message. Out: an answer on the line; whole
/// containers go to admission. Next: core/admit.h
#ifndef HP_CORE_SERVER_H
#define HP_CORE_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hotpatch/hotpatch.h"

/// Serves one message. False if it is no CoAP message at all; then nothing is sent but, to a confirmable one, a reset.
bool hp_server_handle(hp_runtime_t *self, const uint8_t *message, size_t size);

#endif
