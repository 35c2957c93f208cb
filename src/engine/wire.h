/* engine/wire.h - the language between craton and a craton-worker, over one Unix stream socket.
 *
 * Every message is a frame: u32 payload length, u8 type, 3 bytes zero, u32 stream, then the payload. Integers are little-endian:
 * both ends are always the same build on the same machine, which HELLO checks by the build id. Stream 0 is the worker itself;
 * other streams are calls, numbered by the server. A frame of more than WIRE_MAX_PAYLOAD, an unknown type or a malformed payload
 * is a protocol error: the reader gives up the peer.
 *
 *   server → worker                               worker → server
 *   LOAD {json}                                   HELLO {version, build id}
 *   CALL {json: struct model_request}             LOADING {json: progress} … LOADED {json: memory, context, dimensions, layout}
 *   CREDIT {u32 deltas}                           DELTAS {batch of deltas}, VECTORS {raw f32}
 *   CANCEL                                        END {status, reason, usage}
 *   GRANT {u32 threads}                           WANT {u32 priority}  DONE (a granted step has ended)
 *   SHUTDOWN                                      STATS {json}
 *
 * A worker is started as `craton-worker --role=model --socket=3`: descriptor 3 is its end of the socket. It sends HELLO at once and
 * ends when the socket does.
 *
 * Compute grants: before each decode step a worker sends WANT and waits for GRANT; after the step it sends DONE. So running ggml
 * threads never exceed the cores. A grant dies with its worker's socket. A lone worker is granted in advance: while GRANT says so
 * (WIRE_GRANT_STANDING) it need neither ask nor say DONE, until a REVOKE arrives: then it sends one DONE, as soon as no step is
 * running, and asks again for the next. A REVOKE that finds no standing grant is ignored. A worker that keeps what others wait
 * for longer than half a minute is taken for hung and killed.
 *
 * JSON of the worker's own messages (members that are absent keep the value in brackets):
 *   LOAD     {"path", "embedding" [false], "context" [0: the model's own], "threads" [1], "sequences" [16],
 *             "kv_bytes" [4 GiB: bounds sequences * context], "cache_bytes" [512 MiB of kept prefixes],
 *             "max_queue" [1024 calls], "query_prefix" [""], "document_prefix" [""]}
 *   LOADING  {"progress": 0.0 to 1.0}
 *   LOADED   {"context", "dimensions" (0 for a text model), "layout": "Q8_0", "memory_bytes", "sequences"}, or {"error": text},
 *            after which the worker ends
 *   STATS    {"running", "queued", "prompt_tokens", "cached_tokens", "output_tokens", "memory_bytes"}, counters since the start;
 *            at most one a second, and only when something changed
 * A call that finds the worker's queue full ends with ENGINE_OVERLOADED. A MODEL_COUNT call is answered by END alone, whose
 * usage.input_tokens is the count; MODEL_EMBED by VECTORS and END; MODEL_GENERATE by DELTAS and END.
 *
 * CREDIT counts deltas, not frames. A call whose credit is used up pauses after the step that did so; the others go on.
 *
 * A worker of --role=documents says HELLO too, takes no LOAD, and answers TEXT {UTF-8} with SEGMENTS {binary: struct text_segments}, or
 * with END when it could not; one text at a time, and the text is never empty. It needs no grants: it computes for milliseconds.
 *
 * Requests are JSON because templates and tools want JSON in the worker anyway; deltas and vectors are binary because they are many.
 */
#ifndef CRATON_ENGINE_WIRE_H
#define CRATON_ENGINE_WIRE_H

#include "base/segments.h"
#include "engine/request.h"

#define WIRE_VERSION       1
#define WIRE_HEADER_SIZE   12
#define WIRE_MAX_PAYLOAD   (64u << 20)
#define WIRE_FIRST_CREDIT  256                              /* deltas a call may send before the first CREDIT */

enum wire_type {
    WIRE_HELLO = 1, WIRE_LOAD, WIRE_LOADING, WIRE_LOADED, WIRE_CALL, WIRE_DELTAS, WIRE_VECTORS, WIRE_END,
    WIRE_CREDIT, WIRE_CANCEL, WIRE_WANT, WIRE_GRANT, WIRE_REVOKE, WIRE_DONE, WIRE_STATS, WIRE_SHUTDOWN,
    WIRE_TEXT, WIRE_SEGMENTS,
    WIRE_TYPE_COUNT
};

#define WIRE_GRANT_STANDING 0x80000000u                     /* or-ed into GRANT's thread count */

struct wire_frame {
    enum wire_type type;
    uint32_t stream;
    struct view payload;                                    /* into the reader's buffer, until the next call */
};

/* Reader: append received bytes to in, then take frames until WIRE_MORE. */
enum wire_result { WIRE_FRAME, WIRE_MORE, WIRE_BROKEN };
enum wire_result wire_next(struct buf *in, size_t *offset, struct wire_frame *frame);

bool wire_append(struct buf *out, enum wire_type type, uint32_t stream, struct view payload);

/* A frame whose payload is written in place: begin, append to out, end. False: out has failed, or the payload is too large and
 * has been dropped from out. */
size_t wire_begin(struct buf *out, enum wire_type type, uint32_t stream);
bool wire_end(struct buf *out, size_t begun);

/* Frames whose payload is one number: CREDIT, GRANT, WANT (the priority). */
bool wire_append_u32(struct buf *out, enum wire_type type, uint32_t stream, uint32_t number);
bool wire_read_u32(struct view payload, uint32_t *number);

bool wire_append_hello(struct buf *out);                    /* this program's version and build id */
bool wire_read_hello(struct view payload, uint32_t *version, struct view *build_id);

/* Payload codecs; readers allocate in the arena, borrow from the payload, and return false when it is malformed. */
void wire_write_request(struct buf *out, const struct model_request *request);
bool wire_read_request(struct arena *arena, struct view payload, struct model_request *request);
void wire_write_delta(struct buf *out, const struct gen_delta *delta);
bool wire_read_delta(struct arena *arena, struct view *payload, struct gen_delta *delta);   /* consumes one of the batch */
void wire_write_vectors(struct buf *out, const struct embed_result *result);
bool wire_read_vectors(struct arena *arena, struct view payload, struct embed_result *result);
void wire_write_end(struct buf *out, const struct engine_end *end);
bool wire_read_end(struct arena *arena, struct view payload, struct engine_end *end);   /* message is "" at least */

void wire_write_segments(struct buf *out, const struct text_segments *segments);
/* Also false when they cannot be those of this text. */
bool wire_read_segments(struct arena *arena, struct view payload, struct view text, struct text_segments *segments);

const char *wire_build_id(void);                            /* set at build time; equal in both programs of one build */

#endif
