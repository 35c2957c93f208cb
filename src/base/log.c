/* base/log.c - see log.h. Lines gather in one of two buffers; the writer swaps them and writes without holding the lock. */
#include "base/log.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/utf8.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define RING_BYTES   (256u * 1024u)
#define LINE_BYTES   (64u * 1024u)
#define STRING_BYTES 4096u             /* longer strings are cut: a log is no place for whole documents */
#define REST_MS      5                 /* the writer's pause after a batch, so that a busy server costs few wake-ups */

static struct {
    _Atomic int level;
    _Atomic int format;
    _Atomic uint64_t dropped;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t writer;
    int fd;
    uint64_t reported;                 /* the writer's: drops it has told of */
    bool running;                      /* under the lock, like what follows */
    bool stopping;
    bool idle;                         /* the writer waits for a first line */
    struct buf lines;
} logger = {
    .level = LOG_INFO,
    .format = LOG_TEXT,
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .wake = PTHREAD_COND_INITIALIZER,
    .fd = STDERR_FILENO,
    .lines = BUF_INIT(RING_BYTES),
};

bool log_enabled(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&logger.level, memory_order_relaxed);
}

uint64_t log_dropped(void)
{
    return atomic_load(&logger.dropped);
}

/* ---- one line ---- */

static struct view cut(struct view text)
{
    struct view head = view_first(text, STRING_BYTES);
    return head.len < text.len ? view_first(head, utf8_whole(head)) : head;
}

static void write_json(struct buf *line, enum log_level level, const char *time, const char *message,
                       const struct log_field *fields, size_t count)
{
    static const char *const names[] = { "debug", "info", "warn", "error" };
    struct json_writer w;
    json_writer_init(&w, line);
    json_object(&w);
    json_put_cstr(&w, "time", time);
    json_put_cstr(&w, "level", names[level]);
    json_put_string(&w, "message", cut(view_from_cstr(message)));
    for (size_t i = 0; i < count; i++) {
        if (fields[i].key == NULL)
            continue;
        json_key(&w, fields[i].key);
        if (fields[i].type == LOG_FIELD_STR)
            json_write_string(&w, cut(fields[i].str));
        else if (fields[i].type == LOG_FIELD_INT)
            json_write_i64(&w, fields[i].num);
        else
            json_write_double(&w, fields[i].real);
    }
    json_end(&w);
}

static bool is_word(struct view text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7f)
            return false;
    }
    return text.len > 0 && utf8_valid(text);
}

/* Quoted as JSON where it could be misread: a value from outside can neither end its line nor pass for another field. */
static void write_text_value(struct buf *line, const struct log_field *field)
{
    struct json_writer w;
    json_writer_init(&w, line);
    if (field->type == LOG_FIELD_INT)
        json_write_i64(&w, field->num);
    else if (field->type == LOG_FIELD_DOUBLE)
        json_write_double(&w, field->real);
    else if (is_word(field->str))
        buf_append_view(line, cut(field->str));
    else
        json_write_string(&w, cut(field->str));
}

static void write_text(struct buf *line, enum log_level level, const char *time, const char *message,
                       const struct log_field *fields, size_t count)
{
    static const char *const names[] = { "debug", "info ", "warn ", "error" };
    buf_printf(line, "%s %s ", time, names[level]);
    buf_append_view(line, cut(view_from_cstr(message)));
    for (size_t i = 0; i < count; i++) {
        if (fields[i].key == NULL)
            continue;
        buf_append_byte(line, ' ');
        buf_append_cstr(line, fields[i].key);
        buf_append_byte(line, '=');
        write_text_value(line, &fields[i]);
    }
}

static void format_line(struct buf *line, enum log_level level, const char *message, const struct log_field *fields,
                        size_t count)
{
    char time[CLOCK_ISO_SIZE];
    clock_format_iso(clock_wall_ms(clock_system()), true, time);
    if (atomic_load(&logger.format) == LOG_JSON)
        write_json(line, level, time, message, fields, count);
    else
        write_text(line, level, time, message, fields, count);
    buf_append_byte(line, '\n');
}

