/* batch/record.h - one line of a job's input, and the line of its output. Pure functions. */
#ifndef CRATON_BATCH_RECORD_H
#define CRATON_BATCH_RECORD_H

#include "aws/error.h"
#include "base/json.h"

struct record {                                             /* views point into the line, as its bytes are */
    struct view id;                                         /* JSON text with its quotes; empty: there is none */
    struct view input;                                      /* what the model gets; of a line that is no record: all of it */
    struct view system;                                     /* the input's member of this name, which prompts begin with; may be empty */
    const char *problem;                                    /* why the line is no record; NULL: it is one */
};

enum record_status { RECORD_OK, RECORD_NOT_JSON, RECORD_NO_MEMORY };

/* A line that is JSON but no record is RECORD_OK with its problem. error says why it is not JSON. The arena is for scratch. */
enum record_status record_parse(struct arena *arena, struct view line, size_t max_depth, struct record *out,
                                struct json_error *error);

#define RECORD_ID_SIZE 11
/* The id of a record that came without one, with its quotes: the same each time for the same record of the same job. */
#define RECORD_ID_TEXT (RECORD_ID_SIZE + 2)
void record_make_id(struct view job, uint64_t number, char out[RECORD_ID_TEXT]);

/* One line of the output with its line end. body is the model's JSON. */
void record_write_answer(struct buf *out, struct view id, struct view input, struct view body);
void record_write_error(struct buf *out, struct view id, struct view input, int code, struct view message);

#endif
