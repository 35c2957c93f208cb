/* worker/prepare.h - from the bytes of a CALL to what the scheduler can run: parse, render the template, tokenize, cut windows.
 *
 * Counting and generating take the same way through here, so a count is what the real call will use. Runs on the preparer's thread,
 * or on any other that holds the job; reads of the model only what is immutable.
 */
#ifndef CRATON_WORKER_PREPARE_H
#define CRATON_WORKER_PREPARE_H

#include "worker/job.h"
#include "worker/model.h"

/* Sets job->status, and for ENGINE_OK what its kind needs. */
void prepare_job(const struct model *model, struct job *job);

#endif
