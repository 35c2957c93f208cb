/* The scheduler over a fake model: real vocabulary and template, computed tokens. */
#include "fake_compute.h"
#include "vocab.h"

#include "worker/prepare.h"
#include "worker/scheduler.h"
#include "worker/step_budget.h"

#include <stdlib.h>

#define MAX_JOBS 64
#define Q        STEP_QUANTUM

struct answer {
    struct buf text;
    bool begun, ended;
    int64_t cached;
    struct engine_end end;
    int64_t at_ms;                                          /* when it ended */
    unsigned order;                                         /* among those that began */
    unsigned tokens_seen;
};

static struct bench {
    struct model model;
    struct fake_compute *fake;
    struct clock *clock;
    struct scheduler *scheduler;
    struct buf out;
    struct arena *arena;
    struct job *jobs[MAX_JOBS];
    struct answer answers[MAX_JOBS];
    unsigned begun;
} bench;

static void job_ended(void *ctx, struct job *job)
{
    (void)ctx;
    bench.jobs[job->stream] = NULL;
    job_destroy(job);
}

static int set_up(void **state)
{
    (void)state;
    bench = (struct bench){ .out = BUF_INIT(64u << 20) };
    bench.clock = clock_manual_create(0);
    bench.arena = arena_create(1u << 20);
    bench.model.vocab = llama_model_get_vocab(test_model);
    bench.model.chat = chat_create(test_model, &bench.model.chat_error);
    bench.model.options.cache_bytes = 1u << 20;
    bench.model.defaults = (struct sampling){ .top_p = 1, .repeat_penalty = 1 };
    bench.fake = fake_compute_create(llama_vocab_n_tokens(bench.model.vocab), bench.clock);
    bench.fake->row_us = 100;
    bench.fake->run_us = 1000;
    bench.model.compute = &bench.fake->base;
    for (size_t i = 0; i < MAX_JOBS; i++)
        buf_init(&bench.answers[i].text, 1u << 20);
    struct scheduler_options options = { &bench.model, bench.clock, &bench.out, job_ended, NULL };
    bench.scheduler = scheduler_create(&options);
    return bench.scheduler != NULL && bench.model.chat != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    assert_false(bench.fake->broken);
    scheduler_destroy(bench.scheduler);
    for (size_t i = 0; i < MAX_JOBS; i++) {
        job_destroy(bench.jobs[i]);
        buf_free(&bench.answers[i].text);
    }
    chat_destroy(bench.model.chat);
    fake_compute_destroy(bench.fake);
    clock_manual_destroy(bench.clock);
    arena_destroy(bench.arena);
    buf_free(&bench.out);
    return 0;
}

/* ---- asking ---- */

struct ask {
    size_t length;                                          /* tokens of the prompt */
    unsigned seed;                                          /* those of one seed begin alike ... */
    size_t common;                                          /* ... for so many tokens; afterwards each stream has its own */
    int64_t max_tokens;
    enum priority priority;
    const char *account, *caller;
    bool cache_point;
};

static void add(uint32_t stream, struct ask ask)
{
    struct model_request request;
    struct buf payload = BUF_INIT(1u << 20);
    model_request_init(&request);
    request.priority = ask.priority;
    request.account = view_from_cstr(ask.account != NULL ? ask.account : "1");
    request.caller = view_from_cstr(ask.caller != NULL ? ask.caller : "me");
    request.generate.raw_prompt = VIEW("x");
    request.generate.has_raw_prompt = true;
    request.generate.max_tokens = ask.max_tokens;
    request.generate.sampling.temperature = 0;
    wire_write_request(&payload, &request);

    struct job *job = job_create(stream, buf_view(&payload), clock_mono_us(bench.clock));
    assert_non_null(job);
    prepare_job(&bench.model, job);
    assert_int_equal(job->status, ENGINE_OK);
    free(job->tokens);
    job->tokens = malloc(ask.length * sizeof(*job->tokens));
    assert_non_null(job->tokens);
    job->token_count = ask.length;
    job->keep_count = ask.cache_point ? ask.length : 0;
    for (size_t i = 0; i < ask.length; i++)
        job->tokens[i] = 2000 + (llama_token)((i * 31 + (i < ask.common ? ask.seed : stream + 77) * 1009) % 20000);
    bench.jobs[stream] = job;
    scheduler_add(bench.scheduler, job);
    buf_free(&payload);
}

