/* The wire's readers: a stream of frames, and every payload of it read as what its type says. */
#include "engine/wire.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_deltas(struct arena *arena, struct view payload)
{
    struct gen_delta delta;
    while (payload.len > 0) {
        size_t before = payload.len;
        if (!wire_read_delta(arena, &payload, &delta))
            return;
        if (payload.len >= before)
            abort();                                        /* a batch must end */
    }
}

/* What was accepted must come out equal when it is written and read again. */
static void read_request(struct arena *arena, struct view payload)
{
    struct model_request request, again;
    if (!wire_read_request(arena, payload, &request))
        return;
    struct buf bytes = BUF_INIT(WIRE_MAX_PAYLOAD);
    wire_write_request(&bytes, &request);
    if (!buf_failed(&bytes) && wire_read_request(arena, buf_view(&bytes), &again) &&
        (again.kind != request.kind || again.generate.message_count != request.generate.message_count))
        abort();
    buf_free(&bytes);
}

static void read_payload(struct arena *arena, const struct wire_frame *frame)
{
    struct embed_result vectors;
    struct engine_end end;
    struct text_segments segments;
    struct view build_id;
    uint32_t number;
    switch (frame->type) {
    case WIRE_DELTAS:
        read_deltas(arena, frame->payload);
        break;
    case WIRE_CALL:
        read_request(arena, frame->payload);
        break;
    case WIRE_VECTORS:
        wire_read_vectors(arena, frame->payload, &vectors);
        break;
    case WIRE_END:
        wire_read_end(arena, frame->payload, &end);
        break;
    case WIRE_SEGMENTS:
        wire_read_segments(arena, frame->payload, VIEW("one two"), &segments);
        break;
    case WIRE_HELLO:
        wire_read_hello(frame->payload, &number, &build_id);
        break;
    default:
        wire_read_u32(frame->payload, &number);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf in = BUF_INIT(1u << 20);
    struct arena *arena = arena_create(8u << 20);
    if (arena == NULL || !buf_append(&in, data, size))
        abort();
    size_t offset = 0;
    struct wire_frame frame;
    while (wire_next(&in, &offset, &frame) == WIRE_FRAME)
        read_payload(arena, &frame);
    arena_destroy(arena);
    buf_free(&in);
    return 0;
}
