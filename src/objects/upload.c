/* objects/upload.c - multipart uploads until they are completed.
 *
 * The record of an upload holds what the object shall be. Each part is a put of its own, under a record that names its bytes. An
 * upload that has ended is marked first, so no part can come any more, and then taken away piece by piece, also after a crash.
 */
#include "objects/list.h"
#include "objects/remote.h"

#include <stdio.h>
#include <stdlib.h>

#define PART_NUMBER_SIZE 6
#define REMOVE_AT_ONCE   200                                /* parts a transaction */
#define LIMIT_MAX        1000

/* ---- records ---- */

static struct store_key upload_key(struct arena *arena, struct view bucket, struct view key, struct view id)
{
    const char *name = arena_printf(arena, VIEW_FMT "/" VIEW_FMT "\x01" VIEW_FMT, VIEW_ARG(bucket), VIEW_ARG(key), VIEW_ARG(id));
    return (struct store_key){ .kind = VIEW(UPLOAD_KIND), .account = VIEW(""), .region = VIEW(""), .id = view_from_cstr(name) };
}

void upload_part_id(char out[ID_SIZE + 8], struct view upload, unsigned number)
{
    snprintf(out, ID_SIZE + 8, "%.32s/%05u", upload.ptr, number);
}

static struct store_key part_key(struct view id)
{
    return (struct store_key){ .kind = VIEW(PART_KIND), .account = VIEW(""), .region = VIEW(""), .id = id };
}

static bool of_whole(enum object_checksum checksum, bool wanted)
{
    return checksum == OBJECT_CRC64NVME || (wanted && (checksum == OBJECT_CRC32 || checksum == OBJECT_CRC32C));
}

enum object_status upload_find(struct objects *objects, struct arena *arena, struct view bucket, struct view key, struct view id,
                               struct upload *out)
{
    char unused[ID_SIZE];
    if (!key_is_valid(key) || !id_copy(id, unused))
        return OBJECT_NO_UPLOAD;
    struct store_key at = upload_key(arena, bucket, key, id);
    enum store_status status = at.id.ptr != NULL ? store_get(objects->store, arena, &at, &out->record) : STORE_NO_MEMORY;
    if (status != STORE_OK)
        return status == STORE_NOT_FOUND ? OBJECT_NO_UPLOAD : status_of_store(status);
    if (out->record.state.len > 0)
        return OBJECT_NO_UPLOAD;
    if (!info_read(arena, &out->record, &out->info))
        return OBJECT_NO_MEMORY;
    out->info.key = view_first(out->info.key, out->info.key.len - ID_SIZE);
    out->checksum_of_whole = view_is(out->info.checksum_value, "FULL_OBJECT");
    return OBJECT_OK;
}

/* ---- beginning ---- */

static enum store_status store_upload(struct objects *objects, const struct store_record *record, struct view bucket,
                                      uint64_t bucket_version)
{
    struct store_write writes[] = {
        { .action = STORE_CREATE, .record = *record },
        { .action = STORE_CHECK, .record = { .key = bucket_key(bucket), .version = bucket_version } },
    };
    return store_apply(objects->store, writes, bucket_version != 0 ? 2 : 1, NULL);
}

static enum object_status create(struct objects *objects, struct arena *arena, const struct object_put *put, const struct bucket *bucket,
                                 struct view id)
{
    struct buf json = BUF_INIT(RECORD_MAX);
    struct object_info info = {
        .content_type = put->content_type.len > 0 ? put->content_type : VIEW("binary/octet-stream"),
        .fields = put->fields,
        .field_count = put->field_count,
        .tags = put->tags,
        .tag_count = put->tag_count,
        .checksum = put->checksum != OBJECT_CHECKSUM_NONE ? put->checksum : OBJECT_CRC64NVME,
    };
    info.checksum_value = of_whole(info.checksum, put->checksum_of_whole) ? VIEW("FULL_OBJECT") : VIEW("COMPOSITE");
    struct store_record record = { .key = upload_key(arena, put->bucket, put->key, id) };
    enum store_status status = STORE_NO_MEMORY;
    if (record.key.id.ptr != NULL && info_write(&info, VIEW(""), &json)) {
        record.json = buf_view(&json);
        status = store_upload(objects, &record, put->bucket, bucket->version);
    }
    buf_free(&json);
    return status == STORE_NOT_FOUND ? OBJECT_NO_BUCKET : status_of_store(status);
}

