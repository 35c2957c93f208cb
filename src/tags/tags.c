#include "tags/tags.h"

#include "aws/arn.h"

#define RECORD_MAX (64u << 10)
#define ATTEMPTS   8                                        /* when others change the same tags */

/* Resource types of ARNs, and the kind of record that each is. */
static const struct {
    const char *type, *kind;
} taggable[] = {
    { "async-invoke", "async-invoke" },
    { "model-invocation-job", "model-invocation-job" },
};

struct tag {
    struct view key, value;
};

struct tag_set {
    struct tag tags[TAGS_MAX];
    size_t count;
};

/* ---- sets ---- */

static struct tag *find(struct tag_set *set, struct view key)
{
    for (size_t i = 0; i < set->count; i++) {
        if (view_eq(set->tags[i].key, key))
            return &set->tags[i];
    }
    return NULL;
}

static bool put(struct tag_set *set, struct view key, struct view value)
{
    struct tag *tag = find(set, key);
    if (tag == NULL && set->count == TAGS_MAX)
        return false;
    if (tag == NULL)
        tag = &set->tags[set->count++];
    *tag = (struct tag){ key, value };
    return true;
}

static void drop(struct tag_set *set, struct view key)
{
    struct tag *tag = find(set, key);
    if (tag == NULL)
        return;
    set->count--;
    memmove(tag, tag + 1, (size_t)(set->tags + set->count - tag) * sizeof(*tag));
}

static bool put_all(struct tag_set *set, const struct json *list)
{
    struct json_iter at = json_iter(list);
    while (json_next(&at)) {
        if (!put(set, json_get_string(at.value, "key"), json_get_string(at.value, "value")))
            return false;
    }
    return true;
}

static void write_set(const struct tag_set *set, struct json_writer *out)
{
    json_array(out);
    for (size_t i = 0; i < set->count; i++) {
        json_object(out);
        json_put_string(out, "key", set->tags[i].key);
        json_put_string(out, "value", set->tags[i].value);
        json_end(out);
    }
    json_end(out);
}

static bool record_of(struct arena *arena, const struct store_key *resource, const struct tag_set *set, struct store_record *out)
{
    struct buf text = BUF_INIT(RECORD_MAX);
    struct json_writer writer;
    json_writer_init(&writer, &text);
    write_set(set, &writer);
    *out = (struct store_record){ .key = *resource };
    out->key.kind = VIEW(TAGS_KIND);
    out->key.id = view_from_cstr(arena_printf(arena, VIEW_FMT "/" VIEW_FMT, VIEW_ARG(resource->kind), VIEW_ARG(resource->id)));
    out->json = json_writer_failed(&writer) ? VIEW("") : arena_copy(arena, buf_view(&text));
    buf_free(&text);
    return out->key.id.ptr != NULL && out->json.ptr != NULL && out->json.len > 0;
}

/* ---- new resources ---- */

static enum aws_status refuse_too_many(struct call *call)
{
    return call_fail(call, AWS_TOO_MANY_TAGS, "A resource can have at most %d tags.", TAGS_MAX);
}

static enum aws_status check_keys(struct call *call, const struct json *list)
{
    struct json_iter at = json_iter(list);
    while (json_next(&at)) {
        struct view key = json_get_string(at.value, "key");
        if (view_starts_with_nocase(key, VIEW("aws:")))
            return call_fail(call, AWS_VALIDATION, "Tag keys that begin with aws: are reserved: " VIEW_FMT, VIEW_ARG(key));
        for (size_t i = 0; i < at.index; i++) {
            if (view_eq(json_get_string(json_at(list, i), "key"), key))
                return call_fail(call, AWS_VALIDATION, "The tag key " VIEW_FMT " is given twice.", VIEW_ARG(key));
        }
    }
    return AWS_OK;
}

enum aws_status tags_check(struct call *call, const struct json *list)
{
    if (json_size(list) > TAGS_MAX)
        return call_fail(call, AWS_VALIDATION, "A resource can have at most %d tags.", TAGS_MAX);
    return check_keys(call, list);
}

bool tags_first_write(struct arena *arena, const struct store_key *resource, const struct json *list, struct store_write *out)
{
    struct tag_set set = { .count = 0 };
    *out = (struct store_write){ .action = STORE_PUT };
    return put_all(&set, list) && record_of(arena, resource, &set, &out->record);
}

/* ---- the operations ---- */

static enum aws_status fail_store(struct call *call, enum store_status status)
{
    return status == STORE_CONFLICT || status == STORE_BUSY
               ? call_fail(call, AWS_THROTTLING, "The tags are being changed by others. Try your request again.")
               : call_fail(call, AWS_INTERNAL_SERVER, "The tags could not be stored: %s.", store_status_text(status));
}

