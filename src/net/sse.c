#include "net/sse.h"

/* ---- writing ----------------------------------------------------------------------------------------------------------- */

/* The first line of *rest, which then holds the others; any of CR, LF and CR LF ends a line. */
static struct view next_line(struct view *rest)
{
    size_t end = 0;
    while (end < rest->len && rest->ptr[end] != '\n' && rest->ptr[end] != '\r')
        end++;
    struct view line = view_first(*rest, end);
    if (end == rest->len) {
        *rest = (struct view){ NULL, 0 };
        return line;
    }
    bool pair = rest->ptr[end] == '\r' && end + 1 < rest->len && rest->ptr[end + 1] == '\n';
    *rest = view_from(*rest, end + (pair ? 2 : 1));
    return line;
}

bool sse_append(struct buf *out, struct view name, struct view data)
{
    if (name.len > 0) {
        buf_append_cstr(out, "event: ");
        buf_append_view(out, next_line(&name));
        buf_append_byte(out, '\n');
    }
    struct view rest = data.ptr != NULL ? data : VIEW("");
    do {
        buf_append_cstr(out, "data: ");
        buf_append_view(out, next_line(&rest));
        buf_append_byte(out, '\n');
    } while (rest.ptr != NULL);
    return buf_append_byte(out, '\n');
}

/* ---- reading ----------------------------------------------------------------------------------------------------------- */

void sse_parser_init(struct sse_parser *parser, size_t max_event, bool (*on_event)(void *ctx, struct view name, struct view data),
                     void *ctx)
{
    *parser = (struct sse_parser){ .on_event = on_event, .ctx = ctx };
    buf_init(&parser->line, max_event);
    buf_init(&parser->name, max_event);
    buf_init(&parser->data, max_event);
}

void sse_parser_free(struct sse_parser *parser)
{
    buf_free(&parser->line);
    buf_free(&parser->name);
    buf_free(&parser->data);
}

static bool dispatch(struct sse_parser *parser)
{
    bool go_on = true;
    if (parser->data.len > 0) {
        struct view data = view_first(buf_view(&parser->data), parser->data.len - 1);   /* without the last line's end */
        struct view name = parser->name.len > 0 ? buf_view(&parser->name) : VIEW("message");
        go_on = parser->on_event(parser->ctx, name, data);
    }
    buf_clear(&parser->name);
    buf_clear(&parser->data);
    return go_on;
}

static bool take_line(struct sse_parser *parser, struct view line)
{
    static const struct view mark = VIEW_INIT("\xEF\xBB\xBF");
    if (!parser->begun && view_starts_with(line, mark))
        line = view_from(line, mark.len);
    parser->begun = true;
    if (line.len == 0)
        return dispatch(parser);
    struct view value = line, field = view_split(&value, ':');
    if (value.len > 0 && value.ptr[0] == ' ')
        value = view_from(value, 1);
    if (view_is(field, "data")) {
        buf_append_view(&parser->data, value);
        return buf_append_byte(&parser->data, '\n');
    }
    if (view_is(field, "event")) {
        buf_clear(&parser->name);
        return buf_append_view(&parser->name, value);
    }
    return true;
}

static size_t line_length(struct view bytes)
{
    size_t feed = view_find_byte(bytes, '\n');
    size_t back = view_find_byte(view_first(bytes, feed), '\r');
    return back != VIEW_NPOS ? back : feed;
}

bool sse_feed(struct sse_parser *parser, struct view bytes)
{
    while (bytes.len > 0 && !parser->failed) {
        if (parser->after_cr && bytes.ptr[0] == '\n')
            bytes = view_from(bytes, 1);
        parser->after_cr = false;
        size_t len = line_length(bytes);
        if (len == VIEW_NPOS) {
            parser->failed = !buf_append_view(&parser->line, bytes);
            break;
        }
        struct view line = view_first(bytes, len);
        if (parser->line.len > 0) {
            parser->failed = !buf_append_view(&parser->line, line);
            line = buf_view(&parser->line);
        }
        parser->after_cr = bytes.ptr[len] == '\r';
        bytes = view_from(bytes, len + 1);
        parser->failed = parser->failed || !take_line(parser, line);
        buf_clear(&parser->line);
    }
    return !parser->failed;
}
