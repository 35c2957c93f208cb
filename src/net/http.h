/* net/http.h - one HTTP request and its answer, whatever carries it (HTTP/1.1, HTTP/2, TLS or not).
 *
 * The server parses bytes into a struct http_exchange and calls the handler, on the loop. A handler answers at any later time,
 * on the loop, in one of three ways: http_respond() with a whole body, http_respond_file() with a range of a file, or
 * http_start() + http_write()… + http_finish() for a stream. Exactly one of them ends each exchange.
 *
 * A client that closes its sending half is taken for gone, so that one that hangs up is noticed at once.
 *
 * Ownership: the exchange belongs to the server. It stays valid until on_closed() has returned, also when the client has gone;
 * calls on an exchange whose client has gone are harmless no-ops. Its arena lives as long. Views in the request point into that
 * arena.
 *
 * Limits (headers 64 KiB and 100 fields, body as given by on_headers, time-outs) are enforced here; what breaks them is answered
 * by http_error_body's callback or closes the connection, and never reaches the handler.
 */
#ifndef CRATON_NET_HTTP_H
#define CRATON_NET_HTTP_H

#include "base/arena.h"
#include "base/buf.h"
#include "net/loop.h"

struct http_header {
    struct view name;                                       /* lower case in requests; as it shall be sent in answers */
    struct view value;
};

enum http_version { HTTP_1_0, HTTP_1_1, HTTP_2 };

struct http_exchange;

struct http_request {
    struct arena *arena;
    struct view method;
    struct view target;                                     /* path and query exactly as on the wire */
    struct view path;                                       /* undecoded, up to '?' */
    struct view query;                                      /* undecoded, after '?'; empty with NULL when there is none */
    struct view authority;                                  /* Host or :authority */
    enum http_version version;
    bool tls;
    struct view peer;                                       /* "127.0.0.1:51234" */
    const struct http_header *headers;                      /* without pseudo-headers; repeated fields stay apart */
    size_t header_count;
    bool has_content_length;
    uint64_t content_length;                                /* when has_content_length */
    struct view body;                                       /* whole in memory when body_fd is -1 */
    int body_fd;                                            /* an unlinked file when the body is larger than the memory limit */
    uint64_t body_size;
    int64_t received_us;                                    /* clock_mono_us() at the first byte of the request */
};

/* What on_headers decides before a byte of the body is taken. */
struct http_admission {
    uint64_t body_limit;                                    /* bytes; more is answered 413 through on_error */
    bool refuse;                                            /* the handler answers without the body: it is dropped */
    bool outside_budget;                                    /* the caller is known: not counted in body_budget */
};

/* What the server itself refuses; the handler writes the body in the form its clients expect. */
enum http_refusal {
    HTTP_REFUSE_BAD_REQUEST,                                /* 400: malformed, smuggling forms */
    HTTP_REFUSE_HEADERS_TOO_LARGE,                          /* 431 */
    HTTP_REFUSE_BODY_TOO_LARGE,                             /* 413 */
    HTTP_REFUSE_TIMEOUT,                                    /* 408 */
    HTTP_REFUSE_OVERLOADED,                                 /* 503: connections, unverified body budget, memory */
};

#define HTTP_REFUSED_FIELDS 4

struct http_refused {
    struct buf body;                                        /* to append to */
    struct http_header headers[HTTP_REFUSED_FIELDS];        /* with the content type */
    size_t header_count;
};

struct http_handler {
    void *ctx;
    /* Headers are complete, the body is not. Optional: NULL takes the server's default limit. */
    void (*on_headers)(void *ctx, struct http_exchange *ex, struct http_admission *admission);
    /* The request is whole. */
    void (*on_request)(void *ctx, struct http_exchange *ex);
    /* A stream that http_write() had called full has drained. Optional. */
    void (*on_writable)(void *ctx, struct http_exchange *ex);
    /* The last call for this exchange: answered and sent (aborted false), or the client has gone before that (aborted true). It
     * comes exactly once for each exchange that reached on_headers or on_request. */
    void (*on_closed)(void *ctx, struct http_exchange *ex, bool aborted);
    /* The server refuses: say how. request may be partly filled, but its arena is there. Optional. */
    void (*on_error)(void *ctx, enum http_refusal refusal, const struct http_request *request, struct http_refused *out);
};

