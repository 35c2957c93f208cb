/* base/config.c - the table, its values and their sources: see config.h. */
#include "base/config_tree.h"

#include "base/fs.h"

#include <stdio.h>
#include <stdlib.h>

#define MEMORY_MAX (64u << 20)
#define FILE_MAX   (16u << 20)
#define PREFIX     "CRATON_"

enum type { STRING, CHOICE, INT, DURATION, SIZE, TREE };

enum origin { FROM_DEFAULT, FROM_FILE, FROM_ENV, FROM_FLAG };

struct row {
    const char *key;
    enum type type;
    const char *fallback, *range, *help;
};

#define ROW(id, key, type, fallback, range, help) { key, type, fallback, range, help },
static const struct row rows[CONFIG_KEY_COUNT] = { CONFIG_TABLE(ROW) };
#undef ROW

struct value {
    enum origin origin;
    struct view text;                                       /* NUL-terminated */
    int64_t number;
    const struct config_node *tree;
};

struct config {
    struct arena *arena;
    struct value values[CONFIG_KEY_COUNT];
};

/* ---- notations ---- */

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit durations[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { NULL, 0 } };
static const struct unit sizes[] = {
    { "", 1 },
    { "B", 1 },
    { "KB", 1000 },
    { "MB", 1000000 },
    { "GB", 1000000000 },
    { "TB", INT64_C(1000000000000) },
    { "KiB", 1 << 10 },
    { "MiB", 1 << 20 },
    { "GiB", 1 << 30 },
    { "TiB", INT64_C(1) << 40 },
    { NULL, 0 },
};

static bool parse_with_unit(struct view text, const struct unit *units, int64_t *out)
{
    size_t digits = 0;
    int64_t number;
    while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9')
        digits++;
    struct view name = view_trim(view_from(text, digits));
    if (!view_to_i64(view_first(text, digits), &number))
        return false;
    if (number == 0 && name.len == 0) {
        *out = 0;
        return true;
    }
    for (; units->name != NULL; units++) {
        if (view_is(name, units->name))
            return !__builtin_mul_overflow(number, units->factor, out);
    }
    return false;
}

bool config_parse_duration(struct view text, int64_t *out_ms)
{
    return parse_with_unit(text, durations, out_ms);
}

static bool parse_number(enum type type, struct view text, int64_t *out)
{
    if (type == INT)
        return view_to_i64(text, out);
    return parse_with_unit(text, type == DURATION ? durations : sizes, out);
}

/* ---- checking a value against its row ---- */

static const char *type_hint(enum type type)
{
    switch (type) {
    case INT:
        return "a whole number";
    case DURATION:
        return "a duration such as 500ms, 30s, 10m or 1h";
    case SIZE:
        return "a size such as 25MB or 64MiB";
    default:
        return "text";
    }
}

static bool is_choice(const char *range, struct view text)
{
    struct view rest = view_from_cstr(range);
    while (rest.ptr != NULL) {
        if (view_eq(view_split(&rest, '|'), text))
            return true;
    }
    return false;
}

static bool in_range(const struct row *row, int64_t number)
{
    struct view range = view_from_cstr(row->range);
    size_t dots = view_find(range, VIEW(".."));
    int64_t low, high;
    if (dots == VIEW_NPOS)
        return true;
    return parse_number(row->type, view_first(range, dots), &low) &&
           parse_number(row->type, view_from(range, dots + 2), &high) && number >= low && number <= high;
}

/* Where a value comes from, for precedence and for messages. */
struct source {
    enum origin origin;
    const char *name;                                       /* the file, or "--listen", or "CRATON_LISTEN" */
    unsigned line;
};

