/// Stop 10 of 12. Flash of an STM32L4 or STM32G0 (reference manuals RM0351 and RM0444, FLASH; registers: ST's device headers).
///
/// Comes in: bytes for erased flash, or a page to erase. Goes out: flash that reads back as asked, or a status. The core runs on
/// from one bank while the other is busy. A double word has ECC bits: it is programmed once per erase. Next: core/store.c
#include <string.h>

#include "board_config.h"
#include "chip.h"
#include "registers.h"

#define FLASH(offset) HP_REGISTER(HP_BOARD_FLASH_CONTROLLER_ADDRESS + (offset))
#define ACR           FLASH(0x00U)
#define KEYR          FLASH(0x08U)
#define SR            FLASH(0x10U)
#define CR            FLASH(0x14U)

#define KEY_FIRST  0x45670123U
#define KEY_SECOND 0xCDEF89ABU

#define CR_PG        (1U << 0)
#define CR_PER       (1U << 1)
#define CR_PNB_SHIFT 3U
#define CR_STRT      (1U << 16)
#define CR_LOCK      (1U << 31)
#define SR_EOP       (1U << 0)
#define SR_ERRORS    0xC3FAU ///< OPERR up to FASTERR, RDERR and OPTVERR

#define CACHE_INSTRUCTION_ON    (1U << 9)
#define CACHE_DATA_ON           (1U << 10)
#define CACHE_INSTRUCTION_RESET (1U << 11)
#define CACHE_DATA_RESET        (1U << 12)

#if defined(HP_BOARD_HAS_STM32L4_FLASH)
#define SR_BUSY          (1U << 16)
#define CR_SECOND_BANK   (1U << 11)
#define SECOND_BANK_PAGE 0U ///< page numbers begin anew in the second bank
#define CACHES_ON        (CACHE_INSTRUCTION_ON | CACHE_DATA_ON)
#define CACHES_RESET     (CACHE_INSTRUCTION_RESET | CACHE_DATA_RESET)
#elif defined(HP_BOARD_HAS_STM32G0_FLASH)
#define SR_BUSY          (7U << 16) ///< BSY1, BSY2, CFGBSY
#define CR_SECOND_BANK   (1U << 13)
#define SECOND_BANK_PAGE 256U
#define CACHES_ON        CACHE_INSTRUCTION_ON
#define CACHES_RESET     CACHE_INSTRUCTION_RESET
#else
#error "this port knows the flash controllers stm32l4_flash and stm32g0_flash"
#endif

#define BANK_BYTES  (HP_BOARD_FLASH_BYTES / HP_BOARD_FLASH_BANKS)
#define UNIT_BYTES  8U
#define WORD_BYTES  4U
#define ERASED_WORD 0xFFFFFFFFU

static void wait_ready(void)
{
    while ((SR & SR_BUSY) != 0U) {
    }
}

static void unlock(void)
{
    wait_ready();
    if ((CR & CR_LOCK) != 0U) {
        KEYR = KEY_FIRST;
        KEYR = KEY_SECOND;
    }
    SR = SR_EOP | SR_ERRORS; // written ones clear; a stale error would stop the next operation
}

/// Locks the controller again. Whether the operation went well.
static bool finish(void)
{
    wait_ready();
    bool good = (SR & SR_ERRORS) == 0U;
    CR        = 0U;
    CR        = CR_LOCK;
    return good;
}

/// The caches do not see that flash has changed beneath them; they may be reset only while they are off.
static void forget_cached(void)
{
    uint32_t settings = ACR;
    ACR               = settings & ~CACHES_ON;
    ACR               = (settings & ~CACHES_ON) | CACHES_RESET;
    ACR               = settings & ~CACHES_ON;
    ACR               = settings;
}

hp_status_t hp_chip_flash_program(uint32_t address, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    unlock();
    CR = CR_PG;
    for (size_t offset = 0U; offset < size; offset += UNIT_BYTES) {
        uint32_t words[2];
        memcpy(words, bytes + offset, sizeof words);
        HP_REGISTER(address + offset)              = words[0];
        HP_REGISTER(address + offset + WORD_BYTES) = words[1];
        wait_ready();
    }
    bool good = finish();
    return good && memcmp((const void *)address, data, size) == 0 ? HP_STATUS_OK : HP_STATUS_FLASH_FAILED;
}

static uint32_t page_selection(uint32_t address)
{
    uint32_t offset = address - HP_BOARD_FLASH_ADDRESS;
    uint32_t page   = (offset % BANK_BYTES) / HP_BOARD_PAGE_BYTES;
    if (offset < BANK_BYTES) {
        return page << CR_PNB_SHIFT;
    }
    return CR_SECOND_BANK | ((SECOND_BANK_PAGE + page) << CR_PNB_SHIFT);
}

hp_status_t hp_chip_flash_erase(uint32_t address)
{
    unlock();
    CR        = CR_PER | page_selection(address);
    CR        = CR_PER | page_selection(address) | CR_STRT;
    bool good = finish();
    forget_cached();
    for (uint32_t offset = 0U; offset < HP_BOARD_PAGE_BYTES; offset += WORD_BYTES) {
        good = good && HP_REGISTER(address + offset) == ERASED_WORD;
    }
    return good ? HP_STATUS_OK : HP_STATUS_FLASH_FAILED;
}
