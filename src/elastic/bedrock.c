#include "elastic/bedrock.h"

#include "base/encode.h"

#include <stdio.h>

#define COHERE_TEXTS 96
#define ENCODED_MAX  8192

const char *bedrock_path(struct arena *arena, struct view model, enum bedrock_call call)
{
    static const char *const names[] = {
        [BEDROCK_INVOKE] = "invoke", [BEDROCK_CONVERSE] = "converse", [BEDROCK_CONVERSE_STREAM] = "converse-stream"
    };
    struct buf path = BUF_INIT(ENCODED_MAX);
    buf_append_cstr(&path, "/model/");
    percent_append(&path, model, false);
    buf_printf(&path, "/%s", names[call]);
    const char *copy = buf_failed(&path) ? NULL : arena_cstr(arena, buf_view(&path));
    buf_free(&path);
    return copy;
}

/* ---- Converse: asking ---- */

static void write_image(const struct chat_part *part, struct json_writer *out)
{
    size_t slash = view_find(part->media_type, VIEW("/"));
    json_key(out, "image");
    json_object(out);
    json_put_string(out, "format", slash != VIEW_NPOS ? view_from(part->media_type, slash + 1) : part->media_type);
    json_key(out, "source");
    json_object(out);
    json_key(out, "bytes");
    json_write_base64(out, part->bytes);
    json_end(out);
    json_end(out);
}

static void write_reasoning(struct view text, struct json_writer *out)
{
    json_key(out, "reasoningContent");
    json_object(out);
    json_key(out, "reasoningText");
    json_object(out);
    json_put_string(out, "text", text);
    json_end(out);
    json_end(out);
}

static void write_tool_call(const struct chat_part *part, struct json_writer *out)
{
    json_key(out, "toolUse");
    json_object(out);
    json_put_string(out, "toolUseId", part->id);
    json_put_string(out, "name", part->name);
    json_key(out, "input");
    if (part->arguments != NULL) {
        json_write_value(out, part->arguments);
    } else {
        json_object(out);
        json_end(out);
    }
    json_end(out);
}

static void write_tool_result(const struct chat_part *part, struct json_writer *out)
{
    json_key(out, "toolResult");
    json_object(out);
    json_put_string(out, "toolUseId", part->id);
    json_key(out, "content");
    json_array(out);
    json_object(out);
    json_put_string(out, "text", part->text);
    json_end(out);
    json_end(out);
    if (part->is_error)
        json_put_cstr(out, "status", "error");
    json_end(out);
}

static void write_part(const struct chat_part *part, struct json_writer *out)
{
    json_object(out);
    switch (part->type) {
    case CHAT_TEXT:
        json_put_string(out, "text", part->text);
        break;
    case CHAT_REASONING:
        write_reasoning(part->text, out);
        break;
    case CHAT_TOOL_CALL:
        write_tool_call(part, out);
        break;
    case CHAT_TOOL_RESULT:
        write_tool_result(part, out);
        break;
    case CHAT_IMAGE:
        write_image(part, out);
        break;
    }
    json_end(out);
}

static void write_parts(const struct chat_message *message, struct json_writer *out)
{
    for (size_t i = 0; i < message->part_count; i++)
        write_part(&message->parts[i], out);
}

static size_t write_system(const struct generate_request *request, struct json_writer *out)
{
    size_t at = 0;
    if (request->message_count == 0 || request->messages[0].role != CHAT_SYSTEM)
        return 0;
    json_key(out, "system");
    json_array(out);
    while (at < request->message_count && request->messages[at].role == CHAT_SYSTEM)
        write_parts(&request->messages[at++], out);
    json_end(out);
    return at;
}

/* Converse wants its two sides to alternate: tools answer on the user's, and a later system message is said there too. */
static size_t write_side(const struct generate_request *request, size_t at, struct json_writer *out)
{
    bool assistant = request->messages[at].role == CHAT_ASSISTANT;
    json_object(out);
    json_put_cstr(out, "role", assistant ? "assistant" : "user");
    json_key(out, "content");
    json_array(out);
    while (at < request->message_count && (request->messages[at].role == CHAT_ASSISTANT) == assistant)
        write_parts(&request->messages[at++], out);
    json_end(out);
    json_end(out);
    return at;
}

