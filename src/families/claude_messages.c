/* families/claude_messages.c - Anthropic's Messages: Claude 3 and later. The writer is in claude_messages_write.c.
 *
 * "anthropic_beta", "metadata", output_config's "effort" and cache_control on tools are accepted and change nothing. Thoughts
 * ("thinking") cannot be asked for; those of earlier answers are passed on.
 */
#include "families/claude_messages.h"

#include "base/encode.h"
#include "families/chat_build.h"
#include "families/families.h"

#define MAX_TOKENS 131072

/* ---- what the body may hold ---- */

/* The second is what Anthropic's own client sends, also to Bedrock. */
static const char *const versions[] = { "bedrock-2023-05-31", "2026-10-21", NULL };
static const char *const roles[] = { "user", "assistant", NULL };
static const char *const block_types[] = {
    "text", "image", "document", "tool_use", "tool_result", "thinking", "redacted_thinking", NULL
};
static const char *const choice_types[] = { "auto", "any", "tool", "none", NULL };
static const char *const cache_types[] = { "ephemeral", NULL };
static const char *const cache_times[] = { "5m", "1h", NULL };
static const char *const source_types[] = { "base64", "text", "url", "content", NULL };

static const struct schema text_item = { TEXT(1, 0) };

static const struct schema_member cache_members[] = {
    MEMBER("type", REQUIRED, ONE_OF(cache_types)),
    MEMBER("ttl", OPTIONAL, ONE_OF(cache_times)),
    MEMBERS_END
};
#define CACHE_CONTROL MEMBER("cache_control", OPTIONAL, .types = SCHEMA_OBJECT | SCHEMA_NULL, .members = cache_members)

static const struct schema_member source_members[] = {
    MEMBER("type", REQUIRED, ONE_OF(source_types)),
    MEMBER("media_type", OPTIONAL, TEXT(1, 0)),
    MEMBER("data", OPTIONAL, TEXT(1, 0)),
    MEMBER("url", OPTIONAL, UNSUPPORTED),
    MEMBER("content", OPTIONAL, UNSUPPORTED),
    MEMBERS_END
};
static const struct schema_member citations_members[] = { MEMBER("enabled", OPTIONAL, ONLY("false")), MEMBERS_END };

static const struct schema_member block_members[] = {
    MEMBER("type", REQUIRED, ONE_OF(block_types)),
    MEMBER("text", OPTIONAL, TEXT(0, 0)),
    MEMBER("source", OPTIONAL, OBJECT_OF(source_members)),
    MEMBER("title", OPTIONAL, .types = SCHEMA_STRING | SCHEMA_NULL),
    MEMBER("context", OPTIONAL, .types = SCHEMA_STRING | SCHEMA_NULL),
    MEMBER("citations", OPTIONAL, .types = SCHEMA_OBJECT | SCHEMA_ARRAY | SCHEMA_NULL, .members = citations_members),
    MEMBER("id", OPTIONAL, TEXT(1, 0)),
    MEMBER("name", OPTIONAL, TEXT(1, 0)),
    MEMBER("input", OPTIONAL, ANY_OBJECT),
    MEMBER("tool_use_id", OPTIONAL, TEXT(1, 0)),
    MEMBER("content", OPTIONAL, .types = SCHEMA_STRING | SCHEMA_ARRAY | SCHEMA_NULL),
    MEMBER("is_error", OPTIONAL, BOOLEAN),
    MEMBER("thinking", OPTIONAL, TEXT(0, 0)),
    MEMBER("signature", OPTIONAL, TEXT(0, 0)),
    MEMBER("data", OPTIONAL, TEXT(0, 0)),
    CACHE_CONTROL,
    MEMBERS_END
};
static const struct schema block_schema = { OBJECT_OF(block_members) };

static const struct schema_member message_members[] = {
    MEMBER("role", REQUIRED, ONE_OF(roles)),
    MEMBER("content", REQUIRED, .types = SCHEMA_STRING | SCHEMA_ARRAY, .items = &block_schema),
    MEMBERS_END
};
static const struct schema message_schema = { OBJECT_OF(message_members) };

static const struct schema_member tool_members[] = {
    MEMBER("type", OPTIONAL, TEXT(1, 0)),
    MEMBER("name", REQUIRED, TEXT(1, 128)),
    MEMBER("description", OPTIONAL, TEXT(0, 0)),
    MEMBER("input_schema", OPTIONAL, ANY_OBJECT),
    CACHE_CONTROL,
    MEMBERS_END
};
static const struct schema tool_schema = { OBJECT_OF(tool_members), .open = true };

