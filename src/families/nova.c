/* families/nova.c - Amazon Nova: Converse's shapes as a native body. "schemaVersion" is accepted and changes nothing. */
#include "base/encode.h"
#include "families/chat_build.h"
#include "families/families.h"
#include "families/native.h"

#define DEFAULT_MAX_TOKENS 5120
#define MAX_TOKENS         10000

/* ---- what the body may hold ---- */

static const char *const roles[] = { "user", "assistant", NULL };
static const struct schema stop = { TEXT(1, 0) };

static const struct schema_member source_members[] = {
    MEMBER("bytes", OPTIONAL, TEXT(1, 0)),
    MEMBER("s3Location", OPTIONAL, UNSUPPORTED),
    MEMBERS_END
};
static const struct schema_member image_members[] = {
    MEMBER("format", REQUIRED, TEXT(1, 0)),
    MEMBER("source", REQUIRED, OBJECT_OF(source_members)),
    MEMBERS_END
};
static const struct schema_member call_members[] = {
    MEMBER("toolUseId", REQUIRED, TEXT(1, 64)),
    MEMBER("name", REQUIRED, TEXT(1, 64)),
    MEMBER("input", REQUIRED, ANY_OBJECT),
    MEMBERS_END
};
static const struct schema_member result_item_members[] = {
    MEMBER("text", OPTIONAL, TEXT(0, 0)),
    MEMBER("json", OPTIONAL, ANY_VALUE),
    MEMBER("image", OPTIONAL, UNSUPPORTED),
    MEMBER("document", OPTIONAL, UNSUPPORTED),
    MEMBER("video", OPTIONAL, UNSUPPORTED),
    MEMBERS_END
};
static const struct schema result_item = { OBJECT_OF(result_item_members) };
static const struct schema_member result_members[] = {
    MEMBER("toolUseId", REQUIRED, TEXT(1, 64)),
    MEMBER("content", REQUIRED, ARRAY_OF(result_item, 0, 0)),
    MEMBER("status", OPTIONAL, TEXT(0, 0)),
    MEMBERS_END
};
static const struct schema_member reasoning_text_members[] = {
    MEMBER("text", REQUIRED, TEXT(0, 0)),
    MEMBER("signature", OPTIONAL, TEXT(0, 0)),
    MEMBERS_END
};
static const struct schema_member reasoning_members[] = {
    MEMBER("reasoningText", OPTIONAL, OBJECT_OF(reasoning_text_members)),
    MEMBERS_END
};
static const struct schema_member cache_members[] = { MEMBER("type", REQUIRED, TEXT(1, 0)), MEMBERS_END };
static const struct schema_member block_members[] = {
    MEMBER("text", OPTIONAL, TEXT(1, 0)),
    MEMBER("image", OPTIONAL, OBJECT_OF(image_members)),
    MEMBER("video", OPTIONAL, UNSUPPORTED),
    MEMBER("audio", OPTIONAL, UNSUPPORTED),
    MEMBER("document", OPTIONAL, UNSUPPORTED),
    MEMBER("toolUse", OPTIONAL, OBJECT_OF(call_members)),
    MEMBER("toolResult", OPTIONAL, OBJECT_OF(result_members)),
    MEMBER("reasoningContent", OPTIONAL, OBJECT_OF(reasoning_members)),
    MEMBER("cachePoint", OPTIONAL, OBJECT_OF(cache_members)),
    MEMBERS_END
};
static const struct schema block_schema = { OBJECT_OF(block_members) };
static const struct schema_member message_members[] = {
    MEMBER("role", REQUIRED, ONE_OF(roles)),
    MEMBER("content", REQUIRED, ARRAY_OF(block_schema, 1, 0)),
    MEMBERS_END
};
static const struct schema message_schema = { OBJECT_OF(message_members) };

