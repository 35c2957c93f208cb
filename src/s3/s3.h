/* s3/s3.h - the S3 door: buckets and objects for S3's clients.
 *
 *   on_headers   which bucket and key, which operation, who asks? The signature is verified here, over the hash that the client
 *                declares; a stranger's body is not read
 *   on_request   the handler, in a pool thread, with the whole body: it verifies the body against what was declared
 *   answer       bytes, or a range of an object's file that the loop sends; of a remote object as it is read
 *
 * Everything here runs on the loop. An exchange that was given to s3_on_headers() gets its other calls here too.
 */
#ifndef CRATON_S3_S3_H
#define CRATON_S3_S3_H

#include "aws/credentials.h"
#include "net/http.h"
#include "objects/objects.h"
#include "s3/address.h"

struct s3;

/* What became of a request: for the log line and the metrics. */
struct s3_outcome {
    const struct operation *operation;                      /* NULL: none was found */
    struct view request_id, principal;                      /* principal: an ARN; empty: nobody was known */
    struct view bucket, key;                                /* decoded; may be empty */
    int status;                                             /* 0: the client went before anything was answered */
    const char *error;                                      /* S3's code; NULL: none */
    bool gone;                                              /* the client did not wait for the end */
    int64_t duration_us;
    uint64_t request_bytes, response_bytes;                 /* of the bodies */
};

struct s3_options {                                         /* all of it is borrowed */
    struct loop *loop;
    struct objects *objects;
    const struct credentials *credentials;
    struct s3_domains domains;
    struct view account;                                    /* of a principal that names none */
    struct view region;                                     /* when no signature names one */
    void (*on_done)(void *ctx, const struct s3_outcome *outcome);
    void *done_ctx;
};

struct s3 *s3_create(const struct s3_options *options);     /* NULL when out of memory */
void s3_destroy(struct s3 *s3);                             /* after loop_destroy(), since handlers may use it till then; NULL is fine */

void s3_on_headers(struct s3 *s3, struct http_exchange *ex, struct http_admission *admission);
void s3_on_request(struct s3 *s3, struct http_exchange *ex);
void s3_on_writable(struct s3 *s3, struct http_exchange *ex);
void s3_on_closed(struct s3 *s3, struct http_exchange *ex, bool aborted);
void s3_on_error(enum http_refusal refusal, const struct http_request *request, struct http_refused *out);

bool s3_serves(struct view operation);                      /* has the operation a handler? Any thread */

#endif
