/* aws/sigv4.h - AWS Signature Version 4: parsing, verifying and making signatures.
 *
 * Verification is in two halves, so that a stranger's body is never read for nothing:
 *
 *     head: sigv4_parse()  syntax, the key id, the scope, the date      (then look the key up: aws/credentials.h)
 *           sigv4_check()  scope and time against the service's rules
 *     body: sigv4_verify() the signature over everything, with the hash of the body
 *
 * The path is signed as it stands on the wire. For all services but S3 it is cleaned of dot segments and percent-encoded once more.
 * Header names in a message are lower case; fields that repeat are joined, blanks are folded. ":authority" and "host" both name
 * the message's authority when no field of that name is there, since HTTP/2 clients sign the one or the other.
 *
 * Nothing here keeps state but sigv4_work (memory that is reused) and signing_keys; both belong to one thread.
 */
#ifndef CRATON_AWS_SIGV4_H
#define CRATON_AWS_SIGV4_H

#include "aws/operation.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/encode.h"
#include "net/http.h"

struct sigv4_message {
    struct view method;
    struct view path;                                       /* undecoded, without the query */
    struct view query;                                      /* undecoded, without '?' */
    struct view authority;
    const struct http_header *headers;
    size_t header_count;
};

/* What a service asks of a signature. */
struct sigv4_rules {
    struct view service;                                    /* the signing name: "bedrock" */
    bool encode_path_twice;                                 /* all but s3 */
    bool allow_unsigned_payload;                            /* s3 */
    uint32_t skew_seconds;
};

struct sigv4_rules sigv4_rules(const struct service *service);

enum sigv4_kind {
    SIGV4_ABSENT,                                           /* neither form: no Authorization header and no X-Amz-Algorithm */
    SIGV4_HEADER,                                           /* Authorization: AWS4-HMAC-SHA256 … */
    SIGV4_QUERY,                                            /* a presigned URL */
    SIGV4_OTHER,                                            /* another scheme: Bearer, Basic … */
};
enum sigv4_kind sigv4_kind(const struct sigv4_message *message);

#define SIGV4_TIMESTAMP_SIZE 17                             /* "20250102T030405Z" and a NUL */

struct sigv4 {
    enum sigv4_kind kind;
    struct view key_id;
    struct view scope;                                      /* "20250102/us-east-1/bedrock/aws4_request" */
    struct view date, region, service;                      /* its parts */
    struct view signed_headers;                             /* "host;x-amz-date" */
    struct view session_token;                              /* empty when there is none */
    struct view content_sha256;                             /* the value of x-amz-content-sha256; empty when there is none */
    uint8_t signature[SHA256_SIZE];
    char timestamp[SIGV4_TIMESTAMP_SIZE];
    int64_t signed_ms;
    uint32_t expires_s;                                     /* of a presigned URL */
};

/* Why a signature is refused: an error by name, and a text that helps the caller and holds no secret. */
struct sigv4_refusal {
    enum aws_status status;
    char text[256];
};

/* Reads the signature of a message whose kind is SIGV4_HEADER or SIGV4_QUERY. Views point into the message or the arena. */
bool sigv4_parse(const struct sigv4_message *message, struct arena *arena, struct sigv4 *out, struct sigv4_refusal *why);
/* The scope names this service, and now lies in the window. */
bool sigv4_check(const struct sigv4 *signature, const struct sigv4_rules *rules, int64_t now_ms, struct sigv4_refusal *why);

/* Memory for canonical requests, kept from one call to the next. */
struct sigv4_work {
    struct buf canonical;
    struct buf pairs;
};
void sigv4_work_init(struct sigv4_work *work);
void sigv4_work_free(struct sigv4_work *work);

/* True when the payload must be hashed for sigv4_verify(): false for UNSIGNED-PAYLOAD where the service allows that. */
bool sigv4_needs_body(const struct sigv4 *signature, const struct sigv4_rules *rules);
/* body_sha256 is the hash of the body as received, NULL when it is not needed. Compares in constant time. */
bool sigv4_verify(const struct sigv4 *signature, const struct sigv4_message *message, const struct sigv4_rules *rules,
                  const uint8_t signing_key[SHA256_SIZE], const uint8_t *body_sha256, struct sigv4_work *work,
                  struct sigv4_refusal *why);

/* ---- signing keys ---- */
void sigv4_derive_key(struct view secret, struct view date, struct view region, struct view service, uint8_t out[SHA256_SIZE]);

/* A bounded cache of derived keys. An entry answers only for the secret that it was made from, so a key whose secret changes
 * needs no invalidation. */
struct signing_keys;
struct signing_keys *signing_keys_create(void);             /* NULL when out of memory */
void signing_keys_destroy(struct signing_keys *keys);       /* wipes them; NULL is fine */
void signing_keys_get(struct signing_keys *keys, struct view key_id, struct view secret, const struct sigv4 *signature,
                      uint8_t out[SHA256_SIZE]);

/* ---- making signatures: the command line, tests, a remote S3 ---- */
struct sigv4_signer {
    struct view key_id, secret, session_token;              /* the token may be empty */
    struct view region;
    struct sigv4_rules rules;
};
#define SIGV4_SIGNED_FIELDS 4
/* Writes the fields to add to the message into out (x-amz-date, authorization, and as needed x-amz-content-sha256 and
 * x-amz-security-token); returns how many, 0 when the arena or a limit is exhausted. body_sha256 NULL signs UNSIGNED-PAYLOAD.
 * Signed are host, content-type and all x-amz-… fields. Names and values live in the arena. */
size_t sigv4_sign(const struct sigv4_signer *signer, const struct sigv4_message *message, const uint8_t *body_sha256,
                  int64_t now_ms, struct arena *arena, struct http_header out[SIGV4_SIGNED_FIELDS]);

#endif
