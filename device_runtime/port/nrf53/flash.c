/// Stop 10 of 12. Flash of an nRF5340's application core through the NVMC (nRF5340 product specification, NVMC).
///
/// Comes in: bytes for erased flash, or a page to erase. Goes out: flash that reads back as asked, or a status. There is no
/// register for the page: a write of ones to its first word erases it. The core stands still meanwhile. Next: core/store.c
#include <string.h>

#include "board_config.h"
#include "chip.h"
#include "registers.h"

#define NVMC(offset) HP_REGISTER(HP_BOARD_NVMC_ADDRESS + (offset))
#define READY        NVMC(0x400U)
#define CONFIG       NVMC(0x504U)

#define CONFIG_READ  0U
#define CONFIG_WRITE 1U
#define CONFIG_ERASE 2U
#define WORD_BYTES   4U
#define ERASED       0xFFFFFFFFU

static void wait_ready(void)
{
    while ((READY & 1U) == 0U) {
    }
}

static void configure(uint32_t mode)
{
    CONFIG = mode;
    wait_ready();
}

hp_status_t hp_chip_flash_program(uint32_t address, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    configure(CONFIG_WRITE);
    for (size_t offset = 0U; offset < size; offset += WORD_BYTES) {
        uint32_t word;
        memcpy(&word, bytes + offset, sizeof word);
        HP_REGISTER(address + offset) = word;
        wait_ready();
    }
    configure(CONFIG_READ);
    return memcmp((const void *)address, data, size) == 0 ? HP_STATUS_OK : HP_STATUS_FLASH_FAILED;
}

hp_status_t hp_chip_flash_erase(uint32_t address)
{
    configure(CONFIG_ERASE);
    HP_REGISTER(address) = ERASED;
    wait_ready();
    configure(CONFIG_READ);
    for (uint32_t offset = 0U; offset < HP_BOARD_PAGE_BYTES; offset += WORD_BYTES) {
        if (HP_REGISTER(address + offset) != ERASED) {
            return HP_STATUS_FLASH_FAILED;
        }
    }
    return HP_STATUS_OK;
}
