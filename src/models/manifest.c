#include "models/manifest.h"

#include "base/json.h"

#define MAX_NAME       128
#define MAX_DEPTH      32
#define MAX_CONTEXT    (1 << 24)
#define MAX_DIMENSIONS 65536

bool model_name_valid(struct view name)
{
    if (name.len == 0 || name.len > MAX_NAME || name.ptr[0] == '.' || name.ptr[0] == '_' || name.ptr[0] == '-')
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
        if (!fine)
            return false;
    }
    return true;
}

static bool number_within(const struct json *root, const char *key, int64_t most, int64_t *out)
{
    *out = 0;
    return json_get(root, key) == NULL || (json_get_i64(root, key, out) && *out >= 0 && *out <= most);
}

static struct view copied(struct arena *arena, const struct json *root, const char *key)
{
    return arena_copy(arena, json_get_string(root, key));
}

bool manifest_read(struct arena *arena, struct view name, struct view json, struct local_model *out, const char **problem)
{
    struct json_error error = { .message = "out of memory" };
    const struct json *root = json_parse(arena, json, MAX_DEPTH, &error);
    *problem = NULL;
    if (root == NULL) {
        *problem = arena_printf(arena, "model.json is no JSON: %s at byte %zu", error.message, error.offset);
        return false;
    }
    struct view kind = json_get_string(root, "kind"), own_name = json_get_string(root, "name");
    *out = (struct local_model){ .name = arena_copy(arena, name), .backend = ENGINE_LOCAL };
    if (view_is(kind, "text"))
        out->kind = LOCAL_TEXT;
    else if (view_is(kind, "embedding"))
        out->kind = LOCAL_EMBEDDING;
    else
        *problem = "the kind in model.json is neither text nor embedding";
    if (own_name.len > 0 && !view_eq(own_name, name))
        *problem = "the name in model.json is not that of its folder";
    if (!number_within(root, "context", MAX_CONTEXT, &out->context) || !number_within(root, "dimensions", MAX_DIMENSIONS, &out->dimensions))
        *problem = "context or dimensions in model.json is out of range";

    out->layout = copied(arena, root, "layout");
    out->architecture = copied(arena, root, "architecture");
    out->query_prefix = copied(arena, root, "query_prefix");
    out->document_prefix = copied(arena, root, "document_prefix");
    out->preferred = json_bool(json_get(root, "default"), false);
    out->vision = json_bool(json_get(root, "vision"), false);
    const char *served_by = out->layout.len > 0
                                ? arena_printf(arena, VIEW_FMT "; layout=" VIEW_FMT, VIEW_ARG(out->name), VIEW_ARG(out->layout))
                                : out->name.ptr;
    out->served_by = view_from_cstr(served_by);
    if (arena_exhausted(arena))
        *problem = "out of memory";
    return *problem == NULL;
}
