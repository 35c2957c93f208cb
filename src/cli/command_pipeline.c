#include "cli/client.h"
#include "cli/pipeline_status.h"

#include "base/encode.h"
#include "base/json.h"

#include <stdio.h>
#include <time.h>

#define BODY_MAX         (1u << 20)
#define DELETE_WAIT_MS   60000
#define DELETE_LOOK_MS   100

/* Calls the server. NULL after a message when it answers with another status, or not at all. */
static const struct json *ask(struct cli *cli, struct local *local, const struct client_call *call, int status, struct view *body)
{
    struct client_answer answer;
    if (!client_call(cli, local, call, &answer))
        return NULL;
    const struct json *json = json_parse(cli->arena, answer.body, JSON_DEPTH_DEFAULT, NULL);
    if (answer.status != status || json == NULL) {
        cli_fail(VIEW_FMT, VIEW_ARG(client_error_message(cli, &answer)));
        return NULL;
    }
    if (body != NULL)
        *body = answer.body;
    return json;
}

/* ---- create ---- */

struct wanted {
    const char *name, *model_id, *role_arn, *bucket;
};

static void put_given(struct json_writer *out, const char *key, const char *text)
{
    if (text != NULL)
        json_put_cstr(out, key, text);
}

static bool write_wanted(const struct wanted *wanted, struct buf *body)
{
    struct json_writer out;
    json_writer_init(&out, body);
    json_object(&out);
    put_given(&out, "name", wanted->name);
    put_given(&out, "modelId", wanted->model_id);
    put_given(&out, "roleArn", wanted->role_arn);
    put_given(&out, "bucket", wanted->bucket);
    json_end(&out);
    return !json_writer_failed(&out) && !buf_failed(body);
}

static int create_pipeline(struct cli *cli, struct local *local, const struct wanted *wanted)
{
    struct buf body = BUF_INIT(BODY_MAX);
    if (!write_wanted(wanted, &body)) {
        buf_free(&body);
        return cli_fail("the names are too long");
    }
    const struct client_call call = { .method = "POST", .path = "/_craton/pipelines", .body = buf_view(&body) };
    const struct json *pipeline = json_get(ask(cli, local, &call, 201, NULL), "pipeline");
    buf_free(&body);
    if (pipeline == NULL)
        return EXIT_FAILED;
    printf("put .jsonl files to   " VIEW_FMT "\n", VIEW_ARG(json_get_string(pipeline, "inputUri")));
    printf("results come to       " VIEW_FMT "\n", VIEW_ARG(json_get_string(pipeline, "outputUri")));
    printf("rows for DynamoDB in  " VIEW_FMT "\n", VIEW_ARG(json_get_string(pipeline, "tableName")));
    return EXIT_DONE;
}

/* ---- list ---- */

static int list_pipelines(struct cli *cli, struct local *local, bool as_json)
{
    const char *path = "/_craton/pipelines";
    if (!as_json)
        printf("%-24s %-36s %-9s %s\n", "NAME", "MODEL", "STATUS", "BUCKET");
    while (path != NULL) {
        struct view body;
        const struct client_call call = { .method = "GET", .path = path };
        const struct json *page = ask(cli, local, &call, 200, &body);
        if (page == NULL)
            return EXIT_FAILED;
        struct json_iter it = json_iter(json_get(page, "pipelineSummaries"));
        while (!as_json && json_next(&it)) {
            printf("%-24.*s %-36.*s %-9.*s " VIEW_FMT "\n", VIEW_ARG(json_get_string(it.value, "name")),
                   VIEW_ARG(json_get_string(it.value, "modelId")), VIEW_ARG(json_get_string(it.value, "status")),
                   VIEW_ARG(json_get_string(it.value, "bucket")));
        }
        if (as_json)
            printf(VIEW_FMT "\n", VIEW_ARG(body));
        path = pipeline_next_page(cli, "/_craton/pipelines?maxResults=100", page);
    }
    return EXIT_DONE;
}

