/// What differs between the four cores and chips, one case each; the test writes `which` before the first instruction.
#include "support.h"

volatile uint32_t which, again, trace, monitor_hits, address, seen[24];

static void mark(uint32_t digit)
{
    trace = trace << 4 | digit;
}

__attribute__((naked, noinline)) static void undefined(void)
{
    __asm volatile(".global undefined_at\nundefined_at: udf #1\n bx lr");
}

__attribute__((naked, noinline)) uint32_t victim(uint32_t x)
{
    __asm volatile(".syntax unified\n adds r0, #1\n bx lr");
}

void HardFault_Handler(void)
{
    if (again == 1) {
        undefined();
    }
    mark(3);
    if (again == 2) {
        ICSR = 1u << 31; /* NMI preempts HardFault */
        __asm volatile("dsb\n isb");
        mark(4);
        say("trace", trace);
    }
#if __ARM_ARCH_6M__
    say("hardfault", 0);
#else
    say("hardfault", HFSR);
#endif
    halt();
}

void NMI_Handler(void)
{
    mark(2);
    if (which == 18) {
        say("nmi", REG(0x40022018u));
        halt();
    }
}

static uint32_t *monitor_frame(uint32_t link, uint32_t *main_stack, uint32_t *process_stack)
{
    return link & 4u ? process_stack : main_stack;
}

__attribute__((used)) void monitor_body(uint32_t link, uint32_t *main_stack, uint32_t *process_stack)
{
    uint32_t *frame          = monitor_frame(link, main_stack, process_stack);
    seen[monitor_hits++ % 8] = frame[6];
    if (which == 30) {
        frame[6] += 2; /* a BKPT has no comparator to take away */
    }
#if !__ARM_ARCH_6M__
    for (uint32_t i = 0; i < 8; i++) {
        FP_COMP(i) = 0;
    }
#endif
}

__attribute__((naked)) void DebugMon_Handler(void)
{
    __asm volatile(".syntax unified\n push {r4, lr}\n mov r0, lr\n mrs r1, msp\n adds r1, #8\n mrs r2, psp\n "
                   "bl monitor_body\n"
                   " pop {r4, pc}\n");
}

/// Runs with every register known, on an unaligned process stack; PendSV is pended in the middle and spoils what it may.
__attribute__((naked, noinline)) static void known_registers(volatile uint32_t *out)
{
    __asm volatile(
        ".syntax unified\n push {r4-r7, lr}\n mov r1, r8\n mov r2, r9\n mov r3, r10\n mov r4, r11\n push "
        "{r1-r4}\n push {r0}\n"
        " ldr r0, =0xE000ED04\n movs r1, #1\n lsls r1, #28\n movs r2, #2\n mov r8, r2\n movs r2, #3\n mov "
        "r9, r2\n"
        " movs r2, #4\n mov r10, r2\n movs r2, #5\n mov r11, r2\n movs r2, #6\n mov r12, r2\n movs r2, #7\n "
        "mov lr, r2\n"
        " movs r2, #8\n movs r3, #9\n movs r4, #10\n movs r5, #11\n movs r6, #12\n movs r7, #0\n cmp r7, #1\n"
        " str r1, [r0]\n dsb\n isb\n"
        " bcs 2f\n bpl 2f\n" /* 0 - 1: negative, no carry */
        " ldr r0, [sp]\n str r2, [r0, #0]\n str r3, [r0, #4]\n str r4, [r0, #8]\n str r5, [r0, #12]\n str "
        "r6, [r0, #16]\n"
        " str r7, [r0, #20]\n mov r1, r8\n str r1, [r0, #24]\n mov r1, r9\n str r1, [r0, #28]\n mov r1, "
        "r10\n str r1, [r0, #32]\n"
        " mov r1, r11\n str r1, [r0, #36]\n mov r1, r12\n str r1, [r0, #40]\n mov r1, lr\n str r1, [r0, "
        "#44]\n"
        "2: pop {r0}\n pop {r1-r4}\n mov r8, r1\n mov r9, r2\n mov r10, r3\n mov r11, r4\n pop {r4-r7, pc}\n "
        ".ltorg\n");
}

