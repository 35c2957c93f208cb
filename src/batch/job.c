#include "batch/job.h"

#include "models/catalog.h"

#define TEXT_MAX  (1u << 20)
#define DEPTH_MAX 64
#define HOUR_MS   (60ll * 60 * 1000)

static const struct {
    const char *name;
    bool active;
} statuses[] = {
#define X(id, text, is_active) [BATCH_##id] = { text, is_active },
    BATCH_STATUSES(X)
#undef X
};

const char *batch_status_name(enum batch_status status)
{
    return statuses[status].name;
}

bool batch_status_parse(struct view text, enum batch_status *out)
{
    for (int i = 0; i < BATCH_STATUS_COUNT; i++) {
        if (view_is(text, statuses[i].name)) {
            *out = (enum batch_status)i;
            return true;
        }
    }
    return false;
}

bool batch_status_is_active(enum batch_status status)
{
    return statuses[status].active;
}

/* ---- requests ---- */

void batch_request_read(const struct json *body, struct batch_request *out)
{
    const struct json *input = json_get(json_get(body, "inputDataConfig"), "s3InputDataConfig");
    const struct json *output = json_get(json_get(body, "outputDataConfig"), "s3OutputDataConfig");
    *out = (struct batch_request){
        .name = json_get_string(body, "jobName"),
        .role_arn = json_get_string(body, "roleArn"),
        .model_id = json_get_string(body, "modelId"),
        .input_uri = json_get_string(input, "s3Uri"),
        .input_owner = json_get_string(input, "s3BucketOwner"),
        .output_uri = json_get_string(output, "s3Uri"),
        .output_owner = json_get_string(output, "s3BucketOwner"),
        .converse = view_is(json_get_string(body, "modelInvocationType"), "Converse"),
        .timeout_hours = BATCH_TIMEOUT_HOURS,
        .vpc = json_get(body, "vpcConfig"),
        .tags = json_get(body, "tags"),
    };
    json_get_i64(body, "timeoutDurationInHours", &out->timeout_hours);
}

static void write_place(struct json_writer *out, const char *config, const char *inner, struct view uri, struct view owner, bool input)
{
    json_key(out, config);
    json_object(out);
    json_key(out, inner);
    json_object(out);
    json_put_string(out, "s3Uri", uri);
    if (input)
        json_put_cstr(out, "s3InputFormat", "JSONL");
    if (owner.len > 0)
        json_put_string(out, "s3BucketOwner", owner);
    json_end(out);
    json_end(out);
}

void batch_request_write(const struct batch_request *request, struct json_writer *out)
{
    json_put_string(out, "jobName", request->name);
    json_put_string(out, "modelId", request->model_id);
    json_put_string(out, "roleArn", request->role_arn);
    json_put_cstr(out, "modelInvocationType", request->converse ? "Converse" : "InvokeModel");
    write_place(out, "inputDataConfig", "s3InputDataConfig", request->input_uri, request->input_owner, true);
    write_place(out, "outputDataConfig", "s3OutputDataConfig", request->output_uri, request->output_owner, false);
    json_put_i64(out, "timeoutDurationInHours", request->timeout_hours);
    if (request->vpc != NULL)
        json_put_value(out, "vpcConfig", request->vpc);
}

struct view batch_request_text(struct arena *arena, const struct batch_request *request)
{
    struct buf text = BUF_INIT(TEXT_MAX);
    struct json_writer out;
    json_writer_init(&out, &text);
    json_object(&out);
    batch_request_write(request, &out);
    if (request->tags != NULL)
        json_put_value(&out, "tags", request->tags);
    json_end(&out);
    struct view copy = { .ptr = NULL };
    if (!json_writer_failed(&out))
        copy = arena_copy(arena, buf_view(&text));
    buf_free(&text);
    return copy;
}

/* ---- records ---- */

static void read_u64(const struct json *object, const char *key, uint64_t *out)
{
    int64_t number = 0;
    json_get_i64(object, key, &number);
    *out = number > 0 ? (uint64_t)number : 0;
}

static void read_progress(const struct json *json, struct batch_progress *out)
{
    *out = (struct batch_progress){ .message = json_get_string(json, "message") };
    read_u64(json, "total", &out->counts.total);
    read_u64(json, "success", &out->counts.success);
    read_u64(json, "error", &out->counts.error);
    read_u64(json, "inputTokens", &out->counts.input_tokens);
    read_u64(json, "outputTokens", &out->counts.output_tokens);
    json_get_i64(json, "startedMs", &out->started_ms);
    json_get_i64(json, "endedMs", &out->ended_ms);
    json_get_double(json, "rate", &out->rate);
    read_u64(json, "files", &out->files);
    read_u64(json, "window", &out->at.window);
    read_u64(json, "file", &out->at.file);
    read_u64(json, "offset", &out->at.offset);
    read_u64(json, "line", &out->at.line);
    read_u64(json, "record", &out->at.record);
    read_u64(json, "segments", &out->segments);
    out->ending = batch_status_parse(json_get_string(json, "outcome"), &out->outcome);
    out->decided = out->ending && json_bool(json_get(json, "decided"), false);
}

