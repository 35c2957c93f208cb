/* objects/objects.h - buckets and the objects in them: in the data directory, in a linked directory, or on a remote S3.
 *
 * An object is immutable bytes under (bucket, key) with some metadata. A put becomes visible whole and at once, when its bytes are
 * on disk; readers that have the object open keep reading the old bytes. Each bucket lies in one of three places:
 *
 *     local    bytes in files below the data directory, metadata in the store
 *     linked   an existing directory, read-only: keys are the paths of its files
 *     remote   any S3, reached with our own signatures; chosen by the configuration (objects.remotes)
 *
 * Whoever wants to hear of new objects watches the store for records of kind OBJECT_KIND (remote buckets: must be polled).
 *
 * Every function blocks and may be called from any thread that may, never from the loop. Readers, writers belong to one thread at
 * a time. What is handed out lives in the caller's arena.
 */
#ifndef CRATON_OBJECTS_OBJECTS_H
#define CRATON_OBJECTS_OBJECTS_H

#include "base/arena.h"
#include "base/clock.h"
#include "store/store.h"

#define OBJECT_KIND        "object"
#define OBJECT_KEY_MAX     1024                             /* bytes */
#define OBJECT_SIZE_MAX    (5ull << 40)
#define OBJECT_PARTS_MAX   10000
#define OBJECT_PART_MIN    (5ull << 20)

/* The bucket of the server itself, always local: intermediate results. No door can name it. */
#define OBJECT_OWN_BUCKET  ".craton"

struct objects;

enum object_status {
    OBJECT_OK,
    OBJECT_NO_BUCKET,
    OBJECT_NO_KEY,
    OBJECT_NO_UPLOAD,
    OBJECT_BUCKET_OWNED,                                    /* create: it is the caller's already */
    OBJECT_BUCKET_TAKEN,                                    /* create: another account has it */
    OBJECT_BUCKET_NOT_EMPTY,
    OBJECT_BAD_NAME,                                        /* of a bucket or a key */
    OBJECT_BAD_DIGEST,                                      /* the bytes are not those of the checksum */
    OBJECT_BAD_PART,                                        /* complete: a part is missing, has another ETag or stands out of order */
    OBJECT_PART_TOO_SMALL,
    OBJECT_TOO_LARGE,
    OBJECT_PRECONDITION_FAILED,
    OBJECT_READ_ONLY,                                       /* a linked bucket */
    OBJECT_NO_SPACE,
    OBJECT_DENIED,                                          /* by a remote S3, or by file permissions */
    OBJECT_UNREACHABLE,                                     /* a remote S3 does not answer */
    OBJECT_BUSY,                                            /* store or remote: try again */
    OBJECT_NO_MEMORY,
    OBJECT_ERROR,                                           /* disk or store; logged with its reason */
};
const char *object_status_text(enum object_status status);  /* for people: "The specified bucket does not exist" */
bool object_status_is_passing(enum object_status status);   /* trying again later may help */

struct object_field {
    struct view name, value;                                /* name in lower case */
};

enum object_checksum { OBJECT_CHECKSUM_NONE, OBJECT_CRC32, OBJECT_CRC32C, OBJECT_CRC64NVME, OBJECT_SHA1, OBJECT_SHA256 };

struct object_info {
    struct view bucket, key;
    struct view id;                                         /* opaque; differs for every put */
    uint64_t size;
    int64_t modified_ms;
    struct view etag;                                       /* without quotes */
    struct view content_type;
    const struct object_field *fields;                      /* "content-encoding", "x-amz-meta-colour" … as they were put */
    size_t field_count;
    const struct object_field *tags;
    size_t tag_count;
    enum object_checksum checksum;
    struct view checksum_value;                             /* base64; "…-3" when it is composed of the parts' */
    unsigned part_count;                                    /* 0: was put whole */
};

/* ---- buckets ---- */

enum bucket_place { BUCKET_LOCAL, BUCKET_LINKED, BUCKET_REMOTE };

