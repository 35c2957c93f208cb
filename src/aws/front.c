/* The life of a request: see front.h. */
#include "aws/call_impl.h"

#include "aws/protocol.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define ON_LOOP_MAX     65536                               /* bytes of a body that the loop hashes and parses itself */
#define BODY_LIMIT      25000000
#define FRAME_MAX       (26u * 1024 * 1024)
#define SCRATCH_MAX     65536
#define FORM_MAX        65536                               /* of the query protocol */

void aws_front_defaults(struct aws_front_options *options)
{
    *options = (struct aws_front_options){
        .account = VIEW("123456789012"),
        .region = VIEW("us-east-1"),
        .body_limit = BODY_LIMIT,
        .json_depth = JSON_DEPTH_DEFAULT,
        .pad_events = true,
    };
}

/* ---- running ---- */

static void run_in_pool(void *arg)
{
    struct call *call = arg;
    call->returned = call->served->fn(call);
}

static void handled(struct call *call, enum aws_status status)
{
    if (status == AWS_PENDING)
        return;
    if (status != AWS_OK && call->error == AWS_OK)
        call_set_error(call, status, "");
    call_send(call);
}

static void ran_in_pool(void *arg)
{
    struct call *call = arg;
    handled(call, call->returned == AWS_PENDING ? AWS_INTERNAL_SERVER : call->returned);
}

static void overloaded(struct call *call)
{
    call_set_error(call, AWS_SERVICE_UNAVAILABLE, "The server is busy. Try again.");
    call_send(call);
}

static void run(struct call *call)
{
    if (call->error == AWS_OK && call_gone(call))
        call_set_error(call, AWS_SERVICE_UNAVAILABLE, "The caller has gone.");
    if (call->error != AWS_OK) {
        call_send(call);
        return;
    }
    if (call->served->on_loop) {
        call->phase = CALL_PENDING;
        handled(call, call->served->fn(call));
        return;
    }
    call->phase = CALL_RUNNING;
    if (!loop_work(call->front->options.loop, run_in_pool, ran_in_pool, call))
        overloaded(call);
}

/* ---- the body ---- */

struct mapping {
    void *at;
    size_t len;
};

static void unmap(void *arg)
{
    struct mapping *mapping = arg;
    munmap(mapping->at, mapping->len);
}

/* The payload of a body that went to a file is that file, mapped. It is unlinked and nobody else's, so it cannot shrink. */
static bool map_payload(struct call *call)
{
    const struct http_request *request = call->request;
    struct mapping *mapping = ARENA_NEW(call->arena, struct mapping);
    if (mapping == NULL)
        return false;
    mapping->len = request->body_size;
    mapping->at = mmap(NULL, mapping->len, PROT_READ, MAP_PRIVATE, request->body_fd, 0);
    if (mapping->at == MAP_FAILED)
        return false;
    call_defer(call, unmap, mapping);
    call->payload = view_of(mapping->at, mapping->len);
    return true;
}

static void check_in_pool(void *arg)
{
    struct call *call = arg;
    struct sigv4_work work;
    sigv4_work_init(&work);
    if (call->request->body_fd >= 0 && !map_payload(call))
        call_set_error(call, AWS_INTERNAL_SERVER, "The request body could not be read back.");
    else
        call_check(call, &work);
    sigv4_work_free(&work);
}

static void checked_in_pool(void *arg)
{
    run(arg);
}

/* A caller that may not make the call learns so only when the signature has proved who it is, and costs no parsing. */
void call_start(struct call *call)
{
    struct aws_front *front = call->front;
    call->phase = CALL_CHECKING;
    call->payload = call->request->body;
    bool allowed = call_authorize(call);
    if (call->request->body_fd < 0 && call->payload.len <= ON_LOOP_MAX) {
        call_check(call, &front->work);
        run(call);
    } else if (!allowed && call->verified) {
        run(call);
    } else if (!loop_work(front->options.loop, check_in_pool, checked_in_pool, call)) {
        overloaded(call);
    }
}

/* ---- the way in ---- */

struct call *call_create(struct aws_front *front, const struct http_request *request)
{
    struct call *call = ARENA_NEW(request->arena, struct call);
    if (call == NULL)
        return NULL;
    call->front = front;
    call->request = request;
    call->arena = request->arena;
    call->phase = CALL_ADMITTED;
    call->stats = (struct call_stats){ .input_tokens = -1, .output_tokens = -1, .cached_tokens = -1, .first_token_us = -1 };
    buf_init(&call->reply, REPLY_MAX);
    uuid_v4(call->request_id);
    front->running++;
    return call;
}

