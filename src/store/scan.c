/* store/scan.c - ordered scans, page by page. A page token holds the place of the last record and a mark of the scan it is from. */
#include "store/internal.h"

#include "base/buf.h"
#include "base/encode.h"

#include <stdio.h>

#define LIMIT_DEFAULT 100
#define LIMIT_MAX     1000
#define PARAMS_MAX    16
#define SQL_MAX       2048
#define PLACE_PARTS   4                                     /* order value, id, account, region */
#define MARK_SEED     0x63726174u                           /* fixed: tokens outlive the process */

struct param {
    struct view text;                                       /* ptr NULL: the number */
    int64_t number;
};

struct query {
    struct buf sql;
    struct param params[PARAMS_MAX];
    int count;
};

/* Appends the text of the query up to a parameter, and the parameter. */
static void add_text(struct query *q, const char *before, struct view text)
{
    buf_printf(&q->sql, "%s?%d", before, q->count + 1);
    q->params[q->count++].text = text.ptr != NULL ? text : VIEW("");
}

static void add_number(struct query *q, const char *before, int64_t number)
{
    buf_printf(&q->sql, "%s?%d", before, q->count + 1);
    q->params[q->count++] = (struct param){ .number = number };
}

/* ---- page tokens ---- */

struct place {
    struct view parts[PLACE_PARTS];
};

static uint64_t mark_of(const struct store_scan *scan)
{
    const struct view parts[] = { scan->kind, scan->account, scan->region, scan->state, scan->from, scan->before };
    const int64_t numbers[] = { scan->order, scan->index, scan->descending, scan->from_ms, scan->before_ms };
    uint64_t mark = view_hash(view_of(numbers, sizeof numbers), MARK_SEED);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        mark = view_hash(parts[i], mark + (parts[i].ptr != NULL));
    return mark;
}

static void put_part(struct buf *out, struct view part)
{
    uint32_t len = (uint32_t)part.len;
    buf_append(out, &len, sizeof len);
    buf_append_view(out, part);
}

static bool take_part(struct view *rest, struct view *part)
{
    uint32_t len;
    if (rest->len < sizeof len)
        return false;
    memcpy(&len, rest->ptr, sizeof len);
    *rest = view_from(*rest, sizeof len);
    if (rest->len < len)
        return false;
    *part = view_first(*rest, len);
    *rest = view_from(*rest, len);
    return true;
}

static struct view order_value(const struct store_scan *scan, const struct store_record *record, char number[24])
{
    if (scan->order == STORE_BY_INDEX)
        return record->index[scan->index];
    if (scan->order == STORE_BY_ID)
        return record->key.id;
    int len = snprintf(number, 24, "%lld", (long long)record->created_ms);
    return view_of(number, (size_t)len);
}

static struct view make_page_token(struct arena *arena, const struct store_scan *scan, const struct store_record *last)
{
    char number[24];
    uint64_t mark = mark_of(scan);
    struct buf raw = BUF_INIT(1 << 20);
    struct buf text = BUF_INIT(2 << 20);
    buf_append(&raw, &mark, sizeof mark);
    put_part(&raw, order_value(scan, last, number));
    put_part(&raw, last->key.id);
    put_part(&raw, last->key.account);
    put_part(&raw, last->key.region);
    base64_append(&text, buf_view(&raw));
    struct view token = arena_copy(arena, buf_view(&text));
    buf_free(&raw);
    buf_free(&text);
    return token;
}

static bool read_page_token(struct arena *arena, const struct store_scan *scan, struct place *place)
{
    struct view raw;
    uint64_t mark;
    if (!base64_decode(arena, scan->page, &raw) || raw.len < sizeof mark)
        return false;
    memcpy(&mark, raw.ptr, sizeof mark);
    raw = view_from(raw, sizeof mark);
    for (int i = 0; i < PLACE_PARTS; i++) {
        if (!take_part(&raw, &place->parts[i]))
            return false;
    }
    return mark == mark_of(scan) && raw.len == 0;
}

/* ---- the query ---- */

static const char *order_column(const struct store_scan *scan)
{
    static const char *const indexes[STORE_INDEXES] = { "i1", "i2", "i3", "i4" };
    if (scan->order == STORE_BY_INDEX)
        return indexes[scan->index];
    return scan->order == STORE_BY_CREATED ? "created" : "id";
}

static void add_range(struct query *q, const struct store_scan *scan)
{
    const char *column = scan->order == STORE_BY_INDEX ? order_column(scan) : "id";
    if (scan->from.ptr != NULL) {
        buf_printf(&q->sql, " AND %s", column);
        add_text(q, " >= ", scan->from);
    }
    if (scan->before.ptr != NULL) {
        buf_printf(&q->sql, " AND %s", column);
        add_text(q, " < ", scan->before);
    }
    if (scan->from_ms != 0)
        add_number(q, " AND created >= ", scan->from_ms);
    if (scan->before_ms != 0)
        add_number(q, " AND created < ", scan->before_ms);
}

