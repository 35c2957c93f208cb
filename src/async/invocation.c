#include "async/invocation.h"

#include "aws/arn.h"
#include "base/encode.h"
#include "objects/objects.h"

#define RECORD_MAX (64u << 10)
#define ARN_MAX    4096

static struct view or_none(struct view text)
{
    return text.ptr != NULL ? text : VIEW("");
}

/* ---- the record ---- */

static void write_principal(const struct principal *principal, struct json_writer *out)
{
    json_object(out);
    json_put_string(out, "account", principal->account);
    json_put_string(out, "name", principal->name);
    json_put_string(out, "arn", principal->arn);
    json_put_string(out, "accessKeyId", principal->access_key_id);
    json_put_bool(out, "admin", principal->admin);
    json_end(out);
}

static struct principal read_principal(const struct json *json)
{
    return (struct principal){
        .account = json_get_string(json, "account"),
        .name = json_get_string(json, "name"),
        .arn = json_get_string(json, "arn"),
        .access_key_id = json_get_string(json, "accessKeyId"),
        .admin = json_bool(json_get(json, "admin"), false),
    };
}

bool invocation_read(struct arena *arena, const struct store_record *record, struct invocation *out)
{
    const struct json *json = json_parse(arena, record->json, JSON_DEPTH_DEFAULT, NULL);
    *out = (struct invocation){
        .key = record->key,
        .status = record->state,
        .token = record->token,
        .submitted_ms = record->created_ms,
        .changed_ms = record->updated_ms,
        .model_id = json_get_string(json, "modelId"),
        .output_uri = json_get_string(json, "outputUri"),
        .digest = json_get_string(json, "digest"),
        .principal = read_principal(json_get(json, "principal")),
        .message = json_get_string(json, "message"),
    };
    json_get_i64(json, "endedMs", &out->ended_ms);
    return out->model_id.len > 0 && out->output_uri.len > 0;
}

bool invocation_write(struct arena *arena, const struct invocation *invocation, struct store_record *out)
{
    struct buf text = BUF_INIT(RECORD_MAX);
    struct json_writer writer;
    json_writer_init(&writer, &text);
    json_object(&writer);
    json_put_string(&writer, "modelId", invocation->model_id);
    json_put_string(&writer, "outputUri", invocation->output_uri);
    json_put_string(&writer, "digest", invocation->digest);
    json_key(&writer, "principal");
    write_principal(&invocation->principal, &writer);
    json_put_string(&writer, "message", or_none(invocation->message));
    json_put_i64(&writer, "endedMs", invocation->ended_ms);
    json_end(&writer);
    *out = (struct store_record){ .key = invocation->key, .token = invocation->token, .state = invocation->status };
    bool written = !json_writer_failed(&writer) && !buf_failed(&text);
    out->json = written ? arena_copy(arena, buf_view(&text)) : VIEW("");
    buf_free(&text);
    return out->json.len > 0;
}

struct store_key invocation_input_key(const struct store_key *key)
{
    struct store_key input = *key;
    input.kind = VIEW(ASYNC_INPUT_KIND);
    return input;
}

/* ---- names ---- */

static struct view take(struct arena *arena, struct buf *text)
{
    struct view copy = buf_failed(text) ? (struct view){ .ptr = NULL } : arena_copy(arena, buf_view(text));
    buf_free(text);
    return copy;
}

struct view invocation_arn(struct arena *arena, const struct store_key *key)
{
    struct buf text = BUF_INIT(ARN_MAX);
    const char *resource = arena_printf(arena, ASYNC_KIND "/" VIEW_FMT, VIEW_ARG(key->id));
    arn_append(&text, VIEW("bedrock"), key->region, key->account, view_from_cstr(resource));
    return take(arena, &text);
}

struct view invocation_model_arn(struct arena *arena, const struct invocation *invocation)
{
    struct arn arn;
    if (arn_parse(invocation->model_id, &arn))
        return invocation->model_id;
    struct buf text = BUF_INIT(ARN_MAX);
    const char *resource = arena_printf(arena, "foundation-model/" VIEW_FMT, VIEW_ARG(invocation->model_id));
    arn_append(&text, VIEW("bedrock"), invocation->key.region, VIEW(""), view_from_cstr(resource));
    return take(arena, &text);
}

struct view invocation_digest(struct arena *arena, const struct json *request_body)
{
    static const char *const members[] = { "modelId", "modelInput", "outputDataConfig", "tags" };
    struct buf text = BUF_INIT(SIZE_MAX);
    struct json_writer writer;
    uint8_t hash[SHA256_SIZE];
    char digits[2 * SHA256_SIZE];
    json_writer_init(&writer, &text);
    json_array(&writer);
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        const struct json *value = json_get(request_body, members[i]);
        if (value != NULL)
            json_write_value(&writer, value);
        else
            json_write_null(&writer);
    }
    json_end(&writer);
    bool written = !json_writer_failed(&writer) && !buf_failed(&text);
    if (written)
        sha256(buf_view(&text), hash);
    buf_free(&text);
    if (!written)
        return (struct view){ .ptr = NULL };
    hex_encode(hash, sizeof(hash), digits);
    return arena_copy(arena, view_of(digits, sizeof(digits)));
}

bool invocation_object(struct arena *arena, const struct invocation *invocation, const char *name, struct view *bucket, struct view *key)
{
    struct view prefix;
    if (!object_uri_parse(invocation->output_uri, bucket, &prefix))
        return false;
    const char *slash = prefix.len > 0 && !view_ends_with(prefix, VIEW("/")) ? "/" : "";
    *key = view_from_cstr(arena_printf(arena, VIEW_FMT "%s" VIEW_FMT "/%s", VIEW_ARG(prefix), slash, VIEW_ARG(invocation->key.id), name));
    return key->ptr != NULL;
}

/* ---- what callers see ---- */

static void put_time(struct json_writer *out, const char *key, int64_t ms)
{
    char text[CLOCK_ISO_SIZE];
    clock_format_iso(ms, true, text);
    json_put_cstr(out, key, text);
}

void invocation_write_members(struct arena *arena, const struct invocation *invocation, struct json_writer *out)
{
    json_put_string(out, "invocationArn", invocation_arn(arena, &invocation->key));
    json_put_string(out, "modelArn", invocation_model_arn(arena, invocation));
    if (invocation->token.ptr != NULL)
        json_put_string(out, "clientRequestToken", invocation->token);
    json_put_string(out, "status", invocation->status);
    if (invocation->message.len > 0)
        json_put_string(out, "failureMessage", invocation->message);
    put_time(out, "submitTime", invocation->submitted_ms);
    put_time(out, "lastModifiedTime", invocation->changed_ms);
    if (invocation->ended_ms > 0)
        put_time(out, "endTime", invocation->ended_ms);
    json_key(out, "outputDataConfig");
    json_object(out);
    json_key(out, "s3OutputDataConfig");
    json_object(out);
    json_put_string(out, "s3Uri", invocation->output_uri);
    json_end(out);
    json_end(out);
}
