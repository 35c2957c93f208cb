/* base/config.h - the settings: one table, four sources.
 *
 * Every row of config_table.h can be set by a flag, an environment variable or a YAML file, in this order of precedence, and has a
 * default. Values are checked when they are set; errors name the file's line, the variable or the flag. Durations take ms, s, m
 * or h ("10m"), sizes B, KB, MB, GB, TB or KiB, MiB, GiB, TiB ("25MB", "256 MiB"; a bare number is bytes); 0 needs no unit.
 *
 *     struct config *config = config_create();
 *     struct config_error error;
 *     if (!config_load(config, &argc, argv, environ, &error))
 *         fprintf(stderr, "craton: %s\n", error.message);
 *     int64_t idle_ms = config_number(config, CONFIG_NET_IDLE_TIMEOUT);
 *
 * Not thread-safe while loading; afterwards read-only, for any thread. All views and nodes live as long as the config.
 */
#ifndef CRATON_BASE_CONFIG_H
#define CRATON_BASE_CONFIG_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/config_table.h"

#define CONFIG_KEY_OF_ROW(id, ...) CONFIG_##id,
enum config_key { CONFIG_TABLE(CONFIG_KEY_OF_ROW) CONFIG_KEY_COUNT };
#undef CONFIG_KEY_OF_ROW

struct config;

struct config_error {
    char message[512];                                      /* "craton.yaml:12: net.idle_timeout: …"; no line end */
};

struct config *config_create(void);                         /* all defaults; NULL when out of memory */
void config_destroy(struct config *config);                 /* NULL is fine */

/* Takes the settings out of the arguments (`--key value` and `--key=value`; the rest stays, in order), then those of env (may be
 * NULL), then those of the file that `config` names, if any. An argument `--` ends the flags. */
bool config_load(struct config *config, int *argc, char **argv, char *const *env, struct config_error *error);

/* The sources alone, in any order; precedence is kept. */
bool config_load_args(struct config *config, int *argc, char **argv, struct config_error *error);
bool config_load_env(struct config *config, char *const *env, struct config_error *error);
bool config_load_file(struct config *config, const char *path, struct config_error *error);
bool config_load_text(struct config *config, struct view yaml, const char *name, struct config_error *error);

const char *config_string(const struct config *config, enum config_key key);    /* STRING and CHOICE: never NULL */
int64_t config_number(const struct config *config, enum config_key key);        /* INT; SIZE in bytes; DURATION in milliseconds */
bool config_is_set(const struct config *config, enum config_key key);           /* by any source but the default */
const struct config_node *config_tree(const struct config *config, enum config_key key);    /* TREE: NULL when absent */

const char *config_key_name(enum config_key key);           /* "net.idle_timeout" */
bool config_write_markdown(struct buf *out);                /* the table, for docs/configuration.md */
bool config_write_help(struct buf *out);                    /* the flags, for a terminal */

/* ---- trees: maps, lists and scalars of the file, read-only. Every function accepts NULL and gives the absent result. ---- */

struct config_node;

enum config_node_type { CONFIG_NODE_ABSENT, CONFIG_NODE_SCALAR, CONFIG_NODE_LIST, CONFIG_NODE_MAP };

enum config_node_type config_node_type(const struct config_node *node);
size_t config_node_size(const struct config_node *node);                        /* elements or members */
const struct config_node *config_node_at(const struct config_node *node, size_t index);     /* element, or member's value */
const struct config_node *config_node_get(const struct config_node *map, const char *key);
struct view config_node_key(const struct config_node *node);                    /* its key, when its parent is a map */
struct view config_node_text(const struct config_node *node);                   /* of a scalar; NUL-terminated */
bool config_node_i64(const struct config_node *node, int64_t *out);
bool config_node_double(const struct config_node *node, double *out);
bool config_node_bool(const struct config_node *node, bool *out);               /* true, false, on, off, yes, no */
bool config_node_duration(const struct config_node *node, int64_t *out_ms);
unsigned config_node_line(const struct config_node *node);                      /* 1 is the first; 0 when absent */

/* Parses one YAML document into arena. NULL on error. Anchors, aliases, tags and duplicate keys are errors, depth is at most 32. */
const struct config_node *config_node_parse(struct arena *arena, struct view yaml, const char *name,
                                            struct config_error *error);

#endif
