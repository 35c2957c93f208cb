/* engine/scripted_answer.c - see scripted.h. */
#include "engine/scripted.h"

#include "base/encode.h"
#include "base/utf8.h"
#include "engine/schema_instance.h"

#include <math.h>

#define ANSWER_MAX (1u << 20)                               /* bytes that a schema's instance may take */

/* ---- tokens -------------------------------------------------------------------------------------------------------------- */

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

size_t script_token(struct view text)
{
    size_t at = 0;
    while (at < text.len && is_blank(text.ptr[at]))
        at++;
    if (at == text.len)
        return at;
    if (!is_word(text.ptr[at])) {
        uint32_t code_point;
        return at + utf8_decode(view_from(text, at), &code_point);
    }
    while (at < text.len && is_word(text.ptr[at]))
        at++;
    return at;
}

int64_t script_count(struct view text)
{
    int64_t count = 0;
    while (text.len > 0) {
        text = view_from(text, script_token(text));
        count++;
    }
    return count;
}

static int64_t count_json(const struct json *value)
{
    struct buf text = BUF_INIT(ANSWER_MAX);
    struct json_writer w;
    json_writer_init(&w, &text);
    if (value != NULL)
        json_write_value(&w, value);
    int64_t count = script_count(buf_view(&text));
    buf_free(&text);
    return count;
}

static int64_t count_prompt(const struct generate_request *generate)
{
    if (generate->has_raw_prompt)
        return script_count(generate->raw_prompt);
    int64_t count = script_count(generate->assistant_prefix);
    for (size_t i = 0; i < generate->message_count; i++) {
        for (size_t j = 0; j < generate->messages[i].part_count; j++) {
            const struct chat_part *part = &generate->messages[i].parts[j];
            count += script_count(part->text) + script_count(part->name) + count_json(part->arguments);
        }
    }
    for (size_t i = 0; i < generate->tool_count; i++)
        count += script_count(generate->tools[i].name) + script_count(generate->tools[i].description);
    return count;
}

/* ---- text ------------------------------------------------------------------------------------------------------------------ */

struct view script_last_text(const struct model_request *request)
{
    if (request->kind == MODEL_EMBED || request->count_embed)
        return request->embed.text_count > 0 ? request->embed.texts[0] : VIEW("");
    const struct generate_request *generate = &request->generate;
    if (generate->has_raw_prompt)
        return generate->raw_prompt;
    for (size_t i = generate->message_count; i > 0; i--) {
        const struct chat_message *message = &generate->messages[i - 1];
        if (message->role != CHAT_USER && message->role != CHAT_TOOL)
            continue;
        for (size_t j = message->part_count; j > 0; j--) {
            const struct chat_part *part = &message->parts[j - 1];
            if (part->type == CHAT_TEXT || part->type == CHAT_TOOL_RESULT)
                return part->text;
        }
    }
    return VIEW("");
}

static void cut_at_stop(struct script *script, const struct generate_request *generate, struct arena *arena)
{
    for (size_t i = 0; i < generate->stop_count; i++) {
        size_t at = generate->stops[i].len > 0 ? view_find(script->text, generate->stops[i]) : VIEW_NPOS;
        if (at == VIEW_NPOS)
            continue;
        script->text = view_first(script->text, at);
        script->reason = GEN_STOP_SEQUENCE;
        script->stop = arena_copy(arena, generate->stops[i]);
    }
}

static void cut_at_limit(struct script *script, int64_t max_tokens)
{
    int64_t count = 0;
    size_t at = 0;
    while (at < script->text.len && (max_tokens < 0 || count < max_tokens)) {
        at += script_token(view_from(script->text, at));
        count++;
    }
    if (at < script->text.len) {
        script->text = view_first(script->text, at);
        script->reason = GEN_MAX_TOKENS;
        script->stop = VIEW("");
    }
    script->usage.output_tokens = count;
}

static struct view instance_of(struct arena *arena, const struct json *schema)
{
    struct buf out = BUF_INIT(ANSWER_MAX);
    struct json_writer w;
    json_writer_init(&w, &out);
    schema_instance(&w, schema);
    struct view text = json_writer_failed(&w) ? VIEW("{}") : arena_copy(arena, buf_view(&out));
    buf_free(&out);
    return text;
}