__attribute__((used)) void pendsv_body(uint32_t link, uint32_t process_stack, uint32_t main_stack)
{
    seen[12] = link;
    seen[13] = process_stack & 7u;
    seen[14] = main_stack & 7u;
    __asm volatile("mrs %0, control" : "=r"(seen[15]));
    if (which == 27) {
        ISPR = 1u << 1;
        __asm volatile("dsb\n isb");
    }
}

/// Spoils the registers that the frame keeps, the flags, and float registers where there are any.
__attribute__((naked)) void PendSV_Handler(void)
{
    __asm volatile(
        ".syntax unified\n push {r4, lr}\n mov r0, lr\n mrs r1, psp\n mov r2, sp\n bl pendsv_body\n"
#ifdef __ARM_FP
        " vmov.f32 s0, #2.0\n vmov.f32 s15, #3.0\n"
#endif
        " movs r0, #0\n movs r1, #0\n movs r2, #0\n movs r3, #0\n mov r12, r0\n adds r0, r0\n pop {r4, "
        "pc}\n");
}

/// The rest of main on a process stack, whose pointer is 4 beyond a multiple of 8.
static uint32_t process_stack[128] __attribute__((aligned(8)));
static void use_process_stack(void)
{
    __asm volatile("msr psp, %0\n movs r0, #2\n msr control, r0\n isb" ::"r"(process_stack + 101)
                   : "r0", "memory");
}

static void registers(void)
{
    known_registers(seen);
    say("low", seen[0] << 16 | seen[1] << 12 | seen[2] << 8 | seen[3] << 4 | seen[4]);
    say("high", seen[6] << 20 | seen[7] << 16 | seen[8] << 12 | seen[9] << 8 | seen[10] << 4 | seen[11]);
    say("zero", seen[5]);
    say("main misaligned", seen[14]);
    say("process misaligned", seen[13]);
    halt();
}

void Irq0_Handler(void)
{
    mark(0xA);
    seen[16] = (uint32_t)__builtin_frame_address(0);
    if (which == 2) {
        ISPR = 1u << 1 | 1u << 3; /* 1 preempts, 3 waits */
        __asm volatile("dsb\n isb");
    }
    mark(0xB);
}

__attribute__((used)) void irq1_body(uint32_t link)
{
    seen[17] = link;
    __asm volatile("mrs %0, control" : "=r"(seen[18]));
    mark(1);
}
__attribute__((naked)) void Irq1_Handler(void)
{
    __asm volatile("push {r4, lr}\n mov r0, lr\n bl irq1_body\n pop {r4, pc}");
}

void Irq3_Handler(void)
{
    mark(3);
    seen[19] = (uint32_t)__builtin_frame_address(0);
}

static void set_priority(uint32_t line, uint32_t value)
{
    volatile uint32_t *word = &REG(0xE000E400u + (line & ~3u));
    *word                   = (*word & ~(0xFFu << 8 * (line & 3))) | value << 8 * (line & 3);
}

static void priorities(void)
{
    set_priority(0, 0x80);
    set_priority(1, 0x40);
    set_priority(3, 0x80);
    ISER = 0xB;
    ISPR = 1;
    __asm volatile("dsb\n isb");
    say("trace", trace);
    say("chained in place", seen[16] == seen[19]);
}

volatile uint32_t ticks;
void SysTick_Handler(void)
{
    if (++ticks % 3u == 0) {
        ICSR = 1u << 28;
    }
}

static void run_ticks(void)
{
    uint32_t x = 1;
    ticks      = 0;
    SYST_RVR   = 700;
    SYST_CVR   = 0;
    SYST_CSR   = 7;
    while (ticks < 40) {
        x = x * 1664525u + 1013904223u;
        trace ^= x;
    }
    SYST_CSR = 0;
    say("ticks", ticks);
}

#if !__ARM_ARCH_6M__
static void arm_any(uint32_t index, uint32_t at)
{
    if (FP_CTRL >> 28) {
        FP_COMP(index) = (at & ~1u) | 1u;
        FP_CTRL        = 3;
    } else {
        arm(index, at);
    }
}

