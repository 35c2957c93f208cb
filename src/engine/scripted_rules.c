/* engine/scripted_rules.c - see scripted.h. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "engine/scripted.h"

#include "base/utf8.h"

#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>

#define RULES_MAX       10000
#define RULES_MEMORY    (64u << 20)
#define SUBJECT_MAX     (64u << 10)                         /* bytes of a text that a pattern sees */
#define MATCH_STEPS     100000
#define DIMENSIONS_MAX  8192

struct script_rules {
    struct arena *arena;
    struct script_rule *list;
    size_t count;
    pcre2_match_context *limits;
    pcre2_match_data *match;
};

/* ---- reading ------------------------------------------------------------------------------------------------------------- */

struct reader {
    struct script_rules *rules;
    struct config_error *error;
};

static bool wrong(struct reader *in, const struct config_node *node, const char *what)
{
    snprintf(in->error->message, sizeof in->error->message, "scripted.rules, line %u: %s", config_node_line(node), what);
    return false;
}

static bool is_one_of(struct view key, const char *const *names)
{
    for (; *names != NULL; names++) {
        if (view_is(key, *names))
            return true;
    }
    return false;
}

/* A misspelt key would make a rule that silently does something else. */
static bool check_keys(struct reader *in, const struct config_node *map, const char *const *names)
{
    if (map == NULL)
        return true;
    if (config_node_type(map) != CONFIG_NODE_MAP)
        return wrong(in, map, "a map is expected here");
    for (size_t i = 0; i < config_node_size(map); i++) {
        const struct config_node *member = config_node_at(map, i);
        if (is_one_of(config_node_key(member), names))
            continue;
        char what[160];
        snprintf(what, sizeof what, "unknown key \"" VIEW_FMT "\"", VIEW_ARG(view_first(config_node_key(member), 64)));
        return wrong(in, member, what);
    }
    return true;
}

static struct view copy_text(struct reader *in, const struct config_node *node)
{
    return node != NULL ? arena_copy(in->rules->arena, config_node_text(node)) : (struct view){ NULL, 0 };
}

static bool read_regex(struct reader *in, const struct config_node *node, struct script_rule *rule)
{
    if (node == NULL)
        return true;
    struct view pattern = config_node_text(node);
    int code;
    PCRE2_SIZE offset;
    rule->regex = pcre2_compile((PCRE2_SPTR)pattern.ptr, pattern.len, PCRE2_UTF, &code, &offset, NULL);
    if (rule->regex != NULL)
        return true;
    char what[256], why[160];
    if (pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why) < 0)
        why[0] = '\0';
    snprintf(what, sizeof what, "the pattern is wrong at character %zu: %s", offset + 1, why);
    return wrong(in, node, what);
}

static bool read_match(struct reader *in, const struct config_node *match, struct script_rule *rule)
{
    static const char *const keys[] = { "model", "text", "regex", NULL };
    if (!check_keys(in, match, keys))
        return false;
    rule->model = copy_text(in, config_node_get(match, "model"));
    rule->part = copy_text(in, config_node_get(match, "text"));
    return read_regex(in, config_node_get(match, "regex"), rule);
}

/* Scalars that read as a JSON number, true, false or null are that; others are strings. */
static void write_scalar(struct json_writer *w, struct view text)
{
    double number;
    if (view_is(text, "true") || view_is(text, "false") || view_is(text, "null") || view_to_double(text, &number))
        json_write_raw(w, text);
    else
        json_write_string(w, text);
}

static void write_node(struct json_writer *w, const struct config_node *node)
{
    enum config_node_type type = config_node_type(node);
    if (type == CONFIG_NODE_SCALAR) {
        write_scalar(w, config_node_text(node));
        return;
    }
    if (type == CONFIG_NODE_LIST)
        json_array(w);
    else
        json_object(w);
    for (size_t i = 0; i < config_node_size(node); i++) {
        const struct config_node *item = config_node_at(node, i);
        if (type == CONFIG_NODE_MAP)
            json_key_view(w, config_node_key(item));
        write_node(w, item);
    }
    json_end(w);
}

static bool read_tool_call(struct reader *in, const struct config_node *node, struct script_rule *rule)
{
    static const char *const keys[] = { "name", "input", NULL };
    const struct config_node *input = config_node_get(node, "input");
    if (!check_keys(in, node, keys))
        return false;
    rule->tool = copy_text(in, config_node_get(node, "name"));
    if (rule->tool.len == 0)
        return wrong(in, node, "a tool call needs a name");
    if (input != NULL && config_node_type(input) != CONFIG_NODE_MAP)
        return wrong(in, input, "a tool call's input is a map");
    struct buf text = BUF_INIT(1u << 20);
    struct json_writer w;
    json_writer_init(&w, &text);
    write_node(&w, input);
    bool ok = !json_writer_failed(&w);
    rule->text = arena_copy(in->rules->arena, buf_view(&text));
    buf_free(&text);
    return ok || wrong(in, input, "the input is too large");
}

