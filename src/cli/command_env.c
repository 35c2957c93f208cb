#include "cli/local.h"

#include <stdio.h>

/* Before the server has run, the URL is the one that it would have. */
static const char *endpoint_or_default(struct cli *cli)
{
    const char *endpoint = local_endpoint(cli);
    bool tls = strcmp(config_string(cli->config, CONFIG_TLS), "off") != 0 || config_is_set(cli->config, CONFIG_TLS_CERT);
    return endpoint != NULL ? endpoint
                            : arena_printf(cli->arena, "%s://%s", tls ? "https" : "http", config_string(cli->config, CONFIG_LISTEN));
}

/* craton env: what an AWS client reads from its environment. */
int command_env(struct cli *cli)
{
    struct local local;
    if (cli_unknown_option(cli))
        return EXIT_USAGE;
    if (cli->argc > 1)
        return cli_usage(cli, "env takes no words");
    if (!local_open(cli, &local))
        return EXIT_FAILED;
    const char *region = config_string(cli->config, CONFIG_REGION);
    printf("export AWS_ENDPOINT_URL=%s\n", endpoint_or_default(cli));
    printf("export AWS_ACCESS_KEY_ID=" VIEW_FMT "\n", VIEW_ARG(local.key.id));
    printf("export AWS_SECRET_ACCESS_KEY=" VIEW_FMT "\n", VIEW_ARG(local.key.secret));
    printf("export AWS_REGION=%s\n", region);
    printf("export AWS_DEFAULT_REGION=%s\n", region);
    local_close(&local);
    return EXIT_DONE;
}
