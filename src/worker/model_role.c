#include "worker/model_role.h"

#include "base/log.h"
#include "worker/calls.h"
#include "worker/channel.h"
#include "worker/cores.h"
#include "worker/embedder.h"
#include "worker/grant.h"
#include "worker/preparer.h"
#include "worker/sandbox.h"
#include "worker/scheduler.h"

#include <stdlib.h>
#include <unistd.h>

#define LOAD_ARENA     (4u << 20)
#define LOAD_WAIT_MS   60000                                /* from HELLO to LOAD */
#define STATS_US       1000000
#define STATS_MS       1000
#define MAX_CREDIT     (INT64_C(1) << 31)
#define PROGRESS_STEPS 20

enum verdict { GO_ON, STOP, BROKEN };

struct role {
    const struct clock *clock;
    struct channel *channel;
    struct arena *arena;                                    /* of the LOAD message */
    struct model *model;
    struct preparer *preparer;
    struct scheduler *scheduler;                            /* of a text model */
    struct embedder *embedder;                              /* of an embedding model */
    struct grant grant;
    struct cores cores;
    struct calls calls;
    size_t max_calls;
    int loading_steps;                                      /* LOADING messages sent */
    int64_t stats_us;                                       /* when STATS was last sent */
    bool changed;                                           /* something has happened since */
};

static struct buf *out(const struct role *role)
{
    return channel_out(role->channel);
}

/* ---- loading ---- */

static void write_json(struct role *role, enum wire_type type, void (*write)(struct role *role, struct json_writer *w))
{
    struct json_writer writer;
    size_t begun = wire_begin(out(role), type, 0);
    json_writer_init(&writer, out(role));
    json_object(&writer);
    write(role, &writer);
    json_end(&writer);
    wire_end(out(role), begun);
}

static void write_progress(struct role *role, struct json_writer *w)
{
    json_put_double(w, "progress", (double)role->loading_steps / PROGRESS_STEPS);
}

static bool report_progress(float part, void *ctx)
{
    struct role *role = ctx;
    if ((int)(part * PROGRESS_STEPS) <= role->loading_steps)
        return true;
    role->loading_steps = (int)(part * PROGRESS_STEPS);
    write_json(role, WIRE_LOADING, write_progress);
    return channel_flush(role->channel);
}

static void write_loaded(struct role *role, struct json_writer *w)
{
    const struct model *model = role->model;
    bool text = model->compute != NULL;
    json_put_i64(w, "context", text ? model->compute->max_context : (int64_t)encoder_positions(model->encoder));
    json_put_i64(w, "dimensions", text ? 0 : (int64_t)encoder_dimensions(model->encoder));
    json_put_i64(w, "sequences", text ? model->compute->slots : (int64_t)encoder_batch_windows(model->encoder));
    json_put_cstr(w, "layout", model->layout);
    json_put_i64(w, "memory_bytes", (int64_t)model_memory_bytes(role->model));
}

static void report_error(struct role *role, const char *error)
{
    struct json_writer writer;
    size_t begun = wire_begin(out(role), WIRE_LOADED, 0);
    json_writer_init(&writer, out(role));
    json_object(&writer);
    json_put_cstr(&writer, "error", error);
    json_end(&writer);
    wire_end(out(role), begun);
    (void)channel_flush(role->channel);
}

static void job_ended(void *ctx, struct job *job)
{
    struct role *role = ctx;
    calls_remove(&role->calls, job);
    job_destroy(job);
}

static bool start_engine(struct role *role)
{
    role->preparer = preparer_create(role->model);
    if (role->model->compute != NULL) {
        struct scheduler_options options = { role->model, role->clock, out(role), job_ended, role };
        role->scheduler = scheduler_create(&options);
    } else {
        struct embedder_options options = { role->model, role->clock, out(role), job_ended, role };
        role->embedder = embedder_create(&options);
    }
    return role->preparer != NULL && (role->scheduler != NULL || role->embedder != NULL);
}

static bool seal(void)
{
    bool devices = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_GPU) != NULL;
    return sandbox_seal(devices ? SANDBOX_DEVICES : SANDBOX_COMPUTE);
}

