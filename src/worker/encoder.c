#include "worker/encoder.h"

#include "base/log.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define MAX_WINDOWS   64
#define MAX_LANES     16
#define MAX_POSITIONS 2048                                  /* longer windows would need gigabytes for their attention */
#define MIN_BATCH     512
#define GROUP_TOKENS  128                                   /* of several windows that are computed together */

struct group {                                              /* windows computed together */
    size_t members[MAX_WINDOWS];
    size_t count, tokens;
};

struct lane {
    struct encoder *encoder;
    struct llama_context *context;                          /* NULL: not needed yet */
    struct llama_batch batch;
    pthread_t thread;                                       /* of all lanes but the first, which is the compute thread's */
    unsigned number;
};

struct encoder {
    struct llama_model *model;
    struct lane lanes[MAX_LANES];
    unsigned lane_count, max_threads, threads;
    unsigned first_threads;                                 /* that the first lane's context is set to */
    size_t positions, batch_tokens, dimensions;
    bool has_memory;                                        /* a decoder's: forgotten before each run */
    float *vectors;                                         /* of the last run */

    /* The run at hand: written before it begins. */
    const struct encoder_window *windows;
    struct group groups[MAX_WINDOWS];
    size_t group_count;

    pthread_mutex_t lock;                                   /* guards all below */
    pthread_cond_t begin, end;
    unsigned round;                                         /* of runs that several lanes share */
    unsigned invited, busy;                                 /* lanes of this round; those that are not done */
    size_t next_group;
    bool failed, stop;
};

/* ---- a group on a lane ---- */

static bool open_context(struct lane *lane, int32_t threads)
{
    struct encoder *encoder = lane->encoder;
    struct llama_context_params params = llama_context_default_params();
    params.embeddings = true;
    params.n_batch = params.n_ubatch = params.n_ctx = (uint32_t)encoder->batch_tokens;   /* a window may not be split over two passes */
    params.n_seq_max = MAX_WINDOWS;
    params.n_threads = params.n_threads_batch = threads;
    params.kv_unified = true;
    params.no_perf = true;
    lane->context = llama_init_from_model(encoder->model, params);
    if (lane->context != NULL)
        lane->batch = llama_batch_init((int32_t)encoder->batch_tokens, 0, 1);
    return lane->context != NULL;
}

static void add_row(struct llama_batch *batch, llama_token token, size_t position, size_t window)
{
    int32_t row = batch->n_tokens++;
    batch->token[row] = token;
    batch->pos[row] = (llama_pos)position;
    batch->n_seq_id[row] = 1;
    batch->seq_id[row][0] = (llama_seq_id)window;
    batch->logits[row] = true;                              /* pooling reads every row */
}

static bool compute(struct lane *lane)
{
    int32_t status;
    if (lane->encoder->has_memory) {
        llama_memory_clear(llama_get_memory(lane->context), false);
        status = llama_decode(lane->context, lane->batch);
    } else {
        status = llama_encode(lane->context, lane->batch);
    }
    if (status != 0)
        log_error("the engine refused a run", LOG_INT("status", status), LOG_INT("tokens", lane->batch.n_tokens));
    return status == 0;
}

static bool run_group(struct lane *lane, const struct group *group)
{
    const struct encoder *encoder = lane->encoder;
    lane->batch.n_tokens = 0;
    for (size_t i = 0; i < group->count; i++) {
        const struct encoder_window *window = &encoder->windows[group->members[i]];
        for (size_t at = 0; at < window->count; at++)
            add_row(&lane->batch, window->tokens[at], at, i);
    }
    bool computed = compute(lane);
    for (size_t i = 0; computed && i < group->count; i++) {
        const float *vector = llama_get_embeddings_seq(lane->context, (llama_seq_id)i);
        computed = vector != NULL;
        if (computed)
            memcpy(encoder->vectors + group->members[i] * encoder->dimensions, vector, encoder->dimensions * sizeof(float));
    }
    return computed;
}

/* ---- lanes ---- */

static const struct group *take_group(struct encoder *encoder)
{
    pthread_mutex_lock(&encoder->lock);
    const struct group *group = NULL;
    if (!encoder->failed && encoder->next_group < encoder->group_count)
        group = &encoder->groups[encoder->next_group++];
    pthread_mutex_unlock(&encoder->lock);
    return group;
}

