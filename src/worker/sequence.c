#include "worker/sequence.h"

#include <stdlib.h>

#define PIECE_MAX 1024

/* ---- creation ---- */

/* A forced tool call is a promise that a stop sequence inside its JSON must not break. */
static bool caller_stops_apply(const struct generate_request *request)
{
    return request->tool_choice != TOOL_CHOICE_ANY && request->tool_choice != TOOL_CHOICE_NAMED;
}

static bool collect_stops(struct sequence *sequence)
{
    const struct generate_request *request = &sequence->job->request.generate;
    size_t template_stops = chat_prompt_stop_count(sequence->job->prompt);
    sequence->caller_stops = caller_stops_apply(request) ? request->stop_count : 0;
    sequence->stop_list = ARENA_ARRAY(sequence->job->arena, struct view, sequence->caller_stops + template_stops + 1);
    if (sequence->stop_list == NULL)
        return false;
    for (size_t i = 0; i < sequence->caller_stops; i++)
        sequence->stop_list[i] = request->stops[i];
    for (size_t i = 0; i < template_stops; i++)
        sequence->stop_list[sequence->caller_stops + i] = chat_prompt_stop(sequence->job->prompt, i);
    stop_init(&sequence->stops, sequence->stop_list, sequence->caller_stops + template_stops);
    return true;
}

static void emit(void *ctx, const struct gen_delta *delta);

struct sequence *sequence_create(struct job *job, const struct model *model, uint32_t context, struct buf *out)
{
    struct sequence *sequence = calloc(1, sizeof(*sequence));
    if (sequence == NULL)
        return NULL;
    sequence->job = job;
    sequence->vocab = model->vocab;
    sequence->out = out;
    sequence->limit = (int64_t)context - (int64_t)job->token_count;
    if (job->request.generate.max_tokens >= 0 && job->request.generate.max_tokens < sequence->limit)
        sequence->limit = job->request.generate.max_tokens;
    sequence->sampler = sampler_create(&job->request.generate.sampling, llama_vocab_n_tokens(model->vocab));
    sequence->parser = chat_parser_create(job->prompt, emit, sequence);
    if (sequence->sampler == NULL || sequence->parser == NULL || !collect_stops(sequence)) {
        sequence_destroy(sequence);
        return NULL;
    }
    return sequence;
}

void sequence_destroy(struct sequence *sequence)
{
    if (sequence == NULL)
        return;
    sampler_destroy(sequence->sampler);
    chat_parser_destroy(sequence->parser);
    stop_clear(&sequence->stops);
    free(sequence->parked);
    free(sequence);
}

/* ---- deltas ---- */

static void write_delta(struct sequence *sequence, const struct gen_delta *delta)
{
    if (!sequence->frame_open) {
        sequence->frame = wire_begin(sequence->out, WIRE_DELTAS, sequence->job->stream);
        sequence->frame_open = true;
    }
    wire_write_delta(sequence->out, delta);
    sequence->job->credit--;
}

static void close_frame(struct sequence *sequence)
{
    if (sequence->frame_open)
        wire_end(sequence->out, sequence->frame);
    sequence->frame_open = false;
}

static void write_begin(struct sequence *sequence, int64_t now_us)
{
    sequence->begun = true;
    sequence->end.first_token_us = now_us - sequence->job->arrived_us;
    write_delta(sequence, &(struct gen_delta){
        .type = GEN_BEGIN,
        .input_tokens = (int64_t)sequence->job->token_count,
        .cached_tokens = (int64_t)sequence->reused,
    });
}

static size_t piece_of(const struct sequence *sequence, llama_token token, char piece[PIECE_MAX])
{
    bool special = chat_prompt_keeps(sequence->job->prompt, token);
    int32_t len = llama_token_to_piece(sequence->vocab, token, piece, PIECE_MAX, 0, special);
    return len > 0 ? (size_t)len : 0;
}

/* Sends a text delta together with the probabilities of the tokens since the last one. */
static void write_with_probs(struct sequence *sequence, const struct gen_delta *delta)
{
    static _Thread_local char pieces[SEQ_MAX_PENDING][PIECE_MAX];
    struct token_prob probs[SEQ_MAX_PENDING];
    for (size_t i = 0; i < sequence->pending_count; i++) {
        const struct pending_prob *pending = &sequence->pending[i];
        probs[i] = (struct token_prob){
            .token = view_of(pieces[i], piece_of(sequence, pending->token, pieces[i])),
            .logprob = pending->logprob,
            .runner_up = pending->runner_up,
        };
    }
    struct gen_delta full = *delta;
    full.probs = probs;
    full.prob_count = sequence->pending_count;
    sequence->pending_count = 0;
    write_delta(sequence, &full);
}

static void emit(void *ctx, const struct gen_delta *delta)
{
    struct sequence *sequence = ctx;
    if (delta->type == GEN_TEXT && sequence->pending_count > 0)
        write_with_probs(sequence, delta);
    else
        write_delta(sequence, delta);
}

