/* s3/call.h - one S3 request on its way: what its stages and its handler share. Internal to src/s3.
 *
 *      door.c       takes requests in, runs handlers in the pool, sends answers
 *      route.c      method and path to an operation; the table of handlers
 *      authorize.c  who asks, and may they? Runs on the loop, before the body
 *      request.c    parameters and headers, as handlers ask for them
 *      body.c       the payload: unframed, verified, handed on
 *      reply.c      headers, XML and errors of the answer
 *      the rest     handlers: straight-line C that blocks
 *
 * A call lives in its exchange's arena. While a pool thread works for it, the loop touches nothing of it.
 */
#ifndef CRATON_S3_CALL_H
#define CRATON_S3_CALL_H

#include "aws/signer.h"
#include "base/xml.h"
#include "s3/error.h"
#include "s3/s3.h"

#define S3_NAMESPACE   "http://s3.amazonaws.com/doc/2006-03-01/"
#define REPLY_MAX      (64u << 20)
#define REPLY_HEADERS  48
#define XML_BODY_MAX   (8u << 20)                           /* of a request that is XML */
#define OBJECT_PUT_MAX (5ull << 30)                         /* of one PutObject or UploadPart */
#define REQUEST_ID_LEN 16

struct s3_call;
typedef enum s3_error s3_handler(struct s3_call *call);

enum s3_level { S3_SERVICE, S3_BUCKET, S3_OBJECT };
enum s3_body { S3_BODY_NONE, S3_BODY_XML, S3_BODY_OBJECT };

struct s3_handler_row {
    const char *operation;
    s3_handler *handler;
    enum s3_body body;
};

#define ROUTE_NEEDS 2

struct s3_route {                                           /* an operation of the tables, as the router wants it */
    const struct operation *operation;
    const struct s3_handler_row *served;                    /* NULL: 501 */
    enum s3_level level;
    struct http_header needs[ROUTE_NEEDS];                  /* query parameters that must be there; a value must be equal */
    size_t need_count;
};

struct s3 {
    struct s3_options options;
    const struct service *service;
    struct signing_keys *keys;
    struct sigv4_work work;
    struct s3_route *routes;
    size_t route_count;
};

enum payload_form {
    PAYLOAD_PLAIN,                                          /* the body is the payload, and nothing is said about it */
    PAYLOAD_HASHED,                                         /* the same, with its SHA-256 */
    PAYLOAD_CHUNKED,                                        /* aws-chunked */
    PAYLOAD_CHUNKED_SIGNED,                                 /* aws-chunked, each chunk with a signature */
};

struct payload {
    enum payload_form form;
    uint8_t sha256[SHA256_SIZE];                            /* PAYLOAD_HASHED */
    bool verify;                                            /* PAYLOAD_CHUNKED_SIGNED: seed, key … are set */
    bool signed_trailer;
    uint8_t seed[SHA256_SIZE];                              /* the signature of the head */
    uint8_t key[SHA256_SIZE];
    struct view scope;
    char timestamp[SIGV4_TIMESTAMP_SIZE];
    bool has_length;
    uint64_t length;                                        /* X-Amz-Decoded-Content-Length */
    struct view trailer;                                    /* the field that shall follow, lower case; empty: none */
};

struct s3_call {
    struct s3 *s3;
    struct http_exchange *ex;
    const struct http_request *request;
    struct arena *arena;
    char request_id[REQUEST_ID_LEN + 1];
    enum s3_level level;
    const struct s3_route *route;                           /* NULL: none fits */
    struct view bucket, key;                                /* decoded */
    struct view copy_bucket, copy_key;                      /* of x-amz-copy-source; decoded */
    bool virtual_host;
    struct http_header *params;                             /* the query, decoded */
    size_t param_count;
    struct principal principal;
    struct view region;
    struct payload payload;

    enum s3_error error;                                    /* S3_OK: the answer is what follows */
    struct view message;                                    /* instead of the error's own text */
    struct http_header details[2];                          /* further elements of the error */
    size_t detail_count;
    int status;                                             /* 0: the operation's */
    struct http_header headers[REPLY_HEADERS];
    size_t header_count;
    struct buf reply;
    struct xml_writer xml;
    int file;                                               /* -1: reply is the body, or reader gives it */
    uint64_t offset, length;                                /* of the file */
    bool headless;                                          /* HEAD: length is announced, and nothing follows */
    uint64_t response_bytes;

    struct object_reader *reader;                           /* instead of a file: offset and length are what is left to read */
    char *piece;
    size_t piece_len;                                       /* 0: it could not be read */

    bool working;                                           /* a pool thread has the call */
    bool answered, streaming, closed;
};

/* ---- door.c: on the loop ---- */
void s3_call_enter(struct s3_call *call);                   /* a pool thread is about to work for it */
void s3_call_left(struct s3_call *call);                    /* and has done so; the call may be gone afterwards */

