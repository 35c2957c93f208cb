/* pipeline/round.c - one round: all pipelines are read, files noticed, jobs followed, rows submitted; the deleted are cleared away. */
#include "base/log.h"
#include "pipeline/internal.h"

#include <stdlib.h>

#define ROUND_ARENA (256u << 20)
#define PAGE        1000
#define DELETE_PAGE 500
#define TROUBLE_MS  10000

struct round {
    struct pipelines *p;
    struct arena *arena;
    bool look_for_files;                                    /* also where all have been looked at before */
    struct fed_pipeline *list;                              /* those that are not being deleted */
    size_t count, capacity;
    int64_t again_ms;
};

/* ---- what is remembered ---- */

/* NULL when out of memory. */
static struct feed *feed_of(struct pipelines *p, struct view suffix)
{
    LIST_EACH(at, &p->feeds) {
        struct feed *feed = LIST_ITEM(at, struct feed, link);
        if (view_eq(suffix, view_of(feed->suffix, sizeof(feed->suffix))))
            return feed;
    }
    struct feed *feed = suffix.len == PIPELINE_SUFFIX_SIZE ? calloc(1, sizeof(*feed)) : NULL;
    if (feed == NULL)
        return NULL;
    memcpy(feed->suffix, suffix.ptr, suffix.len);
    list_push_back(&p->feeds, &feed->link);
    return feed;
}

static void drop_feeds(struct pipelines *p)
{
    LIST_EACH(at, &p->feeds) {
        struct feed *feed = LIST_ITEM(at, struct feed, link);
        if (!feed->seen) {
            list_remove(&feed->link);
            free(feed);
        } else {
            feed->seen = false;
        }
    }
}

/* ---- deleting ---- */

static enum store_status delete_rows(struct pipelines *p, const struct pipeline *pipeline, struct arena *arena, struct store_scan *scan,
                                     size_t *deleted)
{
    struct store_page page;
    scan->limit = DELETE_PAGE;
    *deleted = 0;
    enum store_status status = store_scan(p->options.store, arena, scan, &page);
    struct store_write *writes = status == STORE_OK ? ARENA_ARRAY(arena, struct store_write, page.count) : NULL;
    if (status != STORE_OK || page.count == 0)
        return status;
    if (writes == NULL)
        return STORE_NO_MEMORY;
    for (size_t i = 0; i < page.count; i++)
        writes[i] = (struct store_write){ .action = STORE_DELETE, .record.key = page.records[i].key };
    (void)pipeline;
    *deleted = page.count;
    return store_apply(p->options.store, writes, page.count, NULL);
}

static enum store_status delete_records(struct pipelines *p, const struct pipeline *pipeline)
{
    const struct view none = VIEW_INIT("");
    struct store_write writes[2] = {
        { .action = STORE_DELETE, .record.key = { VIEW_INIT(PIPELINE_BUCKET_KIND), none, none, pipeline->bucket } },
        { .action = STORE_DELETE, .record.key = { VIEW_INIT(PIPELINE_KIND), pipeline->account, pipeline->region, pipeline->name } },
    };
    return store_apply(p->options.store, writes, 2, NULL);
}

/* Rows first: when this is cut off, the pipeline is still there, and the next round goes on. */
static void delete_pipeline_wholly(struct pipelines *p, const struct pipeline *pipeline)
{
    struct arena *bounds = arena_create(64u << 10), *arena = arena_create(64u << 20);
    struct store_scan scan;
    size_t deleted = 1;
    enum store_status status = bounds != NULL && arena != NULL && row_scan_all(pipeline, bounds, &scan) ? STORE_OK : STORE_NO_MEMORY;
    while (status == STORE_OK && deleted > 0 && !atomic_load(&p->stopping)) {
        arena_reset(arena);
        status = delete_rows(p, pipeline, arena, &scan, &deleted);
    }
    if (status == STORE_OK && deleted == 0)
        status = delete_records(p, pipeline);
    if (status == STORE_OK && deleted == 0)
        log_info("a pipeline is gone", LOG_VIEW("pipeline", pipeline->name));
    else if (status != STORE_OK)
        log_warn("a pipeline could not be deleted yet", LOG_VIEW("pipeline", pipeline->name), LOG_STR("reason", store_status_text(status)));
    p->troubled |= status != STORE_OK;
    arena_destroy(arena);
    arena_destroy(bounds);
}