static bool load(struct role *role, struct view payload)
{
    struct model_options options;
    char error[1024];
    if (!model_options_read(role->arena, payload, &options)) {
        report_error(role, "the LOAD message is malformed");
        return false;
    }
    struct model_load progress = { report_progress, role };
    role->model = model_load(&options, &progress, error, sizeof(error));
    if (role->model == NULL) {
        report_error(role, error);
        return false;
    }
    cores_open(&role->cores, options.threads, clock_mono_us(role->clock));
    role->max_calls = (size_t)options.max_queue + options.sequences;
    if (!start_engine(role) || (SANDBOX_FITS && !seal())) {
        report_error(role, "the worker could not be set up");
        return false;
    }
    write_json(role, WIRE_LOADED, write_loaded);
    return channel_flush(role->channel);
}

static bool greet_and_load(struct role *role)
{
    struct wire_frame frame;
    int64_t until = clock_mono_us(role->clock) + (int64_t)LOAD_WAIT_MS * 1000;
    if (!wire_append_hello(out(role)) || !channel_flush(role->channel))
        return false;
    while (clock_mono_us(role->clock) < until) {
        enum wire_result result = channel_next(role->channel, &frame);
        if (result == WIRE_FRAME)
            return frame.type == WIRE_LOAD && load(role, frame.payload);
        if (result == WIRE_BROKEN || !channel_wait(role->channel, -1, LOAD_WAIT_MS))
            return false;
    }
    return false;
}

/* ---- calls ---- */

/* Ends a call that has no job, or whose job is not the engine's. */
static void refuse(struct role *role, uint32_t stream, enum engine_status status, const char *message)
{
    struct job nobody = { .stream = stream, .arrived_us = clock_mono_us(role->clock) };
    job_write_end(out(role), &nobody, status, message, nobody.arrived_us);
}

static enum verdict take_call(struct role *role, const struct wire_frame *frame)
{
    if (frame->stream == 0 || calls_find(&role->calls, frame->stream) != NULL)
        return BROKEN;
    struct job *job = NULL;
    if (role->calls.count >= role->max_calls)
        refuse(role, frame->stream, ENGINE_OVERLOADED, "Too many calls are waiting for this model.");
    else if ((job = job_create(frame->stream, frame->payload, clock_mono_us(role->clock))) == NULL)
        refuse(role, frame->stream, ENGINE_OVERLOADED, "The worker is out of memory.");
    if (job != NULL) {
        calls_add(&role->calls, job);
        preparer_submit(role->preparer, job);
    }
    return GO_ON;
}

static void take_cancel(struct role *role, struct job *job)
{
    if (job->state == JOB_PREPARING)
        job->cancelled = true;
    else if (role->scheduler != NULL)
        scheduler_cancel(role->scheduler, job);
    else
        embedder_cancel(role->embedder, job);
}

static enum verdict take_credit(struct job *job, struct view payload)
{
    uint32_t deltas;
    if (!wire_read_u32(payload, &deltas))
        return BROKEN;
    if (job != NULL)
        job->credit = job->credit + deltas < MAX_CREDIT ? job->credit + deltas : MAX_CREDIT;
    return GO_ON;
}

static enum verdict take_frame(struct role *role, const struct wire_frame *frame)
{
    struct job *job = calls_find(&role->calls, frame->stream);     /* NULL: it has just ended; what crosses its END is dropped */
    switch (frame->type) {
    case WIRE_CALL:
        return take_call(role, frame);
    case WIRE_CANCEL:
        if (job != NULL)
            take_cancel(role, job);
        return GO_ON;
    case WIRE_CREDIT:
        return take_credit(job, frame->payload);
    case WIRE_GRANT:
    case WIRE_REVOKE:
        return grant_frame(&role->grant, frame, out(role)) ? GO_ON : BROKEN;
    case WIRE_SHUTDOWN:
        return STOP;
    default:
        return BROKEN;
    }
}

static enum verdict take_frames(struct role *role)
{
    struct wire_frame frame;
    for (;;) {
        enum wire_result result = channel_next(role->channel, &frame);
        if (result == WIRE_MORE)
            return GO_ON;
        enum verdict verdict = result == WIRE_FRAME ? take_frame(role, &frame) : STOP;
        if (verdict != GO_ON)
            return verdict;
        role->changed = true;
    }
}

/* A job that the preparer has finished goes where it belongs. */
static void dispatch(struct role *role, struct job *job)
{
    if (!job->cancelled && job->status == ENGINE_OK && job->request.kind != MODEL_COUNT) {
        if (role->scheduler != NULL)
            scheduler_add(role->scheduler, job);
        else
            embedder_add(role->embedder, job);
        return;
    }
    job_write_end(out(role), job, job->cancelled ? ENGINE_CANCELLED : job->status, job->message, clock_mono_us(role->clock));
    job_ended(role, job);
}