static bool check(const struct row *row, struct view text, int64_t *number, const struct source *from,
                  struct config_error *error)
{
    const char *label = from->origin == FROM_FILE ? row->key : "value";
    *number = 0;
    if (row->type == STRING)
        return true;
    if (row->type == CHOICE) {
        if (is_choice(row->range, text))
            return true;
        config_fail(error, from->name, from->line, "%s '" VIEW_FMT "' is not one of %s", label, VIEW_ARG(text), row->range);
        return false;
    }
    if (!parse_number(row->type, text, number)) {
        config_fail(error, from->name, from->line, "%s '" VIEW_FMT "' is not %s", label, VIEW_ARG(text),
                    type_hint(row->type));
        return false;
    }
    if (!in_range(row, *number)) {
        config_fail(error, from->name, from->line, "%s '" VIEW_FMT "' is outside %s", label, VIEW_ARG(text), row->range);
        return false;
    }
    return true;
}

static bool set_text(struct config *config, enum config_key key, struct view text, const struct source *from,
                     struct config_error *error)
{
    struct value *value = &config->values[key];
    int64_t number;
    if (rows[key].type == TREE) {
        config_fail(error, from->name, from->line, "%s is a list or map and can be set in the file only", rows[key].key);
        return false;
    }
    if (!check(&rows[key], text, &number, from, error))
        return false;
    if (from->origin < value->origin)
        return true;
    text = arena_copy(config->arena, text);
    if (text.ptr == NULL) {
        config_fail(error, from->name, from->line, "out of memory");
        return false;
    }
    *value = (struct value){ .origin = from->origin, .text = text, .number = number };
    return true;
}

struct config *config_create(void)
{
    struct config *config = calloc(1, sizeof *config);
    if (config == NULL)
        return NULL;
    config->arena = arena_create(MEMORY_MAX);
    bool ok = config->arena != NULL;
    for (enum config_key key = 0; ok && key < CONFIG_KEY_COUNT; key++) {
        struct source from = { FROM_DEFAULT, rows[key].key, 0 };
        struct config_error error;
        ok = rows[key].type == TREE || set_text(config, key, view_from_cstr(rows[key].fallback), &from, &error);
    }
    if (!ok) {
        config_destroy(config);
        return NULL;
    }
    return config;
}

void config_destroy(struct config *config)
{
    if (config == NULL)
        return;
    arena_destroy(config->arena);
    free(config);
}

/* ---- flags and environment ---- */

#define NAME_MAX_LEN 80

/* "net.idle_timeout" to "net-idle-timeout", or to "NET_IDLE_TIMEOUT". */
static void derive_name(const char *key, char separator, char *out)
{
    size_t i = 0;
    for (; key[i] != '\0' && i < NAME_MAX_LEN - 1; i++) {
        char c = key[i];
        if (c == '.' || c == '_')
            c = separator;
        else if (separator == '_' && c >= 'a' && c <= 'z')
            c = (char)(c - 'a' + 'A');
        out[i] = c;
    }
    out[i] = '\0';
}

static bool find_named(struct view name, char separator, enum config_key *key)
{
    for (*key = 0; *key < CONFIG_KEY_COUNT; ++*key) {
        char derived[NAME_MAX_LEN];
        derive_name(rows[*key].key, separator, derived);
        if (view_is(name, derived))
            return true;
    }
    return false;
}

static bool set_flag(struct config *config, enum config_key key, struct view text, struct config_error *error)
{
    char name[NAME_MAX_LEN + 2] = "--";
    derive_name(rows[key].key, '-', name + 2);
    struct source from = { FROM_FLAG, name, 0 };
    if (text.ptr == NULL) {
        config_fail(error, name, 0, "a value must follow");
        return false;
    }
    return set_text(config, key, text, &from, error);
}

bool config_load_args(struct config *config, int *argc, char **argv, struct config_error *error)
{
    int kept = 0;
    bool flags = true;
    for (int i = 0; i < *argc; i++) {
        struct view value = view_from_cstr(argv[i]);
        struct view name = view_split(&value, '=');
        enum config_key key;
        flags = flags && !view_is(view_from_cstr(argv[i]), "--");
        if (!flags || !view_starts_with(name, VIEW("--")) || !find_named(view_from(name, 2), '-', &key)) {
            argv[kept++] = argv[i];
            continue;
        }
        if (value.ptr == NULL && i + 1 < *argc)
            value = view_from_cstr(argv[++i]);
        if (!set_flag(config, key, value, error))
            return false;
    }
    *argc = kept;
    argv[kept] = NULL;
    return true;
}

