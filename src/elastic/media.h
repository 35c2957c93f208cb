/* elastic/media.h - the media types that Elasticsearch's clients send and expect. Pure functions. */
#ifndef CRATON_ELASTIC_MEDIA_H
#define CRATON_ELASTIC_MEDIA_H

#include "elastic/error.h"
#include "net/http.h"

/* The Content-Type that answers this request: JSON, or the vendor's form of it when Accept asks for that. False: 406 or 400. */
bool media_accept(const struct http_request *request, struct elastic_error *error, struct view *content_type);
/* Whether the body is said to be JSON. False: 406. */
bool media_body(const struct http_request *request, struct elastic_error *error);

#endif
