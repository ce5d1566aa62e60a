/// Stop 1 of 12. What a patch author includes. In: the registers of the firmware at the site. Out: a verdict.
/// Next: host/patchctl/source.py
///
/// A patch is one function, HP_PATCH(name), that runs each time its site is reached. It may read the firmware's
/// memory (the board checks every load: one outside RAM and code flash ends the patch with its safe verdict), use
/// up to 512 bytes of stack, keep variables of its own between runs, and write the context's registers that
/// patch.toml names. Addresses of the firmware are
/// u32: a pointer of an eBPF program has 64 bits and would not match the firmware's layout.
#ifndef HOTPATCH_PATCH_H
#define HOTPATCH_PATCH_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed char s8;
typedef short s16;
typedef int s32;
typedef long long s64;

/// The firmware's registers when the site is reached; r[0] to r[3] hold the first arguments at a function's entry.
struct hp_context {
    u32 r[13];
    u32 sp;
    u32 lr;
    u32 pc;
    u32 xpsr;
};

/// Declares the patch: HP_PATCH(fix_something) { return hp_pass(); }. The context is `context`.
#define HP_PATCH(name)                                                                                       \
    __attribute__((section("hotpatch"), used)) u64 name(struct hp_context *context __attribute__((unused)))

/// Before a function that HP_PATCH calls: it is inlined. Without it a static function may become a sub-program with a
/// stack of its own; those call each other up to four deep.
#define HP_INLINE static inline __attribute__((always_inline))

/// The address of a function or object of the firmware, which is declared as `extern const u8 name[];`, or of a variable of
/// the patch, which stays the variable's until the next reset.
#define HP_ADDRESS(name) ((u32)(u64)(&(name)))

/// A constant text's address; it stays valid as long as the patch is installed.
#define HP_TEXT(text) ((u32)(u64)(text))

/// The firmware goes on as if there were no patch.
HP_INLINE u64 hp_pass(void)
{
    return 0;
}

/// The patched function returns `value` at once.
HP_INLINE u64 hp_return(u32 value)
{
    return ((u64)value << 32) | 1;
}

/// The firmware goes on at another function: `index` is an HP_TO_name, made from patch.toml's redirects.
/// Arguments are what the context's registers hold.
HP_INLINE u64 hp_redirect(u32 index)
{
    return ((u64)index << 32) | 2;
}

/// The firmware goes on with the context's registers as the patch left them.
HP_INLINE u64 hp_change(void)
{
    return 3;
}

/// The firmware's memory at `address`, as a u32, u16 or u8.
HP_INLINE u32 hp_firmware_u32(u32 address)
{
    return *(const volatile u32 *)(u64)address;
}

HP_INLINE u16 hp_firmware_u16(u32 address)
{
    return *(const volatile u16 *)(u64)address;
}

HP_INLINE u8 hp_firmware_u8(u32 address)
{
    return *(const volatile u8 *)(u64)address;
}

/// Copies `bytes` bytes of the firmware's memory to the patch's stack: 0, or -1 where it may not be read.
static s64 (*const hp_firmware_read)(void *destination, u64 bytes, u64 address)
    __attribute__((unused)) = (s64 (*)(void *, u64, u64))1;

#endif
