/* net/http_client.c - see http_client.h.
 *
 * A transfer is shared by the loop and the client's thread, and counted: one reference for the loop until on_done() or cancel,
 * one for the thread while curl has it, one for a letter under way to the loop, one for its place on the list of orders:
 *
 *     loop:    START, RESUME, CANCEL ─► client.orders ─► thread
 *     thread:  head, bytes, end ─► transfer.inbox, and one letter (loop_post) when none is under way
 */
#include "net/http_client.h"

#include "base/list.h"
#include "net/curl_library.h"

#include <ctype.h>
#include <pthread.h>
#include <stdlib.h>

#define CONNECT_TIMEOUT_MS 10000
#define SILENCE_TIMEOUT_MS 300000
#define HEAD_MAX           (256u * 1024)
#define FIELDS_MAX         100
#define POLL_MS            1000

struct http_transfer {
    struct http_client *client;
    struct arena *arena;                                    /* the request's copies */
    const char *method, *url;
    struct view body;
    struct http_client_request limits;                      /* only its numbers */
    struct http_client_handler handler;
    void *ctx;

    /* of the loop */
    struct list_link live;                                  /* in client.live until it ends or is cancelled */
    bool over;                                              /* nothing is called any more */
    bool head_told;

    /* of the thread */
    CURL *easy;
    struct curl_slist *headers;
    struct list_link running;
    uint64_t received;
    bool too_large;

    pthread_mutex_t mutex;                                  /* for what follows */
    unsigned references;
    struct buf head;                                        /* "name\0value\0" of each field */
    struct buf inbox;                                       /* body bytes on their way to the loop */
    size_t untaken;                                         /* given to the loop's side, and not yet taken there */
    int status;
    bool head_whole, ended, letter, paused;
    struct http_client_result result;
    char message[CURL_ERROR_SIZE];

    struct list_link order;                                 /* under client.mutex: in client.orders when ordered */
    bool ordered, start, resume, cancel;
};

struct http_client {
    struct loop *loop;
    const struct curl_library *curl;
    CURLM *multi;
    pthread_t thread;
    bool started;
    struct list live;
    struct list running;                                    /* of the thread */
    pthread_mutex_t mutex;
    struct list orders;
    bool quit;
};

/* ---- references ----------------------------------------------------------------------------------------------------------- */

static void transfer_hold(struct http_transfer *transfer)
{
    pthread_mutex_lock(&transfer->mutex);
    transfer->references++;
    pthread_mutex_unlock(&transfer->mutex);
}

#ifdef __clang_analyzer__                                   /* it cannot count, and would take every release for the last one */
static void transfer_free(struct http_transfer *transfer);
#else
static void transfer_free(struct http_transfer *transfer)
{
    pthread_mutex_destroy(&transfer->mutex);
    arena_destroy(transfer->arena);
    buf_free(&transfer->head);
    buf_free(&transfer->inbox);
    free(transfer);
}
#endif

static void transfer_release(struct http_transfer *transfer)
{
    pthread_mutex_lock(&transfer->mutex);
    unsigned left = --transfer->references;
    pthread_mutex_unlock(&transfer->mutex);
    if (left == 0)
        transfer_free(transfer);
}

/* ---- on the loop ------------------------------------------------------------------------------------------------------------ */

static void order(struct http_transfer *transfer, bool *what)
{
    struct http_client *client = transfer->client;
    pthread_mutex_lock(&client->mutex);
    *what = true;
    if (!transfer->ordered) {
        transfer_hold(transfer);
        list_push_back(&client->orders, &transfer->order);
    }
    transfer->ordered = true;
    pthread_mutex_unlock(&client->mutex);
    client->curl->multi_wakeup(client->multi);
}

static void tell_head(struct http_transfer *transfer, struct view text, int status)
{
    struct http_header fields[FIELDS_MAX];
    size_t count = 0;
    while (text.len > 0 && count < FIELDS_MAX) {
        fields[count].name = view_split(&text, '\0');
        fields[count++].value = view_split(&text, '\0');
    }
    if (transfer->handler.on_head != NULL)
        transfer->handler.on_head(transfer->ctx, status, fields, count);
}

