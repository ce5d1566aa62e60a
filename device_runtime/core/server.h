/// Stop 8 of 12. Answers requests: the resources of spec/protocol.toml. In: a CoAP message. Out: an answer, which the transport
/// that brought the message sends; whole containers go to admission. Next: core/admit.h
#ifndef HP_CORE_SERVER_H
#define HP_CORE_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"
#include "hotpatch/hotpatch.h"

/// Serves one message. `answer` is what goes back where it came from, empty for nothing; its bytes are the runtime's, and good
/// until the next call. False if it is no CoAP message at all; then a confirmable one is answered by a reset, others not.
bool hp_server_handle(hp_runtime_t *self, const uint8_t *message, size_t size, hp_span_t *answer);

#endif
