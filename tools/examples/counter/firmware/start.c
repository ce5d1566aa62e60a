// From reset to main, and the vectors that this firmware uses.
#include <stdint.h>

extern uint32_t data_load[], data_start[], data_end[], bss_start[], bss_end[], stack_top[];

int main(void);
void tick(void);
void reset(void);

void reset(void)
{
    const uint32_t *from = data_load;
    for (uint32_t *to = data_start; to < data_end;) {
        *to++ = *from++;
    }
    for (uint32_t *to = bss_start; to < bss_end;) {
        *to++ = 0U;
    }
    (void)main();
}

static void fault(void)
{
    for (;;) {
    }
}

__attribute__((section(".vectors"), used)) static const uintptr_t vectors[16] = {
    [0]  = (uintptr_t)stack_top,
    [1]  = (uintptr_t)reset,
    [3]  = (uintptr_t)fault,
    [15] = (uintptr_t)tick,
};
