/* world.h - a pipeline's surroundings in a test: a store of its own, a clock that stands still, a bucket in memory, and batch
 * inference as a list of jobs. The bucket's functions take the place of src/objects when the test is linked. */
#ifndef CRATON_PIPELINE_WORLD_H
#define CRATON_PIPELINE_WORLD_H

#include "unit.h"

#include "pipeline/internal.h"

#define START_MS     INT64_C(1735786984000)
#define ACCOUNT      "123456789012"
#define REGION       "us-east-1"
#define BUCKET       "br-batch-inference-123456789012-us-east-1"
#define MODEL        "amazon.titan-text-express-v1"
#define INTERVAL_MS  (15 * 60 * 1000)
#define RETRY_MS     30000
#define FILES_MAX    10001
#define JOBS_MAX     64

struct file {
    char key[64];
    char id[24];
    int64_t put_ms;
};

struct fake_job {
    char arn[96], token[128], name[80], input[128], model[128];
    const char *status, *message;
    int64_t total, success;
};

static struct {
    char dir[64];
    struct clock *clock;
    struct store *store;
    struct arena *arena;
    struct pipelines *p;
    struct pipeline pipeline;

    struct file *files;                                     /* by key */
    size_t file_count, puts, listings;
    enum object_status bucket_status;

    struct fake_job jobs[JOBS_MAX];
    size_t job_count, creates, lists, gets;
    enum aws_status create_error, list_error;               /* AWS_OK: none */
    const char *create_message;
    size_t errors_left;                                     /* how often create_error comes */
    bool die_after_create;                                  /* the job is made, but nobody hears of it */
    size_t quota;                                           /* of active jobs; 0: none */
} world;

static pthread_mutex_t world_lock = PTHREAD_MUTEX_INITIALIZER;  /* where the thread runs beside the test */

/* ---- the bucket ---- */

const char *object_status_text(enum object_status status)
{
    return status == OBJECT_NO_BUCKET ? "The specified bucket does not exist" : "a failure";
}

bool object_status_is_passing(enum object_status status)
{
    return status == OBJECT_BUSY || status == OBJECT_UNREACHABLE;
}

static struct object_info info_of(const struct file *file)
{
    return (struct object_info){ .bucket = VIEW(BUCKET), .key = view_from_cstr(file->key), .id = view_from_cstr(file->id), .size = 10,
                                 .modified_ms = file->put_ms };
}

enum object_status object_list(struct objects *objects, struct arena *arena, const struct object_list *list, struct object_page *out)
{
    (void)objects;
    *out = (struct object_page){ .objects = ARENA_ARRAY(arena, struct object_info, list->limit) };
    if (world.bucket_status != OBJECT_OK)
        return world.bucket_status;
    pthread_mutex_lock(&world_lock);
    world.listings++;
    for (size_t i = 0; i < world.file_count; i++) {
        struct object_info info = info_of(&world.files[i]);
        if (!view_starts_with(info.key, list->prefix) || view_compare(info.key, list->after) <= 0)
            continue;
        if (out->count == list->limit) {
            out->more = true;
            break;
        }
        out->objects[out->count++] = info;
        out->last = info.key;
    }
    pthread_mutex_unlock(&world_lock);
    return OBJECT_OK;
}

enum object_status object_head(struct objects *objects, struct arena *arena, struct view bucket, struct view key,
                               struct object_info *out)
{
    (void)objects;
    (void)arena;
    (void)bucket;
    if (world.bucket_status != OBJECT_OK)
        return world.bucket_status;
    for (size_t i = 0; i < world.file_count; i++) {
        if (view_is(key, world.files[i].key)) {
            *out = info_of(&world.files[i]);
            return OBJECT_OK;
        }
    }
    return OBJECT_NO_KEY;
}

enum object_status bucket_get(struct objects *objects, struct arena *arena, struct view name, struct bucket_info *out)
{
    (void)objects;
    (void)arena;
    (void)name;
    (void)out;
    return OBJECT_NO_BUCKET;
}

