/// The context of a native run. The host calls workload() with its address.
#include <stdint.h>

uint64_t context[CONTEXT_BYTES / 8U];
