#include "cli/cli.h"

#include <stdio.h>

/* craton settings: the table of settings; with --markdown as docs/configuration.md has it. */
int command_settings(struct cli *cli)
{
    bool markdown = cli_flag(cli, "markdown");
    if (cli_unknown_option(cli))
        return EXIT_USAGE;
    if (cli->argc > 1)
        return cli_usage(cli, "settings takes no words");
    struct buf table = BUF_INIT(1 << 20);
    bool ok = markdown ? config_write_markdown(&table) : config_write_help(&table);
    if (ok)
        fwrite(table.ptr, 1, table.len, stdout);
    buf_free(&table);
    return ok ? EXIT_DONE : cli_fail("out of memory");
}
