#include "unit.h"

#include "admin/metrics.h"

/* The engine's part of the text is the engine's business: here it has no models. */
void engine_each_model(struct engine *engine, void (*each)(void *ctx, const struct engine_model_info *info), void *ctx)
{
    (void)engine;
    (void)each;
    (void)ctx;
}

static bool has_line(struct view text, const char *line)
{
    while (text.len > 0) {
        if (view_is(view_split(&text, '\n'), line))
            return true;
    }
    return false;
}

static void calls_are_counted_by_operation_and_status(void **state)
{
    (void)state;
    const struct operation converse = { .name = VIEW("Converse"), .index = 1 };
    const struct call_stats stats = { .input_tokens = 3, .output_tokens = 4, .first_token_us = 30000 };
    const struct call_stats none = { .input_tokens = -1, .first_token_us = -1 };
    const struct metrics_gauges gauges = { .connections = 2, .uptime_s = 60 };
    struct metrics *metrics = metrics_create(2);
    struct buf text = BUF_INIT(1 << 20);
    metrics_call(metrics, &converse, 200, 40000, &stats);
    metrics_call(metrics, &converse, 200, 70000000, &stats);
    metrics_call(metrics, &converse, 429, 900, &none);
    metrics_call(metrics, NULL, 404, 100, &none);
    metrics_write(metrics, NULL, &gauges, &text);
    struct view all = buf_view(&text);
    assert_true(has_line(all, "craton_calls_total{operation=\"Converse\",status=\"200\"} 2"));
    assert_true(has_line(all, "craton_calls_total{operation=\"Converse\",status=\"429\"} 1"));
    assert_true(has_line(all, "craton_calls_total{operation=\"none\",status=\"404\"} 1"));
    assert_true(has_line(all, "craton_call_duration_seconds_bucket{operation=\"Converse\",le=\"0.001\"} 1"));
    assert_true(has_line(all, "craton_call_duration_seconds_bucket{operation=\"Converse\",le=\"0.05\"} 2"));
    assert_true(has_line(all, "craton_call_duration_seconds_bucket{operation=\"Converse\",le=\"60\"} 2"));
    assert_true(has_line(all, "craton_call_duration_seconds_bucket{operation=\"Converse\",le=\"+Inf\"} 3"));
    assert_true(has_line(all, "craton_call_duration_seconds_count{operation=\"Converse\"} 3"));
    assert_true(has_line(all, "craton_first_token_seconds_count{operation=\"Converse\"} 2"));
    assert_true(has_line(all, "craton_connections 2"));
    buf_free(&text);
    metrics_destroy(metrics);
}

static void requests_are_counted_by_name(void **state)
{
    (void)state;
    const struct call_stats stats = { .input_tokens = 3, .output_tokens = 4, .first_token_us = 30000 };
    const struct call_stats none = { .input_tokens = -1, .first_token_us = -1 };
    const struct metrics_gauges gauges = { .connections = 0 };
    static char names[2 * METRICS_NAMES_MAX][16];
    struct metrics *metrics = metrics_create(2);
    struct buf text = BUF_INIT(1 << 20);
    metrics_request(metrics, "door.completion", 200, 900, &stats);
    metrics_request(metrics, "door.completion", 429, 900, &none);
    metrics_request(metrics, "door.put", 200, 900, &none);
    for (size_t i = 0; i < COUNT_OF(names); i++) {          /* what does not fit is not counted, and harms nothing */
        snprintf(names[i], sizeof(names[i]), "name-%zu", i);
        metrics_request(metrics, names[i], 200, 900, &none);
    }
    metrics_write(metrics, NULL, &gauges, &text);
    struct view all = buf_view(&text);
    assert_true(has_line(all, "craton_calls_total{operation=\"door.completion\",status=\"200\"} 1"));
    assert_true(has_line(all, "craton_calls_total{operation=\"door.completion\",status=\"429\"} 1"));
    assert_true(has_line(all, "craton_calls_total{operation=\"door.put\",status=\"200\"} 1"));
    assert_true(has_line(all, "craton_first_token_seconds_count{operation=\"door.completion\"} 1"));
    assert_true(has_line(all, "craton_calls_total{operation=\"name-61\",status=\"200\"} 1"));
    assert_false(has_line(all, "craton_calls_total{operation=\"name-62\",status=\"200\"} 1"));
    buf_free(&text);
    metrics_destroy(metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_are_counted_by_operation_and_status),
        cmocka_unit_test(requests_are_counted_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
