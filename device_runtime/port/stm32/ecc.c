/// Stop 10 of 12. A double word that a power cut tore has ECC bits that fit nothing, and reading it raises NMI.
///
/// Comes in: NMI, with the place in ECCR (on the G0 a second register for the second bank). Goes out: true if all bad double
/// words lie in the patch store, whose records and slots have check sums of their own: the read gives the damaged bytes and
/// the store refuses them. False if the firmware itself is damaged, or NMI has another cause. Next: core/store.c
#include "board_config.h"
#include "chip.h"
#include "registers.h"

#define ECC_REGISTER(n) HP_REGISTER(HP_BOARD_FLASH_CONTROLLER_ADDRESS + 0x18U + 4U * (n))
#define ECC_DETECTED (1U << 31) ///< two bits or more are wrong; written one clears, and the address with it
#define BANK_BYTES   (HP_BOARD_FLASH_BYTES / HP_BOARD_FLASH_BANKS)
#define UNIT_BYTES   8U
#define STORE_END    (HP_BOARD_SLOTS_ADDRESS + HP_BOARD_SLOT_COUNT * HP_BOARD_SLOT_BYTES)

#if defined(HP_BOARD_HAS_STM32L4_FLASH)
#define ECC_REGISTERS 1U
/// ADDR_ECC counts bytes of the bank, BK_ECC says which bank: together they are the offset from flash's start.
#define ECC_OFFSET(n, value) ((value) & (2U * BANK_BYTES - 1U))
#elif defined(HP_BOARD_HAS_STM32G0_FLASH)
#define ECC_REGISTERS        HP_BOARD_FLASH_BANKS
/// ADDR_ECC counts double words of the register's own bank.
#define ECC_OFFSET(n, value) ((n) * BANK_BYTES + ((value) & (BANK_BYTES / UNIT_BYTES - 1U)) * UNIT_BYTES)
#endif

bool hp_chip_nonmaskable(void)
{
    bool detected = false;
    bool in_store = true;
    for (uint32_t n = 0U; n < ECC_REGISTERS; n++) {
        uint32_t value = ECC_REGISTER(n);
        if ((value & ECC_DETECTED) == 0U) {
            continue;
        }
        uint32_t address = HP_BOARD_FLASH_ADDRESS + ECC_OFFSET(n, value);
        detected         = true;
        in_store         = in_store && address >= HP_BOARD_JOURNAL_ADDRESS && address < STORE_END;
        ECC_REGISTER(n)  = value; // keeps the interrupt enable of correctable errors
    }
    return detected && in_store;
}
