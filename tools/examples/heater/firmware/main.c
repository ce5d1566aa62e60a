// A heater's controller. Commands at the serial line:
//     set HOUR DEGREES     what to hold from that hour on
//     hold HOUR            pretends that it is that hour
#include <stdbool.h>
#include <string.h>

#include "schedule.h"
#include "system.h"

#define LINE_BYTES 64U

volatile uint32_t target; // degrees the heater is driven to

static void drive(uint32_t degrees)
{
    target = degrees;
}

static void print(const char *text)
{
    hp_console_write((const uint8_t *)text, strlen(text));
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

static uint32_t take_number(const char **at)
{
    uint32_t number = 0U;
    while (**at == ' ') {
        ++*at;
    }
    while (**at >= '0' && **at <= '9') {
        number = number * 10U + (uint32_t)(*(*at)++ - '0');
    }
    return number;
}

static void obey(const char *line)
{
    const char *rest = line + (strncmp(line, "hold", 4U) == 0 ? 4U : 3U);
    if (strncmp(line, "set ", 4U) == 0) {
        uint32_t hour    = take_number(&rest);
        uint32_t degrees = take_number(&rest);
        print(set_point(hour, degrees) == 0 ? "ok\r\n" : "refused\r\n");
    } else if (strncmp(line, "hold ", 5U) == 0) {
        print_number(hold(take_number(&rest)));
        print("\r\n");
    } else {
        print("set HOUR DEGREES, or hold HOUR\r\n");
    }
}

static char wait_for_key(void)
{
    int key;
    while ((key = hp_console_read()) < 0) {
        __asm volatile("wfi");
    }
    return (char)key;
}

static void read_line(char line[LINE_BYTES])
{
    size_t used = 0U;
    for (char key = wait_for_key(); key != '\r'; key = wait_for_key()) {
        if (used < LINE_BYTES - 1U) {
            uint8_t echo = (uint8_t)key;
            line[used++] = key;
            hp_console_write(&echo, 1U);
        }
    }
    line[used] = '\0';
    print("\r\n");
}

// The runtime asks for this: where the processor goes after a fault that no patch caused. Here the heater goes off.
void firmware_fault(void)
{
    target = 0U;
    for (;;) {
    }
}

int main(void)
{
    static const hp_image_t image = {.one_thread = true};
    static char line[LINE_BYTES];
    schedule_drive(drive);
    hp_system_start(&image);
    for (;;) {
        print("heater> ");
        read_line(line);
        obey(line);
    }
}