static void write_progress(struct json_writer *out, const struct batch_progress *progress)
{
    const struct {
        const char *key;
        uint64_t number;
    } numbers[] = {
        { "total", progress->counts.total },
        { "success", progress->counts.success },
        { "error", progress->counts.error },
        { "inputTokens", progress->counts.input_tokens },
        { "outputTokens", progress->counts.output_tokens },
        { "startedMs", (uint64_t)progress->started_ms },
        { "endedMs", (uint64_t)progress->ended_ms },
        { "files", progress->files },
        { "window", progress->at.window },
        { "file", progress->at.file },
        { "offset", progress->at.offset },
        { "line", progress->at.line },
        { "record", progress->at.record },
        { "segments", progress->segments },
    };
    json_object(out);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        json_key(out, numbers[i].key);
        json_write_u64(out, numbers[i].number);
    }
    json_put_double(out, "rate", progress->rate);
    if (progress->message.len > 0)
        json_put_string(out, "message", progress->message);
    if (progress->ending) {
        json_put_cstr(out, "outcome", batch_status_name(progress->outcome));
        json_put_bool(out, "decided", progress->decided);
    }
    json_end(out);
}

static void read_principal(const struct json *json, struct principal *out)
{
    *out = (struct principal){
        .account = json_get_string(json, "account"),
        .name = json_get_string(json, "name"),
        .arn = json_get_string(json, "arn"),
        .access_key_id = json_get_string(json, "accessKeyId"),
        .admin = json_bool(json_get(json, "admin"), false),
    };
}

static void write_principal(struct json_writer *out, const struct principal *principal)
{
    json_object(out);
    json_put_string(out, "account", principal->account);
    json_put_string(out, "name", principal->name);
    json_put_string(out, "arn", principal->arn);
    json_put_string(out, "accessKeyId", principal->access_key_id);
    json_put_bool(out, "admin", principal->admin);
    json_end(out);
}

bool batch_job_read(struct arena *arena, const struct store_record *record, struct batch_job *out)
{
    const struct json *json = json_parse(arena, record->json, DEPTH_MAX, NULL);
    *out = (struct batch_job){ .key = record->key,
                               .token = record->token,
                               .submitted_ms = record->created_ms,
                               .changed_ms = record->updated_ms };
    if (json == NULL || !batch_status_parse(record->state, &out->status))
        return false;
    batch_request_read(json_get(json, "request"), &out->request);
    read_principal(json_get(json, "principal"), &out->principal);
    read_progress(json_get(json, "progress"), &out->progress);
    out->asked = batch_request_text(arena, &out->request);
    return out->asked.ptr != NULL;
}

bool batch_job_write(struct arena *arena, const struct batch_job *job, struct store_record *out)
{
    struct buf text = BUF_INIT(TEXT_MAX);
    struct json_writer writer;
    json_writer_init(&writer, &text);
    json_object(&writer);
    json_key(&writer, "request");
    json_write_raw(&writer, job->asked);
    json_key(&writer, "principal");
    write_principal(&writer, &job->principal);
    json_key(&writer, "progress");
    write_progress(&writer, &job->progress);
    json_end(&writer);

    bool written = !json_writer_failed(&writer);
    out->state = view_from_cstr(batch_status_name(job->status));
    out->index[0] = batch_status_is_active(job->status) ? batch_model_key(job->request.model_id) : (struct view){ .ptr = NULL };
    out->json = written ? arena_copy(arena, buf_view(&text)) : VIEW("");
    buf_free(&text);
    return written && out->json.ptr != NULL;
}

struct view batch_model_key(struct view model_id)
{
    struct model_id id = model_id_parse(model_id);
    return id.id.len > 0 ? id.id : model_id;
}

int64_t batch_job_expires_ms(const struct batch_job *job)
{
    return job->submitted_ms + job->request.timeout_hours * HOUR_MS;
}

uint64_t batch_counts_done(const struct batch_counts *counts)
{
    return counts->success + counts->error;
}

struct view batch_job_arn(struct arena *arena, const struct store_key *key)
{
    return view_from_cstr(arena_printf(arena, "arn:aws:bedrock:" VIEW_FMT ":" VIEW_FMT ":" BATCH_KIND "/" VIEW_FMT,
                                       VIEW_ARG(key->region), VIEW_ARG(key->account), VIEW_ARG(key->id)));
}

bool batch_write_manifest(struct buf *out, const struct batch_counts *counts)
{
    struct json_writer json;
    json_writer_init(&json, out);
    json_object(&json);
    json_put_i64(&json, "totalRecordCount", (int64_t)counts->total);
    json_put_i64(&json, "processedRecordCount", (int64_t)batch_counts_done(counts));
    json_put_i64(&json, "successRecordCount", (int64_t)counts->success);
    json_put_i64(&json, "errorRecordCount", (int64_t)counts->error);
    json_put_i64(&json, "inputTokenCount", (int64_t)counts->input_tokens);
    json_put_i64(&json, "outputTokenCount", (int64_t)counts->output_tokens);
    json_end(&json);
    return !json_writer_failed(&json);
}
