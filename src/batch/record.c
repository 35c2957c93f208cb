#include "batch/record.h"

#include "base/encode.h"

#include <stdio.h>

/* ---- where members stand in the text; it has been parsed before, so only valid JSON comes here ---- */

static size_t skip_blanks(struct view text, size_t at)
{
    while (at < text.len && (text.ptr[at] == ' ' || text.ptr[at] == '\t' || text.ptr[at] == '\r' || text.ptr[at] == '\n'))
        at++;
    return at;
}

/* From the opening quote to behind the closing one. */
static size_t skip_string(struct view text, size_t at)
{
    for (at++; at < text.len && text.ptr[at] != '"'; at++) {
        if (text.ptr[at] == '\\')
            at++;
    }
    return at < text.len ? at + 1 : text.len;
}

static size_t skip_scalar(struct view text, size_t at)
{
    while (at < text.len && strchr(",]} \t\r\n", text.ptr[at]) == NULL)
        at++;
    return at;
}

static size_t skip_value(struct view text, size_t at)
{
    size_t depth = 0;
    do {
        char byte = at < text.len ? text.ptr[at] : '\0';
        if (byte == '"')
            at = skip_string(text, at);
        else if (byte == '{' || byte == '[')
            depth++, at++;
        else if (byte == '}' || byte == ']')
            depth--, at++;
        else if (depth == 0)
            return skip_scalar(text, at);
        else
            at++;
    } while (depth > 0 && at < text.len);
    return at;
}

/* The value of the next member; *at starts behind the '{' and ends behind the member. */
static struct view next_value(struct view text, size_t *at)
{
    size_t key = skip_blanks(text, *at);
    if (key < text.len && text.ptr[key] == ',')
        key = skip_blanks(text, key + 1);
    size_t colon = skip_blanks(text, skip_string(text, key));
    size_t value = skip_blanks(text, colon + 1);
    *at = skip_value(text, value);
    return value < *at ? view_of(text.ptr + value, *at - value) : VIEW("");
}

/* ---- records ---- */

static const char *problem_of(const struct json *input, const struct json *id)
{
    if (input == NULL)
        return "The record has no modelInput.";
    if (!json_is(input, JSON_OBJECT))
        return "modelInput must be a JSON object.";
    return id == NULL || json_is(id, JSON_STRING) ? NULL : "recordId must be a string.";
}

/* The bytes of the last member of this name in an object's text; empty without one. */
static struct view find_member(struct view text, const struct json *object, const char *name)
{
    size_t at = 1;
    struct view found = VIEW("");
    struct json_iter member = json_iter(object);
    while (json_next(&member)) {
        struct view value = next_value(text, &at);
        if (view_is(member.key, name))
            found = value;
    }
    return found;
}

/* The line is trimmed: its first byte is the '{'. */
static void read_members(struct view line, const struct json *object, struct record *out)
{
    const struct json *input = json_get(object, "modelInput"), *id = json_get(object, "recordId");
    out->problem = problem_of(input, id);
    if (input != NULL)
        out->input = find_member(line, object, "modelInput");
    if (json_is(id, JSON_STRING))
        out->id = find_member(line, object, "recordId");
    if (json_is(input, JSON_OBJECT))
        out->system = find_member(out->input, input, "system");
}

enum record_status record_parse(struct arena *arena, struct view line, size_t max_depth, struct record *out,
                                struct json_error *error)
{
    *out = (struct record){ .input = line };
    const struct json *value = json_parse(arena, line, max_depth, error);
    if (value == NULL)
        return arena_exhausted(arena) ? RECORD_NO_MEMORY : RECORD_NOT_JSON;
    if (json_is(value, JSON_OBJECT))
        read_members(line, value, out);
    else
        out->problem = "The line is no record: it must be a JSON object with a modelInput.";
    return RECORD_OK;
}

void record_make_id(struct view job, uint64_t number, char out[RECORD_ID_TEXT])
{
    static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    char text[128];
    uint8_t digest[SHA256_SIZE];
    int len = snprintf(text, sizeof(text), VIEW_FMT "/%llu", VIEW_ARG(view_first(job, 64)), (unsigned long long)number);
    sha256(view_of(text, (size_t)len), digest);
    out[0] = out[RECORD_ID_SIZE + 1] = '"';
    for (size_t i = 0; i < RECORD_ID_SIZE; i++)
        out[i + 1] = alphabet[digest[i] % (sizeof(alphabet) - 1)];
}

static void begin_line(struct buf *out, struct view id, struct view input)
{
    buf_append_cstr(out, "{\"recordId\":");
    buf_append_view(out, id);
    buf_append_cstr(out, ",\"modelInput\":");
    buf_append_view(out, input);
}

void record_write_answer(struct buf *out, struct view id, struct view input, struct view body)
{
    begin_line(out, id, input);
    buf_append_cstr(out, ",\"modelOutput\":");
    buf_append_view(out, body);
    buf_append_cstr(out, "}\n");
}

void record_write_error(struct buf *out, struct view id, struct view input, int code, struct view message)
{
    struct json_writer error;
    begin_line(out, id, input);
    buf_append_cstr(out, ",\"error\":");
    json_writer_init(&error, out);
    json_object(&error);
    json_put_i64(&error, "errorCode", code);
    json_put_string(&error, "errorMessage", message);
    json_end(&error);
    buf_append_cstr(out, "}\n");
}
