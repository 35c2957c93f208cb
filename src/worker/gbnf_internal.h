/* worker/gbnf_internal.h - what the files of the grammar builder share. */
#ifndef CRATON_WORKER_GBNF_INTERNAL_H
#define CRATON_WORKER_GBNF_INTERNAL_H

#include "worker/gbnf.h"

#define CONJ_MAX       24 /* schemas that may have to hold at once */
#define PROPERTIES_MAX 512
#define LISTED_MAX     1000 /* values of one enum */
#define NUMBER_DIGITS  15   /* a double keeps these exactly */

/* What became of a schema. */
enum yield {
    YIELD_VALUES,  /* a rule that matches some value */
    YIELD_NOTHING, /* no value can validate */
    YIELD_ERROR,   /* refused, or out of memory: g->error is set */
};

/* Schemas that must all hold at once: $ref and allOf are laid out flat into this, which also ends their loops. */
struct conj {
    const struct json *schema[CONJ_MAX];
    uint8_t done[CONJ_MAX]; /* CONJ_ANY_OF, CONJ_ONE_OF: that keyword has been chosen from */
    size_t count;
};
#define CONJ_ANY_OF 1u
#define CONJ_ONE_OF 2u

struct memo {
    struct conj conj;
    unsigned rule;
    enum yield yield; /* YIELD_VALUES while the rule is being made */
};

struct gbnf {
    struct gbnf_limits limits;
    struct buf text;
    struct memo *memos;
    size_t memo_count, memo_capacity;
    unsigned rules;
    unsigned depth;
    unsigned primitives;     /* bits: which shared rules are there */
    const struct json *root; /* where "#" points */
    bool too_large;          /* why there is an error */
    char error[320];
};

/* Shared rules; the call puts the rule's name into out and defines it at its first use. */
enum primitive { PRIM_SPACE,
                 PRIM_CHAR,
                 PRIM_STRING,
                 PRIM_INTEGER,
                 PRIM_NUMBER,
                 PRIM_LEAF,
                 PRIM_SMALL,
                 PRIM_MEDIUM,
                 PRIM_ANY,
                 PRIM_COUNT };
void gbnf_primitive(struct gbnf *g, enum primitive which, struct buf *out);

enum yield gbnf_refuse(struct gbnf *g, const char *format, ...) __attribute__((format(printf, 2, 3)));

enum yield gbnf_refuse_size(struct gbnf *g, const char *format, ...) __attribute__((format(printf, 2, 3)));

bool conj_add(struct gbnf *g, struct conj *conj, const struct json *schema); /* false: refused */
const struct json *conj_keyword(const struct conj *conj, size_t index, const char *keyword);
bool conj_has(const struct conj *conj, const char *keyword);
enum yield gbnf_convert(struct gbnf *g, const struct conj *conj, unsigned *rule);

/* The smallest maximum and the largest minimum among the schemas; false when the keyword's value is not a whole number >= 0. */
bool conj_limits(struct gbnf *g, const struct conj *conj, const char *min_keyword, const char *max_keyword, int64_t *min,
                 int64_t *max); /* untouched where no schema says anything */

/* One part of a list, in order; optional parts may be left out. */
struct chain_part {
    struct view text; /* GBNF */
    bool required;
};
/* The parts between open and close (GBNF terminals), separated by commas. Defines rules for a run of optional parts at the start. */
void gbnf_chain(struct gbnf *g, struct buf *out, const char *open, const char *close, const struct chain_part *parts,
                size_t count);
unsigned gbnf_new_rule(struct gbnf *g);
void gbnf_define(struct gbnf *g, unsigned rule, const struct buf *body);

/* Right-hand sides by type, into out. */
enum yield gbnf_object(struct gbnf *g, const struct conj *conj, struct buf *out);
enum yield gbnf_array(struct gbnf *g, const struct conj *conj, struct buf *out);
enum yield gbnf_string(struct gbnf *g, const struct conj *conj, struct buf *out);
enum yield gbnf_number(struct gbnf *g, const struct conj *conj, bool integer, struct buf *out);

/* The inside of a string that matches a pattern (ECMA-262, the part without look-around and references), JSON-escaped; bounds are
 * lengths in characters, *max at most limit where the pattern has none. */
enum yield gbnf_pattern(struct gbnf *g, struct view pattern, int64_t min, int64_t max, struct buf *out);

#endif