/* ---- output ---- */

/* A descriptor that does not take the bytes within a second, or at all, loses them. */
static void write_all(int fd, struct view bytes)
{
    while (bytes.len > 0) {
        ssize_t wrote = write(fd, bytes.ptr, bytes.len);
        if (wrote >= 0) {
            bytes = view_from(bytes, (size_t)wrote);
            continue;
        }
        struct pollfd ready = { .fd = fd, .events = POLLOUT };
        bool again = errno == EINTR || (errno == EAGAIN && poll(&ready, 1, 1000) > 0);
        if (!again)
            return;
    }
}

static void report_drops(void)
{
    uint64_t dropped = log_dropped();
    if (dropped == logger.reported)
        return;
    struct buf line = BUF_INIT(LINE_BYTES);
    const struct log_field field = LOG_INT("lines", dropped - logger.reported);
    format_line(&line, LOG_WARN, "log lines were dropped", &field, 1);
    write_all(logger.fd, buf_view(&line));
    buf_free(&line);
    logger.reported = dropped;
}

/* Called with the lock held; false once stopping and empty. */
static bool wait_for_lines(void)
{
    while (logger.lines.len == 0 && !logger.stopping) {
        logger.idle = true;
        pthread_cond_wait(&logger.wake, &logger.lock);
    }
    logger.idle = false;
    return logger.lines.len > 0;
}

static void rest_a_little(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += REST_MS * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    if (!logger.stopping)
        pthread_cond_timedwait(&logger.wake, &logger.lock, &until);
}

static void *run_writer(void *arg)
{
    (void)arg;
    struct buf batch = BUF_INIT(RING_BYTES);
    pthread_mutex_lock(&logger.lock);
    while (wait_for_lines()) {
        buf_swap(&batch, &logger.lines);
        pthread_mutex_unlock(&logger.lock);
        write_all(logger.fd, buf_view(&batch));
        buf_clear(&batch);
        report_drops();
        pthread_mutex_lock(&logger.lock);
        rest_a_little();
    }
    pthread_mutex_unlock(&logger.lock);
    buf_free(&batch);
    return NULL;
}

void log_write(enum log_level level, const char *message, const struct log_field *fields, size_t count)
{
    struct buf line = BUF_INIT(LINE_BYTES);
    format_line(&line, level, message, fields, count);
    pthread_mutex_lock(&logger.lock);
    bool direct = !logger.running;
    bool fits = !buf_failed(&line) && line.len <= RING_BYTES - logger.lines.len;
    if (!direct && (!fits || !buf_append_view(&logger.lines, buf_view(&line))))
        atomic_fetch_add(&logger.dropped, 1);
    if (!direct && logger.idle)
        pthread_cond_signal(&logger.wake);
    pthread_mutex_unlock(&logger.lock);
    if (direct)
        write_all(STDERR_FILENO, buf_view(&line));
    buf_free(&line);
}

bool log_start(int fd, enum log_level level, enum log_format format)
{
    sigset_t all, before;
    atomic_store(&logger.level, (int)level);
    atomic_store(&logger.format, (int)format);
    logger.fd = fd;
    logger.reported = log_dropped();
    logger.stopping = false;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for other threads, and a closed pipe is an error to skip */
    bool started = pthread_create(&logger.writer, NULL, run_writer, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_mutex_lock(&logger.lock);
    logger.running = started;
    pthread_mutex_unlock(&logger.lock);
    return started;
}

void log_stop(void)
{
    pthread_mutex_lock(&logger.lock);
    bool running = logger.running;
    logger.running = false;
    logger.stopping = true;
    pthread_cond_signal(&logger.wake);
    pthread_mutex_unlock(&logger.lock);
    if (!running)
        return;
    pthread_join(logger.writer, NULL);
    buf_free(&logger.lines);
}
