#include "cli/local.h"

#include "base/fs.h"
#include "objects/objects.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct buckets {
    struct local local;
    struct objects *objects;
    struct view account;
};

/* Beside a server that may be running. */
static bool open_buckets(struct cli *cli, struct buckets *out)
{
    char words[256];
    struct objects_options options;
    struct config_error error;
    if (!settings_objects(cli->config, &cli->places, cli->arena, &options, &error)) {
        cli_fail("%s", error.message);
        return false;
    }
    if (!local_open(cli, &out->local))
        return false;
    options.store = out->local.store;
    out->account = options.account;
    out->objects = objects_open(&options, words, sizeof(words));
    if (out->objects == NULL) {
        cli_fail("%s", words);
        local_close(&out->local);
    }
    return out->objects != NULL;
}

static void close_buckets(struct buckets *buckets)
{
    objects_close(buckets->objects);
    local_close(&buckets->local);
}

static int list_buckets(struct cli *cli, struct buckets *buckets)
{
    static const char *const places[] = { [BUCKET_LOCAL] = "local", [BUCKET_LINKED] = "linked", [BUCKET_REMOTE] = "remote" };
    struct bucket_info *list;
    size_t count;
    enum object_status status = bucket_list(buckets->objects, cli->arena, buckets->account, &list, &count);
    if (status != OBJECT_OK)
        return cli_fail("%s", object_status_text(status));
    printf("%-40s %-7s %-12s %s\n", "NAME", "PLACE", "REGION", "WHERE");
    for (size_t i = 0; i < count; i++)
        printf("%-40.*s %-7s %-12.*s " VIEW_FMT "\n", VIEW_ARG(list[i].name), places[list[i].place], VIEW_ARG(list[i].region),
               VIEW_ARG(list[i].target));
    return EXIT_DONE;
}

static int link_bucket(struct cli *cli, struct buckets *buckets, const char *name, const char *directory)
{
    char path[PATH_MAX], words[128];
    struct view region = view_from_cstr(config_string(cli->config, CONFIG_REGION));
    if (!bucket_name_is_valid(view_from_cstr(name)))
        return cli_usage(cli, "a bucket's name has 3 to 63 lower-case letters, digits, dots and dashes");
    if (realpath(directory, path) == NULL)
        return cli_fail("%s: %s", directory, fs_error(errno, words, sizeof(words)));
    enum object_status status = bucket_link(buckets->objects, buckets->account, region, view_from_cstr(name), view_from_cstr(path));
    if (status == OBJECT_BAD_NAME)
        return cli_fail("%s: not a directory, or its path is not UTF-8", path);
    if (status == OBJECT_BUCKET_OWNED || status == OBJECT_BUCKET_TAKEN)
        return cli_fail("there is a bucket %s already: `craton bucket list` shows those there are", name);
    return status == OBJECT_OK ? EXIT_DONE : cli_fail("%s", object_status_text(status));
}

static int unlink_bucket(struct cli *cli, struct buckets *buckets, const char *name)
{
    struct bucket_info info;
    enum object_status status = bucket_get(buckets->objects, cli->arena, view_from_cstr(name), &info);
    if (status == OBJECT_NO_BUCKET)
        return cli_fail("there is no bucket %s: `craton bucket list` shows those there are", name);
    if (status == OBJECT_OK && info.place != BUCKET_LINKED)
        return cli_fail("%s is no linked directory: delete it with an S3 client, or take it out of the configuration", name);
    if (status == OBJECT_OK)
        status = bucket_delete(buckets->objects, view_from_cstr(name));
    return status == OBJECT_OK ? EXIT_DONE : cli_fail("%s", object_status_text(status));
}

/* craton bucket link | list | unlink */
int command_bucket(struct cli *cli)
{
    if (cli_unknown_option(cli))
        return EXIT_USAGE;
    const char *action = cli->argc > 1 ? cli->argv[1] : "";
    bool list = strcmp(action, "list") == 0, make = strcmp(action, "link") == 0, undo = strcmp(action, "unlink") == 0;
    if (!list && !make && !undo)
        return cli_usage(cli, "say link, list or unlink");
    if (cli->argc != (make ? 4 : undo ? 3 : 2))
        return cli_usage(cli, make ? "say the bucket's name and the directory" : undo ? "say which bucket" : "too many words");

    struct buckets buckets;
    if (!open_buckets(cli, &buckets))
        return EXIT_FAILED;
    int status = list   ? list_buckets(cli, &buckets)
                 : make ? link_bucket(cli, &buckets, cli->argv[2], cli->argv[3])
                        : unlink_bucket(cli, &buckets, cli->argv[2]);
    close_buckets(&buckets);
    return status;
}