static void every_comparator(void)
{
    uint32_t count = FP_CTRL >> 4 & 15u;
    DEMCR |= 1u << 16;
    for (uint32_t i = 0; i < count; i++) {
        arm_any(i, (uint32_t)victim);
        (void)victim(1);
        say("hits", monitor_hits);
    }
    say("control", FP_CTRL);
    arm_any(0, (uint32_t)victim + 2);
    (void)victim(1);
    say("second half", seen[(monitor_hits - 1) % 8] - ((uint32_t)victim & ~1u));
}

static void code_in_ram(void)
{
    static uint16_t code[4];
    uint32_t (*run)(void) = (uint32_t (*)(void))((uint32_t)code | 1u);
    code[0] = 0x2007, code[1] = 0x4770; /* movs r0, #7; bx lr */
    __asm volatile("dsb\n isb" ::: "memory");
    DEMCR |= 1u << 16;
    arm_any(0, (uint32_t)code);
    say("ram code", run());
    say("hits", monitor_hits);
}

/// The word at `remap_at` holds two instructions; the table's says 20 instead of 5, and a 32-bit one lies across words.
__attribute__((naked, noinline, aligned(4))) static uint32_t remapped(uint32_t x)
{
    __asm volatile(".syntax unified\n .balign 4\n .global remap_at\nremap_at: adds r0, #5\n adds r0, #1\n"
                   " nop\n .global across_at\nacross_at: add.w r0, r0, #256\n bx lr");
}
extern char remap_at[];
static uint32_t remap_table[8] __attribute__((aligned(32)));

static void remap(void)
{
    uint32_t at  = (uint32_t)remap_at & ~1u;
    uint32_t old = *(uint32_t *)at;
    say("unpatched", remapped(0));
    remap_table[0]   = (old & 0xFFFF0000u) | 0x3014u; /* adds r0, #20 */
    remap_table[1]   = 0xF500bf00u;                   /* nop; first half of add.w r0, r0, #... */
    remap_table[2]   = 0x47707000u;                   /* ..., #512; bx lr */
    REG(0xE0002004u) = (uint32_t)remap_table;
    FP_COMP(0)       = at | 1u;
    FP_CTRL          = 3;
    say("patched", remapped(0));
    say("data as before", *(volatile uint32_t *)at == old);
    FP_COMP(1) = (at + 4) | 1u;
    FP_COMP(2) = (at + 8) | 1u;
    say("across", remapped(0));
    FP_CTRL = 2;
    say("off", remapped(0));
}

extern char monitored_at[];
static void monitored(void)
{
    DEMCR |= 1u << 16;
    if (which == 31) {
        __asm volatile("cpsid i");
    }
    __asm volatile(".global monitored_at\nmonitored_at: bkpt #0" ::: "memory");
    say("hits", monitor_hits);
    say("stacked its own address", seen[0] == (uint32_t)monitored_at);
}

static void cycle_counter(void)
{
    DEMCR |= 1u << 24;
    REG(0xE0001004u) = 0;
    REG(0xE0001000u) = 1;
    __asm volatile("nop\n nop\n nop\n nop");
    say("counted", REG(0xE0001004u) > 0);
}
#endif

#ifdef __ARM_FP
__attribute__((naked, noinline)) static uint32_t keep_float(volatile uint32_t *icsr)
{
    __asm volatile(
        "vmov.f32 s0, #1.0\n vmov.f32 s15, #1.5\n vcmp.f32 s0, s15\n mov.w r1, #0x10000000\n str r1, [r0]\n"
        " dsb\n isb\n vmrs r1, fpscr\n vadd.f32 s0, s0, s15\n vmov r0, s0\n orr r0, r0, r1, lsr #31\n bx lr");
}
#endif

