/// Stop 12 of 12. Firmware without an operating system: a loop that reads commands at the console.
///
///     record 0105686f74...   hex of one record for the parser
///     patches                every patch the store knows, with its hits
///     uptime                 seconds since reset
///
/// Comes in: console lines. Goes out: console text. The runtime receives and admits patches in an interrupt of its own.
/// Next: parser.c
#include <string.h>

#include "board_config.h"
#include "parser.h"
#include "registers.h"
#include "system.h"

#define LINE_BYTES   160U
#define RECORD_BYTES ((LINE_BYTES - 8U) / 2U)
#define RUBOUT       0x7FU
#define BACKSPACE    0x08U

typedef struct command_t {
    const char *name;
    void (*run)(const char *argument);
} command_t;

static void print(const char *text)
{
    hp_console_write((const uint8_t *)text, strlen(text));
}

static void print_number(uint32_t number)
{
    char text[11];
    char *at = &text[sizeof text - 1U];
    *at      = '\0';
    do {
        *--at = (char)('0' + number % 10U);
        number /= 10U;
    } while (number != 0U);
    print(at);
}

// ------------------------------------------------ commands ------------------------------------------------

/// The value of a hex digit, or -1.
static int digit(char letter)
{
    static const char digits[] = "0123456789abcdef";
    const char *at             = letter == '\0' ? NULL : strchr(digits, letter);
    return at == NULL ? -1 : (int)(at - digits);
}

/// The bytes that `text` spells, at most `room`; -1 if it is not pairs of hex digits.
static int read_hex(const char *text, uint8_t *out, size_t room)
{
    size_t size = 0U;
    for (; *text != '\0'; text += 2) {
        int high = digit(text[0]);
        int low  = high < 0 ? -1 : digit(text[1]);
        if (low < 0 || size == room) {
            return -1;
        }
        out[size++] = (uint8_t)(high * 16 + low);
    }
    return (int)size;
}

static void run_record(const char *argument)
{
    uint8_t record[RECORD_BYTES];
    int size = read_hex(argument, record, sizeof record);
    if (size < 0) {
        print("not hex\r\n");
        return;
    }
    if (parse_record(record, (size_t)size) != PARSE_OK) {
        print("refused\r\n");
        return;
    }
    print(latest_reading.channel->name);
    print(" ");
    hp_console_write(latest_reading.text, latest_reading.text_bytes);
    print(", number ");
    print_number(latest_reading.channel->count);
    print("\r\n");
}

static void run_patches(const char *argument)
{
    (void)argument;
    hp_patch_info_t info;
    for (uint32_t index = 0U;; index++) {
        hp_runtime_t *runtime = hp_management_enter();
        hp_status_t status    = hp_patch_info(runtime, index, &info);
        hp_management_leave();
        if (status != HP_STATUS_OK) {
            return;
        }
        print(info.id);
        print(info.armed ? " armed, hits " : " not armed, hits ");
        print_number(info.hits);
        print("\r\n");
    }
}

static void run_uptime(const char *argument)
{
    (void)argument;
    print_number(hp_system_now_ms() / 1000U);
    print("\r\n");
}

static const command_t commands[] = {
    {"record ", run_record},
    {"patches", run_patches},
    {"uptime", run_uptime},
};

static void run(const char *line)
{
    for (size_t i = 0U; i < sizeof commands / sizeof commands[0]; i++) {
        size_t name_bytes = strlen(commands[i].name);
        if (strncmp(line, commands[i].name, name_bytes) == 0) {
            commands[i].run(line + name_bytes);
            return;
        }
    }
    if (*line != '\0') {
        print("commands: record HEX, patches, uptime\r\n");
    }
}

// ------------------------------------------------ console ------------------------------------------------

static int wait_for_key(void)
{
    int key;
    while ((key = hp_console_read()) < 0) {
        hp_wait_for_interrupt();
    }
    return key;
}

/// One line, echoed, without its end. What does not fit is dropped and not echoed.
static void read_line(char line[LINE_BYTES])
{
    size_t used = 0U;
    for (int key = wait_for_key(); key != '\r'; key = wait_for_key()) {
        if (key == RUBOUT || key == BACKSPACE) {
            print(used > 0U ? "\b \b" : "");
            used -= used > 0U ? 1U : 0U;
        } else if (key >= ' ' && used < LINE_BYTES - 1U) {
            uint8_t echo = (uint8_t)key;
            line[used++] = (char)key;
            hp_console_write(&echo, 1U);
        }
    }
    line[used] = '\0';
    print("\r\n");
}

/// Where a fault of the firmware's own ends: the board stands still, management included.
void firmware_fault(void)
{
    for (;;) {
    }
}

int main(void)
{
    static const hp_image_t image = {.one_thread = true};
    static char line[LINE_BYTES];
    hp_system_start(&image);
    print("patchctl bare on " HP_BOARD_NAME "\r\n");
    for (;;) {
        print("bare> ");
        read_line(line);
        run(line);
    }
}
