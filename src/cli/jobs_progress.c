#include "cli/jobs_progress.h"

#include "base/clock.h"
#include "base/utf8.h"
#include "cli/progress.h"

#define LINE_MAX_BYTES 4096
#define BAR_WIDTH      24
#define TEXT_MAX       1000

static int64_t number(const struct json *job, const char *key)
{
    int64_t value = 0;
    json_get_i64(job, key, &value);
    return value;
}

static bool time_of(const struct json *job, const char *key, int64_t *ms)
{
    return clock_parse_iso(json_get_string(job, key), ms);
}

static double rate_of(const struct json *job)
{
    double rate = 0;
    json_get_double(job, "recordsPerSecond", &rate);
    return rate;
}

struct view jobs_id(const struct json *job)
{
    struct view arn = json_get_string(job, "jobArn");
    size_t at = view_find_byte(arn, '/');
    return at != VIEW_NPOS ? view_from(arn, at + 1) : arn;
}

void jobs_count(struct buf *out, int64_t count)
{
    if (count < 10000)
        buf_printf(out, "%lld", (long long)count);
    else if (count < 10000000)
        buf_printf(out, "%.1fk", (double)count / 1e3);
    else
        buf_printf(out, "%.1fM", (double)count / 1e6);
}

/* ---- the end ---- */

static const struct {
    const char *status;
    int exit_status;
} ends[] = {
    { "Completed", 0 }, { "Failed", 1 }, { "PartiallyCompleted", 3 }, { "Stopped", 4 }, { "Expired", 5 },
};

static const int *find_end(const struct json *job)
{
    struct view status = json_get_string(job, "status");
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        if (view_is(status, ends[i].status))
            return &ends[i].exit_status;
    }
    return NULL;
}

bool jobs_has_ended(const struct json *job)
{
    return find_end(job) != NULL;
}

int jobs_exit_status(const struct json *job)
{
    const int *end = find_end(job);
    return end != NULL ? *end : 1;
}

/* ---- one line ---- */

/* Text from elsewhere, without what a terminal would obey. */
static void put_text(struct buf *out, struct view text)
{
    text = view_first(text, TEXT_MAX);
    progress_column(out, text, (unsigned)utf8_count(text));
}

static void put_progress(struct buf *out, const struct json *job)
{
    int64_t done = number(job, "processedRecordCount"), total = number(job, "totalRecordCount");
    if (total == 0)
        return;
    progress_bar(out, done, total, BAR_WIDTH);
    buf_printf(out, " %lld/%lld", (long long)done, (long long)total);
}

static void put_rate(struct buf *out, const struct json *job)
{
    if (rate_of(job) > 0)
        progress_rate(out, rate_of(job));
}

static void put_failed(struct buf *out, const struct json *job)
{
    int64_t failed = number(job, "errorRecordCount");
    if (failed > 0)
        buf_printf(out, "%lld failed", (long long)failed);
}

static void put_tokens(struct buf *out, const struct json *job)
{
    int64_t in = number(job, "inputTokenCount"), made = number(job, "outputTokenCount");
    if (in + made == 0)
        return;
    jobs_count(out, in);
    buf_append_byte(out, '+');
    jobs_count(out, made);
    buf_append_cstr(out, " tokens");
}

static void put_time_left(struct buf *out, const struct json *job)
{
    int64_t left = number(job, "totalRecordCount") - number(job, "processedRecordCount");
    if (left <= 0 || rate_of(job) <= 0 || jobs_has_ended(job))
        return;
    buf_append_cstr(out, "ends in ");
    progress_duration(out, (int64_t)((double)left / rate_of(job) * 1000));
}

static void put_message(struct buf *out, const struct json *job)
{
    put_text(out, json_get_string(job, "message"));
}

static void put_duration(struct buf *out, const struct json *job, int64_t now_ms)
{
    int64_t submitted_ms, ended_ms = now_ms;
    if (!time_of(job, "submitTime", &submitted_ms))
        return;
    time_of(job, "endTime", &ended_ms);
    buf_append_cstr(out, jobs_has_ended(job) ? "took " : "for ");
    progress_duration(out, ended_ms > submitted_ms ? ended_ms - submitted_ms : 0);
}

