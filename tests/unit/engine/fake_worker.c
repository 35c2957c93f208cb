/* A worker without an engine, for the supervisor's tests. It does what it is told:
 *
 *   $FAKE_HELLO     "none": says nothing; "wrong": is of another build
 *   LOAD's path     "normal", "slow MS", "fail", "crash"; a number after a comma is the memory that it claims ("normal,500")
 *   a call's text   "say TEXT", "many N" (deltas, as credit allows), "steps N" (each under a grant), "hang", "crash", "garbage",
 *                   "grow N" (takes N bytes from now on), "cancels" (answers how many calls were cancelled), "embed" requests get vectors
 *   a TEXT          "hang", "crash", "garbage", "refuse"; in any other each byte is a word, and all of it a sentence
 */
#include "engine/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SOCKET_FD 3

static struct buf in = BUF_INIT(WIRE_MAX_PAYLOAD + 65536u);
static size_t in_offset;
static unsigned cancels;
static bool standing;

static void send_all(struct buf *out)
{
    for (size_t sent = 0; sent < out->len;) {
        ssize_t n = write(SOCKET_FD, out->ptr + sent, out->len - sent);
        if (n <= 0)
            _exit(0);
        sent += (size_t)n;
    }
    buf_free(out);
}

static void send_frame(enum wire_type type, uint32_t stream, struct view payload)
{
    struct buf out = BUF_INIT(1u << 20);
    wire_append(&out, type, stream, payload);
    send_all(&out);
}

/* The next frame; the process ends with the socket. */
static struct wire_frame receive(void)
{
    struct wire_frame frame;
    while (wire_next(&in, &in_offset, &frame) != WIRE_FRAME) {
        buf_consume(&in, in_offset);
        in_offset = 0;
        char *room = buf_reserve(&in, 65536);
        ssize_t n = room != NULL ? read(SOCKET_FD, room, 65536) : 0;
        if (n <= 0)
            _exit(0);
        buf_commit(&in, (size_t)n);
    }
    if (frame.type == WIRE_SHUTDOWN)
        _exit(0);
    cancels += frame.type == WIRE_CANCEL;
    if (frame.type == WIRE_REVOKE && standing) {
        standing = false;
        send_frame(WIRE_DONE, 0, VIEW(""));
    }
    return frame;
}

static void send_delta(uint32_t stream, struct view text)
{
    struct buf out = BUF_INIT(1u << 20);
    size_t begun = wire_begin(&out, WIRE_DELTAS, stream);
    wire_write_delta(&out, &(struct gen_delta){ .type = GEN_TEXT, .text = text });
    wire_end(&out, begun);
    send_all(&out);
}

static void send_end(uint32_t stream, int64_t output_tokens)
{
    struct buf out = BUF_INIT(1u << 20);
    size_t begun = wire_begin(&out, WIRE_END, stream);
    wire_write_end(&out, &(struct engine_end){ .message = "", .usage = { .input_tokens = 3, .output_tokens = output_tokens } });
    wire_end(&out, begun);
    send_all(&out);
}

static void say_many(uint32_t stream, long count)
{
    long credit = WIRE_FIRST_CREDIT;
    for (long said = 0; said < count; said++) {
        while (credit == 0) {
            struct wire_frame frame = receive();
            uint32_t more = 0;
            if (frame.type == WIRE_CREDIT && frame.stream == stream && wire_read_u32(frame.payload, &more))
                credit += more;
            if (frame.type == WIRE_CANCEL && frame.stream == stream)
                return;
        }
        send_delta(stream, VIEW("x"));
        credit--;
    }
    send_end(stream, count);
}

static void compute(uint32_t stream, long steps)
{
    for (long step = 0; step < steps; step++) {
        if (!standing) {
            struct buf out = BUF_INIT(1024);
            wire_append_u32(&out, WIRE_WANT, 0, PRIORITY_ON_DEMAND);
            send_all(&out);
            struct wire_frame frame;
            do
                frame = receive();
            while (frame.type != WIRE_GRANT);
            uint32_t grant = 0;
            wire_read_u32(frame.payload, &grant);
            standing = (grant & WIRE_GRANT_STANDING) != 0;
        }
        usleep(1000);
        if (!standing)
            send_frame(WIRE_DONE, 0, VIEW(""));
    }
    send_end(stream, steps);
}

static void embed(uint32_t stream, const struct embed_request *request)
{
    float vectors[16] = { 0 };
    int32_t counts[8] = { 0 };
    size_t count = request->text_count < 8 ? request->text_count : 8;
    for (size_t i = 0; i < count; i++) {
        vectors[2 * i] = (float)request->texts[i].len;
        counts[i] = (int32_t)request->texts[i].len;
    }
    struct buf out = BUF_INIT(1u << 20);
    size_t begun = wire_begin(&out, WIRE_VECTORS, stream);
    wire_write_vectors(&out, &(struct embed_result){ vectors, count, 2, counts });
    wire_end(&out, begun);
    send_all(&out);
    send_end(stream, 0);
}

