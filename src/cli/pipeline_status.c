#include "cli/pipeline_status.h"

#include "base/encode.h"
#include "base/utf8.h"
#include "cli/progress.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define PATH_MAX_BYTES 8192
#define FRAME_MAX      (4u << 20)
#define ANSWERS_MAX    (64u << 20)
#define WATCH_SECONDS  1
#define FILE_WIDTH     28
#define BAR_WIDTH      16
#define SAMPLES        64

/* ---- paths ---- */

static const char *take_path(struct cli *cli, struct buf *path)
{
    const char *copy = buf_failed(path) ? NULL : arena_cstr(cli->arena, buf_view(path));
    buf_free(path);
    if (copy == NULL)
        cli_fail("the name is too long");
    return copy;
}

const char *pipeline_path(struct cli *cli, const char *name, const char *rest)
{
    struct buf path = BUF_INIT(PATH_MAX_BYTES);
    buf_append_cstr(&path, "/_craton/pipelines/");
    percent_append(&path, view_from_cstr(name), false);
    buf_append_cstr(&path, rest);
    return take_path(cli, &path);
}

const char *pipeline_next_page(struct cli *cli, const char *first, const struct json *page)
{
    struct view token = json_get_string(page, "nextToken");
    if (token.len == 0)
        return NULL;
    struct buf path = BUF_INIT(PATH_MAX_BYTES);
    buf_printf(&path, "%s&nextToken=", first);
    percent_append(&path, token, false);
    return take_path(cli, &path);
}

/* ---- rates ---- */

/* How fast a row goes: since its job began at first, and while it is watched since the last look. */
struct sample {
    char row[40];
    int64_t processed, at_ms;
    double per_second;
};

struct watching {
    struct sample samples[SAMPLES];
    size_t next;                                            /* the oldest makes room */
};

static struct sample *sample_of(struct watching *watching, struct view row)
{
    for (size_t i = 0; i < SAMPLES; i++) {
        if (view_is(row, watching->samples[i].row))
            return &watching->samples[i];
    }
    struct sample *sample = &watching->samples[watching->next++ % SAMPLES];
    *sample = (struct sample){ 0 };
    snprintf(sample->row, sizeof(sample->row), VIEW_FMT, VIEW_ARG(row));
    return sample;
}

static double speed(int64_t records, int64_t from_ms, int64_t to_ms)
{
    return to_ms > from_ms ? (double)records * 1000 / (double)(to_ms - from_ms) : 0;
}

static double rate_of(struct watching *watching, const struct json *row, int64_t processed, int64_t now_ms)
{
    struct sample *sample = sample_of(watching, json_get_string(row, "jobId"));
    int64_t started_ms = now_ms;
    if (sample->per_second <= 0) {
        clock_parse_iso(json_get_string(row, "startedAt"), &started_ms);
        sample->per_second = speed(processed, started_ms, now_ms);
    } else if (now_ms > sample->at_ms) {
        sample->per_second = 0.7 * sample->per_second + 0.3 * speed(processed - sample->processed, sample->at_ms, now_ms);
    }
    sample->processed = processed;
    sample->at_ms = now_ms;
    return sample->per_second;
}

/* ---- one row ---- */

static struct view file_of(const struct json *row)
{
    struct view uri = json_get_string(row, "inputUri");
    size_t at = view_find(uri, VIEW("/to-process/"));
    return at != VIEW_NPOS ? view_from(uri, at + strlen("/to-process/")) : uri;
}

static void draw_progress(struct buf *out, struct watching *watching, const struct json *row, int64_t now_ms)
{
    int64_t processed = 0, total = 0, failed = 0;
    json_get_i64(row, "processedRecordCount", &processed);
    json_get_i64(row, "totalRecordCount", &total);
    json_get_i64(row, "errorRecordCount", &failed);
    double rate = rate_of(watching, row, processed, now_ms);
    progress_bar(out, processed, total, BAR_WIDTH);
    buf_printf(out, " %lld/%lld", (long long)processed, (long long)total);
    if (failed > 0)
        buf_printf(out, " (%lld failed)", (long long)failed);
    buf_append_cstr(out, "  ");
    progress_rate(out, rate);
    if (rate > 0 && total > processed) {
        buf_append_cstr(out, "  ends in ");
        progress_duration(out, (int64_t)((double)(total - processed) / rate * 1000));
    }
}

static void draw_waiting(struct buf *out, const struct json *row, int64_t now_ms)
{
    int64_t next_ms;
    struct view error = json_get_string(row, "errorMessage");
    if (!clock_parse_iso(json_get_string(row, "nextAttemptAt"), &next_ms)) {
        buf_append_cstr(out, "waits for a slot");
        return;
    }
    buf_append_cstr(out, "tried again in ");
    progress_duration(out, next_ms > now_ms ? next_ms - now_ms : 0);
    buf_append_cstr(out, ": ");
    progress_column(out, error, (unsigned)(error.len < 120 ? error.len : 120));
}

