#include "elastic/upstream.h"

#include "aws/sigv4.h"
#include "elastic/bedrock.h"

#include <stdio.h>

#define MEMORY_MAX   (512u << 20)
#define MESSAGE_MAX  (64u << 20)
#define AT_ONCE      8 /* messages under way */
#define HEADERS_MAX  (3 + SIGV4_SIGNED_FIELDS)
#define SIGNING_NAME "bedrock"

/* One message and its answer. */
struct part {
    struct upstream *upstream;
    struct view body;
    uint8_t digest[SHA256_SIZE]; /* of the body */
    size_t first, count;         /* texts */
    struct http_transfer *transfer;
    int status;
    struct buf answer;
    size_t held; /* bytes that came while the call was paused */
    float *rows; /* read in a pool thread, into an arena of its own */
    size_t dimensions;
    struct arena *arena;
};

struct upstream {
    struct upstream_options options;
    struct engine_sink sink;
    struct arena *arena, *scratch; /* scratch: for one frame */
    const char *path;
    struct part *parts;
    size_t part_count, next, done;
    unsigned reading; /* parts in pool threads */
    float *vectors;
    size_t dimensions;
    struct bedrock_reader reader;
    bool paused, over;
    struct engine_end end;
    struct loop_turn turn;
};

/* ---- making messages ---- */

static bool embeds(const struct upstream *upstream)
{
    return upstream->options.request->kind == MODEL_EMBED;
}

static bool write_body(struct upstream *upstream, struct part *part)
{
    const struct upstream_options *options = &upstream->options;
    struct buf body = BUF_INIT(MESSAGE_MAX);
    struct json_writer out;
    json_writer_init(&out, &body);
    if (embeds(upstream))
        bedrock_write_texts(&options->request->embed, part->first, part->count, options->provider, options->input_type, &out);
    else
        bedrock_write_converse(&options->request->generate, options->provider, &out);
    if (!json_writer_failed(&out))
        part->body = arena_copy(upstream->arena, buf_view(&body));
    buf_free(&body);
    sha256(part->body, part->digest);
    return part->body.len > 0;
}

static bool make_parts(struct upstream *upstream)
{
    size_t texts = embeds(upstream) ? upstream->options.request->embed.text_count : 1;
    size_t each = embeds(upstream) ? bedrock_texts_at_once(upstream->options.provider) : 1;
    upstream->part_count = (texts + each - 1) / each;
    upstream->parts = ARENA_ARRAY(upstream->arena, struct part, upstream->part_count);
    for (size_t i = 0; upstream->parts != NULL && i < upstream->part_count; i++) {
        struct part *part = &upstream->parts[i];
        *part = (struct part){ .upstream = upstream, .first = i * each, .count = texts - i * each < each ? texts - i * each : each };
        buf_init(&part->answer, MESSAGE_MAX);
        if (!write_body(upstream, part))
            return false;
    }
    return upstream->parts != NULL;
}

static void tell_end(void *arg)
{
    struct upstream *upstream = arg;
    const struct engine_end end = upstream->end;
    upstream->sink.on_end(upstream->sink.ctx, &end); /* may destroy it */
}

static void on_delta(void *ctx, const struct gen_delta *delta)
{
    struct upstream *upstream = ctx;
    if (!upstream->over)
        upstream->sink.on_delta(upstream->sink.ctx, delta, 1);
}

struct upstream *upstream_create(const struct upstream_options *options, const struct engine_sink *sink)
{
    struct arena *arena = arena_create(MEMORY_MAX), *scratch = arena_create(MEMORY_MAX);
    struct upstream *upstream = arena != NULL && scratch != NULL ? ARENA_NEW(arena, struct upstream) : NULL;
    if (upstream == NULL) {
        arena_destroy(arena);
        arena_destroy(scratch);
        return NULL;
    }
    upstream->options = *options;
    upstream->sink = *sink;
    upstream->arena = arena;
    upstream->scratch = scratch;
    upstream->turn = (struct loop_turn){ .fn = tell_end, .arg = upstream };
    upstream->path = bedrock_path(arena, options->model,
                                  embeds(upstream) ? BEDROCK_INVOKE : options->streaming ? BEDROCK_CONVERSE_STREAM : BEDROCK_CONVERSE);
    bedrock_reader_init(&upstream->reader, on_delta, upstream);
    if (upstream->path != NULL && make_parts(upstream))
        return upstream;
    upstream_destroy(upstream);
    return NULL;
}

void upstream_destroy(struct upstream *upstream)
{
    if (upstream == NULL)
        return;
    for (size_t i = 0; upstream->parts != NULL && i < upstream->part_count; i++) {
        buf_free(&upstream->parts[i].answer);
        arena_destroy(upstream->parts[i].arena);
    }
    arena_destroy(upstream->scratch);
    arena_destroy(upstream->arena);
}

