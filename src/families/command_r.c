/* families/command_r.c - Cohere Command R and R+: chat.
 *
 * "documents" are put before the conversation for the model to read; it cites none of them, so "citations" does not occur.
 * "prompt_truncation" is accepted and changes nothing: a prompt that is too long is refused, never cut.
 */
#include "families/chat_build.h"
#include "families/families.h"
#include "families/native.h"

#define DEFAULT_MAX_TOKENS 4000
#define MAX_TOKENS         4000
#define MAX_CALLS          128                              /* of one answer */

/* ---- what the body may hold ---- */

static const char *const roles[] = { "USER", "CHATBOT", "SYSTEM", "TOOL", NULL };
static const char *const truncations[] = { "OFF", "AUTO_PRESERVE_ORDER", NULL };
static const struct schema stop = { TEXT(1, 0) };
static const struct schema object_item = { ANY_OBJECT };

static const struct schema_member call_members[] = {
    MEMBER("name", REQUIRED, TEXT(1, 0)),
    MEMBER("parameters", REQUIRED, ANY_OBJECT),
    MEMBER("generation_id", OPTIONAL, ANY_VALUE),
    MEMBERS_END
};
static const struct schema call_schema = { OBJECT_OF(call_members) };
static const struct schema_member turn_members[] = {
    MEMBER("role", REQUIRED, ONE_OF(roles)),
    MEMBER("message", OPTIONAL, TEXT(0, 0)),
    MEMBER("tool_calls", OPTIONAL, .types = SCHEMA_ARRAY | SCHEMA_NULL, .items = &call_schema),
    MEMBER("tool_results", OPTIONAL, UNSUPPORTED),
    MEMBERS_END
};
static const struct schema turn_schema = { OBJECT_OF(turn_members) };
static const struct schema_member parameter_members[] = {
    MEMBER("description", OPTIONAL, TEXT(0, 0)),
    MEMBER("type", REQUIRED, TEXT(1, 0)),
    MEMBER("required", OPTIONAL, BOOLEAN),
    MEMBERS_END
};
static const struct schema parameter_schema = { OBJECT_OF(parameter_members) };
static const struct schema_member tool_members[] = {
    MEMBER("name", REQUIRED, TEXT(1, 64)),
    MEMBER("description", OPTIONAL, TEXT(0, 0)),
    MEMBER("parameter_definitions", OPTIONAL, ANY_OBJECT),
    MEMBERS_END
};
static const struct schema tool_schema = { OBJECT_OF(tool_members) };
static const struct schema_member result_members[] = {
    MEMBER("call", REQUIRED, OBJECT_OF(call_members)),
    MEMBER("outputs", REQUIRED, ARRAY_OF(object_item, 0, 0)),
    MEMBERS_END
};
static const struct schema result_schema = { OBJECT_OF(result_members) };

static const struct schema_member members[] = {
    MEMBER("message", REQUIRED, TEXT(0, 0)),
    MEMBER("chat_history", OPTIONAL, ARRAY_OF(turn_schema, 0, 0)),
    MEMBER("documents", OPTIONAL, ARRAY_OF(object_item, 0, 0)),
    MEMBER("preamble", OPTIONAL, TEXT(0, 0)),
    MEMBER("search_queries_only", OPTIONAL, ONLY("false")),
    MEMBER("max_tokens", OPTIONAL, INTEGER(1, 1e9)),
    MEMBER("temperature", OPTIONAL, NUMBER(0, 1)),
    MEMBER("p", OPTIONAL, NUMBER(0.01, 0.99)),
    MEMBER("k", OPTIONAL, NUMBER(0, 500)),
    MEMBER("prompt_truncation", OPTIONAL, ONE_OF(truncations)),
    MEMBER("frequency_penalty", OPTIONAL, NUMBER(0, 1)),
    MEMBER("presence_penalty", OPTIONAL, NUMBER(0, 1)),
    MEMBER("seed", OPTIONAL, INTEGER(0, 4294967295.0)),
    MEMBER("return_prompt", OPTIONAL, ONLY("false")),
    MEMBER("tools", OPTIONAL, ARRAY_OF(tool_schema, 0, 0)),
    MEMBER("tool_results", OPTIONAL, ARRAY_OF(result_schema, 0, 0)),
    MEMBER("stop_sequences", OPTIONAL, ARRAY_OF(stop, 0, 0)),
    MEMBER("raw_prompting", OPTIONAL, BOOLEAN),
    MEMBER("stream", OPTIONAL, BOOLEAN),
    MEMBER("amazon-bedrock-guardrailConfig", OPTIONAL, UNSUPPORTED),
    MEMBERS_END
};
static const struct schema body_schema = { OBJECT_OF(members) };

