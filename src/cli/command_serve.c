#include "cli/cli.h"

#include "server/server.h"

/* Maps and lists stand in the configuration file only. */
static int refuse_file(const struct cli *cli, const struct config_error *error)
{
    cli_fail("%s: %s", config_string(cli->config, CONFIG_CONFIG), error->message);
    return EXIT_USAGE;
}

/* craton serve */
int command_serve(struct cli *cli)
{
    struct http_server_options http;
    struct models_options models;
    struct config_error error;
    if (cli_unknown_option(cli))
        return EXIT_USAGE;
    if (cli->argc > 1)
        return cli_usage(cli, "serve takes settings, no words: %s", cli->argv[1]);
    if (!settings_http(cli->config, &cli->places, cli->arena, &http, &error))
        return cli_usage(cli, "%s", error.message);
    if (!settings_models(cli->config, &cli->places, cli->arena, &models, &error) ||
        !engine_check_rules(config_tree(cli->config, CONFIG_SCRIPTED_RULES), &error))
        return refuse_file(cli, &error);
    return server_run(cli->config, &cli->places);
}
