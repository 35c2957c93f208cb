/* batch/operations.c - the four operations on batch jobs; see batch.h. */
#include "batch/internal.h"

#include "aws/arn.h"
#include "base/encode.h"
#include "tags/tags.h"

#define ATTEMPTS     8                                      /* when the runner changes the same job */
#define PAGE_DEFAULT 100

static enum aws_status fail_store(struct call *call, enum store_status status)
{
    if (status == STORE_BUSY || status == STORE_CONFLICT)
        return call_fail(call, AWS_THROTTLING, "The jobs are being changed by others. Try your request again.");
    return call_fail(call, AWS_INTERNAL_SERVER, "The jobs could not be read or written: %s.", store_status_text(status));
}

/* ---- create ---- */

/* What is accepted by the shapes and would be ignored: refused by name. */
static enum aws_status refuse_unsupported(struct call *call)
{
    const struct json *output = json_get(json_get(call_body(call), "outputDataConfig"), "s3OutputDataConfig");
    if (json_get(output, "s3EncryptionKeyId") != NULL)
        return call_fail(call, AWS_VALIDATION, "This server has no KMS keys. Remove s3EncryptionKeyId and try again.");
    return AWS_OK;
}

static enum aws_status check_model(struct call *call, const struct batch_request *request)
{
    const struct batch *batch = call_context(call);
    struct model_target target;
    const char *problem;
    enum aws_status status = models_resolve(batch->options.models, call_arena(call), request->model_id, &target, &problem);
    if (status != AWS_OK)
        return call_fail(call, status == AWS_RESOURCE_NOT_FOUND ? status : AWS_VALIDATION, "%s", problem);
    if (request->converse && target.embedding)
        return call_fail(call, AWS_VALIDATION, "The model " VIEW_FMT " makes embeddings, which Converse does not. Use the "
                                               "modelInvocationType InvokeModel.", VIEW_ARG(request->model_id));
    return AWS_OK;
}

static enum aws_status check_uris(struct call *call, const struct batch_request *request)
{
    const struct view uris[] = { request->input_uri, request->output_uri };
    struct view bucket, key;
    for (size_t i = 0; i < 2; i++) {
        if (!object_uri_parse(uris[i], &bucket, &key) || !bucket_name_is_valid(bucket))
            return call_fail(call, AWS_VALIDATION, "This is not the S3 URI of an object or a folder: " VIEW_FMT, VIEW_ARG(uris[i]));
    }
    return AWS_OK;
}

static enum aws_status check_request(struct call *call, const struct batch_request *request)
{
    enum aws_status status = refuse_unsupported(call);
    if (status == AWS_OK)
        status = check_uris(call, request);
    if (status == AWS_OK)
        status = check_model(call, request);
    return status == AWS_OK ? tags_check(call, request->tags) : status;
}

/* Active jobs of the model, at most one more than there may be. */
static enum store_status count_active(struct call *call, const struct batch_job *job, unsigned *count)
{
    const struct batch *batch = call_context(call);
    struct view model = batch_model_key(job->request.model_id);
    const char *after = arena_printf(call_arena(call), VIEW_FMT "%c", VIEW_ARG(model), '\0');
    if (after == NULL)
        return STORE_NO_MEMORY;
    struct store_scan scan = { .kind = VIEW_INIT(BATCH_KIND), .account = job->key.account, .region = job->key.region,
                               .order = STORE_BY_INDEX, .index = 0, .from = model, .before = view_of(after, model.len + 1) };
    *count = 0;
    do {
        struct store_page page;
        enum store_status status = store_scan(batch->options.store, call_arena(call), &scan, &page);
        if (status != STORE_OK)
            return status;
        *count += (unsigned)page.count;
        scan.page = page.next;
    } while (scan.page.len > 0 && *count <= batch->options.jobs_per_model);
    return STORE_OK;
}

static enum aws_status reply_arn(struct call *call, const struct store_key *key)
{
    struct json_writer *reply = call_reply(call);
    json_object(reply);
    json_put_string(reply, "jobArn", batch_job_arn(call_arena(call), key));
    json_end(reply);
    return AWS_OK;
}

