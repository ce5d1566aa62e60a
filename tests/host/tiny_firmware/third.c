// The other file with a static function called twice.
static unsigned total;

__attribute__((noinline, used)) static unsigned twice(unsigned value)
{
    total ^= value;
    return total;
}

unsigned third(unsigned value)
{
    return twice(value);
}