static bool read_embedding(struct reader *in, const struct config_node *node, struct script_rule *rule)
{
    if (config_node_type(node) == CONFIG_NODE_SCALAR) {
        rule->text = copy_text(in, node);
        return true;
    }
    size_t count = config_node_size(node);
    if (config_node_type(node) != CONFIG_NODE_LIST || count == 0 || count > DIMENSIONS_MAX)
        return wrong(in, node, "an embedding is a seed, or a list of at most 8192 numbers");
    float *vector = ARENA_ARRAY(in->rules->arena, float, count);
    for (size_t i = 0; vector != NULL && i < count; i++) {
        double number;
        if (!config_node_double(config_node_at(node, i), &number))
            return wrong(in, config_node_at(node, i), "a number is expected here");
        vector[i] = (float)number;
    }
    rule->vector = vector;
    rule->dimensions = count;
    return true;
}

static const struct error_row {
    int status;
    const char *type;
    enum engine_status engine_status;
} error_rows[] = {                                          /* of one status, the first is meant when only the status is given */
    { 400, "ValidationException", ENGINE_INVALID },
    { 400, "ServiceQuotaExceededException", ENGINE_INVALID },
    { 403, "AccessDeniedException", ENGINE_INVALID },
    { 404, "ResourceNotFoundException", ENGINE_INVALID },
    { 408, "ModelTimeoutException", ENGINE_TIMEOUT },
    { 424, "ModelErrorException", ENGINE_MODEL_ERROR },
    { 429, "ThrottlingException", ENGINE_THROTTLED },
    { 429, "ModelNotReadyException", ENGINE_NOT_READY },
    { 500, "InternalServerException", ENGINE_MODEL_ERROR },
    { 503, "ServiceUnavailableException", ENGINE_OVERLOADED },
};

static bool read_error(struct reader *in, const struct config_node *node, struct script_rule *rule)
{
    static const char *const keys[] = { "status", "type", "message", NULL };
    if (!check_keys(in, node, keys))
        return false;
    const struct config_node *status_node = config_node_get(node, "status"), *type_node = config_node_get(node, "type");
    int64_t status = 0;
    if (status_node != NULL && !config_node_i64(status_node, &status))
        return wrong(in, status_node, "the status is an HTTP status");
    for (size_t i = 0; i < sizeof error_rows / sizeof error_rows[0]; i++) {
        const struct error_row *row = &error_rows[i];
        if ((status_node != NULL && status != row->status) || (type_node != NULL && !view_is(config_node_text(type_node), row->type)))
            continue;
        rule->status = row->engine_status;
        rule->http_status = row->status;
        rule->error = row->type;
        rule->message = copy_text(in, config_node_get(node, "message"));
        if (rule->message.len == 0)
            rule->message = VIEW("This error was asked for by a scripted rule.");
        return status_node != NULL || type_node != NULL || wrong(in, node, "an error needs a status or a type");
    }
    return wrong(in, node, "there is no such error: take status 400, 403, 404, 408, 424, 429, 500 or 503, or its type");
}

static bool read_reason(struct reader *in, const struct config_node *node, struct script_rule *rule)
{
    static const struct {
        const char *name;
        enum gen_reason reason;
    } reasons[] = {
        { "end_turn", GEN_END },
        { "max_tokens", GEN_MAX_TOKENS },
        { "stop_sequence", GEN_STOP_SEQUENCE },
        { "tool_use", GEN_TOOL_USE },
        { "malformed_model_output", GEN_MALFORMED },
        { "model_context_window_exceeded", GEN_CONTEXT_FULL },
    };
    if (node == NULL)
        return true;
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (!view_is(config_node_text(node), reasons[i].name))
            continue;
        rule->has_reason = true;
        rule->reason = reasons[i].reason;
        return true;
    }
    return wrong(in, node, "there is no such stop reason");
}

static bool read_pace(struct reader *in, const struct config_node *node, struct script_rule *rule)
{
    const struct config_node *latency = config_node_get(node, "latency_ms"), *pace = config_node_get(node, "tokens_per_second");
    int64_t ms = 0;
    if (latency != NULL && (!config_node_i64(latency, &ms) || ms < 0 || ms > 3600000))
        return wrong(in, latency, "latency_ms is a whole number up to an hour");
    rule->latency_ms = (uint64_t)ms;
    if (pace != NULL && (!config_node_double(pace, &rule->tokens_per_second) || !(rule->tokens_per_second > 0)))
        return wrong(in, pace, "tokens_per_second is a number above 0");
    return read_reason(in, config_node_get(node, "stop_reason"), rule);
}