static struct call *call_of_exchange(struct aws_front *front, struct http_exchange *ex)
{
    struct call *call = call_create(front, http_request(ex));
    if (call == NULL)
        return NULL;
    call->exchange = ex;
    http_hold(ex);
    http_set_context(ex, call);
    return call;
}

static bool unknown(struct call *call)
{
    const struct destination *to = &call->destination;
    if (to->asked.len > 0)
        call_fail(call, AWS_UNKNOWN_OPERATION, "The operation " VIEW_FMT " is not known to this server.", VIEW_ARG(to->asked));
    else
        call_set_error(call, AWS_UNKNOWN_OPERATION, "No operation has this method and path.");
    return false;
}

static bool routed(struct call *call)
{
    aws_destination(call->request, &call->destination);
    call->service = call->destination.service;
    call->operation = call->destination.operation;
    if (call->operation == NULL)
        return call->destination.in_body || unknown(call);
    if (call_decode_labels(call))
        return true;
    call_set_error(call, AWS_VALIDATION, "The path holds a malformed percent-encoding.");
    return false;
}

/* Without a handler there is nothing to protect, but a stranger still learns nothing: authentication comes first. */
static bool is_served(struct call *call)
{
    call->served = &call->front->served[call->operation->index];
    if (call->served->fn != NULL)
        return true;
    call_fail(call, AWS_NOT_IMPLEMENTED, "The operation " VIEW_FMT " is not implemented by this server.",
              VIEW_ARG(call->operation->name));
    return false;
}

static uint64_t body_limit(const struct call *call)
{
    uint64_t limit = call->front->options.body_limit;
    return call->destination.in_body && limit > FORM_MAX ? FORM_MAX : limit;
}

static bool admitted(struct call *call)
{
    uint64_t limit = body_limit(call);
    if (!routed(call) || !call_authenticate(call) || (call->operation != NULL && !is_served(call)))
        return false;
    if (call->request->has_content_length && call->request->content_length > limit) {
        call_fail(call, AWS_REQUEST_TOO_LARGE, "The request body is larger than %llu bytes.", (unsigned long long)limit);
        return false;
    }
    return true;
}

/* The form has come. A service that only the form told has not judged the caller yet. */
static bool routed_by_form(struct call *call)
{
    aws_destination_action(call->request->body, &call->destination);
    call->service = call->destination.service;
    call->operation = call->destination.operation;
    if (call->operation == NULL)
        return unknown(call);
    return (call->service == call->authenticated_for || call_authenticate(call)) && is_served(call);
}

static void on_headers(void *ctx, struct http_exchange *ex, struct http_admission *admission)
{
    struct aws_front *front = ctx;
    struct call *call = call_of_exchange(front, ex);
    if (call == NULL) {
        const struct http_response broken = { .status = 503 };
        http_respond(ex, &broken, NULL);
        admission->refuse = true;
        return;
    }
    if (admitted(call)) {
        admission->body_limit = body_limit(call);
        admission->outside_budget = call->verified;
        return;
    }
    admission->refuse = true;
    call_send(call);
}

static void on_request(void *ctx, struct http_exchange *ex)
{
    struct call *call = http_context(ex);
    (void)ctx;
    if (call == NULL || call->phase != CALL_ADMITTED)
        return;
    if (call->destination.in_body && !routed_by_form(call))
        call_send(call);
    else
        call_start(call);
}

static void on_writable(void *ctx, struct http_exchange *ex)
{
    struct call *call = http_context(ex);
    (void)ctx;
    if (call != NULL && call->phase == CALL_STREAMING && call->on_writable != NULL)
        call->on_writable(call, call->on_writable_arg);
}

static void on_closed(void *ctx, struct http_exchange *ex, bool aborted)
{
    struct call *call = http_context(ex);
    (void)ctx;
    if (call == NULL || call->phase == CALL_ENDED || !aborted)
        return;
    if (call->phase == CALL_ADMITTED && http_status(ex) != 0) {
        call->http_status = http_status(ex);                /* on_error() has answered: the body came too late, or was too large */
        call_end(call);
        return;
    }
    call_client_gone(call);
    if (call->phase == CALL_ADMITTED)
        call_end(call);
}

