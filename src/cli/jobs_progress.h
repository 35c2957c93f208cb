/* cli/jobs_progress.h - a batch job for people: how it stands, in one line or many, and what its end means to a shell. Pure functions
 * over what GetModelInvocationJob answers, the members of this server alone included; they append to a buffer. */
#ifndef CRATON_CLI_JOBS_PROGRESS_H
#define CRATON_CLI_JOBS_PROGRESS_H

#include "base/json.h"

/* "InProgress  ########........ 812/2000  41.2/s  3 failed  12.3k+8.1k tokens  ends in 29 s": as many of the parts as width holds. */
void jobs_line(struct buf *out, const struct json *job, int64_t now_ms, unsigned width);

void jobs_list_head(struct buf *out);                       /* the line above jobs_list_row() */
void jobs_list_row(struct buf *out, const struct json *job);
void jobs_details(struct buf *out, const struct json *job, int64_t now_ms);

void jobs_count(struct buf *out, int64_t count);            /* "812", "12.3k", "4.5M" */

bool jobs_has_ended(const struct json *job);

/* 0 Completed, 1 Failed, 3 PartiallyCompleted, 4 Stopped, 5 Expired. */
int jobs_exit_status(const struct json *job);

struct view jobs_id(const struct json *job);                /* what its ARN ends with */

#endif
