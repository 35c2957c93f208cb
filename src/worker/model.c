#include "worker/model.h"

#include "base/log.h"
#include "worker/llama_compute.h"
#include "worker/scheduler.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define OPTIONS_DEPTH       16
#define DEFAULT_SEQUENCES   (16 + SCHEDULER_LIVE_SLOTS)      /* kernels like rows in sixteens: batch fills them */
#define DEFAULT_MAX_QUEUE   1024
#define DEFAULT_KV_BYTES    (UINT64_C(4) << 30)
#define DEFAULT_CACHE_BYTES (UINT64_C(512) << 20)
#define MAX_THREADS         512
#define MAX_SEQUENCES       256

/* ---- options ---- */

/* The member's value when it is there; false when it is not a whole number in range. */
static bool read_number(const struct json *json, const char *key, int64_t least, int64_t most, int64_t *number)
{
    if (json_get(json, key) == NULL)
        return true;
    return json_get_i64(json, key, number) && *number >= least && *number <= most;
}

bool model_options_read(struct arena *arena, struct view payload, struct model_options *options)
{
    const struct json *json = json_parse(arena, payload, OPTIONS_DEPTH, NULL);
    int64_t context = 0, threads = 1, sequences = DEFAULT_SEQUENCES, max_queue = DEFAULT_MAX_QUEUE;
    int64_t kv_bytes = DEFAULT_KV_BYTES, cache_bytes = DEFAULT_CACHE_BYTES;
    if (!json_is(json, JSON_OBJECT) || json_get_string(json, "path").len == 0 ||
        !read_number(json, "context", 0, INT32_MAX, &context) || !read_number(json, "threads", 1, MAX_THREADS, &threads) ||
        !read_number(json, "sequences", 1, MAX_SEQUENCES, &sequences) ||
        !read_number(json, "max_queue", 0, 1 << 20, &max_queue) ||
        !read_number(json, "kv_bytes", 0, INT64_MAX, &kv_bytes) ||
        !read_number(json, "cache_bytes", 0, INT64_MAX, &cache_bytes))
        return false;
    *options = (struct model_options){
        .path = json_get_string(json, "path"),
        .embedding = json_bool(json_get(json, "embedding"), false),
        .context = context,
        .threads = (unsigned)threads,
        .sequences = (unsigned)sequences,
        .max_queue = (unsigned)max_queue,
        .kv_bytes = (uint64_t)kv_bytes,
        .cache_bytes = (uint64_t)cache_bytes,
        .query_prefix = json_get_string(json, "query_prefix"),
        .document_prefix = json_get_string(json, "document_prefix"),
    };
    return true;
}

/* ---- loading ---- */

static void engine_says(enum ggml_log_level level, const char *text, void *ctx)
{
    (void)ctx;
    struct view line = view_trim(view_from_cstr(text));
    if (line.len > 0 && level == GGML_LOG_LEVEL_ERROR)
        log_error("engine", LOG_VIEW("says", line));
    else if (line.len > 0 && level == GGML_LOG_LEVEL_WARN)
        log_debug("engine", LOG_VIEW("says", line));
}

static void engine_aborts(const char *text)
{
    log_error("the engine gave up; this process ends", LOG_STR("says", text));
}

bool model_find_backends(void)
{
    Dl_info info;
    char directory[4096];
    if (dladdr((void *)llama_backend_init, &info) == 0 || info.dli_fname == NULL)
        return false;
    const char *slash = strrchr(info.dli_fname, '/');
    int len = snprintf(directory, sizeof(directory), "%.*s", slash == NULL ? 1 : (int)(slash - info.dli_fname),
                       slash == NULL ? "." : info.dli_fname);
    if (len <= 0 || (size_t)len >= sizeof(directory))
        return false;
    llama_log_set(engine_says, NULL);
    ggml_set_abort_callback(engine_aborts);
    ggml_backend_load_all_from_path(directory);
    llama_backend_init();
    return ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU) != NULL;
}

