/* objects/remote_object.c - looking at, reading, listing, tagging and deleting objects on another S3. */
#include "objects/remote.h"

#include "base/encode.h"

#include <stdio.h>

#define LIMIT_MAX 1000

/* ---- one object ---- */

static bool is_field(struct view name)
{
    static const char *const names[] = { "cache-control", "content-disposition", "content-encoding", "content-language", "expires" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (view_is(name, names[i]))
            return true;
    }
    return view_starts_with(name, VIEW("x-amz-meta-"));
}

static void read_checksum(const struct remote_reply *reply, struct object_info *out)
{
    static const char *const names[] = {
        [OBJECT_CRC32] = "x-amz-checksum-crc32",         [OBJECT_CRC32C] = "x-amz-checksum-crc32c",
        [OBJECT_CRC64NVME] = "x-amz-checksum-crc64nvme", [OBJECT_SHA1] = "x-amz-checksum-sha1",
        [OBJECT_SHA256] = "x-amz-checksum-sha256",
    };
    for (enum object_checksum c = OBJECT_CRC32; c <= OBJECT_SHA256; c++) {
        struct view value = remote_reply_header(reply, names[c]);
        if (value.len == 0)
            continue;
        out->checksum = c;
        out->checksum_value = value;
    }
}

/* "…-3" is the ETag of an upload of three parts. */
static unsigned parts_of(struct view etag)
{
    uint64_t count = 0;
    size_t dash = view_find_byte(etag, '-');
    return dash != VIEW_NPOS && view_to_u64(view_from(etag, dash + 1), &count) && count <= OBJECT_PARTS_MAX ? (unsigned)count : 0;
}

bool remote_read_info(struct arena *arena, const struct remote_reply *reply, struct object_info *out)
{
    struct object_field *fields = ARENA_ARRAY(arena, struct object_field, REMOTE_HEADERS_MAX);
    if (fields == NULL || !view_to_u64(remote_reply_header(reply, "content-length"), &out->size))
        return false;
    for (size_t i = 0; i < reply->header_count; i++) {
        if (is_field(reply->headers[i].name))
            fields[out->field_count++] = reply->headers[i];
    }
    out->fields = fields;
    out->etag = out->id = remote_etag(remote_reply_header(reply, "etag"));
    out->content_type = remote_reply_header(reply, "content-type");
    out->part_count = parts_of(out->etag);
    clock_parse_http(remote_reply_header(reply, "last-modified"), &out->modified_ms);
    read_checksum(reply, out);
    return true;
}

static enum object_status read_tags(struct objects *objects, const struct object_remote *remote, struct arena *arena, struct view key,
                                    struct object_info *out)
{
    struct remote_request request = { .objects = objects, .remote = remote, .method = "GET", .key = key };
    struct remote_reply *reply = ARENA_NEW(arena, struct remote_reply);
    size_t count = 0;
    remote_query(&request, "tagging", VIEW(""));
    enum object_status status = reply != NULL ? remote_send(&request, arena, reply) : OBJECT_NO_MEMORY;
    if (status != OBJECT_OK)
        return status;
    const struct xml *first = xml_get(xml_get(remote_reply_xml(reply, arena, "Tagging"), "TagSet"), "Tag");
    for (const struct xml *tag = first; tag != NULL; tag = xml_again(tag))
        count++;
    struct object_field *tags = ARENA_ARRAY(arena, struct object_field, count + 1);
    if (tags == NULL)
        return OBJECT_NO_MEMORY;
    for (const struct xml *tag = first; tag != NULL; tag = xml_again(tag))
        tags[out->tag_count++] = (struct object_field){ xml_text(tag, "Key"), xml_text(tag, "Value") };
    out->tags = tags;
    return OBJECT_OK;
}

