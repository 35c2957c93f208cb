#include "net/curl_library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define HEADER_LINE_MAX 16384

static const char *const file_names[] = { "libcurl.so.4", "libcurl-gnutls.so.4", "libcurl.so" };

static const struct {
    const char *name;
    size_t offset;
} symbols[] = {
#define SYMBOL(member) { "curl_" #member, offsetof(struct curl_library, member) }
    SYMBOL(easy_init),        SYMBOL(easy_setopt),         SYMBOL(easy_perform),  SYMBOL(easy_getinfo),    SYMBOL(easy_pause),
    SYMBOL(easy_strerror),    SYMBOL(easy_cleanup),        SYMBOL(slist_append),  SYMBOL(slist_free_all),  SYMBOL(multi_init),
    SYMBOL(multi_add_handle), SYMBOL(multi_remove_handle), SYMBOL(multi_perform), SYMBOL(multi_poll),      SYMBOL(multi_wakeup),
    SYMBOL(multi_info_read),  SYMBOL(multi_cleanup),
#undef SYMBOL
};

static struct curl_library library;
static bool loaded;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void load(void)
{
    void *handle = NULL;
    for (size_t i = 0; handle == NULL && i < sizeof(file_names) / sizeof(file_names[0]); i++)
        handle = dlopen(file_names[i], RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL)
        return;
    CURLcode (*global_init)(long flags);
    void *symbol = dlsym(handle, "curl_global_init");
    if (symbol == NULL)
        return;
    memcpy(&global_init, &symbol, sizeof(symbol));
    for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
        symbol = dlsym(handle, symbols[i].name);
        if (symbol == NULL)
            return;
        memcpy((char *)&library + symbols[i].offset, &symbol, sizeof(symbol));
    }
    loaded = global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

const struct curl_library *curl_library(void)
{
    pthread_once(&once, load);
    return loaded ? &library : NULL;
}

struct curl_slist *curl_headers(const struct curl_library *curl, const struct http_header *headers, size_t count)
{
    struct curl_slist *list = curl->slist_append(NULL, "Expect:");
    for (size_t i = 0; list != NULL && i < count; i++) {
        char line[HEADER_LINE_MAX];
        const char *colon = headers[i].value.len > 0 ? ": " : ";"; /* curl takes a header away that has nothing after its colon */
        int len = snprintf(line, sizeof(line), VIEW_FMT "%s" VIEW_FMT, VIEW_ARG(headers[i].name), colon, VIEW_ARG(headers[i].value));
        bool sendable = len > 0 && (size_t)len < sizeof(line) && strpbrk(line, "\r\n") == NULL;
        struct curl_slist *longer = sendable ? curl->slist_append(list, line) : NULL;
        if (longer == NULL) {
            curl->slist_free_all(list);
            return NULL;
        }
        list = longer;
    }
    return list;
}