static void take_answers(void)
{
    struct wire_frame frame;
    struct gen_delta delta;
    size_t offset = 0;
    while (wire_next(&bench.out, &offset, &frame) == WIRE_FRAME) {
        struct answer *answer = &bench.answers[frame.stream];
        arena_reset(bench.arena);
        while (frame.type == WIRE_DELTAS && frame.payload.len > 0) {
            assert_true(wire_read_delta(bench.arena, &frame.payload, &delta));
            if (delta.type == GEN_BEGIN) {
                answer->begun = true;
                answer->cached = delta.cached_tokens;
                answer->order = bench.begun++;
            } else {
                buf_append_view(&answer->text, delta.text);
            }
            answer->tokens_seen++;
        }
        if (frame.type == WIRE_END) {
            assert_false(answer->ended);
            answer->ended = true;
            assert_true(wire_read_end(bench.arena, frame.payload, &answer->end));
            answer->at_ms = clock_mono_us(bench.clock) / 1000;
        }
    }
    buf_clear(&bench.out);
}

static void step(void)
{
    scheduler_step(bench.scheduler);
    take_answers();
}

static void run_all(void)
{
    for (int i = 0; i < 100000 && scheduler_ready(bench.scheduler); i++)
        step();
    assert_false(scheduler_ready(bench.scheduler));
}

/* The text that the fake model must give to this prompt. */
static void assert_text_is_right(uint32_t stream, struct ask ask)
{
    llama_token *tokens = malloc((ask.length + (size_t)ask.max_tokens) * sizeof(*tokens));
    struct buf text = BUF_INIT(1u << 20);
    assert_non_null(tokens);
    for (size_t i = 0; i < ask.length; i++)
        tokens[i] = 2000 + (llama_token)((i * 31 + (i < ask.common ? ask.seed : stream + 77) * 1009) % 20000);
    for (size_t i = ask.length; i < ask.length + (size_t)ask.max_tokens; i++) {
        char piece[256];
        tokens[i] = fake_next(tokens, i);
        int32_t len = llama_token_to_piece(bench.model.vocab, tokens[i], piece, sizeof(piece), 0, false);
        assert_true(len >= 0 && buf_append(&text, piece, (size_t)len));
    }
    struct view got = buf_view(&bench.answers[stream].text);
    /* Bytes that are not UTF-8 are replaced on the way: compare up to the first of them. */
    size_t same = 0;
    while (same < got.len && same < text.len && got.ptr[same] == text.ptr[same])
        same++;
    assert_true(same == got.len || (unsigned char)text.ptr[same] >= 0x80 || (unsigned char)got.ptr[same] >= 0x80);
    assert_true(same > 0 || text.len == 0 || (unsigned char)text.ptr[0] >= 0x80);
    free(tokens);
    buf_free(&text);
}

/* ---- tests ---- */

static void every_prompt_length_gives_its_own_text(void **state)
{
    (void)state;
    static const size_t lengths[] = { 1, 2, Q - 1, Q, Q + 1, 3 * Q, 3 * Q + 17, 9 * Q + 5 };
    for (uint32_t i = 0; i < 8; i++) {
        struct ask ask = { .length = lengths[i], .seed = i, .common = lengths[i], .max_tokens = 12, .priority = PRIORITY_ON_DEMAND };
        add(i + 1, ask);
        run_all();
        assert_int_equal(bench.answers[i + 1].end.status, ENGINE_OK);
        assert_int_equal(bench.answers[i + 1].end.reason, GEN_MAX_TOKENS);
        assert_int_equal(bench.answers[i + 1].end.usage.input_tokens, lengths[i]);
        assert_int_equal(bench.answers[i + 1].end.usage.output_tokens, 12);
        assert_text_is_right(i + 1, ask);
    }
}

