#include "worker/llama_compute.h"

#include "base/log.h"
#include "worker/step_budget.h"

#include <stdlib.h>

#define MAX_ROWS      512
#define MIN_SLOTS     1
#define FIRST_CONTEXT 1024                                  /* tokens a slot, until a longer sequence comes */

struct llama_compute {
    struct compute base;
    struct llama_model *model;
    struct thread_pool *pool;
    struct llama_context *context;
    llama_memory_t memory;
    struct llama_batch batch;
    unsigned max_threads, threads;
};

static struct llama_compute *of(struct compute *compute)
{
    return (struct llama_compute *)compute;                 /* base is the first member */
}

static bool run(struct compute *compute, const struct compute_row *rows, size_t count)
{
    struct llama_compute *self = of(compute);
    struct llama_batch *batch = &self->batch;
    batch->n_tokens = (int32_t)count;
    for (size_t i = 0; i < count; i++) {
        batch->token[i] = rows[i].token;
        batch->pos[i] = rows[i].position;
        batch->n_seq_id[i] = 1;
        batch->seq_id[i][0] = (llama_seq_id)rows[i].slot;
        batch->logits[i] = rows[i].output;
    }
    int32_t status = llama_decode(self->context, *batch);
    if (status != 0)
        log_error("the engine refused a run", LOG_INT("status", status), LOG_INT("rows", count));
    return status == 0;
}

static const float *logits(struct compute *compute, size_t row)
{
    return llama_get_logits_ith(of(compute)->context, (int32_t)row);
}

static void clear(struct compute *compute, uint32_t slot)
{
    llama_memory_seq_rm(of(compute)->memory, (llama_seq_id)slot, -1, -1);
}

static bool cut(struct compute *compute, uint32_t slot, int32_t from)
{
    return llama_memory_seq_rm(of(compute)->memory, (llama_seq_id)slot, from, -1);
}

static void *save_from(struct llama_context *context, uint32_t slot, size_t *size)
{
    size_t needed = llama_state_seq_get_size(context, (llama_seq_id)slot);
    void *state = malloc(needed > 0 ? needed : 1);
    if (state == NULL)
        return NULL;
    *size = llama_state_seq_get_data(context, state, needed, (llama_seq_id)slot);
    if (*size == 0) {
        free(state);
        return NULL;
    }
    return state;
}

static void *save(struct compute *compute, uint32_t slot, size_t *size)
{
    return save_from(of(compute)->context, slot, size);
}

static bool load(struct compute *compute, uint32_t slot, const void *state, size_t size)
{
    if (llama_state_seq_set_data(of(compute)->context, state, size, (llama_seq_id)slot) > 0)
        return true;
    clear(compute, slot);
    return false;
}

static void set_threads(struct compute *compute, unsigned threads)
{
    struct llama_compute *self = of(compute);
    if (threads == 0 || threads > self->max_threads)
        threads = self->max_threads;
    if (threads == self->threads)
        return;
    self->threads = threads;
    llama_set_n_threads(self->context, (int32_t)threads, (int32_t)threads);
}

/* ---- the context ---- */

static struct llama_context *make_context(const struct llama_compute *self, uint32_t slots, uint32_t tokens)
{
    struct llama_context_params params = llama_context_default_params();
    params.n_seq_max = slots;
    params.n_ctx = tokens * slots;
    params.n_batch = MAX_ROWS;
    params.n_ubatch = MAX_ROWS;
    params.n_outputs_max = slots;                           /* else logits for every row of a prompt are reserved */
    params.n_threads = params.n_threads_batch = (int32_t)self->threads;
    params.kv_unified = false;
    params.swa_full = false;
    params.no_perf = true;
    struct llama_context *context = llama_init_from_model(self->model, params);
    if (context != NULL)
        thread_pool_attach(self->pool, context);
    return context;
}

static void use_context(struct llama_compute *self, struct llama_context *context)
{
    self->context = context;
    self->memory = llama_get_memory(context);
    self->base.slots = llama_n_seq_max(context);
    self->base.context = llama_n_ctx_seq(context);
}

