#include "cli/client.h"
#include "cli/local.h"

#include <stdio.h>

static int list_keys(struct cli *cli, struct local *local)
{
    struct iam_key *keys;
    size_t count;
    enum iam_status status = iam_key_list(&local->iam, cli->arena, &keys, &count);
    if (status != IAM_OK)
        return cli_fail("%s", iam_status_text(status));
    printf("%-22s %-7s %-21s %s\n", "ID", "TYPE", "CREATED", "NAME");
    for (size_t i = 0; i < count; i++) {
        char created[CLOCK_ISO_SIZE];
        clock_format_iso(keys[i].created_ms, false, created);
        printf("%-22.*s %-7s %-21s " VIEW_FMT "\n", VIEW_ARG(keys[i].id), keys[i].bearer ? "bearer" : "access", created,
               VIEW_ARG(keys[i].name));
    }
    return EXIT_DONE;
}

/* A name goes into an ARN and into a shell. */
static bool name_is_valid(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len <= 64 &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == len;
}

static int create_key(struct cli *cli, struct local *local, bool bearer, const char *name)
{
    if (name != NULL && !name_is_valid(name))
        return cli_usage(cli, "a name has 1 to 64 letters, digits, dots, dashes and underscores");
    struct iam_new_key wanted = { .name = view_from_cstr(name), .bearer = bearer };
    struct iam_key key;
    enum iam_status status = iam_key_create(&local->iam, cli->arena, &wanted, &key);
    if (status != IAM_OK)
        return cli_fail("%s", iam_status_text(status));
    client_reload(cli, local);
    if (bearer) {
        printf(VIEW_FMT "\n", VIEW_ARG(key.secret));
        fprintf(stderr, "Use it so:  export AWS_BEARER_TOKEN_BEDROCK=...  Revoke it by its id: " VIEW_FMT "\n", VIEW_ARG(key.id));
    } else {
        printf("export AWS_ACCESS_KEY_ID=" VIEW_FMT "\n", VIEW_ARG(key.id));
        printf("export AWS_SECRET_ACCESS_KEY=" VIEW_FMT "\n", VIEW_ARG(key.secret));
    }
    return EXIT_DONE;
}

static int revoke_key(struct cli *cli, struct local *local, const char *id)
{
    enum iam_status status = iam_key_revoke(&local->iam, cli->arena, view_from_cstr(id));
    if (status == IAM_NOT_FOUND)
        return cli_fail("there is no key %s: `craton keys list` shows those there are", id);
    if (status != IAM_OK)
        return cli_fail("%s", iam_status_text(status));
    client_reload(cli, local);
    return EXIT_DONE;
}

/* craton keys list | create | revoke */
int command_keys(struct cli *cli)
{
    bool bearer = cli_flag(cli, "bearer");
    const char *name = cli_option(cli, "name");
    if (cli_unknown_option(cli))
        return EXIT_USAGE;
    const char *action = cli->argc > 1 ? cli->argv[1] : "";
    bool list = strcmp(action, "list") == 0, make = strcmp(action, "create") == 0, revoke = strcmp(action, "revoke") == 0;
    if (!list && !make && !revoke)
        return cli_usage(cli, "say list, create or revoke");
    if (cli->argc != (revoke ? 3 : 2))
        return cli_usage(cli, revoke ? "say which key to revoke, by id or name" : "too many words");
    if ((bearer || name != NULL) && !make)
        return cli_usage(cli, "--bearer and --name belong to create");

    struct local local;
    if (!local_open(cli, &local))
        return EXIT_FAILED;
    int status = list   ? list_keys(cli, &local)
                 : make ? create_key(cli, &local, bearer, name)
                        : revoke_key(cli, &local, cli->argv[2]);
    local_close(&local);
    return status;
}