static const struct schema_member input_schema_members[] = { MEMBER("json", REQUIRED, ANY_OBJECT), MEMBERS_END };
static const struct schema_member spec_members[] = {
    MEMBER("name", REQUIRED, TEXT(1, 64)),
    MEMBER("description", OPTIONAL, TEXT(0, 0)),
    MEMBER("inputSchema", REQUIRED, OBJECT_OF(input_schema_members)),
    MEMBERS_END
};
static const struct schema_member tool_members[] = {
    MEMBER("toolSpec", OPTIONAL, OBJECT_OF(spec_members)),
    MEMBER("systemTool", OPTIONAL, UNSUPPORTED),
    MEMBER("cachePoint", OPTIONAL, OBJECT_OF(cache_members)),
    MEMBERS_END
};
static const struct schema tool_schema = { OBJECT_OF(tool_members) };
static const struct schema_member named_members[] = { MEMBER("name", REQUIRED, TEXT(1, 64)), MEMBERS_END };
static const struct schema_member choice_members[] = {
    MEMBER("auto", OPTIONAL, ANY_OBJECT),
    MEMBER("any", OPTIONAL, ANY_OBJECT),
    MEMBER("tool", OPTIONAL, OBJECT_OF(named_members)),
    MEMBERS_END
};
static const struct schema_member tool_config_members[] = {
    MEMBER("tools", REQUIRED, ARRAY_OF(tool_schema, 1, 0)),
    MEMBER("toolChoice", OPTIONAL, OBJECT_OF(choice_members)),
    MEMBERS_END
};
static const struct schema_member reasoning_config_members[] = {
    MEMBER("type", REQUIRED, ONLY("disabled")),
    MEMBER("maxReasoningEffort", OPTIONAL, UNSUPPORTED),
    MEMBERS_END
};
static const struct schema_member inference_members[] = {
    MEMBER("maxTokens", OPTIONAL, INTEGER(1, 1e9)),
    MEMBER("max_new_tokens", OPTIONAL, INTEGER(1, 1e9)),
    MEMBER("temperature", OPTIONAL, NUMBER(0, 1)),
    MEMBER("topP", OPTIONAL, NUMBER(0, 1)),
    MEMBER("top_p", OPTIONAL, NUMBER(0, 1)),
    MEMBER("topK", OPTIONAL, INTEGER(0, 128)),
    MEMBER("top_k", OPTIONAL, INTEGER(0, 128)),
    MEMBER("stopSequences", OPTIONAL, ARRAY_OF(stop, 0, 0)),
    MEMBER("reasoningConfig", OPTIONAL, OBJECT_OF(reasoning_config_members)),
    MEMBERS_END
};
static const struct schema_member system_members[] = {
    MEMBER("text", OPTIONAL, TEXT(1, 0)),
    MEMBER("cachePoint", OPTIONAL, OBJECT_OF(cache_members)),
    MEMBERS_END
};
static const struct schema system_schema = { OBJECT_OF(system_members) };
static const struct schema_member members[] = {
    MEMBER("schemaVersion", OPTIONAL, TEXT(0, 0)),
    MEMBER("system", OPTIONAL, ARRAY_OF(system_schema, 0, 0)),
    MEMBER("messages", REQUIRED, ARRAY_OF(message_schema, 1, 0)),
    MEMBER("inferenceConfig", OPTIONAL, OBJECT_OF(inference_members)),
    MEMBER("toolConfig", OPTIONAL, OBJECT_OF(tool_config_members)),
    MEMBER("amazon-bedrock-guardrailConfig", OPTIONAL, UNSUPPORTED),
    MEMBERS_END
};
static const struct schema body_schema = { OBJECT_OF(members) };

struct nova_state {
    bool cache_points;
    /* of the stream */
    unsigned blocks;                                        /* begun so far */
    enum { NOVA_NO_BLOCK, NOVA_TEXT, NOVA_TOOL } open;
};

/* ---- in ---- */

struct reader {
    struct family_input *in;
    struct chat_build build;
    struct nova_state *state;
    size_t message, block;
};

static bool refuse_block(struct reader *reader, const char *problem)
{
    native_malformed(reader->in, "#/messages/%zu/content/%zu: %s", reader->message, reader->block, problem);
    return false;
}

static bool read_image(struct reader *reader, const struct json *image)
{
    struct view bytes;
    const char *format = arena_printf(reader->in->arena, "image/" VIEW_FMT, VIEW_ARG(json_get_string(image, "format")));
    if (!reader->in->model->vision)
        return refuse_block(reader, "this model doesn't support images");
    if (!base64_decode(reader->in->arena, json_get_string(json_get(image, "source"), "bytes"), &bytes))
        return refuse_block(reader, "the bytes of an image must be valid base64");
    chat_part(&reader->build, (struct chat_part){ .type = CHAT_IMAGE, .bytes = bytes, .media_type = view_from_cstr(format) });
    return true;
}

