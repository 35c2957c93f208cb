/* base/xml.h - reading and writing the plain XML that S3 speaks.
 *
 * Reading: xml_parse() builds an immutable tree in an arena; the input may go away. Elements are known by their local name, prefixes
 * and attributes are dropped. Text is decoded, with entities, CDATA and line ends as the standard says; an element that has children
 * has no text. Document types are refused, so there is nothing to expand. Depth, and with the arena's cap size, are bounded. All
 * functions accept NULL for an element that is not there, so that lookups can be chained.
 *
 * Writing: a writer streams into a capped buffer and is sticky: check xml_writer_failed() once at the end.
 *
 * Neither is thread-safe; a finished tree may be read by several threads.
 */
#ifndef CRATON_BASE_XML_H
#define CRATON_BASE_XML_H

#include "base/arena.h"
#include "base/buf.h"

#define XML_DEPTH_MAX 32

struct xml {
    struct view name;
    struct view text;
    const struct xml *child;                                /* the first; NULL: none */
    const struct xml *next;                                 /* sibling; NULL: it is the last */
};

const struct xml *xml_parse(struct arena *arena, struct view text);             /* the root; NULL: malformed, or no memory */
const struct xml *xml_get(const struct xml *parent, const char *name);          /* the first child of that name; NULL: none */
const struct xml *xml_again(const struct xml *element);                         /* the next sibling of the same name; NULL: none */
struct view xml_text(const struct xml *parent, const char *name);               /* of that child; NULL ptr when there is none */

struct xml_writer {
    struct buf *out;                                        /* borrowed */
    const char *open[XML_DEPTH_MAX];
    unsigned depth;
    bool failed;
};

/* Begins with the declaration and opens the root, in a namespace unless that is NULL. Names are constant. */
void xml_writer_init(struct xml_writer *w, struct buf *out, const char *root, const char *namespace);
void xml_open(struct xml_writer *w, const char *name);
void xml_close(struct xml_writer *w);                       /* the innermost */
void xml_put(struct xml_writer *w, const char *name, struct view text);        /* an element with text; what XML cannot hold becomes &#N; */
void xml_put_cstr(struct xml_writer *w, const char *name, const char *text);
void xml_put_u64(struct xml_writer *w, const char *name, uint64_t number);
void xml_put_bool(struct xml_writer *w, const char *name, bool value);
bool xml_writer_failed(const struct xml_writer *w);         /* also while something is still open */

#endif
