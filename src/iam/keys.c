#include "iam/keys.h"

#include "base/encode.h"
#include "base/json.h"

#include <openssl/crypto.h>

#define ACCESS_ID_ALPHABET "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
#define SECRET_ALPHABET    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
#define ACCESS_ID_SIZE     16                               /* after AKIA */
#define ACCESS_SECRET_SIZE 40
#define BEARER_ID_SIZE     16                               /* after BEAR */
#define BEARER_SECRET_SIZE 48
#define FIRST_KEY_TOKEN    "first-key"
#define DEFAULT_USER       "root"
#define LOAD_ARENA         (64u << 20)

const char *iam_status_text(enum iam_status status)
{
    switch (status) {
    case IAM_OK:
        return "done";
    case IAM_NAME_TAKEN:
        return "another key has this name";
    case IAM_NOT_FOUND:
        return "there is no such key";
    case IAM_UNSEALABLE:
        return "the secrets were sealed with another key file: restore the data directory's secret.key";
    case IAM_STORE_FAILED:
        return "the store cannot be read or written";
    }
    return "unknown";
}

static struct store_key record_key(const struct iam_store *from, struct view id)
{
    return (struct store_key){ .kind = VIEW(IAM_KEY_KIND), .account = from->account, .region = VIEW(""), .id = id };
}

static void fill_principal(const struct iam_store *from, struct arena *arena, struct iam_key *key)
{
    struct view user = key->name.len > 0 ? key->name : VIEW(DEFAULT_USER);
    key->principal = (struct principal){
        .account = from->account,
        .name = user,
        .arn = view_from_cstr(
            arena_printf(arena, "arn:aws:iam::" VIEW_FMT ":user/" VIEW_FMT, VIEW_ARG(from->account), VIEW_ARG(user))),
        .access_key_id = key->bearer ? VIEW("") : key->id,
        .admin = true,                                      /* whoever can write the data directory made it */
    };
}

/* ---- reading ---- */

static enum iam_status read_key(const struct iam_store *from, struct arena *arena, const struct store_record *record, struct iam_key *key)
{
    const struct json *json = json_parse(arena, record->json, JSON_DEPTH_DEFAULT, NULL);
    if (json == NULL)
        return IAM_STORE_FAILED;
    *key = (struct iam_key){
        .id = record->key.id,
        .name = json_get_string(json, "name"),
        .bearer = view_is(json_get_string(json, "type"), "bearer"),
        .created_ms = record->created_ms,
    };
    fill_principal(from, arena, key);
    if (key->bearer)
        return hex_decode(json_get_string(json, "digest"), key->bearer_digest, sizeof(key->bearer_digest)) ? IAM_OK : IAM_STORE_FAILED;
    return seal_reveal(from->seal, json_get_string(json, "secret"), key->id, arena, &key->secret) ? IAM_OK : IAM_UNSEALABLE;
}

enum iam_status iam_key_list(const struct iam_store *from, struct arena *arena, struct iam_key **keys, size_t *count)
{
    size_t capacity = 0;
    struct store_scan scan = {
        .kind = VIEW(IAM_KEY_KIND), .account = from->account, .order = STORE_BY_CREATED, .limit = 1000
    };
    *keys = NULL;
    *count = 0;
    do {
        struct store_page page;
        if (store_scan(from->store, arena, &scan, &page) != STORE_OK)
            return IAM_STORE_FAILED;
        struct iam_key *all = ARENA_ARRAY(arena, struct iam_key, *count + page.count + 1);
        if (all == NULL)
            return IAM_STORE_FAILED;
        if (*count > 0)
            memcpy(all, *keys, *count * sizeof(*all));
        *keys = all;
        capacity = *count + page.count;
        for (size_t i = 0; *count < capacity; i++) {
            enum iam_status status = read_key(from, arena, &page.records[i], &all[*count]);
            if (status != IAM_OK)
                return status;
            (*count)++;
        }
        scan.page = page.next;
    } while (scan.page.len > 0);
    return IAM_OK;
}

static enum iam_status find_named(const struct iam_store *from, struct arena *arena, struct view name, struct iam_key *out)
{
    struct iam_key *keys;
    size_t count;
    enum iam_status status = iam_key_list(from, arena, &keys, &count);
    if (status != IAM_OK)
        return status;
    for (size_t i = 0; i < count; i++) {
        if (view_eq(keys[i].name, name)) {
            *out = keys[i];
            return IAM_OK;
        }
    }
    return IAM_NOT_FOUND;
}

/* ---- writing ---- */

static struct view random_text(struct arena *arena, const char *prefix, size_t len, const char *alphabet)
{
    size_t prefix_len = strlen(prefix);
    char *text = arena_alloc(arena, prefix_len + len + 1);
    if (text == NULL)
        return VIEW("");
    memcpy(text, prefix, prefix_len);
    random_id(text + prefix_len, len, alphabet);
    return view_of(text, prefix_len + len);
}

