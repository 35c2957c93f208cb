/* objects/remote.h - buckets on another S3: one signed request, and what is made of those. Private to objects/.
 *
 * Passing errors are tried again with growing pauses. What an answer says lives in the caller's arena.
 */
#ifndef CRATON_OBJECTS_REMOTE_H
#define CRATON_OBJECTS_REMOTE_H

#include "objects/internal.h"

#include "base/xml.h"
#include "net/http.h"

#define REMOTE_HEADERS_MAX 128                              /* of an answer; more are not looked at */

struct remote_request {
    struct objects *objects;
    const struct object_remote *remote;
    const char *method;
    struct view key;                                        /* empty: the bucket itself */
    struct buf query;                                       /* made by remote_query(); remote_send() frees it */
    struct http_header *headers;                            /* names in lower case, in the arena; room for those of the signature */
    size_t header_count, header_capacity;
    struct view body;
    int fd;                                                 /* with length: the body is that much of this file */
    uint64_t length;
    const uint8_t *sha256;                                  /* of the file; NULL: it is not signed */
    char *into;                                             /* where the body of a good answer goes; NULL: to reply->body */
    size_t into_size;
};

struct remote_reply {
    int status;                                             /* HTTP's; 0: there was none */
    struct view body;
    size_t got;                                             /* bytes of `into` */
    struct object_field headers[REMOTE_HEADERS_MAX];
    size_t header_count;
};

void remote_query(struct remote_request *request, const char *name, struct view value);
/* False when out of memory. */
bool remote_header(struct remote_request *request, struct arena *arena, const char *name, struct view value);
/* Headers that say what an object shall be. */
bool remote_describe(struct remote_request *request, struct arena *arena, const struct object_put *put);
bool remote_conditions(struct remote_request *request, struct arena *arena, const struct object_condition *condition);

/* OBJECT_OK for an answer of 2xx; otherwise what the other side's error means here. */
enum object_status remote_send(struct remote_request *request, struct arena *arena, struct remote_reply *reply);
struct view remote_reply_header(const struct remote_reply *reply, const char *name);    /* ptr NULL: none */
const struct xml *remote_reply_xml(const struct remote_reply *reply, struct arena *arena, const char *root);    /* NULL: another */
struct view remote_etag(struct view text);                  /* without quotes */

/* What the answers to HEAD and to a list say. False: they are none, or memory is out. */
bool remote_read_info(struct arena *arena, const struct remote_reply *reply, struct object_info *out);
bool remote_read_page(struct arena *arena, const struct object_remote *remote, const struct object_list *list,
                      const struct remote_reply *reply, struct object_page *out);

/* ---- one function for each of objects.h ---- */

const struct object_remote *remote_of(const struct objects *objects, struct view bucket);  /* bucket.c; NULL: it is no remote one */

enum object_status remote_head(struct objects *objects, const struct object_remote *remote, struct arena *arena, struct view key,
                               struct object_info *out);
/* Bytes from offset on, as many as there are up to len, of the object that has this ETag. */
enum object_status remote_read(struct objects *objects, const struct object_remote *remote, struct view key, struct view etag,
                               uint64_t offset, char *out, size_t len, size_t *got);
enum object_status remote_list(struct objects *objects, const struct object_remote *remote, struct arena *arena,
                               const struct object_list *list, struct object_page *out);
enum object_status remote_delete(struct objects *objects, const struct object_remote *remote, struct view key);
enum object_status remote_set_tags(struct objects *objects, const struct object_remote *remote, struct view key,
                                   const struct object_field *tags, size_t count);

extern const struct writer_kind remote_writer, remote_part_writer;

enum object_status remote_upload_create(struct objects *objects, const struct object_remote *remote, struct arena *arena,
                                        const struct object_put *put, struct view *upload_id);
/* The ETag of the part, in the arena. The part is the writer's spool. */
enum object_status remote_upload_part(struct object_writer *writer, struct arena *arena, struct view upload_id, unsigned number,
                                      struct view *etag);
enum object_status remote_upload_parts(struct objects *objects, const struct object_remote *remote, struct arena *arena, struct view key,
                                       struct view upload_id, unsigned after, size_t limit, struct object_part **parts, size_t *count,
                                       bool *more);
enum object_status remote_upload_complete(struct objects *objects, const struct object_remote *remote, struct arena *arena,
                                          struct view key, struct view upload_id, const struct object_part *parts, size_t count,
                                          const struct object_condition *condition, struct object_info *out);
enum object_status remote_upload_abort(struct objects *objects, const struct object_remote *remote, struct view key,
                                       struct view upload_id);
enum object_status remote_upload_list(struct objects *objects, const struct object_remote *remote, struct arena *arena,
                                      struct view prefix, struct view after_key, struct view after_id, size_t limit,
                                      struct object_upload **uploads, size_t *count, bool *more);

#endif