static bool read_answer(struct reader *in, const struct config_node *node, struct script_rule *rule)
{
    const struct config_node *text = config_node_get(node, "text"), *tool_call = config_node_get(node, "tool_call");
    const struct config_node *embedding = config_node_get(node, "embedding"), *error = config_node_get(node, "error");
    if ((text != NULL) + (tool_call != NULL) + (embedding != NULL) + (error != NULL) != 1)
        return wrong(in, node, "a rule needs exactly one of text, tool_call, embedding and error");
    rule->kind = text != NULL ? SCRIPT_TEXT : tool_call != NULL ? SCRIPT_TOOL_CALL : embedding != NULL ? SCRIPT_EMBEDDING : SCRIPT_ERROR;
    if (tool_call != NULL)
        return read_tool_call(in, tool_call, rule);
    if (embedding != NULL)
        return read_embedding(in, embedding, rule);
    if (error != NULL)
        return read_error(in, error, rule);
    rule->text = copy_text(in, text);
    return true;
}

static bool read_rule(struct reader *in, const struct config_node *node, struct script_rule *rule)
{
    static const char *const keys[] = { "match",      "text",  "tool_call", "embedding", "error",
                                        "latency_ms", "tokens_per_second", "stop_reason", NULL };
    return check_keys(in, node, keys) && read_match(in, config_node_get(node, "match"), rule) && read_answer(in, node, rule) &&
           read_pace(in, node, rule);
}

static bool read_rules(struct reader *in, const struct config_node *node)
{
    struct script_rules *rules = in->rules;
    size_t count = config_node_size(node);
    if (node != NULL && config_node_type(node) != CONFIG_NODE_LIST)
        return wrong(in, node, "a list of rules is expected here");
    if (count > RULES_MAX)
        return wrong(in, node, "there are too many rules");
    rules->list = ARENA_ARRAY(rules->arena, struct script_rule, count + 1);
    if (rules->list == NULL)
        return wrong(in, node, "out of memory");
    for (; rules->count < count; rules->count++) {
        struct script_rule *rule = &rules->list[rules->count];
        if (!read_rule(in, config_node_at(node, rules->count), rule)) {
            pcre2_code_free(rule->regex);
            return false;
        }
    }
    return !arena_exhausted(rules->arena) || wrong(in, node, "the rules are too large");
}

struct script_rules *script_rules_create(const struct config_node *node, struct config_error *error)
{
    struct script_rules *rules = calloc(1, sizeof *rules);
    if (rules == NULL)
        return NULL;
    rules->arena = arena_create(RULES_MEMORY);
    rules->limits = pcre2_match_context_create(NULL);
    rules->match = pcre2_match_data_create(1, NULL);
    struct reader in = { rules, error };
    if (rules->arena == NULL || rules->limits == NULL || rules->match == NULL || !read_rules(&in, node)) {
        script_rules_destroy(rules);
        return NULL;
    }
    pcre2_set_match_limit(rules->limits, MATCH_STEPS);
    return rules;
}

void script_rules_destroy(struct script_rules *rules)
{
    if (rules == NULL)
        return;
    for (size_t i = 0; i < rules->count; i++)
        pcre2_code_free(rules->list[i].regex);
    pcre2_match_data_free(rules->match);
    pcre2_match_context_free(rules->limits);
    arena_destroy(rules->arena);
    free(rules);
}

/* ---- matching ------------------------------------------------------------------------------------------------------------ */

static bool regex_fits(const struct script_rules *rules, const struct script_rule *rule, struct view text)
{
    if (rule->regex == NULL)
        return true;
    text = view_first(text, SUBJECT_MAX);
    text.len = utf8_whole(text);
    return pcre2_match(rule->regex, (PCRE2_SPTR)(text.ptr != NULL ? text.ptr : ""), text.len, 0, 0, rules->match, rules->limits) >= 0;
}

/* Whether the answer is one that this request can take. */
static bool kind_fits(const struct script_rule *rule, const struct model_request *request)
{
    if (rule->kind == SCRIPT_ERROR)
        return true;
    if ((request->kind == MODEL_EMBED) != (rule->kind == SCRIPT_EMBEDDING))
        return false;
    const struct generate_request *generate = &request->generate;
    if (rule->kind != SCRIPT_TOOL_CALL || generate->tool_choice == TOOL_CHOICE_NONE)
        return rule->kind != SCRIPT_TOOL_CALL;
    if (generate->tool_choice == TOOL_CHOICE_NAMED)
        return view_eq(generate->tool_name, rule->tool);
    for (size_t i = 0; i < generate->tool_count; i++) {
        if (view_eq(generate->tools[i].name, rule->tool))
            return true;
    }
    return false;
}

const struct script_rule *script_rules_match(const struct script_rules *rules, const struct model_request *request, size_t *place)
{
    if (rules->count == 0 || request->kind == MODEL_COUNT)
        return NULL;
    struct view text = script_last_text(request);
    for (size_t i = 0; i < rules->count; i++) {
        const struct script_rule *rule = &rules->list[i];
        if ((rule->model.ptr == NULL || view_eq(rule->model, request->model)) && kind_fits(rule, request) &&
            (rule->part.ptr == NULL || view_find(text, rule->part) != VIEW_NPOS) && regex_fits(rules, rule, text)) {
            *place = i;
            return rule;
        }
    }
    return NULL;
}
