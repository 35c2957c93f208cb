/* objects/internal.h - what the files of objects/ share.
 *
 * Below the directory of the objects lie
 *
 *     data/ab/abcd…     the bytes of one put, under its id; a store record (OBJECT_KIND) names it, or it is rubbish
 *     pending/abcd…     a second link to each file of which a record may or may not be committed just now: after a crash these, and
 *                       only these, are looked at
 *
 * The parts of an upload are such puts too, named by records of PART_KIND.
 */
#ifndef CRATON_OBJECTS_INTERNAL_H
#define CRATON_OBJECTS_INTERNAL_H

#include "base/buf.h"
#include "base/checksum.h"
#include "objects/objects.h"

#define BUCKET_KIND      "bucket"
#define OBJECT_OWN_KIND  "object.own"                       /* of OBJECT_OWN_BUCKET: those who watch for objects need not hear of it */
#define BUCKET_DELETING  "deleting"                         /* the state of a bucket that is being looked through */
#define UPLOAD_KIND      "object.upload"                    /* id "bucket/key\x01UPLOAD" */
#define UPLOAD_ENDED     "ended"                            /* completed or aborted: what is left of it goes */
#define PART_KIND        "object.part"                      /* of an upload; id "UPLOAD/00001", names bytes as an object does */

#define ID_SIZE          33                                 /* 32 hexadecimal digits and a NUL */
#define SCRATCH_MAX      (4u << 20)                         /* an arena of ours: a page of records */
#define RECORD_DEPTH     8                                  /* of a record's JSON */
#define RECORD_MAX       (1u << 20)
#define TRIES_MAX        100                                /* against others who change the same object at the same time */

struct objects {
    struct store *store;
    const struct clock *clock;
    struct arena *arena;                                    /* what lives as long as this */
    int data_fd, pending_fd;
    bool names_follow_files;                                /* a file's sync makes its names durable too */
    struct object_remote *remotes;
    size_t remote_count;
    struct view account;
};

/* ---- objects.c ---- */

enum object_status status_of_store(enum store_status status);
enum object_status status_of_errno(int code, const char *what);     /* logs what is OBJECT_ERROR; code may be negative */
void make_id(char out[ID_SIZE]);
bool id_copy(struct view id, char out[ID_SIZE]);            /* false when it is none */

/* ---- bucket.c ---- */

struct bucket {
    enum bucket_place place;
    uint64_t version;                                       /* of its record; 0: it has none */
    bool deleting;
    struct view directory;                                  /* of a linked one */
    const struct object_remote *remote;
};
/* What is found lives in the arena. */
enum object_status bucket_resolve(struct objects *objects, struct arena *arena, struct view name, struct bucket *out);
struct store_key bucket_key(struct view name);
bool bucket_recover(struct objects *objects);

/* ---- record.c: an object as a record ---- */

bool key_is_valid(struct view key);
/* The id lives in the arena; its ptr is NULL when that is exhausted. */
struct store_key object_key(struct arena *arena, struct view bucket, struct view key);
/* upload: the one that made it, or empty. */
bool info_write(const struct object_info *info, struct view upload, struct buf *json);
bool info_read(struct arena *arena, const struct store_record *record, struct object_info *out);
struct view info_upload(struct arena *arena, const struct store_record *record);
bool info_copy(struct arena *arena, const struct object_info *info, struct object_info *out);
/* Fields in the arena. *out is NULL with false when that is exhausted. */
bool fields_copy(struct arena *arena, const struct object_field *fields, size_t count, const struct object_field **out);

const char *checksum_name(enum object_checksum checksum);
enum object_checksum checksum_of_name(struct view name);   /* OBJECT_CHECKSUM_NONE for an unknown one */
enum checksum_type checksum_type_of(enum object_checksum checksum); /* not for OBJECT_CHECKSUM_NONE */

/* ---- files.c: bytes below the directory; 0 or a negative errno ---- */

bool files_open_dirs(struct objects *objects, const char *dir, char *error, size_t error_size);
void files_close_dirs(struct objects *objects);
int files_create(struct objects *objects, const char *id);  /* in pending; a descriptor, locked as long as it is open */
/* An unlinked file becomes the pending one. When that cannot be, its bytes are to be copied. */
int files_adopt(struct objects *objects, const char *id, int fd);
int files_place(struct objects *objects, const char *id, int fd);   /* also in data, and durable */
int files_doubt(struct objects *objects, const char *id);   /* of data: also in pending, since its record may go */
void files_settle(struct objects *objects, const char *id); /* no longer pending */
void files_drop(struct objects *objects, const char *id);   /* out of data and pending */
int files_open(struct objects *objects, const char *id);    /* to read; a descriptor */
int files_link(struct objects *objects, const char *from, const char *id);  /* the bytes of data's `from` become pending ones of id */
int files_copy(int from, uint64_t offset, uint64_t length, int to);         /* to the end of `to`; in the kernel where that can */
bool files_recover(struct objects *objects);                /* what is pending and not locked is kept or dropped, as the store says */
int write_whole(int fd, struct view bytes);

