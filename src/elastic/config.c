#include "elastic/config.h"

#include "elastic/fields.h"

#include <ctype.h>

#define SERVICE_SETTINGS "service_settings"
#define TASK_SETTINGS    "task_settings"
#define UNSET            (-1.0)
#define ID_MAX           255
#define URL_SHOWN        256

static const char *const similarities[] = {
    [SIMILARITY_COSINE] = "cosine", [SIMILARITY_DOT_PRODUCT] = "dot_product", [SIMILARITY_L2_NORM] = "l2_norm"
};
static const char *const truncations[] = { [TRUNCATION_NONE] = "NONE", [TRUNCATION_START] = "START", [TRUNCATION_END] = "END" };

void task_settings_init(struct task_settings *settings)
{
    *settings = (struct task_settings){ .temperature = UNSET, .top_p = UNSET, .top_k = UNSET, .max_new_tokens = -1 };
}

void endpoint_digest(const struct key_pair *pair, uint8_t out[SHA256_SIZE])
{
    uint8_t access[SHA256_SIZE];
    sha256(pair->access_key, access);
    hmac_sha256(pair->secret_key, view_of(access, sizeof(access)), out);
}

/* ---- one of a few words ---- */

static bool find_word(struct view word, const char *const *words, int first, int last, int *out)
{
    for (int i = first; i <= last; i++) {
        if (view_eq_nocase(word, view_from_cstr(words[i]))) {
            *out = i;
            return true;
        }
    }
    return false;
}

static bool wrong_word(struct fields *fields, const char *key, struct view word, const char *allowed)
{
    return error_problem(fields->error, "[%s] Invalid value [" VIEW_FMT "] received. [%s] must be one of [%s]", fields->scope,
                         VIEW_ARG(word), key, allowed);
}

/* ---- service settings ---- */

static void read_provider(struct fields *fields, enum elastic_provider *out)
{
    struct view name;
    if (fields_string(fields, "provider", true, &name) && !provider_find(name, out))
        wrong_word(fields, "provider", name, PROVIDER_LIST);
}

static void read_similarity(struct fields *fields, enum similarity *out)
{
    struct view word;
    int found = SIMILARITY_COSINE;
    if (!fields_string(fields, "similarity", false, &word))
        return;
    if (find_word(word, similarities, SIMILARITY_COSINE, SIMILARITY_L2_NORM, &found))
        *out = (enum similarity)found;
    else
        wrong_word(fields, "similarity", word, "cosine, dot_product, l2_norm");
}

bool url_list_has(const struct url_list *list, struct view url)
{
    for (size_t i = 0; i < list->count; i++) {
        if (view_eq(list->urls[i], url))
            return true;
    }
    return false;
}

/* An addition of Craton's. Only servers that its own configuration names are called: clients must not choose where it connects. */
static void read_url(struct fields *fields, const struct url_list *servers, struct view *out)
{
    struct view url;
    if (!fields_string(fields, "endpoint_url", false, &url))
        return;
    *out = url;
    if (view_ends_with(url, VIEW("/")))
        out->len--;
    if (!url_list_has(servers, *out))
        error_problem(fields->error, "[%s] Invalid value [" VIEW_FMT "] received. [endpoint_url] must be one that the setting "
                                     "elastic.endpoint_urls of this server names",
                      fields->scope, VIEW_ARG(view_first(url, URL_SHOWN)));
}

static bool read_rate_limit(struct fields *settings, int64_t *out)
{
    const struct json *object;
    if (!fields_object(settings, "rate_limit", &object))
        return false;
    struct fields fields;
    fields_init(&fields, object, "rate_limit", settings->error);
    bool given = fields_positive_long(&fields, "requests_per_minute", out);
    if (!error_is_set(settings->error))
        fields_done(&fields);
    return given;
}

