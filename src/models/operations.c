#include "models/operations.h"

#include "models/snapshot.h"

#define INFERENCE_SERVED "ON_DEMAND"                        /* the only type so far, also for ids that Bedrock serves otherwise */
#define LOCAL_PROVIDER   "Craton"

static bool matches(struct view wanted, const char *value)
{
    return wanted.len == 0 || view_is(wanted, value);
}

static struct view provider_of(const struct model_target *target)
{
    return target->entry != NULL ? target->entry->provider : VIEW(LOCAL_PROVIDER);
}

static const char *output_of(const struct model_target *target)
{
    return target->embedding ? "EMBEDDING" : "TEXT";
}

/* No model here is customizable yet, so any wish for that finds nothing. */
static bool passes(const struct models_filter *filter, const struct model_target *target)
{
    return (filter->provider.len == 0 || view_eq_nocase(filter->provider, provider_of(target))) &&
           matches(filter->output_modality, output_of(target)) && matches(filter->inference_type, INFERENCE_SERVED) &&
           filter->customization.len == 0;
}

void models_write_details(const struct model_target *target, struct view region, struct json_writer *out)
{
    struct view id = target->family_model.id;
    struct buf arn = BUF_INIT(1024);
    buf_printf(&arn, "arn:aws:bedrock:" VIEW_FMT "::foundation-model/" VIEW_FMT, VIEW_ARG(region), VIEW_ARG(id));
    json_object(out);
    json_put_string(out, "modelArn", buf_view(&arn));
    json_put_string(out, "modelId", id);
    json_put_string(out, "modelName", target->entry != NULL ? target->entry->name : view_first(id, 20));
    json_put_string(out, "providerName", provider_of(target));
    json_key(out, "inputModalities");
    json_array(out);
    json_write_cstr(out, "TEXT");
    if (target->family_model.vision)
        json_write_cstr(out, "IMAGE");
    json_end(out);
    json_key(out, "outputModalities");
    json_array(out);
    json_write_cstr(out, output_of(target));
    json_end(out);
    json_put_bool(out, "responseStreamingSupported", target->family->stream.delta != NULL);
    json_key(out, "customizationsSupported");
    json_array(out);
    json_end(out);
    json_key(out, "inferenceTypesSupported");
    json_array(out);
    json_write_cstr(out, INFERENCE_SERVED);
    json_end(out);
    json_key(out, "modelLifecycle");
    json_object(out);
    json_put_cstr(out, "status", target->entry != NULL && target->entry->legacy ? "LEGACY" : "ACTIVE");
    json_end(out);
    json_end(out);
    buf_free(&arn);
}

/* Writes the id's summary when somebody answers it. */
static void write_summary(const struct models_snapshot *snapshot, struct arena *arena, struct view id, struct view region,
                          const struct models_filter *filter, struct json_writer *out)
{
    struct model_target target;
    const char *problem;
    if (models_resolve_in(snapshot, arena, id, &target, &problem) == AWS_OK && passes(filter, &target))
        models_write_details(&target, region, out);
}

static bool is_exact(struct view pattern)
{
    return view_find_byte(pattern, '*') == VIEW_NPOS && view_find_byte(pattern, '#') == VIEW_NPOS;
}

/* A rule for one id that nobody else lists. */
static bool rule_adds(const struct models_snapshot *snapshot, size_t index)
{
    struct view id = snapshot->rules[index].pattern;
    const struct catalog_entry *entry = is_exact(id) ? catalog_find(id) : NULL;
    if (!is_exact(id) || (entry != NULL && view_eq(entry->id, id)) || models_find(snapshot, id) != NULL)
        return false;
    for (size_t i = 0; i < index; i++) {
        if (view_eq(snapshot->rules[i].pattern, id))
            return false;
    }
    return true;
}

bool models_write_summaries(const struct models_snapshot *snapshot, struct arena *arena, struct view region,
                            const struct models_filter *filter, struct json_writer *out)
{
    json_array(out);
    for (size_t i = 0; i < catalog_entry_count; i++) {
        if (!catalog_entries[i].pattern)
            write_summary(snapshot, arena, catalog_entries[i].id, region, filter, out);
    }
    for (size_t i = 0; i < snapshot->count; i++) {
        const struct catalog_entry *entry = catalog_find(snapshot->models[i].name);
        if (entry == NULL || !view_eq(entry->id, snapshot->models[i].name))
            write_summary(snapshot, arena, snapshot->models[i].name, region, filter, out);
    }
    for (size_t i = 0; i < snapshot->rule_count; i++) {
        if (rule_adds(snapshot, i))
            write_summary(snapshot, arena, snapshot->rules[i].pattern, region, filter, out);
    }
    json_end(out);
    return !arena_exhausted(arena);
}

/* ---- operations ---- */

enum aws_status list_foundation_models(struct call *call)
{
    struct models_filter filter = { .provider = call_query(call, "byProvider"),
                                    .output_modality = call_query(call, "byOutputModality"),
                                    .inference_type = call_query(call, "byInferenceType"),
                                    .customization = call_query(call, "byCustomizationType") };
    struct models_snapshot *snapshot = models_acquire(call_context(call));
    struct json_writer *reply = call_reply(call);
    json_object(reply);
    json_key(reply, "modelSummaries");
    bool written = models_write_summaries(snapshot, call_arena(call), call_region(call), &filter, reply);
    json_end(reply);
    models_release(snapshot);
    return written ? AWS_OK : call_fail(call, AWS_INTERNAL_SERVER, "The server is out of memory.");
}

enum aws_status get_foundation_model(struct call *call)
{
    struct model_target target;
    const char *problem;
    struct view id = call_label(call, "modelIdentifier");
    if (models_resolve(call_context(call), call_arena(call), id, &target, &problem) != AWS_OK)
        return call_fail(call, AWS_RESOURCE_NOT_FOUND, "Could not resolve the foundation model from the provided model identifier.");
    struct json_writer *reply = call_reply(call);
    json_object(reply);
    json_key(reply, "modelDetails");
    models_write_details(&target, call_region(call), reply);
    json_end(reply);
    return AWS_OK;
}

const struct handler_row models_handlers[] = {
    { "GetFoundationModel", get_foundation_model, false },
    { "ListFoundationModels", list_foundation_models, false },
};
const size_t models_handler_count = sizeof(models_handlers) / sizeof(models_handlers[0]);
