/* net/tls.h - TLS between a socket that somebody else reads and writes, and plain bytes. OpenSSL, server side, TLS 1.2 and up.
 *
 * A context holds the certificate and offers "h2" and "http/1.1" by ALPN; connections share it. One thread at a time.
 */
#ifndef CRATON_NET_TLS_H
#define CRATON_NET_TLS_H

#include "base/buf.h"

struct tls_context;
struct tls;

/* From PEM files; NULL with a message in error when they cannot be used. */
struct tls_context *tls_context_create(const char *cert_path, const char *key_path, char *error, size_t error_size);
/* With a fresh P-256 certificate for localhost, 127.0.0.1 and ::1, valid for a year. */
struct tls_context *tls_context_self_signed(char *error, size_t error_size);
void tls_context_destroy(struct tls_context *context);      /* NULL is fine */

struct tls *tls_create(struct tls_context *context);        /* NULL when out of memory */
void tls_destroy(struct tls *tls);                          /* NULL is fine */

enum tls_result {
    TLS_PLAIN,                                              /* some plain bytes; call again without new input for more */
    TLS_WAIT,                                               /* nothing until more arrives */
    TLS_CLOSED,                                             /* the peer has ended the connection properly */
    TLS_BROKEN,
};

/* Takes bytes from the socket (all of them). *plain is valid until the next call. What TLS itself has to say (handshake, alerts)
 * is appended to sealed. */
enum tls_result tls_open(struct tls *tls, struct view bytes, struct view *plain, struct buf *sealed);
bool tls_ready(const struct tls *tls);                      /* the handshake is done: plain bytes can be sealed */
bool tls_seal(struct tls *tls, struct view plain, struct buf *sealed);  /* false: broken */
void tls_end(struct tls *tls, struct buf *sealed);           /* says that nothing follows; call it before closing */
struct view tls_alpn(const struct tls *tls);                /* what was agreed on; empty when nothing */

#endif