static void read_service_settings(struct fields *fields, const struct url_list *servers, struct endpoint *out, struct key_pair *pair)
{
    fields_string(fields, "model", true, &out->model);
    fields_string(fields, "region", true, &out->region);
    read_provider(fields, &out->provider);
    read_rate_limit(fields, &out->requests_per_minute);
    if (out->task == TASK_TEXT_EMBEDDING) {
        read_similarity(fields, &out->similarity);
        fields_positive(fields, "max_input_tokens", &out->max_input_tokens);
    }
    read_url(fields, servers, &out->url);
    fields_string(fields, "access_key", true, &pair->access_key);
    fields_string(fields, "secret_key", true, &pair->secret_key);
}

/* ---- task settings ---- */

static void read_truncate(struct fields *fields, enum truncation *out)
{
    struct view word;
    int found = TRUNCATION_UNSET;
    if (!fields_string(fields, "truncate", false, &word))
        return;
    if (find_word(word, truncations, TRUNCATION_NONE, TRUNCATION_END, &found))
        *out = (enum truncation)found;
    else
        wrong_word(fields, "truncate", word, "END, NONE, START");
}

static void read_task_settings(struct fields *fields, enum elastic_task task, struct task_settings *out)
{
    if (task == TASK_TEXT_EMBEDDING) {
        read_truncate(fields, &out->truncate);
        return;
    }
    fields_share(fields, "temperature", &out->temperature);
    fields_share(fields, "top_p", &out->top_p);
    fields_share(fields, "top_k", &out->top_k);
    fields_positive(fields, "max_new_tokens", &out->max_new_tokens);
}

/* What this provider cannot do. */
static bool check_provider(enum elastic_task task, enum elastic_provider id, const struct task_settings *settings,
                           struct elastic_error *error)
{
    const struct provider *provider = provider_get(id);
    if (!provider_has_task(id, task))
        return error_set(error, 400, ERROR_STATUS, "The [%s] task type for provider [%s] is not available", task_name(task),
                         provider->name);
    if (settings->top_k >= 0 && provider->top_k_max == 0)
        return error_set(error, 400, ERROR_STATUS, "The [top_k] task parameter is not available for provider [%s]", provider->name);
    if (settings->truncate != TRUNCATION_UNSET && !provider->truncate)
        return error_set(error, 400, ERROR_STATUS, "The [text_embedding] task type for provider [%s] does not allow [truncate] field",
                         provider->name);
    return true;
}

bool config_task_settings(const struct json *settings, enum elastic_task task, enum elastic_provider provider,
                          struct elastic_error *error, struct task_settings *out)
{
    struct fields fields;
    fields_init(&fields, settings, TASK_SETTINGS, error);
    read_task_settings(&fields, task, out);
    return !error_is_set(error) && fields_done(&fields) && check_provider(task, provider, out, error);
}

/* ---- a whole configuration ---- */

static bool id_char(char c)
{
    return islower((unsigned char)c) || isdigit((unsigned char)c);
}

static bool check_id(struct view id, struct elastic_error *error)
{
    bool valid = id.len > 0 && id.len <= ID_MAX && id_char(id.ptr[0]) && id_char(id.ptr[id.len - 1]);
    for (size_t i = 0; valid && i < id.len; i++)
        valid = id_char(id.ptr[i]) || id.ptr[i] == '_' || id.ptr[i] == '-' || id.ptr[i] == '.';
    if (valid)
        return true;
    error_problem(error, "Invalid inference_id; '" VIEW_FMT "' can contain lowercase alphanumeric (a-z and 0-9), hyphens or underscores; "
                         "must start and end with alphanumeric",
                  VIEW_ARG(view_first(id, ID_MAX)));
    error->type = ERROR_REQUEST;
    return false;
}

