#include "net/sse.h"
#include "unit.h"

static bool collect(void *ctx, struct view name, struct view data)
{
    buf_printf(ctx, "[" VIEW_FMT "|" VIEW_FMT "]", VIEW_ARG(name), VIEW_ARG(data));
    return true;
}

static void assert_events(const char *text, size_t piece, const char *expected)
{
    struct buf events = BUF_INIT(10000);
    struct sse_parser parser;
    sse_parser_init(&parser, 1000, collect, &events);
    for (struct view rest = view_from_cstr(text); rest.len > 0; rest = view_from(rest, piece))
        assert_true(sse_feed(&parser, view_first(rest, piece)));
    assert_view_is(buf_view(&events), expected);
    sse_parser_free(&parser);
    buf_free(&events);
}

struct sse_case {
    const char *text;
    const char *expected;
};

static void events_are_read_however_they_are_cut(void **state)
{
    static const struct sse_case cases[] = {
        { "data: one\n\ndata: two\n\n", "[message|one][message|two]" },
        { "data:one\r\n\r\ndata:  two\r\r", "[message|one][message| two]" },
        { "event: delta\ndata: {\"a\":1}\n\n", "[delta|{\"a\":1}]" },
        { "data: a\ndata: b\ndata\n\n", "[message|a\nb\n]" },
        { ": comment\n\nid: 7\nretry: 10\n\ndata: x\n\n", "[message|x]" },
        { "event: nothing\n\ndata: x\n\n", "[message|x]" },
        { "\xEF\xBB\xBF" "data: marked\n\n", "[message|marked]" },
        { "data: unfinished\n", "" },
        { "data: unfinished", "" },
        { "data: [DONE]\r\n\r\n", "[message|[DONE]]" },
        { "data: a\r\ndata: b\r\n\r\n\r\n\r\n", "[message|a\nb]" },
        { "dat: a\nDATA: b\n\n", "" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        for (size_t piece = 1; piece < 30; piece++)
            assert_events(cases[i].text, piece, cases[i].expected);
}

static void what_is_written_is_read_back(void **state)
{
    struct buf out = BUF_INIT(1000);
    (void)state;
    assert_true(sse_append(&out, VIEW("ping"), VIEW("")));
    assert_true(sse_append(&out, VIEW(""), VIEW("a\nb\r\nc")));
    assert_true(sse_append(&out, VIEW("bad\nname"), VIEW("x")));
    assert_view_is(buf_view(&out), "event: ping\ndata: \n\ndata: a\ndata: b\ndata: c\n\nevent: bad\ndata: x\n\n");
    buf_append_byte(&out, '\0');
    assert_events(out.ptr, 3, "[ping|][message|a\nb\nc][bad|x]");
    buf_free(&out);
}

static void an_event_beyond_the_cap_fails_for_good(void **state)
{
    struct buf events = BUF_INIT(10000);
    struct sse_parser parser;
    (void)state;
    sse_parser_init(&parser, 20, collect, &events);
    assert_true(sse_feed(&parser, VIEW("data: short\n\n")));
    assert_true(sse_feed(&parser, VIEW("data: 0123456789\n")));
    assert_false(sse_feed(&parser, VIEW("data: 0123456789\n\n")));
    assert_false(sse_feed(&parser, VIEW("data: x\n\n")));
    assert_view_is(buf_view(&events), "[message|short]");
    sse_parser_free(&parser);

    sse_parser_init(&parser, 20, collect, &events);
    assert_false(sse_feed(&parser, VIEW("a line without an end")));
    sse_parser_free(&parser);
    buf_free(&events);
}

static bool refuse(void *ctx, struct view name, struct view data)
{
    (void)name;
    (void)data;
    ++*(int *)ctx;
    return false;
}

static void the_reader_may_stop_the_parser(void **state)
{
    int calls = 0;
    struct sse_parser parser;
    (void)state;
    sse_parser_init(&parser, 1000, refuse, &calls);
    assert_false(sse_feed(&parser, VIEW("data: a\n\ndata: b\n\n")));
    assert_int_equal(calls, 1);
    sse_parser_free(&parser);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_are_read_however_they_are_cut),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(an_event_beyond_the_cap_fails_for_good),
        cmocka_unit_test(the_reader_may_stop_the_parser),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