struct streamed_call {
    struct view name;
    struct gathered arguments;
};

struct command_r_state {
    struct view message;
    const struct json *history, *documents;
    struct view generation_id;
    struct gathered text;                                   /* of a stream, repeated at its end */
    struct streamed_call calls[MAX_CALLS];
    size_t call_count;
};

/* ---- in ---- */

static struct view written(struct family_input *in, const struct json *value)
{
    struct buf text = BUF_INIT(in->body.len * 6 + 64);      /* escaped at worst */
    struct json_writer writer;
    json_writer_init(&writer, &text);
    json_write_value(&writer, value);
    struct view copy = arena_copy(in->arena, buf_view(&text));
    buf_free(&text);
    return copy;
}

/* "str", "List[str]", "Dict" … as JSON schema has them. */
static const char *schema_type(struct view type)
{
    static const struct {
        struct view begin;
        const char *name;
    } types[] = {
        { VIEW_INIT("str"), "string" },   { VIEW_INIT("int"), "integer" },  { VIEW_INIT("float"), "number" },
        { VIEW_INIT("number"), "number" }, { VIEW_INIT("bool"), "boolean" }, { VIEW_INIT("list"), "array" },
        { VIEW_INIT("array"), "array" },  { VIEW_INIT("dict"), "object" },  { VIEW_INIT("object"), "object" },
    };
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (view_starts_with_nocase(type, types[i].begin))
            return types[i].name;
    }
    return NULL;
}

/* parameter_definitions as a JSON schema. NULL after the message was written. */
static const struct json *tool_schema_of(struct family_input *in, const struct json *definitions, size_t tool)
{
    struct buf text = BUF_INIT(in->body.len * 6 + 256);
    struct json_writer out;
    json_writer_init(&out, &text);
    json_object(&out);
    json_put_cstr(&out, "type", "object");
    json_key(&out, "properties");
    json_object(&out);
    const struct json *schema = NULL;
    struct json_iter it = json_iter(definitions);
    while (json_next(&it)) {
        struct view type = json_get_string(it.value, "type");
        const char *name = schema_type(type);
        if (name == NULL) {
            native_malformed(in, "#/tools/%zu/parameter_definitions/" VIEW_FMT "/type: " VIEW_FMT " is not a known type", tool,
                             VIEW_ARG(view_first(it.key, 64)), VIEW_ARG(view_first(type, 64)));
            buf_free(&text);
            return NULL;
        }
        json_key_view(&out, it.key);
        json_object(&out);
        json_put_cstr(&out, "type", name);
        if (native_has(it.value, "description"))
            json_put_string(&out, "description", json_get_string(it.value, "description"));
        json_end(&out);
    }
    json_end(&out);
    json_key(&out, "required");
    json_array(&out);
    it = json_iter(definitions);
    while (json_next(&it)) {
        if (json_bool(json_get(it.value, "required"), false))
            json_write_string(&out, it.key);
    }
    json_end(&out);
    json_end(&out);
    if (!json_writer_failed(&out))
        schema = json_parse(in->arena, buf_view(&text), JSON_DEPTH_DEFAULT, NULL);
    buf_free(&text);
    if (schema == NULL)
        native_refuse(in, "The request is larger than this server can hold.");
    return schema;
}

