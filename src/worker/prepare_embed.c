#include "worker/prepare_embed.h"

#include "worker/shim.h"

#include <stdlib.h>

#define MAX_TOKENS  (64u << 20)                             /* of one request */
#define MAX_WINDOWS (1u << 20)

/* A text's tokens: head (special tokens and the model's prefix), body, tail (special tokens). */
struct pieces {
    llama_token *tokens;
    size_t count;
    size_t head, tail;
};

/* Growing arrays of the job under construction. */
struct builder {
    const struct model *model;
    struct job *job;
    struct buf tokens;                                      /* of llama_token */
    struct buf windows;                                     /* of struct window */
};

static struct view prefix_of(const struct model *model, enum embed_purpose purpose)
{
    return purpose == EMBED_DOCUMENT ? model->options.document_prefix : model->options.query_prefix;
}

static bool tokenize(struct builder *builder, struct view text, bool special, llama_token **tokens, size_t *count)
{
    struct shim_error error;
    if (shim_tokenize(builder->model->vocab, text.ptr, text.len, special, false, tokens, count, &error))
        return true;
    job_fail(builder->job, ENGINE_MODEL_ERROR, "%s", error.message);
    return false;
}

static size_t agreement(const llama_token *a, size_t a_count, const llama_token *b, size_t b_count)
{
    size_t same = 0;
    while (same < a_count && same < b_count && a[same] == b[same])
        same++;
    return same;
}

/* How many tokens at both ends are the same for every text: found by tokenizing the prefix alone. */
static bool find_frame(struct builder *builder, struct view prefix, struct pieces *pieces)
{
    llama_token *alone;
    size_t count, same_end = 0;
    if (!tokenize(builder, prefix, true, &alone, &count))
        return false;
    pieces->head = agreement(alone, count, pieces->tokens, pieces->count);
    while (pieces->head + same_end < count && pieces->head + same_end < pieces->count &&
           alone[count - 1 - same_end] == pieces->tokens[pieces->count - 1 - same_end])
        same_end++;
    pieces->tail = same_end;
    free(alone);
    return true;
}

static bool add_window(struct builder *builder, size_t text, const struct pieces *pieces, size_t from, size_t count)
{
    struct window window = {
        .text = text,
        .first = builder->tokens.len / sizeof(llama_token),
        .count = pieces->head + count + pieces->tail,
    };
    buf_append(&builder->tokens, pieces->tokens, pieces->head * sizeof(llama_token));
    buf_append(&builder->tokens, pieces->tokens + pieces->head + from, count * sizeof(llama_token));
    buf_append(&builder->tokens, pieces->tokens + pieces->count - pieces->tail, pieces->tail * sizeof(llama_token));
    buf_append(&builder->windows, &window, sizeof(window));
    builder->job->text_tokens[text] += (int32_t)window.count;
    if (!buf_failed(&builder->tokens) && !buf_failed(&builder->windows))
        return true;
    job_fail(builder->job, ENGINE_INVALID, "The texts are too long in sum.");
    return false;
}

/* Cuts body into windows of at most `room` tokens, all of nearly the same length, so that none is a mere rest. */
static bool add_windows(struct builder *builder, size_t text, const struct pieces *pieces, size_t body, size_t room)
{
    size_t windows = (body + room - 1) / room;
    for (size_t i = 0; i < windows; i++) {
        size_t from = body * i / windows, to = body * (i + 1) / windows;
        if (!add_window(builder, text, pieces, from, to - from))
            return false;
    }
    return true;
}

static bool cut_text(struct builder *builder, size_t text, struct pieces *pieces, struct view prefix)
{
    struct job *job = builder->job;
    size_t positions = encoder_positions(builder->model->encoder);
    if (pieces->count <= positions)
        return add_window(builder, text, pieces, 0, pieces->count);
    if (job->request.embed.truncate == EMBED_TRUNCATE_REFUSE) {
        job_fail(job, ENGINE_TOO_LONG, "A text has %zu tokens, and the model takes %zu.", pieces->count, positions);
        return false;
    }
    if (!find_frame(builder, prefix, pieces))
        return false;
    size_t body = pieces->count - pieces->head - pieces->tail;
    if (pieces->head + pieces->tail >= positions) {
        job_fail(job, ENGINE_INVALID, "The model's prefix leaves no room for text.");
        return false;
    }
    size_t room = positions - pieces->head - pieces->tail;
    switch (job->request.embed.truncate) {
    case EMBED_TRUNCATE_END:
        return add_window(builder, text, pieces, 0, room);
    case EMBED_TRUNCATE_START:
        return add_window(builder, text, pieces, body - room, room);
    default:
        return add_windows(builder, text, pieces, body, room);
    }
}

static bool add_text(struct builder *builder, size_t text)
{
    const struct embed_request *request = &builder->job->request.embed;
    struct view prefix = prefix_of(builder->model, request->purpose);
    struct pieces pieces = { .count = 0 };
    struct buf whole = BUF_INIT(WIRE_MAX_PAYLOAD);
    buf_append_view(&whole, prefix);
    buf_append_view(&whole, request->texts[text]);
    bool done = false;
    if (buf_failed(&whole))
        job_fail(builder->job, ENGINE_MODEL_ERROR, "The worker is out of memory.");
    else if (tokenize(builder, buf_view(&whole), true, &pieces.tokens, &pieces.count)) {
        if (pieces.count == 0)
            job_fail(builder->job, ENGINE_INVALID, "A text is empty.");
        else
            done = cut_text(builder, text, &pieces, prefix);
        free(pieces.tokens);
    }
    buf_free(&whole);
    return done;
}

/* Hands what was built over to the job. */
static void take_built(struct builder *builder)
{
    struct job *job = builder->job;
    job->window_count = builder->windows.len / sizeof(struct window);
    job->windows = ARENA_ARRAY(job->arena, struct window, job->window_count);
    if (job->windows == NULL) {
        job_fail(job, ENGINE_MODEL_ERROR, "The worker is out of memory.");
        return;
    }
    memcpy(job->windows, builder->windows.ptr, builder->windows.len);
    job->tokens = (llama_token *)(void *)builder->tokens.ptr;   /* from malloc(): the job frees it */
    job->token_count = builder->tokens.len / sizeof(llama_token);
    builder->tokens = (struct buf){ .max = 0 };
}

void prepare_embed(const struct model *model, struct job *job)
{
    const struct embed_request *request = &job->request.embed;
    struct builder builder = {
        .model = model,
        .job = job,
        .tokens = BUF_INIT((size_t)MAX_TOKENS * sizeof(llama_token)),
        .windows = BUF_INIT((size_t)MAX_WINDOWS * sizeof(struct window)),
    };
    job->text_tokens = ARENA_ARRAY(job->arena, int32_t, request->text_count + 1);
    bool done = job->text_tokens != NULL;
    if (!done)
        job_fail(job, ENGINE_MODEL_ERROR, "The worker is out of memory.");
    for (size_t i = 0; done && i < request->text_count; i++)
        done = add_text(&builder, i);
    if (done && builder.windows.len > 0)
        take_built(&builder);
    buf_free(&builder.tokens);
    buf_free(&builder.windows);
}
