#include "models/registry.h"

#include "base/fs.h"
#include "models/manifest.h"
#include "models/snapshot.h"

#include <dirent.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>

#define SNAPSHOT_BYTES (64u << 20)
#define OPTIONS_BYTES  (16u << 20)
#define MANIFEST_BYTES (1u << 20)
#define MAX_MODELS     4096
#define MAX_PATH       4096

struct models {
    struct arena *arena;                                    /* of the options */
    struct models_options options;
    pthread_mutex_t lock;                                   /* of the pointer below; held for a few instructions */
    struct models_snapshot *current;
    pthread_mutex_t reloading;                              /* one at a time: a later one sees the later directories */
    uint64_t version;
};

/* ---- snapshots ---- */

void models_release(struct models_snapshot *snapshot)
{
    if (snapshot != NULL && atomic_fetch_sub_explicit(&snapshot->references, 1, memory_order_acq_rel) == 1)
        arena_destroy(snapshot->arena);
}

struct models_snapshot *models_acquire(struct models *models)
{
    pthread_mutex_lock(&models->lock);
    struct models_snapshot *snapshot = models->current;
    atomic_fetch_add_explicit(&snapshot->references, 1, memory_order_relaxed);
    pthread_mutex_unlock(&models->lock);
    return snapshot;
}

static void swap(struct models *models, struct models_snapshot *fresh)
{
    pthread_mutex_lock(&models->lock);
    struct models_snapshot *old = models->current;
    models->current = fresh;
    pthread_mutex_unlock(&models->lock);
    models_release(old);
}

uint64_t models_version(const struct models_snapshot *snapshot)
{
    return snapshot->version;
}

size_t models_count(const struct models_snapshot *snapshot)
{
    return snapshot->count;
}

const struct local_model *models_at(const struct models_snapshot *snapshot, size_t index)
{
    return index < snapshot->count ? &snapshot->models[index] : NULL;
}

static int by_name(const void *a, const void *b)
{
    const struct local_model *left = a, *right = b;
    return view_compare(left->name, right->name);
}

const struct local_model *models_find(const struct models_snapshot *snapshot, struct view name)
{
    struct local_model key = { .name = name };
    return bsearch(&key, snapshot->models, snapshot->count, sizeof(*snapshot->models), by_name);
}

const struct local_model *models_default(const struct models_snapshot *snapshot, enum local_kind kind)
{
    return kind == LOCAL_TEXT ? snapshot->default_text : snapshot->default_embedding;
}

struct engine_model *models_engine_list(const struct models_snapshot *snapshot, struct arena *arena)
{
    struct engine_model *list = ARENA_ARRAY(arena, struct engine_model, snapshot->count);
    for (size_t i = 0; list != NULL && i < snapshot->count; i++) {
        const struct local_model *model = &snapshot->models[i];
        list[i] = (struct engine_model){ .name = model->name,
                                         .backend = model->backend,
                                         .embedding = model->kind == LOCAL_EMBEDDING,
                                         .path = model->path,
                                         .query_prefix = model->query_prefix,
                                         .document_prefix = model->document_prefix,
                                         .context = model->context,
                                         .file_bytes = model->file_bytes,
                                         .url = model->url,
                                         .remote_model = model->remote_model,
                                         .api_key = model->api_key };
    }
    return list;
}

/* ---- building one ---- */

struct builder {
    struct models_snapshot *snapshot;
    size_t capacity;                                        /* of its models */
    struct buf *problems;                                   /* may be NULL */
    bool directories;                                       /* what the disk holds is known, too */
};

static void tell(struct builder *builder, struct view what, const char *problem)
{
    if (builder->problems != NULL)
        buf_printf(builder->problems, VIEW_FMT ": %s\n", VIEW_ARG(what), problem);
}

static bool has_name(const struct models_snapshot *snapshot, struct view name)
{
    for (size_t i = 0; i < snapshot->count; i++) {
        if (view_eq(snapshot->models[i].name, name))
            return true;
    }
    return false;
}

/* The first of a name stays: the configuration goes before the data directory, and that before the shared one. */
static void add_model(struct builder *builder, const struct local_model *model)
{
    struct models_snapshot *snapshot = builder->snapshot;
    if (has_name(snapshot, model->name))
        return;
    if (snapshot->count == MAX_MODELS) {
        tell(builder, model->name, "there are too many models");
        return;
    }
    if (snapshot->count == builder->capacity) {
        size_t capacity = builder->capacity == 0 ? 16 : builder->capacity * 2;
        struct local_model *larger = arena_resize(snapshot->arena, snapshot->models, builder->capacity * sizeof(*larger),
                                                  capacity * sizeof(*larger));
        if (larger == NULL)
            return;
        snapshot->models = larger;
        builder->capacity = capacity;
    }
    snapshot->models[snapshot->count++] = *model;
}