static const struct schema_member choice_members[] = {
    MEMBER("type", REQUIRED, ONE_OF(choice_types)),
    MEMBER("name", OPTIONAL, TEXT(1, 0)),
    MEMBER("disable_parallel_tool_use", OPTIONAL, ONLY("false")),
    MEMBERS_END
};
static const struct schema_member thinking_members[] = {
    MEMBER("type", REQUIRED, ONLY("disabled")),
    MEMBER("budget_tokens", OPTIONAL, UNSUPPORTED),
    MEMBERS_END
};
static const struct schema_member format_members[] = {
    MEMBER("type", REQUIRED, TEXT(1, 0)),
    MEMBER("schema", REQUIRED, ANY_OBJECT),
    MEMBERS_END
};
static const struct schema_member output_members[] = {
    MEMBER("effort", OPTIONAL, TEXT(0, 0)),
    MEMBER("format", OPTIONAL, .types = SCHEMA_OBJECT | SCHEMA_NULL, .members = format_members),
    MEMBERS_END
};

static const struct schema_member members[] = {
    MEMBER("anthropic_version", REQUIRED, ONE_OF(versions)),
    MEMBER("max_tokens", REQUIRED, INTEGER(1, 1e9)),
    MEMBER("messages", REQUIRED, ARRAY_OF(message_schema, 1, 100000)),
    MEMBER("system", OPTIONAL, .types = SCHEMA_STRING | SCHEMA_ARRAY, .items = &block_schema),
    MEMBER("temperature", OPTIONAL, NUMBER(0, 1)),
    MEMBER("top_p", OPTIONAL, NUMBER(0, 1)),
    MEMBER("top_k", OPTIONAL, INTEGER(0, 500)),
    MEMBER("stop_sequences", OPTIONAL, ARRAY_OF(text_item, 0, 8191)),
    MEMBER("tools", OPTIONAL, ARRAY_OF(tool_schema, 0, 0)),
    MEMBER("tool_choice", OPTIONAL, OBJECT_OF(choice_members)),
    MEMBER("thinking", OPTIONAL, OBJECT_OF(thinking_members)),
    MEMBER("output_config", OPTIONAL, OBJECT_OF(output_members)),
    MEMBER("anthropic_beta", OPTIONAL, ARRAY_OF(text_item, 0, 0)),
    MEMBER("metadata", OPTIONAL, ANY_OBJECT),
    MEMBER("amazon-bedrock-guardrailConfig", OPTIONAL, UNSUPPORTED),
    MEMBERS_END
};
static const struct schema body_schema = { OBJECT_OF(members) };

/* ---- blocks ---- */

struct reader {
    struct family_input *in;
    struct chat_build build;
    struct claude_state *state;
    size_t message, block;                                  /* where we are, for errors */
};

static bool refuse_block(struct reader *reader, const char *problem)
{
    native_refuse(reader->in, "messages.%zu.content.%zu: %s", reader->message, reader->block, problem);
    return false;
}

static bool read_text(struct reader *reader, enum chat_role role, struct view text)
{
    if (view_trim(text).len == 0) {
        native_refuse(reader->in, "messages: text content blocks must be non-empty");
        return false;
    }
    chat_text(&reader->build, role, text);
    return true;
}

static bool read_image(struct reader *reader, enum chat_role role, const struct json *source)
{
    struct view bytes;
    if (!reader->in->model->vision)
        return refuse_block(reader, "this model doesn't support images. Use a model that takes images, or remove them, and try again.");
    if (!view_is(json_get_string(source, "type"), "base64") ||
        !base64_decode(reader->in->arena, json_get_string(source, "data"), &bytes))
        return refuse_block(reader, "the source of an image must be valid base64");
    chat_message(&reader->build, role);
    chat_part(&reader->build,
              (struct chat_part){ .type = CHAT_IMAGE, .bytes = bytes, .media_type = json_get_string(source, "media_type") });
    return true;
}

/* A document of plain text, with its title and context before it. */
static bool read_document(struct reader *reader, enum chat_role role, const struct json *block)
{
    static const char *const before[] = { "title", "context" };
    const struct json *source = json_get(block, "source");
    if (!view_is(json_get_string(source, "type"), "text"))
        return refuse_block(reader, "only documents whose source is of type text are supported");
    for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
        if (json_get_string(block, before[i]).len > 0)
            chat_text(&reader->build, role, json_get_string(block, before[i]));
    }
    return read_text(reader, role, json_get_string(source, "data"));
}

