#include "families/native.h"

#include "base/encode.h"

#define BODY_DEPTH 256
#define PLEASE     ", please reformat your input and try again."

/* ---- parsing ---- */

enum aws_status native_refuse(struct family_input *in, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buf_clear(in->error);
    buf_vprintf(in->error, format, args);
    va_end(args);
    return AWS_VALIDATION;
}

enum aws_status native_malformed(struct family_input *in, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buf_clear(in->error);
    buf_append_cstr(in->error, "Malformed input request: ");
    buf_vprintf(in->error, format, args);
    buf_append_cstr(in->error, PLEASE);
    va_end(args);
    return AWS_VALIDATION;
}

static bool supported(struct family_input *in, const struct schema *schema, const struct json *body)
{
    const char *only = "";
    buf_clear(in->error);
    buf_append_cstr(in->error, "This server doesn't support the value at ");
    if (schema_unsupported(schema, body, in->error, &only)) {
        buf_clear(in->error);
        return true;
    }
    if (only[0] == '\0')
        buf_append_cstr(in->error, " for this model. Remove it and try again.");
    else
        buf_printf(in->error, " for this model. Use %s, or remove it, and try again.", only);
    return false;
}

const struct json *native_json(struct family_input *in)
{
    const struct json *body = json_parse(in->arena, in->body, BODY_DEPTH, NULL);
    if (body == NULL)
        native_refuse(in, "Malformed input request" PLEASE);
    return body;
}

bool native_check(struct family_input *in, const struct schema *schema, const struct json *body)
{
    buf_clear(in->error);
    buf_append_cstr(in->error, "Malformed input request: ");
    if (!schema_check(schema, body, in->error)) {
        buf_append_cstr(in->error, PLEASE);
        return false;
    }
    return supported(in, schema, body);
}

const struct json *native_body(struct family_input *in, const struct schema *schema)
{
    const struct json *body = native_json(in);
    return body != NULL && native_check(in, schema, body) ? body : NULL;
}

enum aws_status native_done(struct family_input *in)
{
    if (arena_exhausted(in->arena))
        return native_refuse(in, "The request is larger than this server can hold.");
    return AWS_OK;
}

bool native_has(const struct json *body, const char *name)
{
    const struct json *value = json_get(body, name);
    return value != NULL && !json_is(value, JSON_NULL);
}

float native_float(const struct json *body, const char *name, float fallback)
{
    double number;
    return json_get_double(body, name, &number) ? (float)number : fallback;
}

int64_t native_int(const struct json *body, const char *name, int64_t fallback)
{
    int64_t number;
    return json_get_i64(body, name, &number) ? number : fallback;
}

bool native_max_tokens(struct family_input *in, const struct json *body, const char *path, int64_t fallback, int64_t limit, int64_t *out)
{
    const char *slash = strrchr(path, '/');
    int64_t most = in->model->max_output_tokens > 0 ? in->model->max_output_tokens : limit;
    int64_t asked = native_int(body, slash != NULL ? slash + 1 : path, fallback < most ? fallback : most);
    if (asked > most) {
        native_malformed(in, "#/%s: %lld is not less or equal to %lld", path, (long long)asked, (long long)most);
        return false;
    }
    *out = asked;
    return true;
}

void native_stops(struct family_input *in, const struct json *stops, struct view always, struct generate_request *out)
{
    size_t most = json_is(stops, JSON_ARRAY) ? json_size(stops) + 1 : 2;
    struct view *list = ARENA_ARRAY(in->arena, struct view, most);
    if (list == NULL)
        return;
    size_t count = 0;
    if (always.len > 0)
        list[count++] = always;
    if (json_string(stops).len > 0)
        list[count++] = json_string(stops);
    struct json_iter it = json_iter(json_is(stops, JSON_ARRAY) ? stops : NULL);
    while (json_next(&it)) {
        struct view stop = json_string(it.value);
        if (stop.len > 0 && !view_eq(stop, always))
            list[count++] = stop;
    }
    out->stops = list;
    out->stop_count = count;
}

void native_seed(const struct json *body, struct sampling *sampling)
{
    int64_t seed;
    if (!json_get_i64(body, "seed", &seed))
        return;
    sampling->has_seed = true;
    sampling->seed = (uint32_t)seed;
}

/* ---- writing ---- */

struct json_writer chunk_open(struct family_stream *stream)
{
    struct json_writer writer;
    buf_clear(&stream->scratch);
    json_writer_init(&writer, &stream->scratch);
    json_object(&writer);
    return writer;
}

void chunk_close(struct family_stream *stream, struct json_writer *writer, struct chunk_sink *out)
{
    json_end(writer);
    if (json_writer_failed(writer) || arena_exhausted(stream->arena)) {
        stream->failed = true;
        return;
    }
    out->chunk(out->ctx, buf_view(&stream->scratch));
}

void write_metrics(struct json_writer *writer, const struct invocation_metrics *metrics)
{
    json_key(writer, "amazon-bedrock-invocationMetrics");
    json_object(writer);
    json_put_i64(writer, "inputTokenCount", metrics->input_tokens);
    json_put_i64(writer, "outputTokenCount", metrics->output_tokens);
    json_put_i64(writer, "invocationLatency", metrics->latency_ms);
    json_put_i64(writer, "firstByteLatency", metrics->first_byte_ms);
    if (metrics->cache_read > 0 || metrics->cache_write > 0) {
        json_put_i64(writer, "cacheReadInputTokenCount", metrics->cache_read);
        json_put_i64(writer, "cacheWriteInputTokenCount", metrics->cache_write);
    }
    json_end(writer);
}

struct view native_id(struct arena *arena, const char *prefix)
{
    char digits[25];
    random_id(digits, 24, "0123456789abcdef");
    char *id = arena_printf(arena, "%s%s", prefix, digits);
    return view_from_cstr(id);
}

struct view native_uuid(struct arena *arena)
{
    char uuid[UUID_SIZE];
    uuid_v4(uuid);
    return arena_copy(arena, view_from_cstr(uuid));
}

bool native_arguments(struct arena *arena, struct view text, struct view *out)
{
    *out = view_trim(text);
    if (out->len == 0)
        *out = VIEW("{}");
    return json_is(json_parse(arena, *out, BODY_DEPTH, NULL), JSON_OBJECT);
}

bool gathered_add(struct gathered *gathered, struct arena *arena, struct view text)
{
    size_t needed = gathered->len + text.len;
    if (needed > gathered->capacity) {
        size_t capacity = gathered->capacity < 256 ? 256 : gathered->capacity * 2;
        while (capacity < needed)
            capacity *= 2;
        char *larger = arena_resize(arena, gathered->ptr, gathered->len, capacity);
        if (larger == NULL)
            return false;
        gathered->ptr = larger;
        gathered->capacity = capacity;
    }
    if (text.len > 0)
        memcpy(gathered->ptr + gathered->len, text.ptr, text.len);
    gathered->len = needed;
    return true;
}
