/* tests: the server's side of one craton-worker, over a socketpair, in one thread. Used by the unit tests and by tests/bench. */
#ifndef CRATON_TESTS_WORKER_CLIENT_H
#define CRATON_TESTS_WORKER_CLIENT_H

#include "engine/wire.h"

#include <sys/types.h>

#define CLIENT_MAX_STREAMS 64
#define CLIENT_MAX_PROBS   1024

struct client_call {                                        /* what a stream has brought so far */
    struct buf text;                                        /* of text deltas */
    struct buf arguments;                                   /* of tool argument deltas */
    char tool[64];
    int64_t input_tokens, cached_tokens;                    /* of GEN_BEGIN */
    float logprobs[CLIENT_MAX_PROBS], runners_up[CLIENT_MAX_PROBS];
    size_t token_ends[CLIENT_MAX_PROBS];                    /* bytes of all tokens up to and including this one */
    size_t prob_count, token_bytes;
    unsigned deltas;
    bool ended;
    struct engine_end end;
    char message[512], stop[128];
    float *vectors;
    int32_t *token_counts;
    size_t count, dimensions;
    int64_t first_us, last_us;                              /* when deltas came, by the client's clock */
};

struct client {
    pid_t pid;
    int fd;
    struct buf in, out;
    size_t taken;
    struct arena *arena;                                    /* of the frame at hand */
    struct client_call calls[CLIENT_MAX_STREAMS];           /* by stream number */
    int64_t context, dimensions, sequences;                 /* of LOADED */
    char layout[64], error[512];
    unsigned wants, dones;                                  /* WANT and DONE frames seen */
    bool grants_by_step;                                    /* answer each WANT instead of standing */
    unsigned threads;
};

/* Starts program. False: it could not be started. */
bool client_start(struct client *client, const char *program);
bool client_start_as(struct client *client, const char *program, const char *role);  /* role: "--role=model" */
/* Sends LOAD with this JSON, waits for LOADED, and gives a standing grant unless grants_by_step. False: error says why. */
bool client_load(struct client *client, const char *json, unsigned threads);
/* Closes the socket and waits for the process; its exit status, or -1 when it was killed. */
int client_stop(struct client *client);

void client_call(struct client *client, uint32_t stream, const struct model_request *request);
void client_send(struct client *client, enum wire_type type, uint32_t stream, struct view payload);
void client_send_u32(struct client *client, enum wire_type type, uint32_t stream, uint32_t number);

/* Takes what has come, waiting at most timeout_ms for the first frame. False: the worker is gone. */
bool client_pump(struct client *client, int timeout_ms);
/* Pumps until these streams have ended; false after timeout_ms or when the worker is gone. */
bool client_wait(struct client *client, uint32_t first, uint32_t last, int timeout_ms);
void client_forget(struct client *client, uint32_t stream); /* the stream's number can be used again */

/* A request for generation, with everything at its default and greedy sampling. */
struct model_request client_generate(const struct chat_message *messages, size_t count, int64_t max_tokens);

int64_t client_now_us(void);

#endif