static bool read_call(struct reader *reader, enum chat_role role, const struct json *block)
{
    struct chat_part call = { .type = CHAT_TOOL_CALL,
                              .id = json_get_string(block, "id"),
                              .name = json_get_string(block, "name"),
                              .arguments = json_get(block, "input") };
    if (role != CHAT_ASSISTANT || call.id.len == 0 || call.name.len == 0 || call.arguments == NULL)
        return refuse_block(reader, "`tool_use` blocks stand in assistant messages and have id, name and input");
    chat_message(&reader->build, role);
    chat_part(&reader->build, call);
    return true;
}

/* The texts of a tool's result. False: it holds something else. */
static bool result_text(struct reader *reader, const struct json *content, struct view *text)
{
    struct chat_build texts;
    *text = json_string(content);
    if (!json_is(content, JSON_ARRAY))
        return true;
    chat_build_init(&texts, reader->in->arena);
    chat_message(&texts, CHAT_TOOL);
    struct json_iter it = json_iter(content);
    while (json_next(&it)) {
        if (!view_is(json_get_string(it.value, "type"), "text"))
            return false;
        chat_part(&texts, (struct chat_part){ .type = CHAT_TEXT, .text = json_get_string(it.value, "text") });
    }
    if (texts.count > 0)
        *text = chat_joined_text(reader->in->arena, texts.messages);
    return true;
}

static bool read_result(struct reader *reader, enum chat_role role, const struct json *block)
{
    struct chat_part result = { .type = CHAT_TOOL_RESULT,
                                .id = json_get_string(block, "tool_use_id"),
                                .is_error = json_bool(json_get(block, "is_error"), false) };
    result.name = chat_called_name(&reader->build, result.id);
    if (role != CHAT_USER || result.name.ptr == NULL)
        return refuse_block(reader, "each `tool_result` block must have a corresponding `tool_use` block in the previous message");
    if (!result_text(reader, json_get(block, "content"), &result.text))
        return refuse_block(reader, "the content of a `tool_result` must be text");
    chat_message(&reader->build, CHAT_TOOL);
    chat_part(&reader->build, result);
    return true;
}

static bool read_block(struct reader *reader, enum chat_role role, const struct json *block)
{
    struct view type = json_get_string(block, "type");
    bool good = true;
    if (view_is(type, "text")) {
        good = read_text(reader, role, json_get_string(block, "text"));
    } else if (view_is(type, "image")) {
        good = read_image(reader, role, json_get(block, "source"));
    } else if (view_is(type, "document")) {
        good = read_document(reader, role, block);
    } else if (view_is(type, "tool_use")) {
        good = read_call(reader, role, block);
    } else if (view_is(type, "tool_result")) {
        good = read_result(reader, role, block);
    } else if (view_is(type, "thinking") && role == CHAT_ASSISTANT) {
        chat_message(&reader->build, role);
        chat_part(&reader->build, (struct chat_part){ .type = CHAT_REASONING, .text = json_get_string(block, "thinking") });
    }
    if (good && native_has(block, "cache_control")) {
        chat_cache_point(&reader->build);
        reader->state->cache_points = true;
    }
    return good;
}

static bool read_content(struct reader *reader, enum chat_role role, const struct json *content)
{
    reader->block = 0;
    if (json_is(content, JSON_STRING))
        return read_text(reader, role, json_string(content));
    struct json_iter it = json_iter(content);
    while (json_next(&it)) {
        reader->block = it.index;
        if (!read_block(reader, role, it.value))
            return false;
    }
    return true;
}

static bool read_messages(struct reader *reader, const struct json *messages)
{
    struct json_iter it = json_iter(messages);
    while (json_next(&it)) {
        const struct json *content = json_get(it.value, "content");
        bool assistant = view_is(json_get_string(it.value, "role"), "assistant");
        bool last = it.index + 1 == json_size(messages);
        bool empty = json_is(content, JSON_STRING) ? json_string(content).len == 0 : json_size(content) == 0;
        reader->message = it.index;
        if (it.index == 0 && assistant) {
            native_refuse(reader->in, "messages: first message must use the \"user\" role");
            return false;
        }
        if (empty && !(last && assistant)) {
            native_refuse(reader->in, "messages.%zu: all messages must have non-empty content except for the optional final assistant "
                                      "message", it.index);
            return false;
        }
        if (!empty && !read_content(reader, assistant ? CHAT_ASSISTANT : CHAT_USER, content))
            return false;
    }
    return true;
}