static void streams_side_by_side_never_mix(void **state)
{
    (void)state;
    struct ask asks[20];
    for (uint32_t i = 0; i < 20; i++) {
        asks[i] = (struct ask){ .length = 20 + i * 37, .seed = 5, .common = i % 3 * 100, .max_tokens = 5 + i * 3 % 40,
                                .priority = PRIORITY_ON_DEMAND };
        add(i + 1, asks[i]);
    }
    run_all();
    for (uint32_t i = 0; i < 20; i++) {
        assert_int_equal(bench.answers[i + 1].end.status, ENGINE_OK);
        assert_text_is_right(i + 1, asks[i]);
    }
    /* Sequences end at different times, and still nearly every step is one pass over the weights. */
    assert_true(bench.fake->decode_passes < bench.fake->decode_runs * 5 / 4);
}

static void warm_prefix_is_taken_over_in_whole_quanta_and_gives_the_same_text(void **state)
{
    (void)state;
    struct ask ask = { .length = 5 * Q + 10, .seed = 1, .common = 5 * Q + 10, .max_tokens = 8, .priority = PRIORITY_ON_DEMAND };
    add(1, ask);
    run_all();
    add(2, ask);
    run_all();
    assert_int_equal(bench.answers[1].cached, 0);
    assert_int_equal(bench.answers[2].cached, 5 * Q);
    assert_int_equal(bench.answers[2].end.usage.cached_tokens, 5 * Q);
    assert_text_is_right(1, ask);
    assert_text_is_right(2, ask);

    struct ask exact = { .length = 5 * Q, .seed = 1, .common = 5 * Q, .max_tokens = 8, .priority = PRIORITY_ON_DEMAND };
    add(3, exact);                                          /* the last quantum is computed for its logits */
    run_all();
    assert_int_equal(bench.answers[3].cached, 4 * Q);
    assert_text_is_right(3, exact);
}

static void calls_that_arrive_together_compute_a_common_prefix_once(void **state)
{
    (void)state;
    struct ask ask = { .length = 10 * Q, .seed = 3, .common = 8 * Q, .max_tokens = 4, .priority = PRIORITY_ON_DEMAND };
    for (uint32_t i = 1; i <= 8; i++)
        add(i, ask);
    run_all();
    size_t cached = 0;
    for (uint32_t i = 1; i <= 8; i++) {
        assert_text_is_right(i, ask);
        cached += (size_t)bench.answers[i].cached;
    }
    assert_int_equal(cached, 7 * 8 * Q);
    assert_true(bench.fake->rows <= 8 * Q + 8 * 2 * Q + 8 * 4);
}

static void another_account_shares_nothing(void **state)
{
    (void)state;
    struct ask ask = { .length = 5 * Q, .seed = 1, .common = 5 * Q, .max_tokens = 2, .account = "1" };
    add(1, ask);
    ask.account = "2";
    add(2, ask);
    run_all();
    add(3, ask);
    run_all();
    assert_int_equal(bench.answers[2].cached, 0);
    assert_int_equal(bench.answers[3].cached, 4 * Q);
}

static void leader_that_is_cancelled_hands_over_to_the_first_that_waits(void **state)
{
    (void)state;
    struct ask ask = { .length = 30 * Q, .seed = 3, .common = 29 * Q, .max_tokens = 4, .priority = PRIORITY_ON_DEMAND };
    for (uint32_t i = 1; i <= 3; i++)
        add(i, ask);
    step();
    scheduler_cancel(bench.scheduler, bench.jobs[1]);
    run_all();
    assert_int_equal(bench.answers[1].end.status, ENGINE_CANCELLED);
    assert_text_is_right(2, ask);
    assert_text_is_right(3, ask);
    assert_true(bench.answers[2].cached + bench.answers[3].cached >= 29 * Q);
}

static void cancelled_sequence_is_gone_at_once_and_its_slot_is_free(void **state)
{
    (void)state;
    for (uint32_t i = 1; i <= FAKE_SLOTS + 1; i++)
        add(i, (struct ask){ .length = 10, .seed = i, .common = 10, .max_tokens = 1000, .priority = PRIORITY_ON_DEMAND });
    for (int i = 0; i < 20; i++)
        step();
    assert_false(bench.answers[FAKE_SLOTS + 1].begun);
    scheduler_cancel(bench.scheduler, bench.jobs[3]);
    take_answers();
    assert_int_equal(bench.answers[3].end.status, ENGINE_CANCELLED);
    assert_true(bench.answers[3].end.usage.output_tokens > 0);
    step();
    assert_true(bench.answers[FAKE_SLOTS + 1].begun);
    assert_int_equal(scheduler_stats(bench.scheduler).running, FAKE_SLOTS);
}

