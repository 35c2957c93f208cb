/* worker/grant.h - the worker's side of compute grants (engine/wire.h): asks before a step, tells when it has ended.
 *
 *             grant_ready()             GRANT                       step done
 *    NONE ──────────────► WANTED ─────────────────► HELD ──────────────────────► NONE   (sends DONE)
 *                            │    GRANT (standing)
 *                            └─────────────────► STANDING ────── REVOKE ───────► NONE   (sends DONE)
 *
 * A standing grant may also come unasked. Frames are taken between steps only, so a REVOKE never meets a running one.
 */
#ifndef CRATON_WORKER_GRANT_H
#define CRATON_WORKER_GRANT_H

#include "engine/wire.h"

enum grant_state { GRANT_NONE, GRANT_WANTED, GRANT_HELD, GRANT_STANDING };

struct grant {
    enum grant_state state;
    unsigned threads;                                       /* HELD, STANDING: how many may run */
};

/* Takes a GRANT or REVOKE. False: the frame breaks the protocol. */
bool grant_frame(struct grant *grant, const struct wire_frame *frame, struct buf *out);

/* Whether a step may run now; asks for leave when it has not been asked for. */
bool grant_ready(struct grant *grant, enum priority priority, struct buf *out);
void grant_step_done(struct grant *grant, struct buf *out);

#endif