/* A lane for which there is no memory leaves the work to the others; the first has a context always. */
static void work(struct lane *lane)
{
    struct encoder *encoder = lane->encoder;
    if (lane->context == NULL && !open_context(lane, 1))
        return;
    for (const struct group *group = take_group(encoder); group != NULL; group = take_group(encoder)) {
        if (run_group(lane, group))
            continue;
        pthread_mutex_lock(&encoder->lock);
        encoder->failed = true;
        pthread_mutex_unlock(&encoder->lock);
    }
}

static void *lane_main(void *arg)
{
    struct lane *lane = arg;
    struct encoder *encoder = lane->encoder;
    unsigned seen = 0;
    pthread_mutex_lock(&encoder->lock);
    for (;;) {
        while (!encoder->stop && (encoder->round == seen || lane->number >= encoder->invited))
            pthread_cond_wait(&encoder->begin, &encoder->lock);
        if (encoder->stop)
            break;
        seen = encoder->round;
        pthread_mutex_unlock(&encoder->lock);
        work(lane);
        pthread_mutex_lock(&encoder->lock);
        if (--encoder->busy == 0)
            pthread_cond_signal(&encoder->end);
    }
    pthread_mutex_unlock(&encoder->lock);
    return NULL;
}

/* As many as can be started; one is enough. */
static void start_lanes(struct encoder *encoder)
{
    unsigned most = encoder->max_threads < MAX_LANES ? encoder->max_threads : MAX_LANES;
    encoder->lane_count = 1;
    for (unsigned i = 1; i < most; i++) {
        encoder->lanes[i] = (struct lane){ .encoder = encoder, .number = i };
        if (pthread_create(&encoder->lanes[i].thread, NULL, lane_main, &encoder->lanes[i]) != 0)
            break;
        encoder->lane_count++;
    }
}

static void stop_lanes(struct encoder *encoder)
{
    pthread_mutex_lock(&encoder->lock);
    encoder->stop = true;
    pthread_cond_broadcast(&encoder->begin);
    pthread_mutex_unlock(&encoder->lock);
    for (unsigned i = 1; i < encoder->lane_count; i++)
        pthread_join(encoder->lanes[i].thread, NULL);
}

/* ---- creation ---- */

static bool give_vectors(const struct llama_context *context)
{
    enum llama_pooling_type pooling = llama_pooling_type(context);
    return pooling != LLAMA_POOLING_TYPE_NONE && pooling != LLAMA_POOLING_TYPE_RANK;
}

struct encoder *encoder_create(struct llama_model *model, struct thread_pool *pool, unsigned threads, int64_t context)
{
    struct encoder *encoder = calloc(1, sizeof(*encoder));
    if (encoder == NULL)
        return NULL;
    size_t trained = (size_t)llama_model_n_ctx_train(model);
    encoder->model = model;
    encoder->positions = context > 0 && (size_t)context < trained ? (size_t)context : trained;
    encoder->positions = encoder->positions < MAX_POSITIONS ? encoder->positions : MAX_POSITIONS;
    encoder->batch_tokens = encoder->positions > MIN_BATCH ? encoder->positions : MIN_BATCH;
    encoder->dimensions = (size_t)llama_model_n_embd_out(model);
    encoder->max_threads = encoder->threads = encoder->first_threads = threads;
    encoder->vectors = calloc(MAX_WINDOWS, encoder->dimensions * sizeof(float));
    struct lane *first = &encoder->lanes[0];
    first->encoder = encoder;
    if (encoder->vectors == NULL || !open_context(first, (int32_t)threads) || !give_vectors(first->context)) {
        encoder_destroy(encoder);
        return NULL;
    }
    thread_pool_attach(pool, first->context);
    encoder->has_memory = llama_get_memory(first->context) != NULL;
    pthread_mutex_init(&encoder->lock, NULL);
    pthread_cond_init(&encoder->begin, NULL);
    pthread_cond_init(&encoder->end, NULL);
    start_lanes(encoder);
    return encoder;
}

