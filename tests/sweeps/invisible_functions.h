/// Stop 11 of 12. The data that the functions of tests/sweeps/invisible_*.c work on, and where their code goes.
///
/// Every function takes the data, three numbers of any value and, where floats are passed in registers, any floats; its
/// loops are short whatever they are. It touches nothing but the data and its stack, so that an interrupt may run it again
/// on other data. Next: invisible_arithmetic.c
#ifndef INVISIBLE_FUNCTIONS_H
#define INVISIBLE_FUNCTIONS_H

#include <stdint.h>

typedef struct record_t {
    uint32_t words[8];
    uint64_t wide;
} record_t;

typedef struct data_t {
    uint32_t words[32];
    int64_t wides[8];
    uint8_t bytes[64];
    int16_t halves[32];
    record_t records[2];
} data_t;

/// Where comparators reach; its instructions are armed in turn.
#define SITES __attribute__((noinline, noclone, section(".function")))

#endif