static void answer_tool(struct arena *arena, struct script *script, struct view name, struct view arguments)
{
    char id[24];
    random_id(id, 22, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
    script->kind = SCRIPT_TOOL_CALL;
    script->reason = GEN_TOOL_USE;
    script->tool = name;
    script->tool_id = arena_copy(arena, view_of(id, 22));
    script->text = arguments;
}

static const struct chat_tool *forced_tool(const struct generate_request *generate)
{
    if (generate->tool_choice == TOOL_CHOICE_ANY && generate->tool_count > 0)
        return &generate->tools[0];
    for (size_t i = 0; generate->tool_choice == TOOL_CHOICE_NAMED && i < generate->tool_count; i++) {
        if (view_eq(generate->tools[i].name, generate->tool_name))
            return &generate->tools[i];
    }
    return NULL;
}

static void answer_generate(struct arena *arena, struct script *script, const struct model_request *request)
{
    const struct generate_request *generate = &request->generate;
    const struct script_rule *rule = script->rule;
    const struct chat_tool *forced = forced_tool(generate);
    script->kind = SCRIPT_TEXT;
    script->reason = GEN_END;
    if (rule != NULL && rule->kind == SCRIPT_TOOL_CALL)
        answer_tool(arena, script, rule->tool, rule->text);
    else if (forced != NULL)
        answer_tool(arena, script, arena_copy(arena, forced->name), instance_of(arena, forced->schema));
    else if (rule != NULL && rule->kind == SCRIPT_TEXT)
        script->text = rule->text;
    else if (generate->has_json_schema)
        script->text = instance_of(arena, generate->json_schema);
    else
        script->text = arena_copy(arena, script_last_text(request));
    if (script->kind == SCRIPT_TEXT)
        cut_at_stop(script, generate, arena);
    cut_at_limit(script, generate->max_tokens);
    if (rule != NULL && rule->has_reason)
        script->reason = rule->reason;
    script->usage.input_tokens = count_prompt(generate);
}

/* ---- embeddings ------------------------------------------------------------------------------------------------------------ */

static uint64_t hash_text(struct view text)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (unsigned char)text.ptr[i]) * 0x100000001b3u;
    return hash;
}

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void draw_unit_vector(struct view seed, float *vector)
{
    uint64_t state = hash_text(seed);
    float sum = 0;
    for (size_t i = 0; i < SCRIPTED_DIMENSIONS; i++) {
        vector[i] = (float)(int32_t)(next_random(&state) >> 32) / 2147483648.0f;
        sum += vector[i] * vector[i];
    }
    float scale = 1 / sqrtf(sum);
    for (size_t i = 0; i < SCRIPTED_DIMENSIONS; i++)
        vector[i] *= scale;
}

static void answer_embed(struct arena *arena, struct script *script, const struct embed_request *embed)
{
    const struct script_rule *rule = script->rule;
    size_t dimensions = rule != NULL && rule->dimensions > 0 ? rule->dimensions : SCRIPTED_DIMENSIONS;
    float *rows = arena_array(arena, embed->text_count * dimensions, sizeof *rows);
    int32_t *counts = arena_array(arena, embed->text_count, sizeof *counts);
    script->kind = SCRIPT_EMBEDDING;
    if (rows == NULL || counts == NULL)
        return;
    for (size_t i = 0; i < embed->text_count; i++) {
        float *row = rows + i * dimensions;
        if (rule != NULL && rule->dimensions > 0)
            memcpy(row, rule->vector, dimensions * sizeof *row);
        else
            draw_unit_vector(rule != NULL && rule->kind == SCRIPT_EMBEDDING ? rule->text : embed->texts[i], row);
        counts[i] = (int32_t)script_count(embed->texts[i]);
        script->usage.input_tokens += counts[i];
    }
    script->vectors = (struct embed_result){ rows, embed->text_count, dimensions, counts };
}

static void answer_count(struct script *script, const struct model_request *request)
{
    if (!request->count_embed) {
        script->usage.input_tokens = count_prompt(&request->generate);
        return;
    }
    for (size_t i = 0; i < request->embed.text_count; i++)
        script->usage.input_tokens += script_count(request->embed.texts[i]);
}

bool script_answer(struct arena *arena, const struct script_rule *rule, const struct model_request *request, struct script *script)
{
    *script = (struct script){ .rule = rule };
    if (request->kind == MODEL_COUNT) {
        answer_count(script, request);
    } else if (rule != NULL && rule->kind == SCRIPT_ERROR) {
        script->kind = SCRIPT_ERROR;
        script->status = rule->status;
        script->http_status = rule->http_status;
        script->error = rule->error;
        script->message = rule->message;
    } else if (request->kind == MODEL_EMBED) {
        answer_embed(arena, script, &request->embed);
    } else {
        answer_generate(arena, script, request);
    }
    return !arena_exhausted(arena);
}
