/* dialogue.h - what the tests of families share: one native body in, one answer or one stream out. */
#ifndef CRATON_TEST_DIALOGUE_H
#define CRATON_TEST_DIALOGUE_H

#include "unit.h"

#include "families/families.h"

struct dialogue {
    const struct family *family;
    struct arena *arena;
    struct family_model model;
    struct buf error, out;
    struct family_input in;
    struct model_request request;
    struct family_stream stream;
    struct engine_end end;
    size_t chunks;
};

/* Every test of a file begins with a fresh dialogue with this family under this id. */
#define DIALOGUE_FIXTURE(family, id)                \
    static int set_up(void **state)                 \
    {                                               \
        static struct dialogue d;                   \
        dialogue_begin(&d, (family), (id));         \
        *state = &d;                                \
        return 0;                                   \
    }                                               \
                                                    \
    static int tear_down(void **state)              \
    {                                               \
        dialogue_end(*state);                       \
        return 0;                                   \
    }
#define DIALOGUE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static inline void dialogue_begin(struct dialogue *d, const struct family *family, const char *id)
{
    *d = (struct dialogue){ .family = family,
                            .arena = arena_create(8 << 20),
                            .model = { .id = view_from_cstr(id) },
                            .error = BUF_INIT(8192),
                            .out = BUF_INIT(1 << 20),
                            .end = { .usage = { .input_tokens = 7, .output_tokens = 3 } } };
    assert_non_null(d->arena);
}

static inline void dialogue_end(struct dialogue *d)
{
    buf_free(&d->error);
    buf_free(&d->out);
    buf_free(&d->stream.scratch);
    arena_destroy(d->arena);
}

static inline enum aws_status dialogue_parse(struct dialogue *d, const char *body)
{
    model_request_init(&d->request);
    d->in = (struct family_input){
        .arena = d->arena, .body = view_from_cstr(body), .streaming = d->in.streaming, .model = &d->model, .error = &d->error
    };
    enum aws_status status = d->family->parse(&d->in, &d->request);
    buf_free(&d->stream.scratch);
    d->stream = (struct family_stream){ .model = &d->model, .arena = d->arena, .parse_state = d->in.state, .clock = clock_system() };
    buf_init(&d->stream.scratch, 1 << 20);
    return status;
}

#define assert_parses(d, body)                                                                  \
    do {                                                                                        \
        struct dialogue *parsed_ = (d);                                                         \
        enum aws_status status_ = dialogue_parse(parsed_, (body));                              \
        if (status_ != AWS_OK)                                                                  \
            print_error(VIEW_FMT "\n", VIEW_ARG(buf_view(&parsed_->error)));                    \
        assert_int_equal(status_, AWS_OK);                                                      \
    } while (0)

#define assert_refused(d, body, text)                                                           \
    do {                                                                                        \
        struct dialogue *refused_ = (d);                                                        \
        assert_int_equal(dialogue_parse(refused_, (body)), AWS_VALIDATION);                     \
        assert_view_is(buf_view(&refused_->error), (text));                                     \
    } while (0)

#define MALFORMED(text) "Malformed input request: " text ", please reformat your input and try again."

/* "user: Hello\nassistant: Hi\n…", so that a test shows a conversation as one text. */
static inline struct view dialogue_messages(struct dialogue *d)
{
    static const char *const roles[] = { "system", "user", "assistant", "tool" };
    static const char *const types[] = { "", "(thought) ", "(call) ", "(result) ", "(image) " };
    const struct generate_request *generate = &d->request.generate;
    buf_clear(&d->out);
    for (size_t i = 0; i < generate->message_count; i++) {
        const struct chat_message *message = &generate->messages[i];
        buf_printf(&d->out, "%s%s:", i > 0 ? "\n" : "", roles[message->role]);
        for (size_t p = 0; p < message->part_count; p++) {
            const struct chat_part *part = &message->parts[p];
            buf_printf(&d->out, " %s" VIEW_FMT VIEW_FMT, types[part->type], VIEW_ARG(part->name), VIEW_ARG(part->text));
            if (part->is_error)
                buf_append_cstr(&d->out, " !");
            if (part->cache_point)
                buf_append_cstr(&d->out, " |");
        }
    }
    return buf_view(&d->out);
}

