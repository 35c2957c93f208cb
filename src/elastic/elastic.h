/* elastic/elastic.h - the door to Elasticsearch's inference API.
 *
 * The server authenticates and calls: principal is NULL when nobody is known. Everything here runs on the loop, but elastic_load(),
 * which blocks. An exchange that was given to elastic_on_request() gets its other calls here too.
 */
#ifndef CRATON_ELASTIC_ELASTIC_H
#define CRATON_ELASTIC_ELASTIC_H

#include "aws/call.h"
#include "aws/credentials.h"
#include "elastic/config.h"
#include "engine/documents.h"
#include "iam/seal.h"
#include "models/registry.h"
#include "net/http.h"
#include "store/store.h"

struct elastic;

/* What became of a request: for the log line and the metrics. */
struct elastic_outcome {
    const char *operation; /* constant: "elastic.completion" */
    struct view principal; /* empty: nobody was known */
    struct view method, path;
    int status; /* 0: the client went before anything was answered */
    const char *error; /* Elasticsearch's type; NULL: none. In a stream also after its start */
    bool gone;         /* the client did not wait for the end */
    int64_t duration_us;
    struct call_stats stats;
};

struct elastic_options { /* all of it is borrowed */
    struct loop *loop;
    struct engine *engine;
    struct documents *documents;                            /* finds the words of texts that are to be cut */
    struct models *models;
    struct store *store;
    const struct seal *seal;
    const struct credentials *credentials; /* the key pairs that endpoints may name */
    struct url_list servers;               /* other AWS-compatible ones that endpoints may name */
    uint64_t body_limit;
    unsigned json_depth;
    const char *version; /* Craton's, for GET / */
    void (*on_done)(void *ctx, const struct elastic_outcome *outcome);
    void *done_ctx;
};

struct elastic *elastic_create(const struct elastic_options *options); /* NULL when out of memory */
void elastic_stop(struct elastic *elastic); /* before loop_destroy(), when all exchanges are closed; NULL is fine */
/* Stopped, and after loop_destroy(), since work may use it till then; NULL is fine. */
void elastic_destroy(struct elastic *elastic);
bool elastic_load(struct elastic *elastic); /* the stored endpoints, before the first request */

/* Whether a request on the common port is for this door: /_inference…, or `GET /` that is not signed. */
bool elastic_wants(const struct http_request *request);

void elastic_on_headers(struct elastic *elastic, struct http_exchange *ex, struct http_admission *admission);
void elastic_on_request(struct elastic *elastic, struct http_exchange *ex, const struct principal *principal);
void elastic_on_writable(struct elastic *elastic, struct http_exchange *ex);
void elastic_on_closed(struct elastic *elastic, struct http_exchange *ex, bool aborted);
void elastic_on_error(enum http_refusal refusal, struct http_refused *out);

#endif
