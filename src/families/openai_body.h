/* families/openai_body.h - the chat body of OpenAI, which several families share with small differences: messages, tools, formats
 * on the way in; choices, usage and chunks on the way out. Pure functions, on families/native.h.
 */
#ifndef CRATON_FAMILIES_OPENAI_BODY_H
#define CRATON_FAMILIES_OPENAI_BODY_H

#include "families/native.h"

/* ---- in ---- */

extern const struct schema openai_messages_schema;         /* of "messages" */
extern const struct schema openai_tools_schema;            /* of "tools" */
extern const struct schema openai_stop_schema;             /* of one stop sequence */

#define OPENAI_MESSAGES .types = SCHEMA_ARRAY, .items = &openai_messages_schema, .min_size = 1
#define OPENAI_TOOLS    .types = (SCHEMA_ARRAY | SCHEMA_NULL), .items = &openai_tools_schema
#define OPENAI_CHOICE   .types = (SCHEMA_STRING | SCHEMA_OBJECT | SCHEMA_NULL)
#define OPENAI_STOP     .types = (SCHEMA_STRING | SCHEMA_ARRAY | SCHEMA_NULL), .items = &openai_stop_schema

/* messages, tools, tool_choice and response_format of a body that fits the schemas above. False after a message was written. */
bool openai_conversation(struct family_input *in, const struct json *body, struct generate_request *out);

/* ---- out ---- */

struct openai_style {
    const char *reason_key;                                 /* "finish_reason" or "stop_reason" */
    bool envelope;                                          /* id, object, created and model */
    bool usage;
    bool tool_type;                                         /* tool calls say "type": "function" */
    bool meta;                                              /* Jamba repeats its usage so */
    bool logprobs;                                          /* the body may have asked for them */
};

void openai_result(const struct openai_style *style, struct family_stream *stream, const struct gen_result *result,
                   struct json_writer *reply);
void openai_begin(const struct openai_style *style, struct family_stream *stream, struct chunk_sink *out);
void openai_delta(const struct openai_style *style, struct family_stream *stream, const struct gen_delta *delta, struct chunk_sink *out);
void openai_end(const struct openai_style *style, struct family_stream *stream, const struct engine_end *end,
                const struct invocation_metrics *metrics, struct chunk_sink *out);

const char *openai_reason(const struct engine_end *end);    /* "stop", "length" or "tool_calls" */
void openai_usage(struct json_writer *out, const struct engine_end *end);           /* the member "usage" */
void openai_logprobs(struct json_writer *out, const struct token_prob *probs, size_t count);    /* an object */

#endif