/* ---- the end ---- */

static void settle(struct upstream *upstream)
{
    if (upstream->over && upstream->reading == 0)
        loop_turn_end(upstream->options.loop, &upstream->turn);
}

/* end may be the reader's. */
static void end_with(struct upstream *upstream, const struct engine_end *end)
{
    if (upstream->over)
        return;
    upstream->over = true;
    upstream->end = *end;
    for (size_t i = 0; i < upstream->next; i++) {
        http_transfer_cancel(upstream->parts[i].transfer);
        upstream->parts[i].transfer = NULL;
    }
    settle(upstream);
}

static void end_failed(struct upstream *upstream, enum engine_status status, int http_status, const char *message)
{
    end_with(upstream, &(struct engine_end){ .status = status, .original_status = http_status, .message = message });
}

void upstream_cancel(struct upstream *upstream)
{
    if (upstream != NULL)
        end_failed(upstream, ENGINE_CANCELLED, 0, "The call was cancelled.");
}

/* ---- vectors ---- */

static void send_next(struct upstream *upstream);

static void read_part(void *arg)
{
    struct part *part = arg;
    const struct upstream *upstream = part->upstream;
    part->arena = arena_create(MEMORY_MAX);
    if (part->arena == NULL || !bedrock_read_vectors(part->arena, buf_view(&part->answer), upstream->options.provider, part->count,
                                                     &part->rows, &part->dimensions))
        part->rows = NULL;
}

/* False: no memory, or a part has other dimensions than those before it. */
static bool keep_rows(struct upstream *upstream, const struct part *part)
{
    if (upstream->vectors == NULL) {
        upstream->dimensions = part->dimensions;
        upstream->vectors = ARENA_ARRAY(upstream->arena, float, upstream->options.request->embed.text_count * part->dimensions);
    }
    if (upstream->vectors == NULL || upstream->dimensions != part->dimensions)
        return false;
    memcpy(upstream->vectors + part->first * part->dimensions, part->rows, part->count * part->dimensions * sizeof(float));
    return true;
}

static void all_vectors(struct upstream *upstream)
{
    const struct embed_result result = {
        .vectors = upstream->vectors, .count = upstream->options.request->embed.text_count, .dimensions = upstream->dimensions
    };
    upstream->sink.on_vectors(upstream->sink.ctx, &result);
    end_with(upstream, &(struct engine_end){ .status = ENGINE_OK });
}

static void part_read(void *arg)
{
    struct part *part = arg;
    struct upstream *upstream = part->upstream;
    upstream->reading--;
    if (upstream->over) {
        settle(upstream);
        return;
    }
    if (part->rows == NULL || !keep_rows(upstream, part)) {
        end_failed(upstream, ENGINE_MODEL_ERROR, 502, "the answer holds other vectors than were asked for");
        return;
    }
    arena_destroy(part->arena);
    part->arena = NULL;
    buf_free(&part->answer);
    if (++upstream->done == upstream->part_count)
        all_vectors(upstream);
    else
        send_next(upstream);
}

static void read_vectors(struct part *part)
{
    struct upstream *upstream = part->upstream;
    upstream->reading++;
    if (loop_work(upstream->options.loop, read_part, part_read, part))
        return;
    upstream->reading--;
    end_failed(upstream, ENGINE_OVERLOADED, 0, "The server is too busy. Try your request again.");
}

/* ---- what arrives ---- */

static void on_head(void *ctx, int status, const struct http_header *headers, size_t count)
{
    struct part *part = ctx;
    (void)headers;
    (void)count;
    part->status = status;
}

static bool is_stream(const struct part *part)
{
    return part->status == 200 && part->upstream->options.streaming && !embeds(part->upstream);
}

/* False: the call has ended, or what is there can never become a frame. */
static bool read_frames(struct part *part)
{
    struct upstream *upstream = part->upstream;
    struct eventstream_frame frame;
    size_t used = 0;
    enum eventstream_result result;
    while ((result = eventstream_read(view_from(buf_view(&part->answer), used), &frame)) == EVENTSTREAM_FRAME) {
        arena_reset(upstream->scratch);
        if (!bedrock_read_event(&upstream->reader, upstream->scratch, &frame))
            end_with(upstream, &upstream->reader.end);
        if (upstream->over)
            return false;
        used += frame.size;
    }
    buf_consume(&part->answer, used);
    if (result == EVENTSTREAM_BROKEN)
        end_failed(upstream, ENGINE_MODEL_ERROR, 502, "the stream cannot be read");
    return result != EVENTSTREAM_BROKEN;
}

