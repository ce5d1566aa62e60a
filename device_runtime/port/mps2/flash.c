/// Stop 10 of 12. Code RAM in the place of flash on an MPS2: the store works as on flash, and lasts as long as the power.
///
/// Comes in: bytes for an erased page, or a page to erase. Goes out: memory that reads back as asked, or a status. A program
/// only clears bits, as in flash, so that an error of the store's shows here too. Next: core/store.c
#include <string.h>

#include "board_config.h"
#include "chip.h"

hp_status_t hp_chip_flash_program(uint32_t address, const void *data, size_t size)
{
    uint8_t *to         = (uint8_t *)address;
    const uint8_t *from = data;
    for (size_t i = 0U; i < size; i++) {
        to[i] &= from[i];
    }
    return memcmp(to, data, size) == 0 ? HP_STATUS_OK : HP_STATUS_FLASH_FAILED;
}

hp_status_t hp_chip_flash_erase(uint32_t address)
{
    memset((void *)address, 0xFF, HP_BOARD_PAGE_BYTES);
    return HP_STATUS_OK;
}
