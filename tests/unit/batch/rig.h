/* rig.h - batch jobs at work: a store, objects, the runner, and a model that does what the test says.
 *
 * The model answers in a thread of its own, as the loop would. The text of a record's input says what it meets:
 *
 *     "busy 3"     takes no call three times        "crash 1"    ends the model's process once
 *     "bad"        is refused as a bad request      "slow"       waits until the test lets it go
 *     else         is echoed; one token in, two out
 */
#ifndef CRATON_BATCH_RIG_H
#define CRATON_BATCH_RIG_H

#include "fixture.h"

#include "base/list.h"
#include "batch/batch.h"
#include "batch/job.h"

#include <pthread.h>

#define JOB_ID "abcdefghijkl"
#define MODEL  MODELS_SCRIPTED

struct rig_call {
    struct list_link link;
    struct view body;
    bool cancelled;
    void (*on_done)(void *ctx, const struct internal_answer *answer);
    void *ctx;
};

struct rig {
    struct fixture fixture;
    struct models *models;
    struct batch *batch;
    struct jobs *jobs;

    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct list calls;
    bool ending, released;                                  /* released: slow calls go on */
    unsigned submitted, together, most_together;
    unsigned exit_after;                                    /* answers; then the process is gone. 0: never */
    unsigned answered;
    struct {
        char text[32];
        unsigned times;
    } troubles[16];                                         /* how often a troublesome input has been met */
};

/* ---- the model ---- */

static inline unsigned rig_times(struct rig *rig, struct view text)
{
    for (size_t i = 0; i < COUNT_OF(rig->troubles); i++) {
        if (rig->troubles[i].text[0] == '\0')
            snprintf(rig->troubles[i].text, sizeof(rig->troubles[i].text), VIEW_FMT, VIEW_ARG(text));
        if (view_is(text, rig->troubles[i].text))
            return ++rig->troubles[i].times;
    }
    return 0;
}

static inline bool rig_trouble(struct rig *rig, struct view text, const char *kind)
{
    uint64_t limit;
    size_t len = strlen(kind);
    if (!view_starts_with(text, view_from_cstr(kind)) || !view_to_u64(view_from(text, len), &limit))
        return false;
    return rig_times(rig, text) <= limit;
}

static inline void rig_answer(struct rig *rig, struct rig_call *call)
{
    struct arena *arena = arena_create(1 << 20);
    const struct json *json = json_parse(arena, call->body, 32, NULL);
    struct view text = json_get_string(json, "text");
    struct call_stats stats = { .input_tokens = 1, .output_tokens = 2 }, none = { .input_tokens = -1, .output_tokens = -1 };
    struct internal_answer answer = { .status = AWS_OK, .http_status = 200, .body = call->body, .stats = &stats };
    if (call->cancelled)
        answer = (struct internal_answer){ AWS_SERVICE_UNAVAILABLE, 503, VIEW("cancelled"), VIEW(""), &none };
    else if (rig_trouble(rig, text, "busy "))
        answer = (struct internal_answer){ AWS_THROTTLING, 429, VIEW("too busy"), VIEW(""), &none };
    else if (rig_trouble(rig, text, "crash "))
        answer = (struct internal_answer){ AWS_MODEL_ERROR, 424, VIEW("The model's process ended."), VIEW(""), &none };
    else if (view_is(text, "bad"))
        answer = (struct internal_answer){ AWS_VALIDATION, 400, VIEW("bad request"), VIEW(""), &none };
    call->on_done(call->ctx, &answer);
    arena_destroy(arena);
    free(call);
}

static inline struct rig_call *rig_next(struct rig *rig)
{
    LIST_EACH(at, &rig->calls) {
        struct rig_call *call = LIST_ITEM(at, struct rig_call, link);
        bool slow = view_find(call->body, VIEW("\"slow\"")) != VIEW_NPOS;
        if (!slow || rig->released || call->cancelled) {
            list_remove(&call->link);
            return call;
        }
    }
    return NULL;
}

static inline void *rig_model(void *arg)
{
    struct rig *rig = arg;
    pthread_mutex_lock(&rig->lock);
    while (!rig->ending || !list_empty(&rig->calls)) {
        struct rig_call *call = rig_next(rig);
        if (call == NULL) {
            pthread_cond_wait(&rig->changed, &rig->lock);
            continue;
        }
        if (rig->exit_after > 0 && ++rig->answered > rig->exit_after)
            _exit(9);
        rig->together--;
        pthread_mutex_unlock(&rig->lock);
        rig_answer(rig, call);
        pthread_mutex_lock(&rig->lock);
    }
    pthread_mutex_unlock(&rig->lock);
    return NULL;
}

