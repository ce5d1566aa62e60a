/// Stop 8 of 12. Slipmux, taken apart byte by byte and put together in small pieces. In: bytes of the line. Out: messages.
/// Next: core/coap.c
#include "core/slipmux.h"

#include "core/server.h"

#define END            0xc0U
#define ESCAPE         0xdbU
#define ESCAPED_END    0xdcU
#define ESCAPED_ESCAPE 0xddU
#define KIND_COAP      0xa9U
#define KIND_TEXT      0x0aU
#define FCS_GOOD       0xf0b8U ///< RFC 1662: what a frame with its checksum adds up to
#define FCS_BYTES      2U
#define CHUNK          32U

enum {
    CONSOLE,
    OPENED,
    INSIDE,
    ESCAPING
};

uint16_t hp_fcs16(uint16_t fcs, const uint8_t *data, size_t size)
{
    for (size_t index = 0; index < size; index++) {
        fcs = (uint16_t)(fcs ^ data[index]);
        for (unsigned bit = 0; bit < 8U; bit++) {
            fcs = (uint16_t)((fcs & 1U) != 0U ? (fcs >> 1) ^ 0x8408U : fcs >> 1);
        }
    }
    return fcs;
}

static uint32_t now(const hp_runtime_t *self)
{
    return self->port->now_ms(self->port->context);
}

// ------------------------------------------------ sending ------------------------------------------------

/// Bytes on their way to the line, so that the port is not asked for each one.
typedef struct pieces_t {
    const hp_port_t *port;
    uint32_t used;
    uint8_t bytes[CHUNK];
} pieces_t;

static void push(pieces_t *pieces, uint8_t byte)
{
    if (pieces->used == CHUNK) {
        pieces->port->serial_write(pieces->port->context, pieces->bytes, pieces->used);
        pieces->used = 0;
    }
    pieces->bytes[pieces->used++] = byte;
}

static void push_escaped(pieces_t *pieces, const uint8_t *data, size_t size)
{
    for (size_t index = 0; index < size; index++) {
        if (data[index] == END || data[index] == ESCAPE) {
            push(pieces, ESCAPE);
            push(pieces, data[index] == END ? ESCAPED_END : ESCAPED_ESCAPE);
        } else {
            push(pieces, data[index]);
        }
    }
}

static void send_frame(hp_runtime_t *self, uint8_t kind, const uint8_t *data, size_t size)
{
    pieces_t pieces                = {.port = self->port};
    const uint16_t fcs             = (uint16_t)~hp_fcs16(hp_fcs16(0xffffU, &kind, 1), data, size);
    const uint8_t check[FCS_BYTES] = {(uint8_t)fcs, (uint8_t)(fcs >> 8)};

    push(&pieces, END);
    push_escaped(&pieces, &kind, 1);
    push_escaped(&pieces, data, size);
    if (kind == KIND_COAP) {
        push_escaped(&pieces, check, sizeof check);
    }
    push(&pieces, END);
    self->port->serial_write(self->port->context, pieces.bytes, pieces.used);
}

void hp_slipmux_send_text(hp_runtime_t *self, const uint8_t *text, size_t size)
{
    send_frame(self, KIND_TEXT, text, size);
}

// ------------------------------------------------ receiving ------------------------------------------------

static void console_byte(hp_runtime_t *self, uint8_t byte)
{
    self->line.session = false;
    if (!self->port->console_input(self->port->context, byte)) {
        hp_count(self, HP_COUNTER_CONSOLE_DROPPED);
    }
}

/// The message in a whole frame, served and answered. False if there is none.
static bool serve_frame(hp_runtime_t *self)
{
    const hp_line_t *line = &self->line;
    hp_span_t answer;

    if (line->broken || line->used < 1U + FCS_BYTES ||
        hp_fcs16(0xffffU, line->frame, line->used) != FCS_GOOD) {
        return false;
    }
    const bool served = hp_server_handle(self, line->frame + 1, line->used - 1U - FCS_BYTES, &answer);
    if (answer.size != 0U) {
        send_frame(self, KIND_COAP, answer.data, answer.size);
    }
    return served;
}

static void end_frame(hp_runtime_t *self)
{
    hp_line_t *line = &self->line;

    line->state = CONSOLE;
    if (!serve_frame(self)) {
        hp_count(self, HP_COUNTER_FRAMES_DROPPED);
        return;
    }
    hp_count(self, HP_COUNTER_FRAMES);
    line->session    = true;
    line->session_ms = now(self);
}

/// Drops the frame under way; what follows is console text.
static void give_up(hp_runtime_t *self)
{
    self->line.state = CONSOLE;
    hp_count(self, HP_COUNTER_FRAMES_DROPPED);
}

static void store_byte(hp_runtime_t *self, uint8_t byte)
{
    hp_line_t *line = &self->line;

    line->state = INSIDE;
    if (line->used == HP_FRAME_BYTES_MAX) {
        give_up(self);
        return;
    }
    line->frame[line->used++] = byte;
}

static void open_frame(hp_runtime_t *self, uint8_t byte)
{
    hp_line_t *line = &self->line;

    if (byte == END) {
        return; // an idle line may be filled with END
    }
    if (byte != KIND_COAP) {
        line->state = CONSOLE;
        console_byte(self, byte);
        return;
    }
    line->broken = false;
    line->used   = 0;
    store_byte(self, byte);
}

static void inside_frame(hp_runtime_t *self, uint8_t byte)
{
    if (byte == END) {
        end_frame(self);
    } else if (byte == ESCAPE) {
        self->line.state = ESCAPING;
    } else {
        store_byte(self, byte);
    }
}

static void escaped_byte(hp_runtime_t *self, uint8_t byte)
{
    if (byte == END) {
        give_up(self); // ESC END aborts a frame
    } else if (byte == ESCAPED_END) {
        store_byte(self, END);
    } else if (byte == ESCAPED_ESCAPE) {
        store_byte(self, ESCAPE);
    } else {
        self->line.broken = true;
        self->line.state  = INSIDE;
    }
}

static void take(hp_runtime_t *self, uint8_t byte)
{
    switch (self->line.state) {
    case OPENED: open_frame(self, byte); break;
    case INSIDE: inside_frame(self, byte); break;
    case ESCAPING: escaped_byte(self, byte); break;
    default:
        if (byte == END) {
            self->line.state = OPENED;
        } else {
            console_byte(self, byte);
        }
        break;
    }
}

void hp_slipmux_feed(hp_runtime_t *self, const uint8_t *data, size_t size)
{
    hp_slipmux_poll(self);
    for (size_t index = 0; index < size; index++) {
        take(self, data[index]);
    }
    self->line.byte_ms = size > 0U ? now(self) : self->line.byte_ms;
}

void hp_slipmux_poll(hp_runtime_t *self)
{
    hp_line_t *line   = &self->line;
    const uint32_t ms = now(self);

    if (line->state != CONSOLE && ms - line->byte_ms >= HP_SILENCE_MS) {
        if (line->state == OPENED) {
            line->state = CONSOLE;
        } else {
            give_up(self);
        }
    }
    if (line->session && ms - line->session_ms >= HP_SESSION_MS) {
        line->session = false;
    }
}
