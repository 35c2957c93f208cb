/* batch/segments.h - what lies on disk of a job that has not ended, in the server's own bucket.
 *
 *     batch/JOB/files          the files of the input, a line of JSON each
 *     batch/JOB/W-S            segment S of window W: results in the order in which they came
 *     batch/JOB/W              window W when it is closed: its results in the order of the input
 *
 * Segments and windows are entries one after the other: the record's number, the length of its line, the line. Which of them count,
 * the job's record says; one that it does not name is written again under the same name, or removed with the rest.
 */
#ifndef CRATON_BATCH_SEGMENTS_H
#define CRATON_BATCH_SEGMENTS_H

#include "base/buf.h"
#include "objects/objects.h"

#define SEGMENT_KEY_SIZE 80

void segment_files_key(char out[SEGMENT_KEY_SIZE], struct view job);
void segment_key(char out[SEGMENT_KEY_SIZE], struct view job, uint64_t window, uint64_t segment);
void segment_window_key(char out[SEGMENT_KEY_SIZE], struct view job, uint64_t window);

#define SEGMENT_HEAD 16                                     /* bytes before each line */

/* Reserves the head of an entry; what is appended after it until segment_end() is its line. Errors stick to the buffer. */
size_t segment_begin(struct buf *out, uint64_t record);     /* gives what segment_end() wants */
void segment_end(struct buf *out, size_t begun);

struct segment_entry {
    uint64_t record;
    uint64_t offset, length;                                /* of the line in the object */
};

struct segment_reader {
    struct object_reader *object;
    uint64_t at, size;
};
enum object_status segment_open(struct objects *objects, struct arena *arena, const char *key, struct segment_reader *out);
/* OBJECT_NO_KEY at the end; OBJECT_ERROR for bytes that are no entries. */
enum object_status segment_next(struct segment_reader *reader, struct segment_entry *out);
/* Appends the entry's line. */
enum object_status segment_read(struct segment_reader *reader, const struct segment_entry *entry, struct buf *out);
void segment_close(struct segment_reader *reader);

/* Removes what the job has in the bucket. Windows and segments that are not there are fine. */
enum object_status segments_remove(struct objects *objects, struct view job);
enum object_status segments_remove_of(struct objects *objects, struct view job, uint64_t window, uint64_t count);

#endif
