/* engine/wire_request.c - a struct model_request as JSON and back. Members that hold their default are left out. */
#include "engine/wire.h"

#include "base/encode.h"

#define REQUEST_DEPTH (JSON_DEPTH_DEFAULT + 16)             /* a caller's schema, inside our own levels */

static const char *const kind_names[] = { "generate", "embed", "count" };
static const char *const priority_names[] = { "provisioned", "on-demand", "batch" };
static const char *const role_names[] = { "system", "user", "assistant", "tool" };
static const char *const part_names[] = { "text", "reasoning", "tool_call", "tool_result", "image" };
static const char *const choice_names[] = { "auto", "none", "any", "named" };
static const char *const truncate_names[] = { "windows", "end", "start", "refuse" };
static const char *const purpose_names[] = { "symmetric", "query", "document" };

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* ---- writing ------------------------------------------------------------------------------------------------------------- */

static void put_text(struct json_writer *w, const char *key, struct view text)
{
    if (text.len > 0)
        json_put_string(w, key, text);
}

static void put_flag(struct json_writer *w, const char *key, bool flag)
{
    if (flag)
        json_put_bool(w, key, true);
}

static void put_setting(struct json_writer *w, const char *key, float value)
{
    if (value == MODEL_UNSET_FLOAT)
        return;
    json_key(w, key);
    json_write_float(w, value);
}

static void put_texts(struct json_writer *w, const char *key, const struct view *texts, size_t count)
{
    if (count == 0)
        return;
    json_key(w, key);
    json_array(w);
    for (size_t i = 0; i < count; i++)
        json_write_string(w, texts[i]);
    json_end(w);
}

static void write_part(struct json_writer *w, const struct chat_part *part)
{
    json_object(w);
    json_put_cstr(w, "type", part_names[part->type]);
    put_text(w, "text", part->text);
    put_text(w, "id", part->id);
    put_text(w, "name", part->name);
    if (part->arguments != NULL)
        json_put_value(w, "arguments", part->arguments);
    put_flag(w, "is_error", part->is_error);
    if (part->bytes.len > 0) {
        json_key(w, "bytes");
        json_write_base64(w, part->bytes);
    }
    put_text(w, "media_type", part->media_type);
    put_flag(w, "cache_point", part->cache_point);
    json_end(w);
}

static void write_message(struct json_writer *w, const struct chat_message *message)
{
    json_object(w);
    json_put_cstr(w, "role", role_names[message->role]);
    json_key(w, "parts");
    json_array(w);
    for (size_t i = 0; i < message->part_count; i++)
        write_part(w, &message->parts[i]);
    json_end(w);
    json_end(w);
}

static void write_tools(struct json_writer *w, const struct generate_request *generate)
{
    if (generate->tool_count == 0)
        return;
    json_key(w, "tools");
    json_array(w);
    for (size_t i = 0; i < generate->tool_count; i++) {
        const struct chat_tool *tool = &generate->tools[i];
        json_object(w);
        json_put_string(w, "name", tool->name);
        put_text(w, "description", tool->description);
        if (tool->schema != NULL)
            json_put_value(w, "schema", tool->schema);
        json_end(w);
    }
    json_end(w);
}

static void write_sampling(struct json_writer *w, const struct sampling *sampling)
{
    put_setting(w, "temperature", sampling->temperature);
    put_setting(w, "top_p", sampling->top_p);
    put_setting(w, "min_p", sampling->min_p);
    put_setting(w, "frequency_penalty", sampling->frequency_penalty);
    put_setting(w, "presence_penalty", sampling->presence_penalty);
    put_setting(w, "repeat_penalty", sampling->repeat_penalty);
    if (sampling->top_k >= 0)
        json_put_i64(w, "top_k", sampling->top_k);
    if (sampling->has_seed)
        json_put_i64(w, "seed", sampling->seed);
}

static void write_generate(struct json_writer *w, const struct generate_request *generate)
{
    json_object(w);
    json_key(w, "messages");
    json_array(w);
    for (size_t i = 0; i < generate->message_count; i++)
        write_message(w, &generate->messages[i]);
    json_end(w);
    if (generate->has_raw_prompt)
        json_put_string(w, "raw_prompt", generate->raw_prompt);
    put_text(w, "assistant_prefix", generate->assistant_prefix);
    write_tools(w, generate);
    json_put_cstr(w, "tool_choice", choice_names[generate->tool_choice]);
    put_text(w, "tool_name", generate->tool_name);
    if (generate->has_json_schema)
        json_put_value(w, "json_schema", generate->json_schema);
    write_sampling(w, &generate->sampling);
    if (generate->max_tokens >= 0)
        json_put_i64(w, "max_tokens", generate->max_tokens);
    put_texts(w, "stops", generate->stops, generate->stop_count);
    put_flag(w, "want_logprobs", generate->want_logprobs);
    json_end(w);
}