static void queued_call_can_be_cancelled(void **state)
{
    (void)state;
    for (uint32_t i = 1; i <= FAKE_SLOTS + 1; i++)
        add(i, (struct ask){ .length = 10, .seed = i, .common = 10, .max_tokens = 20, .priority = PRIORITY_ON_DEMAND });
    step();
    assert_int_equal(scheduler_stats(bench.scheduler).queued, 1);
    scheduler_cancel(bench.scheduler, bench.jobs[FAKE_SLOTS + 1]);
    run_all();
    assert_int_equal(bench.answers[FAKE_SLOTS + 1].end.status, ENGINE_CANCELLED);
    assert_false(bench.answers[FAKE_SLOTS + 1].begun);
}

static void call_without_credit_pauses_alone(void **state)
{
    (void)state;
    struct ask ask = { .length = 10, .seed = 1, .common = 10, .max_tokens = 50, .priority = PRIORITY_ON_DEMAND };
    struct ask other = { .length = 12, .seed = 2, .common = 12, .max_tokens = 50, .priority = PRIORITY_ON_DEMAND };
    add(1, ask);
    add(2, other);
    bench.jobs[1]->credit = 10;
    run_all();
    assert_true(bench.answers[2].ended);
    assert_false(bench.answers[1].ended);
    assert_in_range(bench.answers[1].tokens_seen, 10, 12);
    bench.jobs[1]->credit += 1000;
    run_all();
    assert_true(bench.answers[1].ended);
    assert_text_is_right(1, ask);
    assert_text_is_right(2, other);
}

static void long_prompt_does_not_stall_a_running_stream(void **state)
{
    (void)state;
    add(1, (struct ask){ .length = 10, .seed = 1, .common = 10, .max_tokens = 300, .priority = PRIORITY_ON_DEMAND });
    for (int i = 0; i < 10; i++)
        step();
    add(2, (struct ask){ .length = 3000, .seed = 2, .common = 3000, .max_tokens = 2, .priority = PRIORITY_ON_DEMAND });
    int64_t longest = 0;
    while (!bench.answers[2].begun) {
        int64_t before = clock_mono_us(bench.clock);
        unsigned seen = bench.answers[1].tokens_seen;
        step();
        int64_t took = clock_mono_us(bench.clock) - before;
        longest = took > longest ? took : longest;
        assert_true(bench.answers[1].tokens_seen > seen || bench.answers[1].ended);
    }
    assert_false(bench.answers[1].ended);
    assert_in_range(longest, 5000, SCHEDULER_STEP_US + 10000);
}

static void short_prompt_overtakes_a_long_one(void **state)
{
    (void)state;
    add(1, (struct ask){ .length = 4000, .seed = 1, .common = 4000, .max_tokens = 2, .priority = PRIORITY_ON_DEMAND });
    step();
    add(2, (struct ask){ .length = 30, .seed = 2, .common = 30, .max_tokens = 2, .priority = PRIORITY_ON_DEMAND });
    run_all();
    assert_true(bench.answers[2].order < bench.answers[1].order);
}

static void batch_leaves_slots_to_live_calls_and_makes_way(void **state)
{
    (void)state;
    for (uint32_t i = 1; i <= 20; i++)
        add(i, (struct ask){ .length = 200, .seed = i, .common = 200, .max_tokens = 200, .priority = PRIORITY_BATCH });
    for (int i = 0; i < 100; i++)
        step();
    assert_int_equal(scheduler_stats(bench.scheduler).running, FAKE_SLOTS - SCHEDULER_LIVE_SLOTS);

    int64_t sent = clock_mono_us(bench.clock);
    add(30, (struct ask){ .length = 100, .seed = 90, .common = 100, .max_tokens = 20, .priority = PRIORITY_ON_DEMAND });
    while (!bench.answers[30].begun)
        step();
    assert_true(clock_mono_us(bench.clock) - sent < 60000);
    run_all();
    for (uint32_t i = 1; i <= 20; i++)
        assert_int_equal(bench.answers[i].end.status, ENGINE_OK);
}

