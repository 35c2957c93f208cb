/* elastic/infer.h - the bodies of inference requests, read into the engine's neutral request, and the answers written. Pure functions.
 *
 * Strings are borrowed from the body or live in the error's arena. The model, the account and the caller are filled in by the door.
 */
#ifndef CRATON_ELASTIC_INFER_H
#define CRATON_ELASTIC_INFER_H

#include "elastic/config.h"
#include "engine/answer.h"
#include "net/sse.h"

#define INFER_INPUTS_MAX 20000 /* of one request: their vectors must fit the engine's answer */

/* POST /_inference/completion/{id} and text_embedding: {"input", "input_type", "task_settings"}. False: it is in the error. */
bool infer_read(const struct json *body, const struct endpoint *endpoint, struct elastic_error *error, struct model_request *out);

/* POST /_inference/chat_completion/{id}/_stream. *model: the body's, or the endpoint's. */
bool chat_read(const struct json *body, const struct endpoint *endpoint, struct elastic_error *error, struct model_request *out,
               struct view *model);

/* What proves that the endpoint's model answers: a short question, or a text to embed. */
void infer_probe(const struct endpoint *endpoint, struct arena *arena, struct model_request *out);

/* Documents to be embedded with the endpoint's own settings. */
void infer_documents(const struct endpoint *endpoint, const struct view *texts, size_t count, struct model_request *out);

/* {"completion": [{"result": …}]} */
void completion_write(const struct answer *answer, struct json_writer *out);

/* ---- streams: server-sent events, appended to out ---- */

struct infer_stream {
    struct buf *out;
    struct view id, model; /* of chat chunks */
    bool chat;
    bool begun;  /* a chunk with the role has gone out */
    bool failed; /* out of memory: an event is missing */
};

void stream_delta(struct infer_stream *stream, const struct gen_delta *delta);     /* appends nothing for deltas without a form */
void stream_end(struct infer_stream *stream, const struct engine_end *end);        /* usage and [DONE] */
void stream_error(struct infer_stream *stream, const struct elastic_error *error); /* the last event of a broken stream */

#endif
