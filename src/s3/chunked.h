/* s3/chunked.h - the framing that S3's clients call aws-chunked, taken apart as it comes.
 *
 *     HEX[;chunk-signature=64 hex digits]\r\n  DATA \r\n   …   0[;chunk-signature=…]\r\n   [name:value\r\n …]   \r\n
 *
 * Pure: no memory, no clock, no digests; the caller verifies what it is told. Lines, numbers and the count of fields are bounded.
 */
#ifndef CRATON_S3_CHUNKED_H
#define CRATON_S3_CHUNKED_H

#include "base/view.h"

#define CHUNKED_LINE_MAX   1024
#define CHUNKED_FIELDS_MAX 16

enum chunked_event {
    CHUNKED_MORE,                                           /* the input is used up */
    CHUNKED_BEGIN,                                          /* a chunk: size and signature are set */
    CHUNKED_DATA,                                           /* data is a piece of it */
    CHUNKED_END,                                            /* all of it has come; also of the last, which is empty */
    CHUNKED_FIELD,                                          /* a trailing field: name and value are set */
    CHUNKED_DONE,                                           /* the end; nothing may follow */
    CHUNKED_BAD,                                            /* and stays so */
};

struct chunked {
    uint64_t size;                                          /* of the chunk */
    struct view signature;                                  /* its hex digits; empty: none. Views are valid until the next call */
    struct view data;
    struct view name, value;

    int state;
    uint64_t left;
    unsigned fields;
    size_t line_len;
    char line[CHUNKED_LINE_MAX];
};

void chunked_init(struct chunked *c);
/* Takes what it uses off *input and says what came of it. Call it until it wants more. */
enum chunked_event chunked_next(struct chunked *c, struct view *input);
bool chunked_done(const struct chunked *c);                 /* the body was whole */

#endif
