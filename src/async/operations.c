/* async/operations.c - the three operations, and joining the server; see async.h. */
#include "async/internal.h"

#include "aws/arn.h"
#include "base/encode.h"
#include "base/log.h"
#include "tags/tags.h"

#include <stdlib.h>

#define PAGE_DEFAULT 100

/* ---- making and joining ---- */

static struct internal_call *submit_to_front(void *ctx, const struct internal_request *request,
                                             void (*on_done)(void *ctx, const struct internal_answer *answer), void *done_ctx)
{
    return internal_call_submit(ctx, request, on_done, done_ctx);
}

static void cancel_at_front(void *ctx, struct internal_call *call)
{
    (void)ctx;
    internal_call_cancel(call);
}

struct async *async_create(const struct async_options *options)
{
    struct async *async = calloc(1, sizeof(*async));
    if (async != NULL)
        async->options = *options;
    return async;
}

void async_destroy(struct async *async)
{
    free(async);
}

void async_set_caller(struct async *async, const struct async_caller *caller)
{
    async->caller = *caller;
}

void async_set_front(struct async *async, struct aws_front *front)
{
    async->caller = (struct async_caller){ .ctx = front, .submit = submit_to_front, .cancel = cancel_at_front };
}

bool async_join(struct async *async, struct jobs *jobs)
{
    static const char *const working[] = { ASYNC_IN_PROGRESS, NULL };
    const struct job_type type = { .kind = ASYNC_KIND, .working = working, .threads = async->options.at_once, .run = async_run,
                                   .ctx = async };
    return jobs_add(jobs, &type);
}

/* ---- failing ---- */

static enum aws_status fail_store(struct call *call, enum store_status status)
{
    if (status == STORE_BUSY)
        return call_fail(call, AWS_THROTTLING, "The store is busy. Try your request again.");
    log_error("an asynchronous invocation could not be read or written", LOG_STR("reason", store_status_text(status)));
    return call_fail(call, AWS_INTERNAL_SERVER, "The store failed: %s.", store_status_text(status));
}

static enum aws_status fail_memory(struct call *call)
{
    return call_fail(call, AWS_INTERNAL_SERVER, "The server is out of memory.");
}

/* ---- StartAsyncInvoke ---- */

static enum aws_status check_model(struct call *call)
{
    const struct async *async = call_context(call);
    struct model_target target;
    const char *problem;
    enum aws_status status = models_resolve(async->options.models, call_arena(call), json_get_string(call_body(call), "modelId"), &target,
                                            &problem);
    return status == AWS_OK ? AWS_OK : call_fail(call, status, "%s", problem);
}

/* The bucket may still go before the answer is there; but what is known to be wrong is said at once. */
static enum aws_status check_output(struct call *call, const struct json *output)
{
    const struct async *async = call_context(call);
    struct view uri = json_get_string(output, "s3Uri"), owner = json_get_string(output, "bucketOwner"), bucket, key;
    struct bucket_info info;
    if (json_get(output, "kmsKeyId") != NULL)
        return call_fail(call, AWS_VALIDATION, "This server has no KMS keys. Remove kmsKeyId and try again.");
    if (!object_uri_parse(uri, &bucket, &key))
        return call_fail(call, AWS_VALIDATION, "This is not the S3 URI of a folder: " VIEW_FMT, VIEW_ARG(uri));
    enum object_status status = bucket_get(async->options.objects, call_arena(call), bucket, &info);
    if (status == OBJECT_NO_BUCKET || status == OBJECT_BAD_NAME)
        return call_fail(call, AWS_VALIDATION, "The bucket " VIEW_FMT " of the s3Uri does not exist.", VIEW_ARG(bucket));
    if (status != OBJECT_OK)
        return call_fail(call, object_status_is_passing(status) ? AWS_SERVICE_UNAVAILABLE : AWS_INTERNAL_SERVER,
                         "Bucket " VIEW_FMT ": %s", VIEW_ARG(bucket), object_status_text(status));
    if (!view_eq(info.account, call_principal(call)->account) || (owner.len > 0 && !view_eq(owner, info.account)))
        return call_fail(call, AWS_ACCESS_DENIED, "The bucket " VIEW_FMT " belongs to another account.", VIEW_ARG(bucket));
    if (info.place == BUCKET_LINKED)
        return call_fail(call, AWS_VALIDATION, "The bucket " VIEW_FMT " is a linked directory, which is read-only.", VIEW_ARG(bucket));
    return AWS_OK;
}