bool config_load_env(struct config *config, char *const *env, struct config_error *error)
{
    for (; env != NULL && *env != NULL; env++) {
        struct view value = view_from_cstr(*env);
        struct view name = view_split(&value, '=');
        enum config_key key;
        if (value.ptr == NULL || !view_starts_with(name, VIEW(PREFIX)) ||
            !find_named(view_from(name, sizeof PREFIX - 1), '_', &key))
            continue;
        char label[NAME_MAX_LEN + sizeof PREFIX];
        snprintf(label, sizeof label, VIEW_FMT, VIEW_ARG(name));
        struct source from = { FROM_ENV, label, 0 };
        if (!set_text(config, key, value, &from, error))
            return false;
    }
    return true;
}

/* ---- the file ---- */

/* Edit distance of two short words: how many letters must be changed, added or dropped. */
static size_t distance(struct view a, struct view b)
{
    size_t row[NAME_MAX_LEN + 1];
    if (a.len > NAME_MAX_LEN || b.len > NAME_MAX_LEN)
        return SIZE_MAX;
    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t change = diagonal + (a.ptr[i - 1] != b.ptr[j - 1]);
            size_t insert_or_drop = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = change < insert_or_drop ? change : insert_or_drop;
        }
    }
    return row[b.len];
}

static bool fail_unknown(struct view path, const struct source *from, struct config_error *error)
{
    const char *near = NULL;
    size_t best = 4; /* what differs in more letters is no misspelling */
    for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
        size_t d = distance(path, view_from_cstr(rows[i].key));
        if (d < best) {
            best = d;
            near = rows[i].key;
        }
    }
    config_fail(error, from->name, from->line, "unknown key '" VIEW_FMT "'%s%s%s", VIEW_ARG(path),
                near != NULL ? ", did you mean '" : "", near != NULL ? near : "", near != NULL ? "'?" : "");
    return false;
}

static bool find_key(struct view path, enum config_key *key)
{
    for (*key = 0; *key < CONFIG_KEY_COUNT; ++*key) {
        if (view_is(path, rows[*key].key) && *key != CONFIG_CONFIG)
            return true;
    }
    return false;
}

static bool is_prefix_of_keys(struct view path)
{
    for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
        struct view key = view_from_cstr(rows[i].key);
        if (view_starts_with(key, path) && key.len > path.len && key.ptr[path.len] == '.')
            return true;
    }
    return false;
}

static bool set_node(struct config *config, enum config_key key, const struct config_node *node,
                     const struct source *from, struct config_error *error)
{
    bool scalar = config_node_type(node) == CONFIG_NODE_SCALAR;
    if (scalar != (rows[key].type != TREE)) {
        config_fail(error, from->name, from->line, "%s must be %s", rows[key].key, scalar ? "a list or map" : "one value");
        return false;
    }
    if (scalar)
        return set_text(config, key, config_node_text(node), from, error);
    config->values[key] = (struct value){ .origin = FROM_FILE, .tree = node };
    return true;
}

/* Keys have few levels, and so has this recursion: it goes down only where the table does. */
static bool load_map(struct config *config, const struct config_node *map, struct view above, const char *name,
                     struct config_error *error)
{
    for (size_t i = 0; i < config_node_size(map); i++) {
        const struct config_node *node = config_node_at(map, i);
        struct view own = config_node_key(node);
        struct view path = own;
        struct source from = { FROM_FILE, name, config_node_line(node) };
        if (above.len > 0)
            path = view_from_cstr(
                arena_printf(config->arena, VIEW_FMT "." VIEW_FMT, VIEW_ARG(above), VIEW_ARG(own)));
        enum config_node_type type = config_node_type(node);
        enum config_key key;
        bool inner = is_prefix_of_keys(path);
        bool ok;
        if (type == CONFIG_NODE_MAP && inner)
            ok = load_map(config, node, path, name, error);
        else if (find_key(path, &key))
            ok = set_node(config, key, node, &from, error);
        else if (type == CONFIG_NODE_SCALAR && config_node_text(node).len == 0 && inner)
            ok = true; /* "net:" with nothing below it */
        else
            ok = fail_unknown(path, &from, error);
        if (!ok)
            return false;
    }
    return true;
}

