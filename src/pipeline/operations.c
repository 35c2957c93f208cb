#include "pipeline/operations.h"

#include "base/encode.h"
#include "base/log.h"
#include "pipeline/internal.h"

#define LIST_LIMIT     100
#define COUNT_PAGE     1000
#define COUNT_ARENA    (16u << 20)
#define UPDATE_RETRIES 5

static struct pipelines *pipelines_of(const struct call *call)
{
    return call_context(call);
}

/* ---- failing ---- */

static enum aws_status fail_store(struct call *call, enum store_status status)
{
    switch (status) {
    case STORE_BUSY:
        return call_fail(call, AWS_SERVICE_UNAVAILABLE, "The store is busy. Try again.");
    case STORE_BAD_PAGE:
        return call_fail(call, AWS_VALIDATION, "The nextToken belongs to no such list.");
    default:
        log_error("a pipeline operation failed", LOG_STR("reason", store_status_text(status)));
        return call_fail(call, AWS_INTERNAL_SERVER, "The store failed: %s.", store_status_text(status));
    }
}

static enum aws_status fail_objects(struct call *call, struct view bucket, enum object_status status)
{
    enum aws_status error = status == OBJECT_BAD_NAME               ? AWS_VALIDATION
                            : status == OBJECT_BUCKET_TAKEN         ? AWS_ACCESS_DENIED
                            : object_status_is_passing(status)      ? AWS_SERVICE_UNAVAILABLE
                            : status == OBJECT_DENIED               ? AWS_ACCESS_DENIED
                                                                    : AWS_INTERNAL_SERVER;
    return call_fail(call, error, "Bucket " VIEW_FMT ": %s.", VIEW_ARG(bucket), object_status_text(status));
}

static enum aws_status fail_exists(struct call *call, struct view name, bool deleting)
{
    return call_fail(call, AWS_CONFLICT, deleting ? "Pipeline " VIEW_FMT " is being deleted. Try again."
                                                  : "There is a pipeline " VIEW_FMT " already.", VIEW_ARG(name));
}

static enum aws_status load(struct call *call, struct pipeline *out)
{
    struct view name = call_label(call, "pipelineName");
    enum store_status status = pipeline_load(pipelines_of(call)->options.store, call_arena(call), call_principal(call)->account,
                                             call_region(call), name, out);
    if (status == STORE_NOT_FOUND)
        return call_fail(call, AWS_RESOURCE_NOT_FOUND, "There is no pipeline " VIEW_FMT ".", VIEW_ARG(name));
    return status == STORE_OK ? AWS_OK : fail_store(call, status);
}

/* ---- replies ---- */

static void put_time(struct json_writer *out, const char *key, int64_t ms)
{
    char text[CLOCK_ISO_SIZE];
    if (ms <= 0)
        return;
    clock_format_iso(ms, true, text);
    json_put_cstr(out, key, text);
}

static void put_text(struct json_writer *out, const char *key, struct view text)
{
    if (text.len > 0)
        json_put_string(out, key, text);
}

static void put_count(struct json_writer *out, const char *key, int64_t count)
{
    if (count >= 0)
        json_put_i64(out, key, count);
}

static struct view folder_uri(const struct pipeline *pipeline, const char *folder, struct arena *arena)
{
    return view_from_cstr(arena_printf(arena, "s3://" VIEW_FMT "/%s", VIEW_ARG(pipeline->bucket), folder));
}

static void write_pipeline(const struct pipeline *pipeline, struct arena *arena, struct json_writer *out)
{
    json_object(out);
    json_put_string(out, "name", pipeline->name);
    json_put_string(out, "pipelineArn", pipeline_arn(pipeline, arena));
    json_put_string(out, "modelId", pipeline->model_id);
    json_put_string(out, "roleArn", pipeline->role_arn);
    json_put_string(out, "bucket", pipeline->bucket);
    json_put_string(out, "inputUri", folder_uri(pipeline, PIPELINE_INPUT, arena));
    json_put_string(out, "outputUri", folder_uri(pipeline, PIPELINE_OUTPUT, arena));
    json_put_string(out, "tableName", pipeline_table_name(pipeline, arena));
    json_put_cstr(out, "status", pipeline->deleting ? "DELETING" : "ACTIVE");
    put_text(out, "problem", pipeline->problem);
    put_time(out, "createdAt", pipeline->created_ms);
    json_end(out);
}

