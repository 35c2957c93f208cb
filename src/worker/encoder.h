/* worker/encoder.h - an embedding model's arithmetic: windows of tokens in, one vector each out. Compute thread only. */
#ifndef CRATON_WORKER_ENCODER_H
#define CRATON_WORKER_ENCODER_H

#include "worker/threads.h"

#include <llama.h>

#include <stddef.h>

struct encoder;

struct encoder_window {
    const llama_token *tokens;
    size_t count;                                           /* 1 to encoder_positions() */
};

/* The model and the pool must outlive it. NULL: the library refused, or the model gives no vectors. */
struct encoder *encoder_create(struct llama_model *model, struct thread_pool *pool, unsigned threads, int64_t context);
void encoder_destroy(struct encoder *encoder);              /* NULL is fine */

size_t encoder_positions(const struct encoder *encoder);    /* the longest window, special tokens included */
size_t encoder_batch_tokens(const struct encoder *encoder); /* of all windows of a run together */
size_t encoder_batch_windows(const struct encoder *encoder);
size_t encoder_dimensions(const struct encoder *encoder);
void encoder_set_threads(struct encoder *encoder, unsigned threads);

/* One run; count windows that fit together. Then encoder_vector() of each is valid until the next run. */
bool encoder_run(struct encoder *encoder, const struct encoder_window *windows, size_t count);
const float *encoder_vector(const struct encoder *encoder, size_t window);     /* as the model gave it, not normalised */

#endif
