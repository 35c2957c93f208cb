#include "elastic/filter.h"

void filter_read(struct view text, struct filter *out)
{
    *out = (struct filter){ .count = 0 };
    while (text.ptr != NULL) {
        struct view path = view_trim(view_split(&text, ','));
        bool exclude = path.len > 1 && path.ptr[0] == '-';
        if (path.len == 0)
            continue;
        if (exclude && out->excluded_count < FILTER_PATHS_MAX)
            out->excluded[out->excluded_count++] = view_from(path, 1);
        else if (!exclude && out->count < FILTER_PATHS_MAX)
            out->paths[out->count++] = path;
    }
}

/* Whether a name fits one part of a path; '*' takes any run of characters. */
static bool name_fits(struct view part, struct view name)
{
    size_t p = 0, n = 0, star = VIEW_NPOS, back = 0;
    while (n < name.len) {
        if (p < part.len && part.ptr[p] == '*') {
            star = p++;
            back = n;
        } else if (p < part.len && part.ptr[p] == name.ptr[n]) {
            p++;
            n++;
        } else if (star != VIEW_NPOS) {
            p = star + 1;
            n = ++back;
        } else {
            return false;
        }
    }
    while (p < part.len && part.ptr[p] == '*')
        p++;
    return p == part.len;
}

/* What of a set of paths still applies one level further down. */
struct rest {
    struct view paths[2 * FILTER_PATHS_MAX];
    size_t count;
    bool whole; /* a path ended here: everything below is meant */
};

static void keep(struct rest *rest, struct view path)
{
    for (size_t i = 0; i < rest->count; i++) {
        if (view_eq(rest->paths[i], path))
            return;
    }
    if (rest->count < 2 * FILTER_PATHS_MAX)
        rest->paths[rest->count++] = path;
}

/* A run of ** means what one of them does. */
static struct view without_run(struct view path)
{
    while (view_starts_with(path, VIEW("**.**")) && (path.len == 5 || path.ptr[5] == '.'))
        path = view_from(path, 3);
    return path;
}

static void descend_path(struct view path, struct view name, struct rest *out)
{
    path = without_run(path);
    struct view after = path, part = view_split(&after, '.');
    if (view_is(part, "**") && after.ptr != NULL) {
        keep(out, path); /* takes this name, and may take more */
        part = view_split(&after, '.'); /* or takes none */
    }
    if (name_fits(part, name)) { /* a last ** fits any */
        if (after.ptr == NULL)
            out->whole = true;
        else
            keep(out, after);
    }
}

static void descend(const struct view *paths, size_t count, struct view name, struct rest *out)
{
    *out = (struct rest){ .count = 0 };
    for (size_t i = 0; i < count; i++)
        descend_path(paths[i], name, out);
}

/* includes NULL: everything that is not excluded. */
static bool write_filtered(const struct json *value, const struct rest *includes, const struct rest *excludes, struct json_writer *out,
                           const char *key, struct view name, bool required);

static bool has_match(const struct json *value, const struct rest *includes)
{
    struct json_iter it = json_iter(value);
    bool object = json_is(value, JSON_OBJECT);
    while (includes != NULL && (object || json_is(value, JSON_ARRAY)) && json_next(&it)) {
        struct rest below;
        if (!object) {
            if (has_match(it.value, includes))
                return true;
            continue;
        }
        descend(includes->paths, includes->count, it.key, &below);
        if (below.whole || has_match(it.value, &below))
            return true;
    }
    return false;
}

static void write_members(const struct json *value, const struct rest *includes, const struct rest *excludes, struct json_writer *out)
{
    bool object = json_is(value, JSON_OBJECT);
    struct json_iter it = json_iter(value);
    while (json_next(&it)) {
        struct rest in, ex;
        if (!object) {
            write_filtered(it.value, includes, excludes, out, NULL, VIEW(""), false);
            continue;
        }
        descend(excludes->paths, excludes->count, it.key, &ex);
        if (ex.whole)
            continue;
        if (includes != NULL)
            descend(includes->paths, includes->count, it.key, &in);
        write_filtered(it.value, includes == NULL || in.whole ? NULL : &in, &ex, out, "", it.key, false);
    }
}

static bool write_filtered(const struct json *value, const struct rest *includes, const struct rest *excludes, struct json_writer *out,
                           const char *key, struct view name, bool required)
{
    bool container = json_is(value, JSON_OBJECT) || json_is(value, JSON_ARRAY);
    if (!required && includes != NULL && !has_match(value, includes))
        return false;
    if (key != NULL)
        json_key_view(out, name);
    if (!container) {
        json_write_value(out, value);
        return true;
    }
    if (json_is(value, JSON_OBJECT))
        json_object(out);
    else
        json_array(out);
    write_members(value, includes, excludes, out);
    json_end(out);
    return true;
}

void filter_write(const struct filter *filter, const struct json *value, struct json_writer *out)
{
    struct rest includes = { .count = filter->count }, excludes = { .count = filter->excluded_count };
    memcpy(includes.paths, filter->paths, filter->count * sizeof(filter->paths[0]));
    memcpy(excludes.paths, filter->excluded, filter->excluded_count * sizeof(filter->excluded[0]));
    write_filtered(value, filter->count > 0 ? &includes : NULL, &excludes, out, NULL, VIEW(""), true);
}

/* ---- pretty ---- */

static void new_line(struct buf *out, unsigned depth)
{
    buf_append_byte(out, '\n');
    for (unsigned i = 0; i < depth; i++)
        buf_append_cstr(out, "  ");
}

static void write_scalar(const struct json *value, struct buf *out)
{
    struct json_writer writer;
    json_writer_init(&writer, out);
    json_write_value(&writer, value);
}

static void write_indented(const struct json *value, unsigned depth, struct buf *out)
{
    bool object = json_is(value, JSON_OBJECT);
    if (!object && !json_is(value, JSON_ARRAY)) {
        write_scalar(value, out);
        return;
    }
    buf_append_byte(out, object ? '{' : '[');
    struct json_iter it = json_iter(value);
    while (json_next(&it)) {
        if (it.index > 0)
            buf_append_byte(out, ',');
        new_line(out, depth + 1);
        if (object) {
            struct json_writer writer;
            json_writer_init(&writer, out);
            json_write_string(&writer, it.key);
            buf_append_cstr(out, " : ");
        }
        write_indented(it.value, depth + 1, out);
    }
    if (json_size(value) > 0)
        new_line(out, depth);
    else if (object)
        buf_append_byte(out, ' ');
    buf_append_byte(out, object ? '}' : ']');
}

void pretty_write(const struct json *value, struct buf *out)
{
    write_indented(value, 0, out);
    buf_append_byte(out, '\n');
}
