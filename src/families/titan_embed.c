/* families/titan_embed.c - Amazon Titan Embeddings: v1, v2, and the text half of the multimodal model.
 *
 * Text longer than the model's positions is embedded in windows. "normalize" changes nothing: the vectors of local models have
 * length one.
 */
#include "families/families.h"
#include "families/native.h"
#include "families/vectors.h"

#define MAX_CHARACTERS 50000

struct titan_embed_state {
    int64_t dimensions;
    bool by_type, want_float, want_binary;
    bool message;                                           /* the multimodal reply has a place for an error */
};

static const char *const embedding_types[] = { "float", "binary", NULL };
static const struct schema embedding_type = { ONE_OF(embedding_types) };

static const struct schema_member v1_members[] = {
    MEMBER("inputText", REQUIRED, TEXT(1, MAX_CHARACTERS)),
    MEMBERS_END
};
static const struct schema_member v2_members[] = {
    MEMBER("inputText", REQUIRED, TEXT(1, MAX_CHARACTERS)),
    MEMBER("dimensions", OPTIONAL, INTEGER(1, 1024)),
    MEMBER("normalize", OPTIONAL, BOOLEAN),
    MEMBER("embeddingTypes", OPTIONAL, ARRAY_OF(embedding_type, 1, 2)),
    MEMBERS_END
};
static const struct schema_member image_config_members[] = {
    MEMBER("outputEmbeddingLength", OPTIONAL, INTEGER(1, 1024)),
    MEMBERS_END
};
static const struct schema_member image_members[] = {
    MEMBER("inputText", OPTIONAL, TEXT(1, MAX_CHARACTERS)),
    MEMBER("inputImage", OPTIONAL, UNSUPPORTED),
    MEMBER("embeddingConfig", OPTIONAL, OBJECT_OF(image_config_members)),
    MEMBERS_END
};
static const struct schema v1_schema = { OBJECT_OF(v1_members) };
static const struct schema v2_schema = { OBJECT_OF(v2_members) };
static const struct schema image_schema = { OBJECT_OF(image_members) };

static bool dimensions_valid(struct family_input *in, const char *path, int64_t asked, const int64_t *allowed)
{
    for (const int64_t *size = allowed; *size != 0; size++) {
        if (asked == *size)
            return true;
    }
    native_malformed(in, "#/%s: %lld is not a valid enum value", path, (long long)asked);
    return false;
}

/* One text to embed, and what the writer has to know. NULL after native_done() would say why. */
static struct titan_embed_state *one_text(struct family_input *in, const struct json *body, struct model_request *out)
{
    struct titan_embed_state *state = ARENA_NEW(in->arena, struct titan_embed_state);
    struct view *text = ARENA_NEW(in->arena, struct view);
    if (state == NULL || text == NULL)
        return NULL;
    *text = json_get_string(body, "inputText");
    out->kind = MODEL_EMBED;
    out->embed = (struct embed_request){ .texts = text, .text_count = 1, .truncate = EMBED_TRUNCATE_WINDOWS, .purpose = EMBED_SYMMETRIC };
    state->dimensions = in->model->dimensions;
    in->state = state;
    return state;
}

static enum aws_status titan_embed_v1_parse(struct family_input *in, struct model_request *out)
{
    const struct json *body = native_body(in, &v1_schema);
    if (body == NULL)
        return AWS_VALIDATION;
    one_text(in, body, out);
    return native_done(in);
}

/* A local model's own name promises no dimensions: then any number up to the limit may be asked for. */
static enum aws_status titan_embed_v2_parse(struct family_input *in, struct model_request *out)
{
    static const int64_t allowed[] = { 256, 512, 1024, 0 };
    const struct json *body = native_body(in, &v2_schema);
    if (body == NULL)
        return AWS_VALIDATION;
    int64_t dimensions = native_int(body, "dimensions", in->model->dimensions);
    if (in->model->dimensions != 0 && !dimensions_valid(in, "dimensions", dimensions, allowed))
        return AWS_VALIDATION;
    struct titan_embed_state *state = one_text(in, body, out);
    if (state == NULL)
        return native_done(in);

    state->dimensions = dimensions;
    state->by_type = true;
    struct json_iter it = json_iter(json_get(body, "embeddingTypes"));
    while (json_next(&it)) {
        state->want_float |= view_is(json_string(it.value), "float");
        state->want_binary |= view_is(json_string(it.value), "binary");
    }
    if (!state->want_binary)
        state->want_float = true;
    return native_done(in);
}

static enum aws_status titan_embed_image_parse(struct family_input *in, struct model_request *out)
{
    static const int64_t allowed[] = { 256, 384, 1024, 0 };
    const struct json *body = native_body(in, &image_schema);
    if (body == NULL)
        return AWS_VALIDATION;
    if (!native_has(body, "inputText"))
        return native_malformed(in, "#: required key [inputText] not found");
    int64_t dimensions = native_int(json_get(body, "embeddingConfig"), "outputEmbeddingLength", in->model->dimensions);
    if (!dimensions_valid(in, "embeddingConfig/outputEmbeddingLength", dimensions, allowed))
        return AWS_VALIDATION;
    struct titan_embed_state *state = one_text(in, body, out);
    if (state != NULL) {
        state->dimensions = dimensions;
        state->message = true;
    }
    return native_done(in);
}

static void write_by_type(struct json_writer *reply, const struct titan_embed_state *state, const struct vector *vector)
{
    json_key(reply, "embeddingsByType");
    json_object(reply);
    if (state->want_binary) {
        json_key(reply, "binary");
        vector_write_bits(reply, vector);
    }
    if (state->want_float) {
        json_key(reply, "float");
        vector_write_float(reply, vector);
    }
    json_end(reply);
}

static void titan_embed_result(struct family_stream *stream, const struct embed_result *result, struct json_writer *reply)
{
    const struct titan_embed_state *state = stream->parse_state;
    struct vector vector = vector_fit(stream->arena, result->vectors, result->dimensions, (size_t)state->dimensions);
    stream->failed |= vector.values == NULL;
    json_object(reply);
    if (!state->by_type || state->want_float) {
        json_key(reply, "embedding");
        vector_write_float(reply, &vector);
    }
    if (state->by_type)
        write_by_type(reply, state, &vector);
    json_put_i64(reply, "inputTextTokenCount", result->token_counts[0]);
    if (state->message)
        json_put_cstr(reply, "message", NULL);
    json_end(reply);
}

const struct family family_titan_embed_v1 = {
    .name = "titan-embed-v1",
    .parse = titan_embed_v1_parse,
    .embedding = titan_embed_result,
};

const struct family family_titan_embed_v2 = {
    .name = "titan-embed-v2",
    .parse = titan_embed_v2_parse,
    .embedding = titan_embed_result,
};

const struct family family_titan_embed_image = {
    .name = "titan-embed-image",
    .parse = titan_embed_image_parse,
    .embedding = titan_embed_result,
};
