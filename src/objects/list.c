/* objects/list.c - pages of keys and common prefixes: see list.h; and the cursor over the store. */
#include "objects/list.h"

#include "objects/remote.h"

#define LIMIT_MAX  1000
#define CHUNK_MIN  16                                       /* records read after a leap: most are not looked at when leaps go on */
#define CHUNK_MAX  1000
#define FROM_SIZE  (OBJECT_KEY_MAX + 2)
#define ID_MAX     (64 + FROM_SIZE)                         /* of a record: the bucket and a key */

size_t list_after_prefix(struct view prefix, char *out)
{
    size_t len = prefix.len;
    while (len > 0 && (unsigned char)prefix.ptr[len - 1] == 0xff)
        len--;
    if (len == 0)
        return 0;
    memcpy(out, prefix.ptr, len);
    out[len - 1] = (char)((unsigned char)out[len - 1] + 1);
    return len;
}

/* ---- grouping ---- */

struct listing {
    const struct object_list *list;
    struct arena *arena;
    struct object_page *page;
    char from[FROM_SIZE];
    size_t from_len;
    bool ended;                                             /* no key can be greater */
};

static void go_behind_key(struct listing *l, struct view key)
{
    memcpy(l->from, key.ptr, key.len);
    l->from[key.len] = '\0';
    l->from_len = key.len + 1;
}

static void go_behind_prefix(struct listing *l, struct view prefix)
{
    l->from_len = list_after_prefix(prefix, l->from);
    l->ended = l->from_len == 0;
}

static void begin(struct listing *l)
{
    struct view prefix = l->list->prefix, after = l->list->after;
    if (view_compare(after, prefix) >= 0 && after.len > 0) {
        go_behind_key(l, after);
        return;
    }
    if (prefix.len > 0)
        memcpy(l->from, prefix.ptr, prefix.len);
    l->from_len = prefix.len;
}

/* The key up to the end of the first delimiter behind the prefix; empty when there is none. */
static struct view common_prefix(const struct object_list *list, struct view key)
{
    if (list->delimiter.len == 0)
        return VIEW("");
    size_t at = view_find(view_from(key, list->prefix.len), list->delimiter);
    return at != VIEW_NPOS ? view_first(key, list->prefix.len + at + list->delimiter.len) : VIEW("");
}

static bool take_prefix(struct listing *l, struct view prefix)
{
    struct view copy = arena_copy(l->arena, prefix);
    l->page->prefixes[l->page->prefix_count++] = copy;
    l->page->last = copy;
    return copy.ptr != NULL;
}

static bool take_object(struct listing *l, const struct object_info *info)
{
    struct object_info *to = &l->page->objects[l->page->count++], plain = *info;
    plain.field_count = plain.tag_count = 0;
    bool ok = info_copy(l->arena, &plain, to);
    l->page->last = to->key;
    return ok;
}

/* One key: it is taken, or the common prefix that it stands for. False when the page is full, or memory is out. */
static bool take(struct listing *l, const struct object_info *info, enum object_status *status)
{
    struct view group = common_prefix(l->list, info->key);
    if (group.len > 0 && view_compare(group, l->list->after) <= 0) {
        go_behind_prefix(l, group);
        return true;
    }
    if (l->page->count + l->page->prefix_count == l->list->limit) {
        l->page->more = true;
        return false;
    }
    bool ok = group.len > 0 ? take_prefix(l, group) : take_object(l, info);
    if (group.len > 0)
        go_behind_prefix(l, group);
    else
        go_behind_key(l, info->key);
    *status = ok ? OBJECT_OK : OBJECT_NO_MEMORY;
    return ok;
}

enum object_status list_grouped(struct cursor *cursor, struct arena *arena, const struct object_list *list, struct object_page *out)
{
    struct listing l = { .list = list, .arena = arena, .page = out };
    enum object_status status = OBJECT_OK;
    bool found = true;
    out->objects = ARENA_ARRAY(arena, struct object_info, list->limit);
    out->prefixes = ARENA_ARRAY(arena, struct view, list->limit);
    if (out->objects == NULL || out->prefixes == NULL)
        return OBJECT_NO_MEMORY;
    begin(&l);
    while (!l.ended) {
        struct object_info info;
        status = cursor->seek(cursor, view_of(l.from, l.from_len), &info, &found);
        if (status != OBJECT_OK || !found || !view_starts_with(info.key, list->prefix) || !take(&l, &info, &status))
            break;
    }
    return status;
}

