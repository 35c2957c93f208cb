/* engine/remote_request.c - see remote.h. */
#include "engine/remote.h"

#include "base/encode.h"

static bool embeds(const struct model_request *request)
{
    return request->kind == MODEL_EMBED || (request->kind == MODEL_COUNT && request->count_embed);
}

const char *remote_path(const struct model_request *request)
{
    if (embeds(request))
        return "/embeddings";
    return request->generate.has_raw_prompt ? "/completions" : "/chat/completions";
}

/* ---- messages ------------------------------------------------------------------------------------------------------------ */

static bool has_part(const struct chat_message *message, enum chat_part_type type)
{
    for (size_t i = 0; i < message->part_count; i++) {
        if (message->parts[i].type == type)
            return true;
    }
    return false;
}

/* The parts of one type as one string. */
static void write_joined(struct json_writer *w, const struct chat_message *message, enum chat_part_type type)
{
    struct buf text = BUF_INIT(SIZE_MAX);
    for (size_t i = 0; i < message->part_count; i++) {
        if (message->parts[i].type == type)
            buf_append_view(&text, message->parts[i].text);
    }
    if (buf_failed(&text))
        w->failed = true;
    json_write_string(w, buf_view(&text));
    buf_free(&text);
}

static void write_image(struct json_writer *w, const struct chat_part *part)
{
    struct buf url = BUF_INIT(SIZE_MAX);
    buf_append_cstr(&url, "data:");
    buf_append_view(&url, part->media_type);
    buf_append_cstr(&url, ";base64,");
    base64_append(&url, part->bytes);
    if (buf_failed(&url))
        w->failed = true;
    json_put_cstr(w, "type", "image_url");
    json_key(w, "image_url");
    json_object(w);
    json_put_string(w, "url", buf_view(&url));
    json_end(w);
    buf_free(&url);
}

static void write_parts(struct json_writer *w, const struct chat_message *message)
{
    json_array(w);
    for (size_t i = 0; i < message->part_count; i++) {
        const struct chat_part *part = &message->parts[i];
        if (part->type != CHAT_TEXT && part->type != CHAT_IMAGE)
            continue;
        json_object(w);
        if (part->type == CHAT_IMAGE) {
            write_image(w, part);
        } else {
            json_put_cstr(w, "type", "text");
            json_put_string(w, "text", part->text);
        }
        json_end(w);
    }
    json_end(w);
}

static void write_tool_calls(struct json_writer *w, const struct chat_message *message)
{
    json_key(w, "tool_calls");
    json_array(w);
    for (size_t i = 0; i < message->part_count; i++) {
        const struct chat_part *part = &message->parts[i];
        if (part->type != CHAT_TOOL_CALL)
            continue;
        struct buf arguments = BUF_INIT(SIZE_MAX);
        struct json_writer inner;
        json_writer_init(&inner, &arguments);
        if (part->arguments != NULL)
            json_write_value(&inner, part->arguments);
        json_object(w);
        json_put_string(w, "id", part->id);
        json_put_cstr(w, "type", "function");
        json_key(w, "function");
        json_object(w);
        json_put_string(w, "name", part->name);
        json_put_string(w, "arguments", part->arguments != NULL ? buf_view(&arguments) : VIEW("{}"));
        json_end(w);
        json_end(w);
        if (buf_failed(&arguments))
            w->failed = true;
        buf_free(&arguments);
    }
    json_end(w);
}

/* Each result is a message of its own. The form has no place for a failure, so its text says so. */
static void write_tool_results(struct json_writer *w, const struct chat_message *message)
{
    for (size_t i = 0; i < message->part_count; i++) {
        const struct chat_part *part = &message->parts[i];
        if (part->type != CHAT_TOOL_RESULT)
            continue;
        struct buf text = BUF_INIT(SIZE_MAX);
        if (part->is_error)
            buf_append_cstr(&text, "Error: ");
        buf_append_view(&text, part->text);
        json_object(w);
        json_put_cstr(w, "role", "tool");
        json_put_string(w, "tool_call_id", part->id);
        json_put_string(w, "content", buf_view(&text));
        json_end(w);
        if (buf_failed(&text))
            w->failed = true;
        buf_free(&text);
    }
}

static void write_message(struct json_writer *w, const struct chat_message *message)
{
    static const char *const roles[] = { "system", "user", "assistant", "user" };
    write_tool_results(w, message);
    bool speaks = has_part(message, CHAT_TEXT) || has_part(message, CHAT_IMAGE), calls = has_part(message, CHAT_TOOL_CALL);
    if (!speaks && !calls)
        return;
    json_object(w);
    json_put_cstr(w, "role", roles[message->role]);
    json_key(w, "content");
    if (has_part(message, CHAT_IMAGE))
        write_parts(w, message);
    else
        write_joined(w, message, CHAT_TEXT);
    if (has_part(message, CHAT_REASONING)) {
        json_key(w, "reasoning_content");
        write_joined(w, message, CHAT_REASONING);
    }
    if (calls)
        write_tool_calls(w, message);
    json_end(w);
}

/* vLLM and SGLang continue a last message of the assistant when they are told to, llama-server does so by itself. */
static void write_messages(struct json_writer *w, const struct generate_request *generate)
{
    json_key(w, "messages");
    json_array(w);
    for (size_t i = 0; i < generate->message_count; i++)
        write_message(w, &generate->messages[i]);
    if (generate->assistant_prefix.len > 0) {
        json_object(w);
        json_put_cstr(w, "role", "assistant");
        json_put_string(w, "content", generate->assistant_prefix);
        json_end(w);
    }
    json_end(w);
    if (generate->assistant_prefix.len > 0) {
        json_put_bool(w, "continue_final_message", true);
        json_put_bool(w, "add_generation_prompt", false);
    }
}

