/* batch/window.c - one window: its records go to the model in an order that shares prefixes, and come back into segments.
 *
 *             launch            answer
 *   WAITING ─────────► FLYING ─────────► DONE                       the result goes into the open segment
 *      ▲                 │ │  the model takes no calls
 *      └──── RESTING ◄───┘ │                                        back-off; DONE with an error when it has lasted too long
 *            ALONE   ◄─────┘  the model failed at it                once more when nothing else flies; then DONE with an error
 */
#include "batch/internal.h"

#include "batch/record.h"

#include <stdlib.h>

#define WINDOW_ARENA   (512u << 20)
#define SEGMENT_MAX    (256u << 20)
#define REST_MIN_MS    250
#define REST_MAX_MS    30000
#define SLOW_MS        1000                                 /* fewer are in flight at most once in this time */
#define WAIT_MS        5000                                 /* without a success; then the job says what it waits for */

enum item_state { ITEM_WAITING, ITEM_FLYING, ITEM_RESTING, ITEM_ALONE, ITEM_DONE };

struct item {
    struct view id, input, system;                          /* JSON text */
    uint64_t number;                                        /* of the record in the job */
    const char *problem;                                    /* it is no record */
    enum item_state state;
    unsigned rests;                                         /* times that the model took no call */
    int64_t first_rest_ms, rests_until_ms;
    bool failed_before;                                     /* the model has failed at it once */
};

struct window {
    struct batch_run *run;
    struct arena *arena;                                    /* lines and items */
    struct item *items;
    size_t count, open;                                     /* open: not DONE */
    size_t *order;                                          /* items, so that those with a common prefix follow each other */
    size_t next;                                            /* in order: WAITING from here on */
    size_t resting, alone;
    struct flight *flight;

    struct buf segment;                                     /* results that are not on disk */
    size_t results;
    int64_t oldest_ms;                                      /* of these */
    struct batch_counts counts;                             /* of these */
    int64_t success_ms;                                     /* the last one */
    uint64_t successes;
    struct line_place end_place;
    uint64_t end_file;
};

/* ---- reading ---- */

static struct view made_id(struct window *window, uint64_t number)
{
    char id[RECORD_ID_TEXT];
    record_make_id(window->run->state.key.id, number, id);
    return arena_copy(window->arena, view_of(id, sizeof(id)));
}

static bool add_item(struct window *window, struct view line)
{
    struct batch_run *run = window->run;
    struct record record;
    struct json_error error;
    struct view text = arena_copy(window->arena, line);
    uint64_t number = run->state.progress.at.record + window->count;
    arena_reset(run->scratch);
    if (text.ptr == NULL || record_parse(run->scratch, text, run->batch->options.json_depth, &record, &error) != RECORD_OK)
        return false;
    window->items[window->count++] = (struct item){ .id = record.id.len > 0 ? record.id : made_id(window, number), .input = record.input,
                                                    .system = record.system, .number = number, .problem = record.problem };
    return !arena_exhausted(window->arena);
}

static enum course read_lines(struct window *window, struct lines *lines, size_t *bytes, bool *full)
{
    struct batch_run *run = window->run;
    struct line line;
    enum lines_status status;
    while (!*full && (status = lines_next(lines, &line)) != LINES_END) {
        enum course course = run_course(run);
        if (course == COURSE_ON && status != LINES_OK)
            course = run->failure[0] != '\0' ? COURSE_FAIL : run_fail(run, "The input can no longer be read.");
        if (course == COURSE_ON && !add_item(window, line.text))
            course = run_fail(run, "Line %llu of the input needs more memory than this server gives it.", (unsigned long long)line.number);
        if (course != COURSE_ON)
            return course;
        *bytes += line.text.len;
        window->end_place = line.after;
        *full = window->count == BATCH_WINDOW_RECORDS || *bytes >= BATCH_WINDOW_BYTES;
    }
    return COURSE_ON;
}