/* What the thread has left in the transfer is handed on. Each callback may cancel the transfer. */
static void deliver(void *arg)
{
    struct http_transfer *transfer = arg;
    struct buf bytes = BUF_INIT(SIZE_MAX / 2);
    pthread_mutex_lock(&transfer->mutex);
    transfer->letter = false;
    buf_swap(&bytes, &transfer->inbox);
    bool head = transfer->head_whole && !transfer->head_told, ended = transfer->ended;
    int status = transfer->status;
    pthread_mutex_unlock(&transfer->mutex);

    if (!transfer->over && head) {
        transfer->head_told = true;
        tell_head(transfer, buf_view(&transfer->head), status);
    }
    if (!transfer->over && bytes.len > 0)
        transfer->handler.on_body(transfer->ctx, buf_view(&bytes));
    if (!transfer->over && ended) {
        transfer->over = true;
        list_remove(&transfer->live);
        transfer->handler.on_done(transfer->ctx, &transfer->result);
        transfer_release(transfer);
    }
    buf_free(&bytes);
    transfer_release(transfer);
}

void http_transfer_taken(struct http_transfer *transfer, size_t bytes)
{
    pthread_mutex_lock(&transfer->mutex);
    transfer->untaken -= bytes < transfer->untaken ? bytes : transfer->untaken;
    bool resume = transfer->paused && transfer->untaken <= HTTP_TRANSFER_WINDOW / 2;
    if (resume)
        transfer->paused = false;
    pthread_mutex_unlock(&transfer->mutex);
    if (resume)
        order(transfer, &transfer->resume);
}

void http_transfer_cancel(struct http_transfer *transfer)
{
    if (transfer == NULL || transfer->over)
        return;
    transfer->over = true;
    list_remove(&transfer->live);
    order(transfer, &transfer->cancel);
    transfer_release(transfer);
}

/* ---- in the thread: what curl calls --------------------------------------------------------------------------------------- */

/* With the mutex held. */
static void send_letter(struct http_transfer *transfer)
{
    if (transfer->letter)
        return;
    transfer->references++;
    transfer->letter = loop_post(transfer->client->loop, deliver, transfer);
    if (!transfer->letter)
        transfer->references--;                             /* out of memory: the next bytes, or the end, try again */
}

static size_t on_header(char *bytes, size_t size, size_t count, void *arg)
{
    struct http_transfer *transfer = arg;
    struct view value = view_of(bytes, size * count);
    pthread_mutex_lock(&transfer->mutex);
    if (view_starts_with(value, VIEW("HTTP/"))) {           /* of a final answer, after an interim one */
        buf_clear(&transfer->head);
    } else if (view_find_byte(value, ':') != VIEW_NPOS) {
        struct view name = view_split(&value, ':');
        for (size_t i = 0; i < name.len; i++)
            bytes[i] = (char)tolower((unsigned char)bytes[i]);
        buf_append_view(&transfer->head, name);
        buf_append_byte(&transfer->head, '\0');
        buf_append_view(&transfer->head, view_trim(value));
        buf_append_byte(&transfer->head, '\0');
    } else if (value.len <= 2) {
        long status = 0;
        transfer->client->curl->easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
        transfer->status = (int)status;
        transfer->head_whole = status >= 200;
        if (transfer->head_whole)
            send_letter(transfer);
    }
    bool failed = buf_failed(&transfer->head);
    pthread_mutex_unlock(&transfer->mutex);
    return failed ? 0 : size * count;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct http_transfer *transfer = arg;
    size_t len = size * count;
    if (transfer->limits.body_limit > 0 && len > transfer->limits.body_limit - transfer->received) {
        transfer->too_large = true;
        return 0;
    }
    pthread_mutex_lock(&transfer->mutex);
    transfer->paused = transfer->untaken >= HTTP_TRANSFER_WINDOW;
    bool failed = false;
    if (!transfer->paused) {
        failed = !buf_append(&transfer->inbox, bytes, len);
        transfer->untaken += len;
        send_letter(transfer);
    }
    bool paused = transfer->paused;
    pthread_mutex_unlock(&transfer->mutex);
    if (paused)
        return CURL_WRITEFUNC_PAUSE;
    transfer->received += len;
    return failed ? 0 : len;
}

/* ---- in the thread: orders ---------------------------------------------------------------------------------------------------- */

