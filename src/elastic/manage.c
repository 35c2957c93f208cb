/* elastic/manage.c - PUT, _update and DELETE of endpoints; see door.h. */
#include "elastic/door.h"
#include "families/vectors.h"

#define PUT_FAILED    "Could not complete inference endpoint creation as validation call to service threw an exception."
#define UPDATE_FAILED "Could not complete inference endpoint update as validation call to service threw an exception."

static void answer_document(struct elastic_exchange *x, const struct endpoint *endpoint)
{
    struct json_writer out;
    reply_begin(x, &out);
    endpoint_write(endpoint, &out);
    reply_finish(x);
}

/* ---- into the store ---- */

static void stored(struct elastic_exchange *x)
{
    struct view id = x->endpoint.id;
    switch (x->stored) {
    case STORE_OK:
        limiter_set_rate(x->elastic->limiter, x->endpoint.credentials, x->endpoint.requests_per_minute);
        answer_document(x, &x->endpoint);
        return;
    case STORE_EXISTS:
        error_set(&x->error, 400, ERROR_EXISTS, "Inference endpoint [" VIEW_FMT "] already exists", VIEW_ARG(id));
        break;
    case STORE_NOT_FOUND:
        error_set(&x->error, 404, ERROR_NOT_FOUND, "Inference endpoint not found [" VIEW_FMT "]", VIEW_ARG(id));
        break;
    case STORE_CONFLICT:
        error_set(&x->error, 409, ERROR_STATUS, "Inference endpoint [" VIEW_FMT "] is being changed by another request", VIEW_ARG(id));
        break;
    default:
        error_set(&x->error, 503, ERROR_STATUS, "Inference endpoint [" VIEW_FMT "] could not be stored: %s", VIEW_ARG(id),
                  store_status_text(x->stored));
        break;
    }
    reply_error(x);
}

static void store_new(struct elastic_exchange *x)
{
    x->stored = endpoints_add(x->elastic->endpoints, x->arena, &x->endpoint, &x->keys);
}

static void store_changed(struct elastic_exchange *x)
{
    x->stored = endpoints_replace(x->elastic->endpoints, x->arena, &x->endpoint, &x->keys);
}

/* ---- the call that proves that the endpoint works ---- */

static void proved(struct elastic_exchange *x)
{
    bool update = x->route.action == ACTION_UPDATE;
    if (error_is_set(&x->error)) {
        error_wrap(&x->error, update ? UPDATE_FAILED : PUT_FAILED);
        reply_error(x);
        return;
    }
    if (x->endpoint.task == TASK_TEXT_EMBEDDING)
        x->endpoint.dimensions = (int64_t)vector_fit(x->arena, x->vectors.vectors, x->vectors.dimensions,
                                                     (size_t)x->target.family_model.dimensions)
                                     .size;
    exchange_work(x, update ? store_changed : store_new, stored);
}

static void prove(struct elastic_exchange *x)
{
    x->finished = proved;
    model_request_init(&x->request);
    infer_probe(&x->endpoint, x->arena, &x->request);
    run_clock(x);
    run_engine(x, &x->endpoint, x->endpoint.model);
}

void manage_put(struct elastic_exchange *x)
{
    if (!config_read(x->body, x->route.task, x->route.id, &x->elastic->options.servers, &x->error, &x->endpoint, &x->keys)) {
        reply_error(x);
        return;
    }
    x->endpoint.account = x->principal.account;
    if (x->found != NULL) {
        x->stored = STORE_EXISTS;
        stored(x);
        return;
    }
    prove(x);
}

void manage_update(struct elastic_exchange *x)
{
    bool changed;
    x->endpoint = *x->found;
    if (!config_update(x->body, x->route.task, &x->error, &x->endpoint, &x->keys, &changed))
        reply_error(x);
    else if (!changed)
        answer_document(x, &x->endpoint);
    else
        prove(x);
}

/* ---- DELETE ---- */

static void answer_deleted(struct elastic_exchange *x, bool acknowledged)
{
    struct json_writer out;
    reply_begin(x, &out);
    json_object(&out);
    json_put_bool(&out, "acknowledged", acknowledged);
    json_key(&out, "pipelines");
    json_array(&out);
    json_end(&out);
    json_key(&out, "indexes");
    json_array(&out);
    json_end(&out);
    if (!acknowledged)
        json_put_cstr(&out, "error_message", ""); /* nothing refers to an endpoint here, so nothing would be lost */
    json_end(&out);
    reply_finish(x);
}

static void remove_stored(struct elastic_exchange *x)
{
    x->stored = endpoints_remove(x->elastic->endpoints, x->found);
}

static void removed(struct elastic_exchange *x)
{
    if (x->stored == STORE_OK)
        answer_deleted(x, true);
    else
        stored(x);
}

void manage_delete(struct elastic_exchange *x)
{
    x->endpoint = *x->found;
    if (x->params.dry_run)
        answer_deleted(x, false);
    else
        exchange_work(x, remove_stored, removed);
}