static void live_call_that_comes_has_the_first_steps_to_itself(void **state)
{
    (void)state;
    for (uint32_t i = 1; i <= 6; i++)
        add(i, (struct ask){ .length = 200, .seed = i, .common = 200, .max_tokens = 500, .priority = PRIORITY_BATCH });
    for (int i = 0; i < 60; i++)
        step();
    unsigned before = bench.answers[1].tokens_seen;
    assert_true(before > 2);
    add(30, (struct ask){ .length = 200, .seed = 90, .common = 200, .max_tokens = 200, .priority = PRIORITY_ON_DEMAND });
    while (!bench.answers[30].begun)
        step();
    assert_int_equal(bench.answers[1].tokens_seen, before);
    while (!bench.answers[30].ended)
        step();
    assert_in_range(bench.answers[1].tokens_seen, before + 5, before + 100);      /* its share of the time, not more */
}

/* How long a live prompt of many pieces waits for its first token, in microseconds. */
static int64_t first_token_after(uint32_t stream)
{
    int64_t sent = clock_mono_us(bench.clock);
    add(stream, (struct ask){ .length = 3500, .seed = stream, .common = 3500, .max_tokens = 1, .priority = PRIORITY_ON_DEMAND });
    while (!bench.answers[stream].begun)
        step();
    return clock_mono_us(bench.clock) - sent;
}

static void long_live_prompt_is_hardly_slower_beside_batch(void **state)
{
    (void)state;
    int64_t alone = first_token_after(20);
    for (uint32_t i = 1; i <= 6; i++)
        add(i, (struct ask){ .length = 200, .seed = i, .common = 200, .max_tokens = 200, .priority = PRIORITY_BATCH });
    for (int i = 0; i < 60; i++)
        step();
    assert_in_range(first_token_after(21), alone * 9 / 10, alone + alone / 5);
}

static void batch_alone_computes_prompts_first_and_then_tokens_for_all(void **state)
{
    (void)state;
    for (uint32_t i = 1; i <= 6; i++)
        add(i, (struct ask){ .length = 3 * Q, .seed = i, .common = 3 * Q, .max_tokens = 20, .priority = PRIORITY_BATCH });
    run_all();
    assert_int_equal(bench.fake->decode_runs, 19);          /* the first token comes with the prompt */
    for (uint32_t i = 1; i <= 6; i++)
        assert_int_equal(bench.answers[i].end.status, ENGINE_OK);
}

static void live_calls_take_the_slots_of_batch_which_goes_on_later(void **state)
{
    (void)state;
    struct ask batch = { .length = 3 * Q + 9, .seed = 4, .common = 2 * Q, .max_tokens = 60, .priority = PRIORITY_BATCH };
    struct ask live = { .length = 100, .seed = 9, .common = 10, .max_tokens = 30, .priority = PRIORITY_ON_DEMAND };
    for (uint32_t i = 1; i <= 10; i++)
        add(i, batch);
    for (int i = 0; i < 20; i++)
        step();
    for (uint32_t i = 20; i < 32; i++)
        add(i, live);
    step();
    assert_int_equal(scheduler_stats(bench.scheduler).running, FAKE_SLOTS);
    while (!bench.answers[26].begun)                        /* the seventh live call: all slots but one */
        step();
    for (uint32_t i = 1; i <= 10; i++)
        assert_false(bench.answers[i].ended);
    run_all();
    for (uint32_t i = 1; i <= 10; i++) {
        assert_int_equal(bench.answers[i].end.status, ENGINE_OK);
        assert_text_is_right(i, batch);
    }
    for (uint32_t i = 20; i < 32; i++)
        assert_text_is_right(i, live);
}