void encoder_destroy(struct encoder *encoder)
{
    if (encoder == NULL)
        return;
    if (encoder->lane_count > 0) {                          /* creation went that far */
        stop_lanes(encoder);
        pthread_cond_destroy(&encoder->end);
        pthread_cond_destroy(&encoder->begin);
        pthread_mutex_destroy(&encoder->lock);
    }
    for (unsigned i = 0; i < MAX_LANES; i++) {
        if (encoder->lanes[i].context == NULL)
            continue;
        llama_batch_free(encoder->lanes[i].batch);
        llama_free(encoder->lanes[i].context);
    }
    free(encoder->vectors);
    free(encoder);
}

size_t encoder_positions(const struct encoder *encoder)
{
    return encoder->positions;
}

size_t encoder_lanes(const struct encoder *encoder)
{
    return encoder->threads < encoder->lane_count ? encoder->threads : encoder->lane_count;
}

size_t encoder_lane_tokens(const struct encoder *encoder)
{
    return encoder->batch_tokens;
}

size_t encoder_batch_windows(const struct encoder *encoder)
{
    (void)encoder;
    return MAX_WINDOWS;
}

size_t encoder_dimensions(const struct encoder *encoder)
{
    return encoder->dimensions;
}

void encoder_set_threads(struct encoder *encoder, unsigned threads)
{
    encoder->threads = threads == 0 || threads > encoder->max_threads ? encoder->max_threads : threads;
}

/* ---- a run ---- */

static void add_to_group(struct group *group, size_t window, size_t tokens)
{
    group->members[group->count++] = window;
    group->tokens += tokens;
}

/* Windows that follow each other, as long as they are short. */
static void form_groups(struct encoder *encoder, size_t count)
{
    struct group *group = NULL;
    encoder->group_count = 0;
    for (size_t i = 0; i < count; i++) {
        size_t tokens = encoder->windows[i].count;
        if (group == NULL || group->tokens + tokens > GROUP_TOKENS) {
            group = &encoder->groups[encoder->group_count++];
            group->count = group->tokens = 0;
        }
        add_to_group(group, i, tokens);
    }
}

static int by_tokens(const void *a, const void *b)
{
    const struct group *left = a, *right = b;
    return (left->tokens < right->tokens) - (left->tokens > right->tokens);
}

static void set_first_threads(struct encoder *encoder, unsigned threads)
{
    if (encoder->first_threads != threads)
        llama_set_n_threads(encoder->lanes[0].context, (int32_t)threads, (int32_t)threads);
    encoder->first_threads = threads;
}

/* The compute thread is the first lane, and waits for the others. */
static void run_shared(struct encoder *encoder, unsigned lanes)
{
    qsort(encoder->groups, encoder->group_count, sizeof(encoder->groups[0]), by_tokens);    /* so that no lane ends with a long one */
    set_first_threads(encoder, 1);
    pthread_mutex_lock(&encoder->lock);
    encoder->invited = lanes;
    encoder->busy = lanes - 1;
    encoder->round++;
    pthread_cond_broadcast(&encoder->begin);
    pthread_mutex_unlock(&encoder->lock);
    work(&encoder->lanes[0]);
    pthread_mutex_lock(&encoder->lock);
    while (encoder->busy > 0)
        pthread_cond_wait(&encoder->end, &encoder->lock);
    pthread_mutex_unlock(&encoder->lock);
}

bool encoder_run(struct encoder *encoder, const struct encoder_window *windows, size_t count)
{
    unsigned lanes = (unsigned)encoder_lanes(encoder);
    encoder->windows = windows;
    form_groups(encoder, count);
    encoder->next_group = 0;
    encoder->failed = false;
    lanes = encoder->group_count < lanes ? (unsigned)encoder->group_count : lanes;
    if (lanes > 1 && 2 * lanes >= encoder->threads) {
        run_shared(encoder, lanes);
    } else {
        set_first_threads(encoder, encoder->threads);
        work(&encoder->lanes[0]);
    }
    return !encoder->failed;
}

const float *encoder_vector(const struct encoder *encoder, size_t window)
{
    return encoder->vectors + window * encoder->dimensions;
}
