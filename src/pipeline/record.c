#include "pipeline/record.h"

#include "aws/arn.h"
#include "base/encode.h"

#define RECORD_MAX   (1u << 20)
#define ERROR_MAX    2048
#define JOB_NAME_MAX 63
#define ATTEMPT_MAX  8                                      /* bytes of "-1234" in a job's name */
#define JOB_ID_PART  12

static const struct view status_names[ROW_STATUSES] = {
    [ROW_PENDING] = VIEW_INIT("Pending"),
    [ROW_SUBMITTED] = VIEW_INIT("Submitted"),
    [ROW_VALIDATING] = VIEW_INIT("Validating"),
    [ROW_SCHEDULED] = VIEW_INIT("Scheduled"),
    [ROW_IN_PROGRESS] = VIEW_INIT("InProgress"),
    [ROW_STOPPING] = VIEW_INIT("Stopping"),
    [ROW_COMPLETED] = VIEW_INIT("Completed"),
    [ROW_PARTIALLY_COMPLETED] = VIEW_INIT("PartiallyCompleted"),
    [ROW_FAILED] = VIEW_INIT("Failed"),
    [ROW_STOPPED] = VIEW_INIT("Stopped"),
    [ROW_EXPIRED] = VIEW_INIT("Expired"),
};

static const char *const turn_names[] = {
    [TURN_NONE] = "", [TURN_READY] = "ready", [TURN_SUBMITTING] = "submitting", [TURN_RETRY] = "retry"
};

static struct view text_of(char *text)
{
    return view_from_cstr(text);
}

/* The document of a record, from a writer that has ended. */
static bool take_json(struct buf *json, const struct json_writer *writer, struct arena *arena, struct view *out)
{
    bool written = !json_writer_failed(writer) && !buf_failed(json);
    *out = written ? arena_copy(arena, buf_view(json)) : VIEW("");
    buf_free(json);
    return written && out->len > 0;
}

/* ---- pipelines ---- */

struct view pipeline_table_name(const struct pipeline *pipeline, struct arena *arena)
{
    return text_of(arena_printf(arena, VIEW_FMT "-DynamoDBTable-" VIEW_FMT, VIEW_ARG(pipeline->name), VIEW_ARG(pipeline->suffix)));
}

struct view pipeline_arn(const struct pipeline *pipeline, struct arena *arena)
{
    struct buf arn = BUF_INIT(4096);
    const char *resource = arena_printf(arena, "pipeline/" VIEW_FMT, VIEW_ARG(pipeline->name));
    arn_append(&arn, VIEW("craton"), pipeline->region, pipeline->account, view_from_cstr(resource));
    struct view copy = arena_copy(arena, buf_view(&arn));
    buf_free(&arn);
    return copy;
}

static void write_principal(const struct principal *principal, struct json_writer *out)
{
    json_object(out);
    json_put_string(out, "account", principal->account);
    json_put_string(out, "name", principal->name);
    json_put_string(out, "arn", principal->arn);
    json_put_string(out, "accessKeyId", principal->access_key_id);
    json_put_bool(out, "admin", principal->admin);
    json_end(out);
}

static struct principal read_principal(const struct json *json)
{
    return (struct principal){
        .account = json_get_string(json, "account"),
        .name = json_get_string(json, "name"),
        .arn = json_get_string(json, "arn"),
        .access_key_id = json_get_string(json, "accessKeyId"),
        .admin = json_bool(json_get(json, "admin"), false),
    };
}

bool pipeline_write_record(const struct pipeline *pipeline, struct arena *arena, struct store_record *out)
{
    struct buf json = BUF_INIT(RECORD_MAX);
    struct json_writer writer;
    json_writer_init(&writer, &json);
    json_object(&writer);
    json_put_string(&writer, "suffix", pipeline->suffix);
    json_put_string(&writer, "modelId", pipeline->model_id);
    json_put_string(&writer, "roleArn", pipeline->role_arn);
    json_put_string(&writer, "bucket", pipeline->bucket);
    json_key(&writer, "principal");
    write_principal(&pipeline->principal, &writer);
    json_put_i64(&writer, "createdMs", pipeline->created_ms);
    json_put_string(&writer, "problem", pipeline->problem);
    json_end(&writer);
    *out = (struct store_record){
        .key = { .kind = VIEW_INIT(PIPELINE_KIND), .account = pipeline->account, .region = pipeline->region, .id = pipeline->name },
        .version = pipeline->version,
        .state = pipeline->deleting ? VIEW("deleting") : VIEW(""),
    };
    return take_json(&json, &writer, arena, &out->json);
}

