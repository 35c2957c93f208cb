/* runtime/converse_write.h - answers in the words of Converse and ConverseStream.
 *
 * Pure: deltas in, JSON out. The stream half turns deltas into events: blocks are opened and closed as the kind of delta changes,
 * and nothing is said before the first delta, so that a failure before it can still be an HTTP error.
 */
#ifndef CRATON_RUNTIME_CONVERSE_WRITE_H
#define CRATON_RUNTIME_CONVERSE_WRITE_H

#include "engine/answer.h"

/* Token counts as they are reported: with cache points, the cached part stands apart from the input. */
struct reported_usage {
    int64_t input, output, cache_read, cache_write;
};

struct reported_usage usage_report(const struct gen_usage *usage, bool cache_points);

const char *converse_stop_reason(enum gen_reason reason);

struct converse_finish {
    enum gen_reason reason;
    struct reported_usage usage;
    int64_t latency_ms;
    struct view additional_fields;                          /* JSON object, or empty */
};

void converse_write_reply(struct json_writer *out, const struct answer *answer, const struct converse_finish *finish);

struct event_sink {
    void *ctx;
    void (*event)(void *ctx, const char *type, struct view json);
};

enum open_block { OPEN_NONE, OPEN_TEXT, OPEN_REASONING, OPEN_TOOL };

struct converse_stream {
    struct event_sink sink;
    struct buf scratch;                                     /* one event's payload */
    bool started;
    enum open_block open;
    unsigned block;                                         /* index of the open block, or of the next one */
};

void converse_stream_init(struct converse_stream *stream, struct event_sink sink);
void converse_stream_free(struct converse_stream *stream);
void converse_stream_deltas(struct converse_stream *stream, const struct gen_delta *deltas, size_t count);
void converse_stream_finish(struct converse_stream *stream, const struct converse_finish *finish);

#endif
