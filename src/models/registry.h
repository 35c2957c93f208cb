/* models/registry.h - the models that this server really has, and which of them answers which model id.
 *
 * Local models are folders that hold model.gguf and model.json (models/manifest.h), in the data directory and in a shared,
 * read-only one; remote and scripted ones come from the configuration. Together with the mapping of ids they form an immutable,
 * reference-counted snapshot; models_reload() builds a new one and swaps it in, so that models which the command line adds or
 * removes take effect at once. Calls under way keep what they resolved.
 *
 * models_resolve() and models_acquire() may be called on any thread, the loop included: they copy and count, nothing more.
 */
#ifndef CRATON_MODELS_REGISTRY_H
#define CRATON_MODELS_REGISTRY_H

#include "engine/engine.h"
#include "families/family.h"
#include "models/catalog.h"

#define MODELS_SCRIPTED "craton.scripted-v1"                /* always there: echoes */

enum local_kind { LOCAL_TEXT, LOCAL_EMBEDDING };

/* One model that can answer. */
struct local_model {
    struct view name;                                       /* also a model id */
    enum local_kind kind;
    enum engine_backend backend;
    bool shared;                                            /* from the shared directory: not removable */
    bool preferred;                                         /* its manifest offers it as default of its kind */
    struct view folder;                                     /* local backend */
    struct view path;                                       /* local backend: the GGUF */
    uint64_t file_bytes;                                    /* of it */
    struct view layout;                                     /* "Q8_0"; empty when unknown */
    struct view architecture;                               /* "llama"; empty when unknown */
    int64_t context, dimensions;                            /* 0: unknown */
    struct view query_prefix, document_prefix;
    bool vision;
    struct view url, remote_model, api_key;                 /* remote backend */
    struct view served_by;                                  /* for x-craton-served-by: "smollm2; layout=Q8_0" */
};

/* ---- configuration ---- */

struct models_rule {                                        /* models.map: the first that fits decides */
    struct view pattern;                                    /* of ids, as in the catalogue: '#' digits, '*' anything */
    struct view model;                                      /* a local model's name */
    struct view family;                                     /* empty: the catalogue's, else the OpenAI chat body */
    bool raw_prompt;                                        /* prompts stay as they are */
};

struct models_extra {                                       /* a remote model, or a scripted one */
    struct view name;
    enum engine_backend backend;
    enum local_kind kind;
    int64_t context, dimensions;
    bool vision;
    struct view url, remote_model, api_key;                 /* remote */
};

struct models_options {                                     /* all of it is copied */
    struct view data_models;                                /* DATA/models; need not exist */
    struct view shared_models;                              /* empty: none */
    struct view default_text, default_embedding;            /* names; empty: chosen by the manifests */
    const struct models_rule *rules;
    size_t rule_count;
    const struct models_extra *extras;
    size_t extra_count;
};

/* ---- the registry ---- */

struct models;
struct models_snapshot;

struct models *models_create(const struct models_options *options);    /* empty but for the scripted model; NULL: no memory */
void models_destroy(struct models *models);                 /* NULL is fine; snapshots still held stay valid */

/* Reads the directories again. Blocks: not on the loop. Folders that are no models, and rules that name no model, are told in
 * problems (lines of text; may be NULL); such a folder is left out, an id with such a rule is refused.
 * False when out of memory: then nothing has changed. */
bool models_reload(struct models *models, struct buf *problems);

struct models_snapshot *models_acquire(struct models *models);
void models_release(struct models_snapshot *snapshot);      /* NULL is fine */
uint64_t models_version(const struct models_snapshot *snapshot);        /* grows with each reload */
size_t models_count(const struct models_snapshot *snapshot);
const struct local_model *models_at(const struct models_snapshot *snapshot, size_t index);      /* by name */
const struct local_model *models_find(const struct models_snapshot *snapshot, struct view name);
const struct local_model *models_default(const struct models_snapshot *snapshot, enum local_kind kind);  /* NULL: there is none */

/* What engine_set_models() takes: as many as models_count(). NULL when the arena is exhausted. Borrows from the snapshot. */
struct engine_model *models_engine_list(const struct models_snapshot *snapshot, struct arena *arena);

/* ---- which model answers an id ---- */

struct model_target {
    struct view local;                                      /* the model that the engine knows */
    struct view served_by;
    bool embedding;                                         /* vectors; else text, which Converse serves too */
    const struct catalog_entry *entry;                      /* NULL: the id is of this server alone */
    const struct family *family;                            /* of its InvokeModel bodies; never NULL */
    struct family_model family_model;
};

/* Resolves any accepted form of a model id. AWS_OK, or an error with its message in *problem: AWS_VALIDATION for an identifier that
 * nobody has, AWS_RESOURCE_NOT_FOUND for an ARN of something that was not made here, AWS_VALIDATION or AWS_SERVICE_UNAVAILABLE for
 * a model that no local model can stand in for. Everything in *out lives in the arena or is constant. */
enum aws_status models_resolve(struct models *models, struct arena *arena, struct view id, struct model_target *out,
                               const char **problem);

/* The same on a snapshot that the caller holds. */
enum aws_status models_resolve_in(const struct models_snapshot *snapshot, struct arena *arena, struct view id,
                                  struct model_target *out, const char **problem);

#endif
