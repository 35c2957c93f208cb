#include "net/http_call.h"

#include "net/curl_library.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define CONNECT_TIMEOUT_S 10L
#define SILENCE_TIMEOUT_S 600L

struct transfer {
    const struct curl_library *curl;
    CURL *easy;
    const struct http_call *call;
    uint64_t sent;                                          /* of the file */
};

static int status_of(const struct transfer *transfer)
{
    long status = 0;
    transfer->curl->easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    return (int)status;
}

static size_t take_header(char *bytes, size_t size, size_t count, void *ctx)
{
    const struct transfer *transfer = ctx;
    struct view value = view_of(bytes, size * count), name = view_split(&value, ':');
    if (transfer->call->on_header != NULL && value.ptr != NULL) {
        for (size_t i = 0; i < name.len; i++)
            bytes[i] = (char)tolower((unsigned char)bytes[i]);
        transfer->call->on_header(transfer->call->ctx, name, view_trim(value));
    }
    return size * count;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *ctx)
{
    const struct transfer *transfer = ctx;
    bool more = transfer->call->on_body(transfer->call->ctx, status_of(transfer), view_of(bytes, size * count));
    return more ? size * count : 0;
}

/* ---- a body out of a file ---- */

static size_t give_body(char *out, size_t size, size_t count, void *ctx)
{
    struct transfer *transfer = ctx;
    uint64_t rest = transfer->call->body_length - transfer->sent;
    size_t want = rest < size * count ? (size_t)rest : size * count;
    ssize_t got;
    do
        got = want > 0 ? pread(transfer->call->body_fd, out, want, (off_t)transfer->sent) : 0;
    while (got < 0 && errno == EINTR);
    if (got < 0 || (got == 0 && want > 0))
        return CURL_READFUNC_ABORT;
    transfer->sent += (uint64_t)got;
    return (size_t)got;
}

/* curl begins again when a kept connection turns out to be dead. */
static int seek_body(void *ctx, curl_off_t offset, int origin)
{
    struct transfer *transfer = ctx;
    if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > transfer->call->body_length)
        return CURL_SEEKFUNC_FAIL;
    transfer->sent = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

static void set_body(struct transfer *transfer)
{
    const struct http_call *call = transfer->call;
    CURLcode (*set)(CURL *, CURLoption, ...) = transfer->curl->easy_setopt;
    if (call->body_length > 0) {
        set(transfer->easy, CURLOPT_UPLOAD, 1L);
        set(transfer->easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)call->body_length);
        set(transfer->easy, CURLOPT_READFUNCTION, give_body);
        set(transfer->easy, CURLOPT_READDATA, transfer);
        set(transfer->easy, CURLOPT_SEEKFUNCTION, seek_body);
        set(transfer->easy, CURLOPT_SEEKDATA, transfer);
    } else if (call->body.len > 0 || strcmp(call->method, "POST") == 0 || strcmp(call->method, "PUT") == 0) {
        set(transfer->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.len);
        set(transfer->easy, CURLOPT_POSTFIELDS, call->body.len > 0 ? call->body.ptr : "");
    } else if (strcmp(call->method, "HEAD") == 0) {
        set(transfer->easy, CURLOPT_NOBODY, 1L);
    }
}

static void set_options(struct transfer *transfer, struct curl_slist *headers)
{
    const struct http_call *call = transfer->call;
    CURLcode (*set)(CURL *, CURLoption, ...) = transfer->curl->easy_setopt;
    set(transfer->easy, CURLOPT_URL, call->url);
    if (strcmp(call->method, "HEAD") != 0)                  /* curl knows then that no body comes */
        set(transfer->easy, CURLOPT_CUSTOMREQUEST, call->method);
    set(transfer->easy, CURLOPT_HTTPHEADER, headers);
    set(transfer->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    set(transfer->easy, CURLOPT_NOSIGNAL, 1L);
    set(transfer->easy, CURLOPT_PATH_AS_IS, 1L);
    set(transfer->easy, CURLOPT_CONNECTTIMEOUT, call->connect_timeout_s > 0 ? (long)call->connect_timeout_s : CONNECT_TIMEOUT_S);
    set(transfer->easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    set(transfer->easy, CURLOPT_LOW_SPEED_TIME, call->silence_timeout_s > 0 ? (long)call->silence_timeout_s : SILENCE_TIMEOUT_S);
    set(transfer->easy, CURLOPT_HEADERFUNCTION, take_header);
    set(transfer->easy, CURLOPT_HEADERDATA, transfer);
    set(transfer->easy, CURLOPT_WRITEFUNCTION, take_body);
    set(transfer->easy, CURLOPT_WRITEDATA, transfer);
    set_body(transfer);
    if (call->follow_redirects) {
        set(transfer->easy, CURLOPT_FOLLOWLOCATION, 1L);
        set(transfer->easy, CURLOPT_MAXREDIRS, 5L);
        set(transfer->easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    }
    if (call->any_certificate) {
        set(transfer->easy, CURLOPT_SSL_VERIFYPEER, 0L);
        set(transfer->easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
}

static void fail(struct http_call_result *result, const char *reason)
{
    snprintf(result->error, sizeof(result->error), "%s", reason);
}

void http_call(const struct http_call *call, struct http_call_result *result)
{
    *result = (struct http_call_result){ .status = 0 };
    struct transfer transfer = { .curl = curl_library(), .call = call };
    if (transfer.curl == NULL) {
        fail(result, "libcurl is not installed (Debian: libcurl4)");
        return;
    }
    transfer.easy = transfer.curl->easy_init();
    struct curl_slist *headers = transfer.easy != NULL ? curl_headers(transfer.curl, call->headers, call->header_count) : NULL;
    if (headers != NULL) {
        set_options(&transfer, headers);
        CURLcode code = transfer.curl->easy_perform(transfer.easy);
        result->complete = code == CURLE_OK;
        result->status = status_of(&transfer);
        if (code != CURLE_OK)
            fail(result, transfer.curl->easy_strerror(code));
    } else {
        fail(result, "out of memory, or a header cannot be sent");
    }
    transfer.curl->slist_free_all(headers);
    if (transfer.easy != NULL)
        transfer.curl->easy_cleanup(transfer.easy);
}