static inline struct view dialogue_result(struct dialogue *d, const struct gen_result *result)
{
    struct json_writer writer;
    buf_clear(&d->out);
    json_writer_init(&writer, &d->out);
    d->family->result(&d->stream, result, &writer);
    assert_false(json_writer_failed(&writer));
    assert_false(d->stream.failed);
    return buf_view(&d->out);
}

static inline struct view dialogue_text(struct dialogue *d, const char *text, enum gen_reason reason)
{
    d->end.reason = reason;
    return dialogue_result(d, &(struct gen_result){ .text = view_from_cstr(text), .end = &d->end });
}

static inline void dialogue_chunk(void *ctx, struct view json)
{
    struct dialogue *d = ctx;
    assert_non_null(json_parse(d->arena, json, 64, NULL));
    if (d->chunks++ > 0)
        buf_append_byte(&d->out, '\n');
    buf_append_view(&d->out, json);
}

/* The chunks of these deltas, one a line. */
static inline struct view dialogue_stream(struct dialogue *d, const struct gen_delta *deltas, size_t count, enum gen_reason reason)
{
    struct chunk_sink sink = { .ctx = d, .chunk = dialogue_chunk };
    struct invocation_metrics metrics = { .input_tokens = 7, .output_tokens = 3, .latency_ms = 20, .first_byte_ms = 5 };
    d->end.reason = reason;
    d->chunks = 0;
    buf_clear(&d->out);
    d->family->stream.begin(&d->stream, &(struct gen_begin){ .input_tokens = 7 }, &sink);
    for (size_t i = 0; i < count; i++)
        d->family->stream.delta(&d->stream, &deltas[i], &sink);
    d->family->stream.end(&d->stream, &d->end, &metrics, &sink);
    assert_false(d->stream.failed);
    return buf_view(&d->out);
}

#define TEXT_DELTA(literal) { .type = GEN_TEXT, .text = VIEW_INIT(literal) }
#define METRICS                                                                                                       \
    "\"amazon-bedrock-invocationMetrics\":{\"inputTokenCount\":7,\"outputTokenCount\":3,\"invocationLatency\":20," \
    "\"firstByteLatency\":5}"

static inline struct view dialogue_two_deltas(struct dialogue *d, enum gen_reason reason)
{
    static const struct gen_delta deltas[] = { TEXT_DELTA("Par"), TEXT_DELTA("is.") };
    return dialogue_stream(d, deltas, COUNT_OF(deltas), reason);
}

/* The reply to vectors: count rows of dimensions, laid out one after the other. */
static inline struct view dialogue_vectors(struct dialogue *d, const float *vectors, size_t count, size_t dimensions)
{
    static const int32_t tokens[] = { 5, 6, 7, 8 };
    struct embed_result result = { .vectors = vectors, .count = count, .dimensions = dimensions, .token_counts = tokens };
    struct json_writer writer;
    buf_clear(&d->out);
    json_writer_init(&writer, &d->out);
    d->family->embedding(&d->stream, &result, &writer);
    assert_false(json_writer_failed(&writer));
    assert_false(d->stream.failed);
    return buf_view(&d->out);
}

/* A member of what was written last. */
static inline const struct json *dialogue_at(struct dialogue *d, const char *pointer)
{
    bool valid;
    const struct json *root = json_parse(d->arena, buf_view(&d->out), 64, NULL);
    assert_non_null(root);
    return json_pointer(root, view_from_cstr(pointer), &valid);
}

#define assert_at(d, pointer, text) assert_view_is(json_string(dialogue_at((d), (pointer))), (text))

#endif