/* Texts and JSON values of a tool's result, one a line. */
static struct view result_text(struct reader *reader, const struct json *content)
{
    struct gathered text = { .ptr = NULL };
    struct buf json = BUF_INIT(reader->in->body.len * 6 + 64);  /* a value written again is escaped at worst */
    struct json_iter it = json_iter(content);
    while (json_next(&it)) {
        struct view item = json_get_string(it.value, "text");
        if (json_get(it.value, "json") != NULL) {
            struct json_writer writer;
            buf_clear(&json);
            json_writer_init(&writer, &json);
            json_write_value(&writer, json_get(it.value, "json"));
            item = buf_view(&json);
        }
        if (text.len > 0)
            gathered_add(&text, reader->in->arena, VIEW("\n"));
        gathered_add(&text, reader->in->arena, item);
    }
    buf_free(&json);
    return view_of(text.ptr, text.len);
}

static bool read_result(struct reader *reader, const struct json *result)
{
    struct chat_part part = { .type = CHAT_TOOL_RESULT,
                              .id = json_get_string(result, "toolUseId"),
                              .text = result_text(reader, json_get(result, "content")),
                              .is_error = view_is(json_get_string(result, "status"), "error") };
    part.name = chat_called_name(&reader->build, part.id);
    if (part.name.ptr == NULL)
        return refuse_block(reader, "toolResult must answer a toolUse of the message before");
    chat_message(&reader->build, CHAT_TOOL);
    chat_part(&reader->build, part);
    return true;
}

static bool read_block(struct reader *reader, enum chat_role role, const struct json *block)
{
    const struct json *call = json_get(block, "toolUse");
    if (json_size(block) != 1)
        return refuse_block(reader, "a content block has exactly one member");
    if (native_has(block, "cachePoint")) {
        chat_cache_point(&reader->build);
        reader->state->cache_points = true;
        return true;
    }
    if (native_has(block, "toolResult"))
        return role == CHAT_USER ? read_result(reader, json_get(block, "toolResult"))
                                 : refuse_block(reader, "toolResult stands in messages of the user");
    chat_message(&reader->build, role);
    if (native_has(block, "image"))
        return read_image(reader, json_get(block, "image"));
    if (call != NULL) {
        chat_part(&reader->build, (struct chat_part){ .type = CHAT_TOOL_CALL,
                                                      .id = json_get_string(call, "toolUseId"),
                                                      .name = json_get_string(call, "name"),
                                                      .arguments = json_get(call, "input") });
    } else if (native_has(block, "reasoningContent")) {
        const struct json *thought = json_get(json_get(block, "reasoningContent"), "reasoningText");
        chat_part(&reader->build, (struct chat_part){ .type = CHAT_REASONING, .text = json_get_string(thought, "text") });
    } else {
        chat_part(&reader->build, (struct chat_part){ .type = CHAT_TEXT, .text = json_get_string(block, "text") });
    }
    return true;
}

static bool read_conversation(struct reader *reader, const struct json *body)
{
    struct json_iter system = json_iter(json_get(body, "system"));
    while (json_next(&system)) {
        if (native_has(system.value, "text")) {
            chat_text(&reader->build, CHAT_SYSTEM, json_get_string(system.value, "text"));
        } else {
            chat_cache_point(&reader->build);
            reader->state->cache_points = true;
        }
    }
    struct json_iter message = json_iter(json_get(body, "messages"));
    while (json_next(&message)) {
        enum chat_role role = view_is(json_get_string(message.value, "role"), "assistant") ? CHAT_ASSISTANT : CHAT_USER;
        struct json_iter block = json_iter(json_get(message.value, "content"));
        while (json_next(&block)) {
            reader->message = message.index;
            reader->block = block.index;
            if (!read_block(reader, role, block.value))
                return false;
        }
    }
    return true;
}

static bool read_tools(struct family_input *in, const struct json *config, struct generate_request *out)
{
    const struct json *tools = json_get(config, "tools"), *choice = json_get(config, "toolChoice");
    struct chat_tool *list = ARENA_ARRAY(in->arena, struct chat_tool, json_size(tools) + 1);
    if (list == NULL)
        return native_done(in) == AWS_OK;
    struct json_iter it = json_iter(tools);
    while (json_next(&it)) {
        const struct json *spec = json_get(it.value, "toolSpec");
        if (spec != NULL)
            list[out->tool_count++] = (struct chat_tool){ .name = json_get_string(spec, "name"),
                                                          .description = json_get_string(spec, "description"),
                                                          .schema = json_get(json_get(spec, "inputSchema"), "json") };
    }
    out->tools = list;
    if (json_get(choice, "any") != NULL)
        out->tool_choice = TOOL_CHOICE_ANY;
    if (json_get(choice, "tool") != NULL) {
        out->tool_choice = TOOL_CHOICE_NAMED;
        out->tool_name = json_get_string(json_get(choice, "tool"), "name");
    }
    bool found = out->tool_choice == TOOL_CHOICE_AUTO || (out->tool_choice == TOOL_CHOICE_ANY && out->tool_count > 0);
    for (size_t i = 0; i < out->tool_count; i++)
        found |= view_eq(list[i].name, out->tool_name);
    if (!found)
        native_malformed(in, "#/toolConfig/toolChoice: it must name one of the tools");
    return found;
}