static void write_conversation(const struct generate_request *request, struct json_writer *out)
{
    size_t at = write_system(request, out);
    json_key(out, "messages");
    json_array(out);
    while (at < request->message_count)
        at = write_side(request, at, out);
    json_end(out);
}

static void write_limits(const struct generate_request *request, struct json_writer *out)
{
    json_key(out, "inferenceConfig");
    json_object(out);
    if (request->max_tokens > 0)
        json_put_i64(out, "maxTokens", request->max_tokens);
    if (request->sampling.temperature > MODEL_UNSET_FLOAT) {
        json_key(out, "temperature");
        json_write_float(out, request->sampling.temperature);
    }
    if (request->sampling.top_p > MODEL_UNSET_FLOAT) {
        json_key(out, "topP");
        json_write_float(out, request->sampling.top_p);
    }
    if (request->stop_count > 0) {
        json_key(out, "stopSequences");
        json_array(out);
        for (size_t i = 0; i < request->stop_count; i++)
            json_write_string(out, request->stops[i]);
        json_end(out);
    }
    json_end(out);
}

static void write_tool(const struct chat_tool *tool, struct json_writer *out)
{
    json_object(out);
    json_key(out, "toolSpec");
    json_object(out);
    json_put_string(out, "name", tool->name);
    if (tool->description.len > 0)
        json_put_string(out, "description", tool->description);
    json_key(out, "inputSchema");
    json_object(out);
    json_key(out, "json");
    if (tool->schema != NULL)
        json_write_value(out, tool->schema);
    else
        json_write_raw(out, VIEW("{\"type\":\"object\"}"));
    json_end(out);
    json_end(out);
    json_end(out);
}

static void write_choice(const struct generate_request *request, struct json_writer *out)
{
    bool named = request->tool_choice == TOOL_CHOICE_NAMED;
    json_key(out, "toolChoice");
    json_object(out);
    json_key(out, named ? "tool" : request->tool_choice == TOOL_CHOICE_ANY ? "any" : "auto");
    json_object(out);
    if (named)
        json_put_string(out, "name", request->tool_name);
    json_end(out);
    json_end(out);
}

static bool has_tool_parts(const struct generate_request *request)
{
    for (size_t i = 0; i < request->message_count; i++) {
        for (size_t j = 0; j < request->messages[i].part_count; j++) {
            enum chat_part_type type = request->messages[i].parts[j].type;
            if (type == CHAT_TOOL_CALL || type == CHAT_TOOL_RESULT)
                return true;
        }
    }
    return false;
}

/* Converse knows no "none": tools that may not be called are left out, unless the conversation speaks of their calls. */
static void write_tools(const struct generate_request *request, struct json_writer *out)
{
    if (request->tool_count == 0 || (request->tool_choice == TOOL_CHOICE_NONE && !has_tool_parts(request)))
        return;
    json_key(out, "toolConfig");
    json_object(out);
    json_key(out, "tools");
    json_array(out);
    for (size_t i = 0; i < request->tool_count; i++)
        write_tool(&request->tools[i], out);
    json_end(out);
    write_choice(request, out);
    json_end(out);
}

void bedrock_write_converse(const struct generate_request *request, enum elastic_provider provider, struct json_writer *out)
{
    json_object(out);
    write_conversation(request, out);
    write_limits(request, out);
    write_tools(request, out);
    if (request->sampling.top_k > 0) {
        json_key(out, "additionalModelRequestFields");
        json_object(out);
        json_put_i64(out, provider == PROVIDER_COHERE ? "k" : "top_k", request->sampling.top_k);
        json_end(out);
    }
    json_end(out);
}

/* ---- Converse: answers ---- */

void bedrock_reader_init(struct bedrock_reader *reader, void (*emit)(void *ctx, const struct gen_delta *delta), void *ctx)
{
    *reader = (struct bedrock_reader){ .emit = emit, .ctx = ctx };
}

static bool fail(struct bedrock_reader *reader, int status, struct view message)
{
    snprintf(reader->message, sizeof(reader->message), VIEW_FMT, VIEW_ARG(view_first(message, sizeof(reader->message) - 1)));
    reader->end = (struct engine_end){ .status = ENGINE_MODEL_ERROR, .message = reader->message, .original_status = status };
    return false;
}