static bool copy_slots(const struct llama_compute *self, struct llama_context *to)
{
    for (uint32_t slot = 0; slot < self->base.slots; slot++) {
        size_t size;
        if (llama_memory_seq_pos_max(self->memory, (llama_seq_id)slot) < 0)
            continue;
        void *state = save_from(self->context, slot, &size);
        bool copied = state != NULL && llama_state_seq_set_data(to, state, size, (llama_seq_id)slot) > 0;
        free(state);
        if (!copied)
            return false;
    }
    return true;
}

static bool grow(struct compute *compute, uint32_t context)
{
    struct llama_compute *self = of(compute);
    uint32_t tokens = compute->context;
    while (tokens < context)
        tokens = tokens > compute->max_context / 2 ? compute->max_context : 2 * tokens;
    struct llama_context *larger = make_context(self, compute->slots, tokens);
    if (larger == NULL)
        return false;
    if (!copy_slots(self, larger)) {
        llama_free(larger);
        return false;
    }
    llama_free(self->context);
    use_context(self, larger);
    return true;
}

static void destroy(struct compute *compute)
{
    struct llama_compute *self = of(compute);
    llama_batch_free(self->batch);
    llama_free(self->context);
    free(self);
}

static const struct compute_ops llama_compute_ops = { run, logits, clear, cut, save, grow, load, set_threads, destroy };

/* Keys and values of one token in all layers, in 16 bits. */
static uint64_t cell_bytes(const struct llama_model *model)
{
    int32_t heads = llama_model_n_head(model), kv_heads = llama_model_n_head_kv(model);
    uint64_t width = (uint64_t)llama_model_n_embd(model);
    if (heads > 0 && kv_heads > 0)
        width = width / (uint64_t)heads * (uint64_t)kv_heads;
    return 2 * 2 * width * (uint64_t)llama_model_n_layer(model);
}

static uint32_t slots_that_fit(const struct llama_model *model, const struct llama_compute_options *options, uint32_t context)
{
    uint64_t slots = options->kv_bytes / (cell_bytes(model) * context + 1);
    slots = slots > options->slots ? options->slots : slots;
    slots = slots < MIN_SLOTS ? MIN_SLOTS : slots;
    return (uint32_t)(slots > llama_max_parallel_sequences() ? llama_max_parallel_sequences() : slots);
}

/* The library reserves cells in steps, so that it may give more than was asked for. */
static uint32_t longest_context(const struct llama_model *model, const struct llama_compute_options *options)
{
    uint32_t trained = (uint32_t)llama_model_n_ctx_train(model);
    uint32_t context = options->context > 0 && options->context < trained ? options->context : trained;
    return context < STEP_QUANTUM ? STEP_QUANTUM : context;
}

struct compute *llama_compute_create(struct llama_model *model, struct thread_pool *pool,
                                     const struct llama_compute_options *options)
{
    struct llama_compute *self = calloc(1, sizeof(*self));
    if (self == NULL)
        return NULL;
    uint32_t longest = longest_context(model, options);
    self->model = model;
    self->pool = pool;
    self->max_threads = self->threads = options->threads;
    self->base = (struct compute){
        .ops = &llama_compute_ops,
        .vocabulary = llama_vocab_n_tokens(llama_model_get_vocab(model)),
        .max_context = longest,
        .max_rows = MAX_ROWS,
        .token_bytes = cell_bytes(model),
        .can_cut = !llama_model_is_recurrent(model) && !llama_model_is_hybrid(model) && llama_model_n_swa(model) == 0,
    };
    struct llama_context *context = make_context(self, slots_that_fit(model, options, longest),
                                                 longest < FIRST_CONTEXT ? longest : FIRST_CONTEXT);
    if (context == NULL) {
        free(self);
        return NULL;
    }
    use_context(self, context);
    self->batch = llama_batch_init(MAX_ROWS, 0, 1);
    return &self->base;
}