static enum aws_status nova_parse(struct family_input *in, struct model_request *out)
{
    const struct json *body = native_body(in, &body_schema);
    struct reader reader = { .in = in, .state = ARENA_NEW(in->arena, struct nova_state) };
    struct generate_request *generate = &out->generate;
    if (body == NULL || reader.state == NULL)
        return body == NULL ? AWS_VALIDATION : native_done(in);
    in->state = reader.state;
    chat_build_init(&reader.build, in->arena);
    const struct json *config = json_get(body, "inferenceConfig");
    const char *limit = native_has(config, "max_new_tokens") ? "inferenceConfig/max_new_tokens" : "inferenceConfig/maxTokens";
    if (!read_conversation(&reader, body) || !read_tools(in, json_get(body, "toolConfig"), generate) ||
        !native_max_tokens(in, config, limit, DEFAULT_MAX_TOKENS, MAX_TOKENS, &generate->max_tokens))
        return AWS_VALIDATION;
    chat_build_done(&reader.build, generate, true);
    generate->sampling.temperature = native_float(config, "temperature", 0.7f);
    generate->sampling.top_p = native_float(config, "topP", native_float(config, "top_p", 0.9f));
    generate->sampling.top_k = (int)native_int(config, "topK", native_int(config, "top_k", 0));
    native_stops(in, json_get(config, "stopSequences"), VIEW(""), generate);
    return native_done(in);
}

/* ---- out ---- */

static const char *const stop_reasons[] = {
    [GEN_END] = "end_turn",
    [GEN_MAX_TOKENS] = "max_tokens",
    [GEN_STOP_SEQUENCE] = "stop_sequence",
    [GEN_TOOL_USE] = "tool_use",
    [GEN_MALFORMED] = "max_tokens",
    [GEN_CONTEXT_FULL] = "max_tokens",
};

static void write_usage(struct json_writer *out, const struct nova_state *state, const struct gen_usage *usage)
{
    bool apart = state != NULL && state->cache_points;
    int64_t input = usage->input_tokens - (apart ? usage->cached_tokens + usage->cache_write_tokens : 0);
    json_key(out, "usage");
    json_object(out);
    json_put_i64(out, "inputTokens", input);
    json_put_i64(out, "outputTokens", usage->output_tokens);
    json_put_i64(out, "totalTokens", usage->input_tokens + usage->output_tokens);
    json_put_i64(out, "cacheReadInputTokenCount", apart ? usage->cached_tokens : 0);
    json_put_i64(out, "cacheWriteInputTokenCount", apart ? usage->cache_write_tokens : 0);
    json_end(out);
}

static void write_call(struct family_stream *stream, const struct gen_tool_call *call, struct json_writer *out)
{
    struct view input;
    if (!native_arguments(stream->arena, call->arguments, &input))
        return;                                             /* cut off in its middle: no call */
    json_object(out);
    json_key(out, "toolUse");
    json_object(out);
    json_put_string(out, "name", call->name);
    json_put_string(out, "toolUseId", call->id);
    json_key(out, "input");
    json_write_raw(out, input);
    json_end(out);
    json_end(out);
}

static void nova_result(struct family_stream *stream, const struct gen_result *result, struct json_writer *reply)
{
    json_object(reply);
    json_key(reply, "output");
    json_object(reply);
    json_key(reply, "message");
    json_object(reply);
    json_key(reply, "content");
    json_array(reply);
    if (result->text.len > 0 || result->tool_call_count == 0) {
        json_object(reply);
        json_put_string(reply, "text", result->text);
        json_end(reply);
    }
    for (size_t i = 0; i < result->tool_call_count; i++)
        write_call(stream, &result->tool_calls[i], reply);
    json_end(reply);
    json_put_cstr(reply, "role", "assistant");
    json_end(reply);
    json_end(reply);
    json_put_cstr(reply, "stopReason", stop_reasons[result->end->reason]);
    write_usage(reply, stream->parse_state, &result->end->usage);
    json_end(reply);
}