/* The token has made a job before: the same one is meant when the request is the same. */
static enum aws_status answer_again(struct call *call, const struct batch_job *job)
{
    const struct batch *batch = call_context(call);
    struct store_record record;
    struct batch_job before;
    enum store_status status = store_get_by_token(batch->options.store, call_arena(call), &job->key, job->token, &record);
    if (status != STORE_OK)
        return fail_store(call, status);
    if (!batch_job_read(call_arena(call), &record, &before))
        return call_fail(call, AWS_INTERNAL_SERVER, "The job of this clientRequestToken cannot be read.");
    if (!view_eq(before.asked, job->asked))
        return call_fail(call, AWS_CONFLICT, "The clientRequestToken has been used with other parameters, for the job " VIEW_FMT ".",
                         VIEW_ARG(batch_job_arn(call_arena(call), &before.key)));
    return reply_arn(call, &before.key);
}

/* Under the lock of creation, so that no two callers take the last slot. */
static enum store_status store_new(struct call *call, const struct batch_job *job, bool *full)
{
    const struct batch *batch = call_context(call);
    struct arena *arena = call_arena(call);
    struct store_write writes[2] = { { .action = STORE_CREATE, .record = { .key = job->key, .token = job->token } } };
    struct store_record record;
    unsigned active;
    if (job->token.ptr != NULL && store_get_by_token(batch->options.store, arena, &job->key, job->token, &record) == STORE_OK)
        return STORE_TOKEN_USED;
    enum store_status status = count_active(call, job, &active);
    *full = status == STORE_OK && active >= batch->options.jobs_per_model;
    if (status != STORE_OK || *full)
        return status;
    bool tagged = json_size(job->request.tags) > 0;
    if (!batch_job_write(arena, job, &writes[0].record))
        return STORE_NO_MEMORY;
    if (tagged && !tags_first_write(arena, &job->key, job->request.tags, &writes[1]))
        return STORE_NO_MEMORY;
    return store_apply(batch->options.store, writes, tagged ? 2 : 1, NULL);
}

static bool new_job(struct call *call, struct batch_job *job)
{
    struct arena *arena = call_arena(call);
    char id[BATCH_JOB_ID_SIZE + 1];
    random_id(id, BATCH_JOB_ID_SIZE, "abcdefghijklmnopqrstuvwxyz0123456789");
    struct view token = json_get_string(call_body(call), "clientRequestToken");
    job->key = (struct store_key){ VIEW(BATCH_KIND), call_principal(call)->account, call_region(call),
                                   arena_copy(arena, view_of(id, BATCH_JOB_ID_SIZE)) };
    job->status = BATCH_SUBMITTED;
    job->token = token.len > 0 ? token : (struct view){ .ptr = NULL };
    job->principal = *call_principal(call);
    job->asked = batch_request_text(arena, &job->request);
    return job->key.id.ptr != NULL && job->asked.ptr != NULL;
}

enum aws_status create_model_invocation_job(struct call *call)
{
    struct batch *batch = call_context(call);
    struct batch_job job = { .status = BATCH_SUBMITTED };
    batch_request_read(call_body(call), &job.request);
    enum aws_status checked = check_request(call, &job.request);
    if (checked != AWS_OK)
        return checked;
    if (!new_job(call, &job))
        return call_fail(call, AWS_INTERNAL_SERVER, "The server is out of memory.");

    bool full = false;
    pthread_mutex_lock(&batch->creating);
    enum store_status status = store_new(call, &job, &full);
    pthread_mutex_unlock(&batch->creating);
    if (status == STORE_TOKEN_USED)
        return answer_again(call, &job);
    if (status != STORE_OK)
        return fail_store(call, status);
    if (full)
        return call_fail(call, AWS_SERVICE_QUOTA_EXCEEDED, "The model " VIEW_FMT " has %u active batch inference jobs, which is the limit. "
                         "Wait for one to end, or stop one.", VIEW_ARG(batch_model_key(job.request.model_id)),
                         batch->options.jobs_per_model);
    return reply_arn(call, &job.key);
}