static void write_embed(struct json_writer *w, const struct embed_request *embed)
{
    json_object(w);
    put_texts(w, "texts", embed->texts, embed->text_count);
    json_put_cstr(w, "truncate", truncate_names[embed->truncate]);
    json_put_cstr(w, "purpose", purpose_names[embed->purpose]);
    json_end(w);
}

static bool embeds(const struct model_request *request)
{
    return request->kind == MODEL_EMBED || (request->kind == MODEL_COUNT && request->count_embed);
}

void wire_write_request(struct buf *out, const struct model_request *request)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_object(&w);
    json_put_cstr(&w, "kind", kind_names[request->kind]);
    json_put_cstr(&w, "priority", priority_names[request->priority]);
    put_text(&w, "model", request->model);
    put_text(&w, "account", request->account);
    put_text(&w, "caller", request->caller);
    put_text(&w, "request_id", request->request_id);
    json_key(&w, embeds(request) ? "embed" : "generate");
    if (embeds(request))
        write_embed(&w, &request->embed);
    else
        write_generate(&w, &request->generate);
    json_end(&w);
}

/* ---- reading ------------------------------------------------------------------------------------------------------------- */

struct reader {
    struct arena *arena;
    bool malformed;                                         /* for good: a wrong type, a missing member, no memory */
};

static bool expect(struct reader *in, const struct json *value, enum json_type type)
{
    if (value == NULL)
        return false;
    if (!json_is(value, type))
        in->malformed = true;
    return !in->malformed;
}

static struct view get_text(struct reader *in, const struct json *object, const char *key)
{
    const struct json *value = json_get(object, key);
    return expect(in, value, JSON_STRING) ? json_string(value) : (struct view){ NULL, 0 };
}

static bool get_flag(struct reader *in, const struct json *object, const char *key)
{
    const struct json *value = json_get(object, key);
    return expect(in, value, JSON_BOOL) && json_bool(value, false);
}

static int64_t get_number(struct reader *in, const struct json *object, const char *key, int64_t min, int64_t max, int64_t fallback)
{
    const struct json *value = json_get(object, key);
    if (value == NULL)
        return fallback;
    int64_t number = 0;
    if (!json_to_i64(value, &number) || number < min || number > max) {
        in->malformed = true;
        return fallback;
    }
    return number;
}

static float get_setting(struct reader *in, const struct json *object, const char *key)
{
    const struct json *value = json_get(object, key);
    if (value == NULL)
        return MODEL_UNSET_FLOAT;
    double number = 0;
    if (!json_to_double(value, &number))
        in->malformed = true;
    return (float)number;
}

/* The place of the member's text among names. */
static unsigned get_name(struct reader *in, const struct json *object, const char *key, const char *const *names, size_t count)
{
    struct view text = json_get_string(object, key);
    for (size_t i = 0; i < count; i++) {
        if (view_is(text, names[i]))
            return (unsigned)i;
    }
    in->malformed = true;
    return 0;
}

/* Room for every element of the array under key; NULL with *count 0 when it is absent or empty. */
static void *get_array(struct reader *in, const struct json *array, size_t element_size, size_t *count)
{
    *count = 0;
    if (!expect(in, array, JSON_ARRAY) || json_size(array) == 0)
        return NULL;
    void *elements = arena_array(in->arena, json_size(array), element_size);
    if (elements == NULL)
        in->malformed = true;
    else
        *count = json_size(array);
    return elements;
}

static const struct view *get_texts(struct reader *in, const struct json *array, size_t *count)
{
    struct view *texts = get_array(in, array, sizeof *texts, count);
    struct json_iter it = json_iter(array);
    for (size_t i = 0; i < *count && json_next(&it); i++) {
        if (expect(in, it.value, JSON_STRING))
            texts[i] = json_string(it.value);
    }
    return texts;
}

static void read_part(struct reader *in, const struct json *object, struct chat_part *part)
{
    part->type = (enum chat_part_type)get_name(in, object, "type", part_names, COUNT_OF(part_names));
    part->text = get_text(in, object, "text");
    part->id = get_text(in, object, "id");
    part->name = get_text(in, object, "name");
    const struct json *arguments = json_get(object, "arguments");
    if (expect(in, arguments, JSON_OBJECT))
        part->arguments = arguments;
    part->is_error = get_flag(in, object, "is_error");
    struct view bytes = get_text(in, object, "bytes");
    if (bytes.len > 0 && !base64_decode(in->arena, bytes, &part->bytes))
        in->malformed = true;
    part->media_type = get_text(in, object, "media_type");
    part->cache_point = get_flag(in, object, "cache_point");
}

