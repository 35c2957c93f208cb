#include "s3/chunked.h"

/*   HEAD ──► DATA ──► AFTER_DATA ──► HEAD
 *     └ size 0 ──► LAST ──► TRAILER ──► DONE            anything malformed: BAD
 */
enum { HEAD, DATA, AFTER_DATA, LAST, TRAILER, DONE, BAD };

#define SIZE_DIGITS_MAX 16
#define SIGNATURE_TAG   "chunk-signature="

void chunked_init(struct chunked *c)
{
    *c = (struct chunked){ .state = HEAD };
}

bool chunked_done(const struct chunked *c)
{
    return c->state == DONE;
}

static enum chunked_event bad(struct chunked *c)
{
    c->state = BAD;
    return CHUNKED_BAD;
}

enum line { LINE_MORE, LINE_WHOLE, LINE_BAD };

/* Gathers a line; *out is without its end, and lies in c->line. */
static enum line take_line(struct chunked *c, struct view *input, struct view *out)
{
    size_t end = view_find_byte(*input, '\n');
    struct view piece = view_first(*input, end);
    if (piece.len > sizeof c->line - c->line_len)
        return LINE_BAD;
    if (piece.len > 0)
        memcpy(c->line + c->line_len, piece.ptr, piece.len);
    c->line_len += piece.len;
    *input = view_from(*input, end == VIEW_NPOS ? piece.len : piece.len + 1);
    if (end == VIEW_NPOS)
        return LINE_MORE;
    *out = view_of(c->line, c->line_len);
    c->line_len = 0;
    if (out->len == 0 || out->ptr[out->len - 1] != '\r')
        return LINE_BAD;
    out->len--;
    return LINE_WHOLE;
}

static bool read_size(struct view digits, uint64_t *out)
{
    uint64_t size = 0;
    for (size_t i = 0; i < digits.len; i++) {
        char digit = digits.ptr[i], lower = (char)(digit | 0x20);
        bool decimal = digit >= '0' && digit <= '9';
        if (!decimal && (lower < 'a' || lower > 'f'))
            return false;
        size = size << 4 | (uint64_t)(decimal ? digit - '0' : lower - 'a' + 10);
    }
    *out = size;
    return digits.len > 0 && digits.len <= SIZE_DIGITS_MAX;
}

static enum chunked_event read_head(struct chunked *c, struct view line)
{
    struct view extension = line, digits = view_split(&extension, ';');
    c->signature = VIEW("");
    if (extension.ptr != NULL) {
        if (!view_starts_with(extension, VIEW(SIGNATURE_TAG)))
            return bad(c);
        c->signature = view_from(extension, sizeof SIGNATURE_TAG - 1);
    }
    if (!read_size(digits, &c->size))
        return bad(c);
    c->left = c->size;
    c->state = c->size > 0 ? DATA : LAST;
    return CHUNKED_BEGIN;
}

static enum chunked_event read_data(struct chunked *c, struct view *input)
{
    if (input->len == 0)
        return CHUNKED_MORE;
    c->data = view_first(*input, c->left < input->len ? (size_t)c->left : input->len);
    *input = view_from(*input, c->data.len);
    c->left -= c->data.len;
    if (c->left == 0)
        c->state = AFTER_DATA;
    return CHUNKED_DATA;
}

static enum chunked_event read_field(struct chunked *c, struct view line)
{
    if (line.len == 0) {
        c->state = DONE;
        return CHUNKED_DONE;
    }
    c->value = line;
    c->name = view_trim(view_split(&c->value, ':'));
    if (c->value.ptr == NULL || c->name.len == 0 || ++c->fields > CHUNKED_FIELDS_MAX)
        return bad(c);
    c->value = view_trim(c->value);
    return CHUNKED_FIELD;
}

static enum chunked_event read_line(struct chunked *c, struct view *input)
{
    struct view line;
    switch (take_line(c, input, &line)) {
    case LINE_MORE:
        return CHUNKED_MORE;
    case LINE_BAD:
        return bad(c);
    case LINE_WHOLE:
        break;
    }
    if (c->state == HEAD)
        return read_head(c, line);
    if (c->state == TRAILER)
        return read_field(c, line);
    if (line.len > 0)
        return bad(c);
    c->state = HEAD;
    return CHUNKED_END;
}

enum chunked_event chunked_next(struct chunked *c, struct view *input)
{
    switch (c->state) {
    case DATA:
        return read_data(c, input);
    case LAST:
        c->state = TRAILER;
        return CHUNKED_END;
    case DONE:
        return input->len > 0 ? bad(c) : CHUNKED_MORE;
    case BAD:
        return CHUNKED_BAD;
    default:
        return read_line(c, input);
    }
}
