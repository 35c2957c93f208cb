#include "admin/metrics.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Upper bounds of the buckets in microseconds; one more bucket holds the rest. */
static const int64_t bounds[] = { 1000,   2500,    5000,    10000,   25000,   50000,    100000,
                                  250000, 500000, 1000000, 2500000, 5000000, 10000000, 30000000, 60000000 };
#define BOUND_COUNT (sizeof(bounds) / sizeof(bounds[0]))

static const int statuses[] = { 200, 201, 202, 204, 206, 301, 304, 400, 401, 402, 403, 404, 405, 408, 409,
                                411, 412, 413, 416, 424, 429, 431, 500, 501, 502, 503 };
#define STATUS_COUNT (sizeof(statuses) / sizeof(statuses[0]))

struct histogram {
    uint64_t buckets[BOUND_COUNT + 1];
    int64_t sum_us;
};

struct operation_metrics {
    struct view name;
    uint64_t by_status[STATUS_COUNT + 1];
    struct histogram duration, first_token;
};

struct metrics {
    size_t operation_count;
    size_t count;                                           /* of places in operations: those in the tables, one for none, and names */
    struct operation_metrics **operations;                  /* each made at its first call */
};

struct metrics *metrics_create(size_t operation_count)
{
    struct metrics *metrics = calloc(1, sizeof(*metrics));
    if (metrics == NULL)
        return NULL;
    metrics->operation_count = operation_count;
    metrics->count = operation_count + 1;
    metrics->operations = calloc(metrics->count + METRICS_NAMES_MAX, sizeof(struct operation_metrics *));
    if (metrics->operations == NULL) {
        free(metrics);
        return NULL;
    }
    return metrics;
}

void metrics_destroy(struct metrics *metrics)
{
    if (metrics == NULL)
        return;
    for (size_t i = 0; i < metrics->count; i++)
        free(metrics->operations[i]);
    free(metrics->operations);
    free(metrics);
}

/* NULL when out of memory. */
static struct operation_metrics *metrics_at(struct metrics *metrics, size_t index, struct view name)
{
    if (metrics->operations[index] == NULL) {
        metrics->operations[index] = calloc(1, sizeof(struct operation_metrics));
        if (metrics->operations[index] != NULL)
            metrics->operations[index]->name = name;
    }
    return metrics->operations[index];
}

/* NULL when out of memory, or when there are too many names. */
static struct operation_metrics *metrics_named(struct metrics *metrics, struct view name)
{
    size_t index = metrics->operation_count + 1;
    while (index < metrics->count && !view_eq(metrics->operations[index]->name, name))
        index++;
    if (index == metrics->operation_count + 1 + METRICS_NAMES_MAX)
        return NULL;
    struct operation_metrics *of = metrics_at(metrics, index, name);
    if (of != NULL && index == metrics->count)
        metrics->count++;
    return of;
}

static size_t status_index(int status)
{
    for (size_t i = 0; i < STATUS_COUNT; i++) {
        if (statuses[i] == status)
            return i;
    }
    return STATUS_COUNT;
}

static void observe(struct histogram *histogram, int64_t us)
{
    size_t i = 0;
    while (i < BOUND_COUNT && us > bounds[i])
        i++;
    histogram->buckets[i]++;
    histogram->sum_us += us;
}

static void count_call(struct operation_metrics *of, int http_status, int64_t duration_us, const struct call_stats *stats)
{
    if (of == NULL)
        return;
    of->by_status[status_index(http_status)]++;
    observe(&of->duration, duration_us);
    if (stats != NULL && stats->first_token_us >= 0)
        observe(&of->first_token, stats->first_token_us);
}

void metrics_call(struct metrics *metrics, const struct operation *operation, int http_status, int64_t duration_us,
                  const struct call_stats *stats)
{
    size_t index = operation != NULL ? operation->index : metrics->operation_count;
    count_call(metrics_at(metrics, index, operation != NULL ? operation->name : VIEW("none")), http_status, duration_us, stats);
}

void metrics_request(struct metrics *metrics, const char *name, int http_status, int64_t duration_us, const struct call_stats *stats)
{
    count_call(metrics_named(metrics, view_from_cstr(name)), http_status, duration_us, stats);
}

/* ---- the text ---- */

