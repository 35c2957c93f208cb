/* engine/remote.h - models behind an OpenAI-compatible HTTP server (vLLM, SGLang, llama-server, …). Private to remote*.c and tests.
 *
 *    remote_request.c   a request as the server's JSON: pure
 *    remote_reply.c     the server's events and errors as deltas and an end: pure
 *    remote.c           the HTTP calls
 *
 * Nothing falls back to anything: a server that is down, answers with an error or tells no token usage makes the call fail. Tokens are
 * counted by the server: a MODEL_COUNT call asks for the answer with a limit of one token and takes the prompt's usage. What the
 * server tells only at the end is 0 at the beginning (GEN_BEGIN); for several texts in one embedding call it tells only the sum,
 * which is then the first text's count.
 */
#ifndef CRATON_ENGINE_REMOTE_H
#define CRATON_ENGINE_REMOTE_H

#include "engine/engine.h"

/* The path after the model's base URL: "/chat/completions", "/completions" (raw prompts) or "/embeddings". */
const char *remote_path(const struct model_request *request);
void remote_write_request(struct buf *out, const struct engine_model *model, const struct model_request *request);

/* What is known so far of one streamed answer. All zero at first. */
struct remote_reply {
    bool begun, finished, has_usage;
    unsigned tool_calls;
    enum gen_reason reason;
    struct gen_usage usage;
    char stop[256];
    size_t stop_len;
};

typedef void remote_emit(void *ctx, const struct gen_delta *delta);

/* One event's data, not "[DONE]". False: error says what the server reported, or what is wrong with the event. */
bool remote_reply_event(struct remote_reply *reply, struct arena *scratch, struct view data, remote_emit *emit, void *ctx,
                        struct engine_end *error, char message[256]);
/* After the last event. Views point into reply and message. */
void remote_reply_end(const struct remote_reply *reply, struct engine_end *end);

/* The answer of /embeddings. result lives in the arena. False: message says why. */
bool remote_read_embeddings(struct arena *arena, struct view body, size_t count, struct embed_result *result,
                            struct gen_usage *usage, char message[256]);

/* What an answer with this status, not 200, means. */
void remote_read_error(struct arena *arena, int status, struct view body, struct engine_end *end, char message[256]);

#endif
