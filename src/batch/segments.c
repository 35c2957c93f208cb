#include "batch/segments.h"

#include <stdio.h>
#include <stdlib.h>

#define PAGE    1000
#define SCRATCH (8u << 20)

/* ---- names ---- */

void segment_files_key(char out[SEGMENT_KEY_SIZE], struct view job)
{
    snprintf(out, SEGMENT_KEY_SIZE, "batch/%.*s/files", (int)job.len, job.ptr);
}

void segment_key(char out[SEGMENT_KEY_SIZE], struct view job, uint64_t window, uint64_t segment)
{
    snprintf(out, SEGMENT_KEY_SIZE, "batch/%.*s/%08llu-%08llu", (int)job.len, job.ptr, (unsigned long long)window,
             (unsigned long long)segment);
}

void segment_window_key(char out[SEGMENT_KEY_SIZE], struct view job, uint64_t window)
{
    snprintf(out, SEGMENT_KEY_SIZE, "batch/%.*s/%08llu", (int)job.len, job.ptr, (unsigned long long)window);
}

/* ---- entries ---- */

static void put_number(char *out, uint64_t number)
{
    for (int i = 0; i < 8; i++)
        out[i] = (char)(number >> (8 * i));
}

static uint64_t get_number(const char *bytes)
{
    uint64_t number = 0;
    for (int i = 0; i < 8; i++)
        number |= (uint64_t)(uint8_t)bytes[i] << (8 * i);
    return number;
}

size_t segment_begin(struct buf *out, uint64_t record)
{
    char head[SEGMENT_HEAD] = { 0 };
    size_t begun = out->len;
    put_number(head, record);
    buf_append(out, head, sizeof(head));
    return begun;
}

void segment_end(struct buf *out, size_t begun)
{
    if (!buf_failed(out))
        put_number(out->ptr + begun + 8, out->len - begun - SEGMENT_HEAD);
}

enum object_status segment_open(struct objects *objects, struct arena *arena, const char *key, struct segment_reader *out)
{
    struct object_info info;
    *out = (struct segment_reader){ .object = NULL };
    enum object_status status = object_read_begin(objects, arena, VIEW(OBJECT_OWN_BUCKET), view_from_cstr(key), &info, &out->object);
    out->size = status == OBJECT_OK ? info.size : 0;
    return status;
}

static enum object_status read_all(struct object_reader *object, uint64_t offset, char *out, size_t len)
{
    size_t got = 0;
    enum object_status status = object_read_at(object, offset, out, len, &got);
    return status == OBJECT_OK && got < len ? OBJECT_ERROR : status;
}

enum object_status segment_next(struct segment_reader *reader, struct segment_entry *out)
{
    char head[SEGMENT_HEAD];
    if (reader->at == reader->size)
        return OBJECT_NO_KEY;
    if (reader->size - reader->at < SEGMENT_HEAD)
        return OBJECT_ERROR;
    enum object_status status = read_all(reader->object, reader->at, head, sizeof(head));
    if (status != OBJECT_OK)
        return status;
    *out = (struct segment_entry){ get_number(head), reader->at + SEGMENT_HEAD, get_number(head + 8) };
    if (out->length > reader->size - out->offset)
        return OBJECT_ERROR;
    reader->at = out->offset + out->length;
    return OBJECT_OK;
}

enum object_status segment_read(struct segment_reader *reader, const struct segment_entry *entry, struct buf *out)
{
    char *room = buf_reserve(out, entry->length);
    if (room == NULL)
        return OBJECT_NO_MEMORY;
    enum object_status status = read_all(reader->object, entry->offset, room, entry->length);
    if (status == OBJECT_OK)
        buf_commit(out, entry->length);
    return status;
}

void segment_close(struct segment_reader *reader)
{
    object_read_end(reader->object);
    reader->object = NULL;
}

/* ---- removing ---- */

static enum object_status remove_key(struct objects *objects, struct view key)
{
    enum object_status status = object_delete(objects, VIEW(OBJECT_OWN_BUCKET), key);
    return status == OBJECT_NO_KEY ? OBJECT_OK : status;
}

static enum object_status remove_listed(struct objects *objects, struct arena *arena, struct view prefix)
{
    struct object_list list = { .bucket = VIEW(OBJECT_OWN_BUCKET), .prefix = prefix, .limit = PAGE };
    struct object_page page;
    do {
        enum object_status status = object_list(objects, arena, &list, &page);
        for (size_t i = 0; status == OBJECT_OK && i < page.count; i++)
            status = remove_key(objects, page.objects[i].key);
        if (status != OBJECT_OK)
            return status;
        list.after = page.last;
    } while (page.more);
    return OBJECT_OK;
}

enum object_status segments_remove(struct objects *objects, struct view job)
{
    char prefix[SEGMENT_KEY_SIZE];
    struct arena *arena = arena_create(SCRATCH);
    if (arena == NULL)
        return OBJECT_NO_MEMORY;
    snprintf(prefix, sizeof(prefix), "batch/%.*s/", (int)job.len, job.ptr);
    enum object_status status = remove_listed(objects, arena, view_from_cstr(prefix));
    arena_destroy(arena);
    return status;
}

enum object_status segments_remove_of(struct objects *objects, struct view job, uint64_t window, uint64_t count)
{
    enum object_status status = OBJECT_OK;
    for (uint64_t i = 0; status == OBJECT_OK && i < count; i++) {
        char key[SEGMENT_KEY_SIZE];
        segment_key(key, job, window, i);
        status = remove_key(objects, view_from_cstr(key));
    }
    return status;
}