enum object_status bucket_create(struct objects *objects, struct view account, struct view region, struct view name)
{
    (void)objects;
    (void)account;
    (void)region;
    (void)name;
    return OBJECT_OK;
}

static size_t place_of(const char *key, bool *there)
{
    size_t at = world.file_count;
    *there = false;
    while (at > 0 && strcmp(world.files[at - 1].key, key) >= 0)
        at--;
    *there = at < world.file_count && strcmp(world.files[at].key, key) == 0;
    return at;
}

static inline void put_file(const char *key)
{
    bool there;
    pthread_mutex_lock(&world_lock);
    size_t at = place_of(key, &there);
    if (!there) {
        assert_true(world.file_count < FILES_MAX);
        memmove(&world.files[at + 1], &world.files[at], (world.file_count - at) * sizeof(world.files[0]));
        world.file_count++;
    }
    snprintf(world.files[at].key, sizeof(world.files[at].key), "%s", key);
    snprintf(world.files[at].id, sizeof(world.files[at].id), "object%zu", world.puts++);
    world.files[at].put_ms = clock_wall_ms(world.clock);
    pthread_mutex_unlock(&world_lock);
}

static inline void delete_file(const char *key)
{
    bool there;
    size_t at = place_of(key, &there);
    assert_true(there);
    memmove(&world.files[at], &world.files[at + 1], (--world.file_count - at) * sizeof(world.files[0]));
}

/* ---- batch inference ---- */

static bool is_active(const struct fake_job *job)
{
    enum row_status status;
    return row_status_parse(view_from_cstr(job->status), &status) && row_status_is_active(status);
}

static size_t active_jobs(void)
{
    size_t count = 0;
    for (size_t i = 0; i < world.job_count; i++)
        count += is_active(&world.jobs[i]);
    return count;
}

static struct fake_job *add_job(const char *model, const char *token)
{
    assert_true(world.job_count < JOBS_MAX);
    struct fake_job *job = &world.jobs[world.job_count];
    *job = (struct fake_job){ .status = "Submitted", .message = "", .total = 0 };
    snprintf(job->arn, sizeof(job->arn), "arn:aws:bedrock:" REGION ":" ACCOUNT ":model-invocation-job/job%09zu", world.job_count++);
    snprintf(job->model, sizeof(job->model), "%s", model);
    snprintf(job->token, sizeof(job->token), "%s", token);
    return job;
}

static enum aws_status answer_text(struct arena *arena, struct internal_answer *answer, const char *text)
{
    *answer = (struct internal_answer){ .status = AWS_OK, .http_status = 200, .body = arena_copy(arena, view_from_cstr(text)) };
    return AWS_OK;
}

static enum aws_status answer_error(struct internal_answer *answer, enum aws_status error, const char *message)
{
    *answer = (struct internal_answer){ .status = error, .http_status = 400, .message = view_from_cstr(message) };
    return error;
}

static enum aws_status create_job(const struct internal_request *request, struct arena *arena, struct internal_answer *answer)
{
    const struct json *body = json_parse(arena, request->body, 16, NULL);
    const char *token = arena_cstr(arena, json_get_string(body, "clientRequestToken"));
    struct fake_job *job = NULL;
    world.creates++;
    for (size_t i = 0; i < world.job_count; i++) {
        if (strcmp(world.jobs[i].token, token) == 0)
            job = &world.jobs[i];
    }
    if (job == NULL && world.create_error != AWS_OK && world.errors_left > 0) {
        world.errors_left--;
        return answer_error(answer, world.create_error, world.create_message);
    }
    if (job == NULL && world.quota > 0 && active_jobs() >= world.quota)
        return answer_error(answer, AWS_SERVICE_QUOTA_EXCEEDED, "no slot");
    if (job == NULL) {
        job = add_job(arena_cstr(arena, json_get_string(body, "modelId")), token);
        snprintf(job->name, sizeof(job->name), VIEW_FMT, VIEW_ARG(json_get_string(body, "jobName")));
        snprintf(job->input, sizeof(job->input), VIEW_FMT,
                 VIEW_ARG(json_get_string(json_get(json_get(body, "inputDataConfig"), "s3InputDataConfig"), "s3Uri")));
    }
    if (world.die_after_create) {
        world.die_after_create = false;
        atomic_store(&world.p->stopping, true);
        return answer_error(answer, AWS_INTERNAL_SERVER, "the server stops");
    }
    return answer_text(arena, answer, arena_printf(arena, "{\"jobArn\":\"%s\"}", job->arn));
}

