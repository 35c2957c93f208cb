#include "unit.h"

#include "dynamodb/expression.h"

static struct arena *arena;

#define ITEM                                                                                                                            \
    "{\"JobId\":{\"S\":\"job-7\"},\"Status\":{\"S\":\"Failed\"},\"Attempts\":{\"N\":\"3\"},\"Live\":{\"BOOL\":true},"                   \
    "\"Tags\":{\"SS\":[\"red\",\"blue\"]},\"Deep\":{\"M\":{\"list\":{\"L\":[{\"N\":\"1\"},{\"M\":{\"x\":{\"S\":\"y\"}}}]},"              \
    "\"other\":{\"S\":\"z\"}}}}"
#define NAMES  "{\"#s\":\"Status\",\"#dot\":\"a.b\",\"#list\":\"list\"}"
#define VALUES                                                                                                                          \
    "{\":failed\":{\"S\":\"Failed\"},\":f\":{\"S\":\"Fai\"},\":two\":{\"N\":\"2\"},\":three\":{\"N\":\"3.0\"},\":five\":{\"N\":\"5\"},"   \
    "\":true\":{\"BOOL\":true},\":red\":{\"S\":\"red\"},\":S\":{\"S\":\"S\"},\":SS\":{\"S\":\"SS\"},\":y\":{\"S\":\"y\"},"               \
    "\":bad\":{\"S\":\"bad\"},\":set\":{\"SS\":[\"blue\",\"red\"]}}"

static struct expressions fresh(const char *names, const char *values)
{
    return (struct expressions){ .arena = arena, .names = names != NULL ? json_parse(arena, view_from_cstr(names), 20, NULL) : NULL,
                                 .values = values != NULL ? json_parse(arena, view_from_cstr(values), 20, NULL) : NULL };
}

static bool holds(const char *text)
{
    struct expressions x = fresh(NAMES, VALUES);
    const struct condition *condition = condition_parse(&x, "FilterExpression", view_from_cstr(text));
    if (condition == NULL)
        fail_msg("%s: %s", text, x.problem);
    return condition_holds(condition, json_parse(arena, VIEW(ITEM), 20, NULL));
}

static const char *problem(const char *text)
{
    struct expressions x = fresh(NAMES, VALUES);
    assert_null(condition_parse(&x, "FilterExpression", view_from_cstr(text)));
    assert_non_null(x.problem);
    return x.problem;
}

static void conditions_hold_or_do_not(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool holds;
    } rows[] = {
        { "#s = :failed", true },
        { "#s <> :failed", false },
        { ":failed = #s", true },
        { "Status=:f", false },
        { "Attempts = :three", true },
        { "Attempts > :two", true },
        { "Attempts > :three", false },
        { "Attempts >= :three", true },
        { "Attempts <= :three", true },
        { "Attempts < :two", false },
        { "Attempts > :failed", false },                    /* no order between a number and a text */
        { "#s > :two", false },
        { "Missing = :two", false },
        { "Missing <> :two", true },
        { "Missing < :two", false },
        { "Attempts BETWEEN :two AND :five", true },
        { "Attempts between :five and :five", false },
        { "#s IN (:f, :failed)", true },
        { "#s IN (:f)", false },
        { "Attempts in (:two,:three)", true },
        { "attribute_exists(Live)", true },
        { "attribute_exists(Deep.other)", true },
        { "attribute_exists(Deep.nothing)", false },
        { "attribute_not_exists(Missing)", true },
        { "attribute_not_exists(JobId)", false },
        { "attribute_type(#s, :S)", true },
        { "attribute_type(Tags, :SS)", true },
        { "attribute_type(Missing, :S)", false },
        { "begins_with(#s, :f)", true },
        { "begins_with(#s, :failed) AND NOT begins_with(JobId, :f)", true },
        { "begins_with(Attempts, :f)", false },
        { "contains(#s, :f)", true },
        { "contains(Tags, :red)", true },
        { "contains(Tags, :y)", false },
        { "Tags = :set", true },
        { "size(#s) = :two", false },
        { "size(#s) > :five", true },
        { "size(Deep.list) = :two", true },
        { "size(Attempts) = :two", false },                 /* a number has no size */
        { "size(Missing) < :two", false },
        { "Live = :true", true },
        { "Deep.#list[1].x = :y", true },
        { "Deep.#list[9].x = :y", false },
        { "Deep.other[0] = :y", false },
        { "#dot = :y", false },
        { "NOT #s = :failed", false },
        { "NOT NOT #s = :failed", true },
        { "#s = :f OR Live = :true AND Attempts = :three", true },
        { "(#s = :f OR Live = :true) AND Attempts = :two", false },
        { "#s = :failed OR #s = :f AND #s = :f", true },    /* AND binds tighter */
        { "NOT #s = :f AND NOT (Attempts = :two)", true },
        { "Attempts BETWEEN :two AND :five AND #s = :failed", true },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (holds(rows[i].text) != rows[i].holds)
            fail_msg("%s should %shold", rows[i].text, rows[i].holds ? "" : "not ");
    }
}

