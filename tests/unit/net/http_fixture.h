/* http_fixture.h - a real server on a free port in a thread of its own, with a handler that does what the path says, and a
 * client of raw bytes for the test's thread.
 *
 *   /echo      answers with "METHOD TARGET|body" when the request is whole; long bodies with their size and digest
 *   /headers   answers with each header as "name=value\n"
 *   /later     as /echo, some milliseconds later
 *   /stream    writes ?n pieces of ?size bytes as fast as the reader takes them
 *   /file      answers with ?n bytes of a file whose byte i is i % 251
 *   /refuse    answers 403 from on_headers, without the body
 *   /never     does not answer
 *   /abort     begins a stream and breaks it
 *   /hold      holds the exchange in a pool thread for some milliseconds, also when the client goes
 */
#ifndef CRATON_HTTP_FIXTURE_H
#define CRATON_HTTP_FIXTURE_H

#include "net/http.h"
#include "unit.h"

#include <stdatomic.h>

struct fixture {
    struct http_server_options options;                     /* may be changed between fixture_init() and fixture_start() */
    uint16_t port;
    atomic_int headers, requests, closed, aborted, errors;  /* callbacks so far */
    atomic_int writables;
    atomic_long max_queued_calls;                           /* http_write() calls between two pauses, at most */
    struct loop *loop;
    struct http_server *server;
    char error[200];
    pthread_t thread;
    char dir[64];
};

void fixture_init(struct fixture *fixture);
void fixture_start(struct fixture *fixture);
void fixture_stop(struct fixture *fixture);                 /* gracefully, then checks that every exchange was closed */
void fixture_begin_stop(struct fixture *fixture, uint64_t grace_ms);    /* fixture_stop() then only waits */

int client_connect(const struct fixture *fixture);
void client_send(int fd, struct view bytes);
#define client_say(fd, text) client_send((fd), view_from_cstr(text))
/* Reads until the reply holds the text; the client waits five seconds at most. Without it the test fails. */
void client_expect(int fd, struct buf *reply, const char *text);
void client_read_to_end(int fd, struct buf *reply);         /* until the server closes */
void client_read_bytes(int fd, struct buf *reply, size_t len);
/* Sends one request over a new connection and reads until the server closes. */
void client_exchange(const struct fixture *fixture, const char *request, struct buf *reply);
size_t count_of(struct view text, const char *needle);
void wait_for(const atomic_int *value, int expected);       /* five seconds at most */

#endif