static inline struct internal_call *rig_submit(void *ctx, const struct internal_request *request,
                                               void (*on_done)(void *ctx, const struct internal_answer *answer), void *done_ctx)
{
    struct rig *rig = ctx;
    struct rig_call *call = calloc(1, sizeof(*call));
    assert_non_null(call);
    assert_view_is(request->operation, "InvokeModel");
    assert_true(request->batch);
    *call = (struct rig_call){ .body = request->body, .on_done = on_done, .ctx = done_ctx };
    pthread_mutex_lock(&rig->lock);
    rig->submitted++;
    rig->together++;
    rig->most_together = rig->together > rig->most_together ? rig->together : rig->most_together;
    list_push_back(&rig->calls, &call->link);
    pthread_cond_signal(&rig->changed);
    pthread_mutex_unlock(&rig->lock);
    return (struct internal_call *)call;
}

static inline void rig_cancel(void *ctx, struct internal_call *internal)
{
    struct rig *rig = ctx;
    pthread_mutex_lock(&rig->lock);
    LIST_EACH(at, &rig->calls) {
        struct rig_call *call = LIST_ITEM(at, struct rig_call, link);
        if ((struct internal_call *)call == internal)
            call->cancelled = true;
    }
    pthread_cond_signal(&rig->changed);
    pthread_mutex_unlock(&rig->lock);
}

static inline void rig_release(struct rig *rig)
{
    pthread_mutex_lock(&rig->lock);
    rig->released = true;
    pthread_cond_signal(&rig->changed);
    pthread_mutex_unlock(&rig->lock);
}

/* ---- the server's side ---- */

static inline struct batch_options rig_options(const struct rig *rig)
{
    return (struct batch_options){ .store = rig->fixture.store, .objects = rig->fixture.objects, .models = rig->models,
                                   .jobs_per_model = 10, .running_jobs = 2, .min_records = 1, .max_file_records = 100000,
                                   .max_job_records = 100000, .max_file_bytes = 1 << 26, .max_job_bytes = 1 << 26,
                                   .max_record_bytes = 1 << 16, .json_depth = 64, .in_flight = 16, .retry_ms = 60000 };
}

static inline void rig_start_with(struct rig *rig, const struct batch_options *options)
{
    const struct jobs_options jobs = { .store = rig->fixture.store, .owner = VIEW("test") };
    rig->batch = batch_create(options);
    rig->jobs = jobs_create(&jobs);
    assert_true(rig->batch != NULL && rig->jobs != NULL && batch_join(rig->batch, rig->jobs));
    batch_set_caller(rig->batch, &(struct batch_caller){ rig, rig_submit, rig_cancel });
    list_init(&rig->calls);
    pthread_mutex_init(&rig->lock, NULL);
    pthread_cond_init(&rig->changed, NULL);
    rig->ending = false;
    assert_int_equal(pthread_create(&rig->thread, NULL, rig_model, rig), 0);
    assert_true(jobs_start(rig->jobs));
}

static inline void rig_start(struct rig *rig)
{
    const struct batch_options options = rig_options(rig);
    rig_start_with(rig, &options);
}

static inline void rig_stop(struct rig *rig)
{
    jobs_stop(rig->jobs);
    jobs_destroy(rig->jobs);
    pthread_mutex_lock(&rig->lock);
    rig->ending = true;
    pthread_cond_signal(&rig->changed);
    pthread_mutex_unlock(&rig->lock);
    pthread_join(rig->thread, NULL);
    pthread_cond_destroy(&rig->changed);
    pthread_mutex_destroy(&rig->lock);
    batch_destroy(rig->batch);
}

static inline void rig_open(struct rig *rig)
{
    fixture_open(&rig->fixture);
    rig->models = models_create(&(struct models_options){ .data_models = VIEW("") });
    assert_non_null(rig->models);
    assert_int_equal(bucket_create(rig->fixture.objects, ACCOUNT, REGION, VIEW("in-bucket")), OBJECT_OK);
    assert_int_equal(bucket_create(rig->fixture.objects, ACCOUNT, REGION, VIEW("out-bucket")), OBJECT_OK);
}

static inline void rig_close(struct rig *rig)
{
    models_destroy(rig->models);
    fixture_close(&rig->fixture);
}

/* ---- jobs ---- */

static inline void rig_create_job_for(struct rig *rig, const char *id, const char *input, struct view model)
{
    struct arena *arena = rig->fixture.arena;
    struct batch_job job = { .key = { VIEW(BATCH_KIND), ACCOUNT, REGION, view_from_cstr(id) },
                             .request = { .name = VIEW("a-job"), .role_arn = VIEW("role"), .model_id = model,
                                          .input_uri = view_from_cstr(input), .output_uri = VIEW("s3://out-bucket/results"),
                                          .timeout_hours = 24 },
                             .principal = { .account = ACCOUNT, .name = VIEW("root"), .arn = VIEW("arn") } };
    job.asked = batch_request_text(arena, &job.request);
    struct store_record record = { .key = job.key };
    assert_true(batch_job_write(arena, &job, &record));
    assert_int_equal(store_create(rig->fixture.store, &record), STORE_OK);
}

