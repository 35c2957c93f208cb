/* families/family.h - the native dialects of InvokeModel, one file each: pure functions.
 *
 * A family knows bytes and a neutral request (engine/request.h), nothing of sockets, threads or models. It has two halves: parse
 * turns a native body into a model_request; a writer turns the deltas and the finish back into native chunks or one native body.
 * Which model ids it serves is catalogue data (src/models).
 *
 * The writer keeps its state in a struct family_stream that the caller makes; state and everything parsed live in the arena of
 * the call. One delta may become no chunk or three.
 */
#ifndef CRATON_FAMILIES_FAMILY_H
#define CRATON_FAMILIES_FAMILY_H

#include "aws/error.h"
#include "base/clock.h"
#include "engine/request.h"

/* What the catalogue says of the id that was called; the family's limits and defaults depend on it. */
struct family_model {
    struct view id;                                         /* "anthropic.claude-v2", without region prefix */
    int64_t max_output_tokens;                              /* 0: the family's own limit */
    int64_t dimensions;                                     /* of embeddings the id promises; 0: what the model has */
    bool raw_prompt;                                        /* keep prompts as they are instead of taking dialects apart */
    bool vision;
};

struct family_input {
    struct arena *arena;
    struct view body;                                       /* as sent; parse does the JSON parsing too */
    bool streaming;                                         /* InvokeModelWithResponseStream */
    const struct family_model *model;
    struct buf *error;                                      /* the message when parse fails: "Malformed input request: …" */
    void *state;                                            /* parse leaves here what the writer needs (echoed texts …) */
};

/* One chunk of a native stream: complete JSON. The sink frames and sends it. */
struct chunk_sink {
    void *ctx;
    void (*chunk)(void *ctx, struct view json);
};

struct gen_tool_call {
    struct view id, name;
    struct view arguments;                                  /* JSON text */
};

struct gen_result {                                         /* the whole answer, for one native body */
    struct view text, reasoning;
    const struct gen_tool_call *tool_calls;
    size_t tool_call_count;
    const struct engine_end *end;
    const struct token_prob *probs;                         /* when the request asked for them */
    size_t prob_count;
};

struct family_stream {
    const struct family_model *model;
    struct arena *arena;
    void *parse_state;                                      /* family_input.state; NULL when no native body was parsed (Converse) */
    void *state;                                            /* the writer's own */
    struct buf scratch;                                     /* for building a chunk; reused; the caller frees it */
    const struct clock *clock;
    bool failed;                                            /* out of memory: a chunk is missing; end the call with an error */
};

struct gen_begin {
    int64_t input_tokens;                                   /* -1 when not known yet; the cached part included */
    int64_t cached_tokens;
};

/* "amazon-bedrock-invocationMetrics" of the last chunk. */
struct invocation_metrics {
    int64_t input_tokens, output_tokens, latency_ms, first_byte_ms, cache_read, cache_write;
};

struct family {
    const char *name;                                       /* "titan-text", as the catalogue names it */
    /* AWS_OK, or AWS_VALIDATION with the message in in->error. out has been through model_request_init(); parse fills out->kind
     * and out->generate or out->embed. */
    enum aws_status (*parse)(struct family_input *in, struct model_request *out);
    /* A family writes either generated text (result) or vectors (embedding); the other is NULL. */
    void (*result)(struct family_stream *stream, const struct gen_result *result, struct json_writer *reply);
    void (*embedding)(struct family_stream *stream, const struct embed_result *result, struct json_writer *reply);
    struct {                                                /* all NULL: the family does not stream */
        void (*begin)(struct family_stream *stream, const struct gen_begin *begin, struct chunk_sink *out);
        void (*delta)(struct family_stream *stream, const struct gen_delta *delta, struct chunk_sink *out);
        void (*end)(struct family_stream *stream, const struct engine_end *end, const struct invocation_metrics *metrics,
                    struct chunk_sink *out);
    } stream;
};

const struct family *family_find(struct view name);         /* NULL when unknown */
const struct family *family_at(size_t index);               /* NULL past the last */

#endif
