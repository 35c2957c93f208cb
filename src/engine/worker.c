/* engine/worker.c - a craton-worker process from its start to its burial.
 *
 *    start ──► HELLO ──► LOAD … LOADED ──► calls ──► SHUTDOWN ──► its socket ends ──► exit ──► freed
 *                 any failure, at any time: killed, its calls end, its lane is told ──┘
 */
#include "engine/worker.h"

#include "base/log.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOAD_STALL_MS 120000                                /* without a word of progress */
#define STOP_WAIT_MS  3000
#define WORKER_NICE   5                                     /* below the server */
#define KV_BYTES_MAX  ((uint64_t)4 << 30)

static uv_loop_t *uv_of(struct engine *engine)
{
    return loop_uv(engine->loop);
}

int worker_pid(const struct worker *worker)
{
    return worker->exited ? 0 : (int)worker->process.pid;
}

uint64_t worker_memory(struct engine *engine, const struct lane *except, bool with_leaving)
{
    uint64_t sum = 0;
    LIST_EACH(at, &engine->workers) {
        const struct worker *worker = LIST_ITEM(at, struct worker, link);
        if (worker->lane != NULL && worker->lane != except)
            sum += worker->lane->memory_bytes;
        else if (worker->lane == NULL && !worker->exited && with_leaving)
            sum += worker->memory_bytes;
    }
    return sum;
}

/* ---- handles: libuv lets go of them on a later turn, whatever became of the engine ------------------------------ */

static void on_handle_closed(uv_handle_t *handle)
{
    struct worker *worker = handle->data;
    if (--worker->handles > 0)
        return;
    list_remove(&worker->link);
    free(worker);
}

static void on_channel_closed(uv_handle_t *handle)
{
    struct channel *channel = handle->data;
    channel->poll.data = channel->ctx;
    on_handle_closed(handle);
}

static void close_handle(uv_handle_t *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, on_handle_closed);
}

/* ---- stderr: each line goes to the log, under the model's name ------------------------------------------------------ */

static void log_its_line(struct worker *worker)
{
    struct view line = { worker->line, worker->line_len };
    struct view model = worker->lane != NULL ? worker->lane->model.name : VIEW("");
    if (line.len > 0)
        log_info("worker", LOG_VIEW("model", model), LOG_VIEW("says", line));
    worker->line_len = 0;
}

static void on_error_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    struct worker *worker = handle->data;
    if (worker->line_len == sizeof worker->line)
        log_its_line(worker);                               /* overlong: in pieces */
    *buf = uv_buf_init(worker->line + worker->line_len, (unsigned)(sizeof worker->line - worker->line_len));
}

static void on_error_bytes(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    (void)buf;
    struct worker *worker = stream->data;
    if (got < 0) {
        log_its_line(worker);
        close_handle((uv_handle_t *)stream);
        return;
    }
    worker->line_len += (size_t)got;
    for (;;) {
        struct view all = { worker->line, worker->line_len };
        size_t end = view_find_byte(all, '\n');
        if (end == VIEW_NPOS)
            return;
        worker->line_len = end;
        log_its_line(worker);
        worker->line_len = all.len - end - 1;
        memmove(worker->line, worker->line + end + 1, worker->line_len);
    }
}

/* ---- the end ------------------------------------------------------------------------------------------------------------- */

static void on_exit_of(uv_process_t *process, int64_t status, int signal_number)
{
    struct worker *worker = process->data;
    worker->exited = true;
    struct view model = worker->lane != NULL ? worker->lane->model.name : VIEW("");
    log_debug("worker ended", LOG_VIEW("model", model), LOG_INT("pid", process->pid), LOG_INT("status", status),
              LOG_INT("signal", signal_number));
    close_handle((uv_handle_t *)process);
    if (worker->lane == NULL)
        supervisor_memory_freed(worker->engine);
}

static void let_go(struct worker *worker)
{
    if (worker->lane != NULL)
        worker->memory_bytes = worker->lane->memory_bytes;
    worker->lane = NULL;
    loop_timer_cancel(worker->timer);
    worker->timer = NULL;
    worker_grants_leave(worker);
}

static void on_stop_late(void *arg)
{
    struct worker *worker = arg;
    worker->timer = NULL;
    worker_kill(worker, "it did not end when asked");
}

void worker_stop(struct worker *worker)
{
    let_go(worker);
    wire_append(channel_out(&worker->channel), WIRE_SHUTDOWN, 0, VIEW(""));
    channel_flush(&worker->channel);
    worker->timer = loop_timer_start(worker->engine->loop, STOP_WAIT_MS, on_stop_late, worker);
    if (worker->timer == NULL)
        worker_kill(worker, "out of memory");
}