static bool read_tools(struct family_input *in, const struct json *tools, struct generate_request *out)
{
    struct chat_tool *list = ARENA_ARRAY(in->arena, struct chat_tool, json_size(tools) + 1);
    if (list == NULL)
        return native_done(in) == AWS_OK;
    struct json_iter it = json_iter(tools);
    while (json_next(&it)) {
        const struct json *definitions = json_get(it.value, "parameter_definitions");
        struct json_iter definition = json_iter(definitions);
        while (json_next(&definition)) {
            if (!native_check(in, &parameter_schema, definition.value))
                return false;
        }
        const struct json *schema = tool_schema_of(in, definitions, it.index);
        if (schema == NULL)
            return false;
        list[it.index] = (struct chat_tool){ .name = json_get_string(it.value, "name"),
                                             .description = json_get_string(it.value, "description"),
                                             .schema = schema };
    }
    out->tools = list;
    out->tool_count = json_size(tools);
    return true;
}

static void add_calls(struct family_input *in, struct chat_build *build, const struct json *calls, const char *member)
{
    struct json_iter it = json_iter(calls);
    while (json_next(&it)) {
        const struct json *call = member != NULL ? json_get(it.value, member) : it.value;
        chat_message(build, CHAT_ASSISTANT);
        chat_part(build, (struct chat_part){ .type = CHAT_TOOL_CALL,
                                             .id = view_from_cstr(arena_printf(in->arena, "call_%zu", it.index)),
                                             .name = json_get_string(call, "name"),
                                             .arguments = json_get(call, "parameters") });
    }
}

static void add_results(struct family_input *in, struct chat_build *build, const struct json *results)
{
    add_calls(in, build, results, "call");
    struct json_iter it = json_iter(results);
    while (json_next(&it)) {
        chat_message(build, CHAT_TOOL);
        chat_part(build, (struct chat_part){ .type = CHAT_TOOL_RESULT,
                                             .id = view_from_cstr(arena_printf(in->arena, "call_%zu", it.index)),
                                             .name = json_get_string(json_get(it.value, "call"), "name"),
                                             .text = written(in, json_get(it.value, "outputs")) });
    }
}

/* Each document as its members, one a line. */
static void add_documents(struct family_input *in, struct chat_build *build, const struct json *documents)
{
    struct gathered text = { .ptr = NULL };
    struct json_iter it = json_iter(documents);
    while (json_next(&it)) {
        struct view head = view_from_cstr(arena_printf(in->arena, "%sDocument: %zu\n", it.index > 0 ? "\n" : "", it.index));
        gathered_add(&text, in->arena, head);
        struct json_iter member = json_iter(it.value);
        while (json_next(&member)) {
            bool plain = json_is(member.value, JSON_STRING);
            gathered_add(&text, in->arena, member.key);
            gathered_add(&text, in->arena, VIEW(": "));
            gathered_add(&text, in->arena, plain ? json_string(member.value) : written(in, member.value));
            gathered_add(&text, in->arena, VIEW("\n"));
        }
    }
    if (text.len > 0)
        chat_text(build, CHAT_SYSTEM, view_trim(view_of(text.ptr, text.len)));
}

static void read_conversation(struct family_input *in, const struct json *body, struct generate_request *out)
{
    struct chat_build build;
    chat_build_init(&build, in->arena);
    if (json_get_string(body, "preamble").len > 0)
        chat_text(&build, CHAT_SYSTEM, json_get_string(body, "preamble"));
    add_documents(in, &build, json_get(body, "documents"));
    struct json_iter it = json_iter(json_get(body, "chat_history"));
    while (json_next(&it)) {
        struct view role = json_get_string(it.value, "role"), text = json_get_string(it.value, "message");
        if (text.len > 0)
            chat_text(&build, view_is(role, "USER") ? CHAT_USER : view_is(role, "CHATBOT") ? CHAT_ASSISTANT : CHAT_SYSTEM, text);
        add_calls(in, &build, json_get(it.value, "tool_calls"), NULL);
    }
    if (json_get_string(body, "message").len > 0)
        chat_text(&build, CHAT_USER, json_get_string(body, "message"));
    add_results(in, &build, json_get(body, "tool_results"));
    chat_build_done(&build, out, false);
}