static inline void rig_create_job(struct rig *rig, const char *id, const char *input)
{
    rig_create_job_for(rig, id, input, VIEW(MODEL));
}

static inline struct batch_job rig_job(struct rig *rig, const char *id)
{
    struct store_record record;
    struct batch_job job;
    const struct store_key key = { VIEW(BATCH_KIND), ACCOUNT, REGION, view_from_cstr(id) };
    assert_int_equal(store_get(rig->fixture.store, rig->fixture.arena, &key, &record), STORE_OK);
    assert_true(batch_job_read(rig->fixture.arena, &record, &job));
    return job;
}

static inline void rig_set_status(struct rig *rig, const char *id, enum batch_status status)
{
    enum store_status stored;
    do {
        struct store_record record;
        const struct store_key key = { VIEW(BATCH_KIND), ACCOUNT, REGION, view_from_cstr(id) };
        assert_int_equal(store_get(rig->fixture.store, rig->fixture.arena, &key, &record), STORE_OK);
        record.state = view_from_cstr(batch_status_name(status));
        stored = store_update(rig->fixture.store, &record);
    } while (stored == STORE_CONFLICT);
    assert_int_equal(stored, STORE_OK);
}

/* Moves the clock on while it waits, a second at a time, unless step_ms is 0. */
static inline struct batch_job rig_wait(struct rig *rig, const char *id, bool (*done)(const struct batch_job *job), int64_t step_ms)
{
    for (int i = 0; i < 6000; i++) {
        struct batch_job job = rig_job(rig, id);
        if (done(&job))
            return job;
        usleep(5000);
        clock_manual_advance(rig->fixture.clock, step_ms);
        jobs_wake(rig->jobs);
        if (i % 100 == 0)
            arena_reset(rig->fixture.arena);
    }
    struct batch_job job = rig_job(rig, id);
    fail_msg("the job is still %s: " VIEW_FMT, batch_status_name(job.status), VIEW_ARG(job.progress.message));
    return job;
}

static inline bool has_ended(const struct batch_job *job)
{
    return !batch_status_is_active(job->status);
}

/* An input of as many records, whose texts are "text 0", "text 1" … */
static inline void rig_put_numbers(struct rig *rig, const char *key, unsigned count)
{
    struct buf lines = BUF_INIT(64 << 20);
    for (unsigned i = 0; i < count; i++)
        buf_printf(&lines, "{\"recordId\":\"R%06u\",\"modelInput\":{\"text\":\"text %u\"}}\n", i, i);
    put_object(&rig->fixture, VIEW("in-bucket"), key, buf_view(&lines));
    buf_free(&lines);
}

static inline struct view rig_output(struct rig *rig, const char *id, const char *name)
{
    char key[256];
    snprintf(key, sizeof(key), "results/%s/%s", id, name);
    return get_object(&rig->fixture, VIEW("out-bucket"), key);
}

/* Nothing of the job is left in the server's own bucket. */
static inline void expect_tidy(struct rig *rig)
{
    struct object_page page;
    const struct object_list list = { .bucket = VIEW(OBJECT_OWN_BUCKET), .prefix = VIEW("batch/"), .limit = 10 };
    assert_int_equal(object_list(rig->fixture.objects, rig->fixture.arena, &list, &page), OBJECT_OK);
    assert_int_equal(page.count, 0);
}

static inline void expect_manifest(struct rig *rig, const char *id, unsigned total, unsigned success, unsigned error)
{
    char text[256];
    snprintf(text, sizeof(text), "{\"totalRecordCount\":%u,\"processedRecordCount\":%u,\"successRecordCount\":%u,\"errorRecordCount\":%u,"
             "\"inputTokenCount\":%u,\"outputTokenCount\":%u}", total, success + error, success, error, success, 2 * success);
    assert_view_is(rig_output(rig, id, "manifest.json.out"), text);
}

/* Every record of rig_put_numbers() is in the output once, in order, with its answer. */
static inline void expect_numbers(struct view output, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char line[256];
        snprintf(line, sizeof(line),
                 "{\"recordId\":\"R%06u\",\"modelInput\":{\"text\":\"text %u\"},\"modelOutput\":{\"text\":\"text %u\"}}", i, i, i);
        assert_view_is(view_split(&output, '\n'), line);
    }
    assert_int_equal(output.len, 0);
}

#endif
