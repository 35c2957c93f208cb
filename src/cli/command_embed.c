#include "cli/client.h"

#include "base/json.h"

#include <stdio.h>

#define DEFAULT_MODEL "amazon.titan-embed-text-v2:0"

static int embed(struct cli *cli, struct local *local, const char *model, const char *text)
{
    struct buf body = BUF_INIT(32u << 20);
    struct json_writer json;
    json_writer_init(&json, &body);
    json_object(&json);
    json_put_cstr(&json, "inputText", text);
    json_end(&json);

    struct client_call call = { .method = "POST", .path = client_model_path(cli, model, "invoke"), .body = buf_view(&body) };
    struct client_answer answer;
    bool called = call.path != NULL && client_call(cli, local, &call, &answer);
    buf_free(&body);
    if (!called)
        return EXIT_FAILED;
    if (answer.status != 200)
        return cli_fail(VIEW_FMT, VIEW_ARG(client_error_message(cli, &answer)));

    const struct json *reply = json_parse(cli->arena, answer.body, JSON_DEPTH_DEFAULT, NULL);
    struct buf vector = BUF_INIT(32u << 20);
    json_writer_init(&json, &vector);
    json_write_value(&json, json_get(reply, "embedding"));
    bool ok = !json_writer_failed(&json);
    if (ok)
        printf(VIEW_FMT "\n", VIEW_ARG(buf_view(&vector)));
    buf_free(&vector);
    return ok ? EXIT_DONE : cli_fail("the answer holds no embedding");
}

/* craton embed TEXT */
int command_embed(struct cli *cli)
{
    const char *model = cli_option(cli, "model");
    struct local local;
    if (cli_unknown_option(cli))
        return EXIT_USAGE;
    if (cli->argc != 2)
        return cli_usage(cli, "give one text, in quotes");
    if (!local_open(cli, &local))
        return EXIT_FAILED;
    int status = embed(cli, &local, model != NULL ? model : DEFAULT_MODEL, cli->argv[1]);
    local_close(&local);
    return status;
}
