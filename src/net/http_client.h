/* net/http_client.h - HTTP requests from the loop: for remote models and other services. (Threads that may block use http_call.h.)
 *
 * libcurl works in one thread of its own, started by the first request; what arrives is handed to the loop, where all of this is
 * called and calls back. Bytes are handed over up to a window; the taker says with http_transfer_taken() when it has room for
 * more, so a slow taker stops the sender.
 */
#ifndef CRATON_NET_HTTP_CLIENT_H
#define CRATON_NET_HTTP_CLIENT_H

#include "net/http.h"

#define HTTP_TRANSFER_WINDOW (256u * 1024)

struct http_client;
struct http_transfer;

enum http_client_error {
    HTTP_CLIENT_OK,
    HTTP_CLIENT_UNREACHABLE,                                /* no such host, nobody listens, TLS refused */
    HTTP_CLIENT_TIMEOUT,
    HTTP_CLIENT_TOO_LARGE,                                  /* more than body_limit */
    HTTP_CLIENT_BROKEN,                                     /* the answer ended early or was no HTTP; anything else */
};

struct http_client_result {
    enum http_client_error error;
    int status;                                             /* 0 when there was no answer */
    const char *message;                                    /* what went wrong, for a log; "" when OK */
};

struct http_client_handler {
    /* The answer's head. Field names are lower case. The views are valid during the call. Optional. */
    void (*on_head)(void *ctx, int status, const struct http_header *headers, size_t count);
    void (*on_body)(void *ctx, struct view bytes);
    void (*on_done)(void *ctx, const struct http_client_result *result);    /* the last call; the transfer is dead then */
};

struct http_client_request {
    const char *method, *url;                               /* everything is copied */
    const struct http_header *headers;
    size_t header_count;
    struct view body;
    uint64_t connect_timeout_ms;                            /* 0: 10 s */
    uint64_t silence_timeout_ms;                            /* no byte for so long; 0: 300 s; counted in whole seconds */
    uint64_t total_timeout_ms;                              /* 0: none */
    uint64_t body_limit;                                    /* 0: none */
};

struct http_client *http_client_create(struct loop *loop);  /* NULL when out of memory */
/* Cancels what still runs and joins the thread. Call it before loop_destroy(). NULL is fine. */
void http_client_destroy(struct http_client *client);

/* NULL when out of memory or when libcurl is not installed; then nothing is called. */
struct http_transfer *http_client_start(struct http_client *client, const struct http_client_request *request,
                                        const struct http_client_handler *handler, void *ctx);
void http_transfer_taken(struct http_transfer *transfer, size_t bytes);     /* of those given to on_body */
void http_transfer_cancel(struct http_transfer *transfer);  /* nothing is called any more; the transfer is dead. NULL is fine */

#endif