const struct http_request *http_request(const struct http_exchange *ex);
struct view http_header_get(const struct http_request *request, const char *lower_case_name); /* empty with NULL ptr when absent */
void http_set_context(struct http_exchange *ex, void *context);     /* the handler's own pointer */
void *http_context(const struct http_exchange *ex);
bool http_gone(const struct http_exchange *ex);                     /* the client has gone: stop working */
int http_status(const struct http_exchange *ex);                    /* of the answer that was begun; 0: none was */
/* Keeps the exchange, its arena and its body alive past on_closed(), for a thread that still works with them. On the loop; each
 * hold needs one http_release(). on_closed() comes when it would without a hold. */
void http_hold(struct http_exchange *ex);
void http_release(struct http_exchange *ex);

struct http_response {
    int status;
    const struct http_header *headers;                      /* content-length, date, transfer-encoding, connection are the server's */
    size_t header_count;
};

/* The body is emptied: the response owns its bytes now. A HEAD request gets the length and no body. */
void http_respond(struct http_exchange *ex, const struct http_response *response, struct buf *body_take);
/* Sends length bytes from offset of fd, and closes fd when done. */
void http_respond_file(struct http_exchange *ex, const struct http_response *response, int fd, uint64_t offset, uint64_t length);

void http_start(struct http_exchange *ex, const struct http_response *response);
/* The same for a body whose length is known: exactly that many bytes must be written. One that cannot be is for http_abort(). */
void http_start_sized(struct http_exchange *ex, const struct http_response *response, uint64_t length);
/* Queues the bytes (copied) and sends them in this turn of the loop. Returns false when more than the high-water mark is queued:
 * the bytes are taken all the same, but wait for on_writable before the next. */
bool http_write(struct http_exchange *ex, struct view bytes);
void http_finish(struct http_exchange *ex);
void http_abort(struct http_exchange *ex);                  /* a broken stream: resets it, or closes the connection unterminated */

struct http_server_options {
    const char *host;                                       /* numeric address */
    uint16_t port;                                          /* 0 picks a free one */
    const char *tls_cert;                                   /* PEM paths; NULL: cleartext */
    const char *tls_key;
    bool tls_self_signed;                                   /* makes a certificate in memory */
    uint64_t header_timeout_ms, idle_timeout_ms, body_timeout_ms;
    uint64_t body_limit;                                    /* default for on_headers */
    uint64_t body_memory;                                   /* up to here a body stays in memory (1 MiB) */
    const char *body_dir;                                   /* where larger ones get an unlinked file */
    uint64_t body_budget;                                   /* bytes of unfinished bodies over all connections */
    unsigned max_connections;
    unsigned max_streams;                                   /* concurrent HTTP/2 streams a connection */
    size_t high_water;                                      /* queued answer bytes a stream */
};

struct http_server;
void http_server_defaults(struct http_server_options *options);
/* Starts to listen. NULL with a message in error (borrowed, static or in error_buf) when it cannot. */
struct http_server *http_server_create(struct loop *loop, const struct http_server_options *options,
                                       const struct http_handler *handler, char *error, size_t error_size);
uint16_t http_server_port(const struct http_server *server);
unsigned http_server_connections(const struct http_server *server);
/* Stops accepting, lets running exchanges end (HTTP/2: GOAWAY), closes what is left after grace_ms, then calls done on the loop. */
void http_server_stop(struct http_server *server, uint64_t grace_ms, void (*done)(void *arg), void *arg);
void http_server_destroy(struct http_server *server);       /* after done */

#endif