static void configure(struct http_transfer *transfer)
{
    const struct http_client_request *limits = &transfer->limits;
    CURLcode (*set)(CURL *, CURLoption, ...) = transfer->client->curl->easy_setopt;
    CURL *easy = transfer->easy;
    set(easy, CURLOPT_PRIVATE, transfer);
    set(easy, CURLOPT_URL, transfer->url);
    set(easy, CURLOPT_CUSTOMREQUEST, transfer->method);
    set(easy, CURLOPT_HTTPHEADER, transfer->headers);
    set(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    set(easy, CURLOPT_NOSIGNAL, 1L);
    set(easy, CURLOPT_PATH_AS_IS, 1L);
    set(easy, CURLOPT_ERRORBUFFER, transfer->message);
    set(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(limits->connect_timeout_ms > 0 ? limits->connect_timeout_ms : CONNECT_TIMEOUT_MS));
    set(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    uint64_t silence_ms = limits->silence_timeout_ms > 0 ? limits->silence_timeout_ms : SILENCE_TIMEOUT_MS;
    set(easy, CURLOPT_LOW_SPEED_TIME, (long)((silence_ms + 999) / 1000));
    set(easy, CURLOPT_TIMEOUT_MS, (long)limits->total_timeout_ms);
    set(easy, CURLOPT_HEADERFUNCTION, on_header);
    set(easy, CURLOPT_HEADERDATA, transfer);
    set(easy, CURLOPT_WRITEFUNCTION, on_body);
    set(easy, CURLOPT_WRITEDATA, transfer);
    if (strcmp(transfer->method, "HEAD") == 0)
        set(easy, CURLOPT_NOBODY, 1L);
    if (transfer->body.len > 0) {
        set(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)transfer->body.len);
        set(easy, CURLOPT_POSTFIELDS, transfer->body.ptr);
    }
}

static enum http_client_error error_of(const struct http_transfer *transfer, CURLcode code)
{
    if (transfer->too_large)
        return HTTP_CLIENT_TOO_LARGE;
    switch (code) {
    case CURLE_OK: return HTTP_CLIENT_OK;
    case CURLE_OPERATION_TIMEDOUT: return HTTP_CLIENT_TIMEOUT;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION: return HTTP_CLIENT_UNREACHABLE;
    default: return HTTP_CLIENT_BROKEN;
    }
}

/* Takes the transfer from curl, and drops the thread's reference. */
static void forget(struct http_transfer *transfer)
{
    const struct curl_library *curl = transfer->client->curl;
    list_remove(&transfer->running);
    curl->multi_remove_handle(transfer->client->multi, transfer->easy);
    curl->easy_cleanup(transfer->easy);
    curl->slist_free_all(transfer->headers);
    transfer->easy = NULL;
    transfer_release(transfer);
}

static void finish(struct http_transfer *transfer, CURLcode code)
{
    pthread_mutex_lock(&transfer->mutex);
    enum http_client_error error = error_of(transfer, code);
    const char *message = error == HTTP_CLIENT_OK         ? ""
                          : error == HTTP_CLIENT_TOO_LARGE ? "the answer is too large"
                          : transfer->message[0] != '\0'   ? transfer->message
                                                           : transfer->client->curl->easy_strerror(code);
    transfer->result = (struct http_client_result){ .error = error, .status = transfer->status, .message = message };
    transfer->ended = true;
    send_letter(transfer);
    pthread_mutex_unlock(&transfer->mutex);
    forget(transfer);
}

static void obey(struct http_client *client, struct http_transfer *transfer, bool start, bool resume, bool cancel)
{
    if (start) {
        transfer_hold(transfer);
        list_push_back(&client->running, &transfer->running);
        configure(transfer);
        client->curl->multi_add_handle(client->multi, transfer->easy);
    }
    if (transfer->easy == NULL)                             /* it ended before the order came */
        return;
    if (cancel)
        forget(transfer);
    else if (resume)
        client->curl->easy_pause(transfer->easy, CURLPAUSE_CONT);
}

/* False when the thread is to end. */
static bool take_orders(struct http_client *client)
{
    pthread_mutex_lock(&client->mutex);
    while (!list_empty(&client->orders)) {
        struct http_transfer *transfer = LIST_ITEM(list_pop_front(&client->orders), struct http_transfer, order);
        bool start = transfer->start, resume = transfer->resume, cancel = transfer->cancel;
        transfer->ordered = transfer->start = transfer->resume = transfer->cancel = false;
        pthread_mutex_unlock(&client->mutex);
        obey(client, transfer, start, resume, cancel);
        transfer_release(transfer);
        pthread_mutex_lock(&client->mutex);
    }
    bool go_on = !client->quit;
    pthread_mutex_unlock(&client->mutex);
    return go_on;
}

static void *client_thread(void *arg)
{
    struct http_client *client = arg;
    const struct curl_library *curl = client->curl;
    while (take_orders(client)) {
        int running = 0, left = 0;
        curl->multi_perform(client->multi, &running);
        for (CURLMsg *message; (message = curl->multi_info_read(client->multi, &left)) != NULL;) {
            char *transfer = NULL;
            CURLcode code = message->data.result;
            curl->easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
            finish((struct http_transfer *)(void *)transfer, code);
        }
        curl->multi_poll(client->multi, NULL, 0, POLL_MS, NULL);
    }
    while (!list_empty(&client->running))
        forget(LIST_ITEM(list_first(&client->running), struct http_transfer, running));
    return NULL;
}

/* ---- life ----------------------------------------------------------------------------------------------------------------------- */

struct http_client *http_client_create(struct loop *loop)
{
    struct http_client *client = calloc(1, sizeof(*client));
    if (client == NULL)
        return NULL;
    client->loop = loop;
    list_init(&client->live);
    list_init(&client->running);
    list_init(&client->orders);
    pthread_mutex_init(&client->mutex, NULL);
    return client;
}

static bool client_start(struct http_client *client)
{
    if (client->started)
        return true;
    client->curl = curl_library();
    if (client->curl == NULL)
        return false;
    if (client->multi == NULL)
        client->multi = client->curl->multi_init();
    client->started = client->multi != NULL && pthread_create(&client->thread, NULL, client_thread, client) == 0;
    return client->started;
}

void http_client_destroy(struct http_client *client)
{
    if (client == NULL)
        return;
    if (client->started) {
        pthread_mutex_lock(&client->mutex);
        client->quit = true;
        pthread_mutex_unlock(&client->mutex);
        client->curl->multi_wakeup(client->multi);
        pthread_join(client->thread, NULL);
    }
    while (!list_empty(&client->live)) {
        struct http_transfer *transfer = LIST_ITEM(list_pop_front(&client->live), struct http_transfer, live);
        transfer->over = true;
        transfer_release(transfer);
    }
    if (client->multi != NULL)
        client->curl->multi_cleanup(client->multi);
    pthread_mutex_destroy(&client->mutex);
    free(client);
}

/* Everything of the request that has to last. False when out of memory, or when a header cannot be sent. */
static bool copy_request(struct http_transfer *transfer, const struct http_client_request *request)
{
    transfer->arena = arena_create(SIZE_MAX / 4);
    if (transfer->arena == NULL)
        return false;
    transfer->method = arena_cstr(transfer->arena, view_from_cstr(request->method));
    transfer->url = arena_cstr(transfer->arena, view_from_cstr(request->url));
    transfer->body = arena_copy(transfer->arena, request->body);
    transfer->limits = *request;
    transfer->headers = curl_headers(transfer->client->curl, request->headers, request->header_count);
    transfer->easy = transfer->client->curl->easy_init();
    return !arena_exhausted(transfer->arena) && transfer->headers != NULL && transfer->easy != NULL;
}

struct http_transfer *http_client_start(struct http_client *client, const struct http_client_request *request,
                                        const struct http_client_handler *handler, void *ctx)
{
    struct http_transfer *transfer = client_start(client) ? calloc(1, sizeof(*transfer)) : NULL;
    if (transfer == NULL)
        return NULL;
    transfer->client = client;
    transfer->handler = *handler;
    transfer->ctx = ctx;
    transfer->references = 1;
    pthread_mutex_init(&transfer->mutex, NULL);
    buf_init(&transfer->head, HEAD_MAX);
    buf_init(&transfer->inbox, SIZE_MAX / 2);               /* the window bounds it */
    if (!copy_request(transfer, request)) {
        client->curl->slist_free_all(transfer->headers);
        if (transfer->easy != NULL)
            client->curl->easy_cleanup(transfer->easy);
        transfer_release(transfer);
        return NULL;
    }
    list_push_back(&client->live, &transfer->live);
    order(transfer, &transfer->start);
    return transfer;
}
