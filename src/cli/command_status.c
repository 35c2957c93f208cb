#include "cli/client.h"

#include "base/json.h"

#include <stdio.h>

static void print_model(const struct json *model)
{
    int64_t running = 0, queued = 0, restarts = 0, memory = 0, tokens = 0;
    json_get_i64(model, "running", &running);
    json_get_i64(model, "queued", &queued);
    json_get_i64(model, "restarts", &restarts);
    json_get_i64(model, "memoryBytes", &memory);
    json_get_i64(model, "outputTokens", &tokens);
    printf("  %-28.*s %-9.*s %-12.*s %7lld %6lld %8lld %8.1f %10lld\n", VIEW_ARG(json_get_string(model, "name")),
           VIEW_ARG(json_get_string(model, "backend")), VIEW_ARG(json_get_string(model, "state")), (long long)running, (long long)queued,
           (long long)restarts, (double)memory / (1 << 20), (long long)tokens);
}

static void print_status(const struct json *status, const char *url)
{
    int64_t uptime = 0, connections = 0;
    json_get_i64(status, "uptimeSeconds", &uptime);
    json_get_i64(status, "connections", &connections);
    printf("craton " VIEW_FMT " serves at %s for %lld s, %lld connections\n\n", VIEW_ARG(json_get_string(status, "version")), url,
           (long long)uptime, (long long)connections);
    printf("  %-28s %-9s %-12s %7s %6s %8s %8s %10s\n", "MODEL", "BACKEND", "STATE", "RUNNING", "QUEUED", "RESTARTS", "MiB", "TOKENS");
    struct json_iter it = json_iter(json_get(status, "models"));
    while (json_next(&it))
        print_model(it.value);
}

static int show_status(struct cli *cli, struct local *local, bool as_json)
{
    const char *url = local_endpoint(cli);
    struct client_call call = { .method = "GET", .path = "/_craton/status" };
    struct client_answer answer;
    if (!client_call(cli, local, &call, &answer))
        return EXIT_FAILED;
    if (answer.status != 200)
        return cli_fail(VIEW_FMT, VIEW_ARG(client_error_message(cli, &answer)));
    if (as_json)
        printf(VIEW_FMT "\n", VIEW_ARG(answer.body));
    else
        print_status(json_parse(cli->arena, answer.body, JSON_DEPTH_DEFAULT, NULL), url);
    return EXIT_DONE;
}

/* craton status: exits with 0 only when the server answers. */
int command_status(struct cli *cli)
{
    bool as_json = cli_flag(cli, "json");
    struct local local;
    if (cli_unknown_option(cli))
        return EXIT_USAGE;
    if (cli->argc > 1)
        return cli_usage(cli, "status takes no words");
    if (!local_open(cli, &local))
        return EXIT_FAILED;
    int status = show_status(cli, &local, as_json);
    local_close(&local);
    return status;
}
