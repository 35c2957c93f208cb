/* elastic/upstream.h - a model call that another AWS-compatible server carries out, for endpoints that name one.
 *
 * It answers through the same sink as the engine: deltas, vectors, one on_end, never from inside upstream_start() or
 * upstream_cancel(). Each message is signed with the endpoint's own key pair. Several texts to embed become several messages where
 * the provider takes few at once; some of them are under way together.
 */
#ifndef CRATON_ELASTIC_UPSTREAM_H
#define CRATON_ELASTIC_UPSTREAM_H

#include "elastic/config.h"
#include "engine/engine.h"
#include "net/http_client.h"

struct upstream;

struct upstream_options { /* all of it is borrowed until upstream_destroy() */
    struct loop *loop;
    struct http_client *client;
    const struct model_request *request;
    struct view url, region, model;
    struct key_pair keys;
    enum elastic_provider provider;
    bool streaming;
    const char *input_type; /* of texts for Cohere */
};

/* Makes the messages: takes as long as the request is large. Any thread. NULL when out of memory. */
struct upstream *upstream_create(const struct upstream_options *options, const struct engine_sink *sink);
void upstream_start(struct upstream *upstream); /* on the loop, as all that follows */
void upstream_cancel(struct upstream *upstream); /* on_end follows, unless the call has ended. NULL is fine */
void upstream_pause(struct upstream *upstream, bool paused);
void upstream_destroy(struct upstream *upstream); /* not started, or in or after on_end. NULL is fine */

#endif