struct bucket_info {
    struct view name, account, region;
    enum bucket_place place;
    struct view target;                                     /* the linked directory, or the remote's URL */
    int64_t created_ms;
};

bool bucket_name_is_valid(struct view name);                /* S3's rules */
enum object_status bucket_create(struct objects *objects, struct view account, struct view region, struct view name);
/* The directory is absolute and exists, otherwise OBJECT_BAD_NAME. Its files are the objects, symbolic links and what is no file not. */
enum object_status bucket_link(struct objects *objects, struct view account, struct view region, struct view name,
                               struct view directory);
enum object_status bucket_get(struct objects *objects, struct arena *arena, struct view name, struct bucket_info *out);
enum object_status bucket_delete(struct objects *objects, struct view name);    /* a link is only undone */
/* All buckets of the account by name, those of the configuration included. */
enum object_status bucket_list(struct objects *objects, struct arena *arena, struct view account, struct bucket_info **out,
                               size_t *count);

/* ---- writing ---- */

struct object_condition {                                   /* empty views: none */
    struct view if_match, if_none_match;                    /* an ETag without quotes, or "*" */
    struct view checksum_value;                             /* upload_complete() alone: what the whole must have, in base64 */
};

struct object_put {
    struct view bucket, key;
    struct view content_type;                               /* empty: "binary/octet-stream" */
    const struct object_field *fields, *tags;
    size_t field_count, tag_count;
    struct object_condition condition;                      /* looked at when the put ends */
    enum object_checksum checksum;                          /* to keep; NONE: CRC64NVME */
    bool checksum_of_whole;                                 /* uploads with CRC32 or CRC32C: not composed of the parts' checksums;
                                                             * CRC64NVME never is, SHA1 and SHA256 always are */
};

struct object_writer;
enum object_status object_write_begin(struct objects *objects, const struct object_put *put, struct object_writer **out);
/* Errors stick: they may be looked at once, at the end. */
enum object_status object_write(struct object_writer *writer, struct view bytes);
/* Bytes of a file. A whole unlinked file on the same disk is taken as it is; others are copied. fd stays the caller's. */
enum object_status object_write_fd(struct object_writer *writer, int fd, uint64_t offset, uint64_t length);
/* Before the end: what the bytes must add up to. value is base64. MD5 is the Content-MD5 header. A checksum that is not the put's own
 * must be named before the first byte. */
void object_write_expect(struct object_writer *writer, enum object_checksum checksum, struct view value);
void object_write_expect_md5(struct object_writer *writer, struct view value);
/* Makes it visible and durable, or fails and leaves nothing behind. Frees the writer either way. */
enum object_status object_write_end(struct object_writer *writer, struct arena *arena, struct object_info *out);
void object_write_abort(struct object_writer *writer);      /* NULL is fine */

/* All in one. */
enum object_status object_put_bytes(struct objects *objects, struct arena *arena, const struct object_put *put, struct view bytes,
                                    struct object_info *out);

enum object_status object_delete(struct objects *objects, struct view bucket, struct view key);    /* one that is not there is fine */
/* With few commits. statuses (may be NULL) gets one for each key; the result is the first that is not OBJECT_OK. */
enum object_status object_delete_many(struct objects *objects, struct view bucket, const struct view *keys, size_t count,
                                      enum object_status *statuses);
enum object_status object_copy(struct objects *objects, struct arena *arena, struct view bucket, struct view key,
                               const struct object_put *to, bool replace_metadata, bool replace_tags, struct object_info *out);
enum object_status object_set_tags(struct objects *objects, struct view bucket, struct view key, const struct object_field *tags,
                                   size_t count);

/* ---- reading ---- */

enum object_status object_head(struct objects *objects, struct arena *arena, struct view bucket, struct view key,
                               struct object_info *out);

struct object_reader;
enum object_status object_read_begin(struct objects *objects, struct arena *arena, struct view bucket, struct view key,
                                     struct object_info *info, struct object_reader **out);