void worker_kill(struct worker *worker, const char *reason)
{
    if (worker->lost)
        return;
    worker->lost = true;
    struct lane *lane = worker->lane;
    let_go(worker);
    if (!worker->exited)
        uv_process_kill(&worker->process, SIGKILL);
    channel_close(&worker->channel, on_channel_closed);
    worker_streams_fail(worker);
    if (lane == NULL)
        return;
    lane->worker = NULL;
    supervisor_lost(lane, reason);
}

static void on_lost(void *ctx, const char *reason)
{
    worker_kill(ctx, reason);
}

/* Its process is waited for, so that none outlives the server's own end. */
static void destroy(struct worker *worker)
{
    int pid = worker_pid(worker);
    if (worker->lane != NULL)
        worker->lane->worker = NULL;
    worker->lane = NULL;
    worker_kill(worker, "the server ends");
    if (pid > 0) {
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            continue;
    }
    close_handle((uv_handle_t *)&worker->process);
    close_handle((uv_handle_t *)&worker->errors);
}

void worker_destroy_all(struct engine *engine)
{
    while (!list_empty(&engine->workers)) {
        struct worker *worker = LIST_ITEM(list_pop_front(&engine->workers), struct worker, link);
        destroy(worker);
    }
}

/* ---- first words ----------------------------------------------------------------------------------------------------------- */

static void on_late(void *arg)
{
    struct worker *worker = arg;
    worker->timer = NULL;
    worker_kill(worker, worker->said_hello ? "its load did not go on" : "it did not say hello in time");
}

static bool expect_within(struct worker *worker, uint64_t ms)
{
    loop_timer_cancel(worker->timer);
    worker->timer = loop_timer_start(worker->engine->loop, ms, on_late, worker);
    return worker->timer != NULL;
}

static void send_load(struct worker *worker)
{
    const struct engine_options *options = &worker->engine->options;
    const struct engine_model *model = &worker->lane->model;
    uint64_t kv_bytes = options->memory_budget / 2 < KV_BYTES_MAX ? options->memory_budget / 2 : KV_BYTES_MAX;
    struct buf *out = channel_out(&worker->channel);
    struct json_writer w;
    size_t begun = wire_begin(out, WIRE_LOAD, 0);
    json_writer_init(&w, out);
    json_object(&w);
    json_put_string(&w, "path", model->path);
    json_put_bool(&w, "embedding", model->embedding);
    json_put_i64(&w, "context", model->context);
    json_put_i64(&w, "threads", options->threads);
    json_put_i64(&w, "kv_bytes", (int64_t)kv_bytes);
    json_put_string(&w, "query_prefix", model->query_prefix);
    json_put_string(&w, "document_prefix", model->document_prefix);
    json_end(&w);
    wire_end(out, begun);
    channel_flush(&worker->channel);
}

static bool take_hello(struct worker *worker, const struct wire_frame *frame)
{
    uint32_t version = 0;
    struct view build_id;
    if (frame->type != WIRE_HELLO || !wire_read_hello(frame->payload, &version, &build_id))
        return false;
    if (version != WIRE_VERSION || !view_is(build_id, wire_build_id())) {
        log_error("craton-worker is of another build", LOG_VIEW("worker", build_id), LOG_STR("server", wire_build_id()));
        supervisor_load_failed(worker->lane, VIEW("craton-worker is of another build than the server."));
        return false;
    }
    worker->said_hello = true;
    worker_grants_join(worker);
    send_load(worker);
    return expect_within(worker, LOAD_STALL_MS);
}

static bool take_loaded(struct worker *worker, const struct wire_frame *frame)
{
    if (worker->lane->state != ENGINE_MODEL_LOADING)
        return false;
    const struct json *about = json_parse(worker->engine->scratch, frame->payload, 16, NULL);
    if (!json_is(about, JSON_OBJECT))
        return false;
    struct view error = json_get_string(about, "error");
    if (error.len > 0) {
        supervisor_load_failed(worker->lane, error);
        return expect_within(worker, STOP_WAIT_MS);
    }
    loop_timer_cancel(worker->timer);
    worker->timer = NULL;
    supervisor_loaded(worker->lane, about);
    return true;
}

