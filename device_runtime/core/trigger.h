/// Stop 11 of 12. From a reached site to its program and back. In: trigger numbers and frames. Out: a verdict, written into
/// the frame. Next: core/vm.h
#ifndef HP_CORE_TRIGGER_H
#define HP_CORE_TRIGGER_H

#include <stdbool.h>
#include <stdint.h>

#include "hotpatch/hotpatch.h"

/// Arms every site of the payload of patch `patch_index` in slot `slot`; sites that the patch had armed before go over to
/// the new payload or are disarmed. The payload was admitted. HP_STATUS_NO_TRIGGER, or what the port said: then the patch
/// has no site armed.
HP_MUST_CHECK hp_status_t hp_trigger_arm(hp_runtime_t *self, uint32_t patch_index, uint32_t slot);

/// Disarms every site of patch `patch_index`.
void hp_trigger_disarm(hp_runtime_t *self, uint32_t patch_index);

/// How many triggers patch `patch_index` could use for the sites of `payload`: free ones and its own, but where threads
/// may be on their way from a hit only those that served no other site.
uint32_t hp_trigger_room(const hp_runtime_t *self, uint32_t patch_index, const uint8_t *payload);

/// Whether another patch displaces instructions among the `bytes` bytes from `address` on.
bool hp_trigger_taken(const hp_runtime_t *self, uint32_t patch_index, uint32_t address, uint32_t bytes);

#endif