enum object_status upload_create(struct objects *objects, struct arena *arena, const struct object_put *put, struct view *upload_id)
{
    struct bucket bucket;
    char id[ID_SIZE];
    if (!key_is_valid(put->key))
        return OBJECT_BAD_NAME;
    enum object_status status = bucket_resolve(objects, arena, put->bucket, &bucket);
    if (status == OBJECT_OK && bucket.place == BUCKET_LINKED)
        status = OBJECT_READ_ONLY;
    if (status == OBJECT_OK && bucket.deleting)
        status = OBJECT_NO_BUCKET;
    if (status != OBJECT_OK)
        return status;
    if (bucket.place == BUCKET_REMOTE)
        return remote_upload_create(objects, bucket.remote, arena, put, upload_id);
    make_id(id);
    status = create(objects, arena, put, &bucket, view_from_cstr(id));
    *upload_id = arena_copy(arena, view_from_cstr(id));
    return status == OBJECT_OK && upload_id->ptr == NULL ? OBJECT_NO_MEMORY : status;
}

/* ---- parts ---- */

static enum object_status part_end(struct object_writer *writer, struct arena *arena, struct object_info *out)
{
    struct object_info info;
    struct buf json = BUF_INIT(RECORD_MAX);
    char id[ID_SIZE + 8];
    enum object_status status = writer_local_place(writer, &info);
    if (status != OBJECT_OK)
        return status;
    uint64_t number = 0;
    view_to_u64(writer->put.key, &number);
    upload_part_id(id, writer->upload, (unsigned)number);
    if (info_write(&info, VIEW(""), &json)) {
        const struct commit commit = {
            .key = part_key(view_from_cstr(id)),
            .id = info.id,
            .json = buf_view(&json),
            .guard = writer->upload_key,
            .guard_gone = OBJECT_NO_UPLOAD,
        };
        status = commit_bytes(writer->objects, &commit);
    } else {
        writer_local_abort(writer);
        status = OBJECT_NO_MEMORY;
    }
    buf_free(&json);
    return status == OBJECT_OK && !info_copy(arena, &info, out) ? OBJECT_NO_MEMORY : status;
}

static const struct writer_kind part_kind = { writer_local_write, part_end, writer_local_abort };

static enum object_status begin_part(struct objects *objects, struct arena *arena, struct view bucket, struct view key, struct view id,
                                     unsigned number, struct object_writer **out)
{
    struct upload upload;
    char text[PART_NUMBER_SIZE];
    enum object_status status = upload_find(objects, arena, bucket, key, id, &upload);
    if (status != OBJECT_OK)
        return status;
    snprintf(text, sizeof text, "%05u", number);
    struct object_put put = { .bucket = id, .key = view_from_cstr(text), .checksum = upload.info.checksum };
    struct object_writer *writer = writer_create(objects, &put);
    if (writer == NULL)
        return OBJECT_NO_MEMORY;
    writer->kind = &part_kind;
    writer->upload = writer->put.bucket;
    writer->upload_key = upload_key(writer->arena, bucket, key, id);
    *out = writer;
    if (writer->upload_key.id.ptr != NULL)
        return OBJECT_OK;
    writer_destroy(writer);
    return OBJECT_NO_MEMORY;
}

static enum object_status begin_remote_part(struct objects *objects, const struct object_remote *remote, struct view key, struct view id,
                                            unsigned number, struct object_writer **out)
{
    struct object_put put = { .bucket = remote->bucket, .key = key };
    if (!key_is_valid(key) || id.len == 0)
        return OBJECT_NO_UPLOAD;
    struct object_writer *writer = writer_create(objects, &put);
    if (writer == NULL)
        return OBJECT_NO_MEMORY;
    writer->kind = &remote_part_writer;
    writer->remote = remote;
    writer->part_number = number;
    writer->upload = arena_copy(writer->arena, id);
    *out = writer;
    if (writer->upload.ptr != NULL)
        return OBJECT_OK;
    writer_destroy(writer);
    return OBJECT_NO_MEMORY;
}

enum object_status upload_part_begin(struct objects *objects, struct view bucket, struct view key, struct view upload_id,
                                     unsigned number, struct object_writer **out)
{
    *out = NULL;
    if (number == 0 || number > OBJECT_PARTS_MAX)
        return OBJECT_BAD_PART;
    const struct object_remote *remote = remote_of(objects, bucket);
    if (remote != NULL)
        return begin_remote_part(objects, remote, key, upload_id, number, out);
    struct arena *arena = arena_create(SCRATCH_MAX);
    enum object_status status = arena != NULL ? begin_part(objects, arena, bucket, key, upload_id, number, out) : OBJECT_NO_MEMORY;
    arena_destroy(arena);
    return status;
}

static bool read_part(struct arena *arena, const struct store_record *record, struct object_part *out)
{
    struct object_info info;
    uint64_t number = 0;
    if (!info_read(arena, record, &info) || !view_to_u64(info.key, &number))
        return false;
    *out = (struct object_part){
        .number = (unsigned)number,
        .etag = info.etag,
        .size = info.size,
        .modified_ms = info.modified_ms,
        .checksum = info.checksum,
        .checksum_value = info.checksum_value,
        .id = info.id,
    };
    return true;
}