bool config_load_text(struct config *config, struct view yaml, const char *name, struct config_error *error)
{
    const struct config_node *root = config_node_parse(config->arena, yaml, name, error);
    if (root == NULL)
        return false;
    if (config_node_type(root) != CONFIG_NODE_MAP) {
        config_fail(error, name, config_node_line(root), "the file must be a map of keys");
        return false;
    }
    return load_map(config, root, (struct view){ NULL, 0 }, name, error);
}

bool config_load_file(struct config *config, const char *path, struct config_error *error)
{
    struct buf text = BUF_INIT(FILE_MAX);
    char reason[128];
    int result = fs_read_file(path, &text);
    if (result != 0)
        config_fail(error, path, 0, "%s", fs_error(result, reason, sizeof reason));
    bool ok = result == 0 && config_load_text(config, buf_view(&text), path, error);
    buf_free(&text);
    return ok;
}

bool config_load(struct config *config, int *argc, char **argv, char *const *env, struct config_error *error)
{
    if (!config_load_args(config, argc, argv, error) || !config_load_env(config, env, error))
        return false;
    const char *file = config_string(config, CONFIG_CONFIG);
    return file[0] == '\0' || config_load_file(config, file, error);
}

/* ---- reading ---- */

const char *config_string(const struct config *config, enum config_key key)
{
    return config->values[key].text.ptr != NULL ? config->values[key].text.ptr : "";
}

int64_t config_number(const struct config *config, enum config_key key)
{
    return config->values[key].number;
}

bool config_is_set(const struct config *config, enum config_key key)
{
    return config->values[key].origin != FROM_DEFAULT;
}

const struct config_node *config_tree(const struct config *config, enum config_key key)
{
    return config->values[key].tree;
}

const char *config_key_name(enum config_key key)
{
    return rows[key].key;
}

/* ---- the table as text ---- */

/* A bar would end the cell. */
static void append_cell(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '|')
            buf_append_byte(out, '\\');
        buf_append_byte(out, *text);
    }
}

static void append_code(struct buf *out, const char *text)
{
    if (text[0] == '\0')
        return;
    buf_append_byte(out, '`');
    append_cell(out, text);
    buf_append_byte(out, '`');
}

bool config_write_markdown(struct buf *out)
{
    static const char *const types[] = { "text", "choice", "whole number", "duration", "size", "map or list" };
    buf_append_cstr(out, "| key | flag | environment | type | default | range | meaning |\n"
                         "|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
        char flag[NAME_MAX_LEN], env[NAME_MAX_LEN];
        derive_name(rows[i].key, '-', flag);
        derive_name(rows[i].key, '_', env);
        if (rows[i].type == TREE)
            buf_printf(out, "| `%s` | | | ", rows[i].key);
        else
            buf_printf(out, "| `%s` | `--%s` | `" PREFIX "%s` | ", rows[i].key, flag, env);
        buf_append_cstr(out, types[rows[i].type]);
        buf_append_cstr(out, " | ");
        append_code(out, rows[i].fallback);
        buf_append_cstr(out, " | ");
        append_code(out, rows[i].range);
        buf_append_cstr(out, " | ");
        append_cell(out, rows[i].help);
        buf_append_cstr(out, " |\n");
    }
    return !buf_failed(out);
}

bool config_write_help(struct buf *out)
{
    static const char *const types[] = { "TEXT", "", "NUMBER", "DURATION", "SIZE", "" };
    for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
        char flag[NAME_MAX_LEN];
        if (rows[i].type == TREE)
            continue;
        derive_name(rows[i].key, '-', flag);
        buf_printf(out, "  --%s %s", flag, rows[i].type == CHOICE ? rows[i].range : types[rows[i].type]);
        if (rows[i].fallback[0] != '\0')
            buf_printf(out, " (default %s)", rows[i].fallback);
        buf_printf(out, "\n      %s\n", rows[i].help);
    }
    return !buf_failed(out);
}
