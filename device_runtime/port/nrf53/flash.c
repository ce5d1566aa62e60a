/// Stop 10 of 12. Flash of an nRF5340's application core through the NVMC (nRF5340 product specification, NVMC).
///
/// Comes in: bytes for erased flash, or a page to erase. Goes out: flash that reads back as asked, or a status. There is no
/// register for the page: a write of ones to its first word erases it. The core stands still meanwhile. Next: core/store.c
#include "../nordic/nvmc.h"

hp_status_t hp_chip_flash_program(uint32_t address, const void *data, size_t size)
{
    return nvmc_program(address, data, size);
}

hp_status_t hp_chip_flash_erase(uint32_t address)
{
    nvmc_configure(NVMC_CONFIG_ERASE);
    HP_REGISTER(address) = NVMC_ERASED;
    return nvmc_erased(address);
}
