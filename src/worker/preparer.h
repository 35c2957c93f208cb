/* worker/preparer.h - a thread that prepares jobs, so that a long text to tokenize or a large schema never holds up a step.
 *
 * Jobs come out in the order in which they went in. preparer_wake_fd() is readable while some are done.
 */
#ifndef CRATON_WORKER_PREPARER_H
#define CRATON_WORKER_PREPARER_H

#include "worker/job.h"
#include "worker/model.h"

struct preparer;

struct preparer *preparer_create(const struct model *model);           /* NULL when out of memory, threads or descriptors */
void preparer_destroy(struct preparer *preparer);           /* waits for the job at hand; all jobs are the caller's again */

void preparer_submit(struct preparer *preparer, struct job *job);      /* the job is the preparer's until it is taken */
struct job *preparer_take(struct preparer *preparer);       /* the next one done, or NULL */
int preparer_wake_fd(const struct preparer *preparer);

#endif