/* ---- what a job looks like ---- */

static void put_time(struct json_writer *out, const char *key, int64_t ms)
{
    char text[CLOCK_ISO_SIZE];
    clock_format_iso(ms, true, text);
    json_put_cstr(out, key, text);
}

/* The members that summaries have too. */
static void write_members(struct call *call, const struct batch_job *job, struct json_writer *out)
{
    const struct batch_progress *progress = &job->progress;
    json_put_string(out, "jobArn", batch_job_arn(call_arena(call), &job->key));
    batch_request_write(&job->request, out);
    if (job->token.ptr != NULL)
        json_put_string(out, "clientRequestToken", job->token);
    json_put_cstr(out, "status", batch_status_name(job->status));
    if (progress->message.len > 0)
        json_put_string(out, "message", progress->message);
    put_time(out, "submitTime", job->submitted_ms);
    put_time(out, "lastModifiedTime", job->changed_ms);
    put_time(out, "jobExpirationTime", batch_job_expires_ms(job));
    if (progress->ended_ms > 0)
        put_time(out, "endTime", progress->ended_ms);
    json_put_i64(out, "totalRecordCount", (int64_t)progress->counts.total);
    json_put_i64(out, "processedRecordCount", (int64_t)batch_counts_done(&progress->counts));
    json_put_i64(out, "successRecordCount", (int64_t)progress->counts.success);
    json_put_i64(out, "errorRecordCount", (int64_t)progress->counts.error);
}

/* Members of this server alone, for `craton jobs watch`; the SDKs pass over them. */
static void write_own_members(const struct batch_job *job, struct json_writer *out)
{
    const struct batch_progress *progress = &job->progress;
    json_put_i64(out, "inputTokenCount", (int64_t)progress->counts.input_tokens);
    json_put_i64(out, "outputTokenCount", (int64_t)progress->counts.output_tokens);
    json_put_double(out, "recordsPerSecond", progress->rate);
    if (progress->started_ms > 0)
        put_time(out, "startTime", progress->started_ms);
}

/* ---- get and stop ---- */

static enum aws_status load_job(struct call *call, struct store_record *record, struct batch_job *job)
{
    const struct batch *batch = call_context(call);
    struct view identifier = call_label(call, "jobIdentifier");
    struct store_key key = { VIEW(BATCH_KIND), call_principal(call)->account, call_region(call), identifier };
    struct arn arn;
    bool own = true;
    *job = (struct batch_job){ .key = key };
    if (arn_parse(identifier, &arn)) {
        key.region = arn.region;
        key.id = arn.id;
        own = view_eq(arn.account, key.account) && view_is(arn.type, BATCH_KIND);
    }
    enum store_status status = own && key.id.len > 0 ? store_get(batch->options.store, call_arena(call), &key, record) : STORE_NOT_FOUND;
    if (status == STORE_NOT_FOUND)
        return call_fail(call, AWS_RESOURCE_NOT_FOUND, "There is no batch inference job " VIEW_FMT ".", VIEW_ARG(identifier));
    if (status != STORE_OK)
        return fail_store(call, status);
    if (!batch_job_read(call_arena(call), record, job))
        return call_fail(call, AWS_INTERNAL_SERVER, "The job cannot be read.");
    return AWS_OK;
}

enum aws_status get_model_invocation_job(struct call *call)
{
    struct store_record record;
    struct batch_job job;
    enum aws_status status = load_job(call, &record, &job);
    if (status != AWS_OK)
        return status;
    struct json_writer *reply = call_reply(call);
    json_object(reply);
    write_members(call, &job, reply);
    write_own_members(&job, reply);
    json_end(reply);
    return AWS_OK;
}