/* Fewer bytes than asked for only at the end of the object; *got 0 there. Sequential reading of a remote object is buffered. */
enum object_status object_read_at(struct object_reader *reader, uint64_t offset, void *out, size_t len, size_t *got);
/* A descriptor of the object's own bytes from 0 to info.size, the caller's to close; -1 for a remote one. */
int object_reader_fd(struct object_reader *reader);
void object_read_end(struct object_reader *reader);         /* NULL is fine */

struct object_list {
    struct view bucket, prefix, delimiter;
    struct view after;                                      /* keys and common prefixes greater than this; empty: from the start */
    size_t limit;                                           /* 1 to 1000 */
};
struct object_page {
    struct object_info *objects;                            /* without fields and tags */
    size_t count;
    struct view *prefixes;                                  /* common prefixes, the delimiter included */
    size_t prefix_count;
    bool more;
    struct view last;                                       /* the greatest of both: `after` of the next page */
};
enum object_status object_list(struct objects *objects, struct arena *arena, const struct object_list *list, struct object_page *out);

/* ---- multipart uploads ---- */

struct object_upload {
    struct view key, id;
    int64_t created_ms;
    enum object_checksum checksum;
    bool checksum_of_whole;
};
struct object_part {                                        /* to complete with: number and etag are enough */
    unsigned number;                                        /* 1 to OBJECT_PARTS_MAX */
    struct view etag;
    uint64_t size;
    int64_t modified_ms;
    enum object_checksum checksum;
    struct view checksum_value;
    struct view id;                                         /* of its bytes; nobody else's business */
};
enum object_status upload_create(struct objects *objects, struct arena *arena, const struct object_put *put, struct view *upload_id);
/* Then object_write…; object_write_end() gives the part's etag, size and checksum. */
enum object_status upload_part_begin(struct objects *objects, struct view bucket, struct view key, struct view upload_id,
                                     unsigned number, struct object_writer **out);
enum object_status upload_parts(struct objects *objects, struct arena *arena, struct view bucket, struct view key,
                                struct view upload_id, unsigned after, size_t limit, struct object_part **parts, size_t *count,
                                bool *more);
/* Parts by number, rising. All but the last have at least OBJECT_PART_MIN bytes, but for OBJECT_OWN_BUCKET. Done twice it succeeds
 * twice. */
enum object_status upload_complete(struct objects *objects, struct arena *arena, struct view bucket, struct view key,
                                   struct view upload_id, const struct object_part *parts, size_t count,
                                   const struct object_condition *condition, struct object_info *out);
enum object_status upload_abort(struct objects *objects, struct view bucket, struct view key, struct view upload_id);
/* By key, then id; those that are greater than after_key and after_id (empty: than all of after_key). */
enum object_status upload_list(struct objects *objects, struct arena *arena, struct view bucket, struct view prefix,
                               struct view after_key, struct view after_id, size_t limit, struct object_upload **uploads,
                               size_t *count, bool *more);

/* ---- opening ---- */

struct object_remote {                                      /* of one bucket */
    struct view bucket;                                     /* its name here */
    struct view endpoint, region, access_key, secret_key;   /* "https://s3.example.com" */
    struct view remote_bucket;                              /* its name there; empty: the same */
};

struct objects_options {
    struct store *store;
    const struct clock *clock;
    const char *dir;                                        /* DATA/objects, made when needed; hard links must work there */
    const struct object_remote *remotes;                    /* copied */
    size_t remote_count;
    struct view account;                                    /* owns the buckets of the configuration */
    bool recover;                                           /* remove what a killed process left half-written: the server alone */
};

/* NULL with a message in error. */
struct objects *objects_open(const struct objects_options *options, char *error, size_t error_size);
void objects_close(struct objects *objects);                /* when nothing is open; NULL is fine */

/* "s3://bucket/some/key" in its parts; key may be empty. False when it is no such URI. */
bool object_uri_parse(struct view uri, struct view *bucket, struct view *key);

#endif