static void on_body(void *ctx, struct view bytes)
{
    struct part *part = ctx;
    struct upstream *upstream = part->upstream;
    if (!buf_append_view(&part->answer, bytes)) {
        end_failed(upstream, ENGINE_MODEL_ERROR, 502, "the answer is too large");
        return;
    }
    if (is_stream(part) && !read_frames(part))
        return;
    if (upstream->paused)
        part->held += bytes.len;
    else
        http_transfer_taken(part->transfer, bytes.len);
}

static void end_of_texts(struct part *part)
{
    struct upstream *upstream = part->upstream;
    if (!is_stream(part) && !bedrock_read_converse(&upstream->reader, upstream->scratch, buf_view(&part->answer)))
        end_with(upstream, &upstream->reader.end);
    else if (!upstream->reader.finished)
        end_failed(upstream, ENGINE_MODEL_ERROR, 502, "the stream ended too early");
    else
        end_with(upstream, &upstream->reader.end);
}

static void on_done(void *ctx, const struct http_client_result *result)
{
    struct part *part = ctx;
    struct upstream *upstream = part->upstream;
    struct bedrock_reader *reader = &upstream->reader;
    part->transfer = NULL;
    arena_reset(upstream->scratch);
    if (result->error != HTTP_CLIENT_OK) {
        snprintf(reader->message, sizeof(reader->message), "the server cannot be used: %s", result->message);
        end_failed(upstream, result->error == HTTP_CLIENT_TIMEOUT ? ENGINE_TIMEOUT : ENGINE_MODEL_ERROR,
                   result->error == HTTP_CLIENT_TIMEOUT ? 408 : 502, reader->message);
    } else if (result->status != 200) {
        bedrock_read_error(reader, upstream->scratch, result->status, buf_view(&part->answer));
        end_with(upstream, &reader->end);
    } else if (embeds(upstream)) {
        read_vectors(part);
    } else {
        end_of_texts(part);
    }
}

/* ---- sending ---- */

static struct view authority_of(struct view url)
{
    size_t at = view_find(url, VIEW("://"));
    return at != VIEW_NPOS ? view_from(url, at + 3) : url;
}

static size_t sign(const struct upstream *upstream, const struct part *part, struct http_header headers[HEADERS_MAX])
{
    const struct upstream_options *options = &upstream->options;
    headers[0] = (struct http_header){ VIEW("host"), authority_of(options->url) };
    headers[1] = (struct http_header){ VIEW("content-type"), VIEW("application/json") };
    const struct sigv4_message message = {
        .method = VIEW("POST"), .path = view_from_cstr(upstream->path), .authority = headers[0].value, .headers = headers, .header_count = 2
    };
    const struct sigv4_signer signer = {
        .key_id = options->keys.access_key,
        .secret = options->keys.secret_key,
        .region = options->region,
        .rules = { .service = VIEW(SIGNING_NAME), .encode_path_twice = true },
    };
    size_t added = sigv4_sign(&signer, &message, part->digest, clock_wall_ms(loop_clock(options->loop)), upstream->scratch, headers + 2);
    return added > 0 ? 2 + added : 0;
}

static bool send_part(struct part *part)
{
    static const struct http_client_handler handler = { .on_head = on_head, .on_body = on_body, .on_done = on_done };
    struct upstream *upstream = part->upstream;
    struct http_header headers[HEADERS_MAX];
    arena_reset(upstream->scratch);
    const struct http_client_request request = {
        .method = "POST",
        .url = arena_printf(upstream->scratch, VIEW_FMT "%s", VIEW_ARG(upstream->options.url), upstream->path),
        .headers = headers,
        .header_count = sign(upstream, part, headers),
        .body = part->body,
        .body_limit = embeds(upstream) ? MESSAGE_MAX : 0,
    };
    if (request.header_count > 0 && request.url != NULL)
        part->transfer = http_client_start(upstream->options.client, &request, &handler, part);
    return part->transfer != NULL;
}

static void send_next(struct upstream *upstream)
{
    if (upstream->over || upstream->next == upstream->part_count)
        return;
    if (!send_part(&upstream->parts[upstream->next++]))
        end_failed(upstream, ENGINE_OVERLOADED, 503, "the server cannot be called: out of memory, or libcurl is missing");
}

void upstream_start(struct upstream *upstream)
{
    for (size_t i = 0; i < AT_ONCE; i++)
        send_next(upstream);
}

void upstream_pause(struct upstream *upstream, bool paused)
{
    upstream->paused = paused;
    for (size_t i = 0; !paused && i < upstream->next; i++) {
        struct part *part = &upstream->parts[i];
        if (part->transfer != NULL && part->held > 0)
            http_transfer_taken(part->transfer, part->held);
        part->held = 0;
    }
}