/* ---- tools and formats ---- */

static bool read_tools(struct family_input *in, const struct json *tools, struct generate_request *out)
{
    struct chat_tool *list = ARENA_ARRAY(in->arena, struct chat_tool, json_size(tools) + 1);
    if (list == NULL)
        return native_done(in) == AWS_OK;
    struct json_iter it = json_iter(tools);
    while (json_next(&it)) {
        struct view type = json_get_string(it.value, "type");
        if (type.len > 0 && !view_is(type, "custom")) {
            native_refuse(in, "tools.%zu: this server doesn't support tools of type " VIEW_FMT ". Describe the tool with input_schema "
                              "and try again.", it.index, VIEW_ARG(type));
            return false;
        }
        if (json_get(it.value, "input_schema") == NULL) {
            native_malformed(in, "#/tools/%zu: required key [input_schema] not found", it.index);
            return false;
        }
        list[it.index] = (struct chat_tool){ .name = json_get_string(it.value, "name"),
                                             .description = json_get_string(it.value, "description"),
                                             .schema = json_get(it.value, "input_schema") };
    }
    out->tools = list;
    out->tool_count = json_size(tools);
    return true;
}

static bool read_choice(struct family_input *in, const struct json *choice, struct generate_request *out)
{
    struct view type = json_get_string(choice, "type");
    out->tool_choice = TOOL_CHOICE_AUTO;
    if (choice == NULL || view_is(type, "auto"))
        return true;
    if (view_is(type, "none")) {
        out->tool_choice = TOOL_CHOICE_NONE;
        return true;
    }
    bool any = view_is(type, "any");
    out->tool_choice = any ? TOOL_CHOICE_ANY : TOOL_CHOICE_NAMED;
    out->tool_name = any ? VIEW("") : json_get_string(choice, "name");
    for (size_t i = 0; i < out->tool_count; i++) {
        if (any || view_eq(out->tools[i].name, out->tool_name))
            return true;
    }
    if (any)
        native_refuse(in, "tool_choice: tools must be given with it");
    else
        native_refuse(in, "tool_choice: tool '" VIEW_FMT "' not found in provided tools", VIEW_ARG(out->tool_name));
    return false;
}

static bool read_format(struct family_input *in, const struct json *format, struct generate_request *out)
{
    if (format == NULL || json_is(format, JSON_NULL))
        return true;
    if (!view_is(json_get_string(format, "type"), "json_schema")) {
        native_refuse(in, "output_config.format: only the type json_schema is supported");
        return false;
    }
    out->json_schema = json_get(format, "schema");
    out->has_json_schema = true;
    return true;
}

static enum aws_status claude_messages_parse(struct family_input *in, struct model_request *out)
{
    const struct json *body = native_body(in, &body_schema);
    struct reader reader = { .in = in, .state = ARENA_NEW(in->arena, struct claude_state) };
    struct generate_request *generate = &out->generate;
    if (body == NULL || reader.state == NULL)
        return body == NULL ? AWS_VALIDATION : native_done(in);
    in->state = reader.state;
    chat_build_init(&reader.build, in->arena);
    const struct json *system = json_get(body, "system");
    bool has_system = json_is(system, JSON_STRING) ? json_string(system).len > 0 : json_size(system) > 0;
    if (!native_max_tokens(in, body, "max_tokens", MAX_TOKENS, MAX_TOKENS, &generate->max_tokens) ||
        (has_system && !read_content(&reader, CHAT_SYSTEM, system)) || !read_messages(&reader, json_get(body, "messages")))
        return AWS_VALIDATION;
    chat_build_done(&reader.build, generate, true);
    if (!read_tools(in, json_get(body, "tools"), generate) || !read_choice(in, json_get(body, "tool_choice"), generate) ||
        !read_format(in, json_get(json_get(body, "output_config"), "format"), generate))
        return AWS_VALIDATION;

    generate->sampling.temperature = native_float(body, "temperature", 1);
    generate->sampling.top_p = native_float(body, "top_p", 0.999f);
    generate->sampling.top_k = (int)native_int(body, "top_k", 0);
    native_stops(in, json_get(body, "stop_sequences"), VIEW(""), generate);
    return native_done(in);
}

const struct family family_claude_messages = {
    .name = "claude-messages",
    .parse = claude_messages_parse,
    .result = claude_messages_result,
    .stream = { claude_messages_begin, claude_messages_delta, claude_messages_end },
};