static void add_folder(struct builder *builder, struct view directory, struct view name, bool shared)
{
    struct arena *arena = builder->snapshot->arena;
    const char *folder = arena_printf(arena, VIEW_FMT "/" VIEW_FMT, VIEW_ARG(directory), VIEW_ARG(name));
    const char *path = arena_printf(arena, "%s/model.gguf", folder);
    const char *manifest = arena_printf(arena, "%s/model.json", folder);
    if (arena_exhausted(arena) || strlen(folder) > MAX_PATH)
        return;
    struct stat file;
    if (!fs_exists(manifest) || stat(path, &file) != 0) {
        tell(builder, view_from_cstr(folder), "there is no finished model in this folder (model.gguf and model.json)");
        return;
    }
    char text[128];
    struct buf json = BUF_INIT(MANIFEST_BYTES);
    struct local_model model;
    const char *problem = NULL;
    int failed = fs_read_file(manifest, &json);
    if (failed != 0)
        problem = fs_error(failed, text, sizeof(text));
    if (failed != 0 || !manifest_read(arena, name, buf_view(&json), &model, &problem)) {
        tell(builder, view_from_cstr(folder), problem != NULL ? problem : "out of memory");
    } else {
        model.folder = view_from_cstr(folder);
        model.path = view_from_cstr(path);
        model.file_bytes = (uint64_t)file.st_size;
        model.shared = shared;
        add_model(builder, &model);
    }
    buf_free(&json);
}

/* Folders whose names are no model's, such as ".partial", belong to whoever made them. */
static void add_directory(struct builder *builder, struct view directory, bool shared)
{
    char path[MAX_PATH];
    if (directory.len == 0 || directory.len >= sizeof(path))
        return;
    memcpy(path, directory.ptr, directory.len);
    path[directory.len] = '\0';
    DIR *entries = opendir(path);
    if (entries == NULL)
        return;
    for (struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
        struct view name = view_from_cstr(entry->d_name);
        if (model_name_valid(name) && (entry->d_type == DT_DIR || entry->d_type == DT_LNK || entry->d_type == DT_UNKNOWN))
            add_folder(builder, directory, name, shared);
    }
    closedir(entries);
}

static void add_extras(struct builder *builder, const struct models_options *options)
{
    const struct local_model scripted = { .name = VIEW(MODELS_SCRIPTED),
                                          .kind = LOCAL_TEXT,
                                          .backend = ENGINE_SCRIPTED,
                                          .served_by = VIEW(MODELS_SCRIPTED) };
    add_model(builder, &scripted);
    for (size_t i = 0; i < options->extra_count; i++) {
        const struct models_extra *extra = &options->extras[i];
        struct arena *arena = builder->snapshot->arena;
        struct view name = arena_copy(arena, extra->name);
        add_model(builder, &(struct local_model){ .name = name,
                                                  .kind = extra->kind,
                                                  .backend = extra->backend,
                                                  .context = extra->context,
                                                  .dimensions = extra->dimensions,
                                                  .vision = extra->vision,
                                                  .url = arena_copy(arena, extra->url),
                                                  .remote_model = arena_copy(arena, extra->remote_model),
                                                  .api_key = arena_copy(arena, extra->api_key),
                                                  .served_by = name });
    }
}

/* The configured one; else one that its manifest offers, the data directory's before the shared one's; else the only sort of order
 * there is, by name. Scripted models stand in for nothing unless the configuration says so. */
static const struct local_model *choose_default(struct builder *builder, struct view wanted, enum local_kind kind)
{
    const struct models_snapshot *snapshot = builder->snapshot;
    if (wanted.len > 0) {
        const struct local_model *model = models_find(snapshot, wanted);
        if (model != NULL && model->kind == kind)
            return model;
        tell(builder, wanted, kind == LOCAL_TEXT ? "models.default_text is no text model of this server"
                                                 : "models.default_embedding is no embedding model of this server");
    }
    const struct local_model *best = NULL;
    int best_rank = 0;
    for (size_t i = 0; i < snapshot->count; i++) {
        const struct local_model *model = &snapshot->models[i];
        if (model->kind != kind || model->backend == ENGINE_SCRIPTED)
            continue;
        int rank = model->preferred ? (model->shared ? 2 : 3) : 1;
        if (rank > best_rank) {
            best_rank = rank;
            best = model;
        }
    }
    return best;
}

