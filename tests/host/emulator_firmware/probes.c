/// One behaviour of the core per probe; the test writes `which` into RAM before the first instruction.
#include "support.h"

volatile uint32_t which, fault_again, monitor_limit, monitor_hits, monitor_pc, irq_pc, irq_frame_below;

__attribute__((naked, noinline)) static void undefined(void)
{
    __asm volatile(".global undefined_at\nundefined_at: udf #1\n bx lr");
}

__attribute__((naked, noinline)) static uint32_t load_from(uint32_t address)
{
    __asm volatile(".global load_at\nload_at: ldr r0, [r0]\n bx lr");
}

__attribute__((naked, noinline)) uint32_t victim(uint32_t x)
{
    __asm volatile(".syntax unified\n adds r0, #1\n bx lr");
}

void HardFault_Handler(void)
{
    if (fault_again) {
        undefined();
    }
#if __ARM_ARCH >= 7
    say("hardfault", HFSR);
#endif
    halt();
}

__attribute__((used)) void pendsv_body(const uint32_t *frame)
{
    irq_pc          = frame[6];
    irq_frame_below = (uint32_t)frame & 7u;
}
__attribute__((naked)) void PendSV_Handler(void)
{
#ifdef __ARM_FP
    __asm volatile("vmov.f32 s0, #2.0\n vmov.f32 s15, #2.0\n");
#endif
    __asm volatile("mov r0, sp\n push {r4, lr}\n bl pendsv_body\n pop {r4, pc}\n");
}

/// Pends PendSV under PRIMASK: WFI must end, and the handler must wait.
static void wait_masked(void)
{
    irq_pc = 0;
    __asm volatile("cpsid i" ::: "memory");
    ICSR = 1u << 28;
    __asm volatile("dsb\n wfi" ::: "memory");
    uint32_t early = irq_pc;
    __asm volatile("cpsie i" ::: "memory");
    say("handler ran", early != 0);
    say("handler ran then", irq_pc != 0);
}

#if __ARM_ARCH >= 7
static uint32_t trace;
static void mark(uint32_t digit)
{
    trace = trace << 4 | digit;
}

__attribute__((used)) void monitor_body(const uint32_t *frame)
{
    monitor_pc = frame[6];
    if (++monitor_hits >= monitor_limit) {
        FP_COMP(0) = 0;
    }
}

__attribute__((naked)) void DebugMon_Handler(void)
{
    __asm volatile("tst lr, #4\n ite eq\n mrseq r0, msp\n mrsne r0, psp\n push {r4, lr}\n bl monitor_body\n "
                   "pop {r4, pc}\n");
}

void Irq0_Handler(void)
{
    mark(0xA);
    ISPR = 1u << 1 | 1u << 3;
    __asm volatile("dsb");
    mark(0xB);
}
void Irq1_Handler(void)
{
    mark(1);
    if (which == 33) {
        __asm volatile("cpsid f");
    }
}

static volatile uint32_t entries;

/// Clears the event that keeps the line high only when it was entered for the third time.
void Uart_Handler(void)
{
    if (++entries == 3) {
        REG(UART + 0x11C) = 0;
    }
}

static void held_line(void)
{
    entries           = 0;
    ISER              = 1u << 2;
    REG(UART + 0x304) = 1u << 7;
    REG(UART + 0x51C) = '\n';
    while (entries == 0) {
    }
    REG(UART + 0x308) = 1u << 7;
    say("entries", entries);
}

static void faultmask_on_return(void)
{
    uint32_t mask;
    ISER = 1u << 1;
    ISPR = 1u << 1;
    __asm volatile("dsb\n isb\n mrs %0, faultmask" : "=r"(mask)::"memory");
    say("trace", trace);
    say("faultmask", mask);
}

void Irq3_Handler(void)
{
    mark(3);
}

/// Pends PendSV while PRIMASK is set and counts how many instructions behind CPSIE still run before it is taken.
__attribute__((naked, noinline)) static uint32_t unmask(volatile uint32_t *icsr)
{
    __asm volatile("cpsid i\n mov.w r1, #0x10000000\n str r1, [r0]\n nop\n nop\n nop\n cpsie i\n"
                   ".global unmasked_at\nunmasked_at: nop\n nop\n bx lr");
}

