/* base/clock.c - see clock.h. */
#include "base/clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define DAY_MS       86400000
#define EARLIEST_MS  INT64_C(-30610224000000) /* 1000-01-01 */
#define LATEST_MS    INT64_C(253402300799999) /* the end of 9999 */

struct clock {
    bool manual;
    int64_t start_ms;                                       /* manual: the wall at the beginning */
    _Atomic int64_t passed_ms;                              /* manual: how far it has been advanced */
};

const struct clock *clock_system(void)
{
    static const struct clock system = { .manual = false };
    return &system;
}

struct clock *clock_manual_create(int64_t wall_ms)
{
    struct clock *clock = calloc(1, sizeof *clock);
    if (clock != NULL)
        *clock = (struct clock){ .manual = true, .start_ms = wall_ms };
    return clock;
}

void clock_manual_destroy(struct clock *clock)
{
    free(clock);
}

void clock_manual_advance(struct clock *clock, int64_t ms)
{
    atomic_fetch_add(&clock->passed_ms, ms);
}

static int64_t read_us(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_wall_ms(const struct clock *clock)
{
    return clock->manual ? clock->start_ms + atomic_load(&clock->passed_ms) : read_us(CLOCK_REALTIME) / 1000;
}

int64_t clock_mono_us(const struct clock *clock)
{
    return clock->manual ? atomic_load(&clock->passed_ms) * 1000 : read_us(CLOCK_MONOTONIC);
}

/* ---- formatting ---- */

static const char *const month_names[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                           "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
static const char *const day_names[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };

/* Moments whose year has not four digits are moved to the nearest that has. */
static struct tm split_time(int64_t wall_ms, int *millis)
{
    struct tm tm = { 0 };
    wall_ms = wall_ms < EARLIEST_MS ? EARLIEST_MS : wall_ms > LATEST_MS ? LATEST_MS : wall_ms;
    *millis = (int)(((wall_ms % 1000) + 1000) % 1000);
    time_t seconds = (time_t)((wall_ms - *millis) / 1000);
    gmtime_r(&seconds, &tm);
    return tm;
}

void clock_format_iso(int64_t wall_ms, bool millis, char *out)
{
    int ms;
    struct tm tm = split_time(wall_ms, &ms);
    size_t len = strftime(out, CLOCK_ISO_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
    if (millis)
        snprintf(out + len, CLOCK_ISO_SIZE - len, ".%03dZ", ms);
    else
        snprintf(out + len, CLOCK_ISO_SIZE - len, "Z");
}

void clock_format_http(int64_t wall_ms, char *out)
{
    int ms;
    struct tm tm = split_time(wall_ms, &ms);
    snprintf(out, CLOCK_ISO_SIZE, "%s, ", day_names[tm.tm_wday]);
    snprintf(out + 5, CLOCK_ISO_SIZE - 5, "%02d %s ", tm.tm_mday, month_names[tm.tm_mon]);
    strftime(out + 12, CLOCK_ISO_SIZE - 12, "%Y %H:%M:%S GMT", &tm);
}

void clock_format_amz(int64_t wall_ms, char *out)
{
    int ms;
    struct tm tm = split_time(wall_ms, &ms);
    strftime(out, CLOCK_ISO_SIZE, "%Y%m%dT%H%M%SZ", &tm);
}

/* ---- parsing: a cursor that fails for good at the first thing that does not fit ---- */

struct cursor {
    struct view rest;
    bool failed;
};

static int take_digits(struct cursor *c, size_t count)
{
    int value = 0;
    if (c->rest.len < count)
        c->failed = true;
    for (size_t i = 0; i < count && !c->failed; i++) {
        char digit = c->rest.ptr[i];
        if (digit < '0' || digit > '9')
            c->failed = true;
        value = value * 10 + (digit - '0');
    }
    c->rest = view_from(c->rest, count);
    return c->failed ? 0 : value;
}

/* Takes one of the characters given. */
static char take_char(struct cursor *c, const char *allowed)
{
    char found = c->rest.len > 0 ? c->rest.ptr[0] : '\0';
    if (found == '\0' || strchr(allowed, found) == NULL)
        c->failed = true;
    c->rest = view_from(c->rest, 1);
    return found;
}

/* Takes one of the names, each three letters long, and gives its place. */
static int take_name(struct cursor *c, const char *const *names, int count)
{
    struct view name = view_first(c->rest, 3);
    c->rest = view_from(c->rest, 3);
    for (int i = 0; i < count; i++) {
        if (view_is(name, names[i]))
            return i;
    }
    c->failed = true;
    return 0;
}

/* Days from 1970-01-01, in the calendar of today carried back. Years begin in March here, so the leap day is a year's last. */
static int64_t days_of(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static int month_length(int year, int month)
{
    static const int lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return lengths[month - 1] + (month == 2 && leap);
}

struct moment {
    int year, month, day, hour, minute, second;
};

/* A leap second counts as the second after it. */
static bool moment_to_ms(const struct moment *m, int64_t *wall_ms)
{
    if (m->month < 1 || m->month > 12 || m->day < 1 || m->day > month_length(m->year, m->month))
        return false;
    if (m->hour > 23 || m->minute > 59 || m->second > 60)
        return false;
    int64_t seconds = (int64_t)m->hour * 3600 + m->minute * 60 + m->second;
    *wall_ms = days_of(m->year, m->month, m->day) * DAY_MS + seconds * 1000;
    return true;
}

bool clock_parse_amz(struct view text, int64_t *wall_ms)
{
    struct cursor c = { .rest = text };
    struct moment m = { 0 };
    m.year = take_digits(&c, 4);
    m.month = take_digits(&c, 2);
    m.day = take_digits(&c, 2);
    take_char(&c, "T");
    m.hour = take_digits(&c, 2);
    m.minute = take_digits(&c, 2);
    m.second = take_digits(&c, 2);
    take_char(&c, "Z");
    return !c.failed && c.rest.len == 0 && moment_to_ms(&m, wall_ms);
}

static void take_time(struct cursor *c, struct moment *m)
{
    m->hour = take_digits(c, 2);
    take_char(c, ":");
    m->minute = take_digits(c, 2);
    take_char(c, ":");
    m->second = take_digits(c, 2);
}

bool clock_parse_http(struct view text, int64_t *wall_ms)
{
    struct cursor c = { .rest = text };
    struct moment m = { 0 };
    take_name(&c, day_names, 7);
    take_char(&c, ",");
    take_char(&c, " ");
    m.day = take_digits(&c, 2);
    take_char(&c, " ");
    m.month = take_name(&c, month_names, 12) + 1;
    take_char(&c, " ");
    m.year = take_digits(&c, 4);
    take_char(&c, " ");
    take_time(&c, &m);
    return !c.failed && view_is(c.rest, " GMT") && moment_to_ms(&m, wall_ms);
}

/* ".678901" gives 678; digits beyond the third are dropped. */
static int64_t take_fraction(struct cursor *c)
{
    if (c->rest.len == 0 || c->rest.ptr[0] != '.')
        return 0;
    take_char(c, ".");
    int64_t ms = 100 * take_digits(c, 1);
    for (int64_t weight = 10; c->rest.len > 0 && c->rest.ptr[0] >= '0' && c->rest.ptr[0] <= '9'; weight /= 10)
        ms += weight * take_digits(c, 1);
    return ms;
}

/* "Z", "+02:00" or "-0730", in milliseconds to take away. */
static int64_t take_zone(struct cursor *c)
{
    char sign = take_char(c, "Zz+-");
    if (sign != '+' && sign != '-')
        return 0;
    int hours = take_digits(c, 2);
    if (c->rest.len > 0 && c->rest.ptr[0] == ':')
        take_char(c, ":");
    int minutes = take_digits(c, 2);
    if (hours > 23 || minutes > 59)
        c->failed = true;
    int64_t offset = ((int64_t)hours * 60 + minutes) * 60000;
    return sign == '+' ? offset : -offset;
}

bool clock_parse_iso(struct view text, int64_t *wall_ms)
{
    struct cursor c = { .rest = text };
    struct moment m = { 0 };
    int64_t ms = 0;
    m.year = take_digits(&c, 4);
    take_char(&c, "-");
    m.month = take_digits(&c, 2);
    take_char(&c, "-");
    m.day = take_digits(&c, 2);
    take_char(&c, "Tt");
    take_time(&c, &m);
    int64_t fraction = take_fraction(&c);
    int64_t zone = take_zone(&c);
    if (c.failed || c.rest.len > 0 || !moment_to_ms(&m, &ms))
        return false;
    *wall_ms = ms + fraction - zone;
    return true;
}