/* From where the open window begins, over the ends of files, until it is full or the input ends. */
static enum course read_items(struct window *window)
{
    struct batch_run *run = window->run;
    size_t bytes = 0;
    bool full = false;
    window->end_file = run->state.progress.at.file;
    window->end_place = (struct line_place){ run->state.progress.at.offset, run->state.progress.at.line };
    for (;;) {
        struct line_source source;
        enum course course = run_open_file(run, window->end_file, &source);
        if (course != COURSE_ON)
            return course;
        struct lines *lines = lines_open(&source, window->end_place, run->batch->options.max_record_bytes);
        course = lines != NULL ? read_lines(window, lines, &bytes, &full) : run_fail(run, "The server is out of memory.");
        lines_close(lines);
        if (course != COURSE_ON || full || window->end_file + 1 == run->file_count)
            return course;
        window->end_file++;
        window->end_place = (struct line_place){ 0, 0 };
    }
}

/* ---- what is done already: the run before this one was cut off ---- */

static enum object_status mark_done(struct window *window, const char *key)
{
    struct batch_run *run = window->run;
    struct segment_reader reader;
    struct segment_entry entry;
    enum object_status status = segment_open(run->batch->options.objects, run->scratch, key, &reader);
    while (status == OBJECT_OK && (status = segment_next(&reader, &entry)) == OBJECT_OK) {
        uint64_t place = entry.record - run->state.progress.at.record;
        if (place < window->count && window->items[place].state != ITEM_DONE) {
            window->items[place].state = ITEM_DONE;
            window->open--;
        }
    }
    bool ended = reader.object != NULL && status == OBJECT_NO_KEY;
    segment_close(&reader);
    return ended ? OBJECT_OK : status;
}

static enum course mark_all_done(struct window *window)
{
    struct batch_run *run = window->run;
    for (uint64_t i = 0; i < run->state.progress.segments;) {
        char key[SEGMENT_KEY_SIZE];
        segment_key(key, run->state.key.id, run->state.progress.at.window, i);
        arena_reset(run->scratch);
        enum object_status status = mark_done(window, key);
        enum course course = status == OBJECT_OK ? COURSE_ON
                                                 : run_object_trouble(run, status, "A result cannot be read", VIEW(OBJECT_OWN_BUCKET),
                                                                      view_from_cstr(key));
        if (course != COURSE_ON)
            return course;
        i += status == OBJECT_OK;
    }
    return COURSE_ON;
}

/* ---- the order ---- */

static int by_input(const void *a, const void *b, void *ctx)
{
    const struct item *items = ctx;
    size_t left = *(const size_t *)a, right = *(const size_t *)b;
    int order = view_compare(items[left].system, items[right].system);
    if (order == 0)
        order = view_compare(items[left].input, items[right].input);
    return order != 0 ? order : left < right ? -1 : 1;
}

static bool put_in_order(struct window *window)
{
    window->order = ARENA_ARRAY(window->arena, size_t, window->count + 1);
    if (window->order == NULL)
        return false;
    for (size_t i = 0; i < window->count; i++)
        window->order[i] = i;
    qsort_r(window->order, window->count, sizeof(*window->order), by_input, window->items);
    return true;
}

/* ---- results ---- */

static void note_result(struct window *window, struct item *item)
{
    item->state = ITEM_DONE;
    window->open--;
    if (window->results++ == 0)
        window->oldest_ms = store_now_ms(window->run->batch->options.store);
}

static void settle_error(struct window *window, struct item *item, int code, struct view message)
{
    size_t begun = segment_begin(&window->segment, item->number);
    record_write_error(&window->segment, item->id, item->input, code, message);
    segment_end(&window->segment, begun);
    window->counts.error++;
    note_result(window, item);
}

