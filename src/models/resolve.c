/* models/resolve.c - from the modelId of a call to the model that answers it; see registry.h. */
#include "models/snapshot.h"

#define INVALID_ID       "The provided model identifier is invalid."
#define DEFAULT_TEXT      "openai-chat"
#define DEFAULT_EMBEDDING "titan-embed-v2"

/* What an id asks for, before it is known who answers. */
struct asked {
    struct view id;                                         /* without ARN and prefix */
    const struct catalog_entry *entry;
    const struct models_rule *rule;                         /* of the configuration; NULL: none */
    const struct local_model *local;
};

static const struct models_rule *find_rule(const struct models_snapshot *snapshot, const struct model_id *id)
{
    for (size_t i = 0; i < snapshot->rule_count; i++) {
        const struct models_rule *rule = &snapshot->rules[i];
        if (catalog_pattern_fits(rule->pattern, id->id) || (id->profile.len > 0 && catalog_pattern_fits(rule->pattern, id->profile)))
            return rule;
    }
    return NULL;
}

static bool makes_vectors(const struct catalog_entry *entry)
{
    return entry->output == MODALITY_EMBEDDING;
}

/* Who answers: a rule's model, a local model of just this name, or the default of the kind that the catalogue knows. */
static void find_local(const struct models_snapshot *snapshot, const struct model_id *id, struct view text, struct asked *asked)
{
    asked->entry = catalog_find(id->id);
    asked->rule = find_rule(snapshot, id);
    if (asked->rule != NULL) {
        asked->local = models_find(snapshot, asked->rule->model);
        return;
    }
    asked->local = models_find(snapshot, id->id);
    if (asked->local == NULL)
        asked->local = models_find(snapshot, text);
    if (asked->local == NULL && asked->entry != NULL && asked->entry->family.len > 0)
        asked->local = models_default(snapshot, makes_vectors(asked->entry) ? LOCAL_EMBEDDING : LOCAL_TEXT);
}

__attribute__((format(printf, 4, 5))) static enum aws_status refuse(struct arena *arena, enum aws_status status, const char **problem,
                                                                    const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *text = arena_vprintf(arena, format, args);
    va_end(args);
    *problem = text != NULL ? text : "The server is out of memory.";
    return status;
}

/* Nobody answers: because nobody knows the id, or because no model here can. */
static enum aws_status nobody(struct arena *arena, const struct asked *asked, const char **problem)
{
    if (asked->rule != NULL)
        return refuse(arena, AWS_SERVICE_UNAVAILABLE, problem,
                      "The configuration maps " VIEW_FMT " to " VIEW_FMT ", which is no model of this server. Add it with `craton models "
                      "add`.", VIEW_ARG(asked->id), VIEW_ARG(asked->rule->model));
    if (asked->entry == NULL) {
        *problem = INVALID_ID;
        return AWS_VALIDATION;
    }
    if (asked->entry->family.len == 0)
        return refuse(arena, AWS_VALIDATION, problem,
                      "This server can't run " VIEW_FMT ": it has no model of that kind. ListFoundationModels lists what it answers.",
                      VIEW_ARG(asked->id));
    return refuse(arena, AWS_SERVICE_UNAVAILABLE, problem,
                  makes_vectors(asked->entry)
                      ? "This server has no embedding model that could answer for " VIEW_FMT ". Add one with `craton models add`."
                      : "This server has no text model that could answer for " VIEW_FMT ". Add one with `craton models add`.",
                  VIEW_ARG(asked->id));
}

static const struct family *family_of(const struct asked *asked)
{
    bool embedding = asked->local->kind == LOCAL_EMBEDDING;
    const struct family *family = NULL;
    if (asked->rule != NULL && asked->rule->family.len > 0)
        family = family_find(asked->rule->family);
    else if (asked->entry != NULL)
        family = family_find(asked->entry->family);
    if (family == NULL)
        family = family_find(embedding ? VIEW(DEFAULT_EMBEDDING) : VIEW(DEFAULT_TEXT));
    return family;
}

/* The scripted model does whatever the family asks for. */
static bool answers_vectors(const struct local_model *local, const struct family *family)
{
    return local->backend == ENGINE_SCRIPTED ? family->embedding != NULL : local->kind == LOCAL_EMBEDDING;
}

static enum aws_status fill(struct arena *arena, const struct asked *asked, struct model_target *out, const char **problem)
{
    const struct local_model *local = asked->local;
    const struct catalog_entry *entry = asked->entry;
    const struct family *family = family_of(asked);
    bool embedding = answers_vectors(local, family);
    if (embedding != (family->embedding != NULL))
        return refuse(arena, AWS_VALIDATION, problem,
                      "The configuration maps " VIEW_FMT " to a local model of another kind: text ids need a text model, embedding ids an "
                      "embedding model.", VIEW_ARG(asked->id));
    *out = (struct model_target){
        .local = arena_copy(arena, local->name),
        .served_by = arena_copy(arena, local->served_by),
        .embedding = embedding,
        .entry = entry,
        .family = family,
        .family_model = { .id = arena_copy(arena, asked->id),
                          .max_output_tokens = entry != NULL ? entry->max_output : 0,
                          .dimensions = entry != NULL ? entry->dimensions : 0,
                          .raw_prompt = asked->rule != NULL && asked->rule->raw_prompt,
                          .vision = local->vision && (entry == NULL || (entry->input & MODALITY_IMAGE)) },
    };
    if (!arena_exhausted(arena))
        return AWS_OK;
    *problem = "The server is out of memory.";
    return AWS_SERVICE_UNAVAILABLE;
}

enum aws_status models_resolve_in(const struct models_snapshot *snapshot, struct arena *arena, struct view text, struct model_target *out,
                                  const char **problem)
{
    struct model_id id = model_id_parse(text);
    struct asked asked = { .id = id.id };
    *problem = INVALID_ID;
    if (id.form == MODEL_ID_MALFORMED)
        return AWS_VALIDATION;
    if (id.form == MODEL_ID_RESOURCE)
        return refuse(arena, AWS_RESOURCE_NOT_FOUND, problem, "Could not find the resource " VIEW_FMT ".", VIEW_ARG(text));
    find_local(snapshot, &id, text, &asked);
    if (asked.local == NULL)
        return nobody(arena, &asked, problem);
    return fill(arena, &asked, out, problem);
}

enum aws_status models_resolve(struct models *models, struct arena *arena, struct view id, struct model_target *out, const char **problem)
{
    struct models_snapshot *snapshot = models_acquire(models);
    enum aws_status status = models_resolve_in(snapshot, arena, id, out, problem);
    models_release(snapshot);
    return status;
}
