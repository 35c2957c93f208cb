/* engine/wire.c - frames, and the binary payloads: deltas, vectors and ends. Requests are in wire_request.c. */
#include "engine/wire.h"

#include "craton_version.h"

const char *wire_build_id(void)
{
    return CRATON_BUILD_ID;
}

/* ---- numbers and strings --------------------------------------------------------------------------------------------- */

static void put_u8(struct buf *out, unsigned number)
{
    buf_append_byte(out, (char)(unsigned char)number);
}

static void put_u32(struct buf *out, uint32_t number)
{
    unsigned char bytes[4] = { (unsigned char)number, (unsigned char)(number >> 8), (unsigned char)(number >> 16),
                               (unsigned char)(number >> 24) };
    buf_append(out, bytes, sizeof bytes);
}

static void put_i64(struct buf *out, int64_t number)
{
    put_u32(out, (uint32_t)(uint64_t)number);
    put_u32(out, (uint32_t)((uint64_t)number >> 32));
}

static void put_float(struct buf *out, float number)
{
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    put_u32(out, bits);
}

static void put_text(struct buf *out, struct view text)
{
    put_u32(out, (uint32_t)text.len);
    buf_append_view(out, text);
}

/* A payload being read. What is missing or out of range makes it malformed for good; reads then give zeros. */
struct reader {
    struct view rest;
    bool malformed;
};

static struct view take(struct reader *in, size_t len)
{
    if (in->malformed || in->rest.len < len) {
        in->malformed = true;
        return (struct view){ NULL, 0 };
    }
    struct view taken = { in->rest.ptr, len };
    in->rest = view_from(in->rest, len);
    return taken;
}