static void settle_answer(struct window *window, struct item *item, const struct landing *landing)
{
    size_t begun = segment_begin(&window->segment, item->number);
    record_write_answer(&window->segment, item->id, item->input, landing->body);
    segment_end(&window->segment, begun);
    window->counts.success++;
    window->counts.input_tokens += landing->input_tokens;
    window->counts.output_tokens += landing->output_tokens;
    window->success_ms = store_now_ms(window->run->batch->options.store);
    note_result(window, item);
}

static bool segment_is_due(const struct window *window)
{
    if (window->results == 0)
        return false;
    return window->open == 0 || window->results >= BATCH_SEGMENT_RECORDS || window->segment.len >= BATCH_SEGMENT_BYTES ||
           store_now_ms(window->run->batch->options.store) - window->oldest_ms >= BATCH_SEGMENT_MS;
}

/* Results go to disk, then the record names them: what is named is there. */
static enum course save_segment(struct window *window)
{
    struct batch_run *run = window->run;
    struct batch_progress *progress = &run->state.progress;
    char key[SEGMENT_KEY_SIZE];
    if (buf_failed(&window->segment))
        return run_fail(run, "The server is out of memory.");
    segment_key(key, run->state.key.id, progress->at.window, progress->segments);
    enum course course = run_put_own(run, key, buf_view(&window->segment));
    if (course != COURSE_ON)
        return course;
    progress->segments++;
    progress->counts.success += window->counts.success;
    progress->counts.error += window->counts.error;
    progress->counts.input_tokens += window->counts.input_tokens;
    progress->counts.output_tokens += window->counts.output_tokens;
    course = run_save(run);
    if (course == COURSE_RETURN)
        return course;                                      /* whoever goes on writes this segment again, or drops it */
    batch_count(run->batch, batch_model_key(run->state.request.model_id), &window->counts);
    buf_clear(&window->segment);
    window->counts = (struct batch_counts){ .total = 0 };
    window->results = 0;
    return course;
}

/* ---- landings ---- */

static bool is_passing(enum aws_status status)
{
    return status == AWS_THROTTLING || status == AWS_SERVICE_UNAVAILABLE || status == AWS_MODEL_NOT_READY;
}

/* Worth a second attempt, and no more: it may be the record that does it. */
static bool is_failure(enum aws_status status)
{
    return status == AWS_MODEL_ERROR || status == AWS_MODEL_TIMEOUT || status == AWS_INTERNAL_SERVER;
}

/* Whether the model is still one of this server's: an id that nobody answers fails the job, not each of its records. */
static enum course check_model(struct batch_run *run)
{
    struct model_target target;
    const char *problem;
    struct view id = run->state.request.model_id;
    arena_reset(run->scratch);
    if (models_resolve(run->batch->options.models, run->scratch, id, &target, &problem) == AWS_OK)
        return COURSE_ON;
    return run_fail(run, "The model " VIEW_FMT " can no longer be used: %s", VIEW_ARG(id), problem);
}

static void slow_down(struct window *window, int64_t now_ms)
{
    struct batch_run *run = window->run;
    if (now_ms - run->slowed_ms < SLOW_MS)
        return;
    run->slowed_ms = now_ms;
    run->in_flight = run->in_flight > 1 ? run->in_flight / 2 : 1;
}

static void speed_up(struct window *window)
{
    struct batch_run *run = window->run;
    if (run->in_flight < run->batch->options.in_flight && ++window->successes % run->in_flight == 0)
        run->in_flight++;
}

/* The model took no call. The record comes again after a while, unless that has been going on for too long. */
static void rest(struct window *window, struct item *item, const struct landing *landing)
{
    struct batch_run *run = window->run;
    int64_t now_ms = store_now_ms(run->batch->options.store);
    slow_down(window, now_ms);
    if (item->rests == 0)
        item->first_rest_ms = now_ms;
    if (now_ms - item->first_rest_ms >= run->batch->options.retry_ms) {
        settle_error(window, item, landing->http_status, landing->message);
        return;
    }
    int64_t ms = item->rests < 8 ? (int64_t)REST_MIN_MS << item->rests : REST_MAX_MS;
    item->rests++;
    item->rests_until_ms = now_ms + (ms < REST_MAX_MS ? ms : REST_MAX_MS);
    item->state = ITEM_RESTING;
    window->resting++;
    if (now_ms - window->success_ms >= WAIT_MS)
        run_tell(run, "Waiting for the model: " VIEW_FMT, VIEW_ARG(landing->message));
}