/* A chunk inside the object of its one event: {"contentBlockDelta":{ … */
static struct json_writer open_event(struct family_stream *stream, const char *event)
{
    struct json_writer chunk = chunk_open(stream);
    json_key(&chunk, event);
    json_object(&chunk);
    return chunk;
}

static void close_event(struct family_stream *stream, struct json_writer *chunk, struct chunk_sink *out)
{
    json_end(chunk);
    chunk_close(stream, chunk, out);
}

static void nova_begin(struct family_stream *stream, const struct gen_begin *begin, struct chunk_sink *out)
{
    (void)begin;
    struct json_writer chunk = open_event(stream, "messageStart");
    json_put_cstr(&chunk, "role", "assistant");
    close_event(stream, &chunk, out);
}

static void stop_block(struct family_stream *stream, struct chunk_sink *out)
{
    struct nova_state *state = stream->parse_state;
    if (state->open == NOVA_NO_BLOCK)
        return;
    struct json_writer chunk = open_event(stream, "contentBlockStop");
    json_put_i64(&chunk, "contentBlockIndex", (int64_t)state->blocks - 1);
    close_event(stream, &chunk, out);
    state->open = NOVA_NO_BLOCK;
}

static void start_tool(struct family_stream *stream, const struct gen_delta *delta, struct chunk_sink *out)
{
    struct nova_state *state = stream->parse_state;
    stop_block(stream, out);
    state->open = NOVA_TOOL;
    state->blocks++;
    struct json_writer chunk = open_event(stream, "contentBlockStart");
    json_key(&chunk, "start");
    json_object(&chunk);
    json_key(&chunk, "toolUse");
    json_object(&chunk);
    json_put_string(&chunk, "toolUseId", delta->id);
    json_put_string(&chunk, "name", delta->name);
    json_end(&chunk);
    json_end(&chunk);
    json_put_i64(&chunk, "contentBlockIndex", (int64_t)state->blocks - 1);
    close_event(stream, &chunk, out);
}

/* The delta of a tool is {"toolUse":{"input":…}}, that of text {"text":…}. */
static void send_delta(struct family_stream *stream, bool tool, struct view text, struct chunk_sink *out)
{
    const struct nova_state *state = stream->parse_state;
    struct json_writer chunk = open_event(stream, "contentBlockDelta");
    json_key(&chunk, "delta");
    json_object(&chunk);
    if (tool) {
        json_key(&chunk, "toolUse");
        json_object(&chunk);
    }
    json_put_string(&chunk, tool ? "input" : "text", text);
    if (tool)
        json_end(&chunk);
    json_end(&chunk);
    json_put_i64(&chunk, "contentBlockIndex", (int64_t)state->blocks - 1);
    close_event(stream, &chunk, out);
}

static void nova_delta(struct family_stream *stream, const struct gen_delta *delta, struct chunk_sink *out)
{
    struct nova_state *state = stream->parse_state;
    if (delta->type == GEN_TEXT && delta->text.len > 0) {
        if (state->open != NOVA_TEXT) {
            stop_block(stream, out);
            state->open = NOVA_TEXT;
            state->blocks++;
        }
        send_delta(stream, false, delta->text, out);
    } else if (delta->type == GEN_TOOL_START) {
        start_tool(stream, delta, out);
    } else if (delta->type == GEN_TOOL_ARGUMENTS && state->open == NOVA_TOOL) {
        send_delta(stream, true, delta->text, out);
    }
}

static void nova_end(struct family_stream *stream, const struct engine_end *end, const struct invocation_metrics *metrics,
                     struct chunk_sink *out)
{
    stop_block(stream, out);
    struct json_writer chunk = open_event(stream, "messageStop");
    json_put_cstr(&chunk, "stopReason", stop_reasons[end->reason]);
    close_event(stream, &chunk, out);

    chunk = open_event(stream, "metadata");
    write_usage(&chunk, stream->parse_state, &end->usage);
    json_key(&chunk, "metrics");
    json_object(&chunk);
    json_end(&chunk);
    json_key(&chunk, "trace");
    json_object(&chunk);
    json_end(&chunk);
    json_end(&chunk);
    write_metrics(&chunk, metrics);
    chunk_close(stream, &chunk, out);
}

const struct family family_nova = {
    .name = "nova",
    .parse = nova_parse,
    .result = nova_result,
    .stream = { nova_begin, nova_delta, nova_end },
};
