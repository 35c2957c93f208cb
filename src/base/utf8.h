/* base/utf8.h - UTF-8 checks and cuts. Pure functions. */
#ifndef CRATON_BASE_UTF8_H
#define CRATON_BASE_UTF8_H

#include "base/buf.h"

bool utf8_valid(struct view text);                          /* no surrogates, no overlong forms, at most U+10FFFF */
size_t utf8_whole(struct view text);                        /* bytes up to the last complete character: what may be sent now */
size_t utf8_count(struct view text);                        /* characters of valid text */
bool utf8_append(struct buf *out, uint32_t code_point);      /* what is no character becomes U+FFFD */
size_t utf8_decode(struct view text, uint32_t *code_point); /* bytes used; 0 when empty, malformed gives U+FFFD and 1 */

#endif
