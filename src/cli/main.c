/* craton - the server and its command line. */
#include "cli/cli.h"

#include "craton_version.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct command {
    const char *name;
    command_fn *run;
    const char *usage;                                      /* after `craton` */
    const char *summary;
    const char *details;
};

static int command_version(struct cli *cli)
{
    (void)cli;
    printf("craton %s (%s)\n", CRATON_VERSION, CRATON_BUILD_ID);
    return EXIT_DONE;
}

static const struct command commands[] = {
    { "serve", command_serve, "serve [--listen ADDR:PORT] [--data DIR] [--config FILE] [SETTING...]",
      "Serve the Bedrock APIs until SIGTERM.",
      "Without a data directory of its own it uses the models that the set-up installed. The URL is written to DIR/endpoint. With\n"
      "--listen 127.0.0.1:0 it takes a free port.\n\nSettings (each also CRATON_NAME in the environment, or a key of the file):\n" },
    { "env", command_env, "env [--data DIR]", "Print shell exports that point AWS clients here.",
      "Use it so:  eval \"$(craton env)\"\n" },
    { "chat", command_chat, "chat [--model ID] [TEXT]", "Ask a model; without TEXT, talk with it.",
      "The answer streams as it is made. Without TEXT each line is a turn of one conversation, until end of input.\n" },
    { "embed", command_embed, "embed [--model ID] TEXT", "Print the embedding of a text, as JSON.", "" },
    { "models", command_models, "models list | show NAME | add NAME PATH | pull NAME URL --sha256 SUM | remove NAME",
      "Look at, add and remove local models.",
      "PATH is a GGUF file, a folder with safetensors, or e5-small-q4.bin.\n\n"
      "  --layout auto|keep  auto (the default) stores the weights as this processor runs them fastest without visible\n"
      "                      loss; keep leaves them as they are\n"
      "  --default           offer the model as the default of its kind\n"
      "  --shared            add it where every data directory finds it, as the set-up does\n" },
    { "keys", command_keys, "keys list | create [--bearer] [--name NAME] | revoke ID|NAME", "Look at, make and revoke keys.",
      "create prints two shell exports; create --bearer prints the key alone. A key's secret is shown once.\n" },
    { "jobs", command_jobs, "jobs list [--status STATUS] | show JOB | watch [JOB] | stop JOB", "Look at, follow and stop batch jobs.",
      "JOB is an id, an ARN, or a name (of several the newest job); watch without it takes the newest job of all.\n\n"
      "  --status STATUS  only jobs that are Submitted, Validating, Scheduled, InProgress, Completed … (list)\n"
      "  --json           print what the server answered (list, show)\n\n"
      "watch draws the job on a terminal and prints lines elsewhere, until the job has ended. Its exit status says how:\n"
      "0 Completed, 1 Failed (or the server is gone), 3 PartiallyCompleted, 4 Stopped, 5 Expired.\n" },
    { "pipeline", command_pipeline,
      "pipeline create NAME --model-id ID [--role-arn ARN] [--bucket B] | list | status [NAME] [--watch] | delete NAME",
      "Run files of a bucket through batch inference.",
      "A pipeline makes a batch job of every .jsonl file that is put under to-process/ of its bucket, also of those that are there\n"
      "already, as many at once as the model has slots. Results come under processed/.\n\n"
      "  --model-id ID   the model that runs the files\n"
      "  --bucket B      the bucket; it is made when it is missing. Without it br-batch-inference-ACCOUNT-REGION\n"
      "  --role-arn ARN  the role to name in the jobs\n"
      "  --watch         draw the status every second, until Ctrl-C\n"
      "  --json          print what the server answered (list, status)\n\n"
      "delete removes the pipeline and its rows. The bucket and its files stay, and jobs that run go on: stop them with\n"
      "`craton jobs stop` where they are not wanted.\n" },
    { "bucket", command_bucket, "bucket link NAME DIR | list | unlink NAME", "Look at buckets, and serve directories as such.",
      "link serves an existing directory read-only as the bucket NAME: its files are the objects. unlink takes the name away and\n"
      "leaves the files alone. All other buckets are made and deleted by any S3 client.\n" },
    { "status", command_status, "status [--json]", "Say whether the server runs, and what its models do.", "" },
    { "settings", command_settings, "settings [--markdown]", "List every setting, its default and what it does.", "" },
    { "ops", command_ops, "ops [--markdown]", "List every operation: served or not.", "" },
    { "version", command_version, "version", "Print the version.", "" },
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static void print_help(FILE *out)
{
    fputs("craton - Amazon Bedrock from models on your own machine\n\nusage: craton COMMAND [--data DIR] [--config FILE] ...\n\n", out);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        fprintf(out, "  %-8s  %s\n", commands[i].name, commands[i].summary);
    fputs("\n`craton COMMAND --help` tells more. $CRATON_DATA is another way to name the data directory.\n", out);
}

static int print_command_help(const struct command *command)
{
    printf("%s\n\nusage: craton %s\n", command->summary, command->usage);
    if (command->details[0] != '\0')
        printf("\n%s", command->details);
    if (command->run == command_serve) {
        struct buf settings = BUF_INIT(1 << 20);
        if (config_write_help(&settings))
            fwrite(settings.ptr, 1, settings.len, stdout);
        buf_free(&settings);
    }
    return EXIT_DONE;
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(name, commands[i].name) == 0)
            return &commands[i];
    }
    return NULL;
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0)
            return false;
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    }
    return false;
}

#define ARENA_CAP (256u << 20)

static int run(const struct command *command, int argc, char **argv)
{
    struct config_error error;
    struct cli cli = { .config = config_create(), .arena = arena_create(ARENA_CAP), .usage = command->usage };
    int status = EXIT_FAILED;
    if (cli.config == NULL || cli.arena == NULL) {
        cli_fail("out of memory");
    } else if (!config_load(cli.config, &argc, argv, environ, &error)) {
        cli_fail("%s", error.message);
        status = EXIT_USAGE;
    } else if (!places_find(cli.config, cli.arena, &cli.places, &error)) {
        cli_fail("%s", error.message);
    } else {
        cli.argc = argc;
        cli.argv = argv;
        status = command->run(&cli);
    }
    arena_destroy(cli.arena);
    config_destroy(cli.config);
    return status;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(stdout);
        return EXIT_DONE;
    }
    const struct command *command = find_command(strcmp(argv[1], "--version") == 0 ? "version" : argv[1]);
    if (command == NULL) {
        fprintf(stderr, "craton: there is no command %s\nTry `craton --help`.\n", argv[1]);
        return EXIT_USAGE;
    }
    if (asks_for_help(argc - 1, argv + 1))
        return print_command_help(command);
    int status = run(command, argc - 1, argv + 1);
    if (fflush(stdout) != 0 && status == EXIT_DONE)
        status = cli_fail("could not write to standard output");
    return status;
}