static enum aws_status get_job(const struct internal_request *request, struct arena *arena, struct internal_answer *answer)
{
    world.gets++;
    for (size_t i = 0; i < world.job_count; i++) {
        const struct fake_job *job = &world.jobs[i];
        if (!view_is(request->labels[0], job->arn))
            continue;
        const char *counts = arena_printf(arena, ",\"totalRecordCount\":%lld,\"processedRecordCount\":%lld,"
                                                 "\"successRecordCount\":%lld,\"errorRecordCount\":0",
                                          (long long)job->total, (long long)job->success, (long long)job->success);
        const char *text = arena_printf(arena, "{\"status\":\"%s\",\"message\":\"%s\"%s}", job->status, job->message, counts);
        return answer_text(arena, answer, text);
    }
    return answer_error(answer, AWS_RESOURCE_NOT_FOUND, "no such job");
}

/* In pages of three, whatever was asked for. */
static enum aws_status list_of_jobs(const struct internal_request *request, struct arena *arena, struct internal_answer *answer)
{
    struct buf body = BUF_INIT(1 << 20);
    const char *separator = "", *query = arena_cstr(arena, request->query), *token = strstr(query, "nextToken=");
    size_t passed = token != NULL ? strtoul(token + strlen("nextToken="), NULL, 10) : 0, seen = 0;
    world.lists++;
    if (world.list_error != AWS_OK)
        return answer_error(answer, world.list_error, "not now");
    buf_append_cstr(&body, "{\"invocationJobSummaries\":[");
    for (size_t i = 0; i < world.job_count; i++) {
        const char *wanted = arena_printf(arena, "statusEquals=%s", world.jobs[i].status);
        bool matches = strstr(query, wanted) != NULL;
        if (matches && seen >= passed && seen < passed + 3) {
            buf_printf(&body, "%s{\"modelId\":\"%s\"}", separator, world.jobs[i].model);
            separator = ",";
        }
        seen += matches;
    }
    buf_append_cstr(&body, "]");
    if (seen > passed + 3)
        buf_printf(&body, ",\"nextToken\":\"%zu\"", passed + 3);
    buf_append_cstr(&body, "}");
    enum aws_status status = answer_text(arena, answer, arena_cstr(arena, buf_view(&body)));
    buf_free(&body);
    return status;
}

static enum aws_status batch(void *ctx, const struct internal_request *request, struct arena *arena, struct internal_answer *answer)
{
    (void)ctx;
    assert_view_is(request->principal->arn, "arn:aws:iam::" ACCOUNT ":user/maker");
    assert_view_is(request->region, REGION);
    if (view_is(request->operation, "CreateModelInvocationJob"))
        return create_job(request, arena, answer);
    if (view_is(request->operation, "GetModelInvocationJob"))
        return get_job(request, arena, answer);
    assert_view_is(request->operation, "ListModelInvocationJobs");
    return list_of_jobs(request, arena, answer);
}

/* ---- the pipeline ---- */