static enum aws_status command_r_parse(struct family_input *in, struct model_request *out)
{
    const struct json *body = native_body(in, &body_schema);
    struct command_r_state *state = ARENA_NEW(in->arena, struct command_r_state);
    struct generate_request *generate = &out->generate;
    if (body == NULL || state == NULL)
        return body == NULL ? AWS_VALIDATION : native_done(in);
    *state = (struct command_r_state){ .message = json_get_string(body, "message"),
                                       .history = json_get(body, "chat_history"),
                                       .documents = json_get(body, "documents"),
                                       .generation_id = native_uuid(in->arena) };
    in->state = state;
    if (state->message.len == 0 && json_size(json_get(body, "tool_results")) == 0)
        return native_malformed(in, "#/message: expected minLength: 1, actual: 0");
    if (json_bool(json_get(body, "raw_prompting"), false) || in->model->raw_prompt) {
        generate->raw_prompt = state->message;
        generate->has_raw_prompt = true;
    } else {
        read_conversation(in, body, generate);
    }
    if (!read_tools(in, json_get(body, "tools"), generate) ||
        !native_max_tokens(in, body, "max_tokens", DEFAULT_MAX_TOKENS, MAX_TOKENS, &generate->max_tokens))
        return AWS_VALIDATION;
    generate->sampling.temperature = native_float(body, "temperature", 0.3f);
    generate->sampling.top_p = native_float(body, "p", 0.75f);
    generate->sampling.top_k = (int)native_float(body, "k", 0);
    generate->sampling.frequency_penalty = native_float(body, "frequency_penalty", MODEL_UNSET_FLOAT);
    generate->sampling.presence_penalty = native_float(body, "presence_penalty", MODEL_UNSET_FLOAT);
    native_seed(body, &generate->sampling);
    native_stops(in, json_get(body, "stop_sequences"), VIEW(""), generate);
    return native_done(in);
}

/* ---- out ---- */

static const char *const finish_reasons[] = {
    [GEN_END] = "COMPLETE",
    [GEN_MAX_TOKENS] = "MAX_TOKENS",
    [GEN_STOP_SEQUENCE] = "COMPLETE",
    [GEN_TOOL_USE] = "COMPLETE",
    [GEN_MALFORMED] = "ERROR",
    [GEN_CONTEXT_FULL] = "ERROR_LIMIT",
};

static void write_turn(struct json_writer *out, const char *role, struct view message)
{
    json_object(out);
    json_put_cstr(out, "role", role);
    json_put_string(out, "message", message);
    json_end(out);
}

static void write_history(struct json_writer *out, const struct command_r_state *state, struct view answer)
{
    struct json_iter it = json_iter(state->history);
    json_key(out, "chat_history");
    json_array(out);
    while (json_next(&it))
        json_write_value(out, it.value);
    write_turn(out, "USER", state->message);
    write_turn(out, "CHATBOT", answer);
    json_end(out);
}

static void write_calls(struct family_stream *stream, struct json_writer *out, const struct gen_tool_call *calls, size_t count)
{
    if (count == 0)
        return;
    json_key(out, "tool_calls");
    json_array(out);
    for (size_t i = 0; i < count; i++) {
        struct view parameters;
        if (!native_arguments(stream->arena, calls[i].arguments, &parameters))
            continue;                                       /* cut off in its middle: no call */
        json_object(out);
        json_put_string(out, "name", calls[i].name);
        json_key(out, "parameters");
        json_write_raw(out, parameters);
        json_end(out);
    }
    json_end(out);
}

