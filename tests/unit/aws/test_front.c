/* The front behind a real server, with handlers that do what a test needs, and a client that signs. */
#include "unit.h"

#include "aws/front.h"
#include "aws/sigv4.h"
#include "base/clock.h"
#include "net/eventstream.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define KEY         "AKIDEXAMPLE"
#define SECRET      "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define BEARER_KEY  "bedrock-api-key-example"
#define PATIENCE_MS 5000
#define REPLY_LIMIT (64u << 20)

static struct {
    struct loop *loop;
    struct http_server *server;
    struct aws_front *front;
    uint16_t port;
    pthread_t thread;
    char dir[64];
    atomic_int done, gone, deferred;
    atomic_int last_status, last_error;
    struct call *waiting;
} fix;

static struct arena *arena;

/* ---- handlers ---- */

static void count_deferred(void *arg)
{
    (void)arg;
    fix.deferred++;
}

/* In the pool: tells what it saw. */
static enum aws_status list_guardrails(struct call *call)
{
    struct json_writer *reply = call_reply(call);
    json_object(reply);
    json_put_string(reply, "account", call_principal(call)->account);
    json_put_string(reply, "user", call_principal(call)->arn);
    json_put_string(reply, "region", call_region(call));
    json_put_string(reply, "identifier", call_query(call, "guardrailIdentifier"));
    json_put_string(reply, "absent", call_query(call, "nextToken"));
    json_put_cstr(reply, "context", call_context(call));
    json_end(reply);
    call_reply_header(call, "x-test", VIEW("yes"));
    call_defer(call, count_deferred, NULL);
    return AWS_OK;
}

static enum aws_status get_guardrail(struct call *call)
{
    call_fail_member(call, "resourceName", call_label(call, "guardrailIdentifier"));
    return call_fail(call, AWS_RESOURCE_NOT_FOUND, "No guardrail %s.", "here");
}

static enum aws_status delete_guardrail(struct call *call)
{
    for (int i = 0; i < 1000 && !call_gone(call); i++)
        nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
    call_defer(call, count_deferred, NULL);
    return AWS_OK;
}

/* Writes one bracket too few. */
static enum aws_status create_guardrail(struct call *call)
{
    json_object(call_reply(call));
    return AWS_OK;
}

static enum aws_status update_guardrail(struct call *call)
{
    (void)call;
    return AWS_CONFLICT;
}

static enum aws_status invoke_model(struct call *call)
{
    struct buf body = BUF_INIT(REPLY_LIMIT);
    buf_printf(&body, "%zu bytes, first %c", call_body_bytes(call).len,
               call_body_bytes(call).len > 0 ? call_body_bytes(call).ptr[0] : '-');
    call_reply_bytes(call, VIEW("text/plain"), &body);
    return AWS_OK;
}

static void later(void *arg)
{
    struct call *call = arg;
    struct json_writer *reply = call_reply(call);
    json_object(reply);
    json_put_string(reply, "model", call_label(call, "modelId"));
    json_put_i64(reply, "messages", (int64_t)json_size(json_get(call_body(call), "messages")));
    json_end(reply);
    call_finish(call);
}

static enum aws_status converse(struct call *call)
{
    call_stats(call)->input_tokens = 7;
    assert_non_null(loop_timer_start(fix.loop, 5, later, call));
    return AWS_PENDING;
}

static void gone(struct call *call, void *arg)
{
    (void)arg;
    fix.gone++;
    call_finish(call);
}

static enum aws_status count_tokens(struct call *call)
{
    call_on_gone(call, gone, NULL);
    return AWS_PENDING;
}

static enum aws_status converse_stream(struct call *call)
{
    call_reply_header(call, "x-served-by", VIEW("test"));
    call_stream_start(call);
    call_stream_event(call, "messageStart", VIEW("{\"role\":\"assistant\"}"));
    call_stream_event(call, "messageStop", VIEW("{}"));
    if (json_get(call_body(call), "system") != NULL)
        call_stream_exception(call, AWS_THROTTLING, "Slow down.");
    else if (json_get(call_body(call), "toolConfig") != NULL)
        call_fail_later(call, AWS_MODEL_NOT_READY, "No %s.", "model");
    else
        call_stream_end(call);
    return AWS_PENDING;
}