static void batch_call_that_made_way_can_be_cancelled(void **state)
{
    (void)state;
    for (uint32_t i = 1; i <= 6; i++)
        add(i, (struct ask){ .length = 100, .seed = i, .common = 100, .max_tokens = 90, .priority = PRIORITY_BATCH });
    for (int i = 0; i < 20; i++)
        step();
    for (uint32_t i = 20; i < 27; i++)
        add(i, (struct ask){ .length = 100, .seed = i, .common = 100, .max_tokens = 30, .priority = PRIORITY_ON_DEMAND });
    step();
    assert_int_equal(scheduler_stats(bench.scheduler).queued, 5);
    for (uint32_t i = 1; i <= 6; i++)
        scheduler_cancel(bench.scheduler, bench.jobs[i]);
    assert_int_equal(scheduler_stats(bench.scheduler).queued, 0);
    run_all();
    for (uint32_t i = 1; i <= 6; i++)
        assert_int_equal(bench.answers[i].end.status, ENGINE_CANCELLED);
    for (uint32_t i = 20; i < 27; i++)
        assert_int_equal(bench.answers[i].end.status, ENGINE_OK);
}

static void batch_stays_where_it_is_when_there_is_no_memory_to_park_it(void **state)
{
    (void)state;
    bench.fake->unsaved = true;
    for (uint32_t i = 1; i <= 6; i++)
        add(i, (struct ask){ .length = 100, .seed = i, .common = 100, .max_tokens = 90, .priority = PRIORITY_BATCH });
    for (int i = 0; i < 20; i++)
        step();
    for (uint32_t i = 20; i < 27; i++)
        add(i, (struct ask){ .length = 100, .seed = i, .common = 100, .max_tokens = 30, .priority = PRIORITY_ON_DEMAND });
    run_all();
    for (uint32_t i = 1; i <= 6; i++)
        assert_int_equal(bench.answers[i].end.status, ENGINE_OK);
    for (uint32_t i = 20; i < 27; i++)
        assert_int_equal(bench.answers[i].end.status, ENGINE_OK);
}

static void own_words_of_batch_records_are_not_kept(void **state)
{
    (void)state;
    struct ask ask = { .length = 6 * Q, .seed = 3, .common = 4 * Q, .max_tokens = 2, .priority = PRIORITY_BATCH };
    for (uint32_t i = 1; i <= 4; i++) {
        add(i, ask);
        run_all();
    }
    assert_int_equal(bench.answers[1].cached, 0);
    for (uint32_t i = 2; i <= 4; i++)
        assert_int_equal(bench.answers[i].cached, 4 * Q);
    assert_int_equal(bench.fake->saves, 1);
}

static void batch_moves_under_a_flood_of_live_calls(void **state)
{
    (void)state;
    uint32_t next = 2;
    add(1, (struct ask){ .length = 10, .seed = 1, .common = 10, .max_tokens = 30, .priority = PRIORITY_BATCH });
    for (int i = 0; i < 3000 && !bench.answers[1].ended; i++) {
        while (next < MAX_JOBS && next < (uint32_t)i / 8 + 16)
            add(next++, (struct ask){ .length = 100, .seed = next, .common = 100, .max_tokens = 100, .priority = PRIORITY_ON_DEMAND });
        step();
    }
    assert_true(bench.answers[1].ended);
    assert_true(scheduler_stats(bench.scheduler).queued > 0);
}

static void run_that_the_engine_refuses_ends_its_sequences_only(void **state)
{
    (void)state;
    struct ask ask = { .length = 10, .seed = 2, .common = 10, .max_tokens = 5, .priority = PRIORITY_ON_DEMAND };
    add(1, (struct ask){ .length = 10, .seed = 1, .common = 10, .max_tokens = 50, .priority = PRIORITY_ON_DEMAND });
    for (int i = 0; i < 5; i++)
        step();
    bench.fake->fails = true;
    step();
    assert_int_equal(bench.answers[1].end.status, ENGINE_MODEL_ERROR);
    add(2, ask);
    run_all();
    assert_int_equal(bench.answers[2].end.status, ENGINE_OK);
    assert_text_is_right(2, ask);
}

static void answer_ends_where_the_context_is_full(void **state)
{
    (void)state;
    add(1, (struct ask){ .length = FAKE_CONTEXT - 5, .seed = 1, .common = FAKE_CONTEXT, .max_tokens = -1 });
    run_all();
    assert_int_equal(bench.answers[1].end.reason, GEN_CONTEXT_FULL);
    assert_int_equal(bench.answers[1].end.usage.output_tokens, 5);
}