static bool unreadable(struct bedrock_reader *reader)
{
    return fail(reader, 502, VIEW("the answer cannot be read"));
}

static enum gen_reason reason_of(struct view name)
{
    static const struct {
        const char *name;
        enum gen_reason reason;
    } reasons[] = {
        { "max_tokens", GEN_MAX_TOKENS },
        { "stop_sequence", GEN_STOP_SEQUENCE },
        { "tool_use", GEN_TOOL_USE },
        { "malformed_model_output", GEN_MALFORMED },
        { "model_context_window_exceeded", GEN_CONTEXT_FULL },
    };
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (view_is(name, reasons[i].name))
            return reasons[i].reason;
    }
    return GEN_END;
}

static void take_reason(struct bedrock_reader *reader, const struct json *object)
{
    reader->finished = true;
    reader->end.reason = reason_of(json_get_string(object, "stopReason"));
}

static void take_usage(struct bedrock_reader *reader, const struct json *usage)
{
    json_get_i64(usage, "inputTokens", &reader->end.usage.input_tokens);
    json_get_i64(usage, "outputTokens", &reader->end.usage.output_tokens);
}

static void emit_text(struct bedrock_reader *reader, enum gen_delta_type type, struct view text)
{
    if (text.len > 0)
        reader->emit(reader->ctx, &(struct gen_delta){ .type = type, .text = text, .tool_index = reader->tools - (reader->tools > 0) });
}

static void emit_tool(struct bedrock_reader *reader, const struct json *use)
{
    reader->emit(reader->ctx, &(struct gen_delta){ .type = GEN_TOOL_START,
                                                   .tool_index = reader->tools++,
                                                   .id = json_get_string(use, "toolUseId"),
                                                   .name = json_get_string(use, "name") });
}

static bool emit_input(struct bedrock_reader *reader, struct arena *arena, const struct json *input)
{
    struct buf text = BUF_INIT(EVENTSTREAM_FRAME_MAX);
    struct json_writer out;
    json_writer_init(&out, &text);
    json_write_value(&out, input);
    struct view copy = json_writer_failed(&out) ? VIEW("") : arena_copy(arena, buf_view(&text));
    buf_free(&text);
    emit_text(reader, GEN_TOOL_ARGUMENTS, copy);
    return copy.len > 0;
}

static bool emit_block(struct bedrock_reader *reader, struct arena *arena, const struct json *block)
{
    const struct json *use = json_get(block, "toolUse"), *reasoning = json_get(block, "reasoningContent");
    emit_text(reader, GEN_REASONING, json_get_string(json_get(reasoning, "reasoningText"), "text"));
    emit_text(reader, GEN_TEXT, json_get_string(block, "text"));
    if (use == NULL)
        return true;
    emit_tool(reader, use);
    return emit_input(reader, arena, json_get(use, "input"));
}

bool bedrock_read_converse(struct bedrock_reader *reader, struct arena *arena, struct view body)
{
    const struct json *answer = json_parse(arena, body, JSON_DEPTH_DEFAULT, NULL);
    const struct json *content = json_get(json_get(json_get(answer, "output"), "message"), "content");
    if (!json_is(content, JSON_ARRAY))
        return unreadable(reader);
    struct json_iter it = json_iter(content);
    while (json_next(&it)) {
        if (!emit_block(reader, arena, it.value))
            return unreadable(reader);
    }
    take_reason(reader, answer);
    take_usage(reader, json_get(answer, "usage"));
    return true;
}

static bool read_exception(struct bedrock_reader *reader, struct view type, struct view message)
{
    static const struct {
        const char *type;
        int status;
    } exceptions[] = {
        { "validationException", 400 },
        { "modelTimeoutException", 408 },
        { "modelStreamErrorException", 424 },
        { "throttlingException", 429 },
        { "serviceUnavailableException", 503 },
    };
    int status = 500;
    for (size_t i = 0; i < sizeof(exceptions) / sizeof(exceptions[0]); i++) {
        if (view_eq_nocase(type, view_from_cstr(exceptions[i].type)))
            status = exceptions[i].status;
    }
    return fail(reader, status, message.len > 0 ? message : type);
}