/* Two blanks and the part, when there is one and it fits. */
static void add_part(struct buf *out, struct buf *part, unsigned width)
{
    if (part->len > 0 && (out->len == 0 || utf8_count(buf_view(out)) + 2 + utf8_count(buf_view(part)) <= width)) {
        if (out->len > 0)
            buf_append_cstr(out, "  ");
        buf_append_view(out, buf_view(part));
    }
    buf_clear(part);
}

void jobs_line(struct buf *out, const struct json *job, int64_t now_ms, unsigned width)
{
    static void (*const parts[])(struct buf * out, const struct json *job) = {
        put_progress, put_rate, put_failed, put_tokens, put_time_left, put_message,
    };
    struct buf line = BUF_INIT(LINE_MAX_BYTES), part = BUF_INIT(LINE_MAX_BYTES);
    put_text(&line, json_get_string(job, "status"));
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        parts[i](&part, job);
        add_part(&line, &part, width);
    }
    put_duration(&part, job, now_ms);
    add_part(&line, &part, width);
    buf_append_view(out, buf_view(&line));
    buf_free(&line);
    buf_free(&part);
}

/* ---- lists and details ---- */

#define ID_WIDTH     12
#define NAME_WIDTH   28
#define STATUS_WIDTH 18
#define COUNT_WIDTH  15
#define TIME_WIDTH   20

static void put_column(struct buf *out, struct view text, unsigned width)
{
    progress_column(out, text, width);
    buf_append_cstr(out, "  ");
}

static void put_row(struct buf *out, const struct view columns[5], struct view last)
{
    static const unsigned widths[] = { ID_WIDTH, NAME_WIDTH, STATUS_WIDTH, COUNT_WIDTH, TIME_WIDTH };
    for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++)
        put_column(out, columns[i], widths[i]);
    put_text(out, last);
    buf_append_byte(out, '\n');
}

void jobs_list_head(struct buf *out)
{
    const struct view columns[5] = { VIEW_INIT("ID"), VIEW_INIT("NAME"), VIEW_INIT("STATUS"), VIEW_INIT("RECORDS"),
                                     VIEW_INIT("SUBMITTED") };
    put_row(out, columns, VIEW("MODEL"));
}

void jobs_list_row(struct buf *out, const struct json *job)
{
    struct buf records = BUF_INIT(128);
    int64_t failed = number(job, "errorRecordCount");
    jobs_count(&records, number(job, "processedRecordCount"));
    buf_append_byte(&records, '/');
    jobs_count(&records, number(job, "totalRecordCount"));
    if (failed > 0) {
        buf_append_cstr(&records, " !");
        jobs_count(&records, failed);
    }
    const struct view columns[5] = { jobs_id(job), json_get_string(job, "jobName"), json_get_string(job, "status"), buf_view(&records),
                                     view_first(json_get_string(job, "submitTime"), 19) };
    put_row(out, columns, json_get_string(job, "modelId"));
    buf_free(&records);
}

static void put_detail(struct buf *out, const char *label, struct view text)
{
    if (text.len == 0)
        return;
    buf_printf(out, "  %-12s ", label);
    put_text(out, text);
    buf_append_byte(out, '\n');
}

void jobs_details(struct buf *out, const struct json *job, int64_t now_ms)
{
    const struct json *input = json_get(json_get(job, "inputDataConfig"), "s3InputDataConfig");
    const struct json *output = json_get(json_get(job, "outputDataConfig"), "s3OutputDataConfig");
    put_text(out, json_get_string(job, "jobName"));
    buf_append_cstr(out, ": ");
    jobs_line(out, job, now_ms, LINE_MAX_BYTES);
    buf_append_cstr(out, "\n\n");
    put_detail(out, "job", json_get_string(job, "jobArn"));
    put_detail(out, "model", json_get_string(job, "modelId"));
    put_detail(out, "input", json_get_string(input, "s3Uri"));
    put_detail(out, "output", json_get_string(output, "s3Uri"));
    put_detail(out, "submitted", json_get_string(job, "submitTime"));
    put_detail(out, "started", json_get_string(job, "startTime"));
    put_detail(out, "ended", json_get_string(job, "endTime"));
    put_detail(out, "expires", jobs_has_ended(job) ? VIEW("") : json_get_string(job, "jobExpirationTime"));
}