static inline void make_pipeline(const char *name, const char *suffix, const char *bucket, struct pipeline *out)
{
    struct store_record record;
    *out = (struct pipeline){
        .account = VIEW(ACCOUNT),
        .region = VIEW(REGION),
        .name = view_from_cstr(name),
        .suffix = view_from_cstr(suffix),
        .model_id = VIEW(MODEL),
        .role_arn = VIEW("arn:aws:iam::" ACCOUNT ":role/batch"),
        .bucket = view_from_cstr(bucket),
        .principal = { .account = VIEW(ACCOUNT), .name = VIEW("maker"), .arn = VIEW("arn:aws:iam::" ACCOUNT ":user/maker") },
        .created_ms = clock_wall_ms(world.clock),
    };
    assert_true(pipeline_write_record(out, world.arena, &record));
    assert_int_equal(store_create(world.store, &record), STORE_OK);
}

static inline void start_process(bool immediate)
{
    const struct pipelines_options options = {
        .store = world.store,
        .interval_ms = INTERVAL_MS,
        .immediate = immediate,
        .slots = 10,
        .max_attempts = 3,
        .retry_ms = RETRY_MS,
    };
    pipelines_destroy(world.p);
    world.p = pipelines_create(&options);
    assert_non_null(world.p);
    world.p->call = batch;
}

/* What the thread does when something has changed. */
static inline int64_t a_round(void)
{
    return pipelines_round(world.p, true);
}

static inline int64_t time_passes(int64_t ms)
{
    clock_manual_advance(world.clock, ms);
    return pipelines_round(world.p, false);
}

static inline int world_begin(void **state)
{
    (void)state;
    struct store_error error;
    memset(&world, 0, sizeof(world));
    snprintf(world.dir, sizeof(world.dir), "/tmp/craton-pipeline-XXXXXX");
    if (mkdtemp(world.dir) == NULL)
        return -1;
    char path[96];
    snprintf(path, sizeof(path), "%s/store/craton.db", world.dir);
    world.clock = clock_manual_create(START_MS);
    world.arena = arena_create(64u << 20);
    world.files = calloc(FILES_MAX, sizeof(world.files[0]));
    world.store = store_open(path, world.clock, &error);
    if (world.store == NULL || world.files == NULL || world.arena == NULL)
        return -1;
    start_process(true);
    make_pipeline("nightly", "ABCDEFGHIJ12", BUCKET, &world.pipeline);
    return 0;
}

static inline int world_end(void **state)
{
    (void)state;
    char command[96];
    pipelines_destroy(world.p);
    store_close(world.store);
    arena_destroy(world.arena);
    clock_manual_destroy(world.clock);
    free(world.files);
    snprintf(command, sizeof(command), "rm -rf '%s'", world.dir);
    return system(command);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_begin, world_end)

/* ---- looking ---- */

static inline size_t rows_in(enum row_status status)
{
    struct store_scan scan;
    struct store_page page;
    size_t count = 0;
    assert_true(row_scan_status(&world.pipeline, world.arena, status, &scan));
    scan.limit = 1000;
    do {
        assert_int_equal(store_scan(world.store, world.arena, &scan, &page), STORE_OK);
        count += page.count;
        scan.page = page.next;
    } while (page.next.len > 0);
    return count;
}

/* The row of the file as it is put now. */
static inline struct row row_of(const char *file_key)
{
    struct row wanted, found;
    struct object_info info;
    struct store_record record;
    assert_int_equal(object_head(NULL, world.arena, VIEW(BUCKET), view_from_cstr(file_key), &info), OBJECT_OK);
    assert_true(row_init(&world.pipeline, world.arena, info.key, info.id, info.modified_ms, &wanted));
    struct store_key key = row_key(&world.pipeline, world.arena, wanted.id);
    assert_int_equal(store_get(world.store, world.arena, &key, &record), STORE_OK);
    assert_true(row_read_record(&record, world.arena, &found));
    return found;
}

static inline struct fake_job *job_of(const char *file_key)
{
    struct row row = row_of(file_key);
    for (size_t i = 0; i < world.job_count; i++) {
        if (view_is(row.job_arn, world.jobs[i].arn))
            return &world.jobs[i];
    }
    return NULL;
}

#endif
