/* server/settings.h - places and options that follow from the configuration, for the server and the command line alike.
 *
 * Strings live in the arena. Functions that look at the disk block: not on the loop.
 */
#ifndef CRATON_SERVER_SETTINGS_H
#define CRATON_SERVER_SETTINGS_H

#include "async/async.h"
#include "base/config.h"
#include "batch/batch.h"
#include "elastic/config.h"
#include "engine/engine.h"
#include "models/registry.h"
#include "net/http.h"
#include "s3/address.h"
#include "objects/objects.h"
#include "pipeline/pipeline.h"

struct places {                /* NULL only when the arena is exhausted */
    const char *data;          /* the data directory, absolute or as given */
    const char *store;         /* DATA/store/craton.db */
    const char *seal_key;      /* DATA/secret.key */
    const char *endpoint;      /* DATA/endpoint: the URL of the running server */
    const char *models;        /* DATA/models */
    const char *spool;         /* DATA/spool: large bodies on their way */
    const char *objects;       /* DATA/objects */
    const char *shared_models; /* read-only models that the set-up installed; may not exist */
    const char *worker;        /* the craton-worker program */
};

/* False when no data directory can be named or memory is out; the message says what to set. */
bool places_find(const struct config *config, struct arena *arena, struct places *out, struct config_error *error);

bool settings_models(const struct config *config, const struct places *places, struct arena *arena, struct models_options *out,
                     struct config_error *error);
void settings_engine(const struct config *config, const struct places *places, struct engine_options *out);
/* All but the store. */
bool settings_objects(const struct config *config, const struct places *places, struct arena *arena, struct objects_options *out,
                      struct config_error *error);
bool settings_http(const struct config *config, const struct places *places, struct arena *arena, struct http_server_options *out,
                   struct config_error *error);
/* All but the parts of the server. */
void settings_batch(const struct config *config, struct batch_options *out);
void settings_async(const struct config *config, struct async_options *out);
void settings_pipelines(const struct config *config, struct pipelines_options *out);
/* Changes the address to that of the second listener. */
bool settings_elastic_listen(const struct config *config, struct arena *arena, struct http_server_options *options,
                             struct config_error *error);

/* The servers that inference endpoints may name. */
bool settings_elastic_servers(const struct config *config, struct arena *arena, struct url_list *out, struct config_error *error);

/* The domains whose subdomains are buckets. */
bool settings_s3_domains(const struct config *config, struct arena *arena, struct s3_domains *out, struct config_error *error);

/* Serving without authentication is for loopback addresses alone. */
bool settings_auth_allowed(const struct config *config, const char *host);

#endif
