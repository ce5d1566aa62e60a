// Defines static names that firmware.c or another file has too.
static unsigned count;

__attribute__((noinline, used)) static unsigned twice(unsigned value)
{
    count += value;
    return count;
}

unsigned second(unsigned value)
{
    return twice(value);
}