static void draw_ended(struct buf *out, const struct json *row)
{
    int64_t total = 0, failed = 0;
    struct view error = json_get_string(row, "errorMessage");
    if (json_get_i64(row, "totalRecordCount", &total)) {
        buf_printf(out, "%lld records", (long long)total);
        if (json_get_i64(row, "errorRecordCount", &failed) && failed > 0)
            buf_printf(out, ", %lld failed", (long long)failed);
    }
    if (error.len > 0) {
        buf_append_cstr(out, total > 0 ? ": " : "");
        progress_column(out, error, (unsigned)(error.len < 160 ? error.len : 160));
    }
}

enum row_kind { WAITING, RUNNING, ENDED };

static void draw_row(struct buf *out, struct watching *watching, enum row_kind kind, const struct json *row, int64_t now_ms)
{
    buf_append_cstr(out, "  ");
    progress_column(out, file_of(row), FILE_WIDTH);
    buf_append_cstr(out, "  ");
    progress_column(out, json_get_string(row, "status"), 18);
    buf_append_cstr(out, "  ");
    if (kind == RUNNING)
        draw_progress(out, watching, row, now_ms);
    else if (kind == WAITING)
        draw_waiting(out, row, now_ms);
    else
        draw_ended(out, row);
    buf_append_byte(out, '\n');
}

/* ---- one pipeline ---- */

/* Which rows are shown: all that run, the next that wait, the latest that have ended. */
static const struct {
    const char *status;
    enum row_kind kind;
    int limit;
    bool latest_first;
} shown[] = {
    { "InProgress", RUNNING, 100, false },         { "Stopping", RUNNING, 100, false },
    { "Scheduled", RUNNING, 100, false },          { "Validating", RUNNING, 100, false },
    { "Submitted", RUNNING, 100, false },          { "Pending", WAITING, 5, false },
    { "Failed", ENDED, 5, true },                  { "Expired", ENDED, 5, true },
    { "Stopped", ENDED, 5, true },                 { "PartiallyCompleted", ENDED, 5, true },
    { "Completed", ENDED, 5, true },
};

static bool ask(struct cli *cli, struct local *local, const char *path, struct client_answer *answer, const struct json **json)
{
    const struct client_call call = { .method = "GET", .path = path };
    if (path == NULL || !client_call(cli, local, &call, answer))
        return false;
    *json = json_parse(cli->arena, answer->body, JSON_DEPTH_DEFAULT, NULL);
    if (answer->status == 200 && *json != NULL)
        return true;
    cli_fail(VIEW_FMT, VIEW_ARG(client_error_message(cli, answer)));
    return false;
}

static bool draw_rows(struct cli *cli, struct local *local, const char *name, size_t which, int64_t count, struct watching *watching,
                      struct buf *out)
{
    const char *rest = arena_printf(cli->arena, "/rows?maxResults=%d&sortOrder=%s&statusEquals=%s", shown[which].limit,
                                    shown[which].latest_first ? "Descending" : "Ascending", shown[which].status);
    const struct json *page;
    struct client_answer answer;
    if (rest == NULL || !ask(cli, local, pipeline_path(cli, name, rest), &answer, &page))
        return false;
    int64_t now_ms = clock_wall_ms(clock_system());
    struct json_iter it = json_iter(json_get(page, "rows"));
    while (json_next(&it))
        draw_row(out, watching, shown[which].kind, it.value, now_ms);
    if (count > shown[which].limit)
        buf_printf(out, "  and %lld more %s\n", (long long)(count - shown[which].limit), shown[which].status);
    return true;
}

static void draw_head(struct buf *out, const struct json *pipeline, const struct json *counts)
{
    struct view problem = json_get_string(pipeline, "problem");
    buf_printf(out, VIEW_FMT ": " VIEW_FMT ", " VIEW_FMT "\n ", VIEW_ARG(json_get_string(pipeline, "name")),
               VIEW_ARG(json_get_string(pipeline, "modelId")), VIEW_ARG(json_get_string(pipeline, "inputUri")));
    struct json_iter it = json_iter(counts);
    int64_t count, all = 0;
    while (json_next(&it)) {
        if (json_to_i64(it.value, &count) && count > 0) {
            buf_printf(out, " %lld " VIEW_FMT " ", (long long)count, VIEW_ARG(it.key));
            all += count;
        }
    }
    buf_append_cstr(out, all == 0 ? " no files yet\n" : "\n");
    if (problem.len > 0)
        buf_printf(out, "  its files cannot be read: " VIEW_FMT "\n", VIEW_ARG(problem));
    if (view_is(json_get_string(pipeline, "status"), "DELETING"))
        buf_append_cstr(out, "  it is being deleted\n");
    buf_append_byte(out, '\n');
}

