/* engine/process.c - see process.h. */
#include "engine/process.h"

#include "base/log.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define NICENESS       5                                    /* below the server */
#define PAUSE_FIRST_MS 100u
#define PAUSE_MAX_MS   30000u

int process_pid(const struct process *process)
{
    return process->exited ? 0 : (int)process->handle.pid;
}

uint64_t process_pause_ms(unsigned crashes)
{
    uint64_t pause_ms = crashes < 16 ? (uint64_t)PAUSE_FIRST_MS << crashes : PAUSE_MAX_MS;
    return pause_ms < PAUSE_MAX_MS ? pause_ms : PAUSE_MAX_MS;
}

enum process_hello process_hello(const struct wire_frame *frame)
{
    uint32_t version = 0;
    struct view build_id;
    if (frame->type != WIRE_HELLO || !wire_read_hello(frame->payload, &version, &build_id))
        return PROCESS_NO_HELLO;
    if (version == WIRE_VERSION && view_is(build_id, wire_build_id()))
        return PROCESS_HELLO;
    log_error("craton-worker is of another build", LOG_VIEW("worker", build_id), LOG_STR("server", wire_build_id()));
    return PROCESS_FOREIGN;
}

/* ---- handles: libuv lets go of them on a later turn, whatever became of the owner's owner ----------------------- */

static void on_handle_closed(uv_handle_t *handle)
{
    struct process *process = handle->data;
    if (--process->handles == 0)
        process->on_freed(process->owner);
}

static void on_channel_closed(uv_handle_t *handle)
{
    struct channel *channel = handle->data;
    struct process *process = (struct process *)(void *)((char *)channel - offsetof(struct process, channel));
    channel->poll.data = process;
    on_handle_closed(handle);
}

static void close_handle(uv_handle_t *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, on_handle_closed);
}

static void close_process(struct process *process)
{
    process->exited = true;
    if (process->handle.type == UV_PROCESS)                 /* not where uv_spawn() was never reached */
        close_handle((uv_handle_t *)&process->handle);
}

/* ---- stderr ---------------------------------------------------------------------------------------------------------- */

static void log_its_line(struct process *process)
{
    struct view line = { process->line, process->line_len };
    if (line.len > 0)
        log_info("worker", LOG_VIEW("model", process->label), LOG_VIEW("says", line));
    process->line_len = 0;
}

static void on_error_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    struct process *process = handle->data;
    if (process->line_len == sizeof process->line)
        log_its_line(process);                              /* overlong: in pieces */
    *buf = uv_buf_init(process->line + process->line_len, (unsigned)(sizeof process->line - process->line_len));
}

static void on_error_bytes(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    (void)buf;
    struct process *process = stream->data;
    if (got < 0) {
        log_its_line(process);
        close_handle((uv_handle_t *)stream);
        return;
    }
    process->line_len += (size_t)got;
    for (;;) {
        struct view all = { process->line, process->line_len };
        size_t end = view_find_byte(all, '\n');
        if (end == VIEW_NPOS)
            return;
        process->line_len = end;
        log_its_line(process);
        process->line_len = all.len - end - 1;
        memmove(process->line, process->line + end + 1, process->line_len);
    }
}

/* ---- the end --------------------------------------------------------------------------------------------------------- */

static void on_exit_of(uv_process_t *handle, int64_t status, int signal_number)
{
    struct process *process = handle->data;
    log_debug("worker ended", LOG_VIEW("model", process->label), LOG_INT("pid", handle->pid), LOG_INT("status", status),
              LOG_INT("signal", signal_number));
    close_process(process);
    if (process->on_exit != NULL)
        process->on_exit(process->owner);
}

void process_kill(struct process *process)
{
    if (process->killed)
        return;
    process->killed = true;
    if (!process->exited)
        uv_process_kill(&process->handle, SIGKILL);
    channel_close(&process->channel, on_channel_closed);
}

/* Waits for one that was killed, which takes no time to speak of. */
static void bury(struct process *process)
{
    int pid = process_pid(process);
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    close_process(process);
}

void process_destroy(struct process *process)
{
    process_kill(process);
    bury(process);
    close_handle((uv_handle_t *)&process->errors);
}

/* ---- the start ------------------------------------------------------------------------------------------------------- */

static int spawn(struct process *process, uv_loop_t *uv, const char *program, const char *role, int socket)
{
    char role_argument[64], socket_argument[] = "--socket=3";
    snprintf(role_argument, sizeof role_argument, "--role=%s", role);
    char *args[] = { (char *)(uintptr_t)program, role_argument, socket_argument, NULL };
    uv_stdio_container_t stdio[] = {
        { .flags = UV_IGNORE },
        { .flags = UV_IGNORE },
        { .flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&process->errors },
        { .flags = UV_INHERIT_FD, .data.fd = socket },
    };
    uv_process_options_t options = {
        .exit_cb = on_exit_of,
        .file = program,
        .args = args,
        .flags = UV_PROCESS_DETACHED,                       /* Ctrl-C is for the server, which lets running calls end */
        .stdio = stdio,
        .stdio_count = 4,
    };
    int error = uv_spawn(uv, &process->handle, &options);
    process->handles++;                                     /* a failed one has to be closed, too */
    if (error == 0 && setpriority(PRIO_PROCESS, (id_t)process->handle.pid, NICENESS) != 0)
        log_warn("a worker's priority cannot be lowered", LOG_INT("pid", process->handle.pid));
    return error;
}

static bool abandon(struct process *process, const char *program, int error)
{
    log_error("craton-worker cannot be started", LOG_STR("program", program), LOG_STR("reason", uv_strerror(error)));
    process->killed = true;
    close_handle((uv_handle_t *)&process->errors);
    return false;
}

bool process_start(struct process *process, struct loop *loop, const char *program, const char *role)
{
    uv_loop_t *uv = loop_uv(loop);
    int ends[2];
    process->handle.data = process->errors.data = process;
    uv_pipe_init(uv, &process->errors, 0);
    process->handles = 1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        process->exited = true;
        return abandon(process, program, uv_translate_sys_error(errno));
    }
    int error = spawn(process, uv, program, role, ends[1]);
    close(ends[1]);
    if (error != 0) {
        close(ends[0]);
        close_process(process);
        return abandon(process, program, error);
    }
    if (!channel_open(&process->channel, uv, ends[0])) {
        close(ends[0]);
        uv_process_kill(&process->handle, SIGKILL);
        bury(process);                                      /* now: its owner has no reason to remember it */
        return abandon(process, program, UV_ENOMEM);
    }
    process->handles++;
    uv_read_start((uv_stream_t *)&process->errors, on_error_room, on_error_bytes);
    return true;
}