static const struct handler_row rows[] = {
    { "ListGuardrails", list_guardrails, false },   { "GetGuardrail", get_guardrail, false },
    { "DeleteGuardrail", delete_guardrail, false }, { "CreateGuardrail", create_guardrail, true },
    { "UpdateGuardrail", update_guardrail, false }, { "InvokeModel", invoke_model, true },
    { "Converse", converse, true },                 { "CountTokens", count_tokens, true },
    { "ConverseStream", converse_stream, true },
};

/* ---- credentials ---- */

static const struct principal root = { VIEW_INIT(""), VIEW_INIT("root"), VIEW_INIT("arn:aws:iam::123456789012:user/root"),
                                       VIEW_INIT(KEY), true };

static bool find_key(void *ctx, struct view key_id, struct credential *out)
{
    (void)ctx;
    *out = (struct credential){ .secret = VIEW(SECRET), .principal = root };
    if (view_is(key_id, "AKEXPIRED"))
        out->expires_ms = 1;
    if (view_is(key_id, "ASTEMPORARY"))
        out->session_token = VIEW("token");
    return view_is(key_id, KEY) || out->expires_ms != 0 || out->session_token.len > 0;
}

static bool find_bearer(void *ctx, struct view token, struct credential *out)
{
    (void)ctx;
    *out = (struct credential){ .principal = root };
    return view_is(token, BEARER_KEY);
}

static enum aws_status authorize(void *ctx, const struct principal *principal, const struct operation *operation, struct view resource,
                                 struct arena *memory, struct view *message)
{
    (void)ctx;
    (void)principal;
    (void)memory;
    if (view_is(resource, "arn:aws:bedrock:us-east-1::foundation-model/forbidden"))
        return AWS_ACCESS_DENIED;
    if (view_is(resource, "arn:aws:bedrock:us-east-1:123456789012:guardrail/throttled")) {
        *message = VIEW("Too many requests, please wait before trying again.");
        return AWS_THROTTLING;
    }
    if (view_is(resource, "arn:aws:bedrock:eu-west-1:1:provisioned-model/forbidden1"))
        return AWS_ACCESS_DENIED;
    return view_starts_with(operation->action, VIEW("bedrock:")) ? AWS_OK : AWS_INTERNAL_SERVER;
}

static struct credentials credentials = { NULL, find_key, find_bearer, authorize, NULL };

/* ---- the server ---- */

static void on_done(void *ctx, const struct call *call, const struct call_outcome *outcome)
{
    (void)ctx;
    (void)call;
    assert_true(outcome->duration_us >= 0);
    assert_int_equal(outcome->stats->cached_tokens, -1);
    fix.last_status = outcome->http_status;
    fix.last_error = (int)outcome->error;
    fix.done++;
}

static void *run_loop(void *arg)
{
    (void)arg;
    loop_run(fix.loop);
    return NULL;
}

static int setup(void **state)
{
    char error[200] = "";
    struct http_server_options http;
    struct aws_front_options options;
    const struct handler_set set = { rows, COUNT_OF(rows), "the context" };
    (void)state;
    arena = arena_create(256u << 20);
    fix.loop = loop_create(clock_system(), 4);
    aws_front_defaults(&options);
    options.loop = fix.loop;
    options.credentials = &credentials;
    options.handlers = &set;
    options.handler_count = 1;
    options.on_done = on_done;
    fix.front = aws_front_create(&options, error, sizeof error);
    http_server_defaults(&http);
    http.port = 0;
    snprintf(fix.dir, sizeof fix.dir, "/tmp/craton-front-XXXXXX");
    http.body_dir = mkdtemp(fix.dir);
    fix.server = fix.front != NULL ? http_server_create(fix.loop, &http, aws_front_handler(fix.front), error, sizeof error) : NULL;
    if (fix.server == NULL) {
        print_error("%s\n", error);
        return -1;
    }
    fix.port = http_server_port(fix.server);
    return pthread_create(&fix.thread, NULL, run_loop, NULL);
}

static void on_stopped(void *arg)
{
    (void)arg;
    http_server_destroy(fix.server);
    loop_stop(fix.loop);
}

static void stop(void *arg)
{
    http_server_stop(fix.server, 200, on_stopped, arg);
}

