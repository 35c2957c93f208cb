/* engine/scripted.h - the scripted backend's parts. Private to scripted*.c and their tests.
 *
 *    scripted_rules.c   the configuration's rules, and which of them a request meets: pure
 *    scripted_answer.c  what is answered, by a rule or by echo: pure
 *    scripted.c         plays answers with their latency and pace, and records them
 *
 * A rule is a map with `match` ({model, text, regex}, all optional, all must hold; text is a part of the last message's text) and one of
 *   text: "..."                             tool_call: {name, input}    (only where the request offers that tool)
 *   embedding: [numbers], or a seed         error: {status and/or type, message}
 * and, if wanted, latency_ms, tokens_per_second and stop_reason. The first rule that fits decides; without one the last user text is
 * echoed, a forced tool is called and a JSON schema answered with the smallest instance, and embeddings are unit vectors of 384
 * dimensions, drawn from the text's hash.
 *
 * Tokens: a run of ASCII letters, digits and '_' is one, every other character is one, blanks belong to what follows them. A
 * prompt has the tokens of its messages' texts, its tool calls and its tools' names and descriptions.
 */
#ifndef CRATON_ENGINE_SCRIPTED_H
#define CRATON_ENGINE_SCRIPTED_H

#include "base/config.h"
#include "engine/request.h"

#define SCRIPTED_DIMENSIONS 384

enum script_kind { SCRIPT_TEXT, SCRIPT_TOOL_CALL, SCRIPT_EMBEDDING, SCRIPT_ERROR };

struct script_rule {
    struct view model, part;                                /* NULL: any */
    void *regex;                                            /* pcre2_code, or NULL */
    enum script_kind kind;
    struct view text;                                       /* the text, the tool call's input as JSON, the embedding's seed */
    struct view tool;
    const float *vector;
    size_t dimensions;                                      /* 0: by seed */
    enum engine_status status;
    int http_status;
    const char *error;                                      /* "ThrottlingException" */
    struct view message;
    uint64_t latency_ms;
    double tokens_per_second;                               /* 0: all at once */
    bool has_reason;
    enum gen_reason reason;
};

struct script_rules;

/* The rules live in their own memory. NULL on error. rules may be NULL: there are none. */
struct script_rules *script_rules_create(const struct config_node *rules, struct config_error *error);
void script_rules_destroy(struct script_rules *rules);      /* NULL is fine */
/* The first that fits, and its place; NULL: echo. */
const struct script_rule *script_rules_match(const struct script_rules *rules, const struct model_request *request, size_t *place);

/* What one request is answered. All of it lives in the arena, but for what belongs to the rule. */
struct script {
    const struct script_rule *rule;                         /* NULL: echo */
    enum script_kind kind;
    struct view text;                                       /* up to the stop or the limit; a tool call's arguments */
    struct view tool, tool_id;
    enum gen_reason reason;
    struct view stop;
    struct gen_usage usage;
    struct embed_result vectors;
    enum engine_status status;                              /* not ENGINE_OK: an error, by the rule or because it cannot be answered */
    int http_status;
    const char *error;
    struct view message;
};

/* False when out of memory. request is not needed afterwards. */
bool script_answer(struct arena *arena, const struct script_rule *rule, const struct model_request *request, struct script *script);

struct view script_last_text(const struct model_request *request);     /* what rules match and echo repeats */
size_t script_token(struct view text);                      /* length of the first token; 0 when empty */
int64_t script_count(struct view text);                     /* tokens */

#endif
