/* elastic/reply.c - answers go out; see door.h. */
#include "elastic/door.h"
#include "elastic/filter.h"

#define HEADERS_MAX 5

void reply_begin(struct elastic_exchange *x, struct json_writer *out)
{
    buf_free(&x->reply);
    buf_init(&x->reply, REPLY_MAX);
    json_writer_init(out, &x->reply);
}

bool reply_shape(struct elastic_exchange *x)
{
    if (!x->params.pretty && x->params.filter_path.len == 0)
        return !buf_failed(&x->reply);
    const struct json *value = json_parse(x->arena, buf_view(&x->reply), JSON_DEPTH_DEFAULT, NULL);
    struct buf shaped = BUF_INIT(REPLY_MAX);
    if (value != NULL && x->params.filter_path.len > 0) {
        struct filter filter;
        struct json_writer out;
        filter_read(x->params.filter_path, &filter);
        json_writer_init(&out, &shaped);
        filter_write(&filter, value, &out);
        value = json_writer_failed(&out) ? NULL : json_parse(x->arena, buf_view(&shaped), JSON_DEPTH_DEFAULT, NULL);
    }
    if (value != NULL && x->params.pretty) {
        buf_clear(&shaped);
        pretty_write(value, &shaped);
    }
    bool ok = value != NULL && !buf_failed(&shaped);
    if (ok)
        buf_swap(&x->reply, &shaped);
    buf_free(&shaped);
    return ok;
}

static const char *operation_of(const struct elastic_exchange *x)
{
    static const struct {
        enum action action;
        enum elastic_task task; /* TASK_ANY: any */
        const char *name;
    } operations[] = {
        { ACTION_INFER, TASK_COMPLETION, "elastic.completion" },
        { ACTION_INFER, TASK_TEXT_EMBEDDING, "elastic.text_embedding" },
        { ACTION_INFER, TASK_ANY, "elastic.infer" },
        { ACTION_STREAM, TASK_COMPLETION, "elastic.completion_stream" },
        { ACTION_STREAM, TASK_CHAT_COMPLETION, "elastic.chat_completion_stream" },
        { ACTION_STREAM, TASK_ANY, "elastic.stream" },
        { ACTION_CHUNK, TASK_ANY, "elastic.chunk" },
        { ACTION_PUT, TASK_ANY, "elastic.put" },
        { ACTION_UPDATE, TASK_ANY, "elastic.update" },
        { ACTION_GET, TASK_ANY, "elastic.get" },
        { ACTION_DELETE, TASK_ANY, "elastic.delete" },
        { ACTION_SERVICES, TASK_ANY, "elastic.services" },
        { ACTION_INFO, TASK_ANY, "elastic.info" },
    };
    enum elastic_task task = x->found != NULL ? x->found->task : TASK_ANY;
    for (size_t i = 0; x->routed && i < sizeof(operations) / sizeof(operations[0]); i++) {
        if (operations[i].action == x->route.action && (operations[i].task == TASK_ANY || operations[i].task == task))
            return operations[i].name;
    }
    return "elastic.none";
}

void reply_report(struct elastic_exchange *x, bool gone)
{
    const struct http_request *request = http_request(x->ex);
    const struct elastic_options *options = &x->elastic->options;
    const struct elastic_outcome outcome = {
        .operation = operation_of(x),
        .principal = x->principal.arn,
        .method = request->method,
        .path = request->path,
        .status = http_status(x->ex),
        .error = x->answered && error_is_set(&x->error) ? x->error.type : NULL,
        .gone = gone,
        .duration_us = clock_mono_us(loop_clock(options->loop)) - request->received_us,
        .stats = x->stats,
    };
    options->on_done(options->done_ctx, &outcome);
}

static void add(struct http_header *headers, size_t *count, const char *name, struct view value)
{
    if (value.len > 0 && *count < HEADERS_MAX)
        headers[(*count)++] = (struct http_header){ view_from_cstr(name), value };
}

static size_t fill_headers(const struct elastic_exchange *x, int status, struct view content_type, struct http_header headers[HEADERS_MAX])
{
    size_t count = 0;
    add(headers, &count, "Content-Type", content_type);
    add(headers, &count, "X-Elastic-Product", VIEW("Elasticsearch"));
    add(headers, &count, "x-craton-served-by", x->served_by);
    add(headers, &count, "Allow", view_from_cstr(x->allow));
    if (status == 401)
        add(headers, &count, "WWW-Authenticate", VIEW("Basic realm=\"security\", charset=\"UTF-8\", ApiKey"));
    if (status == 429 || status == 503)
        add(headers, &count, "Retry-After", VIEW("1"));
    return count;
}

void reply_send(struct elastic_exchange *x, int status)
{
    struct http_header headers[HEADERS_MAX];
    if (x->answered || http_gone(x->ex))
        return;
    x->answered = true;
    const struct http_response response = {
        .status = status, .headers = headers, .header_count = fill_headers(x, status, x->content_type, headers)
    };
    http_respond(x->ex, &response, &x->reply);
}

void reply_finish(struct elastic_exchange *x)
{
    if (reply_shape(x)) {
        reply_send(x, 200);
        return;
    }
    error_set(&x->error, 413, ERROR_STATUS, "The answer is larger than this server can hold. Ask for less at once.");
    reply_error(x);
}

void reply_end_stream(struct elastic_exchange *x)
{
    x->answered = true;
    http_finish(x->ex);
}

static bool is_chat(const struct elastic_exchange *x)
{
    if (x->route.action != ACTION_STREAM)
        return false;
    return x->route.task == TASK_CHAT_COMPLETION ||
           (x->route.task == TASK_ANY && x->found != NULL && x->found->task == TASK_CHAT_COMPLETION);
}

void reply_error(struct elastic_exchange *x)
{
    struct json_writer out;
    if (x->answered || http_gone(x->ex))
        return;
    if (x->started) {
        buf_clear(&x->reply);
        stream_error(&x->stream, &x->error);
        http_write(x->ex, buf_view(&x->reply));
        reply_end_stream(x);
        return;
    }
    reply_begin(x, &out);
    if (is_chat(x))
        error_write_unified(&x->error, &out);
    else
        error_write(&x->error, x->params.error_trace, &out);
    if (!reply_shape(x))
        buf_clear(&x->reply);
    reply_send(x, x->error.status);
}
