#include "elastic/endpoints.h"

#include "base/hashmap.h"
#include "base/log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define SET_MAX    (256u << 20)
#define PAGE       1000
#define RECORD_MAX (1u << 20)

struct endpoint_set {
    atomic_uint references;
    struct arena *arena;
    struct endpoint *list;
    size_t count, capacity;
    struct hashmap by_id; /* "account/id" */
};

struct endpoints {
    struct store *store;
    const struct seal *seal;
    pthread_mutex_t loading; /* one load at a time, so that the newest is swapped in last */
    pthread_mutex_t lock;    /* held only to count or to swap the pointer */
    struct endpoint_set *current;
};

/* ---- sets ---- */

static struct endpoint_set *set_create(void)
{
    struct endpoint_set *set = calloc(1, sizeof(*set));
    struct arena *arena = arena_create(SET_MAX);
    if (set == NULL || arena == NULL) {
        arena_destroy(arena);
        free(set);
        return NULL;
    }
    atomic_init(&set->references, 1);
    set->arena = arena;
    return set;
}

void endpoint_set_release(struct endpoint_set *set)
{
    if (set == NULL || atomic_fetch_sub(&set->references, 1) > 1)
        return;
    hashmap_free(&set->by_id);
    arena_destroy(set->arena);
    free(set);
}

size_t endpoint_set_count(const struct endpoint_set *set)
{
    return set->count;
}

const struct endpoint *endpoint_set_at(const struct endpoint_set *set, size_t index)
{
    return &set->list[index];
}

static struct view name_of(struct arena *arena, struct view account, struct view id)
{
    return view_from_cstr(arena_printf(arena, VIEW_FMT "/" VIEW_FMT, VIEW_ARG(account), VIEW_ARG(id)));
}

const struct endpoint *endpoint_set_find(const struct endpoint_set *set, struct view account, struct view id)
{
    char name[1024];
    if (account.len == 0 || id.len == 0 || account.len + id.len + 1 > sizeof(name))
        return NULL;
    memcpy(name, account.ptr, account.len);
    name[account.len] = '/';
    if (id.len > 0)                                         /* a path without an id has no bytes to copy from */
        memcpy(name + account.len + 1, id.ptr, id.len);
    return hashmap_get(&set->by_id, view_of(name, account.len + 1 + id.len));
}

static bool set_add(struct endpoint_set *set, const struct store_record *record)
{
    if (set->count == set->capacity) {
        size_t wanted = set->capacity == 0 ? 16 : set->capacity * 2;
        set->list = arena_resize(set->arena, set->list, set->capacity * sizeof(*set->list), wanted * sizeof(*set->list));
        if (set->list == NULL)
            return false;
        set->capacity = wanted;
    }
    struct endpoint *endpoint = &set->list[set->count];
    if (!endpoint_read_record(set->arena, record->json, endpoint)) {
        log_error("an inference endpoint could not be read and is left out", LOG_VIEW("id", record->key.id));
        return !arena_exhausted(set->arena);
    }
    endpoint->account = record->key.account;
    endpoint->id = record->key.id;
    endpoint->version = record->version;
    set->count++;
    return true;
}

static bool set_index(struct endpoint_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        struct view name = name_of(set->arena, set->list[i].account, set->list[i].id);
        if (name.ptr == NULL || !hashmap_put(&set->by_id, name, &set->list[i]))
            return false;
    }
    return true;
}

static bool set_fill(struct endpoint_set *set, struct store *store)
{
    struct store_scan scan = { .kind = VIEW_INIT(ENDPOINT_KIND), .order = STORE_BY_ID, .limit = PAGE };
    do {
        struct store_page page;
        enum store_status status = store_scan(store, set->arena, &scan, &page);
        if (status != STORE_OK) {
            log_error("the inference endpoints could not be read", LOG_STR("reason", store_status_text(status)));
            return false;
        }
        for (size_t i = 0; i < page.count; i++) {
            if (!set_add(set, &page.records[i]))
                return false;
        }
        scan.page = page.next;
    } while (scan.page.len > 0);
    return set_index(set);
}

/* ---- the current one ---- */

struct endpoints *endpoints_create(struct store *store, const struct seal *seal)
{
    struct endpoints *endpoints = calloc(1, sizeof(*endpoints));
    struct endpoint_set *set = set_create();
    if (endpoints == NULL || set == NULL || pthread_mutex_init(&endpoints->loading, NULL) != 0)
        goto failed;
    if (pthread_mutex_init(&endpoints->lock, NULL) != 0) {
        pthread_mutex_destroy(&endpoints->loading);
        goto failed;
    }
    endpoints->store = store;
    endpoints->seal = seal;
    endpoints->current = set;
    return endpoints;

failed:
    endpoint_set_release(set);
    free(endpoints);
    return NULL;
}

