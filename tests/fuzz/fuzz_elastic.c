/* What clients of the inference API send: paths, queries, media types, configurations, updates, bodies, filters. A refusal says why,
 * what is accepted is within its limits, and what is written is JSON again. The input: a parser's number, then its text. */
#include "elastic/config.h"
#include "elastic/filter.h"
#include "elastic/infer.h"
#include "elastic/media.h"
#include "elastic/route.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static const struct json *parse(struct arena *arena, struct view text)
{
    return json_parse(arena, text, 100, NULL);
}

/* ---- the head of a request: method, path, query ---- */

static void fuzz_head(struct arena *arena, struct view text)
{
    struct elastic_error error;
    struct elastic_route route;
    struct params params;
    const char *allow;
    struct view path = text, method = view_split(&path, ' '), query = path;
    path = view_split(&query, '?');
    error_init(&error, arena);
    bool found = route_find(method, path, &error, &route, &allow);
    require(found != error_is_set(&error) && (error.status == 405) == (allow != NULL));
    if (found)
        require(params_read(query, &route, path, &error, &params) != error_is_set(&error));
}

static void fuzz_media(struct arena *arena, struct view text)
{
    const struct http_header headers[] = { { VIEW("accept"), text }, { VIEW("content-type"), text } };
    const struct http_request request = { .arena = arena, .headers = headers, .header_count = 2 };
    struct elastic_error error;
    struct view type;
    error_init(&error, arena);
    require(media_accept(&request, &error, &type) != error_is_set(&error));
    error_init(&error, arena);
    require(media_body(&request, &error) != error_is_set(&error));
}

/* ---- endpoints ---- */

static void check_endpoint(struct arena *arena, const struct endpoint *endpoint)
{
    struct buf text = BUF_INIT(16u << 20);
    struct json_writer out;
    struct endpoint back;
    require(endpoint->requests_per_minute > 0 && endpoint->max_input_tokens >= 0 && endpoint->settings.top_k <= 1);
    require(endpoint->task != TASK_TEXT_EMBEDDING || endpoint->chunking.overlap <= endpoint->chunking.max_chunk_size / 2);
    json_writer_init(&out, &text);
    endpoint_write_record(endpoint, &out);
    require(!json_writer_failed(&out) && endpoint_read_record(arena, buf_view(&text), &back));
    require(view_eq(back.model, endpoint->model) && back.task == endpoint->task && back.provider == endpoint->provider);
    require(back.requests_per_minute == endpoint->requests_per_minute && back.chunking.strategy == endpoint->chunking.strategy);
    buf_free(&text);
}

static void fuzz_config(struct arena *arena, struct view text, enum elastic_task task)
{
    static const struct view url = VIEW_INIT("http://h");
    static const struct url_list servers = { &url, 1 };
    struct elastic_error error;
    struct endpoint endpoint;
    struct key_pair pair;
    error_init(&error, arena);
    bool ok = config_read(parse(arena, text), task, VIEW("id"), &servers, &error, &endpoint, &pair);
    require(ok != error_is_set(&error) || arena_exhausted(arena));
    if (ok)
        check_endpoint(arena, &endpoint);
}

static struct endpoint endpoint_of(enum elastic_task task, enum elastic_provider provider)
{
    struct endpoint endpoint = { .task = task, .provider = provider, .model = VIEW("m"), .region = VIEW("r"), .requests_per_minute = 1 };
    task_settings_init(&endpoint.settings);
    chunking_defaults(&endpoint.chunking);
    return endpoint;
}

static void fuzz_update(struct arena *arena, struct view text, enum elastic_task task)
{
    struct endpoint endpoint = endpoint_of(task, PROVIDER_COHERE);
    struct elastic_error error;
    struct key_pair pair;
    bool changed;
    error_init(&error, arena);
    bool ok = config_update(parse(arena, text), TASK_ANY, &error, &endpoint, &pair, &changed);
    require(ok != error_is_set(&error) || arena_exhausted(arena));
    if (ok)
        check_endpoint(arena, &endpoint);
}

/* ---- bodies ---- */

static void fuzz_body(struct arena *arena, struct view text, enum elastic_task task)
{
    const struct endpoint endpoint = endpoint_of(task, task == TASK_TEXT_EMBEDDING ? PROVIDER_COHERE : PROVIDER_ANTHROPIC);
    struct model_request request;
    struct elastic_error error;
    struct view model;
    error_init(&error, arena);
    model_request_init(&request);
    bool ok = task == TASK_CHAT_COMPLETION ? chat_read(parse(arena, text), &endpoint, &error, &request, &model)
                                           : infer_read(parse(arena, text), &endpoint, &error, &request);
    require(ok != error_is_set(&error) || arena_exhausted(arena));
    if (ok && task == TASK_TEXT_EMBEDDING)
        require(request.kind == MODEL_EMBED && request.embed.text_count > 0 && request.embed.text_count <= INFER_INPUTS_MAX);
    else if (ok)
        require(request.kind == MODEL_GENERATE && request.generate.message_count > 0);
}

static void fuzz_filter(struct arena *arena, struct view text)
{
    struct buf shaped = BUF_INIT(16u << 20), pretty = BUF_INIT(64u << 20);
    struct view paths = view_split(&text, '\n');
    const struct json *value = json_parse(arena, text, 40, NULL);
    struct json_writer out;
    struct filter filter;
    filter_read(paths, &filter);
    require(filter.count <= FILTER_PATHS_MAX && filter.excluded_count <= FILTER_PATHS_MAX);
    if (value != NULL) {
        json_writer_init(&out, &shaped);
        filter_write(&filter, value, &out);
        require(!json_writer_failed(&out));
        value = parse(arena, buf_view(&shaped));
        require(value != NULL);
        pretty_write(value, &pretty);
        require(parse(arena, buf_view(&pretty)) != NULL);
    }
    buf_free(&shaped);
    buf_free(&pretty);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum elastic_task tasks[] = { TASK_COMPLETION, TASK_TEXT_EMBEDDING, TASK_CHAT_COMPLETION };
    struct arena *arena = arena_create(64u << 20);
    if (size == 0 || arena == NULL) {
        arena_destroy(arena);
        return 0;
    }
    struct view text = view_of(data + 1, size - 1);
    unsigned which = data[0] >= 'a' ? data[0] - 'a' : data[0];
    enum elastic_task task = tasks[which / 6 % 3];
    switch (which % 6) {
    case 0:
        fuzz_head(arena, text);
        break;
    case 1:
        fuzz_media(arena, text);
        break;
    case 2:
        fuzz_config(arena, text, task);
        break;
    case 3:
        fuzz_update(arena, text, task);
        break;
    case 4:
        fuzz_body(arena, text, task);
        break;
    case 5:
        fuzz_filter(arena, text);
        break;
    }
    arena_destroy(arena);
    return 0;
}
