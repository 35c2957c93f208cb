/* cli/pipeline_status.h - `craton pipeline status`: rows by status, with progress, rate and expected end. */
#ifndef CRATON_CLI_PIPELINE_STATUS_H
#define CRATON_CLI_PIPELINE_STATUS_H

#include "base/json.h"
#include "cli/client.h"

/* "/_craton/pipelines/NAME" and what follows, in the arena. NULL after a message. */
const char *pipeline_path(struct cli *cli, const char *name, const char *rest);

/* The path of the page behind this one; first has a query. NULL when there is none. */
const char *pipeline_next_page(struct cli *cli, const char *first, const struct json *page);

/* name NULL: all pipelines. An exit status. */
int pipeline_show(struct cli *cli, struct local *local, const char *name, bool as_json);
int pipeline_watch(struct cli *cli, struct local *local, const char *name);     /* draws every second until it is interrupted */

#endif