static void fail_at(struct window *window, struct item *item, const struct landing *landing)
{
    if (item->failed_before) {
        settle_error(window, item, landing->http_status, landing->message);
        return;
    }
    item->failed_before = true;
    item->state = ITEM_ALONE;
    window->alone++;
}

static enum course settle(struct window *window, const struct landing *landing)
{
    struct item *item = &window->items[landing->item];
    if (landing->status == AWS_OK) {
        settle_answer(window, item, landing);
        speed_up(window);
        run_tell(window->run, "%s", "");
        return COURSE_ON;
    }
    enum course course = check_model(window->run);
    if (course != COURSE_ON)
        item->state = ITEM_WAITING;
    else if (is_passing(landing->status))
        rest(window, item, landing);
    else if (is_failure(landing->status))
        fail_at(window, item, landing);
    else
        settle_error(window, item, landing->http_status, landing->message);
    return course;
}

static enum course take_landed(struct window *window, bool *moved)
{
    enum course course = COURSE_ON;
    struct landing *landing;
    while (course == COURSE_ON && !segment_is_due(window) && (landing = flight_take(window->flight)) != NULL) {
        course = settle(window, landing);
        landing_free(landing);
        *moved = true;
    }
    return course;
}

/* ---- launches ---- */

static bool launch_item(struct window *window, size_t place)
{
    struct item *item = &window->items[place];
    if (item->problem != NULL) {
        settle_error(window, item, 400, view_from_cstr(item->problem));
        return true;
    }
    if (!flight_launch(window->flight, place, item->input))
        return false;
    item->state = ITEM_FLYING;
    return true;
}

static bool launch_waiting(struct window *window)
{
    bool moved = false;
    while (window->next < window->count && flight_count(window->flight) < window->run->in_flight && !segment_is_due(window)) {
        size_t place = window->order[window->next];
        if (window->items[place].state == ITEM_WAITING && !launch_item(window, place))
            break;
        window->next++;
        moved = true;
    }
    return moved;
}

static bool launch_rested(struct window *window)
{
    bool moved = false;
    int64_t now_ms = store_now_ms(window->run->batch->options.store);
    for (size_t i = 0; i < window->count && window->resting > 0; i++) {
        struct item *item = &window->items[i];
        if (item->state != ITEM_RESTING || item->rests_until_ms > now_ms)
            continue;
        if (flight_count(window->flight) >= window->run->in_flight || !launch_item(window, i))
            break;
        window->resting--;
        moved = true;
    }
    return moved;
}

/* Records at which the model failed come last and one by one, so that one which ends the model's process takes no others with it. */
static bool launch_alone(struct window *window)
{
    if (flight_count(window->flight) > 0 || window->resting > 0 || window->next < window->count)
        return false;
    for (size_t i = 0; i < window->count && window->alone > 0; i++) {
        if (window->items[i].state != ITEM_ALONE || !launch_item(window, i))
            continue;
        window->alone--;
        return true;
    }
    return false;
}

static bool launch(struct window *window)
{
    bool rested = window->resting > 0 && launch_rested(window);
    bool waiting = launch_waiting(window);
    return rested || waiting || (window->alone > 0 && launch_alone(window));
}

/* ---- the loop ---- */