/* ---- stream.c: on the loop ---- */
enum object_status s3_stream_read(struct s3_call *call);    /* in the pool: the next piece of the reader */
void s3_stream_start(struct s3_call *call, const struct http_response *response);
void s3_stream_end(struct s3_call *call);

/* ---- route.c ---- */
bool s3_routes_create(struct s3 *s3);                          /* false when out of memory */
/* NULL: nothing fits. */
const struct s3_route *s3_route_find(const struct s3_call *call, enum s3_level level);

/* ---- authorize.c: on the loop ---- */
bool s3_authenticate(struct s3_call *call);                    /* false: the call's error is set */
bool s3_authorize(struct s3_call *call);

/* ---- request.c ---- */
bool s3_params_read(struct s3_call *call);                     /* false: the call's error is set */
struct view s3_param(const struct s3_call *call, const char *name);                /* decoded; NULL ptr: not there */
struct view s3_header(const struct s3_call *call, const char *lower_case_name);    /* NULL ptr: not there */
enum s3_error s3_param_number(struct s3_call *call, const char *name, uint64_t max, uint64_t *number);     /* left alone when not there */
struct view s3_unquoted(struct view etag);                     /* without "W/" and quotes */
/* Everything that a put says about the object: type, metadata, tags, checksum, conditions. bucket and key are the call's. */
enum s3_error s3_read_put(struct s3_call *call, struct object_put *put);
enum s3_error s3_read_tags_header(struct s3_call *call, struct object_put *put);
enum s3_error s3_check_tags(struct s3_call *call, const struct object_field *tags, size_t count);
enum object_checksum s3_checksum_of(struct view algorithm);    /* "CRC32"; NONE: unknown */
const char *s3_checksum_algorithm(enum object_checksum checksum);                  /* "CRC32"; NULL for NONE */
const char *s3_checksum_header(enum object_checksum checksum); /* "x-amz-checksum-crc32" */
/* The checksum that a header gives. S3_OK with OBJECT_CHECKSUM_NONE when there is none. */
enum s3_error s3_checksum_given(struct s3_call *call, enum object_checksum *checksum, struct view *value);
/* The bucket is there and the caller's; also looks at x-amz-expected-bucket-owner. */
enum s3_error s3_open_bucket(struct s3_call *call, struct bucket_info *info);

/* ---- body.c ---- */
enum s3_error s3_payload_read(struct s3_call *call);           /* the form, from the headers; on the loop */
/* Writes the payload, verified, and ends the writer, which is freed either way. */
enum s3_error s3_payload_write(struct s3_call *call, struct object_writer *writer, struct object_info *info);
/* A body that is XML, verified and parsed. */
enum s3_error s3_payload_xml(struct s3_call *call, const struct xml **root);
enum s3_error s3_payload_xml_or_none(struct s3_call *call, const struct xml **root);   /* NULL when the body is empty */

/* ---- reply.c ---- */
enum s3_error s3_fail(struct s3_call *call, enum s3_error error, const char *format, ...) __attribute__((format(printf, 3, 4)));
enum s3_error s3_fail_object(struct s3_call *call, enum object_status status);     /* with the words of the status */
void s3_detail(struct s3_call *call, const char *name, struct view value);         /* an element of the error; value lives in the arena */
void s3_reply_header(struct s3_call *call, const char *name, struct view value);   /* value lives in the arena */
void s3_reply_etag(struct s3_call *call, const char *name, struct view etag);      /* quoted */
void s3_reply_checksum(struct s3_call *call, const struct object_info *info);
struct xml_writer *s3_reply_xml(struct s3_call *call, const char *root);
void s3_put_key(struct xml_writer *xml, const char *name, struct view key, bool encode);   /* encode: encoding-type=url */
void s3_put_etag(struct xml_writer *xml, struct view etag);
void s3_put_time(struct xml_writer *xml, const char *name, int64_t when_ms);
void s3_put_checksum(struct xml_writer *xml, enum object_checksum checksum, struct view value);
void s3_put_checksum_type(struct xml_writer *xml, const struct object_info *info);
void s3_reply_send(struct s3_call *call);                      /* on the loop */
void s3_error_write(struct buf *out, const char *code, struct view message, const struct s3_call *call, struct view request_id);

/* ---- handlers ---- */
extern const struct s3_handler_row s3_bucket_rows[], s3_copy_rows[], s3_delete_rows[], s3_fixed_rows[], s3_list_rows[],
    s3_object_rows[], s3_tagging_rows[], s3_upload_rows[];
extern const size_t s3_bucket_row_count, s3_copy_row_count, s3_delete_row_count, s3_fixed_row_count, s3_list_row_count,
    s3_object_row_count, s3_tagging_row_count, s3_upload_row_count;
enum s3_error s3_part_begin(struct s3_call *call, struct object_writer **writer);   /* upload.c: of UploadPart and UploadPartCopy */

#endif