static bool resolve_task(struct fields *body, enum elastic_task path, struct elastic_error *error, enum elastic_task *out)
{
    const struct json *value = fields_take(body, "task_type");
    struct view name = json_string(value);
    *out = path;
    if (value != NULL) {
        enum elastic_task named = task_find(name);
        if (named == TASK_UNKNOWN)
            return error_set(error, 400, ERROR_STATUS, "Unknown task_type [%s]", java_text(error->arena, value));
        if (path != TASK_ANY && named != TASK_ANY && named != path)
            return error_set(error, 400, ERROR_STATUS,
                             "Cannot resolve conflicting task_type parameter in the request URL [%s] and the request body [" VIEW_FMT "]",
                             task_name(path), VIEW_ARG(name));
        if (path == TASK_ANY)
            *out = named;
    }
    if (*out == TASK_ANY)
        return error_set(error, 400, ERROR_STATUS, "model is missing required setting [task_type]");
    return task_is_served(*out) ||
           error_set(error, 400, ERROR_STATUS, "The [" ELASTIC_SERVICE "] service does not support task type [%s]", task_name(*out));
}

static bool check_service(struct fields *body, bool required, struct elastic_error *error)
{
    const struct json *service = fields_take(body, "service");
    if (service == NULL)
        return !required || error_set(error, 400, ERROR_STATUS, "Inference endpoint configuration is missing the [service] setting");
    return view_is(json_string(service), ELASTIC_SERVICE) ||
           error_set(error, 400, ERROR_STATUS, "Unknown service [%s]", java_text(error->arena, service));
}

/* A body's object member. */
static bool take_object(struct fields *body, const char *key, const struct json **out)
{
    struct elastic_error *error = body->error;
    const struct json *value = fields_take(body, key);
    *out = value;
    if (value == NULL || json_is(value, JSON_OBJECT))
        return true;
    return error_set(error, 400, ERROR_STATUS, "field [%s] is not of the expected type. The value [%s] cannot be converted to a [Map]", key,
                     java_text(error->arena, value));
}

bool config_read(const struct json *body, enum elastic_task path, struct view id, const struct url_list *servers,
                 struct elastic_error *error, struct endpoint *out, struct key_pair *pair)
{
    struct fields top, service, task;
    const struct json *service_settings, *task_settings, *chunking = NULL;
    *out = (struct endpoint){ .id = id, .requests_per_minute = REQUESTS_PER_MINUTE };
    *pair = (struct key_pair){ .access_key = VIEW("") };
    task_settings_init(&out->settings);

    fields_init(&top, body, "root", error);
    if (!check_id(id, error) || !resolve_task(&top, path, error, &out->task) || !check_service(&top, true, error) ||
        !take_object(&top, SERVICE_SETTINGS, &service_settings) || !take_object(&top, TASK_SETTINGS, &task_settings))
        return false;
    if (out->task == TASK_TEXT_EMBEDDING && !take_object(&top, "chunking_settings", &chunking))
        return false;
    if (service_settings == NULL)
        return error_set(error, 400, ERROR_STATUS, "Missing required field [" SERVICE_SETTINGS "]");

    fields_init(&service, service_settings, SERVICE_SETTINGS, error);
    fields_init(&task, task_settings, TASK_SETTINGS, error);
    read_service_settings(&service, servers, out, pair);
    read_task_settings(&task, out->task, &out->settings);
    if (out->task == TASK_TEXT_EMBEDDING)
        chunking_read(chunking, error, &out->chunking);
    if (error_is_set(error) || !fields_done(&top) || !fields_done(&service) || !fields_done(&task) ||
        !check_provider(out->task, out->provider, &out->settings, error))
        return false;
    out->access_key = pair->access_key;
    endpoint_digest(pair, out->credentials);
    return true;
}

/* ---- _update ---- */

static bool read_new_keys(struct fields *fields, struct key_pair *pair)
{
    bool access = fields_string(fields, "access_key", false, &pair->access_key);
    bool secret = fields_string(fields, "secret_key", false, &pair->secret_key);
    if (access != secret)
        error_problem(fields->error, "[%s] does not contain the required setting [%s]", fields->scope,
                      access ? "secret_key" : "access_key");
    return access && secret;
}