static void bad_expressions_are_told_in_the_words_of_dynamodb(void **state)
{
    (void)state;
    assert_string_equal(problem(""), "Invalid FilterExpression: The expression can not be empty;");
    assert_string_equal(problem("  \t\n"), "Invalid FilterExpression: The expression can not be empty;");
    assert_string_equal(problem("#s = "), "Invalid FilterExpression: Syntax error; token: \"<EOF>\", near: \"= \"");
    assert_string_equal(problem("#s = = :f"), "Invalid FilterExpression: Syntax error; token: \"=\", near: \"= = :f\"");
    assert_string_equal(problem("#s"), "Invalid FilterExpression: Syntax error; token: \"<EOF>\", near: \"#s\"");
    assert_string_equal(problem("(#s = :f"), "Invalid FilterExpression: Syntax error; token: \"<EOF>\", near: \":f\"");
    assert_string_equal(problem("#s = :f)"), "Invalid FilterExpression: Syntax error; token: \")\", near: \":f)\"");
    assert_string_equal(problem("! = :f"), "Invalid FilterExpression: Syntax error; token: \"!\", near: \"! =\"");
    assert_string_equal(problem("#s = 'x'"), "Invalid FilterExpression: Syntax error; token: \"'\", near: \"= 'x\"");
    assert_string_equal(problem("#s = :none"), "Invalid FilterExpression: An expression attribute value used in expression is not defined; "
                                               "attribute value: :none");
    assert_string_equal(problem("#none = :f"), "Invalid FilterExpression: An expression attribute name used in the document path is not "
                                               "defined; attribute name: #none");
    assert_string_equal(problem("starts_with(#s, :f)"), "Invalid FilterExpression: Invalid function name; function: starts_with");
    assert_string_equal(problem("begins_with(#s)"), "Invalid FilterExpression: Incorrect number of operands for operator or function; "
                                                    "operator or function: begins_with, number of operands: 1");
    assert_string_equal(problem("begins_with(#s, :two)"), "Invalid FilterExpression: Incorrect operand type for operator or function; "
                                                          "operator or function: begins_with, operand type: N");
    assert_string_equal(problem("#s < :true"), "Invalid FilterExpression: Incorrect operand type for operator or function; operator or "
                                               "function: <, operand type: BOOL");
    assert_string_equal(problem("attribute_type(#s, :bad)"), "Invalid FilterExpression: Invalid attribute type name found; type: bad, "
                                                             "valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}");
    assert_string_equal(problem("attribute_exists(:f)"), "Invalid FilterExpression: Operator or function requires a document path; "
                                                         "operator or function: attribute_exists");
    assert_string_equal(problem("Attempts BETWEEN :five AND :two"),
                        "Invalid FilterExpression: The BETWEEN operator requires upper bound to be greater than or equal to lower bound; "
                        "lower bound operand: AttributeValue: {N:5}, upper bound operand: AttributeValue: {N:2}");
    assert_string_equal(problem("Attempts BETWEEN :two AND :f"),
                        "Invalid FilterExpression: The BETWEEN operator requires same data type for lower and upper bounds; lower bound "
                        "operand: AttributeValue: {N}, upper bound operand: AttributeValue: {S}");
}

static void expressions_are_bounded(void **state)
{
    (void)state;
    struct buf text = BUF_INIT(65536);
    for (int i = 0; i < 5000; i++)
        buf_append_byte(&text, 'a');
    assert_string_equal(problem(arena_cstr(arena, buf_view(&text))),
                        "Invalid FilterExpression: Expression size has exceeded the maximum allowed size; expression size: 5000");
    buf_clear(&text);
    for (int i = 0; i < 1000; i++)
        buf_append_byte(&text, '(');
    assert_non_null(strstr(problem(arena_cstr(arena, buf_view(&text))), "nested too deeply"));
    buf_clear(&text);
    for (int i = 0; i < 400; i++)
        buf_append_cstr(&text, "NOT ");
    assert_non_null(strstr(problem(arena_cstr(arena, buf_view(&text))), "more than 300 operators"));
    buf_clear(&text);
    buf_append_cstr(&text, "#s IN (:f");
    for (int i = 0; i < 100; i++)
        buf_append_cstr(&text, ",:f");
    buf_append_byte(&text, ')');
    assert_non_null(strstr(problem(arena_cstr(arena, buf_view(&text))), "Too many operands"));
    buf_clear(&text);
    buf_append_byte(&text, 'a');
    for (int i = 0; i < 40; i++)
        buf_append_cstr(&text, ".a");
    buf_append_cstr(&text, " = :f");
    assert_non_null(strstr(problem(arena_cstr(arena, buf_view(&text))), "too many nesting elements"));
    buf_free(&text);
}

