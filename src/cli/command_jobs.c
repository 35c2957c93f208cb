#include "cli/client.h"
#include "cli/jobs_progress.h"

#include "base/encode.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define PATH_MAX_BYTES  8192
#define TEXT_MAX        (4u << 20)
#define LOOK_ARENA      (16u << 20)
#define PAGE            100
#define DRAW_MS         250
#define PLAIN_LOOK_MS   500
#define PLAIN_LINE_MS   5000
#define WIDTH_DEFAULT   100
#define ID_SIZE         12

/* ---- calls ---- */

static const char *take_path(struct cli *cli, struct buf *path)
{
    const char *copy = buf_failed(path) ? NULL : arena_cstr(cli->arena, buf_view(path));
    buf_free(path);
    if (copy == NULL)
        cli_fail("the words are too long");
    return copy;
}

static const char *job_path(struct cli *cli, struct view id, const char *rest)
{
    struct buf path = BUF_INIT(PATH_MAX_BYTES);
    buf_append_cstr(&path, "/model-invocation-job/");
    percent_append(&path, id, false);
    buf_append_cstr(&path, rest);
    return take_path(cli, &path);
}

static void put_query(struct buf *path, const char *name, struct view value)
{
    if (value.len == 0)
        return;
    buf_printf(path, "&%s=", name);
    percent_append(path, value, false);
}

/* The newest first. */
static const char *list_path(struct cli *cli, const char *status, const char *name, struct view token)
{
    struct buf path = BUF_INIT(PATH_MAX_BYTES);
    buf_printf(&path, "/model-invocation-jobs?maxResults=%d&sortBy=CreationTime&sortOrder=Descending", PAGE);
    put_query(&path, "statusEquals", view_from_cstr(status));
    put_query(&path, "nameContains", view_from_cstr(name));
    put_query(&path, "nextToken", token);
    return take_path(cli, &path);
}

/* NULL after a message when there is no answer, or another than 200; *answer is filled in all the same. */
static const struct json *ask(struct cli *cli, struct local *local, const char *method, const char *path, struct client_answer *answer)
{
    const struct client_call call = { .method = method, .path = path };
    if (path == NULL || !client_call(cli, local, &call, answer))
        return NULL;
    const struct json *json = json_parse(cli->arena, answer->body, JSON_DEPTH_DEFAULT, NULL);
    if (answer->status == 200 && json != NULL)
        return json;
    cli_fail(VIEW_FMT, VIEW_ARG(client_error_message(cli, answer)));
    return NULL;
}

/* ---- which job is meant ---- */

static bool looks_like_id(struct view text)
{
    if (view_starts_with(text, VIEW("arn:")))
        return true;
    size_t at = 0;
    while (at < text.len && ((text.ptr[at] >= 'a' && text.ptr[at] <= 'z') || (text.ptr[at] >= '0' && text.ptr[at] <= '9')))
        at++;
    return at == ID_SIZE && text.len == ID_SIZE;
}

/* The newest job of this name; NULL: of any. *id stays empty when there is none. False after a message. */
static bool find_newest(struct cli *cli, struct local *local, const char *name, struct view *id)
{
    struct view token = VIEW("");
    do {
        struct client_answer answer;
        const struct json *page = ask(cli, local, "GET", list_path(cli, NULL, name, token), &answer);
        if (page == NULL)
            return false;
        struct json_iter it = json_iter(json_get(page, "invocationJobSummaries"));
        while (json_next(&it)) {
            if (name == NULL || view_is(json_get_string(it.value, "jobName"), name)) {
                *id = jobs_id(it.value);
                return true;
            }
        }
        token = json_get_string(page, "nextToken");
    } while (token.len > 0);
    return true;
}

