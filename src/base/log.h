/* base/log.h - structured log lines, written by a thread of their own.
 *
 * log_line() formats into a bounded ring and never blocks: when the ring is full the line is dropped and counted. One line is
 * one JSON object (format json) or `time level message key=value …` (format text, the default on a terminal). Thread-safe.
 *
 *     log_info("worker started", LOG_STR("model", name), LOG_INT("pid", pid));
 */
#ifndef CRATON_BASE_LOG_H
#define CRATON_BASE_LOG_H

#include "base/view.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_TEXT, LOG_JSON };

struct log_field {
    const char *key;                                        /* NULL ends nothing: a field with a NULL key is skipped */
    enum { LOG_FIELD_STR, LOG_FIELD_INT, LOG_FIELD_DOUBLE } type;
    struct view str;
    int64_t num;
    double real;
};

#define LOG_VIEW(k, v) ((struct log_field){ .key = (k), .type = LOG_FIELD_STR, .str = (v) })
#define LOG_STR(k, s)  LOG_VIEW(k, view_from_cstr(s))
#define LOG_INT(k, n)  ((struct log_field){ .key = (k), .type = LOG_FIELD_INT, .num = (int64_t)(n) })
#define LOG_REAL(k, d) ((struct log_field){ .key = (k), .type = LOG_FIELD_DOUBLE, .real = (d) })

bool log_start(int fd, enum log_level level, enum log_format format);   /* starts the writer; before it lines go to stderr at once */
void log_stop(void);                                                    /* writes what is queued, joins the writer */
uint64_t log_dropped(void);
bool log_enabled(enum log_level level);

void log_write(enum log_level level, const char *message, const struct log_field *fields, size_t count);

#define log_line(level, message, ...)                                                                                     \
    do {                                                                                                                  \
        if (log_enabled(level)) {                                                                                         \
            const struct log_field log_fields_[] = { { .key = NULL }, ##__VA_ARGS__ };                                    \
            log_write((level), (message), log_fields_ + 1, sizeof(log_fields_) / sizeof(log_fields_[0]) - 1);             \
        }                                                                                                                 \
    } while (0)
#define log_debug(message, ...) log_line(LOG_DEBUG, message, ##__VA_ARGS__)
#define log_info(message, ...)  log_line(LOG_INFO, message, ##__VA_ARGS__)
#define log_warn(message, ...)  log_line(LOG_WARN, message, ##__VA_ARGS__)
#define log_error(message, ...) log_line(LOG_ERROR, message, ##__VA_ARGS__)

#endif