static void note_probability(struct sequence *sequence, const float *logits, llama_token token)
{
    if (!sequence->job->request.generate.want_logprobs)
        return;
    if (sequence->pending_count == SEQ_MAX_PENDING)         /* much text is held back: they go ahead of it */
        write_with_probs(sequence, &(struct gen_delta){ .type = GEN_TEXT });
    struct pending_prob *pending = &sequence->pending[sequence->pending_count++];
    pending->token = token;
    sampler_probabilities(logits, llama_vocab_n_tokens(sequence->vocab), token, &pending->logprob, &pending->runner_up);
}

/* ---- endings ---- */

static bool end_with(struct sequence *sequence, enum gen_reason reason)
{
    sequence->end.status = ENGINE_OK;
    sequence->end.reason = reason;
    return false;
}

/* The model ended its turn, or something ended it from outside (cut). */
static bool finish(struct sequence *sequence, enum gen_reason reason, bool cut)
{
    enum chat_status status = chat_parser_feed(sequence->parser, stop_flush(&sequence->stops));
    if (status == CHAT_OK)
        status = chat_parser_finish(sequence->parser, cut);
    if (sequence->pending_count > 0 && reason != GEN_STOP_SEQUENCE)
        write_with_probs(sequence, &(struct gen_delta){ .type = GEN_TEXT });
    if (status != CHAT_OK)
        return end_with(sequence, GEN_MALFORMED);
    if (reason == GEN_END && chat_parser_tool_calls(sequence->parser) > 0)
        reason = GEN_TOOL_USE;
    return end_with(sequence, reason);
}

static bool finish_at_stop(struct sequence *sequence)
{
    size_t hit = sequence->stops.hit;
    if (hit >= sequence->caller_stops)
        return finish(sequence, GEN_END, false);
    sequence->end.stop = sequence->stop_list[hit];
    return finish(sequence, GEN_STOP_SEQUENCE, true);
}

static bool fail(struct sequence *sequence, const char *message)
{
    sequence->end.status = ENGINE_MODEL_ERROR;
    sequence->end.message = message;
    return false;
}

/* ---- a token ---- */

static bool accept(struct sequence *sequence, llama_token token)
{
    char piece[PIECE_MAX];
    if (sequence->job->grammar != NULL && !grammar_accept(sequence->job->grammar, token))
        return end_with(sequence, GEN_MALFORMED);
    if (llama_vocab_is_eog(sequence->vocab, token))
        return finish(sequence, GEN_END, false);

    sampler_accept(sequence->sampler, token);
    sequence->generated++;
    struct view bytes = stop_feed(&sequence->stops, view_of(piece, piece_of(sequence, token, piece)));
    if (chat_parser_feed(sequence->parser, bytes) != CHAT_OK)
        return end_with(sequence, GEN_MALFORMED);
    if (stop_failed(&sequence->stops))
        return fail(sequence, "The worker is out of memory.");
    if (stop_hit(&sequence->stops))
        return finish_at_stop(sequence);
    if (sequence->generated < sequence->limit) {
        sequence->next = token;
        return true;
    }
    int64_t wanted = sequence->job->request.generate.max_tokens;
    return finish(sequence, wanted >= 0 && wanted <= sequence->limit ? GEN_MAX_TOKENS : GEN_CONTEXT_FULL, true);
}

static bool choose(struct sequence *sequence, struct sampler_scratch *scratch, const float *logits)
{
    llama_token token;
    if (logits == NULL)
        return fail(sequence, "The engine gave no probabilities.");
    if (sequence->limit <= 0)                               /* max_tokens 0 asks for the prompt's usage only */
        return finish(sequence, GEN_MAX_TOKENS, true);
    if (sampler_pick(sequence->sampler, scratch, logits, sequence->job->grammar, &token) == SAMPLER_DEAD_END)
        return end_with(sequence, GEN_MALFORMED);
    note_probability(sequence, logits, token);
    return accept(sequence, token);
}

bool sequence_take(struct sequence *sequence, struct sampler_scratch *scratch, const float *logits, int64_t now_us)
{
    if (!sequence->begun)
        write_begin(sequence, now_us);
    bool more = choose(sequence, scratch, logits);
    close_frame(sequence);
    sequence->state = SEQ_DECODE;
    return more;
}

void sequence_write_end(struct sequence *sequence, int64_t now_us)
{
    struct engine_end *end = &sequence->end;
    end->total_us = now_us - sequence->job->arrived_us;
    end->usage = (struct gen_usage){
        .input_tokens = (int64_t)sequence->job->token_count,
        .output_tokens = sequence->generated,
        .cached_tokens = (int64_t)sequence->reused,
        .cache_write_tokens = (int64_t)sequence->written,
    };
    size_t begun = wire_begin(sequence->out, WIRE_END, sequence->job->stream);
    wire_write_end(sequence->out, end);
    wire_end(sequence->out, begun);
}
