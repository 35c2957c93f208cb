/* body.h - JSON bodies for the tests of the door, written with single quotes. */
#ifndef CRATON_ELASTIC_BODY_H
#define CRATON_ELASTIC_BODY_H

#include "unit.h"

#include "base/json.h"

static inline const struct json *body_of(struct arena *arena, const char *text)
{
    char *json = arena_cstr(arena, view_from_cstr(text));
    assert_non_null(json);
    for (char *c = json; *c != '\0'; c++) {
        if (*c == '\'')
            *c = '"';
    }
    const struct json *body = json_parse(arena, view_from_cstr(json), JSON_DEPTH_DEFAULT, NULL);
    assert_non_null(body);
    return body;
}

/* What a test compares a written document with: double quotes become single ones. */
static inline const char *quoted(struct arena *arena, struct view json)
{
    char *text = arena_cstr(arena, json);
    assert_non_null(text);
    for (char *c = text; *c != '\0'; c++) {
        if (*c == '"')
            *c = '\'';
    }
    return text;
}

#endif