static bool find_job(struct cli *cli, struct local *local, const char *word, struct view *id)
{
    struct client_answer answer;
    struct view text = view_from_cstr(word);
    *id = VIEW("");
    if (looks_like_id(text)) {
        const char *path = job_path(cli, text, "");
        const struct client_call call = { .method = "GET", .path = path };
        if (path == NULL || !client_call(cli, local, &call, &answer))
            return false;
        if (answer.status != 404 || view_starts_with(text, VIEW("arn:"))) {
            *id = text;
            return true;
        }
    }
    if (!find_newest(cli, local, word, id))
        return false;
    if (id->len > 0)
        return true;
    if (word == NULL)
        cli_fail("there is no batch job yet");
    else
        cli_fail("there is no batch job %s: `craton jobs list` shows them", word);
    return false;
}

/* ---- list, show, stop ---- */

static void print(struct buf *text)
{
    fwrite(text->ptr, 1, text->len, stdout);
    buf_clear(text);
}

static int list_jobs(struct cli *cli, struct local *local, const char *status, bool as_json)
{
    struct buf text = BUF_INIT(TEXT_MAX);
    struct view token = VIEW("");
    const struct json *page;
    if (!as_json)
        jobs_list_head(&text);
    do {
        struct client_answer answer;
        page = ask(cli, local, "GET", list_path(cli, status, NULL, token), &answer);
        if (page == NULL)
            break;
        struct json_iter it = json_iter(json_get(page, "invocationJobSummaries"));
        while (!as_json && json_next(&it))
            jobs_list_row(&text, it.value);
        print(&text);
        if (as_json)
            printf(VIEW_FMT "\n", VIEW_ARG(answer.body));
        token = json_get_string(page, "nextToken");
    } while (token.len > 0);
    buf_free(&text);
    return page != NULL ? EXIT_DONE : EXIT_FAILED;
}

static int show_job(struct cli *cli, struct local *local, struct view id, bool as_json)
{
    struct client_answer answer;
    const struct json *job = ask(cli, local, "GET", job_path(cli, id, ""), &answer);
    if (job == NULL)
        return EXIT_FAILED;
    struct buf text = BUF_INIT(TEXT_MAX);
    if (as_json)
        buf_printf(&text, VIEW_FMT "\n", VIEW_ARG(answer.body));
    else
        jobs_details(&text, job, clock_wall_ms(clock_system()));
    print(&text);
    buf_free(&text);
    return EXIT_DONE;
}

static int stop_job(struct cli *cli, struct local *local, struct view id)
{
    struct client_answer answer;
    if (ask(cli, local, "POST", job_path(cli, id, "/stop"), &answer) == NULL)
        return EXIT_FAILED;
    fprintf(stderr, VIEW_FMT " is being stopped. What it has done stays in its output.\n", VIEW_ARG(id));
    return EXIT_DONE;
}

/* ---- watch ---- */

struct watch {
    bool terminal;
    struct buf text;
    char status[32];                                        /* plain: of the last line */
    int64_t line_ms;                                        /* plain: when it was printed */
};

static unsigned terminal_width(void)
{
    struct winsize size;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1u : WIDTH_DEFAULT;
}

static void draw(struct watch *watch, const struct json *job, int64_t now_ms)
{
    buf_append_cstr(&watch->text, "\r");
    jobs_line(&watch->text, job, now_ms, terminal_width());
    buf_append_cstr(&watch->text, jobs_has_ended(job) ? "\033[K\n" : "\033[K");
    print(&watch->text);
    fflush(stdout);
}

/* A line for each status, and now and then. */
static void tell(struct watch *watch, const struct json *job, int64_t now_ms)
{
    struct view status = json_get_string(job, "status");
    if (view_is(status, watch->status) && now_ms - watch->line_ms < PLAIN_LINE_MS)
        return;
    snprintf(watch->status, sizeof(watch->status), VIEW_FMT, VIEW_ARG(status));
    watch->line_ms = now_ms;
    jobs_line(&watch->text, job, now_ms, TEXT_MAX);
    buf_append_byte(&watch->text, '\n');
    print(&watch->text);
    fflush(stdout);
}

