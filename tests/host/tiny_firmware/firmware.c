// A firmware of a few functions, so that binding is tested without the real one.
const unsigned mp_type_module      = 1;
const unsigned mp_type_ImportError = 2;
volatile unsigned sink;

__attribute__((noinline, noreturn)) void mp_raise_msg(const void *type, const char *text)
{
    sink = (unsigned)type + (unsigned)text;
    for (;;) {
    }
}

__attribute__((noinline)) unsigned take(unsigned value)
{
    sink = value;
    return sink + value;
}

__attribute__((noinline)) void mp_import_all(unsigned *module)
{
    for (unsigned i = 0; i < 4; i++) {
        sink += take(module[i]);
    }
}

__attribute__((noinline, section(".text.runtime"))) unsigned hp_inner(unsigned value)
{
    return take(value) + 1U;
}

__attribute__((naked)) void starts_with_a_literal_load(void)
{
    __asm volatile("ldr r0, =0x12345678\n bx lr\n .ltorg");
}

__attribute__((naked)) void starts_with_a_wide_push(void)
{
    __asm volatile("push.w {r4-r8, lr}\n pop.w {r4-r8, pc}");
}

void _start(void)
{
    unsigned module[4] = {(unsigned)&mp_type_module};
    mp_import_all(module);
    sink = hp_inner(1);
    starts_with_a_literal_load();
    starts_with_a_wide_push();
    mp_raise_msg(&mp_type_ImportError, "");
}
