/* objects/record.c - an object as a record of the store: id "bucket/key", so that a scan by id gives the keys in order; its JSON says
 * the rest, and the first index value names its bytes. */
#include "objects/internal.h"

#include "base/json.h"
#include "base/utf8.h"

bool key_is_valid(struct view key)
{
    return key.len > 0 && key.len <= OBJECT_KEY_MAX && view_find_byte(key, '\0') == VIEW_NPOS && utf8_valid(key);
}

struct store_key object_key(struct arena *arena, struct view bucket, struct view key)
{
    const char *id = arena_printf(arena, VIEW_FMT "/" VIEW_FMT, VIEW_ARG(bucket), VIEW_ARG(key));
    bool own = view_is(bucket, OBJECT_OWN_BUCKET);
    return (struct store_key){ .kind = own ? VIEW(OBJECT_OWN_KIND) : VIEW(OBJECT_KIND), .account = VIEW(""), .region = VIEW(""),
                               .id = view_from_cstr(id) };
}

/* ---- checksums ---- */

static const struct {
    const char *name;
    enum checksum_type type;
} checksums[] = {
    [OBJECT_CRC32] = { "CRC32", CHECKSUM_CRC32 },
    [OBJECT_CRC32C] = { "CRC32C", CHECKSUM_CRC32C },
    [OBJECT_CRC64NVME] = { "CRC64NVME", CHECKSUM_CRC64NVME },
    [OBJECT_SHA1] = { "SHA1", CHECKSUM_SHA1 },
    [OBJECT_SHA256] = { "SHA256", CHECKSUM_SHA256 },
};

const char *checksum_name(enum object_checksum checksum)
{
    return checksum != OBJECT_CHECKSUM_NONE ? checksums[checksum].name : "";
}

enum object_checksum checksum_of_name(struct view name)
{
    for (enum object_checksum c = OBJECT_CRC32; c <= OBJECT_SHA256; c++) {
        if (view_is(name, checksums[c].name))
            return c;
    }
    return OBJECT_CHECKSUM_NONE;
}

enum checksum_type checksum_type_of(enum object_checksum checksum)
{
    return checksums[checksum].type;
}

/* ---- writing ---- */

static void write_fields(struct json_writer *w, const char *key, const struct object_field *fields, size_t count)
{
    if (count == 0)
        return;
    json_key(w, key);
    json_array(w);
    for (size_t i = 0; i < count; i++) {
        json_array(w);
        json_write_string(w, fields[i].name);
        json_write_string(w, fields[i].value);
        json_end(w);
    }
    json_end(w);
}

bool info_write(const struct object_info *info, struct view upload, struct buf *json)
{
    struct json_writer w;
    json_writer_init(&w, json);
    json_object(&w);
    json_put_i64(&w, "size", (int64_t)info->size);
    json_put_i64(&w, "modified", info->modified_ms);
    json_put_string(&w, "etag", info->etag);
    json_put_string(&w, "type", info->content_type);
    if (info->checksum != OBJECT_CHECKSUM_NONE) {
        json_put_cstr(&w, "checksum", checksum_name(info->checksum));
        json_put_string(&w, "sum", info->checksum_value);
    }
    if (info->part_count > 0)
        json_put_i64(&w, "parts", info->part_count);
    if (upload.len > 0)
        json_put_string(&w, "upload", upload);
    write_fields(&w, "fields", info->fields, info->field_count);
    write_fields(&w, "tags", info->tags, info->tag_count);
    json_end(&w);
    return !json_writer_failed(&w);
}

/* ---- reading ---- */

static bool read_fields(struct arena *arena, const struct json *list, const struct object_field **out, size_t *count)
{
    size_t size = json_size(list);
    struct object_field *fields = ARENA_ARRAY(arena, struct object_field, size + 1);
    if (fields == NULL)
        return false;
    for (size_t i = 0; i < size; i++) {
        const struct json *pair = json_at(list, i);
        fields[i] = (struct object_field){ json_string(json_at(pair, 0)), json_string(json_at(pair, 1)) };
    }
    *out = fields;
    *count = size;
    return true;
}

bool info_read(struct arena *arena, const struct store_record *record, struct object_info *out)
{
    const struct json *json = json_parse(arena, record->json, RECORD_DEPTH, NULL);
    struct view id = record->key.id;
    int64_t size = 0, modified = 0, parts = 0;
    if (json == NULL)
        return false;
    json_get_i64(json, "size", &size);
    json_get_i64(json, "modified", &modified);
    json_get_i64(json, "parts", &parts);
    *out = (struct object_info){
        .bucket = view_split(&id, '/'),
        .key = id,
        .id = record->index[0],
        .size = (uint64_t)size,
        .modified_ms = modified,
        .etag = json_get_string(json, "etag"),
        .content_type = json_get_string(json, "type"),
        .checksum = checksum_of_name(json_get_string(json, "checksum")),
        .checksum_value = json_get_string(json, "sum"),
        .part_count = (unsigned)parts,
    };
    return read_fields(arena, json_get(json, "fields"), &out->fields, &out->field_count) &&
           read_fields(arena, json_get(json, "tags"), &out->tags, &out->tag_count);
}

struct view info_upload(struct arena *arena, const struct store_record *record)
{
    return json_get_string(json_parse(arena, record->json, RECORD_DEPTH, NULL), "upload");
}

/* ---- copying ---- */

bool fields_copy(struct arena *arena, const struct object_field *fields, size_t count, const struct object_field **out)
{
    struct object_field *copy = ARENA_ARRAY(arena, struct object_field, count + 1);
    for (size_t i = 0; i < count && copy != NULL; i++)
        copy[i] = (struct object_field){ arena_copy(arena, fields[i].name), arena_copy(arena, fields[i].value) };
    *out = copy;
    return !arena_exhausted(arena);
}

bool info_copy(struct arena *arena, const struct object_info *info, struct object_info *out)
{
    *out = *info;
    out->bucket = arena_copy(arena, info->bucket);
    out->key = arena_copy(arena, info->key);
    out->id = arena_copy(arena, info->id);
    out->etag = arena_copy(arena, info->etag);
    out->content_type = arena_copy(arena, info->content_type);
    out->checksum_value = arena_copy(arena, info->checksum_value);
    return fields_copy(arena, info->fields, info->field_count, &out->fields) &&
           fields_copy(arena, info->tags, info->tag_count, &out->tags);
}
