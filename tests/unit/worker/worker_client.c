#include "worker_client.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define HELLO_WAIT_MS 10000
#define LOAD_WAIT_MS  60000
#define FRAME_ARENA   (64u << 20)

int64_t client_now_us(void)
{
    return clock_mono_us(clock_system());
}

static bool spawn(struct client *client, const char *program, const char *role)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return false;
    client->pid = fork();
    if (client->pid == 0) {
        if (pair[1] == 3 ? fcntl(3, F_SETFD, 0) != 0 : dup2(pair[1], 3) < 0)
            _exit(127);
        execl(program, program, role, "--socket=3", (char *)NULL);
        _exit(127);
    }
    close(pair[1]);
    client->fd = pair[0];
    return client->pid > 0;
}

static bool flush(struct client *client)
{
    size_t sent = 0;
    while (sent < client->out.len) {
        ssize_t len = send(client->fd, client->out.ptr + sent, client->out.len - sent, MSG_NOSIGNAL);
        if (len < 0 && errno != EINTR)
            return false;
        sent += len > 0 ? (size_t)len : 0;
    }
    buf_clear(&client->out);
    return true;
}

void client_send(struct client *client, enum wire_type type, uint32_t stream, struct view payload)
{
    wire_append(&client->out, type, stream, payload);
    (void)flush(client);
}

void client_send_u32(struct client *client, enum wire_type type, uint32_t stream, uint32_t number)
{
    wire_append_u32(&client->out, type, stream, number);
    (void)flush(client);
}

/* ---- frames ---- */

static void take_probs(struct client_call *call, const struct gen_delta *delta)
{
    for (size_t i = 0; i < delta->prob_count && call->prob_count < CLIENT_MAX_PROBS; i++) {
        call->token_bytes += delta->probs[i].token.len;
        call->logprobs[call->prob_count] = delta->probs[i].logprob;
        call->runners_up[call->prob_count] = delta->probs[i].runner_up;
        call->token_ends[call->prob_count++] = call->token_bytes;
    }
}

static void take_deltas(struct client *client, struct client_call *call, struct view payload)
{
    struct gen_delta delta;
    while (payload.len > 0 && wire_read_delta(client->arena, &payload, &delta)) {
        call->deltas++;
        call->last_us = client_now_us();
        if (call->first_us == 0)
            call->first_us = call->last_us;
        if (delta.type == GEN_BEGIN) {
            call->input_tokens = delta.input_tokens;
            call->cached_tokens = delta.cached_tokens;
        } else if (delta.type == GEN_TEXT) {
            buf_append_view(&call->text, delta.text);
            take_probs(call, &delta);
        } else if (delta.type == GEN_TOOL_START) {
            snprintf(call->tool, sizeof(call->tool), VIEW_FMT, VIEW_ARG(delta.name));
        } else if (delta.type == GEN_TOOL_ARGUMENTS) {
            buf_append_view(&call->arguments, delta.text);
        }
    }
}

static void take_end(struct client *client, struct client_call *call, struct view payload)
{
    call->ended = wire_read_end(client->arena, payload, &call->end);
    snprintf(call->message, sizeof(call->message), "%s", call->ended ? call->end.message : "malformed END");
    snprintf(call->stop, sizeof(call->stop), VIEW_FMT, VIEW_ARG(call->end.stop));
}

static void take_vectors(struct client *client, struct client_call *call, struct view payload)
{
    struct embed_result result;
    if (!wire_read_vectors(client->arena, payload, &result))
        return;
    call->count = result.count;
    call->dimensions = result.dimensions;
    call->vectors = malloc((result.count * result.dimensions + 1) * sizeof(float));
    call->token_counts = malloc((result.count + 1) * sizeof(int32_t));
    if (call->vectors == NULL || call->token_counts == NULL)
        abort();
    memcpy(call->vectors, result.vectors, result.count * result.dimensions * sizeof(float));
    memcpy(call->token_counts, result.token_counts, result.count * sizeof(int32_t));
}

static void take_loaded(struct client *client, struct view payload)
{
    const struct json *json = json_parse(client->arena, payload, 8, NULL);
    json_get_i64(json, "context", &client->context);
    json_get_i64(json, "dimensions", &client->dimensions);
    json_get_i64(json, "sequences", &client->sequences);
    snprintf(client->layout, sizeof(client->layout), VIEW_FMT, VIEW_ARG(json_get_string(json, "layout")));
    snprintf(client->error, sizeof(client->error), VIEW_FMT, VIEW_ARG(json_get_string(json, "error")));
}

