#include "worker/embedder.h"

#include <math.h>
#include <stdlib.h>

struct placed {                                             /* a window of the run at hand */
    struct job *job;
    const struct window *window;
};

struct embedder {
    struct embedder_options options;
    struct encoder *encoder;
    struct fair_queue queue;
    struct placed *placed;
    struct encoder_window *windows;
    size_t count;                                           /* of both */
    size_t *loads;                                          /* tokens for each lane of the encoder, while a run is filled */
    uint64_t tokens;
};

struct embedder *embedder_create(const struct embedder_options *options)
{
    struct embedder *embedder = calloc(1, sizeof(*embedder));
    if (embedder == NULL)
        return NULL;
    embedder->options = *options;
    embedder->encoder = options->model->encoder;
    size_t most = encoder_batch_windows(embedder->encoder);
    embedder->placed = calloc(most, sizeof(*embedder->placed));
    embedder->windows = calloc(most, sizeof(*embedder->windows));
    embedder->loads = calloc(encoder_lanes(embedder->encoder), sizeof(*embedder->loads));
    fair_init(&embedder->queue);
    if (embedder->placed == NULL || embedder->windows == NULL || embedder->loads == NULL) {
        embedder_destroy(embedder);
        return NULL;
    }
    return embedder;
}

void embedder_destroy(struct embedder *embedder)
{
    if (embedder == NULL)
        return;
    free(embedder->placed);
    free(embedder->windows);
    free(embedder->loads);
    free(embedder);
}

/* ---- answers ---- */

static void end_with(struct embedder *embedder, struct job *job, enum engine_status status, const char *message)
{
    job_write_end(embedder->options.out, job, status, message, clock_mono_us(embedder->options.clock));
    embedder->options.ended(embedder->options.ctx, job);
}

static void normalise(float *vector, size_t dimensions)
{
    double square = 0;
    for (size_t i = 0; i < dimensions; i++)
        square += (double)vector[i] * (double)vector[i];
    float scale = square > 0 ? (float)(1 / sqrt(square)) : 0;
    for (size_t i = 0; i < dimensions; i++)
        vector[i] *= scale;
}

static void answer(struct embedder *embedder, struct job *job)
{
    size_t dimensions = encoder_dimensions(embedder->encoder);
    struct buf *out = embedder->options.out;
    struct embed_result result = {
        .vectors = job->vectors,
        .count = job->request.embed.text_count,
        .dimensions = dimensions,
        .token_counts = job->text_tokens,
    };
    for (size_t i = 0; i < result.count; i++)
        normalise(job->vectors + i * dimensions, dimensions);
    size_t begun = wire_begin(out, WIRE_VECTORS, job->stream);
    wire_write_vectors(out, &result);
    if (wire_end(out, begun))
        end_with(embedder, job, ENGINE_OK, NULL);
    else
        end_with(embedder, job, ENGINE_INVALID, "The vectors of so many texts do not fit one answer.");
}

/* ---- the queue ---- */

void embedder_add(struct embedder *embedder, struct job *job)
{
    size_t dimensions = encoder_dimensions(embedder->encoder), count = job->request.embed.text_count;
    job->state = JOB_QUEUED;
    job->vectors = (float *)arena_array(job->arena, count + 1, dimensions * sizeof(float));
    if (job->vectors == NULL) {
        end_with(embedder, job, ENGINE_MODEL_ERROR, "The worker is out of memory.");
    } else if (job->window_count == 0) {
        answer(embedder, job);
    } else {
        job->turn.caller = job->request.caller;
        job->turn.priority = job->request.priority;
        fair_push(&embedder->queue, &job->turn);
    }
}

void embedder_cancel(struct embedder *embedder, struct job *job)
{
    fair_remove(&embedder->queue, &job->turn);
    end_with(embedder, job, ENGINE_CANCELLED, NULL);
}

bool embedder_ready(const struct embedder *embedder)
{
    return embedder->queue.count > 0;
}

