#include "worker/calls.h"

struct job *calls_find(const struct calls *calls, uint32_t stream)
{
    struct job *job = calls->buckets[stream % CALLS_BUCKETS];
    while (job != NULL && job->stream != stream)
        job = job->bucket_next;
    return job;
}

void calls_add(struct calls *calls, struct job *job)
{
    struct job **bucket = &calls->buckets[job->stream % CALLS_BUCKETS];
    job->bucket_next = *bucket;
    *bucket = job;
    calls->count++;
}

void calls_remove(struct calls *calls, struct job *job)
{
    struct job **at = &calls->buckets[job->stream % CALLS_BUCKETS];
    while (*at != job)
        at = &(*at)->bucket_next;
    *at = job->bucket_next;
    calls->count--;
}
