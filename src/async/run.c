/* async/run.c - one invocation, in its thread of the runner: ask the model, write the answer, say how it ended. Nothing is remembered
 * between runs but the record; what a run has written is written again, under the same names, by the next. */
#include "async/internal.h"

#include "base/log.h"

#include <pthread.h>

#define RETRY_FIRST_MS 1000
#define RETRY_MAX_MS   60000
#define WAIT_MS        60000                                /* for what nudges: only a bound */
#define MESSAGE_MAX    2048
#define OUTPUT_MAX     (256u << 20)
#define MANIFEST_MAX   (64u << 10)

/* The model's answer, taken over from the loop. */
struct reply {
    struct job *job;
    pthread_mutex_t lock;
    pthread_cond_t came;
    bool done;
    enum aws_status status;
    struct buf message, body;
    int64_t input_tokens, output_tokens;
};

struct run {
    struct async *async;
    struct job *job;
    struct invocation invocation;
    struct reply reply;
    int64_t give_up_ms;                                     /* when passing failures are tried no longer */
    int64_t wait_ms;                                        /* before the next attempt */
    unsigned model_errors;
};

/* ---- the call ---- */

/* On the loop. */
static void take_answer(void *ctx, const struct internal_answer *answer)
{
    struct reply *reply = ctx;
    pthread_mutex_lock(&reply->lock);
    reply->status = answer->status;
    reply->input_tokens = answer->stats->input_tokens;
    reply->output_tokens = answer->stats->output_tokens;
    buf_append_view(&reply->message, view_first(answer->message, MESSAGE_MAX));
    if (answer->status == AWS_OK)
        buf_append_view(&reply->body, answer->body);
    reply->done = true;
    job_nudge(reply->job);                                  /* under the lock: the run goes on only when this has returned */
    pthread_cond_signal(&reply->came);
    pthread_mutex_unlock(&reply->lock);
}

static bool is_done(struct reply *reply)
{
    pthread_mutex_lock(&reply->lock);
    bool done = reply->done;
    pthread_mutex_unlock(&reply->lock);
    return done;
}

/* Of a call that was cancelled; the answer comes as ever. */
static void wait_for_the_end(struct reply *reply)
{
    pthread_mutex_lock(&reply->lock);
    while (!reply->done)
        pthread_cond_wait(&reply->came, &reply->lock);
    pthread_mutex_unlock(&reply->lock);
}

/* False when the run must return. */
static bool wait_for_answer(struct run *run, struct internal_call *call)
{
    const struct async_caller *caller = &run->async->caller;
    while (!is_done(&run->reply)) {
        if (job_disturbed(run->job) && !job_refresh(run->job)) {
            caller->cancel(caller->ctx, call);
            wait_for_the_end(&run->reply);
            return false;
        }
        job_wait(run->job, WAIT_MS);
    }
    return true;
}

static bool ask(struct run *run, struct view input)
{
    const struct invocation *invocation = &run->invocation;
    const struct internal_request request = {
        .operation = VIEW_INIT("InvokeModel"),
        .principal = &invocation->principal,
        .region = invocation->key.region,
        .labels = { invocation->model_id },
        .body = input,
        .batch = true,
    };
    struct reply *reply = &run->reply;
    reply->done = false;
    buf_clear(&reply->message);
    buf_clear(&reply->body);
    struct internal_call *call = run->async->caller.submit(run->async->caller.ctx, &request, take_answer, reply);
    if (call != NULL)
        return wait_for_answer(run, call);
    reply->status = AWS_SERVICE_UNAVAILABLE;
    buf_append_cstr(&reply->message, "The server is out of memory.");
    return true;
}

/* ---- the end ---- */

/* Whatever goes wrong here is mended by the next run. */
static void end(struct run *run, const char *status, struct view message)
{
    struct arena *arena = job_arena(run->job);
    struct invocation invocation = run->invocation;
    struct store_record record;
    const struct store_write more = { .action = STORE_DELETE, .record.key = invocation_input_key(&invocation.key) };
    invocation.status = view_from_cstr(status);
    invocation.message = view_first(message, MESSAGE_MAX);
    invocation.ended_ms = store_now_ms(run->async->options.store);
    if (!invocation_write(arena, &invocation, &record))
        return;
    enum store_status stored = job_update_with(run->job, &record, &more, 1);
    if (stored != STORE_OK)
        log_warn("the end of an asynchronous invocation could not be recorded", LOG_VIEW("invocation", invocation.key.id),
                 LOG_STR("reason", store_status_text(stored)));
}