enum priority embedder_priority(const struct embedder *embedder)
{
    for (unsigned priority = 0; priority < FAIR_PRIORITIES; priority++) {
        if (fair_waiting(&embedder->queue, (enum priority)priority))
            return (enum priority)priority;
    }
    return PRIORITY_BATCH;
}

/* ---- the step ---- */

/* Room for so many tokens on the lane that has least to do. False: the run is full. */
static bool load_lane(struct embedder *embedder, size_t tokens)
{
    size_t lanes = encoder_lanes(embedder->encoder), least = 0;
    for (size_t lane = 1; lane < lanes; lane++)
        least = embedder->loads[lane] < embedder->loads[least] ? lane : least;
    if (embedder->loads[least] + tokens > encoder_lane_tokens(embedder->encoder))
        return false;
    embedder->loads[least] += tokens;
    return true;
}

/* Places as many of the job's next windows as fit. False: the run is full. */
static bool place(struct embedder *embedder, struct job *job)
{
    for (size_t taken = job->windows_done; taken < job->window_count; taken++) {
        const struct window *window = &job->windows[taken];
        if (embedder->count == encoder_batch_windows(embedder->encoder) || !load_lane(embedder, window->count))
            return false;
        embedder->placed[embedder->count] = (struct placed){ job, window };
        embedder->windows[embedder->count++] = (struct encoder_window){ job->tokens + window->first, window->count };
    }
    return true;
}

/* Fills a run. The jobs in it are taken out of the queue. Batch joins no run of live calls, which would wait for it, but has runs of
 * its own in its turn. */
static void fill(struct embedder *embedder)
{
    bool fits = true, batch_allowed = true;
    embedder->count = 0;
    memset(embedder->loads, 0, encoder_lanes(embedder->encoder) * sizeof(*embedder->loads));
    while (fits) {
        struct fair_item *item = fair_take(&embedder->queue, batch_allowed);
        if (item == NULL)
            return;
        size_t before = embedder->count;
        fits = place(embedder, job_of_turn(item));
        if (embedder->count == before)
            fair_push(&embedder->queue, item);
        batch_allowed = batch_allowed && item->priority == PRIORITY_BATCH;
    }
}

static void add_up(struct embedder *embedder, const struct placed *placed, const float *vector)
{
    size_t dimensions = encoder_dimensions(embedder->encoder);
    float *sum = placed->job->vectors + placed->window->text * dimensions;
    double square = 0;
    for (size_t i = 0; i < dimensions; i++)
        square += (double)vector[i] * (double)vector[i];
    float weight = square > 0 ? (float)((double)placed->window->count / sqrt(square)) : 0;
    for (size_t i = 0; i < dimensions; i++)
        sum[i] += vector[i] * weight;
}

/* The job's last window of this run is done: it is complete, or goes back for its next turn. */
static void settle(struct embedder *embedder, struct job *job, bool computed)
{
    if (!computed)
        end_with(embedder, job, ENGINE_MODEL_ERROR, "The engine could not compute this text.");
    else if (job->windows_done == job->window_count)
        answer(embedder, job);
    else
        fair_push(&embedder->queue, &job->turn);
}

void embedder_step(struct embedder *embedder)
{
    fill(embedder);
    bool computed = encoder_run(embedder->encoder, embedder->windows, embedder->count);
    for (size_t i = 0; i < embedder->count; i++) {
        const struct placed *placed = &embedder->placed[i];
        const float *vector = computed ? encoder_vector(embedder->encoder, i) : NULL;
        if (vector != NULL)
            add_up(embedder, placed, vector);
        computed = computed && vector != NULL;
        embedder->tokens += placed->window->count;
        placed->job->windows_done++;
        if (i + 1 == embedder->count || embedder->placed[i + 1].job != placed->job)
            settle(embedder, placed->job, computed);
    }
}

uint64_t embedder_tokens(const struct embedder *embedder)
{
    return embedder->tokens;
}

size_t embedder_queued(const struct embedder *embedder)
{
    return embedder->queue.count;
}
