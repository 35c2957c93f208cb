/* engine/request.h - what a model is asked and what it answers, neutral to every dialect.
 *
 * A door or a family fills a struct model_request (all pointers live in the caller's arena until the call has ended), the engine
 * carries it out and returns typed deltas and a finish. Nothing here knows Bedrock, HTTP or the engine's inside.
 */
#ifndef CRATON_ENGINE_REQUEST_H
#define CRATON_ENGINE_REQUEST_H

#include "base/json.h"

enum model_kind { MODEL_GENERATE, MODEL_EMBED, MODEL_COUNT };

enum chat_role { CHAT_SYSTEM, CHAT_USER, CHAT_ASSISTANT, CHAT_TOOL };

enum chat_part_type {
    CHAT_TEXT,
    CHAT_REASONING,                                         /* text the assistant thought earlier */
    CHAT_TOOL_CALL,                                         /* by the assistant: id, name, arguments */
    CHAT_TOOL_RESULT,                                       /* answers id; text; is_error */
    CHAT_IMAGE,                                             /* bytes, media_type */
};

struct chat_part {
    enum chat_part_type type;
    struct view text;                                       /* text, reasoning, result */
    struct view id, name;                                   /* tool call and tool result */
    const struct json *arguments;                           /* tool call: a JSON object */
    bool is_error;
    struct view bytes, media_type;                          /* image */
    bool cache_point;                                       /* the prefix up to and including this part is worth keeping */
};

struct chat_message {
    enum chat_role role;
    const struct chat_part *parts;
    size_t part_count;
};

struct chat_tool {
    struct view name;
    struct view description;
    const struct json *schema;                              /* JSON schema of its arguments; NULL: any object */
};

enum tool_choice { TOOL_CHOICE_AUTO, TOOL_CHOICE_NONE, TOOL_CHOICE_ANY, TOOL_CHOICE_NAMED };

#define MODEL_UNSET_FLOAT (-1.0e30f)

struct sampling {                                           /* MODEL_UNSET_FLOAT, -1 or has_seed false: the model's default */
    float temperature, top_p, min_p, frequency_penalty, presence_penalty, repeat_penalty;
    int top_k;
    bool has_seed;
    uint32_t seed;
};

struct generate_request {
    const struct chat_message *messages;                    /* system first, when there is one */
    size_t message_count;
    struct view raw_prompt;                                 /* instead of messages: tokenized as it is, no template */
    bool has_raw_prompt;
    struct view assistant_prefix;                           /* the answer continues this text (not repeated in the deltas) */
    const struct chat_tool *tools;
    size_t tool_count;
    enum tool_choice tool_choice;
    struct view tool_name;                                  /* TOOL_CHOICE_NAMED */
    const struct json *json_schema;                         /* the answer's text must validate; NULL: free text */
    bool has_json_schema;
    struct sampling sampling;
    int64_t max_tokens;                                     /* -1: what the context leaves */
    const struct view *stops;                               /* stop sequences; never part of the answer */
    size_t stop_count;
    bool want_logprobs;                                     /* each text delta carries its tokens' probabilities */
};

enum embed_truncate { EMBED_TRUNCATE_WINDOWS, EMBED_TRUNCATE_END, EMBED_TRUNCATE_START, EMBED_TRUNCATE_REFUSE };
enum embed_purpose { EMBED_SYMMETRIC, EMBED_QUERY, EMBED_DOCUMENT };   /* chooses the model's prefix */

struct embed_request {
    const struct view *texts;
    size_t text_count;
    enum embed_truncate truncate;                           /* for text longer than the model's positions */
    enum embed_purpose purpose;
};

enum priority { PRIORITY_PROVISIONED, PRIORITY_ON_DEMAND, PRIORITY_BATCH };

struct model_request {
    enum model_kind kind;                                   /* MODEL_COUNT counts what generate (or embed) would use */
    struct view model;                                      /* the local model's name */
    enum priority priority;
    struct view account;                                    /* prefixes are shared only inside one account */
    struct view caller;                                     /* fairness between callers: the principal's ARN */
    struct view request_id;
    bool count_embed;                                       /* MODEL_COUNT: embed is filled, else generate */
    struct generate_request generate;
    struct embed_request embed;
};

/* ---- answers ---- */

enum gen_delta_type {
    GEN_BEGIN,                                              /* once, before all others: input_tokens and cached_tokens */
    GEN_TEXT,
    GEN_REASONING,
    GEN_TOOL_START,                                         /* tool_index, id, name */
    GEN_TOOL_ARGUMENTS,                                     /* tool_index, text: a fragment of JSON */
};

struct token_prob {
    struct view token;
    float logprob;                                          /* of the token chosen */
    float runner_up;                                        /* of the best other token: near-ties show here */
};

struct gen_delta {
    enum gen_delta_type type;
    struct view text;                                       /* whole UTF-8 characters */
    unsigned tool_index;
    struct view id, name;
    int64_t input_tokens, cached_tokens;                    /* GEN_BEGIN: the prompt has been computed */
    const struct token_prob *probs;                         /* when asked for */
    size_t prob_count;
};

enum gen_reason {
    GEN_END,                                                /* the model ended its turn */
    GEN_MAX_TOKENS,
    GEN_STOP_SEQUENCE,                                      /* stop names it */
    GEN_TOOL_USE,
    GEN_MALFORMED,                                          /* a grammar's dead end */
    GEN_CONTEXT_FULL,
};

struct gen_usage {
    int64_t input_tokens;                                   /* whole prompt, cached part included */
    int64_t output_tokens;
    int64_t cached_tokens;                                  /* of the input: taken from the prefix cache */
    int64_t cache_write_tokens;                             /* of the input: kept at a cache point for later calls */
};

/* Why a call failed; the doors map it to their error. */
enum engine_status {
    ENGINE_OK,
    ENGINE_CANCELLED,
    ENGINE_INVALID,                                         /* the request cannot be served by this model: message says why */
    ENGINE_TOO_LONG,                                        /* prompt does not fit the context */
    ENGINE_NO_MODEL,                                        /* no such local model */
    ENGINE_NOT_READY,                                       /* still loading: retry */
    ENGINE_OVERLOADED,                                      /* queue full or queue time-out */
    ENGINE_TIMEOUT,                                         /* the model's time limit */
    ENGINE_MODEL_ERROR,                                     /* the worker died or the backend failed: message, original_status */
    ENGINE_THROTTLED,                                       /* a remote backend said 429 */
};

struct engine_end {
    enum engine_status status;
    const char *message;                                    /* for status other than ENGINE_OK; valid during the call back */
    int original_status;                                    /* a remote backend's HTTP status, else 0 */
    const char *error;                                      /* the AWS error that a scripted rule asks for, in these words; else NULL */
    enum gen_reason reason;
    struct view stop;                                       /* the stop sequence met */
    struct gen_usage usage;
    int64_t first_token_us, total_us;                       /* from submission */
};

struct embed_result {
    const float *vectors;                                   /* count rows of dimensions, normalised as the model does */
    size_t count, dimensions;
    const int32_t *token_counts;                            /* a count for each text, special tokens included */
};

void sampling_init(struct sampling *sampling);              /* everything unset */
void model_request_init(struct model_request *request);

#endif
