/* base/clock.h - time, injected so that tests can move it.
 *
 * Everything that asks for the time takes a `struct clock *`. clock_system() is the real one; a test makes its own with
 * clock_manual_create() and advances it. Reading is thread-safe.
 */
#ifndef CRATON_BASE_CLOCK_H
#define CRATON_BASE_CLOCK_H

#include "base/view.h"

struct clock;

const struct clock *clock_system(void);
struct clock *clock_manual_create(int64_t wall_ms);                 /* NULL when out of memory */
void clock_manual_destroy(struct clock *clock);
void clock_manual_advance(struct clock *clock, int64_t ms);

int64_t clock_wall_ms(const struct clock *clock);                   /* Unix time in milliseconds */
int64_t clock_mono_us(const struct clock *clock);                   /* never goes back; microseconds */

#define CLOCK_ISO_SIZE 32
/* "2025-01-02T03:04:05Z", or with ".678" when millis is set. out has CLOCK_ISO_SIZE bytes. */
void clock_format_iso(int64_t wall_ms, bool millis, char *out);
void clock_format_http(int64_t wall_ms, char *out);                 /* "Sun, 06 Nov 1994 08:49:37 GMT", CLOCK_ISO_SIZE bytes */
void clock_format_amz(int64_t wall_ms, char *out);                  /* "20250102T030405Z", CLOCK_ISO_SIZE bytes */
bool clock_parse_amz(struct view text, int64_t *wall_ms);
bool clock_parse_http(struct view text, int64_t *wall_ms);
bool clock_parse_iso(struct view text, int64_t *wall_ms);           /* with or without fraction; Z or an offset */

#endif