static long number_after(struct view text, const char *word)
{
    int64_t number = 0;
    view_to_i64(view_from(text, strlen(word)), &number);
    return (long)number;
}

static void answer(uint32_t stream, const struct model_request *request)
{
    if (request->kind == MODEL_EMBED) {
        embed(stream, &request->embed);
        return;
    }
    struct view text = request->generate.messages[0].parts[0].text;
    if (view_starts_with(text, VIEW("say "))) {
        send_delta(stream, view_from(text, 4));
        send_end(stream, 1);
    } else if (view_starts_with(text, VIEW("grow "))) {
        char stats[64];
        snprintf(stats, sizeof stats, "{\"memory_bytes\":%u}", (unsigned)number_after(text, "grow "));
        send_frame(WIRE_STATS, 0, view_from_cstr(stats));
        send_end(stream, 1);
    } else if (view_starts_with(text, VIEW("many "))) {
        say_many(stream, number_after(text, "many "));
    } else if (view_starts_with(text, VIEW("steps "))) {
        compute(stream, number_after(text, "steps "));
    } else if (view_is(text, "cancels")) {
        char count[16];
        snprintf(count, sizeof count, "%u", cancels);
        send_delta(stream, view_from_cstr(count));
        send_end(stream, 1);
    } else if (view_is(text, "crash")) {
        abort();
    } else if (view_is(text, "garbage")) {
        struct buf out = BUF_INIT(1024);
        buf_append_cstr(&out, "this is no frame at all");
        send_all(&out);
    }
}

static void segment(uint32_t stream, struct view text)
{
    static struct segment_end ends[4096];
    uint32_t sentence = (uint32_t)text.len;
    struct buf out = BUF_INIT(1u << 20);
    if (view_is(text, "hang"))
        return;
    if (view_is(text, "crash"))
        abort();
    for (size_t i = 0; i < text.len && i < 4096; i++)
        ends[i] = (struct segment_end){ (uint32_t)i + 1, true };
    size_t begun = wire_begin(&out, view_is(text, "refuse") ? WIRE_END : WIRE_SEGMENTS, view_is(text, "garbage") ? stream + 1 : stream);
    if (view_is(text, "refuse"))
        wire_write_end(&out, &(struct engine_end){ .status = ENGINE_MODEL_ERROR, .message = "no" });
    else
        wire_write_segments(&out, &(struct text_segments){ ends, text.len, &sentence, 1 });
    wire_end(&out, begun);
    send_all(&out);
}

static void load(struct view path)
{
    struct view what = view_split(&path, ',');
    int64_t memory = 1000;
    view_to_i64(path, &memory);
    if (view_is(what, "crash"))
        abort();
    if (view_is(what, "fail")) {
        send_frame(WIRE_LOADED, 0, VIEW("{\"error\":\"the file is no model\"}"));
        _exit(1);
    }
    if (view_starts_with(what, VIEW("slow ")))
        usleep((useconds_t)number_after(what, "slow ") * 1000);
    struct buf out = BUF_INIT(1024);
    buf_printf(&out, "{\"context\":2048,\"dimensions\":0,\"layout\":\"Q8_0\",\"memory_bytes\":%lld,\"sequences\":2}", (long long)memory);
    send_frame(WIRE_LOADED, 0, buf_view(&out));
    buf_free(&out);
}

static void say_hello(void)
{
    const char *how = getenv("FAKE_HELLO");
    struct buf out = BUF_INIT(1024);
    wire_append_hello(&out);
    if (how != NULL && strcmp(how, "none") == 0)
        buf_clear(&out);
    if (how != NULL && strcmp(how, "wrong") == 0)
        out.ptr[out.len - 1] ^= 1;
    send_all(&out);
}

int main(void)
{
    struct arena *arena = arena_create(64u << 20);
    fprintf(stderr, "fake worker\nof two lines\n");
    say_hello();
    for (;;) {
        arena_reset(arena);
        struct wire_frame frame = receive();
        struct model_request request;
        uint32_t stream = frame.stream;
        if (frame.type == WIRE_LOAD)
            load(json_get_string(json_parse(arena, frame.payload, 16, NULL), "path"));
        else if (frame.type == WIRE_CALL && wire_read_request(arena, arena_copy(arena, frame.payload), &request))
            answer(stream, &request);
        else if (frame.type == WIRE_TEXT)
            segment(stream, arena_copy(arena, frame.payload));
    }
}