/// A breakpoint inside an IT block: both conditional instructions must still follow the flags.
__attribute__((naked, noinline)) static uint32_t in_it(uint32_t x)
{
    __asm volatile(
        "cmp r0, #1\n ittee eq\n addeq r0, #16\n.global it_at\nit_at: addeq r0, #32\n addne r0, #64\n"
        " addne r0, #128\n adds r0, #0\n bx lr");
}

/// The store programs flash inside an IT block; what follows the block must run whatever the flags are.
__attribute__((naked, noinline)) static uint32_t store_in_it(volatile uint32_t *flash, uint32_t value)
{
    __asm volatile("movs r2, #0\n cmp r2, #0\n it eq\n streq r1, [r0]\n cmp r2, #1\n b 1f\n1: adds r2, #5\n"
                   " adds r2, #6\n mov r0, r2\n bx lr");
}

#ifdef __ARM_FP
/// Floating-point registers across an interrupt whose handler spoils them, on a stack that is not 8-aligned.
__attribute__((naked, noinline)) static uint32_t keep_fp(volatile uint32_t *icsr)
{
    __asm volatile("push {r4}\n vmov.f32 s0, #1.0\n vmov.f32 s15, #1.5\n mov r3, sp\n mov.w r1, #0x10000000\n"
                   " str r1, [r0]\n dsb\n isb\n vadd.f32 s0, s0, s15\n mov r1, sp\n sub r1, r1, r3\n"
                   " vmov r0, s0\n add r0, r0, r1\n pop {r4}\n bx lr");
}
#endif

static void set_basepri(uint32_t value)
{
    __asm volatile("msr basepri, %0" ::"r"(value));
}

static void priorities(void)
{
    IRQ_PRIORITY(0) = 0x80;
    IRQ_PRIORITY(1) = 0x40;
    IRQ_PRIORITY(3) = 0x80;
    ISER            = 0xB;
    ISPR            = 1;
    __asm volatile("dsb");
    say("trace", trace);
}

/// A higher, an equal and a lower priority are pended; the lower one's handler pends the others again.
static void basepri(void)
{
    IRQ_PRIORITY(1) = 0x40;
    IRQ_PRIORITY(3) = 0x80;
    IRQ_PRIORITY(0) = 0xC0;
    ISER            = 0xB;
    set_basepri(0x80);
    ISPR = 0xB;
    __asm volatile("dsb\n isb");
    mark(0xF);
    set_basepri(0);
    __asm volatile("isb");
    say("trace", trace);
}

static void flash_probe(void)
{
    volatile uint32_t *page = (volatile uint32_t *)0x000E0000u;
    REG(NVMC + 0x504)       = 2;
    REG(NVMC + 0x508)       = (uint32_t)page;
    REG(NVMC + 0x504)       = 1;
    page[0]                 = 0xFFFF00FFu;
    page[0]                 = 0x0FFFFFFFu;
    say("it", store_in_it(page + 1, 0x12345678u));
    REG(NVMC + 0x504) = 0;
    say("first", page[0]);
    say("second", page[1]);
}

static void breakpoint(uint32_t address)
{
    DEMCR |= 1u << 16;
    arm(0, address);
}
extern char it_at[], undefined_at[], unmasked_at[];

__attribute__((naked)) void NMI_Handler(void)
{
    __asm volatile("ldr r0, =0xFFFFFFF0\n bx r0");
}

static uint32_t svcs, thread_control, stack[64];

/// Unprivileged thread mode on the process stack: exceptions must come and go as in privileged mode.
__attribute__((naked, noinline)) static void unprivileged(uint32_t *process_stack, uint32_t *control)
{
    __asm volatile("msr psp, r0\n movs r0, #3\n msr control, r0\n isb\n svc #0\n svc #0\n svc #0\n"
                   " mrs r0, control\n str r0, [r1]\n svc #0\n b .");
}

void SVC_Handler(void)
{
    if (++svcs == 4) {
        say("control", thread_control);
        halt();
    }
}

