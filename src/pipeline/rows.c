#include "base/log.h"
#include "pipeline/internal.h"

#define PAGE          200
#define ROW_ARENA     (16u << 20)
#define RETRY_MAX_MS  (60 * 60 * 1000)
#define RETRY_DOUBLES 20

bool row_save(struct pipelines *p, struct row *row)
{
    struct arena *arena = arena_create(ROW_ARENA);
    struct store_record record;
    enum store_status status = STORE_NO_MEMORY;
    if (arena != NULL && row_write_record(row, arena, &record))
        status = store_update(p->options.store, &record);
    if (status == STORE_OK)
        row->version = record.version;
    else
        log_warn("a row of a pipeline was not saved", LOG_VIEW("row", row->id), LOG_STR("reason", store_status_text(status)));
    p->troubled |= status != STORE_OK;
    arena_destroy(arena);
    return status == STORE_OK;
}

bool row_may_retry(const struct pipelines *p, const struct row *row)
{
    return row->attempts < p->options.max_attempts;
}

void row_postpone(const struct pipelines *p, struct row *row, struct view reason)
{
    int64_t wait_ms = p->options.retry_ms;
    for (unsigned i = 1; i < row->attempts && i < RETRY_DOUBLES && wait_ms < RETRY_MAX_MS; i++)
        wait_ms *= 2;
    row->status = ROW_PENDING;
    row->turn = TURN_RETRY;
    row->retry_ms = store_now_ms(p->options.store) + (wait_ms < RETRY_MAX_MS ? wait_ms : RETRY_MAX_MS);
    row->error = reason;
}

void row_fail(const struct pipelines *p, struct row *row, struct view reason)
{
    row->status = ROW_FAILED;
    row->turn = TURN_NONE;
    row->finished_ms = store_now_ms(p->options.store);
    row->error = reason;
}

bool rows_visit(struct pipelines *p, const struct pipeline *pipeline, struct store_scan *scan, row_visit_fn *visit, void *ctx)
{
    struct arena *arena = arena_create(ROW_ARENA);
    struct buf next = BUF_INIT(ROW_ARENA);
    enum store_status status = arena != NULL ? STORE_OK : STORE_NO_MEMORY;
    bool more = true;
    scan->limit = PAGE;
    while (status == STORE_OK && more && !atomic_load(&p->stopping)) {
        struct store_page page;
        status = store_scan(p->options.store, arena, scan, &page);
        for (size_t i = 0; status == STORE_OK && i < page.count && !atomic_load(&p->stopping); i++) {
            struct row row;
            if (row_read_record(&page.records[i], arena, &row))
                visit(p, pipeline, &row, arena, ctx);
            else
                log_error("a row of a pipeline cannot be read", LOG_VIEW("row", page.records[i].key.id));
        }
        more = status == STORE_OK && page.next.len > 0;
        if (more) {
            buf_clear(&next);
            buf_append_view(&next, page.next);
            scan->page = buf_view(&next);
            arena_reset(arena);
        }
    }
    if (status != STORE_OK)
        log_warn("the rows of a pipeline cannot be read", LOG_VIEW("pipeline", pipeline->name),
                 LOG_STR("reason", store_status_text(status)));
    p->troubled |= status != STORE_OK;
    scan->page = VIEW("");
    buf_free(&next);
    arena_destroy(arena);
    return status == STORE_OK;
}