static void write_row(const struct pipeline *pipeline, const struct row *row, struct arena *arena, struct json_writer *out)
{
    json_object(out);
    json_put_string(out, "jobId", row->id);
    json_put_string(out, "status", row_status_name(row->status));
    json_put_string(out, "inputUri", row_input_uri(pipeline, row, arena));
    json_put_string(out, "outputUri", row_output_uri(pipeline, row, arena));
    put_text(out, "jobName", row->job_name);
    put_text(out, "jobArn", row->job_arn);
    put_time(out, "createdAt", row->created_ms);
    put_time(out, "submittedAt", row->submitted_ms);
    put_time(out, "startedAt", row->started_ms);
    put_time(out, "finishedAt", row->finished_ms);
    put_time(out, "nextAttemptAt", row->turn == TURN_RETRY ? row->retry_ms : 0);
    json_put_i64(out, "attempts", row->attempts);
    put_text(out, "errorMessage", row->error);
    put_count(out, "totalRecordCount", row->counts.total);
    put_count(out, "processedRecordCount", row->counts.processed);
    put_count(out, "successRecordCount", row->counts.success);
    put_count(out, "errorRecordCount", row->counts.error);
    json_end(out);
}

static void reply_pipeline(struct call *call, const struct pipeline *pipeline)
{
    struct json_writer *reply = call_reply(call);
    json_object(reply);
    json_key(reply, "pipeline");
    write_pipeline(pipeline, call_arena(call), reply);
    json_end(reply);
}

/* ---- CreatePipeline ---- */

/* A mistyped id is told now, not with the first file. */
static enum aws_status check_model(struct call *call, struct view id)
{
    struct model_target target;
    const char *problem;
    enum aws_status status = models_resolve(pipelines_of(call)->options.models, call_arena(call), id, &target, &problem);
    return status == AWS_OK ? AWS_OK : call_fail(call, status, "%s", problem);
}

/* Before a bucket is made for nothing. */
static enum aws_status check_is_new(struct call *call, struct view name)
{
    struct pipeline pipeline;
    enum store_status status = pipeline_load(pipelines_of(call)->options.store, call_arena(call), call_principal(call)->account,
                                             call_region(call), name, &pipeline);
    if (status == STORE_NOT_FOUND)
        return AWS_OK;
    return status == STORE_OK ? fail_exists(call, name, pipeline.deleting) : fail_store(call, status);
}

/* The bucket as it is, or a new one. Results must be writable there, by the caller's account. */
static enum aws_status prepare_bucket(struct call *call, struct view name)
{
    struct objects *objects = pipelines_of(call)->options.objects;
    struct view account = call_principal(call)->account;
    struct bucket_info info;
    enum object_status status = bucket_get(objects, call_arena(call), name, &info);
    if (status == OBJECT_NO_BUCKET) {
        status = bucket_create(objects, account, call_region(call), name);
        return status == OBJECT_OK || status == OBJECT_BUCKET_OWNED ? AWS_OK : fail_objects(call, name, status);
    }
    if (status != OBJECT_OK)
        return fail_objects(call, name, status);
    if (!view_eq(info.account, account))
        return fail_objects(call, name, OBJECT_BUCKET_TAKEN);
    if (info.place == BUCKET_LINKED)
        return call_fail(call, AWS_VALIDATION, "Bucket " VIEW_FMT " is a linked directory, which is read-only: no results can be written "
                                               "there.", VIEW_ARG(name));
    return AWS_OK;
}

static enum store_status create_records(struct call *call, struct pipeline *pipeline, size_t *failed)
{
    struct arena *arena = call_arena(call);
    struct store_write writes[2] = {
        { .action = STORE_CREATE },
        { .action = STORE_CREATE,
          .record = { .key = { .kind = VIEW_INIT(PIPELINE_BUCKET_KIND), .account = VIEW_INIT(""), .region = VIEW_INIT(""),
                               .id = pipeline->bucket },
                      .json = VIEW_INIT("{}") } },
    };
    if (!pipeline_write_record(pipeline, arena, &writes[0].record))
        return STORE_NO_MEMORY;
    return store_apply(pipelines_of(call)->options.store, writes, 2, failed);
}