#if defined(__ARM_ARCH_8M_MAIN__)
__attribute__((noinline)) static void dig(uint32_t depth)
{
    volatile uint32_t room[32];
    room[0] = depth;
    if (room[0] > 0) {
        dig(depth - 1);
    }
    room[1] = room[0];
}
__attribute__((naked)) void UsageFault_Handler(void)
{
    __asm volatile("movs r0, #0\n msr msplim, r0\n ldr sp, =0x20010000\n b usage_body\n .ltorg");
}
__attribute__((used)) void usage_body(void)
{
    say("cfsr", CFSR);
    halt();
}
static void stack_limit(int process)
{
    uint32_t now;
    SHCSR |= 1u << 18;
    if (process) {
        /* the thread's own stack is fine; the frame would go below the limit */
        use_process_stack();
        __asm volatile("mov %0, sp\n subs %0, #16\n msr psplim, %0\n isb\n svc #0" : "=&r"(now));
    } else {
        __asm volatile("mov %0, sp\n sub.w %0, %0, #512\n msr msplim, %0\n isb" : "=&r"(now));
        dig(20);
    }
}
#endif

#if defined(FLASHCON)
#define SR REG(FLASHCON + 0x10)
#define CR REG(FLASHCON + 0x14)
#if defined(CHIP_stm32l475vg)
#define PAGE    0x080FF000u
#define ERASE   (2u | 254u << 3 | 1u << 11)
#define NEAR    0x08020000u
#define ERASE_1 (2u | 64u << 3)
#else
#define PAGE    0x0807F000u
#define ERASE   (2u | (256u + 126u) << 3 | 1u << 13)
#define NEAR    0x08020000u
#define ERASE_1 (2u | 64u << 3)
#endif
static void unlock(void)
{
    REG(FLASHCON + 8) = 0x45670123u;
    REG(FLASHCON + 8) = 0xCDEF89ABu;
}
static void erase(uint32_t bits)
{
    CR = bits;
    CR = bits | 1u << 16;
}
static void flash_unit(void)
{
    volatile uint32_t *page = (volatile uint32_t *)PAGE;
    unlock();
    erase(ERASE);
    say("runs on", SR >> 16 & 7u);
    while (SR & 7u << 16) {
    }
    say("erased", page[0] & page[511]);
    CR      = 1;
    page[0] = 0x11223344u;
    say("half", SR >> 16 & 7u);
    say("not yet", page[0]);
    page[1] = 0x55667788u;
    while (SR & 7u << 16) {
    }
    say("low", page[0]);
    say("high", page[1]);
    page[0] = 0, page[1] = 1;
    say("twice", SR & 0xFFu);
    say("unchanged", page[1]);
    SR      = 0xFFu;
    page[3] = 1;
    say("second half first", SR & 0xFFu);
    SR                              = 0xFFu;
    *(volatile uint8_t *)(page + 4) = 1;
    say("byte", SR & 0xFFu);
    SR      = 0xFFu;
    CR      = 0;
    page[4] = 1;
    say("without PG", SR & 0xFFu);
    say("untouched", page[4]);
    SR = 0xFFu;
    erase(ERASE_1);
    say("stood still", SR >> 16 & 7u);
    say("near", *(volatile uint32_t *)NEAR);
}
#endif

#if defined(CHIP_stm32l475vg)
#define RNG_L4 0x50060800u
/// Two words; `which` says what is left out before: the device's clock (32), its 48 MHz (33), nothing (34).
static void randoms(void)
{
    if (which != 32) {
        REG(RCC + 0x4C) |= 1u << 18;
    }
    if (which != 33) {
        REG(RCC + 0x88) = 3u << 26; /* CLK48SEL: MSI */
    }
    REG(RNG_L4) = 1u << 2;
    say("too early", REG(RNG_L4 + 8));
    for (uint32_t i = 0; i < 2; i++) {
        while ((REG(RNG_L4 + 4) & 1u) == 0) {
        }
        say(i == 0 ? "first" : "second", REG(RNG_L4 + 8));
    }
}
#endif

#if defined(CHIP_nrf5340)
#define NVMC53 0x50039000u
static void flash_unit(void)
{
    volatile uint32_t *page = (volatile uint32_t *)0xE0000u;
    REG(NVMC53 + 0x504)     = 2;
    page[0]                 = 0xFFFFFFFFu;
    while ((REG(NVMC53 + 0x400) & 1) == 0) {
    }
    say("erased", page[0] & page[1023]);
    REG(NVMC53 + 0x504) = 1;
    page[0]             = 0x11223344u;
    page[0]             = 0xFFFF00FFu;
    REG(NVMC53 + 0x504) = 0;
    say("low", page[0]);
}
#endif

