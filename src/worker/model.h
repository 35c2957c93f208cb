/* worker/model.h - the model that this worker holds: what LOAD asked for, and what came of it.
 *
 * Made once, on the compute thread; afterwards the tokenizer, the template and the options are read by the preparer too, the rest is
 * the compute thread's.
 */
#ifndef CRATON_WORKER_MODEL_H
#define CRATON_WORKER_MODEL_H

#include "engine/request.h"
#include "worker/chat.h"
#include "worker/compute.h"
#include "worker/encoder.h"

struct model_options {                                      /* the members of LOAD, see engine/wire.h */
    struct view path;
    bool embedding;
    int64_t context;
    unsigned threads, sequences, max_queue;
    uint64_t kv_bytes, cache_bytes;
    struct view query_prefix, document_prefix;
};

/* Views into the arena. False: malformed, or a member is out of range. */
bool model_options_read(struct arena *arena, struct view payload, struct model_options *options);

struct model {
    struct model_options options;                           /* borrowed views */
    struct llama_model *llama;
    const struct llama_vocab *vocab;
    struct thread_pool *pool;
    struct chat *chat;                                      /* of a text model; NULL: it has no template, only raw prompts work */
    struct chat_error chat_error;                           /* why */
    struct compute *compute;                                /* of a text model */
    struct encoder *encoder;                                /* of an embedding model */
    struct sampling defaults;
    char layout[64];                                        /* "Q8_0" */
    int statm;                                              /* open for model_memory_bytes(): the sandbox opens nothing later */
};

struct model_load {
    bool (*progress)(float part, void *ctx);                /* part of the file, 0 to 1; false: give up. NULL: not wanted */
    void *ctx;
};

/* Finds the engine's libraries and loads the CPU variant that fits this machine. Once a process, before model_load(). */
bool model_find_backends(void);

/* NULL: error says why. */
struct model *model_load(const struct model_options *options, const struct model_load *load, char *error, size_t error_size);
void model_destroy(struct model *model);                    /* NULL is fine */

uint64_t model_memory_bytes(const struct model *model);     /* what this process holds in memory now; 0: not known */

#endif