static bool take_stats(struct worker *worker, const struct wire_frame *frame)
{
    const struct json *stats = json_parse(worker->engine->scratch, frame->payload, 16, NULL);
    int64_t memory_bytes = 0;
    if (json_get_i64(stats, "memory_bytes", &memory_bytes) && memory_bytes > 0)
        worker->lane->memory_bytes = (uint64_t)memory_bytes;
    return json_is(stats, JSON_OBJECT);
}

static bool take_frame(struct worker *worker, const struct wire_frame *frame)
{
    if (!worker->said_hello)
        return take_hello(worker, frame);
    switch (frame->type) {
    case WIRE_LOADING:
        return worker->lane->state != ENGINE_MODEL_LOADING || expect_within(worker, LOAD_STALL_MS);
    case WIRE_LOADED:
        return take_loaded(worker, frame);
    case WIRE_DELTAS:
        return worker_take_deltas(worker, frame);
    case WIRE_VECTORS:
        return worker_take_vectors(worker, frame);
    case WIRE_END:
        return worker_take_end(worker, frame);
    case WIRE_WANT:
        return worker_take_want(worker, frame);
    case WIRE_DONE:
        return worker_take_done(worker);
    case WIRE_STATS:
        return take_stats(worker, frame);
    default:
        return false;                                       /* the server's own words */
    }
}

static void on_frame(void *ctx, const struct wire_frame *frame)
{
    struct worker *worker = ctx;
    if (worker->lane == NULL)
        return;                                             /* it was asked to end: what it still says does not matter */
    arena_reset(worker->engine->scratch);
    if (!take_frame(worker, frame))
        worker_kill(worker, "it broke the protocol");
}

/* ---- the start --------------------------------------------------------------------------------------------------------------- */

static int spawn(struct worker *worker, int socket)
{
    char *args[] = { worker->engine->worker_path, "--role=model", "--socket=3", NULL };
    uv_stdio_container_t stdio[] = {
        { .flags = UV_IGNORE },
        { .flags = UV_IGNORE },
        { .flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&worker->errors },
        { .flags = UV_INHERIT_FD, .data.fd = socket },
    };
    uv_process_options_t options = {
        .exit_cb = on_exit_of,
        .file = worker->engine->worker_path,
        .args = args,
        .flags = UV_PROCESS_DETACHED,                       /* Ctrl-C is for the server, which lets running calls end */
        .stdio = stdio,
        .stdio_count = 4,
    };
    uv_pipe_init(uv_of(worker->engine), &worker->errors, 0);
    int error = uv_spawn(uv_of(worker->engine), &worker->process, &options);
    worker->handles += 2;                                   /* a failed one has to be closed, too */
    if (error == 0 && setpriority(PRIO_PROCESS, (id_t)worker->process.pid, WORKER_NICE) != 0)
        log_warn("a worker's priority cannot be lowered", LOG_INT("pid", worker->process.pid));
    return error;
}

static void abandon(struct worker *worker, const char *reason)
{
    log_error("craton-worker cannot be started", LOG_STR("program", worker->engine->worker_path), LOG_STR("reason", reason));
    worker->lane = NULL;
    worker->exited = worker->lost = true;
    close_handle((uv_handle_t *)&worker->process);
    close_handle((uv_handle_t *)&worker->errors);
}

static struct worker *worker_create(struct lane *lane)
{
    struct worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL)
        return NULL;
    worker->engine = lane->engine;
    worker->lane = lane;
    worker->process.data = worker->errors.data = worker;
    worker->channel = (struct channel){ .fd = -1, .ctx = worker, .on_frame = on_frame, .on_lost = on_lost };
    worker_streams_init(worker);
    return worker;
}

struct worker *worker_start(struct lane *lane)
{
    struct worker *worker = worker_create(lane);
    int ends[2];
    if (worker == NULL || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        free(worker);
        return NULL;
    }
    list_push_back(&lane->engine->workers, &worker->link);
    int error = spawn(worker, ends[1]);
    close(ends[1]);
    if (error == 0 && !channel_open(&worker->channel, uv_of(lane->engine), ends[0]))
        error = UV_ENOMEM;
    if (error != 0) {
        abandon(worker, uv_strerror(error));
        close(ends[0]);
        return NULL;
    }
    worker->handles++;
    uv_read_start((uv_stream_t *)&worker->errors, on_error_room, on_error_bytes);
    if (!expect_within(worker, lane->engine->options.hello_wait_ms))
        uv_process_kill(&worker->process, SIGKILL);         /* its end is then noticed like any other */
    log_info("worker started", LOG_VIEW("model", lane->model.name), LOG_INT("pid", worker->process.pid));
    return worker;
}