static bool draw_pipeline(struct cli *cli, struct local *local, const char *name, struct watching *watching, struct buf *out)
{
    const struct json *answer;
    struct client_answer bytes;
    if (!ask(cli, local, pipeline_path(cli, name, ""), &bytes, &answer))
        return false;
    const struct json *counts = json_get(answer, "rowCounts");
    draw_head(out, json_get(answer, "pipeline"), counts);
    bool drawn = false;
    for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
        int64_t count = 0;
        if (!json_get_i64(counts, shown[i].status, &count) || count == 0)
            continue;
        if (!draw_rows(cli, local, name, i, count, watching, out))
            return false;
        drawn = true;
    }
    if (drawn)
        buf_append_byte(out, '\n');
    return true;
}

/* ---- all of them ---- */

static bool draw_all(struct cli *cli, struct local *local, struct watching *watching, struct buf *out)
{
    const char *first = "/_craton/pipelines?maxResults=100", *path = first;
    size_t count = 0;
    while (path != NULL) {
        const struct json *page;
        struct client_answer answer;
        if (!ask(cli, local, path, &answer, &page))
            return false;
        struct json_iter it = json_iter(json_get(page, "pipelineSummaries"));
        for (; json_next(&it); count++) {
            const char *name = arena_cstr(cli->arena, json_get_string(it.value, "name"));
            if (name == NULL || !draw_pipeline(cli, local, name, watching, out))
                return false;
        }
        path = pipeline_next_page(cli, first, page);
    }
    if (count == 0)
        buf_append_cstr(out, "There is no pipeline: `craton pipeline create NAME --model-id ID` makes one.\n");
    return true;
}

static bool draw(struct cli *cli, struct local *local, const char *name, struct watching *watching, struct buf *out)
{
    bool drawn = name != NULL ? draw_pipeline(cli, local, name, watching, out) : draw_all(cli, local, watching, out);
    return drawn && !buf_failed(out);
}

static int show_json(struct cli *cli, struct local *local, const char *name)
{
    const struct json *json;
    struct client_answer answer;
    if (!ask(cli, local, name != NULL ? pipeline_path(cli, name, "") : "/_craton/pipelines", &answer, &json))
        return EXIT_FAILED;
    printf(VIEW_FMT "\n", VIEW_ARG(answer.body));
    return EXIT_DONE;
}

int pipeline_show(struct cli *cli, struct local *local, const char *name, bool as_json)
{
    if (as_json)
        return show_json(cli, local, name);
    struct watching watching = { 0 };
    struct buf frame = BUF_INIT(FRAME_MAX);
    bool drawn = draw(cli, local, name, &watching, &frame);
    if (drawn)
        fwrite(frame.ptr, 1, frame.len, stdout);
    buf_free(&frame);
    return drawn ? EXIT_DONE : EXIT_FAILED;
}

static struct view cut(struct view line, unsigned columns)
{
    size_t len = 0;
    for (unsigned used = 0; used < columns && len < line.len; used++) {
        uint32_t code_point;
        len += utf8_decode(view_from(line, len), &code_point);
    }
    return view_first(line, len);
}

/* Each line wipes what stood behind it, and the last what stood below: no flicker. What does not fit is left out. */
static bool put_frame(struct view frame)
{
    struct winsize window = { .ws_row = 24, .ws_col = 80 };
    ioctl(STDOUT_FILENO, TIOCGWINSZ, &window);
    unsigned rows = window.ws_row > 1 ? window.ws_row : 24, columns = window.ws_col > 0 ? window.ws_col : 80;
    fputs("\033[H", stdout);
    for (unsigned i = 1; i < rows && frame.len > 0; i++) {
        struct view line = cut(view_split(&frame, '\n'), columns);
        printf(VIEW_FMT "\033[K\n", VIEW_ARG(line));
    }
    fputs("\033[J", stdout);
    return fflush(stdout) == 0;
}

int pipeline_watch(struct cli *cli, struct local *local, const char *name)
{
    struct watching watching = { 0 };
    struct buf frame = BUF_INIT(FRAME_MAX);
    struct arena *keep = cli->arena, *answers = arena_create(ANSWERS_MAX);
    bool on = answers != NULL;
    if (isatty(STDOUT_FILENO) == 0) {
        arena_destroy(answers);
        return cli_usage(cli, "--watch needs a terminal: without it the command prints once");
    }
    while (on) {
        cli->arena = answers;                               /* what one look needs goes before the next */
        buf_clear(&frame);
        on = draw(cli, local, name, &watching, &frame) && put_frame(buf_view(&frame));
        arena_reset(answers);
        struct timespec time = { .tv_sec = WATCH_SECONDS };
        nanosleep(&time, NULL);
    }
    cli->arena = keep;
    arena_destroy(answers);
    buf_free(&frame);
    return EXIT_FAILED;
}