/* ---- the cursor over the store ---- */

struct store_cursor {
    struct cursor cursor;
    struct objects *objects;
    struct arena *arena;                                    /* of the chunk */
    struct view bucket;
    struct store_key first;                                 /* its id: "bucket/prefix" */
    char before[ID_MAX];
    size_t before_len;
    struct store_page page;
    size_t at;
    size_t chunk;                                           /* records to read the next time */
    bool leaps;                                             /* there is a delimiter: nobody knows how many will be of use */
    bool ended;                                             /* nothing comes behind the chunk */
};

static struct view key_of(const struct store_cursor *c, size_t at)
{
    return view_from(c->page.records[at].key.id, c->bucket.len + 1);
}

static enum object_status read_chunk(struct store_cursor *c, struct view from)
{
    char id[ID_MAX];
    memcpy(id, c->first.id.ptr, c->bucket.len + 1);
    memcpy(id + c->bucket.len + 1, from.ptr, from.len);
    arena_reset(c->arena);
    struct store_scan scan = {
        .kind = c->first.kind,
        .account = VIEW(""),
        .region = VIEW(""),
        .from = view_of(id, c->bucket.len + 1 + from.len),
        .before = view_of(c->before, c->before_len),
        .limit = c->chunk,
    };
    enum store_status status = store_scan(c->objects->store, c->arena, &scan, &c->page);
    c->at = 0;
    c->ended = c->page.next.len == 0;
    return status_of_store(status);
}

static enum object_status store_seek(struct cursor *cursor, struct view from, struct object_info *out, bool *found)
{
    struct store_cursor *c = (struct store_cursor *)(void *)cursor;
    size_t passed = 0;
    *found = false;
    for (; c->at < c->page.count && view_compare(key_of(c, c->at), from) < 0; passed++)
        c->at++;
    if (c->at == c->page.count) {
        if (c->ended)
            return OBJECT_OK;
        if (passed > 1)                                     /* keys in between were of no use */
            c->chunk = CHUNK_MIN;
        enum object_status status = read_chunk(c, from);
        c->chunk = !c->leaps ? CHUNK_MIN : 2 * c->chunk < CHUNK_MAX ? 2 * c->chunk : CHUNK_MAX;
        if (status != OBJECT_OK || c->page.count == 0)
            return status;
    }
    *found = true;
    return info_read(c->arena, &c->page.records[c->at], out) ? OBJECT_OK : OBJECT_NO_MEMORY;
}

static enum object_status list_store(struct objects *objects, struct arena *arena, const struct object_list *list,
                                     struct object_page *out)
{
    struct store_cursor c = { .cursor = { store_seek }, .objects = objects, .arena = arena_create(16 * SCRATCH_MAX),
                              .bucket = list->bucket };
    if (c.arena == NULL)
        return OBJECT_NO_MEMORY;
    c.first = object_key(arena, list->bucket, list->prefix);
    if (c.first.id.ptr == NULL) {
        arena_destroy(c.arena);
        return OBJECT_NO_MEMORY;
    }
    c.before_len = list_after_prefix(c.first.id, c.before);
    c.leaps = list->delimiter.len > 0;
    c.chunk = c.leaps ? CHUNK_MIN : list->limit < CHUNK_MAX ? list->limit + 1 : CHUNK_MAX;     /* one more tells that there is more */
    enum object_status status = list_grouped(&c.cursor, arena, list, out);
    arena_destroy(c.arena);
    return status;
}

enum object_status object_list(struct objects *objects, struct arena *arena, const struct object_list *list, struct object_page *out)
{
    struct bucket bucket;
    struct object_list bounded = *list;
    *out = (struct object_page){ .count = 0 };
    if (bounded.limit == 0 || bounded.limit > LIMIT_MAX)
        bounded.limit = LIMIT_MAX;
    enum object_status status = bucket_resolve(objects, arena, list->bucket, &bucket);
    if (status != OBJECT_OK)
        return status;
    if (list->prefix.len > OBJECT_KEY_MAX)                  /* no key is so long */
        return OBJECT_OK;
    bounded.after = view_first(list->after, OBJECT_KEY_MAX);
    if (bucket.place == BUCKET_REMOTE)
        return remote_list(objects, bucket.remote, arena, &bounded, out);
    return bucket.place == BUCKET_LINKED ? linked_list(arena, &bucket, &bounded, out) : list_store(objects, arena, &bounded, out);
}