/* ---- tools and form ------------------------------------------------------------------------------------------------------ */

static void write_tool_choice(struct json_writer *w, const struct generate_request *generate)
{
    static const char *const words[] = { "auto", "none", "required" };
    json_key(w, "tool_choice");
    if (generate->tool_choice != TOOL_CHOICE_NAMED) {
        json_write_cstr(w, words[generate->tool_choice]);
        return;
    }
    json_object(w);
    json_put_cstr(w, "type", "function");
    json_key(w, "function");
    json_object(w);
    json_put_string(w, "name", generate->tool_name);
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
        json_put_cstr(w, "type", "function");
        json_key(w, "function");
        json_object(w);
        json_put_string(w, "name", tool->name);
        if (tool->description.len > 0)
            json_put_string(w, "description", tool->description);
        json_key(w, "parameters");
        if (tool->schema != NULL)
            json_write_value(w, tool->schema);
        else
            json_write_raw(w, VIEW("{\"type\":\"object\"}"));
        json_end(w);
        json_end(w);
    }
    json_end(w);
    write_tool_choice(w, generate);
}

static void write_form(struct json_writer *w, const struct generate_request *generate)
{
    if (!generate->has_json_schema)
        return;
    json_key(w, "response_format");
    json_object(w);
    json_put_cstr(w, "type", "json_schema");
    json_key(w, "json_schema");
    json_object(w);
    json_put_cstr(w, "name", "answer");
    json_put_bool(w, "strict", true);
    json_put_value(w, "schema", generate->json_schema);
    json_end(w);
    json_end(w);
}

/* ---- settings -------------------------------------------------------------------------------------------------------------- */

static void put_setting(struct json_writer *w, const char *key, float value)
{
    if (value == MODEL_UNSET_FLOAT)
        return;
    json_key(w, key);
    json_write_float(w, value);
}

static void write_settings(struct json_writer *w, const struct generate_request *generate)
{
    const struct sampling *sampling = &generate->sampling;
    put_setting(w, "temperature", sampling->temperature);
    put_setting(w, "top_p", sampling->top_p);
    put_setting(w, "min_p", sampling->min_p);
    put_setting(w, "frequency_penalty", sampling->frequency_penalty);
    put_setting(w, "presence_penalty", sampling->presence_penalty);
    put_setting(w, "repetition_penalty", sampling->repeat_penalty);    /* vLLM's and SGLang's name … */
    put_setting(w, "repeat_penalty", sampling->repeat_penalty);        /* … and llama-server's */
    if (sampling->top_k >= 0)
        json_put_i64(w, "top_k", sampling->top_k);
    if (sampling->has_seed)
        json_put_i64(w, "seed", sampling->seed);
    if (generate->stop_count == 0)
        return;
    json_key(w, "stop");
    json_array(w);
    for (size_t i = 0; i < generate->stop_count; i++)
        json_write_string(w, generate->stops[i]);
    json_end(w);
}

static void write_stream(struct json_writer *w, const struct model_request *request)
{
    int64_t max_tokens = request->kind == MODEL_COUNT ? 1 : request->generate.max_tokens;
    if (max_tokens >= 0)
        json_put_i64(w, "max_tokens", max_tokens);
    if (request->generate.want_logprobs && request->generate.has_raw_prompt) {
        json_put_i64(w, "logprobs", 2);
    } else if (request->generate.want_logprobs) {
        json_put_bool(w, "logprobs", true);
        json_put_i64(w, "top_logprobs", 2);
    }
    json_put_bool(w, "stream", true);
    json_key(w, "stream_options");
    json_object(w);
    json_put_bool(w, "include_usage", true);
    json_put_bool(w, "continuous_usage_stats", true);       /* where it is known, the prompt's count comes at the beginning */
    json_end(w);
}

static void write_embeddings(struct json_writer *w, const struct engine_model *model, const struct embed_request *embed)
{
    struct view prefix = embed->purpose == EMBED_QUERY      ? model->query_prefix
                         : embed->purpose == EMBED_DOCUMENT ? model->document_prefix
                                                            : VIEW("");
    json_key(w, "input");
    json_array(w);
    for (size_t i = 0; i < embed->text_count; i++) {
        struct buf text = BUF_INIT(SIZE_MAX);
        buf_append_view(&text, prefix);
        buf_append_view(&text, embed->texts[i]);
        json_write_string(w, buf_view(&text));
        if (buf_failed(&text))
            w->failed = true;
        buf_free(&text);
    }
    json_end(w);
    json_put_cstr(w, "encoding_format", "float");
}

void remote_write_request(struct buf *out, const struct engine_model *model, const struct model_request *request)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_object(&w);
    json_put_string(&w, "model", model->remote_model.len > 0 ? model->remote_model : model->name);
    if (embeds(request)) {
        write_embeddings(&w, model, &request->embed);
    } else {
        if (request->generate.has_raw_prompt)
            json_put_string(&w, "prompt", request->generate.raw_prompt);
        else
            write_messages(&w, &request->generate);
        write_tools(&w, &request->generate);
        write_form(&w, &request->generate);
        write_settings(&w, &request->generate);
        write_stream(&w, request);
    }
    json_end(&w);
    if (w.failed)
        buf_free(out);
}