/* Near enough: callers who come at once may get a few more. */
static enum aws_status check_quota(struct call *call)
{
    const struct async *async = call_context(call);
    struct store_scan scan = { .kind = VIEW_INIT(ASYNC_KIND), .account = call_principal(call)->account, .region = call_region(call),
                               .state = VIEW_INIT(ASYNC_IN_PROGRESS), .limit = async->options.active_max };
    struct store_page page;
    enum store_status status = store_scan(async->options.store, call_arena(call), &scan, &page);
    if (status != STORE_OK)
        return fail_store(call, status);
    if (page.count < async->options.active_max)
        return AWS_OK;
    return call_fail(call, AWS_SERVICE_QUOTA_EXCEEDED,
                     "There are %u asynchronous invocations in progress, which is the limit. Wait for one to end.",
                     async->options.active_max);
}

static enum aws_status check_request(struct call *call)
{
    const struct json *body = call_body(call);
    enum aws_status status = check_model(call);
    if (status == AWS_OK)
        status = check_output(call, json_get(json_get(body, "outputDataConfig"), "s3OutputDataConfig"));
    if (status == AWS_OK)
        status = tags_check(call, json_get(body, "tags"));
    return status == AWS_OK ? check_quota(call) : status;
}

static bool new_invocation(struct call *call, struct invocation *out)
{
    struct arena *arena = call_arena(call);
    const struct json *body = call_body(call);
    struct view token = json_get_string(body, "clientRequestToken");
    char id[ASYNC_ID_SIZE + 1];
    random_id(id, ASYNC_ID_SIZE, "abcdefghijklmnopqrstuvwxyz0123456789");
    *out = (struct invocation){
        .key = { VIEW_INIT(ASYNC_KIND), call_principal(call)->account, call_region(call), arena_copy(arena, view_of(id, ASYNC_ID_SIZE)) },
        .status = VIEW_INIT(ASYNC_IN_PROGRESS),
        .token = token.len > 0 ? token : (struct view){ .ptr = NULL },
        .model_id = json_get_string(body, "modelId"),
        .output_uri = json_get_string(json_get(json_get(body, "outputDataConfig"), "s3OutputDataConfig"), "s3Uri"),
        .digest = invocation_digest(arena, body),
        .principal = *call_principal(call),
    };
    return out->key.id.ptr != NULL && out->digest.ptr != NULL;
}

/* The invocation, its input and its tags come to be together. */
static enum store_status create(struct call *call, const struct invocation *invocation, struct view input)
{
    const struct async *async = call_context(call);
    const struct json *tags = json_get(call_body(call), "tags");
    struct store_write writes[3] = {
        { .action = STORE_CREATE },
        { .action = STORE_CREATE, .record = { .key = invocation_input_key(&invocation->key), .json = input } },
    };
    size_t count = json_size(tags) > 0 ? 3 : 2;
    if (!invocation_write(call_arena(call), invocation, &writes[0].record) ||
        (count == 3 && !tags_first_write(call_arena(call), &invocation->key, tags, &writes[2])))
        return STORE_NO_MEMORY;
    return store_apply(async->options.store, writes, count, NULL);
}

static enum aws_status reply_arn(struct call *call, const struct store_key *key)
{
    struct json_writer *reply = call_reply(call);
    json_object(reply);
    json_put_string(reply, "invocationArn", invocation_arn(call_arena(call), key));
    json_end(reply);
    return AWS_OK;
}

/* The invocation that this token has made before, when there is one: *found. */
static enum aws_status answer_again(struct call *call, const struct invocation *invocation, bool *found)
{
    const struct async *async = call_context(call);
    struct store_record record;
    struct invocation before;
    enum store_status status = STORE_NOT_FOUND;
    if (invocation->token.ptr != NULL)
        status = store_get_by_token(async->options.store, call_arena(call), &invocation->key, invocation->token, &record);
    *found = status != STORE_NOT_FOUND;
    if (!*found)
        return AWS_OK;
    if (status != STORE_OK)
        return fail_store(call, status);
    if (!invocation_read(call_arena(call), &record, &before))
        return fail_memory(call);
    if (!view_eq(before.digest, invocation->digest))
        return call_fail(call, AWS_CONFLICT, "The clientRequestToken has been used with other parameters, for the invocation " VIEW_FMT ".",
                         VIEW_ARG(invocation_arn(call_arena(call), &before.key)));
    return reply_arn(call, &before.key);
}

static enum aws_status start_new(struct call *call, const struct invocation *invocation)
{
    struct buf input = BUF_INIT(SIZE_MAX);
    struct json_writer writer;
    json_writer_init(&writer, &input);
    json_write_value(&writer, json_get(call_body(call), "modelInput"));
    bool written = !json_writer_failed(&writer) && !buf_failed(&input);
    enum store_status status = written ? create(call, invocation, buf_view(&input)) : STORE_NO_MEMORY;
    buf_free(&input);
    bool found = false;
    if (status == STORE_TOKEN_USED)                         /* by somebody who came at the same time */
        return answer_again(call, invocation, &found);
    return status == STORE_OK ? reply_arn(call, &invocation->key) : fail_store(call, status);
}