static enum aws_status create_in_store(struct call *call, struct pipeline *pipeline)
{
    size_t failed = 0;
    enum store_status status = create_records(call, pipeline, &failed);
    if (status == STORE_OK)
        return AWS_OK;
    if (status != STORE_EXISTS)
        return fail_store(call, status);
    if (failed == 0)
        return fail_exists(call, pipeline->name, false);
    return call_fail(call, AWS_CONFLICT, "Another pipeline takes the files of bucket " VIEW_FMT ". Give this one a bucket of its own.",
                     VIEW_ARG(pipeline->bucket));
}

static struct view or_default(struct view given, char *text)
{
    return given.len > 0 ? given : view_from_cstr(text);
}

enum aws_status create_pipeline(struct call *call)
{
    struct arena *arena = call_arena(call);
    const struct principal *principal = call_principal(call);
    const struct json *body = call_body(call);
    char suffix[PIPELINE_SUFFIX_SIZE + 1];
    random_id(suffix, PIPELINE_SUFFIX_SIZE, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
    struct pipeline pipeline = {
        .account = principal->account,
        .region = call_region(call),
        .name = json_get_string(body, "name"),
        .suffix = arena_copy(arena, view_of(suffix, PIPELINE_SUFFIX_SIZE)),
        .model_id = json_get_string(body, "modelId"),
        .principal = *principal,
        .created_ms = clock_wall_ms(call_clock(call)),
    };
    pipeline.role_arn = or_default(json_get_string(body, "roleArn"),
                                   arena_printf(arena, "arn:aws:iam::" VIEW_FMT ":role/" VIEW_FMT "-BatchInferenceRole",
                                                VIEW_ARG(pipeline.account), VIEW_ARG(pipeline.name)));
    pipeline.bucket = or_default(json_get_string(body, "bucket"),
                                 arena_printf(arena, "br-batch-inference-" VIEW_FMT "-" VIEW_FMT, VIEW_ARG(pipeline.account),
                                              VIEW_ARG(pipeline.region)));
    enum aws_status status = check_model(call, pipeline.model_id);
    if (status == AWS_OK)
        status = check_is_new(call, pipeline.name);
    if (status == AWS_OK)
        status = prepare_bucket(call, pipeline.bucket);
    if (status == AWS_OK)
        status = create_in_store(call, &pipeline);
    if (status == AWS_OK)
        reply_pipeline(call, &pipeline);
    return status;
}

/* ---- DeletePipeline ---- */

enum aws_status delete_pipeline(struct call *call)
{
    struct store *store = pipelines_of(call)->options.store;
    enum store_status stored = STORE_CONFLICT;
    for (int i = 0; i < UPDATE_RETRIES && stored == STORE_CONFLICT; i++) {
        struct pipeline pipeline;
        struct store_record record;
        enum aws_status status = load(call, &pipeline);
        if (status != AWS_OK)
            return status;
        pipeline.deleting = true;
        if (!pipeline_write_record(&pipeline, call_arena(call), &record))
            return fail_store(call, STORE_NO_MEMORY);
        stored = store_update(store, &record);
    }
    if (stored != STORE_OK && stored != STORE_NOT_FOUND)
        return stored == STORE_CONFLICT ? call_fail(call, AWS_CONFLICT, "The pipeline is being changed. Try again.")
                                        : fail_store(call, stored);
    json_object(call_reply(call));
    json_end(call_reply(call));
    return AWS_OK;
}

/* ---- GetPipeline ---- */

/* Row by row, since a store counts nothing; page by page, so that memory stays flat. */
static enum store_status count_rows(struct store *store, const struct pipeline *pipeline, int64_t counts[ROW_STATUSES])
{
    struct arena *bounds = arena_create(COUNT_ARENA), *pages = arena_create(COUNT_ARENA);
    struct store_scan scan;
    enum store_status status = STORE_NO_MEMORY;
    if (bounds == NULL || pages == NULL || !row_scan_all(pipeline, bounds, &scan))
        goto end;
    scan.limit = COUNT_PAGE;
    struct store_page page;
    while ((status = store_scan(store, pages, &scan, &page)) == STORE_OK) {
        for (size_t i = 0; i < page.count; i++) {
            enum row_status state;
            if (row_status_parse(page.records[i].state, &state))
                counts[state]++;
        }
        if (page.next.len == 0)
            break;
        scan.page = arena_copy(bounds, page.next);
        arena_reset(pages);
    }

end:
    arena_destroy(pages);
    arena_destroy(bounds);
    return status;
}

enum aws_status get_pipeline(struct call *call)
{
    struct pipeline pipeline;
    int64_t counts[ROW_STATUSES] = { 0 };
    enum aws_status status = load(call, &pipeline);
    if (status != AWS_OK)
        return status;
    enum store_status counted = count_rows(pipelines_of(call)->options.store, &pipeline, counts);
    if (counted != STORE_OK)
        return fail_store(call, counted);
    struct json_writer *reply = call_reply(call);
    json_object(reply);
    json_key(reply, "pipeline");
    write_pipeline(&pipeline, call_arena(call), reply);
    json_key(reply, "rowCounts");
    json_object(reply);
    for (int i = 0; i < ROW_STATUSES; i++) {
        json_key_view(reply, row_status_name((enum row_status)i));
        json_write_i64(reply, counts[i]);
    }
    json_end(reply);
    json_end(reply);
    return AWS_OK;
}

/* ---- lists ---- */

static void set_page(const struct call *call, struct store_scan *scan)
{
    uint64_t limit;
    scan->limit = view_to_u64(call_query(call, "maxResults"), &limit) ? (size_t)limit : LIST_LIMIT;
    scan->page = call_query(call, "nextToken");
}

static void end_list(struct json_writer *reply, const struct store_page *page)
{
    json_end(reply);
    put_text(reply, "nextToken", page->next);
    json_end(reply);
}

enum aws_status list_pipelines(struct call *call)
{
    struct store_scan scan = { .kind = VIEW(PIPELINE_KIND), .account = call_principal(call)->account, .region = call_region(call) };
    struct store_page page;
    set_page(call, &scan);
    enum store_status status = store_scan(pipelines_of(call)->options.store, call_arena(call), &scan, &page);
    if (status != STORE_OK)
        return fail_store(call, status);
    struct json_writer *reply = call_reply(call);
    json_object(reply);
    json_key(reply, "pipelineSummaries");
    json_array(reply);
    for (size_t i = 0; i < page.count; i++) {
        struct pipeline pipeline;
        if (!pipeline_read_record(&page.records[i], call_arena(call), &pipeline))
            return fail_store(call, STORE_ERROR);
        write_pipeline(&pipeline, call_arena(call), reply);
    }
    end_list(reply, &page);
    return AWS_OK;
}

enum aws_status list_pipeline_rows(struct call *call)
{
    struct arena *arena = call_arena(call);
    struct view wanted = call_query(call, "statusEquals");
    struct pipeline pipeline;
    struct store_scan scan;
    struct store_page page;
    enum row_status row_status;
    enum aws_status status = load(call, &pipeline);
    if (status != AWS_OK)
        return status;
    bool filtered = row_status_parse(wanted, &row_status);
    if (!(filtered ? row_scan_status(&pipeline, arena, row_status, &scan) : row_scan_all(&pipeline, arena, &scan)))
        return fail_store(call, STORE_NO_MEMORY);
    set_page(call, &scan);
    scan.descending = view_is(call_query(call, "sortOrder"), "Descending");
    enum store_status stored = store_scan(pipelines_of(call)->options.store, arena, &scan, &page);
    if (stored != STORE_OK)
        return fail_store(call, stored);
    struct json_writer *reply = call_reply(call);
    json_object(reply);
    json_key(reply, "rows");
    json_array(reply);
    for (size_t i = 0; i < page.count; i++) {
        struct row row;
        if (!row_read_record(&page.records[i], arena, &row))
            return fail_store(call, STORE_ERROR);
        write_row(&pipeline, &row, arena, reply);
    }
    end_list(reply, &page);
    return AWS_OK;
}

const struct handler_row pipeline_handlers[] = {
    { "CreatePipeline", create_pipeline, false },
    { "DeletePipeline", delete_pipeline, false },
    { "GetPipeline", get_pipeline, false },
    { "ListPipelineRows", list_pipeline_rows, false },
    { "ListPipelines", list_pipelines, false },
};
const size_t pipeline_handler_count = sizeof(pipeline_handlers) / sizeof(pipeline_handlers[0]);