static void write_type(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_counts(const struct metrics *metrics, struct buf *out)
{
    write_type(out, "craton_calls_total", "counter", "Calls that have ended, by operation and HTTP status.");
    for (size_t i = 0; i < metrics->count; i++) {
        const struct operation_metrics *of = metrics->operations[i];
        for (size_t j = 0; of != NULL && j <= STATUS_COUNT; j++) {
            if (of->by_status[j] > 0)
                buf_printf(out, "craton_calls_total{operation=\"" VIEW_FMT "\",status=\"%d\"} %llu\n", VIEW_ARG(of->name),
                           j < STATUS_COUNT ? statuses[j] : 0, (unsigned long long)of->by_status[j]);
        }
    }
}

static void write_histogram(struct buf *out, const char *name, struct view operation, const struct histogram *histogram)
{
    uint64_t total = 0;
    for (size_t i = 0; i <= BOUND_COUNT; i++) {
        total += histogram->buckets[i];
        buf_printf(out, "%s_bucket{operation=\"" VIEW_FMT "\",le=\"", name, VIEW_ARG(operation));
        if (i < BOUND_COUNT)
            buf_printf(out, "%g\"} %llu\n", (double)bounds[i] / 1e6, (unsigned long long)total);
        else
            buf_printf(out, "+Inf\"} %llu\n", (unsigned long long)total);
    }
    buf_printf(out, "%s_sum{operation=\"" VIEW_FMT "\"} %.6f\n", name, VIEW_ARG(operation), (double)histogram->sum_us / 1e6);
    buf_printf(out, "%s_count{operation=\"" VIEW_FMT "\"} %llu\n", name, VIEW_ARG(operation), (unsigned long long)total);
}

static void write_histograms(const struct metrics *metrics, struct buf *out)
{
    write_type(out, "craton_call_duration_seconds", "histogram", "From the first byte of a request to the last of its answer.");
    for (size_t i = 0; i < metrics->count; i++) {
        const struct operation_metrics *of = metrics->operations[i];
        if (of != NULL)
            write_histogram(out, "craton_call_duration_seconds", of->name, &of->duration);
    }
    write_type(out, "craton_first_token_seconds", "histogram", "From the submission of a generation to its first token.");
    for (size_t i = 0; i < metrics->count; i++) {
        const struct operation_metrics *of = metrics->operations[i];
        if (of != NULL && of->first_token.sum_us > 0)
            write_histogram(out, "craton_first_token_seconds", of->name, &of->first_token);
    }
}

/* What is told of each model: one metric a row. */
static double info_ready(const struct engine_model_info *info)
{
    return info->state == ENGINE_MODEL_READY ? 1 : 0;
}
static double info_running(const struct engine_model_info *info)
{
    return info->running;
}
static double info_queued(const struct engine_model_info *info)
{
    return info->queued;
}
static double info_restarts(const struct engine_model_info *info)
{
    return info->restarts;
}
static double info_memory(const struct engine_model_info *info)
{
    return (double)info->memory_bytes;
}
static double info_prompt(const struct engine_model_info *info)
{
    return (double)info->prompt_tokens;
}
static double info_cached(const struct engine_model_info *info)
{
    return (double)info->cached_tokens;
}
static double info_output(const struct engine_model_info *info)
{
    return (double)info->output_tokens;
}

static const struct model_metric {
    const char *name, *type, *help;
    double (*value)(const struct engine_model_info *info);
} model_metrics[] = {
    { "craton_model_ready", "gauge", "1 while the model is loaded.", info_ready },
    { "craton_model_running", "gauge", "Calls that the model is computing.", info_running },
    { "craton_model_queued", "gauge", "Calls that wait for the model.", info_queued },
    { "craton_model_restarts_total", "counter", "Times the model's worker was started again after a crash.", info_restarts },
    { "craton_model_memory_bytes", "gauge", "Memory of the model's worker.", info_memory },
    { "craton_model_prompt_tokens_total", "counter", "Prompt tokens, the cached ones included.", info_prompt },
    { "craton_model_cached_tokens_total", "counter", "Prompt tokens that were taken from the prefix cache.", info_cached },
    { "craton_model_output_tokens_total", "counter", "Generated tokens.", info_output },
};

struct model_line {
    struct buf *out;
    const struct model_metric *metric;
};

static void write_model(void *ctx, const struct engine_model_info *info)
{
    const struct model_line *line = ctx;
    buf_printf(line->out, "%s{model=\"" VIEW_FMT "\"} %.0f\n", line->metric->name, VIEW_ARG(info->name), line->metric->value(info));
}

static void write_models(struct engine *engine, struct buf *out)
{
    for (size_t i = 0; i < sizeof(model_metrics) / sizeof(model_metrics[0]); i++) {
        struct model_line line = { .out = out, .metric = &model_metrics[i] };
        write_type(out, line.metric->name, line.metric->type, line.metric->help);
        engine_each_model(engine, write_model, &line);
    }
}

/* Resident memory of this process, from the kernel; 0 when it does not say. */
static uint64_t resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long long pages = 0, resident = 0;
    if (file == NULL)
        return 0;
    if (fscanf(file, "%llu %llu", &pages, &resident) != 2)
        resident = 0;
    fclose(file);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

void metrics_write(const struct metrics *metrics, struct engine *engine, const struct metrics_gauges *gauges, struct buf *out)
{
    write_counts(metrics, out);
    write_histograms(metrics, out);
    write_models(engine, out);
    write_type(out, "craton_connections", "gauge", "Open client connections.");
    buf_printf(out, "craton_connections %u\n", gauges->connections);
    write_type(out, "craton_uptime_seconds", "gauge", "Seconds since the server was started.");
    buf_printf(out, "craton_uptime_seconds %lld\n", (long long)gauges->uptime_s);
    write_type(out, "craton_resident_bytes", "gauge", "Resident memory of the server, without its workers.");
    buf_printf(out, "craton_resident_bytes %llu\n", (unsigned long long)resident_bytes());
    write_type(out, "craton_log_dropped_total", "counter", "Log lines that found the log's ring full.");
    buf_printf(out, "craton_log_dropped_total %llu\n", (unsigned long long)log_dropped());
}