enum aws_status start_async_invoke(struct call *call)
{
    struct invocation invocation;
    bool found;
    if (!new_invocation(call, &invocation))
        return fail_memory(call);
    enum aws_status status = answer_again(call, &invocation, &found);
    if (found)
        return status;
    status = check_request(call);
    return status == AWS_OK ? start_new(call, &invocation) : status;
}

/* ---- GetAsyncInvoke ---- */

enum aws_status get_async_invoke(struct call *call)
{
    const struct async *async = call_context(call);
    struct view text = call_label(call, "invocationArn");
    struct store_record record;
    struct invocation invocation;
    struct arn arn;
    enum store_status status = STORE_NOT_FOUND;
    if (arn_parse(text, &arn) && view_eq(arn.account, call_principal(call)->account) && arn.id.len > 0) {
        const struct store_key key = { VIEW_INIT(ASYNC_KIND), arn.account, arn.region, arn.id };
        status = store_get(async->options.store, call_arena(call), &key, &record);
    }
    if (status == STORE_NOT_FOUND)                          /* the operation knows no other error for it */
        return call_fail(call, AWS_VALIDATION, "There is no asynchronous invocation " VIEW_FMT ".", VIEW_ARG(text));
    if (status != STORE_OK)
        return fail_store(call, status);
    if (!invocation_read(call_arena(call), &record, &invocation))
        return fail_memory(call);
    struct json_writer *reply = call_reply(call);
    json_object(reply);
    invocation_write_members(call_arena(call), &invocation, reply);
    json_end(reply);
    return AWS_OK;
}

/* ---- ListAsyncInvokes ---- */

static bool time_of(struct call *call, const char *parameter, int64_t *ms)
{
    struct view text = call_query(call, parameter);
    return text.len == 0 || clock_parse_iso(text, ms);
}

static enum aws_status read_scan(struct call *call, struct store_scan *scan)
{
    struct view status = call_query(call, "statusEquals"), max = call_query(call, "maxResults");
    int64_t limit = PAGE_DEFAULT, after_ms = -1;
    if (max.len > 0 && !view_to_i64(max, &limit))
        return call_fail(call, AWS_VALIDATION, "maxResults must be a number.");
    *scan = (struct store_scan){ .kind = VIEW_INIT(ASYNC_KIND), .account = call_principal(call)->account, .region = call_region(call),
                                 .order = STORE_BY_CREATED, .limit = (size_t)limit, .page = call_query(call, "nextToken"),
                                 .descending = !view_is(call_query(call, "sortOrder"), "Ascending") };
    if (status.len > 0)
        scan->state = status;
    if (!time_of(call, "submitTimeAfter", &after_ms) || !time_of(call, "submitTimeBefore", &scan->before_ms))
        return call_fail(call, AWS_VALIDATION, "submitTimeAfter and submitTimeBefore must be times such as 2025-01-02T03:04:05Z.");
    scan->from_ms = after_ms + 1;
    return AWS_OK;
}

enum aws_status list_async_invokes(struct call *call)
{
    const struct async *async = call_context(call);
    struct store_scan scan;
    struct store_page page;
    enum aws_status status = read_scan(call, &scan);
    if (status != AWS_OK)
        return status;
    enum store_status scanned = store_scan(async->options.store, call_arena(call), &scan, &page);
    if (scanned == STORE_BAD_PAGE)
        return call_fail(call, AWS_VALIDATION, "The nextToken is not one of this list.");
    if (scanned != STORE_OK)
        return fail_store(call, scanned);
    struct json_writer *reply = call_reply(call);
    json_object(reply);
    json_key(reply, "asyncInvokeSummaries");
    json_array(reply);
    for (size_t i = 0; i < page.count; i++) {
        struct invocation invocation;
        if (!invocation_read(call_arena(call), &page.records[i], &invocation))
            return fail_memory(call);
        json_object(reply);
        invocation_write_members(call_arena(call), &invocation, reply);
        json_end(reply);
    }
    json_end(reply);
    if (page.next.len > 0)
        json_put_string(reply, "nextToken", page.next);
    json_end(reply);
    return AWS_OK;
}

const struct handler_row async_handlers[] = {
    { "GetAsyncInvoke", get_async_invoke, false },
    { "ListAsyncInvokes", list_async_invokes, false },
    { "StartAsyncInvoke", start_async_invoke, false },
};
const size_t async_handler_count = sizeof(async_handlers) / sizeof(async_handlers[0]);
