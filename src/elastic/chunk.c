/* elastic/chunk.c - POST /_inference/text_embedding/{id}/_chunk; see door.h.
 *
 *     {"input": text, "chunking_settings": …} → {"chunks": [{"text", "start", "end", "start_utf16", "end_utf16", "embedding"}]}
 *
 * This is not Elasticsearch's: there, text is cut where documents are indexed. Settings that the request does not give are the
 * endpoint's. The worker for documents finds the words, the text is cut in a pool thread, its chunks are embedded in one call.
 */
#include "elastic/door.h"
#include "elastic/fields.h"
#include "families/vectors.h"

#define SCRATCH_MAX ((size_t)256 << 20) /* words of a text of the largest size */

struct chunk_job {
    struct view text;
    struct chunking chunking;
    struct view words; /* what the worker found; empty for an empty text */
    struct chunks chunks;
};

/* ---- in ---- */

static bool refuse_input(struct elastic_error *error, const char *why)
{
    error_problem(error, "Field [input] %s", why);
    error->type = ERROR_REQUEST;
    return false;
}

static bool read_job(struct elastic_exchange *x, struct chunk_job *job)
{
    struct fields fields;
    const struct json *settings = NULL;
    fields_init(&fields, x->body, "root", &x->error);
    const struct json *input = fields_take(&fields, "input");
    if (input == NULL)
        return refuse_input(&x->error, "cannot be null");
    if (!json_is(input, JSON_STRING))
        return refuse_input(&x->error, "must be one string");
    job->text = json_string(input);
    if (job->text.len > SEGMENTS_TEXT_MAX)
        return refuse_input(&x->error, "cannot be larger than 4 MiB");
    bool given = fields_object(&fields, "chunking_settings", &settings);
    const char *left = fields_left(&fields);
    if (left != NULL)
        error_problem(&x->error, "[root] unknown field [%s]", left);
    if (error_is_set(&x->error))
        return false;
    job->chunking = x->found->chunking;
    return !given || chunking_read(settings, &x->error, &job->chunking);
}

static bool check_task(struct elastic_exchange *x)
{
    enum elastic_task asked = x->route.task;
    if (asked != TASK_ANY && asked != x->found->task)
        return error_set(&x->error, 400, ERROR_STATUS, "Incompatible task_type, the requested type [%s] does not match the model type [%s]",
                         task_name(asked), task_name(x->found->task));
    return x->found->task == TASK_TEXT_EMBEDDING ||
           error_set(&x->error, 400, ERROR_STATUS, "Text can only be cut for the task type [text_embedding], not for [%s]",
                     task_name(x->found->task));
}

/* ---- cutting, in a pool thread ---- */

static bool set_chunk_error(struct elastic_exchange *x, enum chunk_status status, const char *message)
{
    if (status == CHUNK_BAD_SEPARATOR && message != NULL)
        return error_set(&x->error, 400, ERROR_ARGUMENT, "%s", arena_cstr(x->arena, view_from_cstr(message)));
    if (status == CHUNK_BAD_INPUT)
        return error_set(&x->error, 400, ERROR_ARGUMENT, "The text is not UTF-8, or its chunking settings contradict one another.");
    return error_set(&x->error, 503, ERROR_STATUS, "The server is out of memory.");
}

static bool take_chunks(struct elastic_exchange *x, const struct chunks *found)
{
    struct chunk_job *job = x->chunk;
    if (found->count > INFER_INPUTS_MAX)
        return error_set(&x->error, 400, ERROR_STATUS, "The text has more than %d chunks. Use larger ones, or send less at once.",
                         INFER_INPUTS_MAX);
    struct view *texts = ARENA_ARRAY(x->arena, struct view, found->count);
    job->chunks.items = ARENA_ARRAY(x->arena, struct chunk, found->count);
    if (texts == NULL || job->chunks.items == NULL)
        return set_chunk_error(x, CHUNK_NO_MEMORY, NULL);
    job->chunks.count = found->count;
    for (size_t i = 0; i < found->count; i++) {
        job->chunks.items[i] = found->items[i];
        texts[i] = view_of(job->text.ptr + found->items[i].start, found->items[i].end - found->items[i].start);
    }
    infer_documents(x->found, texts, found->count, &x->request);
    return true;
}

static bool cut_with(struct elastic_exchange *x, struct arena *scratch)
{
    struct chunk_job *job = x->chunk;
    struct text_segments segments = { .count = 0 };
    struct chunks chunks;
    const char *message = NULL;
    if (job->text.len > 0 && !documents_read(scratch, job->words, job->text, &segments))
        return error_set(&x->error, 500, ERROR_STATUS, "The words of this text could not be read.");
    enum chunk_status cut = chunk_text(scratch, job->text, &segments, &job->chunking, &chunks, &message);
    return cut == CHUNK_OK ? take_chunks(x, &chunks) : set_chunk_error(x, cut, message);
}

