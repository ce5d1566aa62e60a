/// Stop 10 of 12. Nordic's flash controller, as far as its chips agree (NVMC in the nRF52840 and nRF5340 product
/// specifications).
///
/// Comes in: bytes for erased flash. Goes out: flash that reads back as asked, or a status. How a page is erased is the
/// chip's own affair. Next: core/store.c
#ifndef HOTPATCH_NORDIC_NVMC_H
#define HOTPATCH_NORDIC_NVMC_H

#include <string.h>

#include "board_config.h"
#include "chip.h"
#include "registers.h"

#define NVMC(offset) HP_REGISTER(HP_BOARD_NVMC_ADDRESS + (offset))
#define NVMC_READY   NVMC(0x400U)
#define NVMC_CONFIG  NVMC(0x504U)

#define NVMC_CONFIG_READ  0U
#define NVMC_CONFIG_WRITE 1U
#define NVMC_CONFIG_ERASE 2U
#define NVMC_WORD_BYTES   4U
#define NVMC_ERASED       0xFFFFFFFFU

static inline void nvmc_wait(void)
{
    while ((NVMC_READY & 1U) == 0U) {
    }
}

static inline void nvmc_configure(uint32_t mode)
{
    NVMC_CONFIG = mode;
    nvmc_wait();
}

/// hp_chip_flash_program of these chips: word by word, each waited for, then compared.
static inline hp_status_t nvmc_program(uint32_t address, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    nvmc_configure(NVMC_CONFIG_WRITE);
    for (size_t offset = 0U; offset < size; offset += NVMC_WORD_BYTES) {
        uint32_t word;
        memcpy(&word, bytes + offset, sizeof word);
        HP_REGISTER(address + offset) = word;
        nvmc_wait();
    }
    nvmc_configure(NVMC_CONFIG_READ);
    return memcmp((const void *)address, data, size) == 0 ? HP_STATUS_OK : HP_STATUS_FLASH_FAILED;
}

/// The end of an erase: waits for it, goes back to reading, and looks at every word of the page.
static inline hp_status_t nvmc_erased(uint32_t address)
{
    nvmc_wait();
    nvmc_configure(NVMC_CONFIG_READ);
    for (uint32_t offset = 0U; offset < HP_BOARD_PAGE_BYTES; offset += NVMC_WORD_BYTES) {
        if (HP_REGISTER(address + offset) != NVMC_ERASED) {
            return HP_STATUS_FLASH_FAILED;
        }
    }
    return HP_STATUS_OK;
}

#endif
