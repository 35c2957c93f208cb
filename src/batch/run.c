/* batch/run.c - one run of one job: from where the record says that it is, through its states, to its end. See job.h and batch.h. */
#include "batch/internal.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

#define SCRATCH    (1u << 30)
#define TROUBLE_MS 2000                                     /* between two attempts at what passes */
#define SLOT_MS    1000
#define RATE_KEPT  0.7                                      /* of the rate so far, at each save */

/* ---- the record ---- */

/* Others change nothing but the status. */
static bool take_status(struct batch_run *run)
{
    enum batch_status status;
    if (!batch_status_parse(job_record(run->job)->state, &status) || !batch_status_is_active(status))
        return false;
    if (status == BATCH_STOPPING)
        run->state.status = status;
    return true;
}

enum course run_course(struct batch_run *run)
{
    if (job_disturbed(run->job) && (!job_refresh(run->job) || !take_status(run)))
        return COURSE_RETURN;
    if (run->state.status == BATCH_STOPPING)
        return COURSE_STOP;
    return store_now_ms(run->batch->options.store) >= batch_job_expires_ms(&run->state) ? COURSE_LATE : COURSE_ON;
}

static void measure_rate(struct batch_run *run)
{
    struct batch_progress *progress = &run->state.progress;
    int64_t now_ms = store_now_ms(run->batch->options.store);
    uint64_t done = batch_counts_done(&progress->counts);
    if (done == run->saved_done || now_ms <= run->saved_ms)
        return;
    double lately = (double)(done - run->saved_done) * 1000.0 / (double)(now_ms - run->saved_ms);
    progress->rate = progress->rate > 0 ? RATE_KEPT * progress->rate + (1 - RATE_KEPT) * lately : lately;
    run->saved_done = done;
    run->saved_ms = now_ms;
}

enum course run_save(struct batch_run *run)
{
    struct view job = run->state.key.id;
    measure_rate(run);
    for (;;) {
        struct store_record record = { .version = 0 };
        arena_reset(run->scratch);
        enum store_status status = batch_job_write(run->scratch, &run->state, &record) ? job_update(run->job, &record) : STORE_NO_MEMORY;
        if (status == STORE_OK) {
            run->told = false;
            return COURSE_ON;
        }
        if (status != STORE_CONFLICT) {
            log_warn("a batch job waits for the store", LOG_VIEW("job", job), LOG_STR("reason", store_status_text(status)));
            job_wait(run->job, TROUBLE_MS);
        }
        if (!job_refresh(run->job) || !take_status(run))
            return COURSE_RETURN;
    }
}

enum course run_fail(struct batch_run *run, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(run->failure, sizeof(run->failure), format, args);
    va_end(args);
    return COURSE_FAIL;
}