static void add_place(struct query *q, const struct store_scan *scan, const struct place *place)
{
    buf_printf(&q->sql, " AND (%s, id, account, region) %s (", order_column(scan), scan->descending ? "<" : ">");
    int64_t created = 0;
    view_to_i64(place->parts[0], &created);
    if (scan->order == STORE_BY_CREATED)
        add_number(q, "", created);
    else
        add_text(q, "", place->parts[0]);
    for (int i = 1; i < PLACE_PARTS; i++)
        add_text(q, ", ", place->parts[i]);
    buf_append_byte(&q->sql, ')');
}

/* place is NULL for the first page. */
static void build(struct query *q, const struct store_scan *scan, const struct place *place, size_t limit)
{
    const char *column = order_column(scan);
    const char *direction = scan->descending ? " DESC" : "";
    add_text(q, "SELECT " RECORD_COLUMNS " FROM records WHERE kind = ", scan->kind);
    if (scan->account.ptr != NULL)
        add_text(q, " AND account = ", scan->account);
    if (scan->region.ptr != NULL)
        add_text(q, " AND region = ", scan->region);
    if (scan->state.ptr != NULL)
        add_text(q, " AND state = ", scan->state);
    if (scan->order == STORE_BY_INDEX)
        buf_printf(&q->sql, " AND %s IS NOT NULL", column);
    add_range(q, scan);
    if (place != NULL)
        add_place(q, scan, place);
    buf_printf(&q->sql, " ORDER BY %s%s, id%s, account%s, region%s", column, direction, direction, direction, direction);
    add_number(q, " LIMIT ", (int64_t)limit);
}

static sqlite3_stmt *prepare(struct sql *sql, struct query *q)
{
    sqlite3_stmt *stmt = NULL;
    if (buf_failed(&q->sql))
        return NULL;
    int code = sqlite3_prepare_v2(sql->db, q->sql.ptr, (int)q->sql.len, &stmt, NULL);
    if (code != SQLITE_OK) {
        sql_status(sql, code);
        return NULL;
    }
    for (int i = 0; i < q->count; i++) {
        if (q->params[i].text.ptr != NULL)
            sql_bind_view(stmt, i + 1, q->params[i].text);
        else
            sqlite3_bind_int64(stmt, i + 1, q->params[i].number);
    }
    return stmt;
}

/* One row more than the page holds has been asked for: it tells whether there is another page. */
static enum store_status read_page(struct sql *sql, sqlite3_stmt *stmt, struct arena *arena, const struct store_scan *scan,
                                   size_t limit, struct store_page *page)
{
    enum store_status status;
    page->records = ARENA_ARRAY(arena, struct store_record, limit);
    if (page->records == NULL)
        return STORE_NO_MEMORY;
    while ((status = sql_step(sql, stmt)) == STORE_OK) {
        if (page->count == limit) {
            page->next = make_page_token(arena, scan, &page->records[limit - 1]);
            return page->next.ptr != NULL ? STORE_OK : STORE_NO_MEMORY;
        }
        status = sql_read_record(arena, stmt, &page->records[page->count++]);
        if (status != STORE_OK)
            return status;
    }
    return status == STORE_NOT_FOUND ? STORE_OK : status;
}

enum store_status store_scan(struct store *store, struct arena *arena, const struct store_scan *scan,
                             struct store_page *page)
{
    size_t limit = scan->limit == 0 ? LIMIT_DEFAULT : scan->limit < LIMIT_MAX ? scan->limit : LIMIT_MAX;
    struct place place;
    *page = (struct store_page){ .count = 0 };
    if (scan->page.len > 0 && !read_page_token(arena, scan, &place))
        return arena_exhausted(arena) ? STORE_NO_MEMORY : STORE_BAD_PAGE;
    struct sql *sql = reader_take(store);
    if (sql == NULL)
        return STORE_ERROR;
    struct query q = { .sql = BUF_INIT(SQL_MAX) };
    build(&q, scan, scan->page.len > 0 ? &place : NULL, limit + 1);
    sqlite3_stmt *stmt = prepare(sql, &q);
    enum store_status status = stmt != NULL ? read_page(sql, stmt, arena, scan, limit, page) : STORE_ERROR;
    sqlite3_finalize(stmt);
    buf_free(&q.sql);
    reader_return(store, sql);
    return status;
}

void store_sortable(int64_t number, char out[STORE_SORTABLE_SIZE])
{
    uint64_t above_lowest = (uint64_t)number ^ (uint64_t)1 << 63;
    snprintf(out, STORE_SORTABLE_SIZE, "%020llu", (unsigned long long)above_lowest);
}
