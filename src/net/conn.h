/* net/conn.h - one accepted connection: its socket, TLS, time-outs, and the choice of protocol. Internal; on the loop. */
#ifndef CRATON_NET_CONN_H
#define CRATON_NET_CONN_H

#include "net/front.h"
#include "net/tls.h"

struct conn;

/* The connections of one server. The owner checks them every so often with conns_tick(). */
struct conns {
    struct front *front;
    struct tls_context *tls;                                /* NULL: cleartext */
    struct conn *first;
    unsigned count;
    char *read_buffer;                                      /* shared: what is read is consumed at once */
    size_t read_size;
    void (*gone)(void *arg);                                /* after a connection has been freed */
    void *arg;
};

bool conn_accept(struct conns *conns, uv_stream_t *listener);
void conns_tick(struct conns *conns);                       /* time-outs */
void conns_stop(struct conns *conns);                       /* see session_ops.stop */
void conns_kill(struct conns *conns);                       /* closes all, whatever they do */

#endif
