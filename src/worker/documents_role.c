#include "worker/documents_role.h"

#include "base/utf8.h"
#include "worker/channel.h"
#include "worker/documents_segment.h"
#include "worker/sandbox.h"

#include <stdio.h>
#include <sys/resource.h>

#define MEMORY_MAX ((rlim_t)1 << 30)                        /* address space, the program and ICU's data included */
#define ARENA_MAX  ((size_t)128 << 20)

enum verdict { GO_ON, STOP, BROKEN };

struct role {
    struct channel *channel;
    struct segmenter *segmenter;
};

static void write_failure(struct role *role, uint32_t stream, const char *message)
{
    struct buf *out = channel_out(role->channel);
    size_t begun = wire_begin(out, WIRE_END, stream);
    wire_write_end(out, &(struct engine_end){ .status = ENGINE_MODEL_ERROR, .message = message });
    wire_end(out, begun);
}

/* False: the peer does not keep to the protocol. */
static bool take_text(struct role *role, const struct wire_frame *frame)
{
    struct view text = frame->payload;
    if (text.len == 0 || text.len > SEGMENTS_TEXT_MAX || !utf8_valid(text))
        return false;
    struct arena *arena = arena_create(ARENA_MAX);
    struct text_segments segments;
    if (arena == NULL || !segmenter_find(role->segmenter, arena, text, &segments)) {
        write_failure(role, frame->stream, "Out of memory for the words of this text.");
    } else {
        struct buf *out = channel_out(role->channel);
        size_t begun = wire_begin(out, WIRE_SEGMENTS, frame->stream);
        wire_write_segments(out, &segments);
        wire_end(out, begun);
    }
    arena_destroy(arena);
    return true;
}

static enum verdict take_frames(struct role *role)
{
    for (;;) {
        struct wire_frame frame;
        enum wire_result result = channel_next(role->channel, &frame);
        if (result == WIRE_MORE)
            return channel_flush(role->channel) ? GO_ON : STOP;
        if (result == WIRE_BROKEN || frame.type == WIRE_SHUTDOWN)
            return STOP;
        if (frame.type != WIRE_TEXT || !take_text(role, &frame))
            return BROKEN;
    }
}

static bool seal(void)
{
    struct rlimit memory;
    if (getrlimit(RLIMIT_AS, &memory) != 0)
        return false;
    if (memory.rlim_max > MEMORY_MAX)
        memory.rlim_max = MEMORY_MAX;
    memory.rlim_cur = memory.rlim_max;
    return setrlimit(RLIMIT_AS, &memory) == 0 && sandbox_seal(SANDBOX_COMPUTE);
}

int documents_role(int fd)
{
    struct role role = { .channel = channel_create(fd) };
    if (role.channel == NULL)
        return 1;
    role.segmenter = segmenter_create();
    bool ready = role.segmenter != NULL && (!SANDBOX_FITS || seal());
    if (!ready)
        fputs("craton-worker: the documents role could not be set up\n", stderr);
    ready = ready && wire_append_hello(channel_out(role.channel)) && channel_flush(role.channel);
    enum verdict verdict = ready ? GO_ON : BROKEN;
    while (verdict == GO_ON) {
        verdict = take_frames(&role);
        if (verdict == GO_ON && !channel_wait(role.channel, -1, -1))
            verdict = BROKEN;
    }
    segmenter_destroy(role.segmenter);
    channel_destroy(role.channel);
    return verdict == STOP ? 0 : 1;
}
