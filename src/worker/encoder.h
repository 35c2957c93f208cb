/* worker/encoder.h - an embedding model's arithmetic: windows of tokens in, one vector each out.
 *
 * A lone text is computed by all threads together. Many texts are shared out: each thread computes its own, in a context of its own
 * (a lane), and none waits for the others before the end of the run. That costs no more arithmetic and saves every barrier, which
 * is worth the more the more cores there are, or the more of them are busy with something else. Short texts go through the
 * weights together, a hundred tokens or so at a time; more would cost more attention than they save.
 *
 * All functions are the compute thread's; the other lanes' threads live inside.
 */
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
size_t encoder_lanes(const struct encoder *encoder);        /* with the threads set now */
size_t encoder_lane_tokens(const struct encoder *encoder);  /* worth giving to one lane in one run; at least encoder_positions() */
size_t encoder_batch_windows(const struct encoder *encoder); /* of a run */
size_t encoder_dimensions(const struct encoder *encoder);
void encoder_set_threads(struct encoder *encoder, unsigned threads);

/* One run over at most encoder_batch_windows() windows. Then encoder_vector() of each is valid until the next run. */
bool encoder_run(struct encoder *encoder, const struct encoder_window *windows, size_t count);
const float *encoder_vector(const struct encoder *encoder, size_t window);     /* not normalised */

#endif
