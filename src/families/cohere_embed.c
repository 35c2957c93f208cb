/* families/cohere_embed.c - Cohere Embed v3 and v4.
 *
 * The texts come back in lower case (ASCII), as Bedrock gives them. "image" inputs are refused by name.
 */
#include "families/families.h"
#include "families/native.h"
#include "families/vectors.h"

#define MAX_TEXTS      96
#define MAX_CHARACTERS 2048

enum embedding_form { FORM_FLOAT, FORM_INT8, FORM_UINT8, FORM_BINARY, FORM_UBINARY, FORM_COUNT };

static const char *const form_names[] = { "float", "int8", "uint8", "binary", "ubinary", NULL };
static const char *const input_types[] = { "search_document", "search_query", "classification", "clustering", "image", NULL };
static const char *const v3_truncations[] = { "NONE", "START", "END", NULL };
static const char *const v4_truncations[] = { "NONE", "LEFT", "RIGHT", NULL };
static const char *const content_types[] = { "text", "image_url", NULL };

static const struct schema form_schema = { ONE_OF(form_names) };
static const struct schema v3_text = { TEXT(1, MAX_CHARACTERS) };
static const struct schema v4_text = { TEXT(1, 0) };

static const struct schema_member v3_members[] = {
    MEMBER("texts", OPTIONAL, ARRAY_OF(v3_text, 1, MAX_TEXTS)),
    MEMBER("images", OPTIONAL, UNSUPPORTED),
    MEMBER("input_type", REQUIRED, ONE_OF(input_types)),
    MEMBER("truncate", OPTIONAL, ONE_OF(v3_truncations)),
    MEMBER("embedding_types", OPTIONAL, ARRAY_OF(form_schema, 1, FORM_COUNT)),
    MEMBERS_END
};
static const struct schema_member content_members[] = {
    MEMBER("type", REQUIRED, ONE_OF(content_types)),
    MEMBER("text", OPTIONAL, TEXT(1, 0)),
    MEMBER("image_url", OPTIONAL, UNSUPPORTED),
    MEMBERS_END
};
static const struct schema content_schema = { OBJECT_OF(content_members) };
static const struct schema_member item_members[] = { MEMBER("content", REQUIRED, ARRAY_OF(content_schema, 1, 0)), MEMBERS_END };
static const struct schema item_schema = { OBJECT_OF(item_members) };
static const struct schema_member v4_members[] = {
    MEMBER("texts", OPTIONAL, ARRAY_OF(v4_text, 1, MAX_TEXTS)),
    MEMBER("inputs", OPTIONAL, ARRAY_OF(item_schema, 1, MAX_TEXTS)),
    MEMBER("images", OPTIONAL, UNSUPPORTED),
    MEMBER("input_type", REQUIRED, ONE_OF(input_types)),
    MEMBER("truncate", OPTIONAL, ONE_OF(v4_truncations)),
    MEMBER("embedding_types", OPTIONAL, ARRAY_OF(form_schema, 1, FORM_COUNT)),
    MEMBER("output_dimension", OPTIONAL, INTEGER(1, 1536)),
    MEMBER("max_tokens", OPTIONAL, UNSUPPORTED),
    MEMBERS_END
};
static const struct schema v3_schema = { OBJECT_OF(v3_members) };
static const struct schema v4_schema = { OBJECT_OF(v4_members) };

struct cohere_embed_state {
    const struct view *texts;
    size_t text_count;
    int64_t dimensions;
    bool by_type;
    bool forms[FORM_COUNT];
};

/* ---- in ---- */

static enum embed_purpose purpose_of(struct view input_type)
{
    if (view_is(input_type, "search_document"))
        return EMBED_DOCUMENT;
    return view_is(input_type, "search_query") ? EMBED_QUERY : EMBED_SYMMETRIC;
}

static enum embed_truncate truncation_of(struct view truncate)
{
    if (view_is(truncate, "START") || view_is(truncate, "LEFT"))
        return EMBED_TRUNCATE_START;
    return view_is(truncate, "END") || view_is(truncate, "RIGHT") ? EMBED_TRUNCATE_END : EMBED_TRUNCATE_REFUSE;
}

/* The texts of one of v4's inputs, each after the first on a line of its own. */
static struct view input_text(struct family_input *in, const struct json *input)
{
    struct gathered text = { .ptr = NULL };
    struct json_iter it = json_iter(json_get(input, "content"));
    while (json_next(&it)) {
        if (text.len > 0)
            gathered_add(&text, in->arena, VIEW("\n"));
        gathered_add(&text, in->arena, json_get_string(it.value, "text"));
    }
    return view_of(text.ptr, text.len);
}

static bool read_texts(struct family_input *in, const struct json *body, struct cohere_embed_state *state)
{
    const struct json *texts = json_get(body, "texts"), *inputs = json_get(body, "inputs");
    if ((texts == NULL) == (inputs == NULL)) {
        native_malformed(in, texts == NULL ? "#: required key [texts] not found" : "#: only one of texts and inputs is permitted");
        return false;
    }
    struct json_iter it = json_iter(texts != NULL ? texts : inputs);
    struct view *list = ARENA_ARRAY(in->arena, struct view, json_size(texts != NULL ? texts : inputs));
    if (list == NULL)
        return native_done(in) == AWS_OK;
    while (json_next(&it)) {
        list[it.index] = texts != NULL ? json_string(it.value) : input_text(in, it.value);
        if (list[it.index].len == 0) {
            native_malformed(in, "#/inputs/%zu/content: expected minLength: 1, actual: 0", it.index);
            return false;
        }
        state->text_count++;
    }
    state->texts = list;
    return true;
}

