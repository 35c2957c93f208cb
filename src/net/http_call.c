#include "net/http_call.h"

#include "net/curl_library.h"

#include <ctype.h>
#include <stdio.h>

#define CONNECT_TIMEOUT_S 10L
#define SILENCE_TIMEOUT_S 600L

struct transfer {
    const struct curl_library *curl;
    CURL *easy;
    const struct http_call *call;
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

static void set_options(const struct transfer *transfer, struct curl_slist *headers)
{
    const struct http_call *call = transfer->call;
    CURLcode (*set)(CURL *, CURLoption, ...) = transfer->curl->easy_setopt;
    set(transfer->easy, CURLOPT_URL, call->url);
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
    if (call->body.len > 0) {
        set(transfer->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.len);
        set(transfer->easy, CURLOPT_POSTFIELDS, call->body.ptr);
    }
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