static void on_error(void *ctx, enum http_refusal refusal, const struct http_request *request, struct http_refused *out)
{
    static const struct {
        enum aws_status status;
        const char *text;
    } refusals[] = {
        [HTTP_REFUSE_BAD_REQUEST] = { AWS_VALIDATION, "The request is malformed." },
        [HTTP_REFUSE_HEADERS_TOO_LARGE] = { AWS_REQUEST_TOO_LARGE, "The request's headers are too large." },
        [HTTP_REFUSE_BODY_TOO_LARGE] = { AWS_REQUEST_TOO_LARGE, "The request body is too large." },
        [HTTP_REFUSE_TIMEOUT] = { AWS_REQUEST_TIMEOUT, "The request did not arrive in time." },
        [HTTP_REFUSE_OVERLOADED] = { AWS_SERVICE_UNAVAILABLE, "The server is busy. Try again." },
    };
    struct destination to;
    char id[UUID_SIZE];
    (void)ctx;
    uuid_v4(id);
    aws_destination(request, &to);
    const struct error_reply error = { .status = refusals[refusal].status, .message = view_from_cstr(refusals[refusal].text),
                                       .request_id = arena_copy(request->arena, view_from_cstr(id)) };
    protocol_write_error(to.service, &error, &out->body);
    out->headers[out->header_count++] = (struct http_header){ VIEW("x-amzn-ErrorType"), protocol_error_code(to.service, error.status) };
    out->headers[out->header_count++] = (struct http_header){ VIEW("Content-Type"), protocol_media_type(to.service) };
    out->headers[out->header_count++] = (struct http_header){ VIEW("x-amzn-RequestId"), error.request_id };
}

/* ---- making and unmaking ---- */

static bool join(struct served *served, const struct handler_set *set, char *error, size_t error_size)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct handler_row *row = &set->rows[i];
        const struct operation *operation = aws_operation_find(view_from_cstr(row->operation));
        if (operation == NULL || served[operation->index].fn != NULL) {
            snprintf(error, error_size, operation == NULL ? "no operation is named %s" : "two handlers serve %s", row->operation);
            return false;
        }
        served[operation->index] = (struct served){ row->handler, set->context, row->on_loop };
    }
    return true;
}

static char *copy_text(struct view text)
{
    char *copy = malloc(text.len + 1);
    if (copy != NULL) {
        memcpy(copy, text.ptr != NULL ? text.ptr : "", text.len);
        copy[text.len] = '\0';
    }
    return copy;
}

struct aws_front *aws_front_create(const struct aws_front_options *options, char *error, size_t error_size)
{
    snprintf(error, error_size, "out of memory");
    struct aws_front *front = calloc(1, sizeof *front);
    if (front == NULL)
        return NULL;
    front->options = *options;
    front->handler = (struct http_handler){ front, on_headers, on_request, on_writable, on_closed, on_error };
    front->served = calloc(aws_operation_count, sizeof front->served[0]);
    front->keys = signing_keys_create();
    front->account = copy_text(options->account);
    front->region = copy_text(options->region);
    pthread_mutex_init(&front->inbox.mutex, NULL);
    front->inbox.last = &front->inbox.first;
    sigv4_work_init(&front->work);
    buf_init(&front->frame, FRAME_MAX);
    buf_init(&front->scratch, SCRATCH_MAX);
    bool good = front->served != NULL && front->keys != NULL && front->account != NULL && front->region != NULL &&
                random_bytes(&front->random, sizeof front->random);
    front->random |= 1;                                     /* the generator must not start at nought */
    front->options.account = view_from_cstr(front->account);
    front->options.region = view_from_cstr(front->region);
    for (size_t i = 0; good && i < options->handler_count; i++)
        good = join(front->served, &options->handlers[i], error, error_size);
    if (good)
        return front;
    aws_front_destroy(front);
    return NULL;
}

void aws_front_destroy(struct aws_front *front)
{
    if (front == NULL)
        return;
    pthread_mutex_destroy(&front->inbox.mutex);
    signing_keys_destroy(front->keys);
    sigv4_work_free(&front->work);
    buf_free(&front->frame);
    buf_free(&front->scratch);
    free(front->served);
    free(front->account);
    free(front->region);
    free(front);
}

unsigned aws_front_running(const struct aws_front *front)
{
    return front->running;
}

const struct http_handler *aws_front_handler(const struct aws_front *front)
{
    return &front->handler;
}

bool aws_front_serves(const struct aws_front *front, const struct operation *operation)
{
    return front->served[operation->index].fn != NULL;
}
