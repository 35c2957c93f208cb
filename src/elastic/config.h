/* elastic/config.h - what a client configures: an endpoint, read from the body of PUT and _update, kept as a record, shown as a
 * document. Pure functions; strings are borrowed from the JSON or live in the error's arena.
 */
#ifndef CRATON_ELASTIC_CONFIG_H
#define CRATON_ELASTIC_CONFIG_H

#include "base/encode.h"
#include "elastic/chunking.h"
#include "elastic/provider.h"

#define REQUESTS_PER_MINUTE 240 /* unless the endpoint says otherwise */
#define MAX_NEW_TOKENS      64  /* of a completion that says nothing */

enum similarity { SIMILARITY_COSINE,
                  SIMILARITY_DOT_PRODUCT,
                  SIMILARITY_L2_NORM };
enum truncation { TRUNCATION_UNSET,
                  TRUNCATION_NONE,
                  TRUNCATION_START,
                  TRUNCATION_END };

struct task_settings {                /* not given: a negative number, TRUNCATION_UNSET */
    double temperature, top_p, top_k; /* completion, chat_completion: 0.0 to 1.0 */
    int64_t max_new_tokens;
    enum truncation truncate; /* text_embedding with cohere */
};

struct endpoint {
    struct view account, id;
    enum elastic_task task;
    enum elastic_provider provider;
    struct view region, model;
    struct view url; /* of the server that carries its calls out; empty: this one */
    struct view access_key;
    uint8_t credentials[SHA256_SIZE]; /* endpoint_digest() of the key pair */
    int64_t requests_per_minute;
    int64_t dimensions, max_input_tokens; /* text_embedding; 0: not known, not given */
    enum similarity similarity;           /* text_embedding */
    struct chunking chunking;             /* text_embedding */
    struct task_settings settings;
    struct view secrets; /* the key pair, sealed; of a stored endpoint */
    uint64_t version;    /* of its record */
};

struct key_pair {
    struct view access_key, secret_key;
};

/* The servers that endpoints may name: "https://host:port" each. */
struct url_list {
    const struct view *urls;
    size_t count;
};
bool url_list_has(const struct url_list *list, struct view url);

void endpoint_digest(const struct key_pair *pair, uint8_t out[SHA256_SIZE]);

/* Reads a whole configuration. task is that of the path, TASK_ANY when it names none. id is the endpoint's; servers are those that
 * it may name as endpoint_url. */
bool config_read(const struct json *body, enum elastic_task task, struct view id, const struct url_list *servers,
                 struct elastic_error *error, struct endpoint *out, struct key_pair *pair);

/* Reads an _update into a copy of the endpoint. *pair stays empty unless the keys change; *changed: something may have. */
bool config_update(const struct json *body, enum elastic_task task, struct elastic_error *error, struct endpoint *endpoint,
                   struct key_pair *pair, bool *changed);

/* Reads task settings over those that are there: of a configuration, an update or one request. */
bool config_task_settings(const struct json *settings, enum elastic_task task, enum elastic_provider provider,
                          struct elastic_error *error, struct task_settings *out);

void task_settings_init(struct task_settings *settings);

/* The document that PUT, GET and _update answer with: no secrets. */
void endpoint_write(const struct endpoint *endpoint, struct json_writer *out);

/* The record's JSON: the document's content and the sealed secrets, and back. False: malformed, or memory is out. */
void endpoint_write_record(const struct endpoint *endpoint, struct json_writer *out);
bool endpoint_read_record(struct arena *arena, struct view json, struct endpoint *out);

#endif
