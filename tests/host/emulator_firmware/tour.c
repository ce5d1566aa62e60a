/// SysTick, SVC, PendSV switching two tasks with floating point, UART echo by interrupt, FPB with DebugMonitor.
#include "support.h"

volatile uint32_t ticks, switches, monitor_hits, monitor_mode;
static uint32_t stacks[2][256] __attribute__((aligned(8)));
static uint32_t *saved[2];
static volatile uint32_t current;
volatile uint32_t counts[2];
volatile float sums[2];

void SysTick_Handler(void)
{
    ticks++;
    if (ticks % 4u == 0) {
        ICSR = 1u << 28;
    }
}

__attribute__((used)) uint32_t *next_stack(uint32_t *stack)
{
    saved[current] = stack;
    current ^= 1u;
    switches++;
    return saved[current];
}

__attribute__((naked)) void PendSV_Handler(void)
{
    __asm volatile("mrs r0, psp\n"
                   "tst lr, #0x10\n it eq\n vstmdbeq r0!, {s16-s31}\n"
                   "stmdb r0!, {r4-r11, lr}\n bl next_stack\n ldmia r0!, {r4-r11, lr}\n"
                   "tst lr, #0x10\n it eq\n vldmiaeq r0!, {s16-s31}\n"
                   "msr psp, r0\n bx lr\n");
}

__attribute__((used)) void svc_body(uint32_t *frame)
{
    frame[0] = frame[0] * 2u + ((uint8_t *)frame[6])[-2];
}

__attribute__((naked)) void SVC_Handler(void)
{
    __asm volatile(
        "tst lr, #4\n ite eq\n mrseq r0, msp\n mrsne r0, psp\n push {r4, lr}\n bl svc_body\n pop {r4, pc}\n");
}

__attribute__((naked, noinline)) int victim(int a, int b)
{
    __asm volatile(
        "adds r0, r0, r1\n .global victim_inside\nvictim_inside: adds r0, #1\n adds r0, #10\n bx lr");
}
extern char victim_inside[];
static int stand_in(int a, int b)
{
    return a * 100 + b;
}

__attribute__((used)) void monitor_body(uint32_t *frame)
{
    monitor_hits++;
    if (monitor_mode == 0) {
        frame[0] = 4242;
        frame[6] = frame[5] & ~1u;
    } else if (monitor_mode == 1) {
        frame[6] = (uint32_t)stand_in & ~1u;
    } else {
        frame[6] += 2;
    }
}

__attribute__((naked)) void DebugMon_Handler(void)
{
    __asm volatile("tst lr, #4\n ite eq\n mrseq r0, msp\n mrsne r0, psp\n push {r4, lr}\n bl monitor_body\n "
                   "pop {r4, pc}\n");
}

static uint32_t svc3(uint32_t x)
{
    register uint32_t r0 __asm("r0") = x;
    __asm volatile("svc #3" : "+r"(r0)::"memory");
    return r0;
}

static void task(uint32_t me, float step)
{
    for (;;) {
        counts[me]++;
        sums[me] += step;
        if (sums[me] != step * (float)counts[me] && counts[me] < 1000000) {
            print("bad float\n");
            halt();
        }
        if (me == 0 && counts[0] == 200) {
            say("svc from a task", svc3(10));
        }
        if (me == 1 && switches >= 20) {
            say("switches", switches);
            SYST_CSR = 0;
            halt();
        }
    }
}
static void task0(void)
{
    task(0, 0.5f);
}
static void task1(void)
{
    task(1, 0.25f);
}

static void make_task(uint32_t index, void (*entry)(void))
{
    uint32_t *stack = stacks[index] + 256;
    *--stack        = 1u << 24;
    *--stack        = (uint32_t)entry & ~1u;
    *--stack        = 0xFFFFFFFFu;
    for (int i = 0; i < 5; i++) {
        *--stack = 0;
    }
    *--stack = 0xFFFFFFFDu;
    for (int i = 0; i < 8; i++) {
        *--stack = 0;
    }
    saved[index] = stack;
}

void test_main(void)
{
    ticks = switches = monitor_hits = monitor_mode = current = 0;
    counts[0] = counts[1] = 0;
    sums[0] = sums[1] = 0;
    say("svc", svc3(5));
    DEMCR |= 1u << 16;
    say("fp_ctrl", FP_CTRL);
    say("unarmed", (uint32_t)victim(1, 2));
    arm(0, (uint32_t)victim);
    say("return", (uint32_t)victim(1, 2));
    monitor_mode = 1;
    say("redirect", (uint32_t)victim(1, 2));
    FP_COMP(0) = 0;
    arm(1, (uint32_t)victim_inside);
    monitor_mode = 2;
    say("skip", (uint32_t)victim(1, 2));
    FP_COMP(1) = 0;
    say("disarmed", (uint32_t)victim(1, 2));
    say("hits", monitor_hits);
    make_task(0, task0);
    make_task(1, task1);
    PRIORITY(14) = 0xFF;
    PRIORITY(15) = 0x40;
    SYST_RVR     = 1000 - 1;
    SYST_CVR     = 0;
    SYST_CSR     = 7;
    __asm volatile("msr psp, %0\n movs r0, #2\n msr control, r0\n isb\n" ::"r"(stacks[0] + 256) : "r0");
    task0();
}
