/// Stop 11 of 12. Functions that load and store, whose instructions tests/sweeps/invisible.py arms in turn.
///
/// Bytes, halfwords, pairs, many registers at once, a large frame, an exclusive load and its store.
/// Next: invisible_calls.c
#include "invisible_functions.h"

SITES uint32_t checksum(data_t *data, uint32_t sum)
{
    for (uint32_t i = 0U; i < 2U; i++) {
        sum ^= data->bytes[i];
        for (uint32_t bit = 0U; bit < 8U; bit += 2U) {
            sum = (sum >> 1) ^ (0xEDB88320U & (0U - (sum & 1U)));
        }
    }
    return ~sum;
}

SITES void copy_record(data_t *data, uint32_t number)
{
    for (uint32_t i = 0U; i < 8U; i++) {
        data->records[1].words[i] = data->records[0].words[i];
    }
    data->records[1].wide = data->records[0].wide + ((uint64_t)number << 20);
    data->records[1].words[number & 7U] ^= 0x55U;
}

SITES int64_t swap_pairs(data_t *data)
{
    int64_t first  = data->wides[2];
    data->wides[2] = data->wides[3];
    data->wides[3] = first;
    data->wides[4] += first - 1;
    return first ^ data->wides[4];
}

SITES int32_t average(data_t *data, int32_t bias)
{
    int32_t sum = bias >> 12;
    for (uint32_t i = 0U; i < 4U; i++) {
        sum += data->halves[i];
        data->halves[i + 4U] = (int16_t)sum;
    }
    return sum / 4;
}

SITES uint32_t sort(data_t *data, uint32_t seed)
{
    uint32_t count = 2U + (seed & 3U);
    for (uint32_t i = 1U; i < count; i++) {
        for (uint32_t j = i; j > 0U && data->bytes[j - 1U] > data->bytes[j]; j--) {
            uint8_t byte        = data->bytes[j];
            data->bytes[j]      = data->bytes[j - 1U];
            data->bytes[j - 1U] = byte;
        }
    }
    return data->bytes[0] | (uint32_t)data->bytes[count - 1U] << 8;
}

SITES uint32_t large_frame(data_t *data, uint32_t first, uint32_t second)
{
    volatile uint32_t room[96];
    room[first & 31U]          = second;
    room[64U + (second & 31U)] = first;
    data->words[9]             = room[first & 31U];
    return room[64U + (second & 31U)] + 1U;
}

#if defined(__ARM_FEATURE_LDREX)
SITES uint32_t add_exclusively(data_t *data, uint32_t number)
{
    return __atomic_fetch_add(&data->words[10], number, __ATOMIC_SEQ_CST) * 2U + number;
}
#endif