/* The record that the ARN in the body names: it must be of a known kind, of this account, and there. */
static enum aws_status find_resource(struct call *call, struct store_key *out)
{
    const struct tags *tags = call_context(call);
    struct view text = json_get_string(call_body(call), "resourceARN");
    struct arn arn;
    struct store_record record;
    *out = (struct store_key){ .id = text };
    bool known = arn_parse(text, &arn) && view_eq(arn.account, call_principal(call)->account);
    for (size_t i = 0; known && i < sizeof(taggable) / sizeof(taggable[0]); i++) {
        if (!view_is(arn.type, taggable[i].type))
            continue;
        *out = (struct store_key){ view_from_cstr(taggable[i].kind), arn.account, arn.region, arn.id };
        enum store_status status = arn.id.len > 0 ? store_get(tags->store, call_arena(call), out, &record) : STORE_NOT_FOUND;
        if (status == STORE_OK)
            return AWS_OK;
        if (status != STORE_NOT_FOUND)
            return fail_store(call, status);
    }
    return call_fail(call, AWS_RESOURCE_NOT_FOUND, "Could not find the resource " VIEW_FMT ".", VIEW_ARG(text));
}

/* *version is 0 where the resource has none yet. */
static enum store_status load(struct call *call, const struct store_key *resource, struct tag_set *set, uint64_t *version)
{
    const struct tags *tags = call_context(call);
    struct store_record wanted, record;
    *set = (struct tag_set){ .count = 0 };
    *version = 0;
    if (!record_of(call_arena(call), resource, set, &wanted))
        return STORE_NO_MEMORY;
    enum store_status status = store_get(tags->store, call_arena(call), &wanted.key, &record);
    if (status == STORE_NOT_FOUND)
        return STORE_OK;
    if (status != STORE_OK)
        return status;
    *version = record.version;
    const struct json *list = json_parse(call_arena(call), record.json, JSON_DEPTH_DEFAULT, NULL);
    return list != NULL && put_all(set, list) ? STORE_OK : STORE_ERROR;
}

static enum store_status save(struct call *call, const struct store_key *resource, const struct tag_set *set, uint64_t version)
{
    const struct tags *tags = call_context(call);
    struct store_record record;
    if (!record_of(call_arena(call), resource, set, &record))
        return STORE_NO_MEMORY;
    record.version = version;
    enum store_status status = version == 0 ? store_create(tags->store, &record) : store_update(tags->store, &record);
    return status == STORE_EXISTS || status == STORE_NOT_FOUND ? STORE_CONFLICT : status;
}

/* Reads, changes and writes until nobody has come between. */
static enum aws_status change(struct call *call, bool (*edit)(struct call *call, struct tag_set *set))
{
    struct store_key resource;
    enum aws_status found = find_resource(call, &resource);
    if (found != AWS_OK)
        return found;
    enum store_status status = STORE_CONFLICT;
    for (int i = 0; i < ATTEMPTS && status == STORE_CONFLICT; i++) {
        struct tag_set set;
        uint64_t version;
        status = load(call, &resource, &set, &version);
        if (status != STORE_OK)
            return fail_store(call, status);
        if (!edit(call, &set))
            return refuse_too_many(call);
        status = save(call, &resource, &set, version);
    }
    if (status != STORE_OK)
        return fail_store(call, status);
    struct json_writer *reply = call_reply(call);
    json_object(reply);
    json_end(reply);
    return AWS_OK;
}

static bool add_tags(struct call *call, struct tag_set *set)
{
    return put_all(set, json_get(call_body(call), "tags"));
}

static bool remove_tags(struct call *call, struct tag_set *set)
{
    struct json_iter at = json_iter(json_get(call_body(call), "tagKeys"));
    while (json_next(&at))
        drop(set, json_string(at.value));
    return true;
}

enum aws_status tag_resource(struct call *call)
{
    enum aws_status status = check_keys(call, json_get(call_body(call), "tags"));
    return status == AWS_OK ? change(call, add_tags) : status;
}

enum aws_status untag_resource(struct call *call)
{
    return change(call, remove_tags);
}

enum aws_status list_tags_for_resource(struct call *call)
{
    struct store_key resource;
    struct tag_set set;
    uint64_t version;
    enum aws_status status = find_resource(call, &resource);
    if (status != AWS_OK)
        return status;
    enum store_status loaded = load(call, &resource, &set, &version);
    if (loaded != STORE_OK)
        return fail_store(call, loaded);
    struct json_writer *reply = call_reply(call);
    json_object(reply);
    json_key(reply, "tags");
    write_set(&set, reply);
    json_end(reply);
    return AWS_OK;
}

/* Other services have operations of the same names. */
const struct handler_row tags_handlers[] = {
    { "bedrock:ListTagsForResource", list_tags_for_resource, false },
    { "bedrock:TagResource", tag_resource, false },
    { "bedrock:UntagResource", untag_resource, false },
};
const size_t tags_handler_count = sizeof(tags_handlers) / sizeof(tags_handlers[0]);
