/// Stop 12 of 12. Firmware with threads: the bare image's parser, run by threads on process stacks.
///
///     first 0105686f74...    hex of one record for the thread of that name: first, second, tight, stranger
///     both 0105686f74...     for first and second at once
///
/// It shows what an RTOS tells the runtime: hp_process_stack_limit below, and PSPLIM where the core has it (kernel.c).
/// Comes in: console lines. Goes out: console text. Next: kernel.c
#include <string.h>

#include "board_config.h"
#include "kernel.h"
#include "parser.h"
#include "registers.h"
#include "system.h"

#define LINE_BYTES   96U
#define RECORD_BYTES (LINE_BYTES / 2U)
#define ROOMY_WORDS  320U
#define TIGHT_WORDS  128U ///< enough for the parser and an interrupt, too little for a patch's program

/// A thread that parses what it is given. `result` is valid once `ready` is false.
typedef struct worker_t {
    const char *name;
    volatile bool ready;
    parse_result_t result;
    thread_t thread;
} worker_t;

static uint8_t record[RECORD_BYTES];
static size_t record_bytes;

static _Alignas(8) uint32_t shell_stack[ROOMY_WORDS], first_stack[ROOMY_WORDS], second_stack[ROOMY_WORDS],
    tight_stack[TIGHT_WORDS], stranger_stack[ROOMY_WORDS];
static thread_t shell     = THREAD(shell_stack, true);
static worker_t workers[] = {
    {.name = "first ", .thread = THREAD(first_stack, true)},
    {.name = "second ", .thread = THREAD(second_stack, true)},
    {.name = "tight ", .thread = THREAD(tight_stack, true)},
    {.name = "stranger ", .thread = THREAD(stranger_stack, false)}, // nobody tells the runtime of this stack
};

#define WORKER_COUNT (sizeof workers / sizeof workers[0])

static void print(const char *text)
{
    hp_console_write((const uint8_t *)text, strlen(text));
}

static void work(void *of_worker)
{
    worker_t *worker = of_worker;
    for (;;) {
        while (!worker->ready) {
            kernel_yield();
        }
        worker->result = parse_record(record, record_bytes);
        worker->ready  = false;
    }
}

static uint8_t digit(char letter)
{
    return (uint8_t)(letter <= '9' ? letter - '0' : letter - 'a' + 10);
}

/// Gives workers `from` to `end` the record that `text` spells, and waits for their answers.
static void ask(size_t from, size_t end, const char *text)
{
    for (record_bytes = 0U; text[0] != '\0' && text[1] != '\0'; text += 2) {
        record[record_bytes++] = (uint8_t)(digit(text[0]) << 4 | digit(text[1]));
    }
    for (size_t i = from; i < end; i++) {
        workers[i].ready = true;
    }
    for (size_t i = from; i < end; i++) {
        while (workers[i].ready) {
            kernel_yield();
        }
        print(workers[i].result == PARSE_OK ? "taken\r\n" : "refused\r\n");
    }
}

static void run(const char *line)
{
    if (strncmp(line, "both ", 5U) == 0) {
        ask(0U, 2U, line + 5);
    }
    for (size_t i = 0U; i < WORKER_COUNT; i++) {
        size_t name_bytes = strlen(workers[i].name);
        if (strncmp(line, workers[i].name, name_bytes) == 0) {
            ask(i, i + 1U, line + name_bytes);
        }
    }
}

static void read_lines(void *unused)
{
    static char line[LINE_BYTES];
    (void)unused;
    for (;;) {
        size_t used = 0U;
        print("threads> ");
        for (int key = hp_console_read(); key != '\r'; key = hp_console_read()) {
            if (key < 0) {
                hp_wait_for_interrupt();
            } else if (used < LINE_BYTES - 1U) {
                line[used++] = (char)key;
            }
        }
        line[used] = '\0';
        run(line);
    }
}

/// Where a fault of the firmware's own ends.
void firmware_fault(void)
{
    for (;;) {
    }
}

int main(void)
{
    static const hp_image_t image = {.one_thread = false};
    hp_system_start(&image);
    kernel_add(&shell, read_lines, NULL);
    for (size_t i = 0U; i < WORKER_COUNT; i++) {
        kernel_add(&workers[i].thread, work, &workers[i]);
    }
    kernel_start();
}