bool pipeline_read_record(const struct store_record *record, struct arena *arena, struct pipeline *out)
{
    const struct json *json = json_parse(arena, record->json, JSON_DEPTH_DEFAULT, NULL);
    *out = (struct pipeline){
        .account = record->key.account,
        .region = record->key.region,
        .name = record->key.id,
        .version = record->version,
        .deleting = view_is(record->state, "deleting"),
        .suffix = json_get_string(json, "suffix"),
        .model_id = json_get_string(json, "modelId"),
        .role_arn = json_get_string(json, "roleArn"),
        .bucket = json_get_string(json, "bucket"),
        .principal = read_principal(json_get(json, "principal")),
        .problem = json_get_string(json, "problem"),
    };
    return json_get_i64(json, "createdMs", &out->created_ms) && out->suffix.len > 0 && out->bucket.len > 0;
}

enum store_status pipeline_load(struct store *store, struct arena *arena, struct view account, struct view region, struct view name,
                                struct pipeline *out)
{
    const struct store_key key = { .kind = VIEW_INIT(PIPELINE_KIND), .account = account, .region = region, .id = name };
    struct store_record record;
    enum store_status status = store_get(store, arena, &key, &record);
    if (status == STORE_OK && !pipeline_read_record(&record, arena, out))
        status = arena_exhausted(arena) ? STORE_NO_MEMORY : STORE_ERROR;
    return status;
}

/* ---- statuses ---- */

struct view row_status_name(enum row_status status)
{
    return status_names[status];
}

bool row_status_parse(struct view name, enum row_status *out)
{
    for (int i = 0; i < ROW_STATUSES; i++) {
        if (view_eq(name, status_names[i])) {
            *out = (enum row_status)i;
            return true;
        }
    }
    return false;
}

bool row_status_is_active(enum row_status status)
{
    return status >= ROW_SUBMITTED && status <= ROW_STOPPING;
}

static enum row_turn turn_parse(struct view name)
{
    for (int i = TURN_READY; i <= TURN_RETRY; i++) {
        if (view_is(name, turn_names[i]))
            return (enum row_turn)i;
    }
    return TURN_NONE;
}

/* ---- rows ---- */

bool row_init(const struct pipeline *pipeline, struct arena *arena, struct view key, struct view object_id, int64_t put_ms,
              struct row *out)
{
    uint8_t digest[SHA256_SIZE];
    char hex[PIPELINE_ROW_ID_SIZE];
    const char *name = arena_printf(arena, VIEW_FMT "\n" VIEW_FMT "\n" VIEW_FMT, VIEW_ARG(pipeline->suffix), VIEW_ARG(object_id),
                                    VIEW_ARG(key));
    if (name == NULL)
        return false;
    sha256(view_from_cstr(name), digest);
    hex_encode(digest, sizeof(hex) / 2, hex);
    *out = (struct row){
        .account = pipeline->account,
        .region = pipeline->region,
        .suffix = pipeline->suffix,
        .id = arena_copy(arena, view_of(hex, sizeof(hex))),
        .key = key,
        .object_id = object_id,
        .status = ROW_PENDING,
        .turn = TURN_READY,
        .created_ms = put_ms,
        .counts = { -1, -1, -1, -1 },
    };
    return out->id.len > 0;
}

static struct view record_id(struct view suffix, struct view row_id, struct arena *arena)
{
    return text_of(arena_printf(arena, VIEW_FMT "/" VIEW_FMT, VIEW_ARG(suffix), VIEW_ARG(row_id)));
}

static struct view by_status(struct view suffix, enum row_status status, struct view after, struct arena *arena)
{
    struct view name = status_names[status];
    return text_of(arena_printf(arena, VIEW_FMT "/" VIEW_FMT "/" VIEW_FMT, VIEW_ARG(suffix), VIEW_ARG(name), VIEW_ARG(after)));
}

static struct view by_turn(struct view suffix, enum row_turn turn, const char *after, struct arena *arena)
{
    return after != NULL ? text_of(arena_printf(arena, VIEW_FMT "/%s/%s", VIEW_ARG(suffix), turn_names[turn], after)) : VIEW("");
}

