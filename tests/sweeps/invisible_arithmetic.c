/// Stop 11 of 12. Functions that compute, whose instructions tests/sweeps/invisible.py arms in turn.
///
/// Wide multiplication, division, IF-THEN blocks, saturation (Q), parallel bytes (GE), floats, a switch.
/// Next: invisible_memory.c
#include "invisible_functions.h"

SITES uint32_t wide_sum(data_t *data, uint32_t seed, int32_t factor, uint32_t other)
{
    int64_t sum = data->wides[0];
    for (uint32_t i = 0U; i < 3U; i++) {
        sum += (int64_t)(int32_t)data->words[i] * factor;
        sum = sum < 0 ? 7 - sum : sum;
        factor -= (int32_t)(sum >> 33);
    }
    data->wides[1] = sum;
    return (uint32_t)(sum >> 7) ^ seed ^ other;
}

SITES uint32_t quotients(data_t *data, uint32_t number, uint32_t divisor, uint32_t other)
{
    data->words[0] = other;
    return number / ((divisor & 0xffffU) | 1U) + number % ((divisor >> 5) | 3U);
}

SITES int32_t clamp(data_t *data, int32_t value, int32_t low, int32_t high)
{
    int32_t inside = value > high ? high : value < low ? low : value;
    if (data->halves[0] > 3) {
        inside -= data->halves[1];
        low ^= inside;
    } else {
        inside += low;
    }
    return inside ^ low;
}

#if defined(__ARM_FEATURE_SAT)
SITES int32_t saturate(data_t *data, int32_t left, int32_t right)
{
    int32_t sum   = left;
    int32_t small = right;
#if defined(__ARM_FEATURE_DSP)
    __asm volatile("qadd %0, %1, %2" : "=r"(sum) : "r"(left), "r"(right));
#endif
    __asm volatile("ssat %0, #12, %1" : "=r"(small) : "r"(sum));
    __asm volatile("mrs %0, apsr" : "=r"(data->words[1]));
    return sum ^ (small << 3);
}
#endif

#if defined(__ARM_FEATURE_DSP)
SITES uint32_t parallel_bytes(data_t *data, uint32_t left, uint32_t right)
{
    uint32_t sum = 0U;
    __asm volatile("uadd8 %0, %1, %2\n\tnop\n\tsel %0, %1, %2" : "=&r"(sum) : "r"(left), "r"(right));
    data->words[2] = sum;
    return sum + (left > right ? 3U : 5U);
}
#endif

#if defined(__ARM_FP)
SITES float polynomial(data_t *data, float x, float y)
{
    float sum = 1.5F;
    for (uint32_t i = 0U; i < 3U; i++) {
        sum = sum * x + (float)(int32_t)data->words[i];
    }
    sum = sum > y ? sum - y * 1.25F : sum;
    return sum / (y + 2.25F);
}
#endif

SITES uint32_t mixture(data_t *data, uint32_t number, uint32_t scale)
{
    float sum = (float)(number & 0xffffU);
    sum += (float)(scale >> 4) * 0.5F;
    data->words[3] = (uint32_t)(int32_t)(sum * 0.0625F);
    return data->words[3] ^ number;
}

SITES uint32_t choose(data_t *data, uint32_t which, uint32_t value)
{
    switch (which & 7U) {
    case 0U: return value + 1U;
    case 1U: data->words[1] = value * 3U; return data->words[0];
    case 2U: return value ^ 0x1234U;
    case 3U: return value >> 3;
    case 4U: data->bytes[1] = (uint8_t)value; return value - 9U;
    case 5U: return (value << 5) | 1U;
    case 6U: return ~value;
    default: return data->words[7];
    }
}
