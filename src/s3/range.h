/* s3/range.h - the Range header, and the conditions under which an object is given out. Pure functions. */
#ifndef CRATON_S3_RANGE_H
#define CRATON_S3_RANGE_H

#include "base/view.h"

enum range_result {
    RANGE_WHOLE,                                            /* none, or one that is to be ignored */
    RANGE_PART,
    RANGE_UNSATISFIABLE,
};

/* "bytes=0-9", "bytes=10-", "bytes=-5". Other units, several ranges and malformed ones are ignored, as S3 does. */
enum range_result s3_range_parse(struct view text, uint64_t size, uint64_t *offset, uint64_t *length);

struct conditions {                                         /* of a request; NULL ptr: not there */
    struct view if_match, if_none_match;                    /* lists of ETags, or "*" */
    struct view if_modified_since, if_unmodified_since;     /* HTTP dates; malformed ones are ignored */
};

enum condition_result { CONDITION_HOLDS, CONDITION_FAILED, CONDITION_NOT_MODIFIED };

/* etag is without quotes. A condition on the ETag outweighs the one on the date. */
enum condition_result s3_conditions_check(const struct conditions *conditions, struct view etag, int64_t modified_ms);

#endif