static void update_service_settings(struct fields *fields, struct endpoint *endpoint, struct key_pair *pair)
{
    read_rate_limit(fields, &endpoint->requests_per_minute);
    if (endpoint->task == TASK_TEXT_EMBEDDING)
        fields_positive(fields, "max_input_tokens", &endpoint->max_input_tokens);
    if (read_new_keys(fields, pair)) {
        endpoint->access_key = pair->access_key;
        endpoint_digest(pair, endpoint->credentials);
    }
}

static bool check_update_task(struct fields *body, enum elastic_task path, const struct endpoint *endpoint, struct elastic_error *error)
{
    enum elastic_task task;
    if (path == TASK_ANY && fields_take(body, "task_type") == NULL)
        return true;
    if (!resolve_task(body, path, error, &task))
        return false;
    return task == endpoint->task || error_set(error, 400, ERROR_STATUS,
                                               "Task type must match the task type of the existing endpoint. Existing type: [%s], "
                                               "given: [%s]",
                                               task_name(endpoint->task), task_name(task));
}

bool config_update(const struct json *body, enum elastic_task path, struct elastic_error *error, struct endpoint *endpoint,
                   struct key_pair *pair, bool *changed)
{
    struct fields top, service, task;
    const struct json *service_settings, *task_settings, *chunking = NULL;
    *pair = (struct key_pair){ .access_key = VIEW("") };
    *changed = false;

    fields_init(&top, body, "root", error);
    if (!check_update_task(&top, path, endpoint, error) || !check_service(&top, false, error) ||
        !take_object(&top, SERVICE_SETTINGS, &service_settings) || !take_object(&top, TASK_SETTINGS, &task_settings))
        return false;
    if (endpoint->task == TASK_TEXT_EMBEDDING && !take_object(&top, "chunking_settings", &chunking))
        return false;
    fields_init(&service, service_settings, SERVICE_SETTINGS, error);
    fields_init(&task, task_settings, TASK_SETTINGS, error);
    update_service_settings(&service, endpoint, pair);
    read_task_settings(&task, endpoint->task, &endpoint->settings);
    if (chunking != NULL)
        chunking_read(chunking, error, &endpoint->chunking);
    *changed = json_size(service_settings) > 0 || json_size(task_settings) > 0 || chunking != NULL;
    return !error_is_set(error) && fields_done(&top) && fields_done(&service) && fields_done(&task) &&
           check_provider(endpoint->task, endpoint->provider, &endpoint->settings, error);
}

/* ---- writing ---- */

/* As Java writes a Double: 1.0, never 1. */
static void put_decimal(struct json_writer *out, const char *key, double number)
{
    if (number < 0)
        return;
    json_key(out, key);
    if (number == 0 || number == 1)
        json_write_raw(out, number == 0 ? VIEW("0.0") : VIEW("1.0"));
    else
        json_write_double(out, number);
}

static void write_service_settings(const struct endpoint *endpoint, struct json_writer *out)
{
    json_object(out);
    json_put_string(out, "region", endpoint->region);
    json_put_string(out, "model", endpoint->model);
    json_put_cstr(out, "provider", provider_get(endpoint->provider)->shown);
    json_key(out, "rate_limit");
    json_object(out);
    json_put_i64(out, "requests_per_minute", endpoint->requests_per_minute);
    json_end(out);
    if (endpoint->task == TASK_TEXT_EMBEDDING) {
        if (endpoint->dimensions > 0)
            json_put_i64(out, "dimensions", endpoint->dimensions);
        if (endpoint->max_input_tokens > 0)
            json_put_i64(out, "max_input_tokens", endpoint->max_input_tokens);
        json_put_cstr(out, "similarity", similarities[endpoint->similarity]);
    }
    if (endpoint->url.len > 0)
        json_put_string(out, "endpoint_url", endpoint->url);
    json_end(out);
}