static void take_frame(struct client *client, const struct wire_frame *frame)
{
    struct client_call *call = &client->calls[frame->stream % CLIENT_MAX_STREAMS];
    arena_reset(client->arena);
    switch (frame->type) {
    case WIRE_LOADED:
        take_loaded(client, frame->payload);
        break;
    case WIRE_DELTAS:
        take_deltas(client, call, frame->payload);
        break;
    case WIRE_VECTORS:
        take_vectors(client, call, frame->payload);
        break;
    case WIRE_END:
        take_end(client, call, frame->payload);
        break;
    case WIRE_WANT:
        client->wants++;
        client_send_u32(client, WIRE_GRANT, 0, client->threads | (client->grants_by_step ? 0 : WIRE_GRANT_STANDING));
        break;
    case WIRE_DONE:
        client->dones++;
        break;
    default:
        break;
    }
}

bool client_pump(struct client *client, int timeout_ms)
{
    struct pollfd ready = { .fd = client->fd, .events = POLLIN };
    struct wire_frame frame;
    if (poll(&ready, 1, timeout_ms) <= 0)
        return true;
    buf_consume(&client->in, client->taken);
    client->taken = 0;
    char *room = buf_reserve(&client->in, 1 << 16);
    ssize_t got = room == NULL ? -1 : recv(client->fd, room, 1 << 16, 0);
    if (got <= 0)
        return got < 0 && errno == EINTR;
    buf_commit(&client->in, (size_t)got);
    while (wire_next(&client->in, &client->taken, &frame) == WIRE_FRAME)
        take_frame(client, &frame);
    return true;
}

bool client_wait(struct client *client, uint32_t first, uint32_t last, int timeout_ms)
{
    int64_t until = client_now_us() + (int64_t)timeout_ms * 1000;
    for (uint32_t stream = first; stream <= last;) {
        if (client->calls[stream].ended)
            stream++;
        else if (client_now_us() > until || !client_pump(client, 100))
            return false;
    }
    return true;
}

/* ---- the process ---- */

bool client_start(struct client *client, const char *program)
{
    return client_start_as(client, program, "--role=model");
}

bool client_start_as(struct client *client, const char *program, const char *role)
{
    *client = (struct client){ .in = BUF_INIT(256u << 20), .out = BUF_INIT(256u << 20), .threads = 2 };
    client->arena = arena_create(FRAME_ARENA);
    for (size_t i = 0; i < CLIENT_MAX_STREAMS; i++) {
        buf_init(&client->calls[i].text, 1u << 20);
        buf_init(&client->calls[i].arguments, 1u << 20);
    }
    return client->arena != NULL && spawn(client, program, role);
}

bool client_load(struct client *client, const char *json, unsigned threads)
{
    int64_t until = client_now_us() + (int64_t)LOAD_WAIT_MS * 1000;
    client->threads = threads;
    client_send(client, WIRE_LOAD, 0, view_from_cstr(json));
    while (client->context == 0 && client->error[0] == '\0') {
        if (client_now_us() > until || !client_pump(client, HELLO_WAIT_MS))
            return false;
    }
    if (client->error[0] != '\0')
        return false;
    if (!client->grants_by_step)
        client_send_u32(client, WIRE_GRANT, 0, threads | WIRE_GRANT_STANDING);
    return true;
}

int client_stop(struct client *client)
{
    int status = -1;
    shutdown(client->fd, SHUT_RDWR);
    close(client->fd);
    waitpid(client->pid, &status, 0);
    for (uint32_t i = 0; i < CLIENT_MAX_STREAMS; i++)
        client_forget(client, i);
    buf_free(&client->in);
    buf_free(&client->out);
    arena_destroy(client->arena);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void client_forget(struct client *client, uint32_t stream)
{
    struct client_call *call = &client->calls[stream];
    buf_free(&call->text);
    buf_free(&call->arguments);
    free(call->vectors);
    free(call->token_counts);
    *call = (struct client_call){ .text = BUF_INIT(1u << 20), .arguments = BUF_INIT(1u << 20) };
}

void client_call(struct client *client, uint32_t stream, const struct model_request *request)
{
    size_t begun = wire_begin(&client->out, WIRE_CALL, stream);
    wire_write_request(&client->out, request);
    wire_end(&client->out, begun);
    (void)flush(client);
}

struct model_request client_generate(const struct chat_message *messages, size_t count, int64_t max_tokens)
{
    struct model_request request;
    model_request_init(&request);
    request.kind = MODEL_GENERATE;
    request.priority = PRIORITY_ON_DEMAND;
    request.account = VIEW("123456789012");
    request.caller = VIEW("arn:aws:iam::123456789012:user/test");
    request.generate.messages = messages;
    request.generate.message_count = count;
    request.generate.max_tokens = max_tokens;
    request.generate.sampling.temperature = 0;
    return request;
}
