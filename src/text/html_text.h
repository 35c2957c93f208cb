/* text/html_text.h - the readable text of an HTML document.
 *
 * One pass over the bytes, no tree: tags fall away, block elements and <br> end lines, runs of blanks become one (kept inside
 * <pre>), character references are decoded, and what is not for readers (script, style, comments, …) is left out. Any bytes are
 * accepted; the output is never larger than the input plus a few bytes a tag. Pure.
 */
#ifndef CRATON_TEXT_HTML_TEXT_H
#define CRATON_TEXT_HTML_TEXT_H

#include "base/buf.h"

/* Appends to out; check buf_failed(). html should be valid UTF-8, and the text is then too. */
void html_text(struct view html, struct buf *out);

#endif
