/* net/http_call.h - one blocking HTTP request: for the command line, pool threads and jobs, never for the loop.
 *
 * The body of the answer goes to on_body as it comes. http and https; redirects are followed only when asked for. Time-outs are for the
 * connection and for silence, so a long stream may go on as long as bytes come.
 */
#ifndef CRATON_NET_HTTP_CALL_H
#define CRATON_NET_HTTP_CALL_H

#include "net/http.h"

struct http_call {
    const char *method;                                     /* "GET", "POST" … */
    const char *url;
    const struct http_header *headers;
    size_t header_count;
    struct view body;
    int body_fd;                                            /* with body_length: the body is that much of this file, from its start */
    uint64_t body_length;
    unsigned connect_timeout_s, silence_timeout_s;          /* 0: 10 and 600 */
    bool follow_redirects;                                  /* at most five, and only to http and https */
    bool any_certificate;                                   /* do not verify the server's: for a self-signed one of our own */
    /* Optional. One header of the answer; the name is lower case. */
    void (*on_header)(void *ctx, struct view name, struct view value);
    /* Bytes of the body. status is that of the answer. False ends the call. */
    bool (*on_body)(void *ctx, int status, struct view bytes);
    void *ctx;
};

struct http_call_result {
    int status;                                             /* of the answer; 0: there was none */
    bool complete;                                          /* the whole body came */
    char error[256];                                        /* why not, when complete is false */
};

void http_call(const struct http_call *call, struct http_call_result *result);

#endif