enum object_status remote_head(struct objects *objects, const struct object_remote *remote, struct arena *arena, struct view key,
                               struct object_info *out)
{
    struct remote_request request = { .objects = objects, .remote = remote, .method = "HEAD", .key = key };
    struct remote_reply *reply = ARENA_NEW(arena, struct remote_reply);
    uint64_t tags = 0;
    *out = (struct object_info){ .bucket = arena_copy(arena, remote->bucket), .key = arena_copy(arena, key) };
    if (reply == NULL || !remote_header(&request, arena, "x-amz-checksum-mode", VIEW("ENABLED")))
        return OBJECT_NO_MEMORY;
    enum object_status status = remote_send(&request, arena, reply);
    if (status != OBJECT_OK)
        return status;
    if (!remote_read_info(arena, reply, out))
        return arena_exhausted(arena) ? OBJECT_NO_MEMORY : OBJECT_ERROR;
    view_to_u64(remote_reply_header(reply, "x-amz-tagging-count"), &tags);
    return tags > 0 ? read_tags(objects, remote, arena, key, out) : OBJECT_OK;
}

enum object_status remote_read(struct objects *objects, const struct object_remote *remote, struct view key, struct view etag,
                               uint64_t offset, char *out, size_t len, size_t *got)
{
    struct remote_request request = { .objects = objects, .remote = remote, .method = "GET", .key = key, .into = out, .into_size = len };
    struct arena *arena = arena_create(SCRATCH_MAX);
    struct remote_reply *reply = arena != NULL ? ARENA_NEW(arena, struct remote_reply) : NULL;
    enum object_status status = OBJECT_NO_MEMORY;
    *got = 0;
    if (reply != NULL) {
        const char *range = arena_printf(arena, "bytes=%llu-%llu", (unsigned long long)offset, (unsigned long long)(offset + len - 1));
        const char *same = arena_printf(arena, "\"" VIEW_FMT "\"", VIEW_ARG(etag));
        bool ok = range != NULL && same != NULL && remote_header(&request, arena, "range", view_from_cstr(range)) &&
                  (etag.len == 0 || remote_header(&request, arena, "if-match", view_from_cstr(same)));
        if (ok)
            status = remote_send(&request, arena, reply);
        *got = reply->got;
    }
    arena_destroy(arena);
    return status == OBJECT_PRECONDITION_FAILED ? OBJECT_BUSY : status;     /* it was replaced: read it anew */
}

enum object_status remote_delete(struct objects *objects, const struct object_remote *remote, struct view key)
{
    struct remote_request request = { .objects = objects, .remote = remote, .method = "DELETE", .key = key };
    struct arena *arena = arena_create(SCRATCH_MAX);
    struct remote_reply *reply = arena != NULL ? ARENA_NEW(arena, struct remote_reply) : NULL;
    enum object_status status = reply != NULL ? remote_send(&request, arena, reply) : OBJECT_NO_MEMORY;
    arena_destroy(arena);
    return status == OBJECT_NO_KEY ? OBJECT_OK : status;
}

enum object_status remote_set_tags(struct objects *objects, const struct object_remote *remote, struct view key,
                                   const struct object_field *tags, size_t count)
{
    struct remote_request request = { .objects = objects, .remote = remote, .method = "PUT", .key = key };
    struct arena *arena = arena_create(SCRATCH_MAX);
    struct remote_reply *reply = arena != NULL ? ARENA_NEW(arena, struct remote_reply) : NULL;
    struct buf body = BUF_INIT(64 << 10);
    struct xml_writer w;
    xml_writer_init(&w, &body, "Tagging", NULL);
    xml_open(&w, "TagSet");
    for (size_t i = 0; i < count; i++) {
        xml_open(&w, "Tag");
        xml_put(&w, "Key", tags[i].name);
        xml_put(&w, "Value", tags[i].value);
        xml_close(&w);
    }
    xml_close(&w);
    xml_close(&w);
    request.body = buf_view(&body);
    remote_query(&request, "tagging", VIEW(""));
    bool ok = reply != NULL && !xml_writer_failed(&w) && remote_header(&request, arena, "content-type", VIEW("application/xml"));
    enum object_status status = ok ? remote_send(&request, arena, reply) : OBJECT_NO_MEMORY;
    buf_free(&body);
    buf_free(&request.query);
    arena_destroy(arena);
    return status;
}

/* ---- listing ---- */