static enum object_status scan_parts(struct objects *objects, struct arena *arena, struct view upload, unsigned after, size_t limit,
                                     struct store_page *page)
{
    char from[ID_SIZE + 8], before[ID_SIZE + 8];
    upload_part_id(from, upload, after + 1);
    upload_part_id(before, upload, 99999);
    struct store_scan scan = { .kind = VIEW(PART_KIND), .account = VIEW(""), .region = VIEW(""), .from = view_from_cstr(from),
                               .before = view_from_cstr(before), .limit = limit };
    return status_of_store(store_scan(objects->store, arena, &scan, page));
}

enum object_status upload_parts(struct objects *objects, struct arena *arena, struct view bucket, struct view key,
                                struct view upload_id, unsigned after, size_t limit, struct object_part **parts, size_t *count,
                                bool *more)
{
    struct upload upload;
    struct store_page page;
    const struct object_remote *remote = remote_of(objects, bucket);
    *count = 0;
    *more = false;
    if (limit == 0 || limit > LIMIT_MAX)
        limit = LIMIT_MAX;
    if (remote != NULL)
        return remote_upload_parts(objects, remote, arena, key, upload_id, after, limit, parts, count, more);
    enum object_status status = upload_find(objects, arena, bucket, key, upload_id, &upload);
    if (status != OBJECT_OK || after >= OBJECT_PARTS_MAX)
        return status;
    status = scan_parts(objects, arena, upload_id, after, limit, &page);
    if (status != OBJECT_OK)
        return status;
    *parts = ARENA_ARRAY(arena, struct object_part, page.count + 1);
    for (size_t i = 0; i < page.count && *parts != NULL; i++) {
        if (!read_part(arena, &page.records[i], &(*parts)[i]))
            return OBJECT_NO_MEMORY;
    }
    *count = page.count;
    *more = page.next.len > 0;
    return *parts != NULL ? OBJECT_OK : OBJECT_NO_MEMORY;
}

/* ---- listing ---- */

static bool read_upload(struct arena *arena, const struct store_record *record, struct object_upload *out)
{
    struct object_info info;
    if (!info_read(arena, record, &info) || info.key.len < ID_SIZE)
        return false;
    size_t key_len = info.key.len - ID_SIZE;
    *out = (struct object_upload){
        .key = view_first(info.key, key_len),
        .id = view_from(info.key, key_len + 1),
        .created_ms = record->created_ms,
        .checksum = info.checksum,
        .checksum_of_whole = view_is(info.checksum_value, "FULL_OBJECT"),
    };
    return true;
}

/* The first id that may be listed. */
static struct view first_of(struct arena *arena, struct view bucket, struct view prefix, struct view after_key, struct view after_id)
{
    const char *at;
    if (after_key.len == 0 || view_compare(after_key, prefix) < 0)
        at = arena_printf(arena, VIEW_FMT "/" VIEW_FMT, VIEW_ARG(bucket), VIEW_ARG(prefix));
    else if (after_id.len == 0)
        at = arena_printf(arena, VIEW_FMT "/" VIEW_FMT "\x02", VIEW_ARG(bucket), VIEW_ARG(after_key));
    else
        at = arena_printf(arena, VIEW_FMT "/" VIEW_FMT "\x01" VIEW_FMT "\x01", VIEW_ARG(bucket), VIEW_ARG(after_key), VIEW_ARG(after_id));
    return view_from_cstr(at);
}

static struct view end_of(struct arena *arena, struct view bucket, struct view prefix)
{
    char *end = arena_printf(arena, VIEW_FMT "/" VIEW_FMT, VIEW_ARG(bucket), VIEW_ARG(prefix));
    return end != NULL ? view_of(end, list_after_prefix(view_from_cstr(end), end)) : view_of(NULL, 0);
}

static enum object_status collect(struct objects *objects, struct arena *arena, struct store_scan *scan, size_t limit,
                                  struct object_upload *out, size_t *count, bool *more)
{
    for (;;) {
        struct store_page page;
        enum store_status status = store_scan(objects->store, arena, scan, &page);
        if (status != STORE_OK)
            return status_of_store(status);
        for (size_t i = 0; i < page.count; i++) {
            if (page.records[i].state.len > 0)
                continue;
            *more = *count == limit;
            if (*more)
                return OBJECT_OK;
            if (!read_upload(arena, &page.records[i], &out[(*count)++]))
                return OBJECT_NO_MEMORY;
        }
        scan->page = page.next;
        if (page.next.len == 0)
            return OBJECT_OK;
    }
}

