/* XML as S3 speaks it, read and written. */
#include "unit.h"

#include "base/xml.h"

#define ARENA_MAX (1u << 20)

static int setup(void **state)
{
    *state = arena_create(ARENA_MAX);
    return *state == NULL;
}

static int teardown(void **state)
{
    arena_destroy(*state);
    return 0;
}

static void elements_are_found_by_name_and_in_order(void **state)
{
    const struct xml *root = xml_parse(*state, VIEW("<?xml version='1.0'?>\n<!-- parts -->\n"
                                                    "<C xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\n"
                                                    "  <Part><N>1</N><E a='1' b = \"2>\">x</E></Part><Other/>\n"
                                                    "  <s3:Part><N>2</N></s3:Part >\n</C>\n"));
    assert_non_null(root);
    assert_view_is(root->name, "C");
    const struct xml *part = xml_get(root, "Part");
    assert_view_is(xml_text(part, "N"), "1");
    assert_view_is(xml_text(part, "E"), "x");
    part = xml_again(part);
    assert_view_is(xml_text(part, "N"), "2");
    assert_null(xml_again(part));
    assert_null(xml_text(part, "E").ptr);
    assert_non_null(xml_text(root, "Other").ptr);
    assert_int_equal(xml_text(root, "Other").len, 0);
    assert_null(xml_get(NULL, "Part"));
}

static void text_is_decoded_and_its_blanks_stay(void **state)
{
    static const struct {
        const char *xml, *text;
    } cases[] = {
        { "<K> a b </K>", " a b " },
        { "<K>&lt;&gt;&amp;&quot;&apos;</K>", "<>&\"'" },
        { "<K>&#13;&#x0a;&#xE9;&#233;&#x1F600;</K>", "\r\n\xC3\xA9\xC3\xA9\xF0\x9F\x98\x80" },
        { "<K>a\r\nb\rc</K>", "a\nb\nc" },
        { "<K>a<![CDATA[<&amp;]]><!-- -- -->b</K>", "a<&amp;b" },
        { "<K></K>", "" },
        { "<K>a<b/>c</K>", "" },
        { "\xEF\xBB\xBF<K>\xE5\xAF\xB9</K>", "\xE5\xAF\xB9" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct xml *root = xml_parse(*state, view_from_cstr(cases[i].xml));
        assert_non_null(root);
        assert_view_is(root->text, cases[i].text);
    }
}

static void malformed_documents_are_refused(void **state)
{
    static const char *const cases[] = {
        "", " ", "text", "<", "<a", "<a>", "<a></b>", "</a>", "<a></a><b></b>", "<a/>text", "text<a/>", "<a b></a>", "<a b=c></a>",
        "<a b='1'c='2'/>", "<a b='<'/>", "<a b='1></a>", "<a>&x;</a>", "<a>&lt</a>", "<a>&#0;</a>", "<a>&#xD800;</a>",
        "<a>&#x110000;</a>", "<a>&#;</a>", "<a>&#x;</a>", "<a>&#1a;</a>", "<a>&#99999999999999999999;</a>",
        "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "<!DOCTYPE a><a/>", "<a><!-- </a>", "<a><![CDATA[x</a>", "<?xml <a/>", "< a/>",
        "<a/ >", "<a>\xFF</a>",
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        if (xml_parse(*state, view_from_cstr(cases[i])) != NULL)
            fail_msg("%s was taken", cases[i]);
    }
}

static void depth_is_bounded(void **state)
{
    char text[7 * XML_DEPTH_MAX + 8] = "";
    for (unsigned depth = XML_DEPTH_MAX; depth <= XML_DEPTH_MAX + 1; depth++) {
        text[0] = '\0';
        for (unsigned i = 0; i < depth; i++)
            strcat(text, "<a>");
        for (unsigned i = 0; i < depth; i++)
            strcat(text, "</a>");
        assert_int_equal(xml_parse(*state, view_from_cstr(text)) != NULL, depth == XML_DEPTH_MAX);
    }
}

static void an_exhausted_arena_is_an_error(void **state)
{
    (void)state;
    struct arena *arena = arena_create(64);
    struct buf text = BUF_INIT(1 << 16);
    buf_append_cstr(&text, "<a>");
    for (int i = 0; i < 1000; i++)
        buf_append_cstr(&text, "<b>c</b>");
    buf_append_cstr(&text, "</a>");
    assert_null(xml_parse(arena, buf_view(&text)));
    buf_free(&text);
    arena_destroy(arena);
}

static void what_is_written_reads_back(void **state)
{
    struct buf out = BUF_INIT(1 << 16);
    struct xml_writer w;
    xml_writer_init(&w, &out, "Root", "urn:x");
    xml_put(&w, "Key", VIEW("a <b> & \"c\" \r\n\t\xC3\xA9"));
    xml_put(&w, "Empty", VIEW(""));
    xml_open(&w, "Inner");
    xml_put_u64(&w, "Size", 18446744073709551615u);
    xml_put_bool(&w, "More", true);
    assert_true(xml_writer_failed(&w));
    xml_close(&w);
    xml_close(&w);
    assert_false(xml_writer_failed(&w));
    assert_view_is(buf_view(&out), "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Root xmlns=\"urn:x\">"
                                   "<Key>a &lt;b&gt; &amp; &quot;c&quot; &#13;\n\t\xC3\xA9</Key>"
                                   "<Empty/><Inner><Size>18446744073709551615</Size><More>true</More></Inner></Root>");
    const struct xml *root = xml_parse(*state, buf_view(&out));
    assert_view_is(xml_text(root, "Key"), "a <b> & \"c\" \r\n\t\xC3\xA9");
    assert_view_is(xml_text(xml_get(root, "Inner"), "More"), "true");
    xml_close(&w);
    assert_true(xml_writer_failed(&w));
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(elements_are_found_by_name_and_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(text_is_decoded_and_its_blanks_stay, setup, teardown),
        cmocka_unit_test_setup_teardown(malformed_documents_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(depth_is_bounded, setup, teardown),
        cmocka_unit_test(an_exhausted_arena_is_an_error),
        cmocka_unit_test_setup_teardown(what_is_written_reads_back, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