void run_tell(struct batch_run *run, const char *format, ...)
{
    char message[BATCH_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    if (strcmp(message, run->message) == 0)
        return;
    memcpy(run->message, message, sizeof(message));
    run->state.progress.message = view_from_cstr(run->message);
    run->told = true;
}

/* ---- objects ---- */

enum course run_object_trouble(struct batch_run *run, enum object_status status, const char *what, struct view bucket, struct view key)
{
    struct view why = view_from_cstr(object_status_text(status));
    if (view_ends_with(why, VIEW(".")))
        why.len--;
    if (!object_status_is_passing(status) && status != OBJECT_NO_SPACE)
        return run_fail(run, "%s: s3://" VIEW_FMT "/" VIEW_FMT ": " VIEW_FMT ".", what, VIEW_ARG(bucket), VIEW_ARG(key), VIEW_ARG(why));
    run_tell(run, "%s, and will be tried again: s3://" VIEW_FMT "/" VIEW_FMT ": " VIEW_FMT ".", what, VIEW_ARG(bucket), VIEW_ARG(key),
             VIEW_ARG(why));
    log_warn("a batch job waits", LOG_VIEW("job", run->state.key.id), LOG_STR("reason", run->message));
    enum course course = run_course(run);
    if (course == COURSE_RETURN)
        return course;
    if (run->told && run_save(run) == COURSE_RETURN)
        return COURSE_RETURN;
    job_wait(run->job, TROUBLE_MS);
    return run_course(run);
}

enum course run_put_own(struct batch_run *run, const char *key, struct view bytes)
{
    const struct object_put put = { .bucket = VIEW(OBJECT_OWN_BUCKET), .key = view_from_cstr(key) };
    for (;;) {
        struct object_info info;
        arena_reset(run->scratch);
        enum object_status status = object_put_bytes(run->batch->options.objects, run->scratch, &put, bytes, &info);
        if (status == OBJECT_OK)
            return COURSE_ON;
        enum course course = run_object_trouble(run, status, "Results cannot be kept", put.bucket, put.key);
        if (course == COURSE_RETURN || course == COURSE_FAIL)
            return course;
    }
}

/* ---- slots: how many jobs are in progress at once ---- */

static void queue_up(struct batch_run *run)
{
    pthread_mutex_lock(&run->batch->lock);
    list_push_back(&run->batch->waiting, &run->link);
    pthread_mutex_unlock(&run->batch->lock);
}

static bool take_slot(struct batch_run *run)
{
    struct batch *batch = run->batch;
    pthread_mutex_lock(&batch->lock);
    run->has_slot = batch->running < batch->options.running_jobs && list_first(&batch->waiting) == &run->link;
    if (run->has_slot) {
        batch->running++;
        list_remove(&run->link);
    }
    pthread_mutex_unlock(&batch->lock);
    return run->has_slot;
}

/* Leaves the queue or gives the slot back; the first in the queue looks again. */
static void leave_slot(struct batch_run *run)
{
    struct batch *batch = run->batch;
    pthread_mutex_lock(&batch->lock);
    list_remove(&run->link);
    if (run->has_slot)
        batch->running--;
    run->has_slot = false;
    struct list_link *first = list_first(&batch->waiting);
    if (first != NULL)
        job_nudge(LIST_ITEM(first, struct batch_run, link)->job);
    pthread_mutex_unlock(&batch->lock);
}

static enum course wait_for_slot(struct batch_run *run)
{
    enum course course = run_course(run);
    if (run->has_slot || course != COURSE_ON)
        return course;
    queue_up(run);
    while (course == COURSE_ON && !take_slot(run)) {
        job_wait(run->job, SLOT_MS);
        course = run_course(run);
    }
    return course;
}

/* ---- the end ---- */

/* From now on no record is worked on, also after a crash. */
static enum course begin_end(struct batch_run *run, enum batch_status outcome, const char *message)
{
    run_tell(run, "%s", message);
    run->state.progress.ending = true;
    run->state.progress.outcome = outcome;
    return run_save(run);
}

/* From now on only tidying is left, also after a crash. */
static enum course decide(struct batch_run *run, enum batch_status outcome, const char *message)
{
    run->state.progress.decided = true;
    return begin_end(run, outcome, message);
}

static enum course tidy_up(struct batch_run *run)
{
    struct batch_progress *progress = &run->state.progress;
    enum object_status status = segments_remove(run->batch->options.objects, run->state.key.id);
    if (status != OBJECT_OK)
        log_warn("results of a batch job are left over", LOG_VIEW("job", run->state.key.id),
                 LOG_STR("reason", object_status_text(status)));
    progress->ended_ms = store_now_ms(run->batch->options.store);
    progress->rate = 0;
    enum batch_status before = run->state.status;
    run->state.status = before == BATCH_STOPPING ? BATCH_STOPPED : progress->outcome;
    enum course course = run_save(run);
    if (course == COURSE_ON && run->state.status == BATCH_STOPPING)
        return COURSE_ON;                                   /* stopped in the last instant: once more */
    log_info("a batch job has ended", LOG_VIEW("job", run->state.key.id), LOG_STR("status", batch_status_name(run->state.status)),
             LOG_INT("success", progress->counts.success), LOG_INT("error", progress->counts.error),
             LOG_VIEW("message", progress->message));
    return COURSE_RETURN;
}

/* What has been done so far goes to the output, then the job ends this way. A job that had not begun has no output. */
static enum course end_early(struct batch_run *run, enum batch_status outcome, const char *message)
{
    char words[BATCH_MESSAGE_MAX];
    snprintf(words, sizeof(words), "%s", message);
    enum course course = run->state.progress.ending ? COURSE_ON : begin_end(run, outcome, words);
    if (course == COURSE_ON && run->state.progress.segments > 0)
        course = run_close_window(run);
    if (course == COURSE_ON && run->state.progress.started_ms > 0)
        course = run_write_output(run);
    if (course == COURSE_RETURN)
        return course;
    if (course != COURSE_FAIL)
        return decide(run, outcome, words);
    return decide(run, outcome == BATCH_STOPPED ? outcome : BATCH_FAILED, run->failure);
}

/* ---- the steps ---- */

static enum course begin(struct batch_run *run)
{
    if (run->state.status == BATCH_SUBMITTED) {
        run->state.status = BATCH_VALIDATING;
        return run_save(run);
    }
    return COURSE_ON;
}

static enum course validate(struct batch_run *run)
{
    enum course course = run_validate(run);
    if (course != COURSE_ON)
        return course;
    run_tell(run, "%s", "");
    if (run->state.status == BATCH_VALIDATING)
        run->state.status = BATCH_SCHEDULED;
    return run_save(run);
}

static enum course start(struct batch_run *run)
{
    enum course course = wait_for_slot(run);
    if (course != COURSE_ON)
        return course;
    run->state.progress.started_ms = run->saved_ms = store_now_ms(run->batch->options.store);
    run->state.status = BATCH_IN_PROGRESS;
    return run_save(run);
}

static enum course work(struct batch_run *run)
{
    enum course course = wait_for_slot(run);
    while (course == COURSE_ON && run->state.progress.at.record < run->state.progress.counts.total) {
        course = run_window(run);
        if (course == COURSE_ON)
            course = run_close_window(run);
        if (course == COURSE_ON)
            course = run_course(run);
    }
    if (course == COURSE_ON)
        course = run_write_output(run);
    return course == COURSE_ON ? decide(run, BATCH_COMPLETED, "") : course;
}

static enum course step(struct batch_run *run)
{
    if (run->state.progress.decided)
        return tidy_up(run);
    if (run->state.progress.ending)
        return end_early(run, run->state.progress.outcome, run->message);
    switch (run->state.status) {
    case BATCH_SUBMITTED:
        return begin(run);
    case BATCH_VALIDATING:
        return validate(run);
    case BATCH_SCHEDULED:
        return start(run);
    case BATCH_IN_PROGRESS:
        return work(run);
    case BATCH_STOPPING:
        return end_early(run, BATCH_STOPPED, "");
    default:
        return COURSE_RETURN;                               /* it has ended */
    }
}

static enum course answer(struct batch_run *run, enum course course)
{
    switch (course) {
    case COURSE_LATE:
        return run->state.progress.started_ms > 0
                   ? end_early(run, BATCH_PARTIALLY_COMPLETED, "The job's time was over before all records were processed.")
                   : decide(run, BATCH_EXPIRED, "The job's time was over before it could start.");
    case COURSE_FAIL:
        return end_early(run, BATCH_FAILED, run->failure);
    case COURSE_STOP:
        return COURSE_ON;                                   /* the status says it now */
    default:
        return course;
    }
}

/* ---- one run ---- */

/* Where input and output are. The names of files in the output follow their folder in the input. */
static bool find_places(struct batch_run *run)
{
    const struct batch_request *request = &run->state.request;
    struct view key, folder;
    if (!object_uri_parse(request->input_uri, &run->input_bucket, &key))
        return false;
    size_t len = key.len;
    bool file = view_ends_with(key, VIEW(".jsonl")), slash = key.len == 0 || key.ptr[key.len - 1] == '/';
    while (file && len > 0 && key.ptr[len - 1] != '/')
        len--;
    run->input_prefix = file || slash ? view_first(key, len) : view_from_cstr(arena_printf(run->arena, VIEW_FMT "/", VIEW_ARG(key)));
    if (!object_uri_parse(request->output_uri, &run->output_bucket, &folder))
        return false;
    bool open = folder.len > 0 && folder.ptr[folder.len - 1] != '/';
    run->output_prefix = view_from_cstr(arena_printf(run->arena, VIEW_FMT "%s" VIEW_FMT "/", VIEW_ARG(folder), open ? "/" : "",
                                                     VIEW_ARG(run->state.key.id)));
    return run->input_prefix.ptr != NULL && run->output_prefix.ptr != NULL;
}

/* The record in the run's own memory: the job's changes with every refresh. */
static bool copy_record(struct batch_run *run)
{
    struct store_record record = *job_record(run->job);
    record.key = (struct store_key){ VIEW(BATCH_KIND), arena_copy(run->arena, record.key.account),
                                     arena_copy(run->arena, record.key.region), arena_copy(run->arena, record.key.id) };
    record.token = record.token.ptr != NULL ? arena_copy(run->arena, record.token) : record.token;
    if (!batch_job_read(run->arena, &record, &run->state))
        return false;
    snprintf(run->message, sizeof(run->message), VIEW_FMT, VIEW_ARG(run->state.progress.message));
    run->state.progress.message = view_from_cstr(run->message);
    run->saved_done = batch_counts_done(&run->state.progress.counts);
    run->saved_ms = store_now_ms(run->batch->options.store);
    return true;
}

static enum course prepare(struct batch_run *run)
{
    if (!copy_record(run) || !find_places(run)) {
        log_error("a batch job's record cannot be read", LOG_VIEW("job", job_record(run->job)->key.id));
        return COURSE_RETURN;
    }
    bool validated = run->state.progress.files > 0 && !run->state.progress.decided;
    return validated ? run_load_files(run) : COURSE_ON;
}

static void run_all(struct batch_run *run)
{
    enum course course = prepare(run);
    while (course != COURSE_RETURN) {
        run->failure[0] = course == COURSE_FAIL ? run->failure[0] : '\0';
        course = course == COURSE_ON ? step(run) : answer(run, course);
    }
    run_close_file(run);
    leave_slot(run);
}

static void count_run(struct batch *batch, bool begins)
{
    pthread_mutex_lock(&batch->lock);
    batch->active += begins ? 1u : -1u;
    pthread_mutex_unlock(&batch->lock);
}

void batch_run(struct job *job, void *ctx)
{
    struct batch *batch = ctx;
    struct batch_run *run = calloc(1, sizeof(*run));
    struct arena *scratch = arena_create(SCRATCH);
    count_run(batch, true);
    if (run != NULL && scratch != NULL) {
        *run = (struct batch_run){ .batch = batch, .job = job, .arena = job_arena(job), .scratch = scratch,
                                   .in_flight = batch->options.in_flight };
        run->link = (struct list_link){ &run->link, &run->link };
        run_all(run);
    }
    count_run(batch, false);
    arena_destroy(scratch);
    free(run);
}