/* ---- the pipelines of the round ---- */

static bool grow(struct round *round)
{
    size_t wanted = round->capacity == 0 ? 16 : round->capacity * 2;
    round->list = arena_resize(round->arena, round->list, round->capacity * sizeof(*round->list), wanted * sizeof(*round->list));
    round->capacity = wanted;
    return round->list != NULL;
}

static bool add_pipeline(struct round *round, const struct store_record *record)
{
    struct pipeline pipeline;
    if (!pipeline_read_record(record, round->arena, &pipeline)) {
        log_error("a pipeline cannot be read", LOG_VIEW("pipeline", record->key.id));
        return !arena_exhausted(round->arena);
    }
    if (pipeline.deleting) {
        delete_pipeline_wholly(round->p, &pipeline);
        return true;
    }
    struct feed *feed = feed_of(round->p, pipeline.suffix);
    if (feed == NULL || (round->count == round->capacity && !grow(round)))
        return false;
    feed->seen = true;
    round->list[round->count++] = (struct fed_pipeline){ pipeline, feed };
    return true;
}

static bool read_pipelines(struct round *round)
{
    struct store_scan scan = { .kind = VIEW_INIT(PIPELINE_KIND), .order = STORE_BY_CREATED, .limit = PAGE };
    do {
        struct store_page page;
        enum store_status status = store_scan(round->p->options.store, round->arena, &scan, &page);
        if (status != STORE_OK) {
            log_warn("the pipelines cannot be read", LOG_STR("reason", store_status_text(status)));
            return false;
        }
        for (size_t i = 0; i < page.count; i++) {
            if (!add_pipeline(round, &page.records[i]))
                return false;
        }
        scan.page = page.next;
    } while (scan.page.len > 0);
    return true;
}

/* ---- the round ---- */

static void notice_files(struct round *round)
{
    for (size_t i = 0; i < round->count && !atomic_load(&round->p->stopping); i++) {
        const struct fed_pipeline *fed = &round->list[i];
        if (round->look_for_files || !fed->feed->listed)
            intake_files(round->p, &fed->pipeline, fed->feed, &round->again_ms);
    }
}

static void run_jobs(struct round *round)
{
    struct pipelines *p = round->p;
    for (size_t i = 0; i < round->count && !atomic_load(&p->stopping); i++)
        follow_jobs(p, &round->list[i].pipeline);
    if (!atomic_load(&p->stopping) && round->count > 0)
        submit_rows(p, round->list, round->count, &round->again_ms);
}

int64_t pipelines_round(struct pipelines *p, bool files_changed)
{
    int64_t now_ms = store_now_ms(p->options.store);
    bool tick = now_ms >= p->next_tick_ms || p->next_tick_ms - now_ms > p->options.interval_ms;     /* the clock was set back */
    if (tick)
        p->next_tick_ms = now_ms + p->options.interval_ms;
    struct round round = { .p = p, .arena = arena_create(ROUND_ARENA), .again_ms = p->next_tick_ms };
    round.look_for_files = files_changed || tick;
    p->troubled = false;
    bool read = round.arena != NULL && read_pipelines(&round);
    p->troubled |= !read;
    if (read) {
        drop_feeds(p);
        notice_files(&round);
        if (tick || p->options.immediate)
            run_jobs(&round);
    }
    arena_destroy(round.arena);
    p->rounds++;
    if (p->troubled && p->next_tick_ms > now_ms + TROUBLE_MS)
        p->next_tick_ms = now_ms + TROUBLE_MS;
    return round.again_ms < p->next_tick_ms ? round.again_ms : p->next_tick_ms;
}
