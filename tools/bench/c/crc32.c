/// CRC-32 (IEEE 802.3, reflected) of 256 bytes, bit by bit.
#include "workload.h"

WORKLOAD uint64_t workload(const uint8_t *context)
{
    uint32_t crc = 0xffffffffU;

    for (uint32_t i = 0; i < 256; i++) {
        crc ^= context[i];
        for (uint32_t bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ ((0U - (crc & 1U)) & 0xedb88320U);
        }
    }
    return crc ^ 0xffffffffU;
}