static enum aws_status read_body(struct family_input *in, const struct json *body, struct model_request *out)
{
    struct cohere_embed_state *state = ARENA_NEW(in->arena, struct cohere_embed_state);
    if (body == NULL || state == NULL)
        return body == NULL ? AWS_VALIDATION : native_done(in);
    if (view_is(json_get_string(body, "input_type"), "image"))
        return native_refuse(in, "This server doesn't support the input_type image for this model. Embed texts instead.");
    if (!read_texts(in, body, state))
        return AWS_VALIDATION;
    state->dimensions = native_int(body, "output_dimension", in->model->dimensions);
    struct json_iter it = json_iter(json_get(body, "embedding_types"));
    while (json_next(&it)) {
        for (int form = 0; form < FORM_COUNT; form++)
            state->forms[form] |= view_is(json_string(it.value), form_names[form]);
        state->by_type = true;
    }
    in->state = state;
    out->kind = MODEL_EMBED;
    out->embed = (struct embed_request){ .texts = state->texts,
                                         .text_count = state->text_count,
                                         .truncate = truncation_of(json_get_string(body, "truncate")),
                                         .purpose = purpose_of(json_get_string(body, "input_type")) };
    return native_done(in);
}

static enum aws_status cohere_embed_v3_parse(struct family_input *in, struct model_request *out)
{
    return read_body(in, native_body(in, &v3_schema), out);
}

static enum aws_status cohere_embed_v4_parse(struct family_input *in, struct model_request *out)
{
    const struct json *body = native_body(in, &v4_schema);
    int64_t dimension = native_int(body, "output_dimension", 1536);
    if (body != NULL && dimension != 256 && dimension != 512 && dimension != 1024 && dimension != 1536)
        return native_malformed(in, "#/output_dimension: %lld is not a valid enum value", (long long)dimension);
    return read_body(in, body, out);
}

/* ---- out ---- */

static void write_vector(struct json_writer *out, enum embedding_form form, const struct vector *vector)
{
    switch (form) {
    case FORM_INT8:
        vector_write_int8(out, vector);
        break;
    case FORM_UINT8:
        vector_write_uint8(out, vector);
        break;
    case FORM_BINARY:
        vector_write_packed(out, vector, true);
        break;
    case FORM_UBINARY:
        vector_write_packed(out, vector, false);
        break;
    default:
        vector_write_float(out, vector);
        break;
    }
}

static void write_vectors(struct json_writer *out, enum embedding_form form, const struct vector *vectors, size_t count)
{
    json_array(out);
    for (size_t i = 0; i < count; i++)
        write_vector(out, form, &vectors[i]);
    json_end(out);
}

static struct view lower_case(struct arena *arena, struct view text)
{
    char *copy = arena_cstr(arena, text);
    for (size_t i = 0; copy != NULL && i < text.len; i++) {
        if (copy[i] >= 'A' && copy[i] <= 'Z')
            copy[i] = (char)(copy[i] - 'A' + 'a');
    }
    return view_of(copy, copy != NULL ? text.len : 0);
}

static void write_texts(struct family_stream *stream, const struct cohere_embed_state *state, struct json_writer *out)
{
    json_key(out, "texts");
    json_array(out);
    for (size_t i = 0; i < state->text_count; i++)
        json_write_string(out, lower_case(stream->arena, state->texts[i]));
    json_end(out);
}

static void cohere_embed_result(struct family_stream *stream, const struct embed_result *result, struct json_writer *reply)
{
    const struct cohere_embed_state *state = stream->parse_state;
    struct vector *vectors = ARENA_ARRAY(stream->arena, struct vector, result->count);
    for (size_t i = 0; vectors != NULL && i < result->count; i++)
        vectors[i] = vector_fit(stream->arena, result->vectors + i * result->dimensions, result->dimensions, (size_t)state->dimensions);

    json_object(reply);
    json_put_string(reply, "id", native_uuid(stream->arena));
    write_texts(stream, state, reply);
    if (arena_exhausted(stream->arena)) {
        stream->failed = true;
        json_end(reply);
        return;
    }
    json_key(reply, "embeddings");
    if (state->by_type) {
        json_object(reply);
        for (int form = 0; form < FORM_COUNT; form++) {
            if (!state->forms[form])
                continue;
            json_key(reply, form_names[form]);
            write_vectors(reply, (enum embedding_form)form, vectors, result->count);
        }
        json_end(reply);
    } else {
        write_vectors(reply, FORM_FLOAT, vectors, result->count);
    }
    json_put_cstr(reply, "response_type", state->by_type ? "embeddings_by_type" : "embeddings_floats");
    json_end(reply);
}

const struct family family_cohere_embed_v3 = {
    .name = "cohere-embed-v3",
    .parse = cohere_embed_v3_parse,
    .embedding = cohere_embed_result,
};

const struct family family_cohere_embed_v4 = {
    .name = "cohere-embed-v4",
    .parse = cohere_embed_v4_parse,
    .embedding = cohere_embed_result,
};
