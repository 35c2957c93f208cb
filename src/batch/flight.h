/* batch/flight.h - the calls of one job that are under way at the model.
 *
 * One thread, the job's, launches, takes what has landed, and waits; landing happens on the loop. A body that was launched must
 * stay until its landing has been taken.
 */
#ifndef CRATON_BATCH_FLIGHT_H
#define CRATON_BATCH_FLIGHT_H

#include "batch/batch.h"

struct flight;

struct flight_options {
    const struct batch_caller *caller;
    struct view operation;                                  /* "InvokeModel", "Converse" */
    struct view model_id;
    const struct principal *principal;
    struct view region;
    void (*on_landing)(void *ctx);                          /* any thread, brief; NULL: none */
    void *ctx;
};

struct landing {
    size_t item;                                            /* as given to flight_launch() */
    enum aws_status status;
    int http_status;
    struct view message, body;                              /* live until landing_free() */
    uint64_t input_tokens, output_tokens;
    struct landing *next;                                   /* the flight's */
};

struct flight *flight_create(const struct flight_options *options);    /* views are borrowed; NULL when out of memory */
void flight_destroy(struct flight *flight);                 /* nothing is under way; NULL is fine */

bool flight_launch(struct flight *flight, size_t item, struct view body);      /* false: out of memory, or the server stops */
size_t flight_count(const struct flight *flight);           /* launched and not taken yet */
struct landing *flight_take(struct flight *flight);         /* NULL: nothing has landed since */
void landing_free(struct landing *landing);                 /* NULL is fine */

void flight_cancel(struct flight *flight);                  /* all that is under way ends as soon as may be … */
void flight_wait(struct flight *flight);                    /* … and has landed when this returns */

#endif