static void timers(void)
{
    SYST_RVR = 999;
    SYST_CVR = 0;
    SYST_CSR = 5;
    DEMCR |= 1u << 24;
    REG(0xE0001004u) = 0;
    REG(0xE0001000u) = 1;
    for (volatile int i = 0; i < 100; i++) {
    }
    uint32_t cycles = REG(0xE0001004u), value = SYST_CVR, flag = SYST_CSR >> 16;
    say("cycles", cycles);
    say("value", value);
    say("flag", flag);
}

static void randoms(void)
{
    uint32_t sum     = 0;
    REG(RNG + 0x000) = 1;
    for (uint32_t i = 0; i < 4; i++) {
        while (REG(RNG + 0x100) == 0) {
        }
        REG(RNG + 0x100) = 0;
        sum              = sum << 8 | REG(RNG + 0x508);
    }
    say("random", sum);
}

static void code_in_ram(void)
{
    volatile uint16_t *code = (volatile uint16_t *)0x2003E000u;
    uint32_t (*run)(void)   = (uint32_t (*)(void))0x2003E001u;
    code[0]                 = 0x2001; /* movs r0, #1 */
    code[1]                 = 0x4770; /* bx lr */
    uint32_t first          = run();
    code[0]                 = 0x2002; /* movs r0, #2 */
    __asm volatile("dsb\n isb" ::: "memory");
    say("first", first);
    say("second", run());
}
#endif

void test_main(void)
{
    switch (which) {
    case 0: undefined(); break;
    case 2: (void)load_from(0x30000000u); break;
    case 12: (void)load_from(UART + 0xFFC); break;
    case 13: (void)load_from(0x40001000u); break;
    case 14: say("enable", load_from(UART + 0x500)); break;
    case 15: {
        static uint32_t words[2];
        say("unaligned", load_from((uint32_t)words + 2));
        break;
    }
    case 25: wait_masked(); break;
    case 20: __asm volatile("mov r0, %0\n bx r0" ::"r"(0x100u) : "r0"); break;
#if __ARM_ARCH >= 7
    case 1:
        SHCSR |= 7u << 16;
        undefined();
        break;
    case 4:
        breakpoint((uint32_t)victim);
        __asm volatile("cpsid i");
        (void)victim(1);
        break;
    case 5:
        breakpoint((uint32_t)victim);
        say("victim", victim(1));
        break;
    case 6: basepri(); break;
    case 7: priorities(); break;
    case 8:
        (void)unmask(&ICSR);
        say("taken at", irq_pc - (uint32_t)unmasked_at);
        break;
#ifdef __ARM_FP
    case 9:
        say("float", keep_fp(&ICSR));
        say("below 8", irq_frame_below);
        break;
    case 18:
        REG(0xE000ED88u) = 0;
        __asm volatile("dsb\n isb\n vmov.f32 s0, #1.0");
        break;
#endif
    case 10:
        breakpoint((uint32_t)it_at);
        say("eq", in_it(1));
        say("ne", in_it(2));
        break;
    case 11: flash_probe(); break;
    case 16:
        breakpoint((uint32_t)victim);
        say("monitor on", DEMCR >> 16 & 1u);
        which = 17;
        AIRCR = 0x05FA0004u;
        for (;;) {
        }
    case 17:
        say("monitor on", DEMCR >> 16 & 1u);
        say("comparator on", FP_COMP(0) & FP_CTRL & 1u);
        break;
    case 19: REG(0x000E0000u) = 0; break;
    case 21:
        SYST_RVR = 64000 - 1;
        SYST_CVR = 0;
        SYST_CSR = 7;
        for (int i = 0; i < 100; i++) {
            __asm volatile("wfi");
        }
        break;
    case 22:
        __asm volatile("cpsid f");
        undefined();
        break;
    case 23: REG(0x40002000u + 0x56C) = 1; break;
    case 32: held_line(); break;
    case 33: faultmask_on_return(); break;
    case 26: ICSR = 1u << 31; break;
    case 27:
        svcs = 0;
        unprivileged(stack + 64, &thread_control);
        break;
    case 28: timers(); break;
    case 29: __asm volatile("msr msp, %0\n svc #0" ::"r"(0x30000000u)); break;
    case 30: randoms(); break;
    case 31: code_in_ram(); break;
    case 24: FP_COMP(6) = 1; break;
#endif
    default: say("no such probe", which);
    }
}