/* ---- commit.c: a record changes, and with it which bytes it names ---- */

struct commit {
    struct store_key key;                                   /* of the record */
    struct view id;                                         /* of the bytes it shall name; empty: the record goes */
    struct view json;
    struct object_condition condition;
    struct store_key guard;                                 /* a record that must be there, with an empty state; kind empty: none */
    enum object_status guard_gone;                          /* the status when it is not */
    bool guard_waits;                                       /* its state may become empty again soon */
    struct store_write *others;                             /* to be done with it, or not at all */
    size_t other_count;
    enum object_status other_failed;                        /* the status when one of these was in the way */
    bool keep_bytes;                                        /* it names them already: OBJECT_NO_KEY when it does not */
};
/* The old bytes go. The new ones are dropped when it fails, unless it may have happened all the same. */
enum object_status commit_bytes(struct objects *objects, const struct commit *commit);

/* Fills key and guard in for an object. False when the arena is exhausted. */
bool commit_for(struct commit *commit, struct arena *arena, struct view bucket, struct view key);
/* The whole for an object, id and JSON too. upload: see info_write(). */
enum object_status commit_object(struct objects *objects, struct commit *commit, const struct object_info *info, struct view upload);

/* ---- linked.c: the files of a directory as objects ---- */

enum object_status linked_open(struct arena *arena, const struct bucket *bucket, struct view name, struct view key,
                               struct object_info *info, int *fd);
enum object_status linked_list(struct arena *arena, const struct bucket *bucket, const struct object_list *list,
                               struct object_page *out);

/* ---- write.c ---- */

#define DIGESTS_MAX 4

struct digest {
    struct checksum sum;
    bool expected;
    uint8_t value[CHECKSUM_SIZE_MAX];                       /* what is expected, later what came out */
};

/* The places bytes can go to. Statuses stick in the writer. */
struct writer_kind {
    enum object_status (*write)(struct object_writer *writer, struct view bytes);
    enum object_status (*end)(struct object_writer *writer, struct arena *arena, struct object_info *out);
    void (*abort)(struct object_writer *writer);            /* also after a failed end */
};

struct object_writer {
    struct objects *objects;
    struct arena *arena;
    const struct writer_kind *kind;
    struct object_put put;                                  /* copied */
    enum object_status status;
    uint64_t size;
    struct digest digests[DIGESTS_MAX];                    /* MD5, the one to keep, others */
    size_t digest_count;

    int fd;                                                 /* local: -1 until the first bytes */
    char id[ID_SIZE];
    char *buffer;
    size_t buffered;
    struct view upload;                                     /* of a part: put.bucket is the upload, put.key the number */
    struct store_key upload_key;

    const struct object_remote *remote;                     /* remote: what fd holds is on its way there */
    bool checksum_asked;                                    /* put.checksum is not our own choice */
    uint64_t spooled;
    struct checksum spool_sum;
    uint8_t spool_sha256[CHECKSUM_SIZE_MAX];
    struct object_part *parts;                              /* that are there; upload is the remote's */
    size_t part_count, part_capacity;
    unsigned part_number;                                   /* of the caller's upload; put.key is the object's */
};

struct object_writer *writer_create(struct objects *objects, const struct object_put *put);    /* without a kind */
void writer_destroy(struct object_writer *writer);
enum object_status writer_local_write(struct object_writer *writer, struct view bytes);
/* All bytes are in data and durable, or nothing is left. *info lives as long as the writer. */
enum object_status writer_local_place(struct object_writer *writer, struct object_info *info);
void writer_local_abort(struct object_writer *writer);
bool writer_describe(struct object_writer *writer, struct object_info *info);   /* once the digests have ended; false: no memory */
struct view base64_text(struct arena *arena, const uint8_t *bytes, size_t len);     /* ptr NULL: out of memory */

/* ---- upload.c ---- */

struct upload {
    struct store_record record;
    struct object_info info;                                /* what the object shall be; checksum_value is the type of its checksum */
    bool checksum_of_whole;
};
/* OBJECT_NO_UPLOAD when there is none that is open. */
enum object_status upload_find(struct objects *objects, struct arena *arena, struct view bucket, struct view key, struct view id,
                               struct upload *out);
void upload_part_id(char out[ID_SIZE + 8], struct view upload, unsigned number);    /* of the record */
/* Removes the parts, then the record of an upload that has ended. What it cannot is left to the next start. */
void upload_remove(struct objects *objects, const struct store_key *key);
enum object_status upload_end(struct objects *objects, struct upload *upload);      /* marks it; then upload_remove() */
bool upload_recover(struct objects *objects);               /* removes those that have ended */

#endif
