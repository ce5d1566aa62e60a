import micropython


@micropython.viper
def popcount(x: int) -> int:
    n = 0
    while x:
        n += x & 1
        x >>= 1
    return n


@micropython.asm_thumb
def add(r0, r1):
    add(r0, r0, r1)


print(popcount(0x5A5A), add(40, 2))
