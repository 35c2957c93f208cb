/* s3/stream.c - answers from where there is no file to send: an object of a remote bucket, read in the pool piece by piece and sent as
 * the client takes it.
 *
 *   the first piece by the handler ──► start ──► write (loop) ──► read (pool) ──► write … ──► finish
 *                                                  │ the client is slow ▲
 *                                                  └──── writable ──────┘
 */
#include "s3/call.h"

#define STREAM_PIECE (256u << 10)

static void read_next(struct s3_call *call);

enum object_status s3_stream_read(struct s3_call *call)
{
    size_t want = call->length < STREAM_PIECE ? (size_t)call->length : STREAM_PIECE;
    size_t got = 0;
    if (call->piece == NULL && (call->piece = arena_bytes(call->arena, STREAM_PIECE)) == NULL)
        return OBJECT_NO_MEMORY;
    enum object_status status = object_read_at(call->reader, call->offset, call->piece, want, &got);
    if (status == OBJECT_OK && got < want)
        status = OBJECT_UNREACHABLE;
    call->piece_len = status == OBJECT_OK ? got : 0;
    return status;
}

static void write_piece(struct s3_call *call)
{
    bool room = http_write(call->ex, view_of(call->piece, call->piece_len));
    call->offset += call->piece_len;
    call->length -= call->piece_len;
    if (call->length == 0)
        http_finish(call->ex);
    else if (room)
        read_next(call);
}

static void read_piece(void *arg)
{
    (void)s3_stream_read(arg);                              /* piece_len says whether it worked */
}

static void piece_read(void *arg)
{
    struct s3_call *call = arg;
    call->working = false;
    if (!call->closed && call->piece_len == 0)
        http_abort(call->ex);                               /* the client must not take it for whole */
    else if (!call->closed)
        write_piece(call);
    s3_call_left(call);
}

static void read_next(struct s3_call *call)
{
    s3_call_enter(call);
    if (loop_work(call->s3->options.loop, read_piece, piece_read, call))
        return;
    call->working = false;
    http_abort(call->ex);
    s3_call_left(call);
}

void s3_stream_start(struct s3_call *call, const struct http_response *response)
{
    call->streaming = true;
    http_start_sized(call->ex, response, call->length);
    write_piece(call);
}

void s3_on_writable(struct s3 *s3, struct http_exchange *ex)
{
    struct s3_call *call = http_context(ex);
    (void)s3;
    if (call != NULL && call->streaming && !call->working && call->length > 0)
        read_next(call);
}

static void end_reader(void *arg)
{
    object_read_end(arg);
}

void s3_stream_end(struct s3_call *call)
{
    struct object_reader *reader = call->reader;
    call->reader = NULL;
    if (reader != NULL && !loop_work(call->s3->options.loop, end_reader, NULL, reader))
        object_read_end(reader);
}
