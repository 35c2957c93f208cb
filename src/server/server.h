/* server/server.h - the whole server: wires store, keys, models, engine, doors and sockets together, and runs until it is told to stop.
 *
 * The only place that knows all the others. server_run() is called once, from the main thread, which becomes the event loop.
 */
#ifndef CRATON_SERVER_SERVER_H
#define CRATON_SERVER_SERVER_H

#include "server/settings.h"

/* Serves until SIGTERM or SIGINT, then lets running calls end within the grace time; a second signal ends at once. Returns the exit
 * status of the process; what went wrong at the start has been printed to standard error. */
int server_run(const struct config *config, const struct places *places);

#endif