/* The members of the answer, into an object that is open. */
static void write_response(struct family_stream *stream, struct json_writer *out, struct view text, const struct gen_tool_call *calls,
                           size_t call_count, const struct engine_end *end)
{
    const struct command_r_state *state = stream->parse_state;
    json_put_string(out, "response_id", native_uuid(stream->arena));
    json_put_string(out, "text", text);
    json_put_string(out, "generation_id", state != NULL ? state->generation_id : native_uuid(stream->arena));
    if (state != NULL && json_size(state->documents) > 0)
        json_put_value(out, "documents", state->documents);
    write_calls(stream, out, calls, call_count);
    if (state != NULL)
        write_history(out, state, text);
    json_put_cstr(out, "finish_reason", finish_reasons[end->reason]);
    json_key(out, "meta");
    json_object(out);
    json_key(out, "api_version");
    json_object(out);
    json_put_cstr(out, "version", "1");
    json_end(out);
    json_key(out, "billed_units");
    json_object(out);
    json_put_i64(out, "input_tokens", end->usage.input_tokens);
    json_put_i64(out, "output_tokens", end->usage.output_tokens);
    json_end(out);
    json_end(out);
}

static void command_r_result(struct family_stream *stream, const struct gen_result *result, struct json_writer *reply)
{
    json_object(reply);
    write_response(stream, reply, result->text, result->tool_calls, result->tool_call_count, result->end);
    json_end(reply);
}

static struct json_writer open_event(struct family_stream *stream, const char *type, bool finished)
{
    struct json_writer chunk = chunk_open(stream);
    json_put_bool(&chunk, "is_finished", finished);
    json_put_cstr(&chunk, "event_type", type);
    return chunk;
}

static void command_r_begin(struct family_stream *stream, const struct gen_begin *begin, struct chunk_sink *out)
{
    const struct command_r_state *state = stream->parse_state;
    (void)begin;
    struct json_writer chunk = open_event(stream, "stream-start", false);
    json_put_string(&chunk, "generation_id", state->generation_id);
    chunk_close(stream, &chunk, out);
}

static void command_r_delta(struct family_stream *stream, const struct gen_delta *delta, struct chunk_sink *out)
{
    struct command_r_state *state = stream->parse_state;
    struct streamed_call *call = delta->tool_index < MAX_CALLS ? &state->calls[delta->tool_index] : NULL;
    bool kept = true;
    if (delta->type == GEN_TEXT && delta->text.len > 0) {
        kept = gathered_add(&state->text, stream->arena, delta->text);
        struct json_writer chunk = open_event(stream, "text-generation", false);
        json_put_string(&chunk, "text", delta->text);
        chunk_close(stream, &chunk, out);
    } else if (delta->type == GEN_TOOL_START && call != NULL) {
        call->name = arena_copy(stream->arena, delta->name);
        state->call_count = delta->tool_index + 1 > state->call_count ? delta->tool_index + 1 : state->call_count;
    } else if (delta->type == GEN_TOOL_ARGUMENTS && call != NULL) {
        kept = gathered_add(&call->arguments, stream->arena, delta->text);
    }
    if (!kept)
        stream->failed = true;
}

static void command_r_end(struct family_stream *stream, const struct engine_end *end, const struct invocation_metrics *metrics,
                          struct chunk_sink *out)
{
    const struct command_r_state *state = stream->parse_state;
    struct gen_tool_call *calls = ARENA_ARRAY(stream->arena, struct gen_tool_call, state->call_count + 1);
    if (calls == NULL) {
        stream->failed = true;
        return;
    }
    for (size_t i = 0; i < state->call_count; i++)
        calls[i] = (struct gen_tool_call){ .name = state->calls[i].name,
                                           .arguments = view_of(state->calls[i].arguments.ptr, state->calls[i].arguments.len) };
    if (state->call_count > 0) {
        struct json_writer chunk = open_event(stream, "tool-calls-generation", false);
        write_calls(stream, &chunk, calls, state->call_count);
        chunk_close(stream, &chunk, out);
    }
    struct json_writer chunk = open_event(stream, "stream-end", true);
    json_put_cstr(&chunk, "finish_reason", finish_reasons[end->reason]);
    json_key(&chunk, "response");
    json_object(&chunk);
    write_response(stream, &chunk, view_of(state->text.ptr, state->text.len), calls, state->call_count, end);
    json_end(&chunk);
    write_metrics(&chunk, metrics);
    chunk_close(stream, &chunk, out);
}

const struct family family_command_r = {
    .name = "command-r",
    .parse = command_r_parse,
    .result = command_r_result,
    .stream = { command_r_begin, command_r_delta, command_r_end },
};
