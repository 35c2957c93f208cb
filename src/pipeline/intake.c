/* pipeline/intake.c - files become rows: the folder is listed, and what has no row gets one. */
#include "base/log.h"
#include "pipeline/internal.h"

#define PAGE_ARENA    (64u << 20)
#define PAGE          1000
#define REST_FACTOR   20                                    /* listing takes a twentieth of the time at most … */
#define REST_MAX_MS   60000                                 /* … unless it would be too long ago */
#define FILE_SUFFIX   ".jsonl"

static bool is_input(const struct object_info *object)
{
    return view_ends_with(object->key, VIEW(FILE_SUFFIX)) && object->key.len > strlen(PIPELINE_INPUT FILE_SUFFIX);
}

/* Appends the creation of the object's row, when there is none yet. */
static enum store_status add_row(struct pipelines *p, const struct pipeline *pipeline, struct arena *arena,
                                 const struct object_info *object, struct store_write *writes, size_t *count)
{
    struct row row;
    struct store_record found;
    if (!row_init(pipeline, arena, object->key, object->id, object->modified_ms, &row))
        return STORE_NO_MEMORY;
    struct store_key key = row_key(pipeline, arena, row.id);
    enum store_status status = store_get(p->options.store, arena, &key, &found);
    if (status != STORE_NOT_FOUND)
        return status;
    writes[*count] = (struct store_write){ .action = STORE_CREATE };
    if (!row_write_record(&row, arena, &writes[*count].record))
        return STORE_NO_MEMORY;
    ++*count;
    return STORE_OK;
}

static enum store_status add_rows(struct pipelines *p, const struct pipeline *pipeline, struct arena *arena, const struct object_page *page)
{
    size_t count = 0;
    enum store_status status = STORE_OK;
    struct store_write *writes = ARENA_ARRAY(arena, struct store_write, page->count);
    if (writes == NULL)
        return page->count == 0 ? STORE_OK : STORE_NO_MEMORY;
    for (size_t i = 0; i < page->count && status == STORE_OK; i++) {
        if (is_input(&page->objects[i]))
            status = add_row(p, pipeline, arena, &page->objects[i], writes, &count);
    }
    if (status == STORE_OK && count > 0)
        status = store_apply(p->options.store, writes, count, NULL);
    if (status == STORE_OK && count > 0)
        log_info("a pipeline has new files", LOG_VIEW("pipeline", pipeline->name), LOG_INT("files", count));
    return status;
}

/* Why its files cannot be read is shown with the pipeline; it is written when it changes. */
static void set_problem(struct pipelines *p, const struct pipeline *pipeline, struct arena *arena, struct view problem)
{
    struct pipeline changed = *pipeline;
    struct store_record record;
    if (view_eq(pipeline->problem, problem))
        return;
    changed.problem = problem;
    log_warn(problem.len > 0 ? "the files of a pipeline cannot be read" : "the files of a pipeline can be read again",
             LOG_VIEW("pipeline", pipeline->name), LOG_VIEW("bucket", pipeline->bucket), LOG_VIEW("reason", problem));
    if (pipeline_write_record(&changed, arena, &record))
        store_update(p->options.store, &record);            /* changed by others: the next round sees how it is */
}

/* False when the listing stopped before its end. */
static bool list_files(struct pipelines *p, const struct pipeline *pipeline, struct arena *arena, struct view *problem)
{
    struct buf after = BUF_INIT(OBJECT_KEY_MAX);
    struct object_list list = { .bucket = pipeline->bucket, .prefix = VIEW(PIPELINE_INPUT), .limit = PAGE };
    struct object_page page = { .more = true };
    enum store_status stored = STORE_OK;
    while (page.more && stored == STORE_OK && !atomic_load(&p->stopping)) {
        arena_reset(arena);
        list.after = buf_view(&after);
        enum object_status status = object_list(p->options.objects, arena, &list, &page);
        if (status != OBJECT_OK) {
            *problem = view_from_cstr(object_status_text(status));
            p->troubled |= object_status_is_passing(status);
            break;
        }
        stored = add_rows(p, pipeline, arena, &page);
        buf_clear(&after);
        if (!buf_append_view(&after, page.last))
            stored = STORE_NO_MEMORY;
    }
    buf_free(&after);
    if (stored != STORE_OK)
        *problem = view_from_cstr(store_status_text(stored));
    p->troubled |= stored != STORE_OK;
    return !page.more && problem->len == 0;
}

void intake_files(struct pipelines *p, const struct pipeline *pipeline, struct feed *feed, int64_t *again_ms)
{
    int64_t began_ms = store_now_ms(p->options.store);
    struct view problem = VIEW("");
    feed->listed = false;
    if (began_ms < feed->next_listing_ms && feed->next_listing_ms - began_ms <= REST_MAX_MS) {  /* else the clock was set back */
        *again_ms = feed->next_listing_ms < *again_ms ? feed->next_listing_ms : *again_ms;
        return;
    }
    struct arena *arena = arena_create(PAGE_ARENA);
    if (arena == NULL)
        return;
    feed->listed = list_files(p, pipeline, arena, &problem);
    arena_reset(arena);
    set_problem(p, pipeline, arena, problem);
    arena_destroy(arena);
    int64_t now_ms = store_now_ms(p->options.store);
    int64_t rest_ms = (now_ms - began_ms) * REST_FACTOR;
    feed->next_listing_ms = now_ms + (rest_ms < REST_MAX_MS ? rest_ms : REST_MAX_MS);
}