static bool write_key(const struct iam_store *from, const struct iam_key *key, struct buf *out)
{
    struct buf sealed = BUF_INIT(8192);
    struct json_writer json;
    json_writer_init(&json, out);
    json_object(&json);
    json_put_string(&json, "name", key->name);
    json_put_cstr(&json, "type", key->bearer ? "bearer" : "access");
    if (key->bearer) {
        char hex[2 * sizeof(key->bearer_digest)];
        hex_encode(key->bearer_digest, sizeof(key->bearer_digest), hex);
        json_put_string(&json, "digest", view_of(hex, sizeof(hex)));
    } else {
        if (!seal_secret(from->seal, key->secret, key->id, &sealed))
            json.failed = true;
        json_put_string(&json, "secret", buf_view(&sealed));
    }
    json_end(&json);
    buf_free(&sealed);
    return !json_writer_failed(&json);
}

static enum iam_status create(const struct iam_store *from, struct arena *arena, const struct iam_new_key *wanted, struct view token,
                              struct iam_key *out)
{
    *out = (struct iam_key){ .name = arena_copy(arena, wanted->name), .bearer = wanted->bearer };
    if (wanted->bearer) {
        out->id = random_text(arena, "BEAR", BEARER_ID_SIZE, ACCESS_ID_ALPHABET);
        out->secret = random_text(arena, BEARER_PREFIX, BEARER_SECRET_SIZE, SECRET_ALPHABET);
        sha256(out->secret, out->bearer_digest);
    } else {
        out->id = random_text(arena, "AKIA", ACCESS_ID_SIZE, ACCESS_ID_ALPHABET);
        out->secret = random_text(arena, "", ACCESS_SECRET_SIZE, SECRET_ALPHABET);
    }
    fill_principal(from, arena, out);

    struct buf json = BUF_INIT(16384);
    enum iam_status status = IAM_STORE_FAILED;
    if (!arena_exhausted(arena) && write_key(from, out, &json)) {
        struct store_record record = {
            .key = record_key(from, out->id), .state = VIEW("active"), .token = token, .json = buf_view(&json)
        };
        enum store_status stored = store_create(from->store, &record);
        out->created_ms = record.created_ms;
        status = stored == STORE_OK ? IAM_OK : stored == STORE_TOKEN_USED ? IAM_NAME_TAKEN : IAM_STORE_FAILED;
    }
    buf_free(&json);
    return status;
}

enum iam_status iam_key_create(const struct iam_store *from, struct arena *arena, const struct iam_new_key *wanted, struct iam_key *out)
{
    struct iam_key taken;
    struct view token = { NULL, 0 };
    if (wanted->name.len > 0) {
        enum iam_status status = find_named(from, arena, wanted->name, &taken);
        if (status != IAM_NOT_FOUND)
            return status == IAM_OK ? IAM_NAME_TAKEN : status;
        token = view_from_cstr(arena_printf(arena, "name:" VIEW_FMT, VIEW_ARG(wanted->name)));   /* two at once: one wins */
    }
    return create(from, arena, wanted, token, out);
}

enum iam_status iam_key_revoke(const struct iam_store *from, struct arena *arena, struct view id_or_name)
{
    struct store_key key = record_key(from, id_or_name);
    enum store_status stored = id_or_name.len > 0 ? store_delete(from->store, &key, 0) : STORE_NOT_FOUND;
    if (stored == STORE_NOT_FOUND && id_or_name.len > 0) {
        struct iam_key named;
        enum iam_status status = find_named(from, arena, id_or_name, &named);
        if (status != IAM_OK)
            return status;
        key.id = named.id;
        stored = store_delete(from->store, &key, 0);
    }
    return stored == STORE_OK ? IAM_OK : stored == STORE_NOT_FOUND ? IAM_NOT_FOUND : IAM_STORE_FAILED;
}

static enum iam_status oldest_access_key(const struct iam_store *from, struct arena *arena, struct iam_key *out)
{
    struct iam_key *keys;
    size_t count;
    enum iam_status status = iam_key_list(from, arena, &keys, &count);
    for (size_t i = 0; status == IAM_OK && i < count; i++) {
        if (!keys[i].bearer) {
            *out = keys[i];
            return IAM_OK;
        }
    }
    return status == IAM_OK ? IAM_NOT_FOUND : status;
}

enum iam_status iam_first_key(const struct iam_store *from, struct arena *arena, struct iam_key *out)
{
    enum iam_status status = oldest_access_key(from, arena, out);
    if (status != IAM_NOT_FOUND)
        return status;
    const struct iam_new_key first = { .bearer = false };
    status = create(from, arena, &first, VIEW(FIRST_KEY_TOKEN), out);
    return status == IAM_NAME_TAKEN ? oldest_access_key(from, arena, out) : status;     /* another process was first */
}

struct iam_snapshot *iam_load(const struct iam_store *from, enum iam_status *status)
{
    struct arena *arena = arena_create(LOAD_ARENA);
    struct iam_snapshot *snapshot = NULL;
    struct iam_key *keys;
    size_t count;
    *status = arena != NULL ? iam_key_list(from, arena, &keys, &count) : IAM_STORE_FAILED;
    if (*status == IAM_OK)
        snapshot = iam_snapshot_create(keys, count);
    if (*status == IAM_OK && snapshot == NULL)
        *status = IAM_STORE_FAILED;
    for (size_t i = 0; *status == IAM_OK && i < count; i++)
        OPENSSL_cleanse((void *)(uintptr_t)keys[i].secret.ptr, keys[i].secret.len);
    arena_destroy(arena);
    return snapshot;
}
