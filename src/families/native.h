/* families/native.h - what the families share: reading a checked body into a request, and writing chunks.
 *
 * Pure functions. Memory comes from the arena of the call; when it is exhausted the parse ends with native_done() saying so.
 */
#ifndef CRATON_FAMILIES_NATIVE_H
#define CRATON_FAMILIES_NATIVE_H

#include "families/family.h"
#include "families/schema.h"

/* ---- parsing ---- */

/* The body as JSON that fits the schema. NULL after the message has been written: then return AWS_VALIDATION. */
const struct json *native_body(struct family_input *in, const struct schema *schema);

/* The two halves of it, for families whose bodies come in several forms. */
const struct json *native_json(struct family_input *in);
bool native_check(struct family_input *in, const struct schema *schema, const struct json *body);

/* Writes the message and returns AWS_VALIDATION, so that `return native_refuse(…)` reads well. */
enum aws_status native_refuse(struct family_input *in, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "Malformed input request: " before and ", please reformat your input and try again." after it. */
enum aws_status native_malformed(struct family_input *in, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* AWS_OK, unless the arena is exhausted: ends each parse. */
enum aws_status native_done(struct family_input *in);

/* Members of a body that has been checked; an absent or null one gives the fallback. */
float native_float(const struct json *body, const char *name, float fallback);
int64_t native_int(const struct json *body, const char *name, int64_t fallback);
bool native_has(const struct json *body, const char *name);                        /* there and not null */

/* max_tokens within what the id allows: else a violation is written as the schema checker does. */
bool native_max_tokens(struct family_input *in, const struct json *body, const char *path, int64_t fallback, int64_t limit, int64_t *out);

/* A list of stop sequences, or one string; empty ones are left out. With always added when it is not empty. */
void native_stops(struct family_input *in, const struct json *stops, struct view always, struct generate_request *out);

void native_seed(const struct json *body, struct sampling *sampling);              /* "seed", when it is there */

/* ---- writing ---- */

/* json_writer of a new chunk, inside its object. */
struct json_writer chunk_open(struct family_stream *stream);
/* Closes the object and sends it. Out of memory: nothing is sent and stream->failed is set. */
void chunk_close(struct family_stream *stream, struct json_writer *writer, struct chunk_sink *out);

void write_metrics(struct json_writer *writer, const struct invocation_metrics *metrics);   /* a member of the last chunk */

/* "prefix" and 24 hexadecimal digits, in the arena. */
struct view native_id(struct arena *arena, const char *prefix);
struct view native_uuid(struct arena *arena);

/* A JSON object's text that a model wrote: "{}" when it is empty, so that what stands around it stays valid JSON. False when it is
 * no valid JSON object (a grammar's dead end). */
bool native_arguments(struct arena *arena, struct view text, struct view *out);

/* Text gathered in an arena, by writers that repeat the whole at the end of a stream. */
struct gathered {
    char *ptr;
    size_t len, capacity;
};
bool gathered_add(struct gathered *gathered, struct arena *arena, struct view text);

#endif