static void context_grows_with_prompts_and_with_answers(void **state)
{
    (void)state;
    struct ask ask = { .length = 500, .seed = 1, .common = 500, .max_tokens = 100, .priority = PRIORITY_ON_DEMAND };
    struct ask longer = { .length = 2000, .seed = 2, .common = 2000, .max_tokens = 10, .priority = PRIORITY_ON_DEMAND };
    add(1, ask);
    run_all();
    assert_int_equal(bench.fake->growths, 1);
    add(2, longer);
    run_all();
    assert_int_equal(bench.fake->growths, 2);
    assert_text_is_right(1, ask);
    assert_text_is_right(2, longer);
}

static void sequence_that_finds_no_room_to_grow_ends_alone(void **state)
{
    (void)state;
    struct ask other = { .length = 20, .seed = 2, .common = 20, .max_tokens = 200, .priority = PRIORITY_ON_DEMAND };
    bench.fake->full = true;
    add(1, (struct ask){ .length = 500, .seed = 1, .common = 500, .max_tokens = 100, .priority = PRIORITY_ON_DEMAND });
    add(2, other);
    add(3, (struct ask){ .length = 600, .seed = 1, .common = 600, .max_tokens = 1, .priority = PRIORITY_ON_DEMAND });
    run_all();
    assert_int_equal(bench.answers[1].end.status, ENGINE_MODEL_ERROR);
    assert_int_equal(bench.answers[3].end.status, ENGINE_MODEL_ERROR);
    assert_int_equal(bench.answers[2].end.status, ENGINE_OK);
    assert_text_is_right(2, other);
}

static void cache_point_is_counted_when_it_is_written_and_when_it_is_read(void **state)
{
    (void)state;
    struct ask ask = { .length = 5 * Q + 9, .seed = 1, .common = 5 * Q, .max_tokens = 2, .cache_point = true };
    add(1, ask);
    run_all();
    assert_int_equal(bench.answers[1].end.usage.cache_write_tokens, 5 * Q);
    add(2, ask);
    run_all();
    assert_int_equal(bench.answers[2].end.usage.cached_tokens, 5 * Q);
    assert_int_equal(bench.answers[2].end.usage.cache_write_tokens, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(every_prompt_length_gives_its_own_text),
        TEST(streams_side_by_side_never_mix),
        TEST(warm_prefix_is_taken_over_in_whole_quanta_and_gives_the_same_text),
        TEST(calls_that_arrive_together_compute_a_common_prefix_once),
        TEST(another_account_shares_nothing),
        TEST(leader_that_is_cancelled_hands_over_to_the_first_that_waits),
        TEST(cancelled_sequence_is_gone_at_once_and_its_slot_is_free),
        TEST(queued_call_can_be_cancelled),
        TEST(call_without_credit_pauses_alone),
        TEST(long_prompt_does_not_stall_a_running_stream),
        TEST(short_prompt_overtakes_a_long_one),
        TEST(batch_leaves_slots_to_live_calls_and_makes_way),
        TEST(live_call_that_comes_has_the_first_steps_to_itself),
        TEST(long_live_prompt_is_hardly_slower_beside_batch),
        TEST(batch_alone_computes_prompts_first_and_then_tokens_for_all),
        TEST(live_calls_take_the_slots_of_batch_which_goes_on_later),
        TEST(batch_call_that_made_way_can_be_cancelled),
        TEST(batch_stays_where_it_is_when_there_is_no_memory_to_park_it),
        TEST(own_words_of_batch_records_are_not_kept),
        TEST(batch_moves_under_a_flood_of_live_calls),
        TEST(run_that_the_engine_refuses_ends_its_sequences_only),
        TEST(answer_ends_where_the_context_is_full),
        TEST(context_grows_with_prompts_and_with_answers),
        TEST(sequence_that_finds_no_room_to_grow_ends_alone),
        TEST(cache_point_is_counted_when_it_is_written_and_when_it_is_read),
    };
    return cmocka_run_group_tests(tests, vocab_setup, vocab_teardown);
}
