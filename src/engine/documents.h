/* engine/documents.h - where words and sentences end, found by a craton-worker that looks at the texts of others.
 *
 * The worker (--role=documents) is started by the first text, restarted with growing pauses after crashes, and let go when nobody has
 * needed it for a while. It has one text at a time; the others wait in a bounded queue. What ends the worker ends that text alone.
 */
#ifndef CRATON_ENGINE_DOCUMENTS_H
#define CRATON_ENGINE_DOCUMENTS_H

#include "base/segments.h"
#include "engine/request.h"
#include "net/loop.h"

struct documents;

struct documents_options {
    struct loop *loop;
    const char *worker_path;                                /* the craton-worker program; copied */
    uint64_t queue_wait_ms;                                 /* before a text is given up that nobody has looked at; 0: 30 s */
    uint64_t time_limit_ms;                                 /* for one text, and for the worker's first word; 0: 10 s */
    uint64_t idle_ms;                                       /* then the worker goes; 0: 60 s */
    unsigned max_queue;                                     /* waiting texts; 0: 256 */
};

struct documents *documents_create(const struct documents_options *options);        /* NULL when out of memory */
/* On the loop, or before loop_destroy(): the worker is gone after it, calls end as cancelled, and new ones are refused. */
void documents_stop(struct documents *documents);
void documents_destroy(struct documents *documents);        /* stopped, and after loop_destroy(); NULL is fine */

/* On the loop. The text, valid UTF-8 of 1 to SEGMENTS_TEXT_MAX bytes, is borrowed until done has been called, which happens once and
 * never from inside. payload is valid during done; with ENGINE_OK it is for documents_read(). Other than ENGINE_OK returned: refused,
 * and done is not called. */
typedef void documents_done(void *ctx, enum engine_status status, const char *message, struct view payload);
enum engine_status documents_segment(struct documents *documents, struct view text, documents_done *done, void *ctx);

/* What the payload says about that text. Takes as long as the text is large: not on the loop. False: malformed, or no memory. */
bool documents_read(struct arena *arena, struct view payload, struct view text, struct text_segments *out);

/* Any thread but the loop: blocks until it is known, at most for the two waits above. out and *message live in the arena or are
 * constant. An empty text has no segments. */
enum engine_status documents_segment_wait(struct documents *documents, struct arena *arena, struct view text,
                                          struct text_segments *out, const char **message);

int documents_pid(const struct documents *documents);       /* on the loop; of the worker, 0 when there is none */

#endif
