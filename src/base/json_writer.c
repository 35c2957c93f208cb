/* base/json_writer.c - writing: see json.h. */
#include "base/json.h"

#include "base/encode.h"
#include "base/utf8.h"

#include <math.h>
#include <stdlib.h>
#include <yyjson.h>

void json_writer_init(struct json_writer *w, struct buf *out)
{
    *w = (struct json_writer){ .out = out };
}

bool json_writer_failed(const struct json_writer *w)
{
    return w->failed || w->depth > 0 || w->after_key || buf_failed(w->out);
}

/* ---- structure ---- */

static uint64_t level_bit(const struct json_writer *w)
{
    return (uint64_t)1 << (w->depth - 1);
}

static bool in_object(const struct json_writer *w)
{
    return w->depth > 0 && (w->is_object & level_bit(w)) != 0;
}

static void comma(struct json_writer *w)
{
    if (w->depth == 0)
        return;
    if ((w->has_items & level_bit(w)) != 0)
        buf_append_byte(w->out, ',');
    w->has_items |= level_bit(w);
}

/* Makes ready for one value. False when no value may stand here. A second value at the top level is allowed: lines of JSON. */
static bool begin_value(struct json_writer *w)
{
    if (in_object(w) && !w->after_key)
        w->failed = true;
    if (w->failed)
        return false;
    if (!w->after_key)
        comma(w);
    w->after_key = false;
    return true;
}

static void open_level(struct json_writer *w, bool object)
{
    if (w->depth == JSON_WRITER_DEPTH)
        w->failed = true;
    if (!begin_value(w))
        return;
    buf_append_byte(w->out, object ? '{' : '[');
    w->depth++;
    w->has_items &= ~level_bit(w);
    w->is_object = object ? w->is_object | level_bit(w) : w->is_object & ~level_bit(w);
}

void json_object(struct json_writer *w)
{
    open_level(w, true);
}

void json_array(struct json_writer *w)
{
    open_level(w, false);
}

void json_end(struct json_writer *w)
{
    if (w->depth == 0 || w->after_key)
        w->failed = true;
    if (w->failed)
        return;
    buf_append_byte(w->out, in_object(w) ? '}' : ']');
    w->depth--;
}

/* ---- strings ---- */