static void read_message(struct reader *in, const struct json *object, struct chat_message *message)
{
    message->role = (enum chat_role)get_name(in, object, "role", role_names, COUNT_OF(role_names));
    const struct json *array = json_get(object, "parts");
    struct chat_part *parts = get_array(in, array, sizeof *parts, &message->part_count);
    struct json_iter it = json_iter(array);
    for (size_t i = 0; i < message->part_count && json_next(&it) && !in->malformed; i++)
        read_part(in, it.value, &parts[i]);
    message->parts = parts;
}

static void read_messages(struct reader *in, const struct json *array, struct generate_request *generate)
{
    struct chat_message *messages = get_array(in, array, sizeof *messages, &generate->message_count);
    struct json_iter it = json_iter(array);
    for (size_t i = 0; i < generate->message_count && json_next(&it) && !in->malformed; i++)
        read_message(in, it.value, &messages[i]);
    generate->messages = messages;
}

static void read_tools(struct reader *in, const struct json *array, struct generate_request *generate)
{
    struct chat_tool *tools = get_array(in, array, sizeof *tools, &generate->tool_count);
    struct json_iter it = json_iter(array);
    for (size_t i = 0; i < generate->tool_count && json_next(&it) && !in->malformed; i++) {
        tools[i].name = get_text(in, it.value, "name");
        tools[i].description = get_text(in, it.value, "description");
        tools[i].schema = json_get(it.value, "schema");
        if (tools[i].name.len == 0)
            in->malformed = true;
    }
    generate->tools = tools;
}

static void read_sampling(struct reader *in, const struct json *object, struct sampling *sampling)
{
    sampling->temperature = get_setting(in, object, "temperature");
    sampling->top_p = get_setting(in, object, "top_p");
    sampling->min_p = get_setting(in, object, "min_p");
    sampling->frequency_penalty = get_setting(in, object, "frequency_penalty");
    sampling->presence_penalty = get_setting(in, object, "presence_penalty");
    sampling->repeat_penalty = get_setting(in, object, "repeat_penalty");
    sampling->top_k = (int)get_number(in, object, "top_k", 0, INT32_MAX, -1);
    sampling->has_seed = json_get(object, "seed") != NULL;
    sampling->seed = (uint32_t)get_number(in, object, "seed", 0, UINT32_MAX, 0);
}

static void read_generate(struct reader *in, const struct json *object, struct generate_request *generate)
{
    if (!json_is(object, JSON_OBJECT)) {
        in->malformed = true;
        return;
    }
    read_messages(in, json_get(object, "messages"), generate);
    generate->has_raw_prompt = json_get(object, "raw_prompt") != NULL;
    generate->raw_prompt = get_text(in, object, "raw_prompt");
    generate->assistant_prefix = get_text(in, object, "assistant_prefix");
    read_tools(in, json_get(object, "tools"), generate);
    generate->tool_choice = (enum tool_choice)get_name(in, object, "tool_choice", choice_names, COUNT_OF(choice_names));
    generate->tool_name = get_text(in, object, "tool_name");
    generate->json_schema = json_get(object, "json_schema");
    generate->has_json_schema = generate->json_schema != NULL;
    read_sampling(in, object, &generate->sampling);
    generate->max_tokens = get_number(in, object, "max_tokens", 0, INT64_MAX, -1);
    generate->stops = get_texts(in, json_get(object, "stops"), &generate->stop_count);
    generate->want_logprobs = get_flag(in, object, "want_logprobs");
}

static void read_embed(struct reader *in, const struct json *object, struct embed_request *embed)
{
    embed->texts = get_texts(in, json_get(object, "texts"), &embed->text_count);
    embed->truncate = (enum embed_truncate)get_name(in, object, "truncate", truncate_names, COUNT_OF(truncate_names));
    embed->purpose = (enum embed_purpose)get_name(in, object, "purpose", purpose_names, COUNT_OF(purpose_names));
}

bool wire_read_request(struct arena *arena, struct view payload, struct model_request *request)
{
    const struct json *root = json_parse(arena, payload, REQUEST_DEPTH, NULL);
    if (!json_is(root, JSON_OBJECT))
        return false;
    struct reader in = { .arena = arena };
    model_request_init(request);
    request->kind = (enum model_kind)get_name(&in, root, "kind", kind_names, COUNT_OF(kind_names));
    request->priority = (enum priority)get_name(&in, root, "priority", priority_names, COUNT_OF(priority_names));
    request->model = get_text(&in, root, "model");
    request->account = get_text(&in, root, "account");
    request->caller = get_text(&in, root, "caller");
    request->request_id = get_text(&in, root, "request_id");
    const struct json *embed = json_get(root, "embed");
    request->count_embed = request->kind == MODEL_COUNT && embed != NULL;
    if (request->kind == MODEL_EMBED || request->count_embed)
        read_embed(&in, embed, &request->embed);
    else
        read_generate(&in, json_get(root, "generate"), &request->generate);
    return !in.malformed;
}