static void rest(int64_t ms)
{
    const struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
    nanosleep(&time, NULL);
}

/* An exit status, or -1: look again. */
static int look(struct cli *cli, struct local *local, struct view id, struct watch *watch)
{
    struct client_answer answer;
    const struct json *job = ask(cli, local, "GET", job_path(cli, id, ""), &answer);
    if (job == NULL)
        return EXIT_FAILED;
    if (watch->terminal)
        draw(watch, job, clock_wall_ms(clock_system()));
    else
        tell(watch, job, clock_wall_ms(clock_system()));
    return jobs_has_ended(job) ? jobs_exit_status(job) : -1;
}

static int watch_job(struct cli *cli, struct local *local, struct view id)
{
    struct watch watch = { .terminal = isatty(STDOUT_FILENO) != 0, .text = BUF_INIT(TEXT_MAX) };
    struct arena *keep = cli->arena, *answers = arena_create(LOOK_ARENA);
    int status = answers != NULL ? -1 : cli_fail("out of memory");
    while (status < 0) {
        cli->arena = answers;                               /* what one look needs goes before the next */
        status = look(cli, local, id, &watch);
        arena_reset(answers);
        if (status < 0)
            rest(watch.terminal ? DRAW_MS : PLAIN_LOOK_MS);
    }
    cli->arena = keep;
    arena_destroy(answers);
    buf_free(&watch.text);
    return status;
}

/* ---- the command ---- */

enum action { LIST, SHOW, WATCH, STOP, ACTIONS };

static const struct {
    const char *name;
    int least, most;                                        /* words, the command and the action included */
    const char *complaint;
} actions[ACTIONS] = {
    [LIST] = { "list", 2, 2, "list takes no words" },
    [SHOW] = { "show", 3, 3, "say which job to show" },
    [WATCH] = { "watch", 2, 3, "watch takes one job at most" },
    [STOP] = { "stop", 3, 3, "say which job to stop" },
};

static enum action find_action(const struct cli *cli)
{
    for (int i = 0; i < ACTIONS; i++) {
        if (cli->argc > 1 && strcmp(cli->argv[1], actions[i].name) == 0)
            return (enum action)i;
    }
    return ACTIONS;
}

/* Complains of words and options that do not go together. */
static bool fits(const struct cli *cli, enum action action, const char *status, bool as_json)
{
    if (action == ACTIONS)
        cli_usage(cli, "say list, show, watch or stop");
    else if (cli->argc < actions[action].least || cli->argc > actions[action].most)
        cli_usage(cli, "%s", actions[action].complaint);
    else if (status != NULL && action != LIST)
        cli_usage(cli, "--status belongs to list");
    else if (as_json && action != LIST && action != SHOW)
        cli_usage(cli, "--json belongs to list and show");
    else
        return true;
    return false;
}

static int run_action(struct cli *cli, struct local *local, enum action action, const char *status, bool as_json)
{
    struct view id;
    if (action == LIST)
        return list_jobs(cli, local, status, as_json);
    if (!find_job(cli, local, cli->argc > 2 ? cli->argv[2] : NULL, &id))
        return EXIT_FAILED;
    return action == SHOW ? show_job(cli, local, id, as_json) : action == STOP ? stop_job(cli, local, id) : watch_job(cli, local, id);
}

/* craton jobs list | show | watch | stop */
int command_jobs(struct cli *cli)
{
    const char *status = cli_option(cli, "status");
    bool as_json = cli_flag(cli, "json");
    enum action action = find_action(cli);
    struct local local;
    if (cli_unknown_option(cli) || !fits(cli, action, status, as_json))
        return EXIT_USAGE;
    if (!local_open(cli, &local))
        return EXIT_FAILED;
    int result = run_action(cli, &local, action, status, as_json);
    local_close(&local);
    return result;
}