enum object_status upload_list(struct objects *objects, struct arena *arena, struct view bucket, struct view prefix,
                               struct view after_key, struct view after_id, size_t limit, struct object_upload **uploads,
                               size_t *count, bool *more)
{
    struct bucket where;
    *count = 0;
    *more = false;
    enum object_status status = bucket_resolve(objects, arena, bucket, &where);
    if (status != OBJECT_OK)
        return status;
    if (limit == 0 || limit > LIMIT_MAX)
        limit = LIMIT_MAX;
    if (where.place == BUCKET_REMOTE)
        return remote_upload_list(objects, where.remote, arena, prefix, after_key, after_id, limit, uploads, count, more);
    struct store_scan scan = {
        .kind = VIEW(UPLOAD_KIND),
        .account = VIEW(""),
        .region = VIEW(""),
        .from = first_of(arena, bucket, prefix, after_key, after_id),
        .before = end_of(arena, bucket, prefix),
        .limit = limit < LIMIT_MAX ? limit + 1 : LIMIT_MAX,
    };
    *uploads = ARENA_ARRAY(arena, struct object_upload, limit);
    if (*uploads == NULL || arena_exhausted(arena))
        return OBJECT_NO_MEMORY;
    return collect(objects, arena, &scan, limit, *uploads, count, more);
}

/* ---- the end ---- */

enum object_status upload_end(struct objects *objects, struct upload *upload)
{
    upload->record.state = VIEW(UPLOAD_ENDED);
    enum store_status status = store_update(objects->store, &upload->record);
    return status == STORE_CONFLICT || status == STORE_NOT_FOUND ? OBJECT_NO_UPLOAD : status_of_store(status);
}

/* The files first: as long as the records are there, another start finds them. */
static enum store_status remove_parts(struct objects *objects, struct arena *arena, const struct store_page *page)
{
    struct store_write *writes = ARENA_ARRAY(arena, struct store_write, page->count + 1);
    if (writes == NULL)
        return STORE_NO_MEMORY;
    for (size_t i = 0; i < page->count; i++) {
        char id[ID_SIZE];
        if (id_copy(page->records[i].index[0], id))
            files_drop(objects, id);
        writes[i] = (struct store_write){ .action = STORE_DELETE, .record = { .key = page->records[i].key } };
    }
    return page->count > 0 ? store_apply(objects->store, writes, page->count, NULL) : STORE_OK;
}

void upload_remove(struct objects *objects, const struct store_key *key)
{
    struct arena *arena = arena_create(SCRATCH_MAX);
    struct view upload = view_from(key->id, key->id.len - (ID_SIZE - 1));
    enum store_status status = arena != NULL ? STORE_OK : STORE_NO_MEMORY;
    struct store_page page = { .count = REMOVE_AT_ONCE };
    while (status == STORE_OK && page.count > 0) {
        arena_reset(arena);
        status = scan_parts(objects, arena, upload, 0, REMOVE_AT_ONCE, &page) == OBJECT_OK ? remove_parts(objects, arena, &page)
                                                                                           : STORE_ERROR;
    }
    if (status == STORE_OK)
        store_delete(objects->store, key, 0);
    arena_destroy(arena);
}

bool upload_recover(struct objects *objects)
{
    struct arena *arena = arena_create(SCRATCH_MAX);
    struct store_scan scan = { .kind = VIEW(UPLOAD_KIND), .state = VIEW(UPLOAD_ENDED), .order = STORE_BY_CREATED, .limit = 100 };
    enum store_status status = arena != NULL ? STORE_OK : STORE_NO_MEMORY;
    struct store_page page;
    do {
        if (status == STORE_OK)
            status = store_scan(objects->store, arena, &scan, &page);
        for (size_t i = 0; status == STORE_OK && i < page.count; i++)
            upload_remove(objects, &page.records[i].key);
        scan.page = status == STORE_OK ? page.next : VIEW("");
    } while (scan.page.len > 0);
    arena_destroy(arena);
    return status == STORE_OK;
}

enum object_status upload_abort(struct objects *objects, struct view bucket, struct view key, struct view upload_id)
{
    struct arena *arena = arena_create(SCRATCH_MAX);
    struct bucket where;
    struct upload upload;
    enum object_status status = arena != NULL ? bucket_resolve(objects, arena, bucket, &where) : OBJECT_NO_MEMORY;
    if (status == OBJECT_OK && where.place == BUCKET_REMOTE) {
        arena_destroy(arena);
        return remote_upload_abort(objects, where.remote, key, upload_id);
    }
    if (status == OBJECT_OK)
        status = upload_find(objects, arena, bucket, key, upload_id, &upload);
    if (status == OBJECT_OK)
        status = upload_end(objects, &upload);
    if (status == OBJECT_OK)
        upload_remove(objects, &upload.record.key);
    arena_destroy(arena);
    return status;
}
