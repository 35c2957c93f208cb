#include "unit.h"

#include "text/html_text.h"

static void reads(const char *html, const char *expected)
{
    struct buf out = BUF_INIT(1 << 16);
    html_text(view_from_cstr(html), &out);
    assert_view_is(buf_view(&out), expected);
    buf_free(&out);
}

static void tags_fall_away_and_blanks_fold(void **state)
{
    (void)state;
    reads("<b>Hello</b>,\n   <i>world</i>!", "Hello, world!");
    reads("a<b>b</b>c", "abc");
    reads("", "");
}

static void blocks_and_breaks_end_lines(void **state)
{
    (void)state;
    reads("<h1>Title</h1><p>One</p><p>Two<br>Three</p>", "Title\n\nOne\n\nTwo\nThree");
    reads("<ul><li>a<li>b</ul>", "- a\n- b");
}

static void what_is_not_for_readers_is_left_out(void **state)
{
    (void)state;
    reads("a<script>if (1 < 2) alert('</p>')</script>b<!-- <p>no</p> -->c", "abc");
    reads("<style>p { }</style>x<SCRIPT>y</SCRIPT>", "x");
    reads("<script>never closed", "");
}

static void attributes_may_hold_a_closing_bracket(void **state)
{
    (void)state;
    reads("<a title=\"a > b\" href='x>y'>link</a>", "link");
}

static void references_are_decoded_or_kept(void **state)
{
    (void)state;
    reads("a &amp; b &lt;c&gt; &#65;&#x42; &eacute;", "a & b <c> AB \xC3\xA9");
    reads("AT&T &unknown; 1 < 2", "AT&T &unknown; 1 < 2");
    reads("&#xD800;&#99999999;", "\xEF\xBF\xBD\xEF\xBF\xBD");
}

static void preformatted_text_keeps_its_blanks(void **state)
{
    (void)state;
    reads("<pre>a\n  b</pre>", "a\n  b");
}

static void an_unfinished_tag_ends_the_text(void **state)
{
    (void)state;
    reads("text <a href=\"", "text");
    reads("text <", "text <");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tags_fall_away_and_blanks_fold),  cmocka_unit_test(blocks_and_breaks_end_lines),
        cmocka_unit_test(what_is_not_for_readers_is_left_out), cmocka_unit_test(attributes_may_hold_a_closing_bracket),
        cmocka_unit_test(references_are_decoded_or_kept),  cmocka_unit_test(preformatted_text_keeps_its_blanks),
        cmocka_unit_test(an_unfinished_tag_ends_the_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