static void what_is_given_must_be_used(void **state)
{
    (void)state;
    struct expressions x = fresh("{\"#a\":\"a\",\"#b\":\"b\"}", "{\":v\":{\"N\":\"1\"},\":w\":{\"N\":\"1\"}}");
    assert_true(expressions_check(&x));
    assert_non_null(condition_parse(&x, "FilterExpression", VIEW("#a = :v")));
    assert_false(expressions_settled(&x));
    assert_string_equal(x.problem, "Value provided in ExpressionAttributeNames unused in expressions: keys: {#b}");
    x.problem = NULL;
    assert_non_null(projection_parse(&x, "ProjectionExpression", VIEW("#b, #a")));
    assert_false(expressions_settled(&x));
    assert_string_equal(x.problem, "Value provided in ExpressionAttributeValues unused in expressions: keys: {:w}");
    x.problem = NULL;
    assert_non_null(condition_parse(&x, "FilterExpression", VIEW("#a = :w")));
    assert_true(expressions_settled(&x));
}

static void names_and_values_must_be_well_formed(void **state)
{
    (void)state;
    struct expressions x = fresh("{\"a\":\"a\"}", NULL);
    assert_false(expressions_check(&x));
    assert_string_equal(x.problem, "ExpressionAttributeNames contains invalid key: Syntax error; key: \"a\"");
    x = fresh(NULL, "{\"#v\":{\"N\":\"1\"}}");
    assert_false(expressions_check(&x));
    assert_string_equal(x.problem, "ExpressionAttributeValues contains invalid key: Syntax error; key: \"#v\"");
    x = fresh(NULL, "{\":v\":{\"N\":\"one\"}}");
    assert_false(expressions_check(&x));
    assert_string_equal(x.problem, "ExpressionAttributeValues contains invalid value: The parameter cannot be converted to a numeric "
                                   "value: one for key :v");
}

static struct view projected(const char *text)
{
    struct expressions x = fresh(NAMES, NULL);
    struct buf out = BUF_INIT(65536);
    struct json_writer w;
    const struct projection *projection = projection_parse(&x, "ProjectionExpression", view_from_cstr(text));
    if (projection == NULL)
        return view_from_cstr(x.problem);
    json_writer_init(&w, &out);
    projection_write(projection, json_parse(arena, VIEW(ITEM), 20, NULL), &w);
    assert_false(json_writer_failed(&w));
    struct view written = arena_copy(arena, buf_view(&out));
    buf_free(&out);
    return written;
}

static void a_projection_keeps_what_it_names(void **state)
{
    (void)state;
    assert_view_is(projected("#s, Attempts, Missing"), "{\"Status\":{\"S\":\"Failed\"},\"Attempts\":{\"N\":\"3\"}}");
    assert_view_is(projected("Deep.other"), "{\"Deep\":{\"M\":{\"other\":{\"S\":\"z\"}}}}");
    assert_view_is(projected("Deep.#list[1].x, JobId"),
                   "{\"JobId\":{\"S\":\"job-7\"},\"Deep\":{\"M\":{\"list\":{\"L\":[{\"M\":{\"x\":{\"S\":\"y\"}}}]}}}}");
    assert_view_is(projected("Deep.#list[0], Deep.other"),
                   "{\"Deep\":{\"M\":{\"list\":{\"L\":[{\"N\":\"1\"}]},\"other\":{\"S\":\"z\"}}}}");
    assert_view_is(projected("Deep.#list[7], Attempts.x, Nothing"), "{}");
    assert_view_is(projected("Deep, Deep.other"), "Invalid ProjectionExpression: Two document paths overlap with each other; must "
                                                  "remove or rewrite one of these paths; path one: [Deep], path two: [Deep]");
    assert_view_is(projected("#s,"), "Invalid ProjectionExpression: Syntax error; token: \"<EOF>\", near: \",\"");
    assert_view_is(projected("a b"), "Invalid ProjectionExpression: Syntax error; token: \"b\", near: \"a b\"");
    assert_view_is(projected("a[x]"), "Invalid ProjectionExpression: Syntax error; token: \"x\", near: \"[x]\"");
}

static int setup(void **state)
{
    (void)state;
    arena = arena_create(64 << 20);
    return arena == NULL;
}

static int teardown(void **state)
{
    (void)state;
    arena_destroy(arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conditions_hold_or_do_not),
        cmocka_unit_test(bad_expressions_are_told_in_the_words_of_dynamodb),
        cmocka_unit_test(expressions_are_bounded),
        cmocka_unit_test(what_is_given_must_be_used),
        cmocka_unit_test(names_and_values_must_be_well_formed),
        cmocka_unit_test(a_projection_keeps_what_it_names),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
