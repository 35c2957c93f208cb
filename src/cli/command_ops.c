#include "cli/cli.h"

#include "aws/operation.h"
#include "server/handlers.h"

#include <stdio.h>

static size_t count_served(const struct service *service)
{
    size_t served = 0;
    for (size_t i = 0; i < service->operation_count; i++)
        served += handlers_serve(&service->operations[i]);
    return served;
}

static void print_plain(const struct service *service)
{
    for (size_t i = 0; i < service->operation_count; i++) {
        const struct operation *operation = &service->operations[i];
        printf("%-22.*s %-46.*s %s\n", VIEW_ARG(service->name), VIEW_ARG(operation->name),
               handlers_serve(operation) ? "served" : "not served");
    }
}

static void print_markdown(const struct service *service)
{
    printf("\n## " VIEW_FMT "\n\n%zu of %zu operations are served.\n\n| operation | request | |\n|---|---|---|\n", VIEW_ARG(service->name),
           count_served(service), service->operation_count);
    for (size_t i = 0; i < service->operation_count; i++) {
        const struct operation *operation = &service->operations[i];
        printf("| " VIEW_FMT " | `" VIEW_FMT " " VIEW_FMT "` | %s |\n", VIEW_ARG(operation->name), VIEW_ARG(operation->method),
               VIEW_ARG(operation->uri), handlers_serve(operation) ? "served" : "501");
    }
}

/* craton ops: the operation tables, joined with the handlers that the server has. */
int command_ops(struct cli *cli)
{
    bool markdown = cli_flag(cli, "markdown");
    if (cli_unknown_option(cli))
        return EXIT_USAGE;
    if (cli->argc > 1)
        return cli_usage(cli, "ops takes no words");
    if (markdown)
        puts("# Compatibility\n\n"
             "Every operation of the Bedrock APIs and of those beside them. This page is written by `make docs` from the tables\n"
             "that the server itself runs on; `craton ops` prints the same. An operation that is not served answers 501 and says so.");
    for (size_t i = 0; i < aws_service_count; i++)
        (markdown ? print_markdown : print_plain)(aws_services[i]);
    return EXIT_DONE;
}
