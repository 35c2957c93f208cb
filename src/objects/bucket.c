/* objects/bucket.c - buckets: in the store (local and linked), in the configuration (remote), and the server's own. */
#include "objects/remote.h"

#include "base/json.h"
#include "base/utf8.h"

#include <ctype.h>
#include <stdlib.h>
#include <sys/stat.h>

struct store_key bucket_key(struct view name)
{
    return (struct store_key){ .kind = VIEW(BUCKET_KIND), .account = VIEW(""), .region = VIEW(""), .id = name };
}

/* ---- names ---- */

static bool is_address(struct view name)
{
    unsigned parts = 0;
    while (name.ptr != NULL) {
        struct view part = view_split(&name, '.');
        uint64_t number;
        if (part.len > 3 || !view_to_u64(part, &number))
            return false;
        parts++;
    }
    return parts == 4;
}

bool bucket_name_is_valid(struct view name)
{
    if (name.len < 3 || name.len > 63)
        return false;
    char before = '.';
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        if (!islower(c) && !isdigit(c) && c != '-' && c != '.')
            return false;
        if (c == '.' && before == '.')
            return false;
        before = (char)c;
    }
    return isalnum((unsigned char)name.ptr[0]) && isalnum((unsigned char)before) && !is_address(name) &&
           !view_starts_with(name, VIEW("xn--")) && !view_ends_with(name, VIEW("-s3alias"));
}

/* ---- finding ---- */

const struct object_remote *remote_of(const struct objects *objects, struct view name)
{
    for (size_t i = 0; i < objects->remote_count; i++) {
        if (view_eq(objects->remotes[i].bucket, name))
            return &objects->remotes[i];
    }
    return NULL;
}

static bool read_bucket(struct arena *arena, const struct store_record *record, struct bucket_info *out)
{
    const struct json *json = json_parse(arena, record->json, 4, NULL);
    struct view directory = json_get_string(json, "directory");
    *out = (struct bucket_info){
        .name = record->key.id,
        .account = json_get_string(json, "account"),
        .region = json_get_string(json, "region"),
        .place = directory.len > 0 ? BUCKET_LINKED : BUCKET_LOCAL,
        .target = directory,
        .created_ms = record->created_ms,
    };
    return json != NULL;
}

static void describe_remote(const struct objects *objects, const struct object_remote *remote, struct bucket_info *out)
{
    *out = (struct bucket_info){
        .name = remote->bucket,
        .account = objects->account,
        .region = remote->region,
        .place = BUCKET_REMOTE,
        .target = remote->endpoint,
    };
}

static enum object_status get_record(struct objects *objects, struct arena *arena, struct view name, struct store_record *record,
                                     struct bucket_info *info)
{
    if (!bucket_name_is_valid(name))
        return OBJECT_NO_BUCKET;
    struct store_key key = bucket_key(name);
    enum store_status status = store_get(objects->store, arena, &key, record);
    if (status != STORE_OK)
        return status == STORE_NOT_FOUND ? OBJECT_NO_BUCKET : status_of_store(status);
    return read_bucket(arena, record, info) ? OBJECT_OK : OBJECT_ERROR;
}

enum object_status bucket_resolve(struct objects *objects, struct arena *arena, struct view name, struct bucket *out)
{
    struct store_record record;
    struct bucket_info info;
    *out = (struct bucket){ .place = BUCKET_LOCAL };
    if (view_is(name, OBJECT_OWN_BUCKET))
        return OBJECT_OK;
    out->remote = remote_of(objects, name);
    if (out->remote != NULL) {
        out->place = BUCKET_REMOTE;
        return OBJECT_OK;
    }
    enum object_status status = get_record(objects, arena, name, &record, &info);
    if (status != OBJECT_OK)
        return status;
    *out = (struct bucket){ .place = info.place, .version = record.version, .directory = info.target,
                            .deleting = view_is(record.state, BUCKET_DELETING) };
    return OBJECT_OK;
}

enum object_status bucket_get(struct objects *objects, struct arena *arena, struct view name, struct bucket_info *out)
{
    const struct object_remote *remote = remote_of(objects, name);
    struct store_record record;
    if (view_is(name, OBJECT_OWN_BUCKET)) {
        *out = (struct bucket_info){ .name = VIEW(OBJECT_OWN_BUCKET), .account = objects->account };
        return OBJECT_OK;
    }
    if (remote == NULL)
        return get_record(objects, arena, name, &record, out);
    describe_remote(objects, remote, out);
    return OBJECT_OK;
}