static int teardown(void **state)
{
    (void)state;
    loop_post(fix.loop, stop, NULL);
    pthread_join(fix.thread, NULL);
    loop_destroy(fix.loop);
    unsigned running = aws_front_running(fix.front);
    aws_front_destroy(fix.front);
    arena_destroy(arena);
    rmdir(fix.dir);
    return running == 0 ? 0 : -1;
}

/* ---- the client ---- */

struct reply {
    int status;
    struct view head, body;
};

static int dial(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(fix.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void say(int fd, struct view bytes)
{
    while (bytes.len > 0) {
        ssize_t n = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        if (n < 0)
            return;
        bytes = view_from(bytes, (size_t)n);
    }
}

static struct reply listen_to(int fd)
{
    struct buf in = BUF_INIT(REPLY_LIMIT);
    struct pollfd poller = { .fd = fd, .events = POLLIN };
    for (ssize_t n = 1; n > 0;) {
        assert_int_equal(poll(&poller, 1, PATIENCE_MS), 1);
        char *place = buf_reserve(&in, 65536);
        n = recv(fd, place, 65536, 0);
        if (n > 0)
            buf_commit(&in, (size_t)n);
    }
    close(fd);
    struct view all = arena_copy(arena, buf_view(&in));
    buf_free(&in);
    size_t end = view_find(all, VIEW("\r\n\r\n"));
    assert_int_not_equal(end, VIEW_NPOS);
    uint64_t status = 0;
    assert_true(view_to_u64(view_first(view_from(all, sizeof "HTTP/1.1 " - 1), 3), &status));
    return (struct reply){ (int)status, view_first(all, end), view_from(all, end + 4) };
}

static struct view head_value(const struct reply *reply, const char *name)
{
    for (struct view rest = reply->head; rest.ptr != NULL;) {
        struct view line = view_split(&rest, '\n');
        if (view_eq_nocase(view_split(&line, ':'), view_from_cstr(name)))
            return view_trim(line);
    }
    return VIEW("");
}

struct request {
    const char *method, *path, *query;
    struct view body;
    const char *key, *secret, *token, *authorization, *extra;
    bool bare;                                              /* no authentication at all */
};

static void append_signature(struct buf *out, const struct request *r, const char *authority)
{
    struct sigv4_signer signer = { .key_id = view_from_cstr(r->key != NULL ? r->key : KEY),
                                   .secret = view_from_cstr(r->secret != NULL ? r->secret : SECRET),
                                   .session_token = view_from_cstr(r->token), .region = VIEW("us-east-1"),
                                   .rules = { VIEW("bedrock"), true, false, 300 } };
    struct sigv4_message message = { .method = view_from_cstr(r->method), .path = view_from_cstr(r->path),
                                     .query = view_from_cstr(r->query), .authority = view_from_cstr(authority) };
    struct http_header fields[SIGV4_SIGNED_FIELDS];
    uint8_t hash[SHA256_SIZE];
    sha256(r->body, hash);
    size_t count = sigv4_sign(&signer, &message, hash, clock_wall_ms(clock_system()), arena, fields);
    for (size_t i = 0; i < count; i++)
        buf_printf(out, VIEW_FMT ": " VIEW_FMT "\r\n", VIEW_ARG(fields[i].name), VIEW_ARG(fields[i].value));
}

static int send_request(const struct request *r)
{
    struct buf out = BUF_INIT(REPLY_LIMIT);
    char authority[32];
    snprintf(authority, sizeof authority, "127.0.0.1:%u", fix.port);
    buf_printf(&out, "%s %s%s%s HTTP/1.0\r\nHost: %s\r\nContent-Length: %zu\r\n", r->method, r->path, r->query != NULL ? "?" : "",
               r->query != NULL ? r->query : "", authority, r->body.len);
    if (r->authorization != NULL)
        buf_printf(&out, "Authorization: %s\r\n", r->authorization);
    else if (!r->bare)
        append_signature(&out, r, authority);
    buf_printf(&out, "%s\r\n", r->extra != NULL ? r->extra : "");
    buf_append_view(&out, r->body);
    int fd = dial();
    say(fd, buf_view(&out));
    buf_free(&out);
    return fd;
}

static struct reply ask(struct request r)
{
    return listen_to(send_request(&r));
}

static void assert_error(const struct reply *reply, int status, const char *type, const char *text)
{
    assert_int_equal(reply->status, status);
    assert_view_is(head_value(reply, "x-amzn-ErrorType"), type);
    assert_view_is(head_value(reply, "Content-Type"), "application/json");
    assert_int_equal(head_value(reply, "x-amzn-RequestId").len, 36);
    const struct json *body = json_parse(arena, reply->body, 10, NULL);
    assert_view_is(json_get_string(body, "__type"), type);
    if (view_find(json_get_string(body, "message"), view_from_cstr(text)) == VIEW_NPOS)
        fail_msg("\"%s\" should hold \"%s\"", json_get_string(body, "message").ptr, text);
}

static void wait_for(const atomic_int *value, int expected)
{
    for (int i = 0; i < PATIENCE_MS / 2 && *value != expected; i++)
        nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
    assert_int_equal(*value, expected);
}

#define TALK "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"Hi\"}]}]"

/* ---- tests ---- */

static void a_signed_call_reaches_a_handler_in_the_pool(void **state)
{
    (void)state;
    int deferred = fix.deferred;
    struct reply reply = ask((struct request){ .method = "GET", .path = "/guardrails", .query = "guardrailIdentifier=abc&maxResults=5" });
    assert_int_equal(reply.status, 200);
    assert_view_is(reply.body, "{\"account\":\"123456789012\",\"user\":\"arn:aws:iam::123456789012:user/root\",\"region\":\"us-east-1\","
                               "\"identifier\":\"abc\",\"absent\":\"\",\"context\":\"the context\"}");
    assert_view_is(head_value(&reply, "x-test"), "yes");
    assert_view_is(head_value(&reply, "content-type"), "application/json");
    assert_int_equal(head_value(&reply, "x-amzn-RequestId").len, 36);
    assert_int_equal(fix.deferred, deferred + 1);
}

static void a_handler_on_the_loop_may_answer_later(void **state)
{
    (void)state;
    struct reply reply = ask((struct request){ .method = "POST", .path = "/model/amazon.titan%3A0/converse", .body = VIEW(TALK "}") });
    assert_int_equal(reply.status, 200);
    assert_view_is(reply.body, "{\"model\":\"amazon.titan:0\",\"messages\":1}");
}

static void an_error_has_name_status_message_and_members(void **state)
{
    (void)state;
    struct reply reply = ask((struct request){ .method = "GET", .path = "/guardrails/abc" });
    assert_error(&reply, 404, "ResourceNotFoundException", "No guardrail here.");
    assert_view_is(reply.body, "{\"__type\":\"ResourceNotFoundException\",\"message\":\"No guardrail here.\",\"resourceName\":\"abc\"}");
    reply = ask((struct request){ .method = "PUT", .path = "/guardrails/abc",
                                  .body = VIEW("{\"name\":\"n\",\"blockedInputMessaging\":\"a\",\"blockedOutputsMessaging\":\"b\"}") });
    assert_error(&reply, 400, "ConflictException", "");
}

static void a_reply_that_is_not_whole_is_an_internal_error(void **state)
{
    (void)state;
    struct reply reply = ask((struct request){ .method = "POST", .path = "/guardrails",
        .body = VIEW("{\"name\":\"n\",\"blockedInputMessaging\":\"a\",\"blockedOutputsMessaging\":\"b\"}") });
    assert_error(&reply, 500, "InternalServerException", "could not be built");
}

static void unknown_paths_and_unserved_operations_are_told_apart(void **state)
{
    (void)state;
    struct reply reply = ask((struct request){ .method = "GET", .path = "/no/such/operation" });
    assert_error(&reply, 404, "UnknownOperationException", "No operation");
    reply = ask((struct request){ .method = "GET", .path = "/evaluation-jobs" });
    assert_error(&reply, 501, "NotImplementedException", "ListEvaluationJobs");
    reply = ask((struct request){ .method = "GET", .path = "/guardrails/%zz" });
    assert_error(&reply, 400, "ValidationException", "percent-encoding");
}

static void strangers_are_refused_by_name(void **state)
{
    (void)state;
    struct request r = { .method = "GET", .path = "/guardrails" };
    struct reply reply;
    r.bare = true;
    reply = ask(r);
    assert_error(&reply, 403, "MissingAuthenticationTokenException", "Missing Authentication Token");
    r.bare = false;
    r.key = "AKUNKNOWN";
    reply = ask(r);
    assert_error(&reply, 403, "UnrecognizedClientException", "security token included in the request is invalid");
    r.key = "AKEXPIRED";
    reply = ask(r);
    assert_error(&reply, 403, "ExpiredTokenException", "expired");
    r.key = NULL;
    r.secret = "wrong";
    reply = ask(r);
    assert_error(&reply, 403, "InvalidSignatureException", "does not match");
    r.authorization = "Basic dTpw";
    reply = ask(r);
    assert_error(&reply, 400, "IncompleteSignatureException", "must begin with");
}

static void a_temporary_key_needs_its_token(void **state)
{
    (void)state;
    struct request r = { .method = "GET", .path = "/guardrails", .key = "ASTEMPORARY", .token = "token" };
    struct reply reply = ask(r);
    assert_int_equal(reply.status, 200);
    r.token = "other";
    reply = ask(r);
    assert_error(&reply, 403, "UnrecognizedClientException", "invalid");
    r.token = NULL;
    reply = ask(r);
    assert_error(&reply, 403, "UnrecognizedClientException", "invalid");
    r.key = NULL;
    r.token = "token";
    reply = ask(r);
    assert_error(&reply, 403, "UnrecognizedClientException", "invalid");
}

static void a_bearer_key_is_as_good_as_a_signature(void **state)
{
    (void)state;
    struct request r = { .method = "GET", .path = "/guardrails", .authorization = "Bearer " BEARER_KEY };
    struct reply reply = ask(r);
    assert_int_equal(reply.status, 200);
    r.authorization = "Bearer nope";
    reply = ask(r);
    assert_error(&reply, 403, "AccessDeniedException", "Please make sure your API Key is valid");
}

static void policies_see_the_resource(void **state)
{
    (void)state;
    struct reply reply = ask((struct request){ .method = "POST", .path = "/model/forbidden/converse", .body = VIEW(TALK "}") });
    assert_error(&reply, 403, "AccessDeniedException",
                 "User: arn:aws:iam::123456789012:user/root is not authorized to perform: bedrock:InvokeModel on resource: "
                 "arn:aws:bedrock:us-east-1::foundation-model/forbidden because no identity-based policy allows the "
                 "bedrock:InvokeModel action");
    reply = ask((struct request){ .method = "POST", .body = VIEW(TALK "}"),
        .path = "/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A1%3Aprovisioned-model%2Fforbidden1/converse" });
    assert_error(&reply, 403, "AccessDeniedException", "on resource: arn:aws:bedrock:eu-west-1:1:provisioned-model/forbidden1");
    reply = ask((struct request){ .method = "GET", .path = "/guardrails/throttled" });
    assert_error(&reply, 429, "ThrottlingException", "Too many requests");
}

static void only_the_proven_caller_learns_that_he_may_not(void **state)
{
    (void)state;
    struct reply reply = ask((struct request){ .method = "POST", .path = "/model/forbidden/converse", .secret = "wrong",
                                               .body = VIEW(TALK "}") });
    assert_error(&reply, 403, "InvalidSignatureException", "does not match");
}

static void bad_input_never_reaches_a_handler(void **state)
{
    (void)state;
    struct request r = { .method = "POST", .path = "/model/m/converse", .body = VIEW("{\"messages\":[}") };
    struct reply reply = ask(r);
    assert_error(&reply, 400, "SerializationException", "not valid JSON");
    r.body = VIEW("[]");
    reply = ask(r);
    assert_error(&reply, 400, "SerializationException", "must be a JSON object");
    r.body = VIEW("{\"messages\":{}}");
    reply = ask(r);
    assert_error(&reply, 400, "SerializationException", "at 'messages'");
    r.body = VIEW("{\"messages\":[{\"role\":\"x\",\"content\":[]}]}");
    reply = ask(r);
    assert_error(&reply, 400, "ValidationException", "1 validation error detected: Value 'x' at 'messages.1.member.role'");
    reply = ask((struct request){ .method = "GET", .path = "/guardrails", .query = "maxResults=0" });
    assert_error(&reply, 400, "ValidationException", "at 'maxResults'");
}

static void bodies_of_any_size_are_verified(void **state)
{
    (void)state;
    static const size_t sizes[] = { 0, 1, 65536, 65537, 1u << 20, (1u << 20) + 1, 5u << 20 };
    char *bytes = malloc(5u << 20);
    memset(bytes, 'b', 5u << 20);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        char expected[64];
        struct request r = { .method = "POST", .path = "/model/m/invoke", .body = view_of(bytes, sizes[i]) };
        snprintf(expected, sizeof expected, "%zu bytes, first %c", sizes[i], sizes[i] > 0 ? 'b' : '-');
        struct reply reply = ask(r);
        assert_int_equal(reply.status, 200);
        assert_view_is(reply.body, expected);
        assert_view_is(head_value(&reply, "content-type"), "text/plain");
        r.secret = "wrong";
        reply = ask(r);
        assert_error(&reply, 403, "InvalidSignatureException", "does not match");
    }
    free(bytes);
}

static void a_body_over_the_limit_is_refused_unread(void **state)
{
    (void)state;
    int fd = dial();
    char head[512];
    snprintf(head, sizeof head, "POST /model/m/invoke HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer %s\r\nContent-Length: 25000001\r\n"
             "Connection: close\r\n\r\n", BEARER_KEY);
    say(fd, view_from_cstr(head));
    struct reply reply = listen_to(fd);
    assert_error(&reply, 413, "RequestEntityTooLargeException", "larger than 25000000 bytes");
}

static void assert_event(struct view *rest, const char *header, const char *type, const char *payload)
{
    struct eventstream_frame frame;
    assert_int_equal(eventstream_read(*rest, &frame), EVENTSTREAM_FRAME);
    assert_view_is(eventstream_header(&frame, header), type);
    assert_view_is(eventstream_header(&frame, ":content-type"), "application/json");
    const struct json *body = json_parse(arena, frame.payload, 10, NULL), *wanted = json_parse(arena, view_from_cstr(payload), 10, NULL);
    assert_non_null(body);
    for (struct json_iter it = json_iter(wanted); json_next(&it);)
        assert_view_eq(json_string(json_get_view(body, it.key)), json_string(it.value));
    bool padded = json_get(body, "p") != NULL;
    assert_int_equal(padded, strcmp(header, ":event-type") == 0);
    assert_int_equal(json_size(body), json_size(wanted) + padded);
    *rest = view_from(*rest, frame.size);
}

static struct reply stream(const char *body)
{
    struct reply reply = ask((struct request){ .method = "POST", .path = "/model/m/converse-stream", .body = view_from_cstr(body) });
    assert_int_equal(reply.status, 200);
    assert_view_is(head_value(&reply, "content-type"), "application/vnd.amazon.eventstream");
    assert_view_is(head_value(&reply, "x-served-by"), "test");
    assert_int_equal(head_value(&reply, "x-amzn-RequestId").len, 36);
    assert_event(&reply.body, ":event-type", "messageStart", "{\"role\":\"assistant\"}");
    assert_event(&reply.body, ":event-type", "messageStop", "{}");
    return reply;
}

static void a_stream_is_frames_and_may_end_in_an_exception(void **state)
{
    (void)state;
    struct reply reply = stream(TALK "}");
    assert_int_equal(reply.body.len, 0);
    reply = stream(TALK ",\"system\":[{\"text\":\"x\"}]}");
    assert_event(&reply.body, ":exception-type", "throttlingException", "{\"message\":\"Slow down.\"}");
    assert_int_equal(reply.body.len, 0);
    wait_for(&fix.last_error, AWS_THROTTLING);
    reply = stream(TALK ",\"toolConfig\":{\"tools\":[{\"cachePoint\":{\"type\":\"default\"}}]}}");
    assert_event(&reply.body, ":exception-type", "serviceUnavailableException", "{\"message\":\"No model.\"}");
    assert_int_equal(reply.body.len, 0);
}

static void a_client_that_goes_is_noticed_on_the_loop(void **state)
{
    (void)state;
    int before = fix.gone, done = fix.done;
    struct request r = { .method = "POST", .path = "/model/m/count-tokens", .body = VIEW("{\"input\":{\"converse\":{}}}") };
    int fd = send_request(&r);
    nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
    close(fd);
    wait_for(&fix.gone, before + 1);
    wait_for(&fix.done, done + 1);
    assert_int_equal(fix.last_status, 0);                   /* it was answered, but nobody was there */
}

static void a_client_that_goes_does_not_pull_memory_from_a_thread(void **state)
{
    (void)state;
    int deferred = fix.deferred, done = fix.done;
    struct request r = { .method = "DELETE", .path = "/guardrails/abc" };
    int fd = send_request(&r);
    nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
    close(fd);
    wait_for(&fix.deferred, deferred + 1);
    wait_for(&fix.done, done + 1);
}

static void a_client_that_goes_within_the_body_ends_the_call(void **state)
{
    (void)state;
    int done = fix.done;
    int fd = dial();
    say(fd, VIEW("POST /model/m/invoke HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer " BEARER_KEY "\r\nContent-Length: 100\r\n\r\nabc"));
    nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
    close(fd);
    wait_for(&fix.done, done + 1);
    assert_int_equal(fix.last_status, 0);
}

static void a_body_that_the_server_refuses_ends_the_call_with_that_status(void **state)
{
    (void)state;
    int done = fix.done, fd = dial();
    say(fd, VIEW("POST /model/m/invoke HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer " BEARER_KEY
                 "\r\nTransfer-Encoding: chunked\r\n\r\nnot a chunk\r\n"));
    struct reply reply = listen_to(fd);
    assert_error(&reply, 400, "ValidationException", "malformed");
    wait_for(&fix.done, done + 1);
    assert_int_equal(fix.last_status, 400);
}

static void a_refusal_of_the_server_has_the_form_of_the_protocol(void **state)
{
    (void)state;
    int fd = dial();
    say(fd, VIEW("POST / HTTP/1.1\r\nHost: h\r\nX-Amz-Target: DynamoDB_20120810.Scan\r\nContent-Length: 1\r\nTransfer-Encoding: "
                 "chunked\r\n\r\n"));
    struct reply reply = listen_to(fd);
    assert_int_equal(reply.status, 400);
    assert_view_is(head_value(&reply, "x-amzn-ErrorType"), "ValidationException");
    assert_int_equal(head_value(&reply, "x-amzn-RequestId").len, 36);
}

static void handlers_must_name_operations_and_each_only_once(void **state)
{
    (void)state;
    char error[200];
    struct aws_front_options options;
    const struct handler_row wrong[] = { { "MakeCoffee", converse, true } };
    const struct handler_set sets[] = { { rows, COUNT_OF(rows), NULL }, { wrong, 1, NULL } }, twice[] = { sets[0], sets[0] };
    aws_front_defaults(&options);
    options.loop = fix.loop;
    options.credentials = &credentials;
    options.handlers = sets;
    options.handler_count = 2;
    assert_null(aws_front_create(&options, error, sizeof error));
    assert_string_equal(error, "no operation is named MakeCoffee");
    options.handlers = twice;
    assert_null(aws_front_create(&options, error, sizeof error));
    assert_string_equal(error, "two handlers serve ListGuardrails");
    assert_true(aws_front_serves(fix.front, aws_operation_find(VIEW("Converse"))));
    assert_false(aws_front_serves(fix.front, aws_operation_find(VIEW("CreateAgent"))));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signed_call_reaches_a_handler_in_the_pool),
        cmocka_unit_test(a_handler_on_the_loop_may_answer_later),
        cmocka_unit_test(an_error_has_name_status_message_and_members),
        cmocka_unit_test(a_reply_that_is_not_whole_is_an_internal_error),
        cmocka_unit_test(unknown_paths_and_unserved_operations_are_told_apart),
        cmocka_unit_test(strangers_are_refused_by_name),
        cmocka_unit_test(a_temporary_key_needs_its_token),
        cmocka_unit_test(a_bearer_key_is_as_good_as_a_signature),
        cmocka_unit_test(policies_see_the_resource),
        cmocka_unit_test(only_the_proven_caller_learns_that_he_may_not),
        cmocka_unit_test(bad_input_never_reaches_a_handler),
        cmocka_unit_test(bodies_of_any_size_are_verified),
        cmocka_unit_test(a_body_over_the_limit_is_refused_unread),
        cmocka_unit_test(a_stream_is_frames_and_may_end_in_an_exception),
        cmocka_unit_test(a_client_that_goes_is_noticed_on_the_loop),
        cmocka_unit_test(a_client_that_goes_does_not_pull_memory_from_a_thread),
        cmocka_unit_test(a_client_that_goes_within_the_body_ends_the_call),
        cmocka_unit_test(a_body_that_the_server_refuses_ends_the_call_with_that_status),
        cmocka_unit_test(a_refusal_of_the_server_has_the_form_of_the_protocol),
        cmocka_unit_test(handlers_must_name_operations_and_each_only_once),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