static void fail(struct run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void fail(struct run *run, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *text = arena_vprintf(job_arena(run->job), format, args);
    va_end(args);
    end(run, ASYNC_FAILED, view_from_cstr(text != NULL ? text : "The server is out of memory."));
}

/* After a passing failure: waits, longer each time. False when it was tried for long enough. */
static bool may_retry(struct run *run)
{
    struct store *store = run->async->options.store;
    int64_t now_ms = store_now_ms(store), until_ms = now_ms + run->wait_ms;
    if (now_ms >= run->give_up_ms)
        return false;
    for (; now_ms < until_ms && !job_disturbed(run->job); now_ms = store_now_ms(store))
        job_wait(run->job, until_ms - now_ms);              /* the nudge of an answer may be left over */
    run->wait_ms = run->wait_ms * 2 < RETRY_MAX_MS ? run->wait_ms * 2 : RETRY_MAX_MS;
    return true;
}

/* ---- the output ---- */

static enum object_status put(struct run *run, const char *name, struct view bytes)
{
    struct object_put put = { .content_type = VIEW_INIT("application/json") };
    struct object_info info;
    if (!invocation_object(job_arena(run->job), &run->invocation, name, &put.bucket, &put.key))
        return OBJECT_NO_MEMORY;
    return object_put_bytes(run->async->options.objects, job_arena(run->job), &put, bytes, &info);
}

static void write_file(struct json_writer *out, struct view bucket, struct view key, size_t size)
{
    struct buf uri = BUF_INIT(MANIFEST_MAX);
    buf_printf(&uri, "s3://" VIEW_FMT "/" VIEW_FMT, VIEW_ARG(bucket), VIEW_ARG(key));
    json_object(out);
    json_put_string(out, "s3Uri", buf_view(&uri));
    json_put_i64(out, "sizeBytes", (int64_t)size);
    json_end(out);
    buf_free(&uri);
}

static void write_manifest(struct run *run, struct buf *out)
{
    struct arena *arena = job_arena(run->job);
    struct invocation invocation = run->invocation;
    struct view bucket = VIEW(""), key = VIEW("");
    struct json_writer writer;
    invocation.status = VIEW(ASYNC_COMPLETED);
    invocation_object(arena, &invocation, "output.json", &bucket, &key);
    json_writer_init(&writer, out);
    json_object(&writer);
    invocation_write_members(arena, &invocation, &writer);
    json_put_i64(&writer, "inputTokenCount", run->reply.input_tokens);
    json_put_i64(&writer, "outputTokenCount", run->reply.output_tokens);
    json_key(&writer, "outputFiles");
    json_array(&writer);
    write_file(&writer, bucket, key, run->reply.body.len);
    json_end(&writer);
    json_end(&writer);
}

/* The manifest comes last: where it is, the output is whole. */
static enum object_status write_output(struct run *run)
{
    struct buf manifest = BUF_INIT(MANIFEST_MAX);
    write_manifest(run, &manifest);
    enum object_status status = buf_failed(&manifest) ? OBJECT_NO_MEMORY : put(run, "output.json", buf_view(&run->reply.body));
    if (status == OBJECT_OK)
        status = put(run, "manifest.json", buf_view(&manifest));
    buf_free(&manifest);
    return status;
}

/* ---- a run ---- */

/* A model's worker may have died of another call, but not twice. */
static bool is_passing(struct run *run, enum aws_status status)
{
    if (status == AWS_MODEL_ERROR)
        return run->model_errors++ == 0;
    return status == AWS_THROTTLING || status == AWS_SERVICE_UNAVAILABLE || status == AWS_MODEL_NOT_READY;
}

static void deliver(struct run *run)
{
    enum object_status status;
    while ((status = write_output(run)) != OBJECT_OK) {
        if (!object_status_is_passing(status) || !may_retry(run)) {
            fail(run, "The output could not be written to " VIEW_FMT ": %s", VIEW_ARG(run->invocation.output_uri),
                 object_status_text(status));
            return;
        }
        if (!job_refresh(run->job))
            return;
    }
    end(run, ASYNC_COMPLETED, VIEW(""));
}

static void ask_and_deliver(struct run *run, struct view input)
{
    struct reply *reply = &run->reply;
    do {
        if (!ask(run, input) || !job_refresh(run->job))
            return;
    } while (is_passing(run, reply->status) && may_retry(run) && job_refresh(run->job));
    if (!job_refresh(run->job))
        return;
    if (reply->status != AWS_OK)
        fail(run, "%s: " VIEW_FMT, aws_status_name(reply->status), VIEW_ARG(buf_view(&reply->message)));
    else if (buf_failed(&reply->body))
        fail(run, "The answer is too large.");
    else
        deliver(run);
}

/* STORE_OK, or why the run cannot begin. The key lies in the job's memory from now on. */
static enum store_status load(struct run *run, struct view *input)
{
    struct arena *arena = job_arena(run->job);
    const struct store_record *record = job_record(run->job);
    struct store_record copy = *record, found;
    copy.key = (struct store_key){ VIEW(ASYNC_KIND), arena_copy(arena, record->key.account), arena_copy(arena, record->key.region),
                                   arena_copy(arena, record->key.id) };
    copy.token = record->token.ptr != NULL ? arena_copy(arena, record->token) : record->token;
    copy.state = VIEW(ASYNC_IN_PROGRESS);
    if (!invocation_read(arena, &copy, &run->invocation))
        return arena_exhausted(arena) ? STORE_NO_MEMORY : STORE_ERROR;
    const struct store_key key = invocation_input_key(&copy.key);
    enum store_status status = store_get(run->async->options.store, arena, &key, &found);
    *input = found.json;
    return status;
}

void async_run(struct job *job, void *ctx)
{
    struct run run = {
        .async = ctx,
        .job = job,
        .wait_ms = RETRY_FIRST_MS,
        .reply = { .job = job, .lock = PTHREAD_MUTEX_INITIALIZER, .came = PTHREAD_COND_INITIALIZER,
                   .message = BUF_INIT(MESSAGE_MAX), .body = BUF_INIT(OUTPUT_MAX) },
    };
    run.give_up_ms = store_now_ms(run.async->options.store) + run.async->options.retry_ms;
    struct view input = VIEW("");
    enum store_status status = load(&run, &input);
    if (status == STORE_OK)
        ask_and_deliver(&run, input);
    else if (status == STORE_NOT_FOUND || status == STORE_ERROR)
        fail(&run, "The invocation's input is not in the store.");
    buf_free(&run.reply.message);
    buf_free(&run.reply.body);
    pthread_cond_destroy(&run.reply.came);
    pthread_mutex_destroy(&run.reply.lock);
}