/* Bytes that may stand as they are: printable ASCII without quote and backslash. */
static bool is_plain(unsigned char byte)
{
    return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

static size_t plain_run(struct view text)
{
    size_t at = 0;
    while (at < text.len && is_plain((unsigned char)text.ptr[at]))
        at++;
    return at;
}

static void append_escape(struct buf *out, unsigned char byte)
{
    static const char hex[] = "0123456789abcdef";
    static const char named[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    for (const char *n = named; *n != '\0'; n += 2) {
        if ((unsigned char)n[0] == byte) {
            buf_append(out, (char[]){ '\\', n[1] }, 2);
            return;
        }
    }
    buf_append(out, (char[]){ '\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15] }, 6);
}

static void append_quoted(struct buf *out, struct view text)
{
    buf_append_byte(out, '"');
    while (text.len > 0) {
        size_t plain = plain_run(text);
        buf_append(out, text.ptr, plain);
        text = view_from(text, plain);
        if (text.len == 0)
            break;
        uint32_t code_point;
        size_t used = utf8_decode(text, &code_point);
        if (code_point < 0x80)
            append_escape(out, (unsigned char)code_point);
        else if (code_point == 0xfffd)
            buf_append_cstr(out, "\xef\xbf\xbd");
        else
            buf_append(out, text.ptr, used);
        text = view_from(text, used);
    }
    buf_append_byte(out, '"');
}

void json_key_view(struct json_writer *w, struct view key)
{
    if (!in_object(w) || w->after_key)
        w->failed = true;
    if (w->failed)
        return;
    comma(w);
    append_quoted(w->out, key);
    buf_append_byte(w->out, ':');
    w->after_key = true;
}

void json_key(struct json_writer *w, const char *key)
{
    json_key_view(w, view_from_cstr(key));
}

void json_write_string(struct json_writer *w, struct view text)
{
    if (begin_value(w))
        append_quoted(w->out, text);
}

void json_write_cstr(struct json_writer *w, const char *text)
{
    if (text != NULL)
        json_write_string(w, view_from_cstr(text));
    else
        json_write_null(w);
}

void json_write_base64(struct json_writer *w, struct view bytes)
{
    if (!begin_value(w))
        return;
    buf_append_byte(w->out, '"');
    base64_append(w->out, bytes);
    buf_append_byte(w->out, '"');
}

/* ---- numbers and the other scalars ---- */

void json_write_i64(struct json_writer *w, int64_t number)
{
    if (!begin_value(w))
        return;
    if (number < 0)
        buf_append_byte(w->out, '-');
    buf_append_u64(w->out, number < 0 ? 0 - (uint64_t)number : (uint64_t)number);
}

void json_write_u64(struct json_writer *w, uint64_t number)
{
    if (begin_value(w))
        buf_append_u64(w->out, number);
}

#define REAL_ROOM 128 /* yyjson asks for this much and fills 32 at most */

static void *room_on_stack(void *ctx, size_t size)
{
    return size <= REAL_ROOM ? ctx : NULL;
}

static void *no_resize(void *ctx, void *ptr, size_t old_size, size_t size)
{
    (void)ctx, (void)ptr, (void)old_size, (void)size;
    return NULL;
}

static void no_free(void *ctx, void *ptr)
{
    (void)ctx, (void)ptr;
}

/* The shortest digits are found by yyjson, which writes into memory that it asks for: here room on the stack. */
static void write_real(struct json_writer *w, double number, yyjson_write_flag flags)
{
    if (!begin_value(w))
        return;
    char room[REAL_ROOM];
    yyjson_val val = { 0 };
    yyjson_alc alc = { room_on_stack, no_resize, no_free, room };
    size_t len = 0;
    yyjson_set_real(&val, number);
    if (isfinite(number) && yyjson_val_write_opts(&val, flags, &alc, &len, NULL) != NULL)
        buf_append(w->out, room, len);
    else
        buf_append_cstr(w->out, "null");
}

void json_write_double(struct json_writer *w, double number)
{
    write_real(w, number, YYJSON_WRITE_NOFLAG);
}

void json_write_float(struct json_writer *w, float number)
{
    write_real(w, (double)number, YYJSON_WRITE_FP_TO_FLOAT);
}

void json_write_bool(struct json_writer *w, bool value)
{
    json_write_raw(w, value ? VIEW("true") : VIEW("false"));
}

void json_write_null(struct json_writer *w)
{
    json_write_raw(w, VIEW("null"));
}

void json_write_raw(struct json_writer *w, struct view json)
{
    if (begin_value(w))
        buf_append_view(w->out, json);
}

void json_write_value(struct json_writer *w, const struct json *value)
{
    size_t len = 0;
    char *text = yyjson_val_write_opts((const yyjson_val *)value, YYJSON_WRITE_NOFLAG, NULL, &len, NULL);
    if (text == NULL)
        w->failed = true;
    else
        json_write_raw(w, view_of(text, len));
    free(text);
}

/* ---- key and value in one call ---- */

void json_put_string(struct json_writer *w, const char *key, struct view text)
{
    json_key(w, key);
    json_write_string(w, text);
}

void json_put_cstr(struct json_writer *w, const char *key, const char *text)
{
    json_key(w, key);
    json_write_cstr(w, text);
}

void json_put_i64(struct json_writer *w, const char *key, int64_t number)
{
    json_key(w, key);
    json_write_i64(w, number);
}

void json_put_double(struct json_writer *w, const char *key, double number)
{
    json_key(w, key);
    json_write_double(w, number);
}

void json_put_bool(struct json_writer *w, const char *key, bool value)
{
    json_key(w, key);
    json_write_bool(w, value);
}

void json_put_value(struct json_writer *w, const char *key, const struct json *value)
{
    json_key(w, key);
    json_write_value(w, value);
}
