/* elastic/away.c - calls of endpoints that name another server; see door.h and upstream.h.
 *
 * The messages are made in a pool thread and sent from the loop. What comes back takes the way of the engine's answers.
 */
#include "elastic/door.h"

static const char *input_type_of(const struct elastic_exchange *x)
{
    switch (x->request.embed.purpose) {
    case EMBED_QUERY:
        return "search_query";
    case EMBED_DOCUMENT:
        return "search_document";
    case EMBED_SYMMETRIC:
        break;
    }
    return view_eq_nocase(json_get_string(x->body, "input_type"), VIEW("clustering")) ? "clustering" : "classification";
}

/* In a pool thread. */
static void prepare(struct elastic_exchange *x)
{
    const struct upstream_options options = {
        .loop = x->elastic->options.loop,
        .client = x->elastic->http,
        .request = &x->request,
        .url = x->asked->url,
        .region = x->asked->region,
        .model = x->request.model,
        .keys = x->keys,
        .provider = x->asked->provider,
        .streaming = x->streaming,
        .input_type = input_type_of(x),
    };
    const struct engine_sink sink = run_sink(x);
    x->prepared = upstream_create(&options, &sink);
}

static void begin(struct elastic_exchange *x)
{
    if (x->timed_out) {
        run_late(x);
        return;
    }
    if (x->prepared == NULL) {
        error_set(&x->error, 413, ERROR_STATUS, "The request is larger than this server can hold.");
        x->finished(x);
        return;
    }
    exchange_enter(x);
    x->upstream = x->prepared;
    x->prepared = NULL;
    upstream_start(x->upstream);
}

void away_run(struct elastic_exchange *x, const struct endpoint *endpoint, struct view model)
{
    bool known = url_list_has(&x->elastic->options.servers, endpoint->url);
    if (!known)
        error_set(&x->error, 403, ERROR_STATUS, "The setting elastic.endpoint_urls of this server does not name [" VIEW_FMT "] any more.",
                  VIEW_ARG(endpoint->url));
    else if (x->keys.secret_key.len == 0 && !endpoints_reveal(x->elastic->endpoints, x->arena, endpoint, &x->keys))
        error_set(&x->error, 500, ERROR_STATUS, "The key pair of this endpoint cannot be read: it was sealed with another key.");
    if (error_is_set(&x->error)) {
        x->finished(x);
        return;
    }
    x->asked = endpoint;
    x->request.model = model;
    x->served_by = endpoint->url;
    x->stats.model_id = model;
    x->stats.served_by = x->served_by;
    answer_init(&x->answer, x->arena);
    exchange_work(x, prepare, begin);
}
