#include "server/settings.h"

#include "base/fs.h"
#include "models/manifest.h"

#include <arpa/inet.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ASYNC_ACTIVE_MAX 1000 /* asynchronous invocations in progress, of an account and region */

static bool fail(struct config_error *error, const char *message)
{
    snprintf(error->message, sizeof(error->message), "%s", message);
    return false;
}

/* ---- places ---- */

/* $VARIABLE/craton, else ~/FALLBACK/craton; NULL when neither is known. */
static const char *xdg_dir(struct arena *arena, const char *variable, const char *fallback)
{
    const char *base = getenv(variable), *home = getenv("HOME");
    if (base != NULL && base[0] == '/')
        return arena_printf(arena, "%s/craton", base);
    return home != NULL && home[0] == '/' ? arena_printf(arena, "%s/%s/craton", home, fallback) : NULL;
}

/* The folder of this program; "." when the kernel does not say. */
static const char *program_dir(struct arena *arena)
{
    char path[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", path, sizeof(path));
    while (len > 0 && path[len - 1] != '/')
        len--;
    return len > 1 ? arena_cstr(arena, view_of(path, (size_t)len - 1)) : ".";
}

/* An installed Craton has its models beside it; one that was built has them in the cache of the set-up. */
static const char *shared_models(const struct config *config, struct arena *arena, const char *program)
{
    const char *set = config_string(config, CONFIG_MODELS_SHARED_DIR);
    if (set[0] != '\0')
        return set;
    const char *installed = arena_printf(arena, "%s/../share/craton/models", program);
    if (installed != NULL && fs_exists(installed))
        return installed;
    const char *cache = getenv("CRATON_CACHE");
    if (cache == NULL || cache[0] == '\0')
        cache = xdg_dir(arena, "XDG_CACHE_HOME", ".cache");
    return cache != NULL ? arena_printf(arena, "%s/models", cache) : "";
}

bool places_find(const struct config *config, struct arena *arena, struct places *out, struct config_error *error)
{
    const char *data = config_string(config, CONFIG_DATA);
    if (data[0] == '\0')
        data = xdg_dir(arena, "XDG_DATA_HOME", ".local/share");
    if (data == NULL)
        return fail(error, "there is no home directory to keep data in: give --data DIR or set CRATON_DATA");

    const char *program = program_dir(arena);
    *out = (struct places){
        .data = data,
        .store = arena_printf(arena, "%s/store/craton.db", data),
        .seal_key = arena_printf(arena, "%s/secret.key", data),
        .endpoint = arena_printf(arena, "%s/endpoint", data),
        .models = arena_printf(arena, "%s/models", data),
        .spool = arena_printf(arena, "%s/spool", data),
        .objects = arena_printf(arena, "%s/objects", data),
        .shared_models = shared_models(config, arena, program),
        .worker = arena_printf(arena, "%s/craton-worker", program),
    };
    return !arena_exhausted(arena) || fail(error, "out of memory");
}

/* ---- models ---- */

static bool node_fail(struct config_error *error, const struct config_node *node, const char *key, const char *message)
{
    snprintf(error->message, sizeof(error->message), "line %u: %s: %s", config_node_line(node), key, message);
    return false;
}

/* A mistyped key must not pass for one that was left out. known ends with NULL. */
static bool has_only(const struct config_node *map, const char *key, const char *const *known, struct config_error *error)
{
    if (config_node_type(map) != CONFIG_NODE_MAP)
        return node_fail(error, map, key, "each entry is a map of keys and values");
    for (size_t i = 0; i < config_node_size(map); i++) {
        const struct config_node *member = config_node_at(map, i);
        struct view name = config_node_key(member);
        size_t at = 0;
        while (known[at] != NULL && !view_is(name, known[at]))
            at++;
        if (known[at] != NULL)
            continue;
        snprintf(error->message, sizeof(error->message), "line %u: %s: unknown key '" VIEW_FMT "'", config_node_line(member), key,
                 VIEW_ARG(view_first(name, 100)));
        return false;
    }
    return true;
}

static bool takes_bool(const struct config_node *node, bool *out)
{
    return config_node_type(node) == CONFIG_NODE_ABSENT || config_node_bool(node, out);
}

static bool takes_count(const struct config_node *node, int64_t *out)
{
    return config_node_type(node) == CONFIG_NODE_ABSENT || (config_node_i64(node, out) && *out >= 0);
}

/* models.map:
 *   - ids: "anthropic.claude-*"
 *     model: my-model
 *     raw: true
 */
static bool read_rules(const struct config *config, struct arena *arena, struct models_options *out, struct config_error *error)
{
    static const char *const known[] = { "ids", "model", "family", "raw", NULL };
    const struct config_node *list = config_tree(config, CONFIG_MODELS_MAP);
    size_t count = config_node_size(list);
    struct models_rule *rules = ARENA_ARRAY(arena, struct models_rule, count + 1);
    if (rules == NULL)
        return fail(error, "out of memory");
    for (size_t i = 0; i < count; i++) {
        const struct config_node *node = config_node_at(list, i);
        if (!has_only(node, "models.map", known, error))
            return false;
        rules[i].pattern = config_node_text(config_node_get(node, "ids"));
        rules[i].model = config_node_text(config_node_get(node, "model"));
        rules[i].family = config_node_text(config_node_get(node, "family"));
        if (rules[i].pattern.len == 0 || rules[i].model.len == 0)
            return node_fail(error, node, "models.map", "each entry needs `ids` (a pattern) and `model` (the name of a local model)");
        if (rules[i].family.len > 0 && family_find(rules[i].family) == NULL)
            return node_fail(error, node, "models.map", "there is no model family of that name");
        if (!takes_bool(config_node_get(node, "raw"), &rules[i].raw_prompt))
            return node_fail(error, node, "models.map", "`raw` is true or false");
    }
    out->rules = rules;
    out->rule_count = count;
    return true;
}

/* One model of a backend:
 *   backends:
 *     - url: http://127.0.0.1:8000/v1
 *       api_key: secret
 *       models:
 *         - name: big-model
 *           remote: Qwen/Qwen3-32B
 *           kind: text
 */
static bool read_remote(const struct config_node *backend, const struct config_node *model, struct models_extra *out,
                        struct config_error *error)
{
    static const char *const known[] = { "name", "remote", "kind", "context", "dimensions", "vision", NULL };
    struct view kind = config_node_text(config_node_get(model, "kind"));
    if (!has_only(model, "backends", known, error))
        return false;
    *out = (struct models_extra){
        .name = config_node_text(config_node_get(model, "name")),
        .backend = ENGINE_REMOTE,
        .kind = view_is(kind, "embedding") ? LOCAL_EMBEDDING : LOCAL_TEXT,
        .url = config_node_text(config_node_get(backend, "url")),
        .remote_model = config_node_text(config_node_get(model, "remote")),
        .api_key = config_node_text(config_node_get(backend, "api_key")),
    };
    if (!takes_count(config_node_get(model, "context"), &out->context) ||
        !takes_count(config_node_get(model, "dimensions"), &out->dimensions) || !takes_bool(config_node_get(model, "vision"), &out->vision))
        return node_fail(error, model, "backends", "`context` and `dimensions` are numbers, `vision` is true or false");
    if (out->remote_model.len == 0)
        out->remote_model = out->name;
    if (!model_name_valid(out->name))
        return node_fail(error, model, "backends", "each model needs a `name` of letters, digits, dots, dashes and underscores");
    if (kind.len > 0 && !view_is(kind, "text") && !view_is(kind, "embedding"))
        return node_fail(error, model, "backends", "`kind` is text or embedding");
    return true;
}

static bool check_backend(const struct config_node *backend, struct config_error *error)
{
    static const char *const known[] = { "url", "api_key", "models", NULL };
    if (!has_only(backend, "backends", known, error))
        return false;
    struct view url = config_node_text(config_node_get(backend, "url"));
    if (!view_starts_with(url, VIEW("http://")) && !view_starts_with(url, VIEW("https://")))
        return node_fail(error, backend, "backends", "a backend needs a `url`, such as http://127.0.0.1:8000/v1");
    return config_node_type(config_node_get(backend, "models")) == CONFIG_NODE_LIST ||
           node_fail(error, backend, "backends", "a backend needs a list of `models`");
}

static bool read_remotes(const struct config *config, struct arena *arena, struct models_options *out, struct config_error *error)
{
    const struct config_node *backends = config_tree(config, CONFIG_BACKENDS);
    size_t total = 0;
    for (size_t i = 0; i < config_node_size(backends); i++)
        total += config_node_size(config_node_get(config_node_at(backends, i), "models"));

    struct models_extra *extras = ARENA_ARRAY(arena, struct models_extra, total + 1);
    if (extras == NULL)
        return fail(error, "out of memory");
    for (size_t i = 0; i < config_node_size(backends); i++) {
        const struct config_node *backend = config_node_at(backends, i), *models = config_node_get(backend, "models");
        if (!check_backend(backend, error))
            return false;
        for (size_t j = 0; j < config_node_size(models); j++) {
            if (!read_remote(backend, config_node_at(models, j), &extras[out->extra_count++], error))
                return false;
        }
    }
    out->extras = extras;
    return true;
}

bool settings_models(const struct config *config, const struct places *places, struct arena *arena, struct models_options *out,
                     struct config_error *error)
{
    *out = (struct models_options){
        .data_models = view_from_cstr(places->models),
        .shared_models = view_from_cstr(places->shared_models),
        .default_text = view_from_cstr(config_string(config, CONFIG_MODELS_DEFAULT_TEXT)),
        .default_embedding = view_from_cstr(config_string(config, CONFIG_MODELS_DEFAULT_EMBEDDING)),
    };
    return read_rules(config, arena, out, error) && read_remotes(config, arena, out, error);
}

/* ---- engine ---- */

void settings_engine(const struct config *config, const struct places *places, struct engine_options *out)
{
    *out = (struct engine_options){
        .worker_path = places->worker,
        .run_dir = places->data,
        .threads = (unsigned)config_number(config, CONFIG_ENGINE_THREADS),
        .memory_budget = (uint64_t)config_number(config, CONFIG_ENGINE_MEMORY_BUDGET),
        .load_wait_ms = (uint64_t)config_number(config, CONFIG_ENGINE_LOAD_WAIT),
        .queue_wait_ms = (uint64_t)config_number(config, CONFIG_ENGINE_QUEUE_WAIT),
        .model_timeout_ms = (uint64_t)config_number(config, CONFIG_ENGINE_MODEL_TIMEOUT),
        .idle_unload_ms = (uint64_t)config_number(config, CONFIG_ENGINE_IDLE_UNLOAD),
        .max_queue = (unsigned)config_number(config, CONFIG_ENGINE_MAX_QUEUE),
        .scripted_rules = config_tree(config, CONFIG_SCRIPTED_RULES),
    };
}

/* ---- objects ---- */

/* objects.remotes:
 *   - bucket: reports
 *     endpoint: https://s3.example.com
 *     region: eu-west-1
 *     access_key: AKIA...
 *     secret_key: ...
 *     remote_bucket: the-name-there
 */
static bool read_remote_bucket(const struct config_node *node, struct object_remote *out, struct config_error *error)
{
    static const char *const known[] = { "bucket", "endpoint", "region", "access_key", "secret_key", "remote_bucket", NULL };
    if (!has_only(node, "objects.remotes", known, error))
        return false;
    *out = (struct object_remote){
        .bucket = config_node_text(config_node_get(node, "bucket")),
        .endpoint = config_node_text(config_node_get(node, "endpoint")),
        .region = config_node_text(config_node_get(node, "region")),
        .access_key = config_node_text(config_node_get(node, "access_key")),
        .secret_key = config_node_text(config_node_get(node, "secret_key")),
        .remote_bucket = config_node_text(config_node_get(node, "remote_bucket")),
    };
    if (out->region.len == 0)
        out->region = VIEW("us-east-1");
    if (!bucket_name_is_valid(out->bucket))
        return node_fail(error, node, "objects.remotes", "each entry needs `bucket`, a valid bucket name");
    if (!view_starts_with(out->endpoint, VIEW("http://")) && !view_starts_with(out->endpoint, VIEW("https://")))
        return node_fail(error, node, "objects.remotes", "each entry needs an `endpoint`, such as https://s3.example.com");
    return (out->access_key.len > 0 && out->secret_key.len > 0) ||
           node_fail(error, node, "objects.remotes", "each entry needs `access_key` and `secret_key`");
}

bool settings_objects(const struct config *config, const struct places *places, struct arena *arena, struct objects_options *out,
                      struct config_error *error)
{
    const struct config_node *list = config_tree(config, CONFIG_OBJECTS_REMOTES);
    size_t count = config_node_size(list);
    struct object_remote *remotes = ARENA_ARRAY(arena, struct object_remote, count + 1);
    if (remotes == NULL)
        return fail(error, "out of memory");
    for (size_t i = 0; i < count; i++) {
        if (!read_remote_bucket(config_node_at(list, i), &remotes[i], error))
            return false;
    }
    *out = (struct objects_options){
        .clock = clock_system(),
        .dir = places->objects,
        .remotes = remotes,
        .remote_count = count,
        .account = view_from_cstr(config_string(config, CONFIG_ACCOUNT)),
    };
    return true;
}

/* ---- network ---- */

static bool parse_listen(struct arena *arena, struct view listen, struct http_server_options *out)
{
    size_t colon = listen.len;
    while (colon > 0 && listen.ptr[colon - 1] != ':')
        colon--;
    uint64_t port;
    if (colon == 0 || !view_to_u64(view_from(listen, colon), &port) || port > 65535)
        return false;
    struct view host = view_first(listen, colon - 1);
    if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        host = view_of(host.ptr + 1, host.len - 2);
    out->host = arena_cstr(arena, host);
    out->port = (uint16_t)port;
    return out->host != NULL && host.len > 0;
}

bool settings_http(const struct config *config, const struct places *places, struct arena *arena, struct http_server_options *out,
                   struct config_error *error)
{
    const char *cert = config_string(config, CONFIG_TLS_CERT), *key = config_string(config, CONFIG_TLS_KEY);
    http_server_defaults(out);
    if (!parse_listen(arena, view_from_cstr(config_string(config, CONFIG_LISTEN)), out))
        return fail(error, "listen: write an address and a port, such as 127.0.0.1:4747 or [::1]:4747");
    if ((cert[0] == '\0') != (key[0] == '\0'))
        return fail(error, "tls.cert and tls.key belong together: give both");
    if (!settings_auth_allowed(config, out->host))
        return fail(error, "auth: off is for loopback addresses alone: listen on 127.0.0.1, or leave authentication on");
    out->tls_cert = cert[0] != '\0' ? cert : NULL;
    out->tls_key = key[0] != '\0' ? key : NULL;
    out->tls_self_signed = strcmp(config_string(config, CONFIG_TLS), "self-signed") == 0 && cert[0] == '\0';
    out->header_timeout_ms = (uint64_t)config_number(config, CONFIG_NET_HEADER_TIMEOUT);
    out->idle_timeout_ms = (uint64_t)config_number(config, CONFIG_NET_IDLE_TIMEOUT);
    out->body_limit = (uint64_t)config_number(config, CONFIG_NET_BODY_MAX);
    out->body_budget = (uint64_t)config_number(config, CONFIG_NET_UNVERIFIED_BODY_BUDGET);
    out->max_connections = (unsigned)config_number(config, CONFIG_NET_MAX_CONNECTIONS);
    out->body_dir = places->spool;
    return true;
}

bool settings_elastic_listen(const struct config *config, struct arena *arena, struct http_server_options *options,
                             struct config_error *error)
{
    if (!parse_listen(arena, view_from_cstr(config_string(config, CONFIG_ELASTIC_LISTEN)), options))
        return fail(error, "elastic.listen: write an address and a port, such as 127.0.0.1:9200 or [::1]:9200");
    return settings_auth_allowed(config, options->host) ||
           fail(error, "auth: off is for loopback addresses alone: let elastic.listen be on 127.0.0.1, or leave authentication on");
}

/* elastic.endpoint_urls:
 *   - https://bedrock-runtime.us-east-1.amazonaws.com
 */
bool settings_elastic_servers(const struct config *config, struct arena *arena, struct url_list *out, struct config_error *error)
{
    static const char key[] = "elastic.endpoint_urls";
    const struct config_node *list = config_tree(config, CONFIG_ELASTIC_ENDPOINT_URLS);
    size_t count = config_node_size(list);
    struct view *urls = ARENA_ARRAY(arena, struct view, count + 1);
    if (urls == NULL)
        return fail(error, "out of memory");
    for (size_t i = 0; i < count; i++) {
        struct view url = config_node_text(config_node_at(list, i));
        if (view_ends_with(url, VIEW("/")))
            url.len--;
        size_t scheme = view_starts_with(url, VIEW("https://")) ? 8 : view_starts_with(url, VIEW("http://")) ? 7 : 0;
        struct view authority = view_from(url, scheme);
        if (scheme == 0 || authority.len == 0 || view_find(authority, VIEW("/")) != VIEW_NPOS)
            return node_fail(error, config_node_at(list, i), key, "each is a URL without a path, such as https://host:port");
        urls[i] = url;
    }
    *out = (struct url_list){ .urls = urls, .count = count };
    return true;
}

/* s3.domains:
 *   - s3.example.com
 */
bool settings_s3_domains(const struct config *config, struct arena *arena, struct s3_domains *out, struct config_error *error)
{
    static const char key[] = "s3.domains";
    const struct config_node *list = config_tree(config, CONFIG_S3_DOMAINS);
    size_t count = config_node_size(list);
    struct view *names = ARENA_ARRAY(arena, struct view, count + 1);
    if (names == NULL)
        return fail(error, "out of memory");
    for (size_t i = 0; i < count; i++) {
        names[i] = config_node_text(config_node_at(list, i));
        if (names[i].len == 0 || view_find_byte(names[i], ':') != VIEW_NPOS || view_find_byte(names[i], '/') != VIEW_NPOS)
            return node_fail(error, config_node_at(list, i), key, "each is a host name without a port, such as s3.example.com");
    }
    *out = (struct s3_domains){ .names = names, .count = count };
    return true;
}

void settings_batch(const struct config *config, struct batch_options *out)
{
    *out = (struct batch_options){
        .jobs_per_model = (unsigned)config_number(config, CONFIG_BATCH_JOBS_PER_MODEL),
        .running_jobs = (unsigned)config_number(config, CONFIG_BATCH_RUNNING_JOBS),
        .min_records = (uint64_t)config_number(config, CONFIG_BATCH_MIN_RECORDS),
        .max_file_records = (uint64_t)config_number(config, CONFIG_BATCH_MAX_FILE_RECORDS),
        .max_job_records = (uint64_t)config_number(config, CONFIG_BATCH_MAX_JOB_RECORDS),
        .max_file_bytes = (uint64_t)config_number(config, CONFIG_BATCH_MAX_FILE_SIZE),
        .max_job_bytes = (uint64_t)config_number(config, CONFIG_BATCH_MAX_JOB_SIZE),
        .max_record_bytes = (size_t)config_number(config, CONFIG_NET_BODY_MAX),
        .json_depth = (unsigned)config_number(config, CONFIG_NET_JSON_DEPTH),
        .in_flight = (unsigned)config_number(config, CONFIG_BATCH_IN_FLIGHT),
        .retry_ms = config_number(config, CONFIG_BATCH_RETRY_FOR),
    };
}

void settings_pipelines(const struct config *config, struct pipelines_options *out)
{
    out->interval_ms = config_number(config, CONFIG_PIPELINE_INTERVAL);
    out->immediate = strcmp(config_string(config, CONFIG_PIPELINE_IMMEDIATE), "on") == 0;
    out->slots = (unsigned)config_number(config, CONFIG_BATCH_JOBS_PER_MODEL);
    out->max_attempts = (unsigned)config_number(config, CONFIG_PIPELINE_MAX_ATTEMPTS);
    out->retry_ms = config_number(config, CONFIG_PIPELINE_RETRY_DELAY);
}

void settings_async(const struct config *config, struct async_options *out)
{
    out->at_once = (unsigned)config_number(config, CONFIG_ASYNC_AT_ONCE);
    out->active_max = ASYNC_ACTIVE_MAX;
    out->retry_ms = config_number(config, CONFIG_ASYNC_RETRY);
}

bool settings_auth_allowed(const struct config *config, const char *host)
{
    if (strcmp(config_string(config, CONFIG_AUTH), "on") == 0)
        return true;
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return (ntohl(v4.s_addr) >> 24) == 127;
    return inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}
