// A lamp that blinks, a counter, and commands at the serial line:
//     count         how often the lamp changed
//     name WORD     gives the board a name; it never checks the length, which is the bug its test shows
//     hello         says the name
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define UART(offset)      REGISTER(0x40002000U + (offset))
#define SYSTICK_CONTROL   REGISTER(0xE000E010U)
#define SYSTICK_RELOAD    REGISTER(0xE000E014U)
#define SYSTICK_CURRENT   REGISTER(0xE000E018U)

#define BLINK_MS   10U
#define NAME_BYTES 8U
#define LINE_BYTES 64U

typedef void (*printer_t)(const char *text);

static volatile uint32_t milliseconds;
volatile uint32_t lamp, changes;

void tick(void)
{
    milliseconds = milliseconds + 1U;
    if (milliseconds % BLINK_MS == 0U) {
        lamp    = !lamp;
        changes = changes + 1U;
    }
}

static void uart_start(void)
{
    UART(0x50CU) = 6U;
    UART(0x514U) = 8U;
    UART(0x524U) = 0x01D7E000U; // 115200 baud
    UART(0x500U) = 4U;
    UART(0x000U) = 1U;
    UART(0x008U) = 1U;
}

static void put(char letter)
{
    UART(0x11CU) = 0U;
    UART(0x51CU) = (uint8_t)letter;
    while (UART(0x11CU) == 0U) {
    }
}

static char get(void)
{
    while (UART(0x108U) == 0U) {
    }
    UART(0x108U) = 0U;
    return (char)UART(0x518U);
}

static void print(const char *text)
{
    while (*text != '\0') {
        put(*text++);
    }
}

static void print_number(uint32_t number)
{
    char text[11] = {0};
    char *at      = &text[10];
    do {
        *--at = (char)('0' + number % 10U);
        number /= 10U;
    } while (number != 0U);
    print(at);
}

// The pointer behind the buffer is what an overflow reaches.
static struct {
    char name[NAME_BYTES];
    printer_t printer;
} board = {"nobody", print};

__attribute__((noinline)) static void set_name(const char *word)
{
    char *to = board.name;
    while ((*to++ = *word++) != '\0') {
    }
}

__attribute__((noinline)) void greet(void)
{
    board.printer("I am ");
    board.printer(board.name);
    board.printer("\r\n");
}

static const char *after(const char *line, const char *word)
{
    while (*word != '\0') {
        if (*line++ != *word++) {
            return NULL;
        }
    }
    return line;
}

static void obey(const char *line)
{
    const char *rest;
    if (after(line, "count") != NULL) {
        print_number(changes);
        print("\r\n");
    } else if ((rest = after(line, "name ")) != NULL) {
        set_name(rest);
    } else if (after(line, "hello") != NULL) {
        greet();
    } else {
        print("what?\r\n");
    }
}

int main(void)
{
    SYSTICK_RELOAD  = 64000U - 1U;
    SYSTICK_CURRENT = 0U;
    SYSTICK_CONTROL = 7U;
    uart_start();
    for (;;) {
        char line[LINE_BYTES];
        size_t used = 0U;
        print("ready> ");
        for (char key = get(); key != '\r'; key = get()) {
            if (used < LINE_BYTES - 1U) {
                line[used++] = key;
                put(key);
            }
        }
        line[used] = '\0';
        print("\r\n");
        obey(line);
    }
}
