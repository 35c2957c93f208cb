#include "worker/encoder.h"

#include "base/log.h"

#include <stdlib.h>

#define MAX_WINDOWS   64
#define MAX_POSITIONS 2048                                  /* longer windows would need gigabytes for their attention */
#define MIN_BATCH     512

struct encoder {
    struct llama_context *context;
    struct llama_batch batch;
    size_t positions, batch_tokens, dimensions;
    unsigned max_threads, threads;
    bool has_memory;                                        /* a decoder's: forgotten after each run */
};

static struct llama_context_params parameters(size_t batch_tokens, unsigned threads)
{
    struct llama_context_params params = llama_context_default_params();
    params.embeddings = true;
    params.n_batch = params.n_ubatch = params.n_ctx = (uint32_t)batch_tokens;   /* a window may not be split over two passes */
    params.n_seq_max = MAX_WINDOWS;
    params.n_threads = params.n_threads_batch = (int32_t)threads;
    params.kv_unified = true;
    params.no_perf = true;
    return params;
}

struct encoder *encoder_create(struct llama_model *model, struct thread_pool *pool, unsigned threads, int64_t context)
{
    struct encoder *encoder = calloc(1, sizeof(*encoder));
    if (encoder == NULL)
        return NULL;
    size_t trained = (size_t)llama_model_n_ctx_train(model);
    encoder->positions = context > 0 && (size_t)context < trained ? (size_t)context : trained;
    encoder->positions = encoder->positions < MAX_POSITIONS ? encoder->positions : MAX_POSITIONS;
    encoder->batch_tokens = encoder->positions > MIN_BATCH ? encoder->positions : MIN_BATCH;
    encoder->dimensions = (size_t)llama_model_n_embd_out(model);
    encoder->max_threads = encoder->threads = threads;
    encoder->context = llama_init_from_model(model, parameters(encoder->batch_tokens, threads));
    if (encoder->context == NULL || llama_pooling_type(encoder->context) == LLAMA_POOLING_TYPE_NONE ||
        llama_pooling_type(encoder->context) == LLAMA_POOLING_TYPE_RANK) {
        if (encoder->context != NULL)
            llama_free(encoder->context);
        free(encoder);
        return NULL;
    }
    thread_pool_attach(pool, encoder->context);
    encoder->has_memory = llama_get_memory(encoder->context) != NULL;
    encoder->batch = llama_batch_init((int32_t)encoder->batch_tokens, 0, 1);
    return encoder;
}

void encoder_destroy(struct encoder *encoder)
{
    if (encoder == NULL)
        return;
    llama_batch_free(encoder->batch);
    llama_free(encoder->context);
    free(encoder);
}

size_t encoder_positions(const struct encoder *encoder)
{
    return encoder->positions;
}

size_t encoder_batch_tokens(const struct encoder *encoder)
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
    if (threads == 0 || threads > encoder->max_threads)
        threads = encoder->max_threads;
    if (threads == encoder->threads)
        return;
    encoder->threads = threads;
    llama_set_n_threads(encoder->context, (int32_t)threads, (int32_t)threads);
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

bool encoder_run(struct encoder *encoder, const struct encoder_window *windows, size_t count)
{
    encoder->batch.n_tokens = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t at = 0; at < windows[i].count; at++)
            add_row(&encoder->batch, windows[i].tokens[at], at, i);
    }
    int32_t status;
    if (encoder->has_memory) {
        llama_memory_clear(llama_get_memory(encoder->context), false);
        status = llama_decode(encoder->context, encoder->batch);
    } else {
        status = llama_encode(encoder->context, encoder->batch);
    }
    if (status != 0)
        log_error("the engine refused a run", LOG_INT("status", status), LOG_INT("windows", count));
    return status == 0;
}

const float *encoder_vector(const struct encoder *encoder, size_t window)
{
    return llama_get_embeddings_seq(encoder->context, (llama_seq_id)window);
}
