/// Stop 10 of 12. Flash of an nRF52 through the NVMC (nRF52840 product specification, NVMC).
///
/// Comes in: bytes for erased flash, or a page to erase. Goes out: flash that reads back as asked, or a status. The core
/// stands still while a page is erased (85 ms). Next: core/store.c
#include "../nordic/nvmc.h"

#define ERASEPAGE NVMC(0x508U)

hp_status_t hp_chip_flash_program(uint32_t address, const void *data, size_t size)
{
    return nvmc_program(address, data, size);
}

hp_status_t hp_chip_flash_erase(uint32_t address)
{
    nvmc_configure(NVMC_CONFIG_ERASE);
    ERASEPAGE = address;
    return nvmc_erased(address);
}
