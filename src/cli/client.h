/* cli/client.h - signed calls from the command line to the server that runs on the data directory. Blocking. */
#ifndef CRATON_CLI_CLIENT_H
#define CRATON_CLI_CLIENT_H

#include "cli/local.h"

struct client_call {
    const char *method;
    const char *path;                                       /* encoded, from the first slash, with its query */
    struct view body;                                       /* empty: none */
    /* Optional: bytes of a 200 answer as they come. False ends the call. Without it the body is gathered. */
    bool (*on_bytes)(void *ctx, struct view bytes);
    void *ctx;
};

struct client_answer {
    int status;                                             /* 0: no answer; body says why */
    struct view body;                                       /* in the arena */
    struct view served_by;
};

/* Signs with local->key. False after a message when there is no server, or it does not answer. */
bool client_call(struct cli *cli, struct local *local, const struct client_call *call, struct client_answer *answer);

/* The path of a runtime operation on a model, in the arena: "/model/amazon.titan-embed-text-v2%3A0/invoke". NULL: out of memory. */
const char *client_model_path(struct cli *cli, const char *model, const char *operation);

/* The message of an error answer, or the body. */
struct view client_error_message(struct cli *cli, const struct client_answer *answer);

/* Lets a running server see at once what the command line has changed. Without a server there is nothing to do. */
void client_reload(struct cli *cli, struct local *local);

#endif
