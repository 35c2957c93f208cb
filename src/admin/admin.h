/* admin/admin.h - the door `/_craton…`: health for everybody; metrics, status, scripted records and reload for administrators.
 *
 * The server authenticates before it calls: principal is NULL when nobody is. Runs on the loop; what must block goes to the pool.
 */
#ifndef CRATON_ADMIN_ADMIN_H
#define CRATON_ADMIN_ADMIN_H

#include "admin/metrics.h"
#include "net/http.h"

struct admin {                                              /* filled by the server, borrowed by the door */
    struct loop *loop;
    struct engine *engine;
    struct metrics *metrics;
    const struct http_server *http;
    const char *version;
    int64_t started_ms;                                     /* clock_wall_ms() */
    void *more_metrics_ctx;
    void (*more_metrics)(void *ctx, struct buf *out);       /* appends what capabilities count; NULL: nothing */
    void *reload_ctx;
    bool (*reload)(void *ctx);                              /* in a pool thread: keys and models as they are on disk now */
    void (*reloaded)(void *ctx);                            /* on the loop, after a reload */
};

bool admin_is_open(struct view path);                       /* the path needs no principal */
void admin_request(struct admin *admin, struct http_exchange *ex, const struct principal *principal);

#endif