static void read_delta(struct bedrock_reader *reader, const struct json *delta)
{
    emit_text(reader, GEN_TEXT, json_get_string(delta, "text"));
    emit_text(reader, GEN_REASONING, json_get_string(json_get(delta, "reasoningContent"), "text"));
    emit_text(reader, GEN_TOOL_ARGUMENTS, json_get_string(json_get(delta, "toolUse"), "input"));
}

bool bedrock_read_event(struct bedrock_reader *reader, struct arena *arena, const struct eventstream_frame *frame)
{
    const struct json *event = json_parse(arena, frame->payload, JSON_DEPTH_DEFAULT, NULL);
    struct view type = eventstream_header(frame, ":event-type");
    if (view_is(eventstream_header(frame, ":message-type"), "exception"))
        return read_exception(reader, eventstream_header(frame, ":exception-type"), json_get_string(event, "message"));
    if (!json_is(event, JSON_OBJECT))
        return unreadable(reader);
    const struct json *use = json_get(json_get(event, "start"), "toolUse");
    if (view_is(type, "contentBlockStart") && use != NULL)
        emit_tool(reader, use);
    else if (view_is(type, "contentBlockDelta"))
        read_delta(reader, json_get(event, "delta"));
    else if (view_is(type, "messageStop"))
        take_reason(reader, event);
    else if (view_is(type, "metadata"))
        take_usage(reader, json_get(event, "usage"));
    return true;
}

void bedrock_read_error(struct bedrock_reader *reader, struct arena *arena, int status, struct view body)
{
    const struct json *error = json_parse(arena, body, JSON_DEPTH_DEFAULT, NULL);
    struct view message = json_get_string(error, "message");
    if (message.len == 0)
        message = json_get_string(error, "Message");
    fail(reader, status >= 400 ? status : 502, message.len > 0 ? message : VIEW("the server gives no reason"));
}

/* ---- vectors ---- */

size_t bedrock_texts_at_once(enum elastic_provider provider)
{
    return provider == PROVIDER_COHERE ? COHERE_TEXTS : 1;
}

void bedrock_write_texts(const struct embed_request *request, size_t first, size_t count, enum elastic_provider provider,
                         const char *input_type, struct json_writer *out)
{
    json_object(out);
    if (provider != PROVIDER_COHERE) {
        json_put_string(out, "inputText", request->texts[first]);
        json_end(out);
        return;
    }
    json_key(out, "texts");
    json_array(out);
    for (size_t i = 0; i < count; i++)
        json_write_string(out, request->texts[first + i]);
    json_end(out);
    json_put_cstr(out, "input_type", input_type);
    if (request->truncate == EMBED_TRUNCATE_START || request->truncate == EMBED_TRUNCATE_END)
        json_put_cstr(out, "truncate", request->truncate == EMBED_TRUNCATE_START ? "START" : "END");
    json_end(out);
}

static bool read_row(const struct json *row, size_t dimensions, float *out)
{
    double number = 0;
    struct json_iter it = json_iter(row);
    if (!json_is(row, JSON_ARRAY) || json_size(row) != dimensions)
        return false;
    while (json_next(&it)) {
        if (!json_to_double(it.value, &number))
            return false;
        out[it.index] = (float)number;
    }
    return true;
}

bool bedrock_read_vectors(struct arena *arena, struct view body, enum elastic_provider provider, size_t count, float **rows,
                          size_t *dimensions)
{
    const struct json *answer = json_parse(arena, body, JSON_DEPTH_DEFAULT, NULL);
    const struct json *list = json_get(answer, "embeddings"), *one = json_get(answer, "embedding");
    if (json_is(list, JSON_OBJECT))
        list = json_get(list, "float");
    bool many = provider == PROVIDER_COHERE;
    if (many ? json_size(list) != count : count != 1)
        return false;
    size_t each = json_size(many ? json_at(list, 0) : one), total = count * each;
    *dimensions = each;
    *rows = ARENA_ARRAY(arena, float, total);
    if (*rows == NULL || each == 0)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!read_row(many ? json_at(list, i) : one, each, *rows + i * each))
            return false;
    }
    return true;
}
