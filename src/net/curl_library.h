/* net/curl_library.h - libcurl, loaded at first use, so that a server that calls nobody does not carry it.
 *
 * Thread-safe. The library stays loaded. Only what Craton calls is here; the constants come from curl's own header.
 */
#ifndef CRATON_NET_CURL_LIBRARY_H
#define CRATON_NET_CURL_LIBRARY_H

#include "net/http.h"

#include <curl/curl.h>

struct curl_library {
    CURL *(*easy_init)(void);
    CURLcode (*easy_setopt)(CURL *easy, CURLoption option, ...);
    CURLcode (*easy_perform)(CURL *easy);
    CURLcode (*easy_getinfo)(CURL *easy, CURLINFO info, ...);
    CURLcode (*easy_pause)(CURL *easy, int bitmask);
    const char *(*easy_strerror)(CURLcode code);
    void (*easy_cleanup)(CURL *easy);
    struct curl_slist *(*slist_append)(struct curl_slist *list, const char *text);
    void (*slist_free_all)(struct curl_slist *list);
    CURLM *(*multi_init)(void);
    CURLMcode (*multi_add_handle)(CURLM *multi, CURL *easy);
    CURLMcode (*multi_remove_handle)(CURLM *multi, CURL *easy);
    CURLMcode (*multi_perform)(CURLM *multi, int *running);
    CURLMcode (*multi_poll)(CURLM *multi, struct curl_waitfd extra[], unsigned count, int timeout_ms, int *ready);
    CURLMcode (*multi_wakeup)(CURLM *multi);
    CURLMsg *(*multi_info_read)(CURLM *multi, int *left);
    CURLMcode (*multi_cleanup)(CURLM *multi);
};

/* NULL when the library is not installed. */
const struct curl_library *curl_library(void);

/* "Name: value" of each, and no waiting for 100-continue. NULL when out of memory, or when a header holds a line break. */
struct curl_slist *curl_headers(const struct curl_library *curl, const struct http_header *headers, size_t count);

#endif
