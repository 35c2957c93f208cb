/* cli/cli.h - the command line: one function a command, and what they share.
 *
 * Settings are taken out of the arguments first (base/config.h), so every command knows --data, --config and the rest; a command sees
 * the words that are left, itself first. Messages for people go to standard error, results to standard output.
 */
#ifndef CRATON_CLI_CLI_H
#define CRATON_CLI_CLI_H

#include "server/settings.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct cli {
    struct config *config;
    struct arena *arena;                                    /* lives as long as the command */
    struct places places;
    int argc;
    char **argv;
    const char *usage;                                      /* of the command that runs */
};

typedef int command_fn(struct cli *cli);

command_fn command_serve, command_env, command_chat, command_embed, command_models, command_keys, command_status, command_settings,
    command_ops, command_pipeline, command_bucket, command_jobs;

/* Prints to standard error and returns EXIT_FAILED or EXIT_USAGE, so that `return cli_fail(…)` reads well. */
int cli_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
int cli_usage(const struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Takes `--name VALUE` or `--name=VALUE` out of the arguments; NULL when it is not there. */
const char *cli_option(struct cli *cli, const char *name);
bool cli_flag(struct cli *cli, const char *name);           /* takes `--name` out */
/* True when every argument that still begins with '-' has been reported as unknown. */
bool cli_unknown_option(const struct cli *cli);

#endif