void test_main(void)
{
    switch (which) {
    case 0: undefined(); break;
    case 1:
        use_process_stack();
        registers();
        break;
    case 2: priorities(); break;
    case 3: __asm volatile(".global bkpt_at\nbkpt_at: bkpt #0"); break;
    case 4: __asm volatile("cpsid i\n .global svc_at\nsvc_at: svc #0"); break;
    case 21: say("cfsr", CFSR); break;
    case 22:
        REG8(0xE000E400u) = 0x40;
        say("priority", REG(0xE000E400u));
        break;
    case 25: run_ticks(); break;
    case 27:
        ISER = 2;
        set_priority(1, 0x00);
        REG(0xE000ED20u) = 0xC0u << 16;
        use_process_stack();
        ICSR = 1u << 28;
        __asm volatile("dsb\n isb");
        say("thread link", seen[12]);
        say("nested link", seen[17]);
        say("nested control", seen[18] & 6u);
        halt();
#if !__ARM_ARCH_6M__
    case 7:
        DEMCR |= 1u << 16;
        arm_any(0, (uint32_t)victim);
        say("victim", victim(1));
        say("hits", monitor_hits);
        say("demcr", DEMCR);
        break;
    case 8: every_comparator(); break;
    case 9:
        DEMCR |= 1u << 16;
        arm_any(1, (uint32_t)victim);
        which = 12;
        AIRCR = 0x05FA0004u;
        for (;;) {
        }
    case 12:
        say("monitor on", DEMCR >> 16 & 1u);
        say("unit on", FP_CTRL & 1u);
        DEMCR |= 1u << 16;
        (void)victim(1);
        say("hits", monitor_hits);
        break;
    case 10: code_in_ram(); break;
    case 14:
        DEMCR |= 1u << 16;
        arm_any(0, (uint32_t)victim);
        __asm volatile("cpsid i");
        say("victim", victim(1));
        break;
    case 15: remap(); break;
    case 23: cycle_counter(); break;
    case 30:
    case 31: monitored(); break;
    case 26:
        REG(0xE000EE04u) = 3;
        say("sdme", DEMCR >> 20 & 1u);
        DEMCR |= 1u << 16;
        arm_any(0, (uint32_t)victim);
        say("victim", victim(1));
        say("hits", monitor_hits);
        break;
#endif
#ifdef __ARM_FP
    case 13: say("float", keep_float(&ICSR)); break;
#endif
#if defined(__ARM_ARCH_8M_MAIN__)
    case 11: stack_limit(0); break;
    case 17: stack_limit(1); break;
#endif
#if !defined(CHIP_nrf52840)
    case 16: flash_unit(); break;
#endif
    case 18: say("read", *(volatile uint32_t *)address); break;
#if defined(FLASHCON)
    case 19: REG(UART) = 0;
#if defined(CHIP_stm32l475vg)
        REG(RCC) = (REG(RCC) & ~0xF0u) | 6u << 4;
#else
        REG(RCC + 8) = 0;
#endif
        REG(UART) = 0xD;
        break;
    case 20:
#if defined(CHIP_stm32l475vg)
        REG(RCC + 0x60) = 0;
#else
        REG(RCC + 0x3C) = 0;
#endif
        REG(UART + 0x28) = 'x';
        break;
    case 24: REG(FLASHCON) = 0; break;
    case 28: CR = 1; break;
#if defined(CHIP_stm32l475vg)
    case 32:
    case 33:
    case 34: randoms(); break;
#endif
    case 29: REG(FLASHCON + 8) = 1; break;
#endif
#if defined(CHIP_nrf5340)
    case 28:
        REG(UART + 0x544) = 0x100;
        REG(UART + 0x548) = 1;
        REG(UART + 0x008) = 1;
        break;
#endif
    default: say("no such case", which);
    }
}