static void take_prepared(struct role *role)
{
    for (struct job *job = preparer_take(role->preparer); job != NULL; job = preparer_take(role->preparer)) {
        dispatch(role, job);
        role->changed = true;
    }
}

/* ---- steps ---- */

static bool has_work(const struct role *role)
{
    return role->scheduler != NULL ? scheduler_ready(role->scheduler) : embedder_ready(role->embedder);
}

static unsigned threads_now(struct role *role)
{
    return cores_threads(&role->cores, role->grant.threads, clock_mono_us(role->clock));
}

static enum priority priority_of_work(const struct role *role)
{
    return role->scheduler != NULL ? scheduler_priority(role->scheduler) : embedder_priority(role->embedder);
}

static bool may_compute(struct role *role)
{
    return grant_ready(&role->grant, priority_of_work(role), out(role));
}

/* One step. Who gives its grant back and has more to do says so at once: else somebody of less importance may be given it first. */
static void compute(struct role *role)
{
    if (role->scheduler != NULL) {
        role->model->compute->ops->set_threads(role->model->compute, threads_now(role));
        scheduler_step(role->scheduler);
    } else {
        encoder_set_threads(role->model->encoder, threads_now(role));
        embedder_step(role->embedder);
    }
    grant_step_done(&role->grant, out(role));
    if (has_work(role))
        (void)may_compute(role);
}

static void write_stats(struct role *role, struct json_writer *w)
{
    struct scheduler_stats stats = { .running = 0 };
    if (role->scheduler != NULL) {
        stats = scheduler_stats(role->scheduler);
    } else {
        stats.prompt_tokens = embedder_tokens(role->embedder);
        stats.queued = (uint32_t)embedder_queued(role->embedder);
    }
    json_put_i64(w, "running", stats.running);
    json_put_i64(w, "queued", stats.queued);
    json_put_i64(w, "prompt_tokens", (int64_t)stats.prompt_tokens);
    json_put_i64(w, "cached_tokens", (int64_t)stats.cached_tokens);
    json_put_i64(w, "output_tokens", (int64_t)stats.output_tokens);
    json_put_i64(w, "memory_bytes", (int64_t)model_memory_bytes(role->model));
}

static void send_stats(struct role *role)
{
    int64_t now = clock_mono_us(role->clock);
    if (!role->changed || now - role->stats_us < STATS_US)
        return;
    role->changed = false;
    role->stats_us = now;
    write_json(role, WIRE_STATS, write_stats);
}

static int serve(struct role *role)
{
    for (;;) {
        enum verdict verdict = take_frames(role);
        if (verdict != GO_ON)
            return verdict == STOP ? 0 : 1;
        take_prepared(role);
        bool computed = has_work(role) && may_compute(role);
        if (computed) {
            compute(role);
            role->changed = true;
        }
        send_stats(role);
        if (!channel_flush(role->channel))
            return 0;
        if (!computed && !channel_wait(role->channel, preparer_wake_fd(role->preparer), role->changed ? STATS_MS : -1))
            return 1;
    }
}

/* ---- the role ---- */

static void close_role(struct role *role)
{
    preparer_destroy(role->preparer);
    scheduler_destroy(role->scheduler);
    embedder_destroy(role->embedder);
    for (size_t bucket = 0; bucket < CALLS_BUCKETS; bucket++) {
        while (role->calls.buckets[bucket] != NULL)
            job_ended(role, role->calls.buckets[bucket]);
    }
    if (role->model != NULL)
        cores_close(&role->cores);
    model_destroy(role->model);
    channel_destroy(role->channel);
    arena_destroy(role->arena);
    free(role);
}

int model_role(int fd)
{
    struct role *role = calloc(1, sizeof(*role));
    if (role == NULL) {
        close(fd);
        return 1;
    }
    role->clock = clock_system();
    role->channel = channel_create(fd);
    role->arena = arena_create(LOAD_ARENA);
    int status = 1;
    if (role->channel == NULL || role->arena == NULL)
        log_error("the worker is out of memory");
    else if (!model_find_backends())
        log_error("no compute backend of the engine fits this machine");
    else if (greet_and_load(role))
        status = serve(role);
    close_role(role);
    return status;
}
