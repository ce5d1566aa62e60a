/// Stop 11 of 12. Functions that call, whose instructions tests/sweeps/invisible.py arms in turn.
///
/// Recursion, tail calls, calls through pointers, arguments on the stack, any number of arguments. Next: invisible_entry.S
#include <stdarg.h>

#include "invisible_functions.h"

SITES uint32_t fibonacci(data_t *data, uint32_t number)
{
    number &= 3U;
    data->words[number] += number;
    return number < 2U ? number : fibonacci(data, number - 1U) + fibonacci(data, number - 2U);
}

SITES uint32_t times_five(uint32_t left, uint32_t right)
{
    return left * 5U + right;
}

SITES uint32_t shifted(uint32_t left, uint32_t right)
{
    return left ^ (right << 2);
}

SITES uint32_t tail(data_t *data, uint32_t left, uint32_t right)
{
    if ((left & 1U) != 0U) {
        return times_five(data->words[0], left);
    }
    data->words[1] = right;
    return shifted(right, left + 1U);
}

typedef uint32_t (*function_t)(uint32_t, uint32_t);
static const function_t functions[4] = {times_five, shifted, shifted, times_five};

SITES uint32_t through_pointers(data_t *data, uint32_t left, uint32_t right)
{
    const function_t *volatile table = functions;
    uint32_t sum                     = data->words[4];
    for (uint32_t i = 0U; i < 2U; i++) {
        sum += table[(left + i) & 3U](right + i, sum);
    }
    return sum;
}

SITES uint32_t weigh(uint32_t a, uint32_t b, uint32_t c, uint32_t d, uint32_t e, uint32_t f)
{
    return a + 2U * b + 3U * c + 5U * d + 7U * (e ^ f);
}

SITES uint32_t many_arguments(data_t *data, uint32_t first, uint32_t second, uint32_t third)
{
    return weigh(first, second, third, data->words[5], data->words[6], first & 0xffU) - 1U;
}

SITES uint32_t sum_of(data_t *data, uint32_t count, ...)
{
    va_list arguments;
    va_start(arguments, count);
    uint32_t sum = data->words[9];
    for (count &= 3U; count > 0U; count--) {
        sum = sum * 3U + va_arg(arguments, uint32_t);
    }
    va_end(arguments);
    return sum;
}

SITES uint32_t any_arguments(data_t *data, uint32_t first, uint32_t second)
{
    return sum_of(data, 3U, first, second, data->words[8]) + sum_of(data, 1U, second);
}