static void write_row(const struct row *row, struct json_writer *out)
{
    json_object(out);
    json_put_string(out, "key", row->key);
    json_put_string(out, "objectId", row->object_id);
    json_put_cstr(out, "turn", turn_names[row->turn]);
    json_put_i64(out, "attempts", row->attempts);
    json_put_i64(out, "jobNumber", row->job_number);
    json_put_i64(out, "createdMs", row->created_ms);
    json_put_i64(out, "retryMs", row->retry_ms);
    json_put_i64(out, "submittedMs", row->submitted_ms);
    json_put_i64(out, "startedMs", row->started_ms);
    json_put_i64(out, "finishedMs", row->finished_ms);
    json_put_string(out, "jobName", row->job_name);
    json_put_string(out, "jobArn", row->job_arn);
    json_put_string(out, "error", view_first(row->error, ERROR_MAX));
    json_key(out, "counts");
    json_array(out);
    json_write_i64(out, row->counts.total);
    json_write_i64(out, row->counts.processed);
    json_write_i64(out, row->counts.success);
    json_write_i64(out, row->counts.error);
    json_end(out);
    json_end(out);
}

bool row_write_record(const struct row *row, struct arena *arena, struct store_record *out)
{
    struct buf json = BUF_INIT(RECORD_MAX);
    struct json_writer writer;
    char created[CLOCK_ISO_SIZE], due[CLOCK_ISO_SIZE];
    json_writer_init(&writer, &json);
    write_row(row, &writer);
    clock_format_iso(row->created_ms, true, created);
    clock_format_iso(row->turn == TURN_RETRY ? row->retry_ms : row->created_ms, true, due);
    *out = (struct store_record){
        .key = { .kind = VIEW_INIT(PIPELINE_ROW_KIND), .account = row->account, .region = row->region,
                 .id = record_id(row->suffix, row->id, arena) },
        .version = row->version,
        .state = status_names[row->status],
    };
    out->index[ROW_BY_STATUS] = by_status(row->suffix, row->status, view_from_cstr(created), arena);
    if (row->turn != TURN_NONE)
        out->index[ROW_BY_TURN] = by_turn(row->suffix, row->turn, arena_printf(arena, "%s/" VIEW_FMT, due, VIEW_ARG(row->key)), arena);
    return take_json(&json, &writer, arena, &out->json) && !arena_exhausted(arena);
}

static int64_t number_at(const struct json *array, size_t index)
{
    int64_t number;
    return json_to_i64(json_at(array, index), &number) ? number : -1;
}

bool row_read_record(const struct store_record *record, struct arena *arena, struct row *out)
{
    const struct json *json = json_parse(arena, record->json, JSON_DEPTH_DEFAULT, NULL);
    const struct json *counts = json_get(json, "counts");
    struct view id = record->key.id, suffix = view_split(&id, '/');
    int64_t attempts = 0, job_number = 0;
    *out = (struct row){
        .account = record->key.account,
        .region = record->key.region,
        .suffix = suffix,
        .version = record->version,
        .id = id,
        .key = json_get_string(json, "key"),
        .object_id = json_get_string(json, "objectId"),
        .turn = turn_parse(json_get_string(json, "turn")),
        .job_name = json_get_string(json, "jobName"),
        .job_arn = json_get_string(json, "jobArn"),
        .error = json_get_string(json, "error"),
        .counts = { number_at(counts, 0), number_at(counts, 1), number_at(counts, 2), number_at(counts, 3) },
    };
    bool ok = json_get_i64(json, "attempts", &attempts) && json_get_i64(json, "jobNumber", &job_number) &&
              json_get_i64(json, "createdMs", &out->created_ms) &&
              json_get_i64(json, "retryMs", &out->retry_ms) && json_get_i64(json, "submittedMs", &out->submitted_ms) &&
              json_get_i64(json, "startedMs", &out->started_ms) && json_get_i64(json, "finishedMs", &out->finished_ms) &&
              row_status_parse(record->state, &out->status);
    out->attempts = (unsigned)attempts;
    out->job_number = (unsigned)job_number;
    return ok && out->key.len > 0;
}

