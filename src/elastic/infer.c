#include "elastic/infer.h"

#include "elastic/fields.h"
#include "families/chat_build.h"

#include <math.h>

#define PROBE_TEXT   "how big" /* what Elasticsearch sends */
#define PROBE_TOKENS 4

/* ---- in ---- */

static bool refuse(struct elastic_error *error, const char *field, const char *why)
{
    error_problem(error, "Field [%s] %s", field, why);
    error->type = ERROR_REQUEST;
    return false;
}

static bool read_inputs(const struct json *input, struct elastic_error *error, struct view **texts, size_t *count)
{
    bool list = json_is(input, JSON_ARRAY);
    *count = list ? json_size(input) : 1;
    if (*count > INFER_INPUTS_MAX)
        return refuse(error, "input", "cannot have more than 20000 elements");
    *texts = ARENA_ARRAY(error->arena, struct view, *count + 1);
    if (*texts == NULL)
        return error_set(error, 413, ERROR_STATUS, "The request is larger than this server can hold.");
    struct json_iter it = json_iter(list ? input : NULL);
    while (json_next(&it)) {
        if (!json_is(it.value, JSON_STRING))
            return error_set(error, 400, ERROR_PARSE, "[inference_action_request] input doesn't support values of type: %s, at element %zu",
                             json_type_name(json_type(it.value)), it.index);
        (*texts)[it.index] = json_string(it.value);
    }
    if (list)
        return true;
    (*texts)[0] = json_string(input);
    return json_is(input, JSON_STRING) || error_set(error, 400, ERROR_PARSE, "[inference_action_request] input doesn't support "
                                                                             "values of type: %s",
                                                    json_type_name(json_type(input)));
}

static bool not_for_task(struct elastic_error *error, const char *field, enum elastic_task task)
{
    return refuse(error, field, arena_printf(error->arena, "cannot be specified for task type [%s]", task_name(task)));
}

struct purpose {
    const char *name;
    enum embed_purpose purpose;
};

static bool read_purpose(struct fields *fields, enum embed_purpose *out)
{
    static const struct purpose purposes[] = {
        { "search", EMBED_QUERY },
        { "internal_search", EMBED_QUERY },
        { "ingest", EMBED_DOCUMENT },
        { "internal_ingest", EMBED_DOCUMENT },
        { "classification", EMBED_SYMMETRIC },
        { "clustering", EMBED_SYMMETRIC },
    };
    const struct json *value = fields_take(fields, "input_type");
    if (value == NULL)
        return true;
    for (size_t i = 0; i < sizeof(purposes) / sizeof(purposes[0]); i++) {
        if (view_eq_nocase(json_string(value), view_from_cstr(purposes[i].name))) {
            *out = purposes[i].purpose;
            return true;
        }
    }
    return error_set(fields->error, 400, ERROR_STATUS,
                     "Unrecognized input_type [%s], must be one of [CLASSIFICATION, CLUSTERING, INGEST, SEARCH]",
                     java_text(fields->error->arena, value));
}

static enum embed_truncate truncation_of(const struct endpoint *endpoint, const struct task_settings *settings)
{
    if (endpoint->provider != PROVIDER_COHERE)
        return EMBED_TRUNCATE_WINDOWS;
    return settings->truncate == TRUNCATION_START ? EMBED_TRUNCATE_START
           : settings->truncate == TRUNCATION_END ? EMBED_TRUNCATE_END
                                                  : EMBED_TRUNCATE_REFUSE;
}

static void fill_embedding(const struct endpoint *endpoint, const struct task_settings *settings, enum embed_purpose purpose,
                           struct model_request *out)
{
    out->kind = MODEL_EMBED;
    out->embed.truncate = truncation_of(endpoint, settings);
    /* Titan knows no purposes: its vectors are the same whatever they are for. */
    out->embed.purpose = endpoint->provider == PROVIDER_COHERE ? purpose : EMBED_SYMMETRIC;
}

/* top_k is a share here: of the largest one that the provider takes. */
static int top_k_of(const struct endpoint *endpoint, double share)
{
    return share > 0 ? (int)ceil(share * provider_get(endpoint->provider)->top_k_max) : -1;
}

static void fill_sampling(const struct endpoint *endpoint, const struct task_settings *settings, struct sampling *out)
{
    if (settings->temperature >= 0)
        out->temperature = (float)settings->temperature;
    if (settings->top_p >= 0)
        out->top_p = (float)settings->top_p;
    out->top_k = top_k_of(endpoint, settings->top_k);
}