void endpoints_destroy(struct endpoints *endpoints)
{
    if (endpoints == NULL)
        return;
    endpoint_set_release(endpoints->current);
    pthread_mutex_destroy(&endpoints->lock);
    pthread_mutex_destroy(&endpoints->loading);
    free(endpoints);
}

struct endpoint_set *endpoints_acquire(struct endpoints *endpoints)
{
    pthread_mutex_lock(&endpoints->lock);
    struct endpoint_set *set = endpoints->current;
    atomic_fetch_add(&set->references, 1);
    pthread_mutex_unlock(&endpoints->lock);
    return set;
}

static void swap(struct endpoints *endpoints, struct endpoint_set *set_take)
{
    pthread_mutex_lock(&endpoints->lock);
    struct endpoint_set *before = endpoints->current;
    endpoints->current = set_take;
    pthread_mutex_unlock(&endpoints->lock);
    endpoint_set_release(before);
}

bool endpoints_load(struct endpoints *endpoints)
{
    pthread_mutex_lock(&endpoints->loading);
    struct endpoint_set *set = set_create();
    bool ok = set != NULL && set_fill(set, endpoints->store);
    if (ok)
        swap(endpoints, set);
    else
        endpoint_set_release(set);
    pthread_mutex_unlock(&endpoints->loading);
    return ok;
}

/* ---- changes ---- */

static bool seal_keys(const struct endpoints *endpoints, struct arena *arena, const struct key_pair *keys, struct endpoint *endpoint)
{
    struct buf plain = BUF_INIT(RECORD_MAX), sealed = BUF_INIT(RECORD_MAX);
    struct json_writer out;
    json_writer_init(&out, &plain);
    json_object(&out);
    json_put_string(&out, "access_key", keys->access_key);
    json_put_string(&out, "secret_key", keys->secret_key);
    json_end(&out);
    bool ok = !json_writer_failed(&out) &&
              seal_secret(endpoints->seal, buf_view(&plain), name_of(arena, endpoint->account, endpoint->id), &sealed);
    if (ok)
        endpoint->secrets = arena_copy(arena, buf_view(&sealed));
    if (plain.ptr != NULL)
        explicit_bzero(plain.ptr, plain.len);
    buf_free(&plain);
    buf_free(&sealed);
    return ok && endpoint->secrets.len > 0;
}

bool endpoints_reveal(const struct endpoints *endpoints, struct arena *arena, const struct endpoint *endpoint, struct key_pair *out)
{
    struct view plain, context = name_of(arena, endpoint->account, endpoint->id);
    if (!seal_reveal(endpoints->seal, endpoint->secrets, context, arena, &plain))
        return false;
    const struct json *pair = json_parse(arena, plain, JSON_DEPTH_DEFAULT, NULL);
    out->access_key = json_get_string(pair, "access_key");
    out->secret_key = json_get_string(pair, "secret_key");
    return out->secret_key.len > 0;
}

static enum store_status write_endpoint(struct endpoints *endpoints, struct arena *arena, const struct endpoint *wanted,
                                        const struct key_pair *keys, enum store_action action)
{
    struct endpoint endpoint = *wanted;
    if (keys->secret_key.len > 0 && !seal_keys(endpoints, arena, keys, &endpoint))
        return STORE_NO_MEMORY;
    struct buf json = BUF_INIT(RECORD_MAX);
    struct json_writer out;
    json_writer_init(&out, &json);
    endpoint_write_record(&endpoint, &out);
    struct store_write write = {
        .action = action,
        .record = { .key = { .kind = VIEW_INIT(ENDPOINT_KIND), .account = endpoint.account, .region = VIEW_INIT(""), .id = endpoint.id },
                    .version = action == STORE_UPDATE ? endpoint.version : 0,
                    .json = buf_view(&json) },
    };
    enum store_status status = json_writer_failed(&out) ? STORE_NO_MEMORY : store_apply(endpoints->store, &write, 1, NULL);
    buf_free(&json);
    if (status == STORE_OK && !endpoints_load(endpoints))
        status = STORE_ERROR;
    return status;
}

enum store_status endpoints_add(struct endpoints *endpoints, struct arena *arena, const struct endpoint *endpoint,
                                const struct key_pair *keys)
{
    return write_endpoint(endpoints, arena, endpoint, keys, STORE_CREATE);
}

enum store_status endpoints_replace(struct endpoints *endpoints, struct arena *arena, const struct endpoint *endpoint,
                                    const struct key_pair *keys)
{
    return write_endpoint(endpoints, arena, endpoint, keys, STORE_UPDATE);
}

enum store_status endpoints_remove(struct endpoints *endpoints, const struct endpoint *endpoint)
{
    const struct store_key key = {
        .kind = VIEW_INIT(ENDPOINT_KIND), .account = endpoint->account, .region = VIEW_INIT(""), .id = endpoint->id
    };
    enum store_status status = store_delete(endpoints->store, &key, 0);
    if (status == STORE_OK && !endpoints_load(endpoints))
        status = STORE_ERROR;
    return status;
}
