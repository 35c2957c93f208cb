/* elastic/chunking.h - the chunking_settings of an endpoint: read, filled with defaults, checked and written. Pure functions.
 *
 * They say how long text is to be cut before it is embedded. Where Elasticsearch's documentation of this service is narrower or
 * kinder than its present code, the documentation is followed: every strategy ends at 300 words, max_chunk_size defaults to 250,
 * overlap to 100 (or half of a smaller chunk), and `max_chunking_size` is another spelling of max_chunk_size.
 */
#ifndef CRATON_ELASTIC_CHUNKING_H
#define CRATON_ELASTIC_CHUNKING_H

#include "elastic/error.h"
#include "text/chunk.h"

void chunking_defaults(struct chunking *out); /* sentence, 250, 1 */

/* settings NULL or empty: the defaults. Strings are borrowed from settings or constant. False: it is in the error. */
bool chunking_read(const struct json *settings, struct elastic_error *error, struct chunking *out);

void chunking_write(const struct chunking *chunking, struct json_writer *out);

#endif