/* ---- making ---- */

static enum object_status whose(const struct bucket_info *info, struct view account)
{
    return view_eq(info->account, account) ? OBJECT_BUCKET_OWNED : OBJECT_BUCKET_TAKEN;
}

static enum object_status make(struct objects *objects, struct view account, struct view region, struct view name,
                               struct view directory)
{
    struct buf json = BUF_INIT(16 << 10);
    struct json_writer w;
    json_writer_init(&w, &json);
    json_object(&w);
    json_put_string(&w, "account", account);
    json_put_string(&w, "region", region);
    if (directory.len > 0)
        json_put_string(&w, "directory", directory);
    json_end(&w);
    struct store_record record = { .key = bucket_key(name), .json = buf_view(&json) };
    enum store_status status = json_writer_failed(&w) ? STORE_NO_MEMORY : store_create(objects->store, &record);
    buf_free(&json);
    if (status != STORE_EXISTS)
        return status_of_store(status);
    struct arena *arena = arena_create(SCRATCH_MAX);
    struct bucket_info info = { .place = BUCKET_LOCAL };
    enum object_status result = arena != NULL ? bucket_get(objects, arena, name, &info) : OBJECT_NO_MEMORY;
    result = result == OBJECT_OK ? whose(&info, account) : result == OBJECT_NO_BUCKET ? OBJECT_BUSY : result;
    arena_destroy(arena);
    return result;
}

enum object_status bucket_create(struct objects *objects, struct view account, struct view region, struct view name)
{
    if (!bucket_name_is_valid(name))
        return OBJECT_BAD_NAME;
    if (remote_of(objects, name) != NULL)
        return view_eq(objects->account, account) ? OBJECT_BUCKET_OWNED : OBJECT_BUCKET_TAKEN;
    return make(objects, account, region, name, VIEW(""));
}

enum object_status bucket_link(struct objects *objects, struct view account, struct view region, struct view name,
                               struct view directory)
{
    struct stat st;
    struct arena *arena = arena_create(SCRATCH_MAX);
    const char *path = arena != NULL ? arena_cstr(arena, directory) : NULL;
    bool usable = path != NULL && path[0] == '/' && utf8_valid(directory) && stat(path, &st) == 0 && S_ISDIR(st.st_mode);
    bool no_memory = path == NULL;
    arena_destroy(arena);
    if (no_memory)
        return OBJECT_NO_MEMORY;
    if (!usable || !bucket_name_is_valid(name))
        return OBJECT_BAD_NAME;
    if (remote_of(objects, name) != NULL)
        return view_eq(objects->account, account) ? OBJECT_BUCKET_OWNED : OBJECT_BUCKET_TAKEN;
    return make(objects, account, region, name, directory);
}

/* ---- deleting: the bucket is marked, so that no put can end, looked through, and then deleted or set free again ---- */

static enum object_status is_empty(struct objects *objects, struct arena *arena, struct view name)
{
    struct object_page page;
    struct object_list list = { .bucket = name, .limit = 1 };
    enum object_status status = object_list(objects, arena, &list, &page);
    return status == OBJECT_OK && page.count > 0 ? OBJECT_BUCKET_NOT_EMPTY : status;
}

static enum object_status abort_uploads(struct objects *objects, struct arena *arena, struct view name)
{
    enum object_status status;
    struct object_upload *uploads;
    size_t count;
    bool more;
    do {
        status = upload_list(objects, arena, name, VIEW(""), VIEW(""), VIEW(""), 0, &uploads, &count, &more);
        for (size_t i = 0; status == OBJECT_OK && i < count; i++) {
            status = upload_abort(objects, name, uploads[i].key, uploads[i].id);
            status = status == OBJECT_NO_UPLOAD ? OBJECT_OK : status;
        }
    } while (status == OBJECT_OK && more);
    return status;
}