/* Names come percent-encoded, since not every key can stand in XML. */
static struct view name_of(struct arena *arena, const struct xml *parent, const char *child)
{
    struct view text = xml_text(parent, child), decoded;
    return percent_decode(arena, text, true, &decoded) ? decoded : text;
}

static bool read_object(struct arena *arena, const struct object_remote *remote, const struct xml *entry, struct object_info *out)
{
    *out = (struct object_info){ .bucket = remote->bucket, .key = name_of(arena, entry, "Key") };
    out->etag = remote_etag(xml_text(entry, "ETag"));
    out->id = out->etag;
    out->part_count = parts_of(out->etag);
    return out->key.len > 0 && view_to_u64(xml_text(entry, "Size"), &out->size) &&
           clock_parse_iso(xml_text(entry, "LastModified"), &out->modified_ms);
}

bool remote_read_page(struct arena *arena, const struct object_remote *remote, const struct object_list *list,
                      const struct remote_reply *reply, struct object_page *out)
{
    const struct xml *result = remote_reply_xml(reply, arena, "ListBucketResult");
    if (result == NULL)
        return false;
    for (const struct xml *entry = xml_get(result, "Contents"); entry != NULL && out->count < list->limit; entry = xml_again(entry)) {
        if (!read_object(arena, remote, entry, &out->objects[out->count]))
            return false;
        struct view key = out->objects[out->count].key;
        if (view_compare(key, list->after) > 0)
            out->count++;
        out->last = view_compare(key, out->last) > 0 ? key : out->last;
    }
    const struct xml *group = xml_get(result, "CommonPrefixes");
    for (; group != NULL && out->prefix_count < list->limit; group = xml_again(group)) {
        struct view prefix = name_of(arena, group, "Prefix");
        if (view_compare(prefix, list->after) > 0)
            out->prefixes[out->prefix_count++] = prefix;
        out->last = view_compare(prefix, out->last) > 0 ? prefix : out->last;
    }
    out->more = view_is(xml_text(result, "IsTruncated"), "true");
    return true;
}

/* What another S3 takes as "after". One that is a common prefix stands for all its keys: the greatest character passes over them. */
static struct view start_after(struct arena *arena, const struct object_list *list)
{
    bool group = list->delimiter.len > 0 && view_ends_with(list->after, list->delimiter) && view_starts_with(list->after, list->prefix);
    return group ? view_from_cstr(arena_printf(arena, VIEW_FMT "\xf4\x8f\xbf\xbf", VIEW_ARG(list->after))) : list->after;
}

enum object_status remote_list(struct objects *objects, const struct object_remote *remote, struct arena *arena,
                               const struct object_list *list, struct object_page *out)
{
    struct remote_request request = { .objects = objects, .remote = remote, .method = "GET" };
    struct remote_reply *reply = ARENA_NEW(arena, struct remote_reply);
    char limit[16];
    snprintf(limit, sizeof limit, "%zu", list->limit);
    out->objects = ARENA_ARRAY(arena, struct object_info, LIMIT_MAX);
    out->prefixes = ARENA_ARRAY(arena, struct view, LIMIT_MAX);
    if (reply == NULL || out->objects == NULL || out->prefixes == NULL)
        return OBJECT_NO_MEMORY;
    remote_query(&request, "list-type", VIEW("2"));
    remote_query(&request, "encoding-type", VIEW("url"));
    remote_query(&request, "max-keys", view_from_cstr(limit));
    remote_query(&request, "prefix", list->prefix);
    if (list->delimiter.len > 0)
        remote_query(&request, "delimiter", list->delimiter);
    if (list->after.len > 0)
        remote_query(&request, "start-after", start_after(arena, list));
    enum object_status status = remote_send(&request, arena, reply);
    if (status != OBJECT_OK)
        return status == OBJECT_NO_KEY ? OBJECT_NO_BUCKET : status;
    if (!remote_read_page(arena, remote, list, reply, out))
        return arena_exhausted(arena) ? OBJECT_NO_MEMORY : OBJECT_ERROR;
    return OBJECT_OK;
}
