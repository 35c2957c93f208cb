#include "worker/safetensors.h"

static const struct {
    const char *name;
    enum safetensors_type type;
    unsigned bytes; /* of one element */
} types[] = {
    { "F32", ST_F32, 4 },
    { "F16", ST_F16, 2 },
    { "BF16", ST_BF16, 2 },
    { "F64", ST_OTHER, 8 },
    { "I64", ST_OTHER, 8 },
    { "U64", ST_OTHER, 8 },
    { "I32", ST_OTHER, 4 },
    { "U32", ST_OTHER, 4 },
    { "I16", ST_OTHER, 2 },
    { "U16", ST_OTHER, 2 },
    { "I8", ST_OTHER, 1 },
    { "U8", ST_OTHER, 1 },
    { "BOOL", ST_OTHER, 1 },
    { "F8_E4M3", ST_OTHER, 1 },
    { "F8_E5M2", ST_OTHER, 1 },
};

/* The element's size by the type's name; 0: unknown. */
static unsigned read_type(struct view name, struct safetensor *out)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (view_is(name, types[i].name)) {
            out->type = types[i].type;
            return types[i].bytes;
        }
    return 0;
}

/* How many bytes the shape takes; false when it is malformed or too large for a number. */
static bool read_shape(const struct json *shape, unsigned element, struct safetensor *out, uint64_t *bytes)
{
    if (!json_is(shape, JSON_ARRAY) || json_size(shape) > SAFETENSORS_DIMS)
        return false;
    *bytes = element;
    out->dims = (unsigned)json_size(shape);
    for (unsigned i = 0; i < SAFETENSORS_DIMS; i++)
        out->shape[i] = 1;
    for (unsigned i = 0; i < out->dims; i++) {
        int64_t extent;
        if (!json_to_i64(json_at(shape, i), &extent) || extent < 0 || __builtin_mul_overflow(*bytes, (uint64_t)extent, bytes))
            return false;
        out->shape[i] = (uint64_t)extent;
    }
    return true;
}

static const char *read_tensor(struct view name, const struct json *entry, struct view data, struct safetensor *out)
{
    int64_t begin, end;
    uint64_t bytes;
    unsigned element = read_type(json_get_string(entry, "dtype"), out);
    const struct json *offsets = json_get(entry, "data_offsets");
    if (element == 0)
        return "a tensor has an unknown type";
    if (!read_shape(json_get(entry, "shape"), element, out, &bytes))
        return "a tensor has a malformed shape";
    if (json_size(offsets) != 2 || !json_to_i64(json_at(offsets, 0), &begin) || !json_to_i64(json_at(offsets, 1), &end) || begin < 0 ||
        end < begin || (uint64_t)end > data.len)
        return "a tensor lies outside of the file";
    if ((uint64_t)(end - begin) != bytes)
        return "a tensor's size does not fit its shape";
    out->name = name;
    out->data = view_of(data.ptr + begin, (size_t)(end - begin));
    return NULL;
}

static const char *parse(struct arena *arena, struct view file, struct safetensors *out)
{
    uint64_t length = 0;
    if (file.len < 8)
        return "the file is too short";
    for (unsigned i = 0; i < 8; i++)
        length |= (uint64_t)(unsigned char)file.ptr[i] << (8 * i);
    if (length > SAFETENSORS_HEADER_MAX || length > file.len - 8)
        return "the header is longer than the file, or than can be";
    const struct json *header = json_parse(arena, view_of(file.ptr + 8, (size_t)length), 8, NULL);
    if (!json_is(header, JSON_OBJECT))
        return "the header is not a JSON object";
    size_t room = out->count + json_size(header);
    struct safetensor *list = ARENA_ARRAY(arena, struct safetensor, room + 1);
    if (list == NULL)
        return "out of memory";
    if (out->count > 0)
        memcpy(list, out->list, out->count * sizeof *list);
    out->list = list;
    struct json_iter it = json_iter(header);
    while (json_next(&it)) {
        if (view_is(it.key, "__metadata__"))
            continue;
        const char *problem = read_tensor(it.key, it.value, view_from(file, 8 + (size_t)length), &out->list[out->count]);
        if (problem != NULL)
            return problem;
        out->count++;
    }
    return NULL;
}

bool safetensors_parse(struct arena *arena, struct view file, struct safetensors *out, const char **problem)
{
    *problem = parse(arena, file, out);
    return *problem == NULL;
}

const struct safetensor *safetensors_find(const struct safetensors *all, struct view name)
{
    for (size_t i = 0; i < all->count; i++)
        if (view_eq(all->list[i].name, name))
            return &all->list[i];
    return NULL;
}
