#include "base/encode.h"
#include "pipeline/internal.h"

#define CALL_ARENA (16u << 20)
#define BODY_MAX   (64u << 10)

static enum aws_status call(struct pipelines *p, const struct pipeline *pipeline, struct internal_request *request, struct arena *arena,
                            struct internal_answer *answer)
{
    request->principal = &pipeline->principal;
    request->region = pipeline->region;
    *answer = (struct internal_answer){ .status = AWS_INTERNAL_SERVER };
    return p->call(p->call_ctx, request, arena, answer);
}

bool call_error_is_passing(enum aws_status status)
{
    switch (status) {
    case AWS_THROTTLING:
    case AWS_SERVICE_UNAVAILABLE:
    case AWS_INTERNAL_SERVER:
    case AWS_MODEL_NOT_READY:
    case AWS_MODEL_TIMEOUT:
    case AWS_REQUEST_TIMEOUT:
    case AWS_BAD_GATEWAY:
    case AWS_DEPENDENCY_FAILED:
        return true;
    default:
        return false;
    }
}

/* ---- CreateModelInvocationJob ---- */

static void write_place(struct json_writer *out, const char *outer, const char *inner, struct view uri, bool input)
{
    json_key(out, outer);
    json_object(out);
    json_key(out, inner);
    json_object(out);
    json_put_string(out, "s3Uri", uri);
    if (input)
        json_put_cstr(out, "s3InputFormat", "JSONL");
    json_end(out);
    json_end(out);
}

static bool write_job(const struct pipeline *pipeline, const struct row *row, struct arena *arena, struct buf *body)
{
    struct json_writer out;
    struct view results = view_from_cstr(arena_printf(arena, "s3://" VIEW_FMT "/" PIPELINE_OUTPUT, VIEW_ARG(pipeline->bucket)));
    json_writer_init(&out, body);
    json_object(&out);
    json_put_string(&out, "jobName", row->job_name);
    json_put_string(&out, "clientRequestToken", row_token(row, arena));
    json_put_string(&out, "roleArn", pipeline->role_arn);
    json_put_string(&out, "modelId", pipeline->model_id);
    write_place(&out, "inputDataConfig", "s3InputDataConfig", row_input_uri(pipeline, row, arena), true);
    write_place(&out, "outputDataConfig", "s3OutputDataConfig", results, false);
    json_end(&out);
    return !json_writer_failed(&out) && !buf_failed(body) && !arena_exhausted(arena);
}

enum aws_status call_create_job(struct pipelines *p, const struct pipeline *pipeline, const struct row *row, struct arena *arena,
                                struct view *job_arn, struct view *message)
{
    struct buf body = BUF_INIT(BODY_MAX);
    struct internal_answer answer;
    *message = VIEW("out of memory");
    if (!write_job(pipeline, row, arena, &body)) {
        buf_free(&body);
        return AWS_INTERNAL_SERVER;
    }
    struct internal_request request = { .operation = VIEW("CreateModelInvocationJob"), .body = buf_view(&body) };
    enum aws_status status = call(p, pipeline, &request, arena, &answer);
    buf_free(&body);
    *message = answer.message;
    if (status != AWS_OK)
        return status;
    *job_arn = json_get_string(json_parse(arena, answer.body, JSON_DEPTH_DEFAULT, NULL), "jobArn");
    *message = VIEW("the answer names no job");
    return job_arn->len > 0 ? AWS_OK : AWS_INTERNAL_SERVER;
}

/* ---- GetModelInvocationJob ---- */

static int64_t count_of(const struct json *job, const char *key)
{
    int64_t count;
    return json_get_i64(job, key, &count) ? count : -1;
}

static int64_t time_of(const struct json *job, const char *key)
{
    int64_t ms;
    return clock_parse_iso(json_get_string(job, key), &ms) ? ms : 0;
}

/* None is known before the input has been counted: until then the total is 0. */
static struct row_counts counts_of(const struct json *job)
{
    int64_t total = count_of(job, "totalRecordCount");
    if (total <= 0)
        return (struct row_counts){ -1, -1, -1, -1 };
    return (struct row_counts){ total, count_of(job, "processedRecordCount"), count_of(job, "successRecordCount"),
                                count_of(job, "errorRecordCount") };
}

enum aws_status call_get_job(struct pipelines *p, const struct pipeline *pipeline, struct view job_arn, struct arena *arena,
                             struct job_state *out, struct view *message)
{
    struct internal_request request = { .operation = VIEW("GetModelInvocationJob"), .labels = { job_arn } };
    struct internal_answer answer;
    enum aws_status status = call(p, pipeline, &request, arena, &answer);
    *message = answer.message;
    if (status != AWS_OK)
        return status;
    const struct json *job = json_parse(arena, answer.body, JSON_DEPTH_DEFAULT, NULL);
    *out = (struct job_state){
        .message = json_get_string(job, "message"),
        .counts = counts_of(job),
    };
    out->start_ms = time_of(job, "startTime");
    out->end_ms = time_of(job, "endTime");
    *message = VIEW("the answer has no status");
    return row_status_parse(json_get_string(job, "status"), &out->status) ? AWS_OK : AWS_INTERNAL_SERVER;
}

/* ---- ListModelInvocationJobs ---- */

static enum aws_status list_jobs(struct pipelines *p, const struct pipeline *pipeline, enum row_status state, struct arena *arena,
                                 void (*found)(void *ctx, struct view model_id), void *ctx)
{
    struct view next = VIEW("");
    do {
        struct buf query = BUF_INIT(BODY_MAX);
        buf_printf(&query, "maxResults=1000&statusEquals=" VIEW_FMT, VIEW_ARG(row_status_name(state)));
        if (next.len > 0) {
            buf_append_cstr(&query, "&nextToken=");
            percent_append(&query, next, false);
        }
        struct internal_request request = { .operation = VIEW("ListModelInvocationJobs"), .query = buf_view(&query) };
        struct internal_answer answer;
        enum aws_status status = buf_failed(&query) ? AWS_INTERNAL_SERVER : call(p, pipeline, &request, arena, &answer);
        buf_free(&query);
        if (status != AWS_OK)
            return status;
        const struct json *page = json_parse(arena, answer.body, JSON_DEPTH_DEFAULT, NULL);
        struct json_iter it = json_iter(json_get(page, "invocationJobSummaries"));
        while (json_next(&it))
            found(ctx, json_get_string(it.value, "modelId"));
        next = json_get_string(page, "nextToken");
    } while (next.len > 0 && !arena_exhausted(arena));
    return arena_exhausted(arena) ? AWS_INTERNAL_SERVER : AWS_OK;
}

/* In the order of a job's life: one that moves on meanwhile is seen twice rather than missed, and its move brings another round. */
enum aws_status call_active_jobs(struct pipelines *p, const struct pipeline *pipeline, void (*found)(void *ctx, struct view model_id),
                                 void *ctx)
{
    enum aws_status status = AWS_OK;
    for (int state = ROW_SUBMITTED; state <= ROW_STOPPING && status == AWS_OK; state++) {
        struct arena *arena = arena_create(CALL_ARENA);
        status = arena != NULL ? list_jobs(p, pipeline, (enum row_status)state, arena, found, ctx) : AWS_INTERNAL_SERVER;
        arena_destroy(arena);
    }
    return status;
}
