/* What comes from another S3, and names from anybody: lists, heads and URIs of any bytes are read or refused, and stay within bounds. */
#include "objects/remote.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void read_list(struct arena *arena, struct view bytes)
{
    const struct object_remote remote = { .bucket = VIEW("bucket") };
    const struct object_list list = { .bucket = VIEW("bucket"), .after = VIEW("b"), .limit = 3 };
    struct object_page page = { .count = 0 };
    page.objects = ARENA_ARRAY(arena, struct object_info, list.limit);
    page.prefixes = ARENA_ARRAY(arena, struct view, list.limit);
    const struct remote_reply reply = { .body = bytes };
    if (page.objects == NULL || page.prefixes == NULL || !remote_read_page(arena, &remote, &list, &reply, &page))
        return;
    check(page.count <= list.limit && page.prefix_count <= list.limit);
    for (size_t i = 0; i < page.count; i++)
        check(view_compare(page.objects[i].key, list.after) > 0);
}

/* "name: value" lines. */
static void read_head(struct arena *arena, struct view bytes)
{
    struct remote_reply *reply = ARENA_NEW(arena, struct remote_reply);
    struct object_info info = { .size = 0 };
    while (reply != NULL && bytes.ptr != NULL && reply->header_count < REMOTE_HEADERS_MAX) {
        struct view value = view_split(&bytes, '\n'), name = view_split(&value, ':');
        reply->headers[reply->header_count++] = (struct object_field){ name, view_trim(value) };
    }
    if (reply != NULL && remote_read_info(arena, reply, &info))
        check(info.field_count <= reply->header_count && info.part_count <= OBJECT_PARTS_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_create(4 << 20);
    struct view bytes = view_of(data, size), bucket, key;
    if (arena == NULL)
        return 0;
    read_list(arena, bytes);
    read_head(arena, bytes);
    if (object_uri_parse(bytes, &bucket, &key))
        check(bucket.len + key.len + 5 <= size);
    arena_destroy(arena);
    return 0;
}