static bool has_settings(const struct task_settings *settings)
{
    return settings->temperature >= 0 || settings->top_p >= 0 || settings->top_k >= 0 || settings->max_new_tokens > 0 ||
           settings->truncate != TRUNCATION_UNSET;
}

static void write_task_settings(const struct task_settings *settings, struct json_writer *out)
{
    json_object(out);
    put_decimal(out, "temperature", settings->temperature);
    put_decimal(out, "top_p", settings->top_p);
    put_decimal(out, "top_k", settings->top_k);
    if (settings->max_new_tokens > 0)
        json_put_i64(out, "max_new_tokens", settings->max_new_tokens);
    if (settings->truncate != TRUNCATION_UNSET)
        json_put_cstr(out, "truncate", truncations[settings->truncate]);
    json_end(out);
}

static void write_members(const struct endpoint *endpoint, struct json_writer *out)
{
    json_put_string(out, "inference_id", endpoint->id);
    json_put_cstr(out, "task_type", task_name(endpoint->task));
    json_put_cstr(out, "service", ELASTIC_SERVICE);
    json_key(out, SERVICE_SETTINGS);
    write_service_settings(endpoint, out);
    if (has_settings(&endpoint->settings)) {
        json_key(out, TASK_SETTINGS);
        write_task_settings(&endpoint->settings, out);
    }
    if (endpoint->task == TASK_TEXT_EMBEDDING) {
        json_key(out, "chunking_settings");
        chunking_write(&endpoint->chunking, out);
    }
}

void endpoint_write(const struct endpoint *endpoint, struct json_writer *out)
{
    json_object(out);
    write_members(endpoint, out);
    json_end(out);
}

/* ---- records ---- */

void endpoint_write_record(const struct endpoint *endpoint, struct json_writer *out)
{
    json_object(out);
    write_members(endpoint, out);
    json_put_string(out, "access_key", endpoint->access_key);
    char digest[2 * SHA256_SIZE];
    hex_encode(endpoint->credentials, SHA256_SIZE, digest);
    json_put_string(out, "credentials", view_of(digest, sizeof(digest)));
    json_put_string(out, "secrets", endpoint->secrets);
    json_end(out);
}

/* What was checked when it was written is not checked again. */
bool endpoint_read_record(struct arena *arena, struct view json, struct endpoint *out)
{
    const struct json *record = json_parse(arena, json, JSON_DEPTH_DEFAULT, NULL);
    const struct json *service = json_get(record, SERVICE_SETTINGS);
    struct elastic_error error;
    struct fields task;
    int similarity = SIMILARITY_COSINE;
    *out = (struct endpoint){ .id = json_get_string(record, "inference_id"), .task = task_find(json_get_string(record, "task_type")) };
    error_init(&error, arena);
    task_settings_init(&out->settings);
    fields_init(&task, json_get(record, TASK_SETTINGS), TASK_SETTINGS, &error);
    read_task_settings(&task, out->task, &out->settings);
    out->region = json_get_string(service, "region");
    out->model = json_get_string(service, "model");
    out->url = json_get_string(service, "endpoint_url");
    json_get_i64(json_get(service, "rate_limit"), "requests_per_minute", &out->requests_per_minute);
    json_get_i64(service, "dimensions", &out->dimensions);
    json_get_i64(service, "max_input_tokens", &out->max_input_tokens);
    find_word(json_get_string(service, "similarity"), similarities, SIMILARITY_COSINE, SIMILARITY_L2_NORM, &similarity);
    out->similarity = (enum similarity)similarity;
    out->access_key = json_get_string(record, "access_key");
    out->secrets = json_get_string(record, "secrets");
    return chunking_read(json_get(record, "chunking_settings"), &error, &out->chunking) && !error_is_set(&error) &&
           provider_find(json_get_string(service, "provider"), &out->provider) && out->requests_per_minute > 0 &&
           hex_decode(json_get_string(record, "credentials"), out->credentials, SHA256_SIZE);
}
