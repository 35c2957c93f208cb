#include "worker/job.h"

#include <stdio.h>
#include <stdlib.h>

#define ARENA_BASE      (16u << 20)
#define ARENA_EXPANSION 32u                                 /* a byte of JSON makes at most so many of tree */

struct job *job_create(uint32_t stream, struct view payload, int64_t now_us)
{
    struct job *job = calloc(1, sizeof(*job));
    struct arena *arena = arena_create(ARENA_BASE + payload.len * ARENA_EXPANSION);
    if (job == NULL || arena == NULL) {
        free(job);
        arena_destroy(arena);
        return NULL;
    }
    job->arena = arena;
    job->stream = stream;
    job->arrived_us = now_us;
    job->credit = WIRE_FIRST_CREDIT;
    job->payload = arena_copy(arena, payload);
    if (arena_exhausted(arena)) {
        job_destroy(job);
        return NULL;
    }
    return job;
}

void job_destroy(struct job *job)
{
    if (job == NULL)
        return;
    grammar_destroy(job->grammar);
    chat_prompt_destroy(job->prompt);
    free(job->tokens);
    arena_destroy(job->arena);
    free(job);
}

void job_fail(struct job *job, enum engine_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(job->message, sizeof(job->message), format, args);
    va_end(args);
    job->status = status;
}

int64_t job_input_tokens(const struct job *job)
{
    if (job->text_tokens == NULL)
        return (int64_t)job->token_count;
    int64_t sum = 0;
    for (size_t i = 0; i < job->request.embed.text_count; i++)
        sum += job->text_tokens[i];
    return sum;
}

void job_write_end(struct buf *out, const struct job *job, enum engine_status status, const char *message, int64_t now_us)
{
    struct engine_end end = {
        .status = status,
        .message = message,
        .usage.input_tokens = status == ENGINE_OK ? job_input_tokens(job) : 0,
        .total_us = now_us - job->arrived_us,
    };
    size_t begun = wire_begin(out, WIRE_END, job->stream);
    wire_write_end(out, &end);
    wire_end(out, begun);
}