static void copy_rules(struct builder *builder, const struct models_options *options)
{
    struct models_snapshot *snapshot = builder->snapshot;
    struct models_rule *rules = ARENA_ARRAY(snapshot->arena, struct models_rule, options->rule_count);
    for (size_t i = 0; rules != NULL && i < options->rule_count; i++) {
        const struct models_rule *rule = &options->rules[i];
        if (builder->directories && models_find(snapshot, rule->model) == NULL)
            tell(builder, rule->pattern, "models.map names a model that this server does not have");
        rules[snapshot->rule_count++] = (struct models_rule){ .pattern = arena_copy(snapshot->arena, rule->pattern),
                                                              .model = arena_copy(snapshot->arena, rule->model),
                                                              .family = arena_copy(snapshot->arena, rule->family),
                                                              .raw_prompt = rule->raw_prompt };
    }
    snapshot->rules = rules;
}

/* directories: also what the disk holds. NULL when out of memory. */
static struct models_snapshot *build(const struct models_options *options, uint64_t version, bool directories, struct buf *problems)
{
    struct arena *arena = arena_create(SNAPSHOT_BYTES);
    struct models_snapshot *snapshot = arena != NULL ? ARENA_NEW(arena, struct models_snapshot) : NULL;
    if (snapshot == NULL) {
        arena_destroy(arena);
        return NULL;
    }
    atomic_init(&snapshot->references, 1);
    snapshot->version = version;
    snapshot->arena = arena;
    struct builder builder = { .snapshot = snapshot, .problems = problems, .directories = directories };
    add_extras(&builder, options);
    if (snapshot->count > 0) {                              /* the scripted one at least, unless memory is out */
        if (directories) {
            add_directory(&builder, options->data_models, false);
            add_directory(&builder, options->shared_models, true);
        }
        qsort(snapshot->models, snapshot->count, sizeof(*snapshot->models), by_name);
        snapshot->default_text = choose_default(&builder, directories ? options->default_text : VIEW(""), LOCAL_TEXT);
        snapshot->default_embedding = choose_default(&builder, directories ? options->default_embedding : VIEW(""), LOCAL_EMBEDDING);
        copy_rules(&builder, options);
    }
    if (arena_exhausted(arena)) {
        arena_destroy(arena);
        return NULL;
    }
    return snapshot;
}

/* ---- the registry ---- */

static bool copy_options(struct models *models, const struct models_options *from)
{
    struct arena *arena = models->arena;
    struct models_rule *rules = ARENA_ARRAY(arena, struct models_rule, from->rule_count);
    struct models_extra *extras = ARENA_ARRAY(arena, struct models_extra, from->extra_count);
    for (size_t i = 0; rules != NULL && i < from->rule_count; i++) {
        rules[i] = from->rules[i];
        rules[i].pattern = arena_copy(arena, from->rules[i].pattern);
        rules[i].model = arena_copy(arena, from->rules[i].model);
        rules[i].family = arena_copy(arena, from->rules[i].family);
    }
    for (size_t i = 0; extras != NULL && i < from->extra_count; i++) {
        extras[i] = from->extras[i];
        extras[i].name = arena_copy(arena, from->extras[i].name);
        extras[i].url = arena_copy(arena, from->extras[i].url);
        extras[i].remote_model = arena_copy(arena, from->extras[i].remote_model);
        extras[i].api_key = arena_copy(arena, from->extras[i].api_key);
    }
    models->options = (struct models_options){ .data_models = arena_copy(arena, from->data_models),
                                               .shared_models = arena_copy(arena, from->shared_models),
                                               .default_text = arena_copy(arena, from->default_text),
                                               .default_embedding = arena_copy(arena, from->default_embedding),
                                               .rules = rules,
                                               .rule_count = from->rule_count,
                                               .extras = extras,
                                               .extra_count = from->extra_count };
    return !arena_exhausted(arena);
}

struct models *models_create(const struct models_options *options)
{
    struct models *models = calloc(1, sizeof(*models));
    if (models == NULL)
        return NULL;
    pthread_mutex_init(&models->lock, NULL);
    pthread_mutex_init(&models->reloading, NULL);
    models->arena = arena_create(OPTIONS_BYTES);
    if (models->arena != NULL && copy_options(models, options))
        models->current = build(&models->options, 0, false, NULL);
    if (models->current == NULL) {
        models_destroy(models);
        return NULL;
    }
    return models;
}

void models_destroy(struct models *models)
{
    if (models == NULL)
        return;
    models_release(models->current);
    pthread_mutex_destroy(&models->lock);
    pthread_mutex_destroy(&models->reloading);
    arena_destroy(models->arena);
    free(models);
}

bool models_reload(struct models *models, struct buf *problems)
{
    pthread_mutex_lock(&models->reloading);
    struct models_snapshot *fresh = build(&models->options, models->version + 1, true, problems);
    if (fresh != NULL) {
        models->version++;
        swap(models, fresh);
    }
    pthread_mutex_unlock(&models->reloading);
    return fresh != NULL;
}