struct view row_input_uri(const struct pipeline *pipeline, const struct row *row, struct arena *arena)
{
    return text_of(arena_printf(arena, "s3://" VIEW_FMT "/" VIEW_FMT, VIEW_ARG(pipeline->bucket), VIEW_ARG(row->key)));
}

struct view row_output_uri(const struct pipeline *pipeline, const struct row *row, struct arena *arena)
{
    struct arn arn;
    bool has_job = row->job_arn.len > 0 && arn_parse(row->job_arn, &arn);
    return text_of(arena_printf(arena, "s3://" VIEW_FMT "/" PIPELINE_OUTPUT VIEW_FMT "%s", VIEW_ARG(pipeline->bucket),
                                VIEW_ARG(has_job ? arn.id : VIEW("")), has_job ? "/" : ""));
}

struct view row_job_name(const struct pipeline *pipeline, const struct row *row, struct arena *arena)
{
    struct view name = view_first(pipeline->name, JOB_NAME_MAX - JOB_ID_PART - ATTEMPT_MAX - 1);
    return text_of(arena_printf(arena, VIEW_FMT "-" VIEW_FMT "-%u", VIEW_ARG(name), VIEW_ARG(view_first(row->id, JOB_ID_PART)),
                                row->job_number));
}

struct view row_token(const struct row *row, struct arena *arena)
{
    return text_of(arena_printf(arena, "pipeline-" VIEW_FMT "-%u", VIEW_ARG(row->id), row->job_number));
}

struct store_key row_key(const struct pipeline *pipeline, struct arena *arena, struct view row_id)
{
    return (struct store_key){ .kind = VIEW_INIT(PIPELINE_ROW_KIND), .account = pipeline->account, .region = pipeline->region,
                               .id = record_id(pipeline->suffix, row_id, arena) };
}

/* ---- orders ---- */

static bool scan_between(const struct pipeline *pipeline, struct view from, struct view before, struct store_scan *out)
{
    *out = (struct store_scan){
        .kind = VIEW_INIT(PIPELINE_ROW_KIND),
        .account = pipeline->account,
        .region = pipeline->region,
        .from = from,
        .before = before,
    };
    return from.len > 0 && before.len > 0;
}

/* '0' is the byte after '/': all that begins with the prefix and a slash lies between the two. */
bool row_scan_all(const struct pipeline *pipeline, struct arena *arena, struct store_scan *out)
{
    return scan_between(pipeline, record_id(pipeline->suffix, VIEW(""), arena),
                        text_of(arena_printf(arena, VIEW_FMT "0", VIEW_ARG(pipeline->suffix))), out);
}

bool row_scan_status(const struct pipeline *pipeline, struct arena *arena, enum row_status status, struct store_scan *out)
{
    struct view name = status_names[status];
    struct view before = text_of(arena_printf(arena, VIEW_FMT "/" VIEW_FMT "0", VIEW_ARG(pipeline->suffix), VIEW_ARG(name)));
    bool ok = scan_between(pipeline, by_status(pipeline->suffix, status, VIEW(""), arena), before, out);
    out->order = STORE_BY_INDEX;
    out->index = ROW_BY_STATUS;
    return ok;
}

bool row_scan_turn(const struct pipeline *pipeline, struct arena *arena, enum row_turn turn, struct store_scan *out)
{
    struct view before = text_of(arena_printf(arena, VIEW_FMT "/%s0", VIEW_ARG(pipeline->suffix), turn_names[turn]));
    bool ok = scan_between(pipeline, by_turn(pipeline->suffix, turn, "", arena), before, out);
    out->order = STORE_BY_INDEX;
    out->index = ROW_BY_TURN;
    return ok;
}

bool row_scan_retries(const struct pipeline *pipeline, struct arena *arena, int64_t now_ms, struct store_scan *due,
                      struct store_scan *later)
{
    char after_now[CLOCK_ISO_SIZE];
    clock_format_iso(now_ms + 1, true, after_now);
    struct view border = by_turn(pipeline->suffix, TURN_RETRY, after_now, arena);
    bool ok = row_scan_turn(pipeline, arena, TURN_RETRY, due) && border.len > 0;
    *later = *due;
    due->before = later->from = border;
    return ok;
}

struct view row_status_bound(const struct pipeline *pipeline, struct arena *arena, enum row_status status, struct view created_at)
{
    return by_status(pipeline->suffix, status, created_at, arena);
}