static bool fill_completion(const struct endpoint *endpoint, const struct task_settings *settings, const struct view *texts, size_t count,
                            struct elastic_error *error, struct model_request *out)
{
    struct chat_build build;
    chat_build_init(&build, error->arena);
    for (size_t i = 0; i < count; i++) {
        if (view_trim(texts[i]).len == 0)
            return error_set(error, 400, ERROR_STATUS, "The input at element %zu is blank. Add text to it, and try again.", i);
        chat_text(&build, CHAT_USER, texts[i]);
    }
    chat_build_done(&build, &out->generate, false);
    out->kind = MODEL_GENERATE;
    out->generate.max_tokens = settings->max_new_tokens > 0 ? settings->max_new_tokens : MAX_NEW_TOKENS;
    fill_sampling(endpoint, settings, &out->generate.sampling);
    return true;
}

static bool check_foreign_fields(struct fields *fields, enum elastic_task task)
{
    static const char *const foreign[] = { "query", "top_n", "return_documents" };
    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
        if (fields_take(fields, foreign[i]) != NULL)
            return not_for_task(fields->error, foreign[i], task);
    }
    const char *left = fields_left(fields);
    return left == NULL || error_set(fields->error, 400, ERROR_PARSE, "[inference_action_request] unknown field [%s]", left);
}

bool infer_read(const struct json *body, const struct endpoint *endpoint, struct elastic_error *error, struct model_request *out)
{
    struct fields fields;
    struct view *texts;
    size_t count;
    enum embed_purpose purpose = EMBED_DOCUMENT;
    bool embedding = endpoint->task == TASK_TEXT_EMBEDDING;
    struct task_settings settings = endpoint->settings;
    fields_init(&fields, body, "root", error);
    const struct json *input = fields_take(&fields, "input"), *overrides = fields_take(&fields, "task_settings");
    if (input == NULL)
        return refuse(error, "input", "cannot be null");
    if (json_is(input, JSON_ARRAY) && json_size(input) == 0)
        return refuse(error, "input", "cannot be an empty array");
    if (!embedding && fields_take(&fields, "input_type") != NULL)
        return not_for_task(error, "input_type", endpoint->task);
    if (!read_purpose(&fields, &purpose) || !check_foreign_fields(&fields, endpoint->task) || !read_inputs(input, error, &texts, &count))
        return false;
    if (overrides != NULL && !json_is(overrides, JSON_OBJECT))
        return error_set(error, 400, ERROR_PARSE, "[inference_action_request] task_settings doesn't support values of type: %s",
                         json_type_name(json_type(overrides)));
    if (!config_task_settings(overrides, endpoint->task, endpoint->provider, error, &settings))
        return false;
    if (!embedding)
        return fill_completion(endpoint, &settings, texts, count, error, out);
    fill_embedding(endpoint, &settings, purpose, out);
    out->embed.texts = texts;
    out->embed.text_count = count;
    return true;
}

void infer_documents(const struct endpoint *endpoint, const struct view *texts, size_t count, struct model_request *out)
{
    fill_embedding(endpoint, &endpoint->settings, EMBED_DOCUMENT, out);
    out->embed.texts = texts;
    out->embed.text_count = count;
}

void infer_probe(const struct endpoint *endpoint, struct arena *arena, struct model_request *out)
{
    static const struct view text = VIEW_INIT(PROBE_TEXT);
    struct chat_build build;
    if (endpoint->task == TASK_TEXT_EMBEDDING) {
        infer_documents(endpoint, &text, 1, out);
        return;
    }
    chat_build_init(&build, arena);
    chat_text(&build, CHAT_USER, text);
    chat_build_done(&build, &out->generate, false);
    out->kind = MODEL_GENERATE;
    out->generate.max_tokens = PROBE_TOKENS;
}

/* ---- out ---- */

void completion_write(const struct answer *answer, struct json_writer *out)
{
    json_object(out);
    json_key(out, "completion");
    json_array(out);
    for (size_t i = 0; i < answer->count; i++) {
        if (answer->blocks[i].type != ANSWER_TEXT)
            continue;
        json_object(out);
        json_put_string(out, "result", buf_view(&answer->blocks[i].text));
        json_end(out);
    }
    json_end(out);
    json_end(out);
}
