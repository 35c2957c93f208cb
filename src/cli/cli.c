#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>

static void __attribute__((format(printf, 1, 0)))
complain(const char *format, va_list args)
{
    fputs("craton: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}

int cli_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    complain(format, args);
    va_end(args);
    return EXIT_FAILED;
}

int cli_usage(const struct cli *cli, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    complain(format, args);
    va_end(args);
    fprintf(stderr, "usage: craton %s\nTry `craton %s --help`.\n", cli->usage, cli->argv[0]);
    return EXIT_USAGE;
}

static void take_out(struct cli *cli, int at, int count)
{
    for (int i = at; i + count <= cli->argc; i++)
        cli->argv[i] = cli->argv[i + count];
    cli->argc -= count;
}

static bool is_option(const char *argument, const char *name, const char **value)
{
    size_t len = strlen(name);
    if (strncmp(argument, "--", 2) != 0 || strncmp(argument + 2, name, len) != 0)
        return false;
    const char *rest = argument + 2 + len;
    *value = *rest == '=' ? rest + 1 : NULL;
    return *rest == '=' || *rest == '\0';
}

const char *cli_option(struct cli *cli, const char *name)
{
    for (int i = 1; i < cli->argc; i++) {
        const char *value;
        if (!is_option(cli->argv[i], name, &value))
            continue;
        if (value == NULL && i + 1 >= cli->argc)
            return NULL;
        int words = value == NULL ? 2 : 1;
        if (value == NULL)
            value = cli->argv[i + 1];
        take_out(cli, i, words);
        return value;
    }
    return NULL;
}

bool cli_flag(struct cli *cli, const char *name)
{
    for (int i = 1; i < cli->argc; i++) {
        const char *value;
        if (is_option(cli->argv[i], name, &value) && value == NULL) {
            take_out(cli, i, 1);
            return true;
        }
    }
    return false;
}

bool cli_unknown_option(const struct cli *cli)
{
    for (int i = 1; i < cli->argc; i++) {
        if (cli->argv[i][0] == '-' && cli->argv[i][1] != '\0') {
            cli_usage(cli, "unknown option %s", cli->argv[i]);
            return true;
        }
    }
    return false;
}