enum aws_status stop_model_invocation_job(struct call *call)
{
    const struct batch *batch = call_context(call);
    enum store_status stored = STORE_CONFLICT;
    for (int i = 0; i < ATTEMPTS && stored == STORE_CONFLICT; i++) {
        struct store_record record;
        struct batch_job job;
        enum aws_status status = load_job(call, &record, &job);
        if (status != AWS_OK)
            return status;
        if (!batch_status_is_active(job.status))
            return call_fail(call, AWS_VALIDATION, "The batch inference job " VIEW_FMT " has ended and cannot be stopped. State was: %s",
                             VIEW_ARG(job.key.id), batch_status_name(job.status));
        record.state = view_from_cstr(batch_status_name(BATCH_STOPPING));
        stored = job.status == BATCH_STOPPING ? STORE_OK : store_update(batch->options.store, &record);
    }
    if (stored != STORE_OK)
        return fail_store(call, stored);
    struct json_writer *reply = call_reply(call);
    json_object(reply);
    json_end(reply);
    return AWS_OK;
}

/* ---- list ---- */

static bool time_of(struct call *call, const char *parameter, int64_t *ms)
{
    struct view text = call_query(call, parameter);
    return text.len == 0 || clock_parse_iso(text, ms);
}

static enum aws_status read_scan(struct call *call, struct store_scan *scan)
{
    struct view max = call_query(call, "maxResults"), status = call_query(call, "statusEquals");
    int64_t limit = PAGE_DEFAULT, after_ms = -1;
    if (max.len > 0 && !view_to_i64(max, &limit))
        return call_fail(call, AWS_VALIDATION, "maxResults must be a number.");
    *scan = (struct store_scan){ .kind = VIEW_INIT(BATCH_KIND), .account = call_principal(call)->account, .region = call_region(call),
                                 .order = STORE_BY_CREATED, .limit = (size_t)limit, .page = call_query(call, "nextToken"),
                                 .descending = !view_is(call_query(call, "sortOrder"), "Ascending") };
    if (status.len > 0)
        scan->state = status;
    if (!time_of(call, "submitTimeAfter", &after_ms) || !time_of(call, "submitTimeBefore", &scan->before_ms))
        return call_fail(call, AWS_VALIDATION, "submitTimeAfter and submitTimeBefore must be times such as 2025-01-02T03:04:05Z.");
    scan->from_ms = after_ms + 1;
    return AWS_OK;
}

/* Returns how many jobs of the page were written. */
static size_t write_page(struct call *call, const struct store_page *page, struct view name_part, struct json_writer *out)
{
    size_t written = 0;
    for (size_t i = 0; i < page->count; i++) {
        struct batch_job job;
        if (!batch_job_read(call_arena(call), &page->records[i], &job) || view_find(job.request.name, name_part) == VIEW_NPOS)
            continue;
        json_object(out);
        write_members(call, &job, out);
        json_end(out);
        written++;
    }
    return written;
}

enum aws_status list_model_invocation_jobs(struct call *call)
{
    const struct batch *batch = call_context(call);
    struct store_scan scan;
    enum aws_status status = read_scan(call, &scan);
    if (status != AWS_OK)
        return status;
    struct json_writer *reply = call_reply(call);
    json_object(reply);
    json_key(reply, "invocationJobSummaries");
    json_array(reply);
    size_t written = 0;
    do {                                                    /* a page may be short where names were asked for, but not empty */
        struct store_page page;
        enum store_status scanned = store_scan(batch->options.store, call_arena(call), &scan, &page);
        if (scanned == STORE_BAD_PAGE)
            return call_fail(call, AWS_VALIDATION, "The nextToken is not one of this list.");
        if (scanned != STORE_OK)
            return fail_store(call, scanned);
        written = write_page(call, &page, call_query(call, "nameContains"), reply);
        scan.page = page.next;
    } while (written == 0 && scan.page.len > 0);
    json_end(reply);
    if (scan.page.len > 0)
        json_put_string(reply, "nextToken", scan.page);
    json_end(reply);
    return AWS_OK;
}

const struct handler_row batch_handlers[] = {
    { "CreateModelInvocationJob", create_model_invocation_job, false },
    { "GetModelInvocationJob", get_model_invocation_job, false },
    { "ListModelInvocationJobs", list_model_invocation_jobs, false },
    { "StopModelInvocationJob", stop_model_invocation_job, false },
};
const size_t batch_handler_count = sizeof(batch_handlers) / sizeof(batch_handlers[0]);
