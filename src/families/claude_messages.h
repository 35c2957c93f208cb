/* families/claude_messages.h - the two halves of Anthropic's Messages dialect: what parse leaves for the writer. */
#ifndef CRATON_FAMILIES_CLAUDE_MESSAGES_H
#define CRATON_FAMILIES_CLAUDE_MESSAGES_H

#include "families/native.h"

struct claude_state {
    bool cache_points;                                      /* the request has some: usage tells the cached part apart */
    unsigned blocks;                                        /* of the stream: begun so far */
    enum { CLAUDE_NO_BLOCK, CLAUDE_TEXT_BLOCK, CLAUDE_TOOL_BLOCK } open;
};

void claude_messages_result(struct family_stream *stream, const struct gen_result *result, struct json_writer *reply);
void claude_messages_begin(struct family_stream *stream, const struct gen_begin *begin, struct chunk_sink *out);
void claude_messages_delta(struct family_stream *stream, const struct gen_delta *delta, struct chunk_sink *out);
void claude_messages_end(struct family_stream *stream, const struct engine_end *end, const struct invocation_metrics *metrics,
                         struct chunk_sink *out);

#endif
