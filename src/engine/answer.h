/* engine/answer.h - a whole answer, gathered from deltas, for callers that do not stream.
 *
 * Blocks come in the order of the deltas: text that follows a tool call is a block of its own. The blocks' texts are owned by the
 * answer (answer_free), ids and names live in the arena. One thread at a time.
 */
#ifndef CRATON_ENGINE_ANSWER_H
#define CRATON_ENGINE_ANSWER_H

#include "engine/request.h"

enum answer_block_type { ANSWER_TEXT, ANSWER_REASONING, ANSWER_TOOL_CALL };

struct answer_block {
    enum answer_block_type type;
    struct buf text;                                        /* a tool call's arguments: JSON text */
    struct view id, name;                                   /* of a tool call */
};

#define ANSWER_MAX_BLOCKS 256
#define ANSWER_MAX_BYTES  (32u << 20)                       /* of one block */

struct answer {
    struct arena *arena;
    struct answer_block *blocks;
    size_t count, capacity;
    struct token_prob *probs;                               /* of the text, when the request asked for them */
    size_t prob_count, prob_capacity;
    bool failed;                                            /* a cap was passed or memory is out */
};

void answer_init(struct answer *answer, struct arena *arena);
void answer_free(struct answer *answer);
void answer_add(struct answer *answer, const struct gen_delta *deltas, size_t count);
bool answer_failed(const struct answer *answer);

/* All text blocks (or all reasoning blocks) as one; borrowed when there is only one, else in the arena. */
struct view answer_text(const struct answer *answer, enum answer_block_type type);

#endif