static enum object_status delete_local(struct objects *objects, struct arena *arena, struct store_record *record)
{
    record->state = VIEW(BUCKET_DELETING);
    enum store_status stored = store_update(objects->store, record);
    if (stored != STORE_OK)
        return stored == STORE_NOT_FOUND ? OBJECT_NO_BUCKET : status_of_store(stored);
    enum object_status status = is_empty(objects, arena, record->key.id);
    if (status == OBJECT_OK)
        status = abort_uploads(objects, arena, record->key.id);
    if (status == OBJECT_OK)
        stored = store_delete(objects->store, &record->key, record->version);
    if (status == OBJECT_OK && stored == STORE_OK)
        return OBJECT_OK;
    record->state = VIEW("");
    store_update(objects->store, record);
    return status != OBJECT_OK ? status : status_of_store(stored);
}

enum object_status bucket_delete(struct objects *objects, struct view name)
{
    struct arena *arena = arena_create(SCRATCH_MAX);
    struct store_record record = { .version = 0 };
    struct bucket_info info = { .place = BUCKET_LOCAL };
    if (arena == NULL)
        return OBJECT_NO_MEMORY;
    enum object_status status = remote_of(objects, name) != NULL ? OBJECT_DENIED : get_record(objects, arena, name, &record, &info);
    if (status == OBJECT_OK && info.place == BUCKET_LINKED)
        status = status_of_store(store_delete(objects->store, &record.key, record.version));
    else if (status == OBJECT_OK)
        status = delete_local(objects, arena, &record);
    arena_destroy(arena);
    return status;
}

/* Those whose deleting was cut off are as usable as before. */
bool bucket_recover(struct objects *objects)
{
    struct arena *arena = arena_create(SCRATCH_MAX);
    struct store_scan scan = { .kind = VIEW(BUCKET_KIND), .state = VIEW(BUCKET_DELETING), .order = STORE_BY_CREATED };
    struct store_page page = { .count = 0 };
    bool ok = arena != NULL && store_scan(objects->store, arena, &scan, &page) == STORE_OK;
    for (size_t i = 0; i < page.count && ok; i++) {
        page.records[i].state = VIEW("");
        ok = store_update(objects->store, &page.records[i]) != STORE_ERROR;
    }
    arena_destroy(arena);
    return ok;
}

/* ---- listing ---- */

struct bucket_array {
    struct arena *arena;
    struct bucket_info *items;
    size_t count, capacity;
};

static bool add_bucket(struct bucket_array *array, const struct bucket_info *info)
{
    if (array->count == array->capacity) {
        size_t more = array->capacity > 0 ? 2 * array->capacity : 16;
        struct bucket_info *items = arena_resize(array->arena, array->items, array->capacity * sizeof *items, more * sizeof *items);
        if (items == NULL)
            return false;
        array->items = items;
        array->capacity = more;
    }
    array->items[array->count++] = *info;
    return true;
}

static int by_name(const void *a, const void *b)
{
    return view_compare(((const struct bucket_info *)a)->name, ((const struct bucket_info *)b)->name);
}

static enum object_status add_records(struct objects *objects, struct bucket_array *array, struct view account)
{
    struct store_scan scan = { .kind = VIEW(BUCKET_KIND), .account = VIEW(""), .region = VIEW(""), .limit = 1000 };
    do {
        struct store_page page;
        enum store_status status = store_scan(objects->store, array->arena, &scan, &page);
        if (status != STORE_OK)
            return status_of_store(status);
        for (size_t i = 0; i < page.count; i++) {
            struct bucket_info info;
            if (!read_bucket(array->arena, &page.records[i], &info))
                return OBJECT_ERROR;
            if (view_eq(info.account, account) && remote_of(objects, info.name) == NULL && !add_bucket(array, &info))
                return OBJECT_NO_MEMORY;
        }
        scan.page = page.next;
    } while (scan.page.len > 0);
    return OBJECT_OK;
}

enum object_status bucket_list(struct objects *objects, struct arena *arena, struct view account, struct bucket_info **out,
                               size_t *count)
{
    struct bucket_array array = { .arena = arena };
    enum object_status status = add_records(objects, &array, account);
    for (size_t i = 0; status == OBJECT_OK && view_eq(account, objects->account) && i < objects->remote_count; i++) {
        struct bucket_info info;
        describe_remote(objects, &objects->remotes[i], &info);
        status = add_bucket(&array, &info) ? OBJECT_OK : OBJECT_NO_MEMORY;
    }
    if (array.count > 0)
        qsort(array.items, array.count, sizeof *array.items, by_name);
    *out = array.items;
    *count = array.count;
    return status;
}
