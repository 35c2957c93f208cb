/* cli/local.h - the data directory, opened beside a server that may be running on it. */
#ifndef CRATON_CLI_LOCAL_H
#define CRATON_CLI_LOCAL_H

#include "cli/cli.h"
#include "iam/keys.h"

struct local {
    struct store *store;
    struct seal *seal;
    struct iam_store iam;
    struct iam_key key;                                     /* the oldest access key as it was at opening: it signs our calls */
};

/* Makes the directory, and the first key, when they are not there. False after a message. */
bool local_open(struct cli *cli, struct local *out);
void local_close(struct local *local);

/* The URL of the server that runs on the data directory; NULL when none runs, whatever a dead one left behind. */
const char *local_endpoint(struct cli *cli);

#endif
