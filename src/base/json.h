/* base/json.h - reading and writing JSON (RFC 8259, UTF-8 only).
 *
 * Reading: json_parse() builds an immutable tree in an arena; values are borrowed pointers that live as long as it does. The
 * input is copied, so it may go away. Invalid UTF-8, duplicate closing, trailing bytes, NaN and depth over the limit are errors.
 * Numbers keep their text, so a value passed through is echoed byte for byte. All json_get_* functions accept NULL and a value
 * of the wrong type, and then give the absent result, so that lookups can be chained.
 *
 * Writing: a writer streams into a capped buffer and is sticky: check json_writer_failed() once at the end. Commas are its
 * business. Output is compact. After one value at the top level another may follow, for lines of JSON.
 *
 * Neither is thread-safe; a finished tree may be read by several threads.
 */
#ifndef CRATON_BASE_JSON_H
#define CRATON_BASE_JSON_H

#include "base/arena.h"
#include "base/buf.h"

struct json;                                                /* one value of a tree */

enum json_type { JSON_ABSENT, JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json_error {
    size_t offset;                                          /* byte in the input */
    const char *message;                                    /* static text */
};

#define JSON_DEPTH_DEFAULT 512

/* NULL on error (then *error is set when error is not NULL), also when the arena is exhausted. */
const struct json *json_parse(struct arena *arena, struct view text, size_t max_depth, struct json_error *error);

enum json_type json_type(const struct json *value);         /* JSON_ABSENT for NULL */
const char *json_type_name(enum json_type type);            /* "object", "array", "string", "number", "boolean", "null" */

const struct json *json_get(const struct json *object, const char *key);           /* NULL when absent; the last of duplicates */
const struct json *json_get_view(const struct json *object, struct view key);
const struct json *json_at(const struct json *array, size_t index);
size_t json_size(const struct json *container);             /* members or elements; 0 for anything else */

struct view json_string(const struct json *value);          /* decoded, may hold NUL bytes; empty when not a string */
struct view json_number_text(const struct json *value);     /* as it stood in the input */
bool json_is(const struct json *value, enum json_type type);
bool json_bool(const struct json *value, bool fallback);
bool json_to_double(const struct json *value, double *out); /* false when not a number or out of range */
bool json_to_i64(const struct json *value, int64_t *out);   /* false when not a whole number in range; 1.0 and 1e2 are whole */

struct view json_get_string(const struct json *object, const char *key);
bool json_get_i64(const struct json *object, const char *key, int64_t *out);
bool json_get_double(const struct json *object, const char *key, double *out);

/* struct json_iter it = json_iter(value); while (json_next(&it)) use(it.key, it.value);  Elements have an empty key. */
struct json_iter {
    struct view key;
    const struct json *value;
    size_t index;
    const void *impl[3];
};
struct json_iter json_iter(const struct json *container);
bool json_next(struct json_iter *it);

/* RFC 6901; NULL when nothing is there. *valid is false when the pointer itself is malformed. */
const struct json *json_pointer(const struct json *root, struct view pointer, bool *valid);

#define JSON_WRITER_DEPTH 64

struct json_writer {
    struct buf *out;                                        /* borrowed */
    uint64_t has_items;                                     /* a bit a level: a comma is due */
    uint64_t is_object;                                     /* a bit a level */
    unsigned depth;
    bool after_key;
    bool failed;                                            /* nesting error or too deep; buffer failure shows in out */
};

void json_writer_init(struct json_writer *w, struct buf *out);
bool json_writer_failed(const struct json_writer *w);       /* also true while something is still open */

void json_object(struct json_writer *w);
void json_array(struct json_writer *w);
void json_end(struct json_writer *w);                       /* closes the innermost object or array */
void json_key(struct json_writer *w, const char *key);
void json_key_view(struct json_writer *w, struct view key);
void json_write_string(struct json_writer *w, struct view text);    /* invalid UTF-8 becomes U+FFFD */
void json_write_cstr(struct json_writer *w, const char *text);      /* NULL writes null */
void json_write_i64(struct json_writer *w, int64_t number);
void json_write_u64(struct json_writer *w, uint64_t number);
void json_write_double(struct json_writer *w, double number);       /* shortest form that reads back; not finite writes null */
void json_write_float(struct json_writer *w, float number);         /* shortest form that reads back as this float */
void json_write_bool(struct json_writer *w, bool value);
void json_write_null(struct json_writer *w);
void json_write_base64(struct json_writer *w, struct view bytes);
void json_write_value(struct json_writer *w, const struct json *value);  /* a tree, numbers as they stood; NULL fails */
void json_write_raw(struct json_writer *w, struct view json);       /* one value, already valid JSON */

/* key and value in one call */
void json_put_string(struct json_writer *w, const char *key, struct view text);
void json_put_cstr(struct json_writer *w, const char *key, const char *text);
void json_put_i64(struct json_writer *w, const char *key, int64_t number);
void json_put_double(struct json_writer *w, const char *key, double number);
void json_put_bool(struct json_writer *w, const char *key, bool value);
void json_put_value(struct json_writer *w, const char *key, const struct json *value);

#endif
