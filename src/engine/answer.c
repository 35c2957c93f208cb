#include "engine/answer.h"

void answer_init(struct answer *answer, struct arena *arena)
{
    *answer = (struct answer){ .arena = arena };
}

void answer_free(struct answer *answer)
{
    for (size_t i = 0; i < answer->count; i++)
        buf_free(&answer->blocks[i].text);
    answer->count = 0;
}

/* Room for one more element in an array of the arena; the old array is left to it. */
static void *grow(struct arena *arena, void *array, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return array;
    size_t wanted = *capacity == 0 ? 8 : *capacity * 2;
    void *larger = arena_array(arena, wanted, size);
    if (larger == NULL)
        return NULL;
    if (count > 0)
        memcpy(larger, array, count * size);
    *capacity = wanted;
    return larger;
}

static struct answer_block *open_block(struct answer *answer, enum answer_block_type type)
{
    struct answer_block *blocks =
        answer->count < ANSWER_MAX_BLOCKS
            ? grow(answer->arena, answer->blocks, answer->count, &answer->capacity, sizeof(*blocks))
            : NULL;
    if (blocks == NULL) {
        answer->failed = true;
        return NULL;
    }
    answer->blocks = blocks;
    struct answer_block *block = &blocks[answer->count++];
    *block = (struct answer_block){ .type = type, .text = BUF_INIT(ANSWER_MAX_BYTES) };
    return block;
}

static struct answer_block *last_block(struct answer *answer, enum answer_block_type type)
{
    struct answer_block *last = answer->count > 0 ? &answer->blocks[answer->count - 1] : NULL;
    return last != NULL && last->type == type ? last : NULL;
}

static void add_text(struct answer *answer, enum answer_block_type type, struct view text)
{
    struct answer_block *block = last_block(answer, type);
    if (block == NULL && type != ANSWER_TOOL_CALL)
        block = open_block(answer, type);
    if (block != NULL)
        buf_append_view(&block->text, text);
}

static void add_probs(struct answer *answer, const struct gen_delta *delta)
{
    for (size_t i = 0; i < delta->prob_count; i++) {
        struct token_prob *probs =
            grow(answer->arena, answer->probs, answer->prob_count, &answer->prob_capacity, sizeof(*probs));
        if (probs == NULL) {
            answer->failed = true;
            return;
        }
        answer->probs = probs;
        probs[answer->prob_count] = delta->probs[i];
        probs[answer->prob_count++].token = arena_copy(answer->arena, delta->probs[i].token);
    }
}

static void start_tool(struct answer *answer, const struct gen_delta *delta)
{
    struct answer_block *block = open_block(answer, ANSWER_TOOL_CALL);
    if (block == NULL)
        return;
    block->id = arena_copy(answer->arena, delta->id);
    block->name = arena_copy(answer->arena, delta->name);
}

void answer_add(struct answer *answer, const struct gen_delta *deltas, size_t count)
{
    for (size_t i = 0; i < count && !answer->failed; i++) {
        const struct gen_delta *delta = &deltas[i];
        switch (delta->type) {
        case GEN_BEGIN:
            break;
        case GEN_TEXT:
            add_text(answer, ANSWER_TEXT, delta->text);
            add_probs(answer, delta);
            break;
        case GEN_REASONING:
            add_text(answer, ANSWER_REASONING, delta->text);
            break;
        case GEN_TOOL_START:
            start_tool(answer, delta);
            break;
        case GEN_TOOL_ARGUMENTS:
            add_text(answer, ANSWER_TOOL_CALL, delta->text);
            break;
        }
    }
}

bool answer_failed(const struct answer *answer)
{
    if (answer->failed || arena_exhausted(answer->arena))
        return true;
    for (size_t i = 0; i < answer->count; i++) {
        if (buf_failed(&answer->blocks[i].text))
            return true;
    }
    return false;
}

struct view answer_text(const struct answer *answer, enum answer_block_type type)
{
    size_t total = 0;
    const struct answer_block *only = NULL;
    size_t blocks = 0;
    for (size_t i = 0; i < answer->count; i++) {
        if (answer->blocks[i].type != type)
            continue;
        only = &answer->blocks[i];
        total += only->text.len;
        blocks++;
    }
    if (blocks <= 1)
        return only != NULL ? buf_view(&only->text) : VIEW("");

    char *joined = arena_alloc(answer->arena, total + 1);
    if (joined == NULL)
        return VIEW("");
    size_t at = 0;
    for (size_t i = 0; i < answer->count; i++) {
        const struct answer_block *block = &answer->blocks[i];
        if (block->type != type || block->text.len == 0)
            continue;
        memcpy(joined + at, block->text.ptr, block->text.len);
        at += block->text.len;
    }
    return view_of(joined, total);
}
