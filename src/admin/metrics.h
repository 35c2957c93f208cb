/* admin/metrics.h - what the server counts, in Prometheus' text form.
 *
 * Everything happens on the loop, so plain integers do. Calls are counted by operation and HTTP status, with histograms of their
 * duration and of the time to the first token; models report themselves through the engine when the text is written.
 */
#ifndef CRATON_ADMIN_METRICS_H
#define CRATON_ADMIN_METRICS_H

#include "aws/call.h"
#include "engine/engine.h"

struct metrics;

struct metrics *metrics_create(size_t operation_count);                /* NULL when out of memory */
void metrics_destroy(struct metrics *metrics);                          /* NULL is fine */

/* A call has ended. operation is NULL for a request that reached none; stats may be NULL. */
void metrics_call(struct metrics *metrics, const struct operation *operation, int http_status, int64_t duration_us,
                  const struct call_stats *stats);

/* The same for a door without rows of operations. The name is constant; METRICS_NAMES_MAX of them are told apart. */
#define METRICS_NAMES_MAX 64
void metrics_request(struct metrics *metrics, const char *name, int http_status, int64_t duration_us, const struct call_stats *stats);

struct metrics_gauges {
    unsigned connections;
    int64_t uptime_s;
};

void metrics_write(const struct metrics *metrics, struct engine *engine, const struct metrics_gauges *gauges, struct buf *out);

#endif
