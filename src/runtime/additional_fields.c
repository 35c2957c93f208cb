#include "runtime/additional_fields.h"

#include <stddef.h>

enum field_kind { FIELD_FLOAT, FIELD_INT, FIELD_SEED, FIELD_NESTED, FIELD_OFF_ONLY, FIELD_HARMLESS };

struct field {
    const char *name;
    enum field_kind kind;
    size_t offset;                                          /* in struct sampling */
    double min, max;
};

/* The spellings of the model families; the effect is the same. */
static const struct field fields[] = {
    { "top_k", FIELD_INT, offsetof(struct sampling, top_k), 0, 1e6 },
    { "topK", FIELD_INT, offsetof(struct sampling, top_k), 0, 1e6 },
    { "k", FIELD_INT, offsetof(struct sampling, top_k), 0, 1e6 },
    { "min_p", FIELD_FLOAT, offsetof(struct sampling, min_p), 0, 1 },
    { "frequency_penalty", FIELD_FLOAT, offsetof(struct sampling, frequency_penalty), -2, 2 },
    { "presence_penalty", FIELD_FLOAT, offsetof(struct sampling, presence_penalty), -2, 2 },
    { "repetition_penalty", FIELD_FLOAT, offsetof(struct sampling, repeat_penalty), 0.01, 10 },
    { "temperature", FIELD_FLOAT, offsetof(struct sampling, temperature), 0, 2 },
    { "top_p", FIELD_FLOAT, offsetof(struct sampling, top_p), 0, 1 },
    { "p", FIELD_FLOAT, offsetof(struct sampling, top_p), 0, 1 },
    { "seed", FIELD_SEED, 0, 0, 4294967295.0 },
    { "inferenceConfig", FIELD_NESTED, 0, 0, 0 },           /* Nova puts topK here */
    { "thinking", FIELD_OFF_ONLY, 0, 0, 0 },
    { "reasoning_config", FIELD_OFF_ONLY, 0, 0, 0 },
    { "anthropic_version", FIELD_HARMLESS, 0, 0, 0 },
    { "anthropic_beta", FIELD_HARMLESS, 0, 0, 0 },
};

static bool set_number(struct converse_parser *parser, const struct field *field, struct view name, const struct json *value)
{
    double number;
    int64_t whole;
    bool fits = json_to_double(value, &number) && number >= field->min && number <= field->max;
    if (fits && field->kind != FIELD_FLOAT)
        fits = json_to_i64(value, &whole);
    if (!fits)
        return converse_refuse(parser, "The model returned the following errors: Malformed input request: #/" VIEW_FMT ": expected a %s "
                                       "from %g to %g, please reformat your input and try again.",
                               VIEW_ARG(name), field->kind == FIELD_FLOAT ? "number" : "whole number", field->min, field->max);

    struct sampling *sampling = &parser->out->sampling;
    char *member = (char *)sampling + field->offset;
    if (field->kind == FIELD_SEED) {
        sampling->has_seed = true;
        sampling->seed = (uint32_t)whole;
    } else if (field->kind == FIELD_INT) {
        *(int *)(void *)member = (int)whole;
    } else {
        float *out = (float *)(void *)member;
        if (*out != MODEL_UNSET_FLOAT)
            return converse_refuse(parser, "The additional field " VIEW_FMT " conflicts with an existing field.", VIEW_ARG(name));
        *out = (float)number;
    }
    return true;
}

static bool set_fields(struct converse_parser *parser, const struct json *object, bool nested);

static bool set_field(struct converse_parser *parser, struct view name, const struct json *value, bool nested)
{
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        const struct field *field = &fields[i];
        if (!view_is(name, field->name))
            continue;
        switch (field->kind) {
        case FIELD_FLOAT:
        case FIELD_INT:
        case FIELD_SEED:
            return set_number(parser, field, name, value);
        case FIELD_NESTED:
            if (nested)
                break;
            return set_fields(parser, value, true);
        case FIELD_OFF_ONLY:
            if (view_is(json_get_string(value, "type"), "disabled"))
                return true;
            return converse_refuse(parser, "This model doesn't support the " VIEW_FMT " field. Remove it and try again.", VIEW_ARG(name));
        case FIELD_HARMLESS:
            return true;
        }
    }
    return converse_refuse(parser, "The model returned the following errors: Malformed input request: #: extraneous key [" VIEW_FMT "] is "
                                   "not permitted, please reformat your input and try again.", VIEW_ARG(name));
}

static bool set_fields(struct converse_parser *parser, const struct json *object, bool nested)
{
    if (object != NULL && !json_is(object, JSON_OBJECT))
        return converse_refuse(parser, "The value at additionalModelRequestFields is invalid. Provide a json object for the field and try "
                                       "again.");
    struct json_iter it = json_iter(object);
    while (json_next(&it)) {
        if (!set_field(parser, it.key, it.value, nested))
            return false;
    }
    return true;
}

bool additional_fields(struct converse_parser *parser)
{
    return set_fields(parser, json_get(parser->input->body, "additionalModelRequestFields"), false);
}