/* ---- delete ---- */

static void rest(int64_t ms)
{
    struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
    nanosleep(&time, NULL);
}

/* Rows of many files go in the background. */
static int await_end(struct cli *cli, struct local *local, const char *path, const char *name)
{
    for (int64_t waited = 0; waited < DELETE_WAIT_MS; waited += DELETE_LOOK_MS) {
        struct client_answer answer;
        const struct client_call call = { .method = "GET", .path = path };
        if (!client_call(cli, local, &call, &answer))
            return EXIT_FAILED;
        if (answer.status == 404) {
            fprintf(stderr, "%s is gone with its rows. Its bucket and files stay, and so do jobs that run.\n", name);
            return EXIT_DONE;
        }
        rest(DELETE_LOOK_MS);
    }
    fprintf(stderr, "%s takes no more files; its rows are still being removed.\n", name);
    return EXIT_DONE;
}

static int delete_pipeline(struct cli *cli, struct local *local, const char *name)
{
    const char *path = pipeline_path(cli, name, "");
    const struct client_call call = { .method = "DELETE", .path = path };
    if (path == NULL || ask(cli, local, &call, 202, NULL) == NULL)
        return EXIT_FAILED;
    return await_end(cli, local, path, name);
}

/* ---- the command ---- */

enum action { CREATE, LIST, STATUS, DELETE, ACTIONS };

static const struct {
    const char *name;
    int least, most;                                        /* words, the command and the action included */
    const char *complaint;
} actions[ACTIONS] = {
    [CREATE] = { "create", 3, 3, "say the pipeline's name, and only that" },
    [LIST] = { "list", 2, 2, "list takes no words" },
    [STATUS] = { "status", 2, 3, "status takes one name at most" },
    [DELETE] = { "delete", 3, 3, "say which pipeline to delete" },
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
static bool fits(const struct cli *cli, enum action action, const struct wanted *wanted, bool watch, bool as_json)
{
    if (action == ACTIONS)
        cli_usage(cli, "say create, list, status or delete");
    else if (cli->argc < actions[action].least || cli->argc > actions[action].most)
        cli_usage(cli, "%s", actions[action].complaint);
    else if (action == CREATE && wanted->model_id == NULL)
        cli_usage(cli, "say which model runs the files: --model-id ID");
    else if (action != CREATE && (wanted->model_id != NULL || wanted->role_arn != NULL || wanted->bucket != NULL))
        cli_usage(cli, "--model-id, --role-arn and --bucket belong to create");
    else if (watch && (action != STATUS || as_json))
        cli_usage(cli, "--watch belongs to status, without --json");
    else if (as_json && action != LIST && action != STATUS)
        cli_usage(cli, "--json belongs to list and status");
    else
        return true;
    return false;
}

/* craton pipeline create | list | status | delete */
int command_pipeline(struct cli *cli)
{
    struct wanted wanted = {
        .model_id = cli_option(cli, "model-id"), .role_arn = cli_option(cli, "role-arn"), .bucket = cli_option(cli, "bucket")
    };
    bool watch = cli_flag(cli, "watch"), as_json = cli_flag(cli, "json");
    enum action action = find_action(cli);
    struct local local;
    if (cli_unknown_option(cli) || !fits(cli, action, &wanted, watch, as_json))
        return EXIT_USAGE;
    if (!local_open(cli, &local))
        return EXIT_FAILED;
    const char *name = wanted.name = cli->argc > 2 ? cli->argv[2] : NULL;
    int status = action == CREATE   ? create_pipeline(cli, &local, &wanted)
                 : action == LIST   ? list_pipelines(cli, &local, as_json)
                 : action == DELETE ? delete_pipeline(cli, &local, name)
                 : watch            ? pipeline_watch(cli, &local, name)
                                    : pipeline_show(cli, &local, name, as_json);
    local_close(&local);
    return status;
}