static uint32_t load_u32(const char *bytes)
{
    const unsigned char *b = (const unsigned char *)bytes;
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

/* One byte that must be below count: a type, a status. */
static unsigned get_enum(struct reader *in, unsigned count)
{
    struct view bytes = take(in, 1);
    unsigned value = bytes.len == 1 ? (unsigned char)bytes.ptr[0] : 0;
    if (value >= count) {
        in->malformed = true;
        return 0;
    }
    return value;
}

static uint32_t get_u32(struct reader *in)
{
    struct view bytes = take(in, 4);
    return bytes.len == 4 ? load_u32(bytes.ptr) : 0;
}

static int64_t get_i64(struct reader *in)
{
    uint64_t low = get_u32(in);
    uint64_t high = get_u32(in);
    return (int64_t)(high << 32 | low);
}

static int64_t get_count(struct reader *in)
{
    int64_t count = get_i64(in);
    if (count < 0)
        in->malformed = true;
    return count;
}

static float get_float(struct reader *in)
{
    uint32_t bits = get_u32(in);
    float number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

static struct view get_text(struct reader *in)
{
    return take(in, get_u32(in));
}

/* ---- frames ------------------------------------------------------------------------------------------------------------ */

enum wire_result wire_next(struct buf *in, size_t *offset, struct wire_frame *frame)
{
    struct view rest = view_from(buf_view(in), *offset);
    if (rest.len < WIRE_HEADER_SIZE)
        return WIRE_MORE;
    uint32_t len = load_u32(rest.ptr);
    unsigned type = (unsigned char)rest.ptr[4];
    if (len > WIRE_MAX_PAYLOAD || type == 0 || type >= WIRE_TYPE_COUNT)
        return WIRE_BROKEN;
    if (rest.ptr[5] != 0 || rest.ptr[6] != 0 || rest.ptr[7] != 0)
        return WIRE_BROKEN;
    if (rest.len - WIRE_HEADER_SIZE < len)
        return WIRE_MORE;
    *frame = (struct wire_frame){
        .type = (enum wire_type)type,
        .stream = load_u32(rest.ptr + 8),
        .payload = { rest.ptr + WIRE_HEADER_SIZE, len },
    };
    *offset += WIRE_HEADER_SIZE + (size_t)len;
    return WIRE_FRAME;
}

size_t wire_begin(struct buf *out, enum wire_type type, uint32_t stream)
{
    size_t begun = out->len;
    put_u32(out, 0);                                        /* the length: known at the end */
    put_u32(out, (uint32_t)type);
    put_u32(out, stream);
    return begun;
}

bool wire_end(struct buf *out, size_t begun)
{
    if (buf_failed(out))
        return false;
    size_t len = out->len - begun - WIRE_HEADER_SIZE;
    if (len > WIRE_MAX_PAYLOAD) {
        out->len = begun;
        return false;
    }
    for (unsigned i = 0; i < 4; i++)
        out->ptr[begun + i] = (char)(unsigned char)(len >> (8 * i));
    return true;
}

bool wire_append(struct buf *out, enum wire_type type, uint32_t stream, struct view payload)
{
    size_t begun = wire_begin(out, type, stream);
    buf_append_view(out, payload);
    return wire_end(out, begun);
}

bool wire_append_u32(struct buf *out, enum wire_type type, uint32_t stream, uint32_t number)
{
    size_t begun = wire_begin(out, type, stream);
    put_u32(out, number);
    return wire_end(out, begun);
}

bool wire_read_u32(struct view payload, uint32_t *number)
{
    if (payload.len != 4)
        return false;
    *number = load_u32(payload.ptr);
    return true;
}

/* ---- hello --------------------------------------------------------------------------------------------------------------- */

bool wire_append_hello(struct buf *out)
{
    size_t begun = wire_begin(out, WIRE_HELLO, 0);
    put_u32(out, WIRE_VERSION);
    put_text(out, view_from_cstr(wire_build_id()));
    return wire_end(out, begun);
}

bool wire_read_hello(struct view payload, uint32_t *version, struct view *build_id)
{
    struct reader in = { .rest = payload };
    *version = get_u32(&in);
    *build_id = get_text(&in);
    return !in.malformed && in.rest.len == 0;
}

/* ---- deltas -------------------------------------------------------------------------------------------------------------- */

static void write_probs(struct buf *out, const struct gen_delta *delta)
{
    put_u32(out, (uint32_t)delta->prob_count);
    for (size_t i = 0; i < delta->prob_count; i++) {
        put_text(out, delta->probs[i].token);
        put_float(out, delta->probs[i].logprob);
        put_float(out, delta->probs[i].runner_up);
    }
}

void wire_write_delta(struct buf *out, const struct gen_delta *delta)
{
    put_u8(out, delta->type);
    switch (delta->type) {
    case GEN_BEGIN:
        put_i64(out, delta->input_tokens);
        put_i64(out, delta->cached_tokens);
        break;
    case GEN_TEXT:
    case GEN_REASONING:
        put_text(out, delta->text);
        write_probs(out, delta);
        break;
    case GEN_TOOL_START:
        put_u32(out, delta->tool_index);
        put_text(out, delta->id);
        put_text(out, delta->name);
        break;
    case GEN_TOOL_ARGUMENTS:
        put_u32(out, delta->tool_index);
        put_text(out, delta->text);
        break;
    }
}

#define PROB_MIN_SIZE 12                                    /* an empty token and two floats */

static void read_probs(struct reader *in, struct arena *arena, struct gen_delta *delta)
{
    size_t count = get_u32(in);
    if (count == 0)
        return;
    struct token_prob *probs = NULL;
    if (count <= in->rest.len / PROB_MIN_SIZE)
        probs = ARENA_ARRAY(arena, struct token_prob, count);
    if (probs == NULL) {
        in->malformed = true;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        probs[i].token = get_text(in);
        probs[i].logprob = get_float(in);
        probs[i].runner_up = get_float(in);
    }
    delta->probs = probs;
    delta->prob_count = count;
}

bool wire_read_delta(struct arena *arena, struct view *payload, struct gen_delta *delta)
{
    struct reader in = { .rest = *payload };
    *delta = (struct gen_delta){ .type = (enum gen_delta_type)get_enum(&in, GEN_TOOL_ARGUMENTS + 1) };
    switch (delta->type) {
    case GEN_BEGIN:
        delta->input_tokens = get_count(&in);
        delta->cached_tokens = get_count(&in);
        break;
    case GEN_TEXT:
    case GEN_REASONING:
        delta->text = get_text(&in);
        read_probs(&in, arena, delta);
        break;
    case GEN_TOOL_START:
        delta->tool_index = get_u32(&in);
        delta->id = get_text(&in);
        delta->name = get_text(&in);
        break;
    case GEN_TOOL_ARGUMENTS:
        delta->tool_index = get_u32(&in);
        delta->text = get_text(&in);
        break;
    }
    *payload = in.rest;
    return !in.malformed;
}

/* ---- vectors: count, dimensions, a token count each, then the rows ------------------------------------------------- */

void wire_write_vectors(struct buf *out, const struct embed_result *result)
{
    put_u32(out, (uint32_t)result->count);
    put_u32(out, (uint32_t)result->dimensions);
    buf_append(out, result->token_counts, result->count * sizeof(int32_t));
    buf_append(out, result->vectors, result->count * result->dimensions * sizeof(float));
}

/* A copy, since the payload stands at any address. NULL when out of memory. */
static void *copy_aligned(struct arena *arena, struct view bytes)
{
    void *copy = arena_bytes(arena, bytes.len > 0 ? bytes.len : 1);
    if (copy != NULL && bytes.len > 0)
        memcpy(copy, bytes.ptr, bytes.len);
    return copy;
}

bool wire_read_vectors(struct arena *arena, struct view payload, struct embed_result *result)
{
    struct reader in = { .rest = payload };
    uint64_t count = get_u32(&in);
    uint64_t dimensions = get_u32(&in);
    /* Both are below 2^32 and bounded by the payload, so their product cannot overflow once count fits. */
    if (in.malformed || count > WIRE_MAX_PAYLOAD || dimensions > WIRE_MAX_PAYLOAD)
        return false;
    if (in.rest.len != count * sizeof(int32_t) + count * dimensions * sizeof(float))
        return false;
    const int32_t *token_counts = copy_aligned(arena, take(&in, (size_t)count * sizeof(int32_t)));
    const float *vectors = copy_aligned(arena, in.rest);
    *result = (struct embed_result){
        .vectors = vectors,
        .count = (size_t)count,
        .dimensions = (size_t)dimensions,
        .token_counts = token_counts,
    };
    return vectors != NULL && token_counts != NULL;
}

/* ---- ends ---------------------------------------------------------------------------------------------------------------- */

void wire_write_end(struct buf *out, const struct engine_end *end)
{
    put_u8(out, end->status);
    put_u8(out, end->reason);
    put_u32(out, (uint32_t)end->original_status);
    put_i64(out, end->usage.input_tokens);
    put_i64(out, end->usage.output_tokens);
    put_i64(out, end->usage.cached_tokens);
    put_i64(out, end->usage.cache_write_tokens);
    put_i64(out, end->first_token_us);
    put_i64(out, end->total_us);
    put_text(out, end->stop);
    put_text(out, view_from_cstr(end->message));
}

bool wire_read_end(struct arena *arena, struct view payload, struct engine_end *end)
{
    struct reader in = { .rest = payload };
    *end = (struct engine_end){ .status = (enum engine_status)get_enum(&in, ENGINE_THROTTLED + 1) };
    end->reason = (enum gen_reason)get_enum(&in, GEN_CONTEXT_FULL + 1);
    end->original_status = (int)(int32_t)get_u32(&in);
    end->usage.input_tokens = get_count(&in);
    end->usage.output_tokens = get_count(&in);
    end->usage.cached_tokens = get_count(&in);
    end->usage.cache_write_tokens = get_count(&in);
    end->first_token_us = get_i64(&in);
    end->total_us = get_i64(&in);
    end->stop = get_text(&in);
    struct view message = get_text(&in);
    if (in.malformed || in.rest.len != 0)
        return false;
    end->message = arena_cstr(arena, message);
    return end->message != NULL;
}