static float model_number(const struct llama_model *model, enum llama_model_meta_key key, float fallback)
{
    char text[64];
    const char *name = llama_model_meta_key_str(key);
    double number;
    if (name == NULL || llama_model_meta_val_str(model, name, text, sizeof(text)) <= 0 ||
        !view_to_double(view_from_cstr(text), &number))
        return fallback;
    return (float)number;
}

/* What the model's file recommends, else what suits small instruct models. */
static struct sampling default_sampling(const struct llama_model *model)
{
    return (struct sampling){
        .temperature = model_number(model, LLAMA_MODEL_META_KEY_SAMPLING_TEMP, 0.8f),
        .top_k = (int)model_number(model, LLAMA_MODEL_META_KEY_SAMPLING_TOP_K, 40),
        .top_p = model_number(model, LLAMA_MODEL_META_KEY_SAMPLING_TOP_P, 0.95f),
        .min_p = model_number(model, LLAMA_MODEL_META_KEY_SAMPLING_MIN_P, 0.05f),
        .repeat_penalty = model_number(model, LLAMA_MODEL_META_KEY_SAMPLING_PENALTY_REPEAT, 1),
    };
}

static bool load_weights(struct model *model, const struct model_load *load)
{
    char path[4096];
    int len = snprintf(path, sizeof(path), VIEW_FMT, VIEW_ARG(model->options.path));
    if (len <= 0 || (size_t)len >= sizeof(path))
        return false;
    struct llama_model_params params = llama_model_default_params();
    params.progress_callback = load->progress;
    params.progress_callback_user_data = load->ctx;
    model->llama = llama_model_load_from_file(path, params);
    return model->llama != NULL;
}

static bool create_compute(struct model *model)
{
    if (model->options.embedding) {
        model->encoder = encoder_create(model->llama, model->pool, model->options.threads, model->options.context);
        return model->encoder != NULL;
    }
    struct llama_compute_options options = {
        .context = (uint32_t)model->options.context,
        .slots = model->options.sequences,
        .kv_bytes = model->options.kv_bytes,
        .threads = model->options.threads,
    };
    model->compute = llama_compute_create(model->llama, model->pool, &options);
    return model->compute != NULL;
}

/* What went wrong, or NULL. */
static const char *load_parts(struct model *model, const struct model_load *load)
{
    if (!load_weights(model, load))
        return "the file cannot be read as a GGUF model, or memory is short";
    model->vocab = llama_model_get_vocab(model->llama);
    model->defaults = default_sampling(model->llama);
    snprintf(model->layout, sizeof(model->layout), "%s", llama_ftype_name(llama_model_ftype(model->llama)));
    model->pool = thread_pool_create(model->options.threads);
    if (model->pool == NULL)
        return "the compute threads could not be started";
    if (!create_compute(model))
        return model->options.embedding ? "this model gives no embeddings, or memory is short" : "memory for the context is short";
    if (!model->options.embedding)
        model->chat = chat_create(model->llama, &model->chat_error);
    return NULL;
}

struct model *model_load(const struct model_options *options, const struct model_load *load, char *error, size_t error_size)
{
    struct model *model = calloc(1, sizeof(*model));
    const char *problem = "out of memory";
    if (model != NULL) {
        model->options = *options;
        model->statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
        problem = load_parts(model, load);
    }
    if (problem == NULL)
        return model;
    snprintf(error, error_size, "%s", problem);             /* not the path: callers read it */
    model_destroy(model);
    return NULL;
}

void model_destroy(struct model *model)
{
    if (model == NULL)
        return;
    chat_destroy(model->chat);
    if (model->compute != NULL)
        model->compute->ops->destroy(model->compute);
    encoder_destroy(model->encoder);
    thread_pool_destroy(model->pool);
    if (model->llama != NULL)
        llama_model_free(model->llama);
    if (model->statm >= 0)
        close(model->statm);
    free(model);
}

uint64_t model_memory_bytes(const struct model *model)
{
    char text[128];
    ssize_t len = pread(model->statm, text, sizeof(text), 0);
    struct view rest = view_of(text, len > 0 ? (size_t)len : 0);
    uint64_t resident;
    (void)view_split(&rest, ' ');                           /* the whole address space */
    if (!view_to_u64(view_split(&rest, ' '), &resident))
        return 0;
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}