/* How long nothing needs to be done unless something lands. */
static int64_t idle_ms(const struct window *window)
{
    int64_t now_ms = store_now_ms(window->run->batch->options.store);
    int64_t due_ms = batch_job_expires_ms(&window->run->state);
    if (window->results > 0 && window->oldest_ms + BATCH_SEGMENT_MS < due_ms)
        due_ms = window->oldest_ms + BATCH_SEGMENT_MS;
    for (size_t i = 0; i < window->count && window->resting > 0; i++) {
        if (window->items[i].state == ITEM_RESTING && window->items[i].rests_until_ms < due_ms)
            due_ms = window->items[i].rests_until_ms;
    }
    if (flight_count(window->flight) == 0 && due_ms > now_ms + REST_MIN_MS)
        due_ms = now_ms + REST_MIN_MS;                      /* nothing could be launched: memory is short, or the server ends */
    return due_ms > now_ms ? due_ms - now_ms : 0;
}

/* A new message is seen without waiting for results. */
static enum course show_message(struct window *window)
{
    struct batch_run *run = window->run;
    if (!run->told || run->state.progress.message.len == 0)
        return COURSE_ON;
    run->state.progress.rate = 0;
    return run_save(run);
}

static enum course work(struct window *window)
{
    enum course course = COURSE_ON;
    while (course == COURSE_ON && window->open > 0) {
        bool moved = launch(window);
        course = take_landed(window, &moved);
        bool due = course == COURSE_ON && segment_is_due(window);
        if (due)
            course = save_segment(window);                  /* what it held back can go on: no waiting after it */
        else if (course == COURSE_ON)
            course = show_message(window);
        if (course == COURSE_ON)
            course = run_course(window->run);
        if (course == COURSE_ON && !moved && !due && window->open > 0)
            job_wait(window->run->job, idle_ms(window));
    }
    return course;
}

/* What is under way comes home; answers that it has brought count. */
static void land_all(struct window *window)
{
    struct landing *landing;
    flight_cancel(window->flight);
    flight_wait(window->flight);
    while ((landing = flight_take(window->flight)) != NULL) {
        if (landing->status == AWS_OK)
            settle_answer(window, &window->items[landing->item], landing);
        landing_free(landing);
    }
}

static enum course run_items(struct window *window)
{
    enum course course = work(window);
    if (course != COURSE_ON)
        land_all(window);
    if (window->results > 0) {
        enum course saved = save_segment(window);
        course = course == COURSE_ON ? saved : course;
    }
    return course;
}

static void nudge(void *ctx)
{
    job_nudge(ctx);
}

static bool prepare(struct window *window)
{
    struct batch_run *run = window->run;
    const struct batch_request *request = &run->state.request;
    const struct flight_options options = {
        .caller = &run->batch->caller,
        .operation = request->converse ? VIEW("Converse") : VIEW("InvokeModel"),
        .model_id = request->model_id,
        .principal = &run->state.principal,
        .region = run->state.key.region,
        .on_landing = nudge,
        .ctx = run->job,
    };
    buf_init(&window->segment, SEGMENT_MAX);
    window->success_ms = store_now_ms(run->batch->options.store);
    window->items = ARENA_ARRAY(window->arena, struct item, BATCH_WINDOW_RECORDS);
    window->flight = flight_create(&options);
    return window->items != NULL && window->flight != NULL;
}

static enum course run_prepared(struct window *window)
{
    enum course course = read_items(window);
    if (course != COURSE_ON)
        return course;
    window->open = window->count;
    course = mark_all_done(window);
    if (course != COURSE_ON)
        return course;
    return put_in_order(window) ? run_items(window) : run_fail(window->run, "The server is out of memory.");
}

enum course run_window(struct batch_run *run)
{
    struct window window = { .run = run, .arena = arena_create(WINDOW_ARENA) };
    enum course course = window.arena != NULL && prepare(&window) ? run_prepared(&window) : run_fail(run, "The server is out of memory.");
    if (course == COURSE_ON) {
        run->window_end.file = window.end_file;
        run->window_end.place = window.end_place;
        run->window_end.record = run->state.progress.at.record + window.count;
    }
    buf_free(&window.segment);
    flight_destroy(window.flight);
    arena_destroy(window.arena);
    return course;
}
