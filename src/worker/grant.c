#include "worker/grant.h"

static void give_back(struct grant *grant, struct buf *out)
{
    wire_append(out, WIRE_DONE, 0, VIEW(""));
    grant->state = GRANT_NONE;
}

bool grant_frame(struct grant *grant, const struct wire_frame *frame, struct buf *out)
{
    uint32_t number;
    if (frame->type == WIRE_REVOKE) {
        if (grant->state == GRANT_STANDING)
            give_back(grant, out);
        return true;
    }
    if (!wire_read_u32(frame->payload, &number))
        return false;
    bool standing = (number & WIRE_GRANT_STANDING) != 0;
    if (grant->state == GRANT_HELD || grant->state == GRANT_STANDING || (grant->state == GRANT_NONE && !standing))
        return false;                                       /* nobody asked */
    grant->threads = number & ~WIRE_GRANT_STANDING;
    grant->state = standing ? GRANT_STANDING : GRANT_HELD;
    return grant->threads > 0;
}

bool grant_ready(struct grant *grant, enum priority priority, struct buf *out)
{
    if (grant->state == GRANT_NONE) {
        wire_append_u32(out, WIRE_WANT, 0, (uint32_t)priority);
        grant->state = GRANT_WANTED;
    }
    return grant->state == GRANT_HELD || grant->state == GRANT_STANDING;
}

void grant_step_done(struct grant *grant, struct buf *out)
{
    if (grant->state == GRANT_HELD)
        give_back(grant, out);
}