static void cut(struct elastic_exchange *x)
{
    struct arena *scratch = arena_create(SCRATCH_MAX);
    if (scratch == NULL)
        set_chunk_error(x, CHUNK_NO_MEMORY, NULL);
    else
        cut_with(x, scratch);
    arena_destroy(scratch);
}

static void cut_done(struct elastic_exchange *x)
{
    if (error_is_set(&x->error))
        reply_error(x);
    else if (x->timed_out)
        run_late(x);
    else
        run_in_turn(x);
}

/* ---- the words ---- */

static bool set_words_error(struct elastic_exchange *x, enum engine_status status, const char *message)
{
    int code = status == ENGINE_TIMEOUT ? 408 : status == ENGINE_MODEL_ERROR ? 500 : 503;
    return error_set(&x->error, code, ERROR_STATUS, "%s", message);
}

static void take_words(struct elastic_exchange *x, enum engine_status status, const char *message, struct view words)
{
    if (status == ENGINE_OK)
        x->chunk->words = arena_copy(x->arena, words);
    if (status != ENGINE_OK)
        set_words_error(x, status, message);
    else if (x->chunk->words.ptr == NULL)
        set_chunk_error(x, CHUNK_NO_MEMORY, NULL);
    if (error_is_set(&x->error))
        reply_error(x);
    else
        exchange_work(x, cut, cut_done);
}

static void words_found(void *ctx, enum engine_status status, const char *message, struct view words)
{
    struct elastic_exchange *x = ctx;
    x->waits = false;
    if (!x->closed && !x->answered)
        take_words(x, status, message, words);
    exchange_left(x);
}

static void find_words(struct elastic_exchange *x)
{
    struct chunk_job *job = x->chunk;
    if (job->text.len == 0) {
        exchange_work(x, cut, cut_done);
        return;
    }
    exchange_enter(x);
    x->waits = true;
    enum engine_status status = documents_segment(x->elastic->options.documents, job->text, words_found, x);
    if (status != ENGINE_OK)
        words_found(x, status, "Too many texts are waiting for their words to be found. Try your request again.", VIEW(""));
}

/* ---- out ---- */

static void write_chunk(struct elastic_exchange *x, struct arena *scratch, size_t index, struct json_writer *out)
{
    const struct chunk *chunk = &x->chunk->chunks.items[index];
    const float *row = x->vectors.vectors + index * x->vectors.dimensions;
    struct vector vector = vector_fit(scratch, row, x->vectors.dimensions, (size_t)x->target.family_model.dimensions);
    json_object(out);
    json_put_string(out, "text", x->request.embed.texts[index]);
    json_put_i64(out, "start", (int64_t)chunk->start);
    json_put_i64(out, "end", (int64_t)chunk->end);
    json_put_i64(out, "start_utf16", (int64_t)chunk->start_utf16);
    json_put_i64(out, "end_utf16", (int64_t)chunk->end_utf16);
    json_key(out, "embedding");
    vector_write_float(out, &vector);
    json_end(out);
    arena_reset(scratch);
}

/* In a pool thread. */
static void render(struct elastic_exchange *x)
{
    struct json_writer out;
    struct arena *scratch = arena_create(1u << 20);
    reply_begin(x, &out);
    json_object(&out);
    json_key(&out, "chunks");
    json_array(&out);
    for (size_t i = 0; scratch != NULL && i < x->vectors.count; i++)
        write_chunk(x, scratch, i, &out);
    json_end(&out);
    json_end(&out);
    arena_destroy(scratch);
    if (scratch == NULL || json_writer_failed(&out) || !reply_shape(x))
        error_set(&x->error, 413, ERROR_STATUS, "The answer is larger than this server can hold. Send less text at once.");
}

static void rendered(struct elastic_exchange *x)
{
    if (error_is_set(&x->error))
        reply_error(x);
    else
        reply_send(x, 200);
}

static void embedded(struct elastic_exchange *x)
{
    if (error_is_set(&x->error))
        reply_error(x);
    else
        exchange_work(x, render, rendered);
}

void chunk_run(struct elastic_exchange *x)
{
    x->chunk = ARENA_NEW(x->arena, struct chunk_job);
    if (x->chunk == NULL)
        error_set(&x->error, 413, ERROR_STATUS, "The request is larger than this server can hold.");
    if (x->chunk == NULL || !check_task(x) || !read_job(x, x->chunk)) {
        reply_error(x);
        return;
    }
    model_request_init(&x->request);
    x->stream.model = x->found->model;
    x->finished = embedded;
    run_clock(x);
    find_words(x);
}
