#include "unit.h"

#include "aws/validate.h"

static struct arena *arena;

static int setup(void **state)
{
    (void)state;
    arena = arena_create(64u << 20);
    return arena != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    arena_destroy(arena);
    return 0;
}

/* What the check says of a body (quotes written as ') and one label value; "ok" when nothing. */
static const char *said(const char *operation, const char *label, const char *query, const char *body)
{
    struct aws_values values = { .operation = aws_operation_find(view_from_cstr(operation)) };
    struct view labels[AWS_MAX_LABELS] = { view_from_cstr(label), view_from_cstr(label), view_from_cstr(label) };
    struct view message = VIEW("");
    assert_non_null(values.operation);
    values.labels = labels;
    values.query = view_from_cstr(query);
    if (body != NULL) {
        char *json = arena_cstr(arena, view_from_cstr(body));
        for (char *at = json; *at != '\0'; at++)
            *at = *at == '\'' ? '"' : *at;
        values.body = json_parse(arena, view_from_cstr(json), JSON_DEPTH_DEFAULT, NULL);
        assert_non_null(values.body);
    }
    enum aws_status status = aws_validate(&values, arena, &message);
    if (status == AWS_OK)
        return "ok";
    return arena_printf(arena, "%s: " VIEW_FMT, aws_status_name(status), VIEW_ARG(message));
}

static const char *converse(const char *body)
{
    return said("Converse", "amazon.titan-text-express-v1", NULL, body);
}

static void assert_tells(const char *got, const char *part)
{
    if (strstr(got, part) == NULL)
        fail_msg("\"%s\"\nshould hold \"%s\"", got, part);
}

static void every_pattern_of_the_api_compiles(void **state)
{
    (void)state;
    assert_in_range(shape_pattern_count, 200, 1024);
    for (size_t i = 1; i <= shape_pattern_count; i++) {
        if (!shape_pattern_usable((uint16_t)i))
            fail_msg(VIEW_FMT, VIEW_ARG(shape_pattern((uint16_t)i)));
    }
}

static void a_plain_conversation_is_good(void **state)
{
    (void)state;
    assert_string_equal(converse("{'messages':[{'role':'user','content':[{'text':'Hello'}]}],"
                                 "'inferenceConfig':{'maxTokens':10,'temperature':0.5,'topP':1,'stopSequences':['x']},"
                                 "'additionalModelRequestFields':{'any':[1,{'thing':null}]}}"), "ok");
}

static void unknown_members_and_nulls_are_passed_over(void **state)
{
    (void)state;
    assert_string_equal(converse("{'messages':[{'role':'user','content':[{'text':'a','new':1}],'x':[]}],'system':null,'y':{}}"), "ok");
}

static void a_missing_member_is_null(void **state)
{
    (void)state;
    assert_string_equal(converse("{'messages':[{'content':[{'text':'a'}]}]}"),
                        "ValidationException: 1 validation error detected: Value null at 'messages.1.member.role' failed to satisfy "
                        "constraint: Member must not be null");
    assert_string_equal(said("CreateGuardrail", "", NULL, NULL),
                        "ValidationException: 3 validation errors detected: Value null at 'blockedInputMessaging' failed to satisfy "
                        "constraint: Member must not be null; Value null at 'blockedOutputsMessaging' failed to satisfy constraint: "
                        "Member must not be null; Value null at 'name' failed to satisfy constraint: Member must not be null");
}

static void an_unlisted_word_names_the_whole_set(void **state)
{
    (void)state;
    assert_tells(converse("{'messages':[{'role':'bot','content':[{'text':'a'}]}]}"),
                 "1 validation error detected: Value 'bot' at 'messages.1.member.role' failed to satisfy constraint: Member must "
                 "satisfy enum value set: [user, assistant");
}

static void numbers_have_edges(void **state)
{
    (void)state;
    static const struct {
        const char *config, *text;
    } rows[] = {
        { "{'temperature':0}", "ok" },
        { "{'temperature':1}", "ok" },
        { "{'temperature':1.01}", "Value '1.01' at 'inferenceConfig.temperature' failed to satisfy constraint: Member must have value "
                                  "less than or equal to 1" },
        { "{'temperature':-1}", "Member must have value greater than or equal to 0" },
        { "{'maxTokens':1}", "ok" },
        { "{'maxTokens':1.0}", "ok" },
        { "{'maxTokens':0}", "Value '0' at 'inferenceConfig.maxTokens' failed to satisfy constraint: Member must have value greater "
                             "than or equal to 1" },
        { "{'maxTokens':1.5}", "SerializationException: NUMBER_VALUE can not be converted to an Integer at 'inferenceConfig.maxTokens'" },
        { "{'maxTokens':2147483648}", "SerializationException" },
        { "{'maxTokens':'1'}", "SerializationException: STRING_VALUE can not be converted to an Integer" },
        { "{'maxTokens':true}", "SerializationException: TRUE_VALUE can not be converted to an Integer" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char body[256];
        snprintf(body, sizeof body, "{'messages':[],'inferenceConfig':%s}", rows[i].config);
        assert_tells(converse(body), rows[i].text);
    }
}

static void a_wrong_type_ends_the_check(void **state)
{
    (void)state;
    assert_tells(converse("{'messages':'Hello'}"), "SerializationException: Expected list or null at 'messages'");
    assert_tells(converse("{'messages':{}}"), "SerializationException: Start of structure or map found where not expected at 'messages'");
    assert_tells(converse("{'messages':[[]]}"), "SerializationException: Start of list found where not expected at 'messages.1.member'");
    assert_tells(converse("{'messages':[{'role':1,'content':[]}]}"),
                 "SerializationException: NUMBER_VALUE can not be converted to a String at 'messages.1.member.role'");
}

static void a_union_has_exactly_one_member(void **state)
{
    (void)state;
    assert_tells(converse("{'messages':[{'role':'user','content':[{}]}]}"),
                 "'messages.1.member.content.1.member' failed to satisfy constraint: Member must have exactly one of its members set: [");
    assert_tells(converse("{'messages':[{'role':'user','content':[{'text':'a','cachePoint':{'type':'default'}}]}]}"), "exactly one");
}

static void names_of_tools_are_measured_and_matched(void **state)
{
    (void)state;
    static const char tool[] = "{'messages':[],'toolConfig':{'tools':[{'toolSpec':{'name':'%s','inputSchema':{'json':{}}}}]}}";
    char body[512], name[80];
    memset(name, 'a', 65);
    name[65] = '\0';
    name[3] = '.';
    snprintf(body, sizeof body, tool, name);
    assert_tells(converse(body), "at 'toolConfig.tools.1.member.toolSpec.name' failed to satisfy constraint: Member must have length "
                                 "less than or equal to 64");
    name[64] = '\0';
    snprintf(body, sizeof body, tool, name);
    assert_tells(converse(body), "Member must satisfy regular expression pattern: [a-zA-Z0-9_-]+");
    name[3] = '_';
    snprintf(body, sizeof body, tool, name);
    assert_string_equal(converse(body), "ok");
}

static void scalars_in_a_list_are_the_lists_fault(void **state)
{
    (void)state;
    assert_tells(converse("{'messages':[],'inferenceConfig':{'stopSequences':['a','']}}"),
                 "1 validation error detected: Value '[a, ]' at 'inferenceConfig.stopSequences' failed to satisfy constraint: "
                 "Member must satisfy constraint: [Member must have length greater than or equal to 1]");
}

static void sensitive_values_are_not_repeated(void **state)
{
    (void)state;
    const char *text = converse("{'messages':[],'requestMetadata':{'secret!':'x'}}");
    assert_tells(text, "Value at 'requestMetadata' failed to satisfy constraint: Map keys must satisfy constraint: [");
    assert_null(strstr(text, "secret!"));
}

static void lengths_count_characters(void **state)
{
    (void)state;
    /* A guardrail's name takes 50 characters; 50 times ü is 100 bytes, and is refused by the pattern alone. */
    char body[512] = "{'name':'";
    for (int i = 0; i < 50; i++)
        memcpy(body + strlen(body), "ü", 3);
    strncat(body, "','blockedInputMessaging':'a','blockedOutputsMessaging':'b'}", sizeof body - strlen(body) - 1);
    const char *text = said("CreateGuardrail", "", NULL, body);
    assert_tells(text, "1 validation error detected");
    assert_tells(text, "regular expression pattern: [0-9a-zA-Z-_]+");
}

static void queries_and_labels_are_checked(void **state)
{
    (void)state;
    assert_string_equal(said("ListFoundationModels", "", "byProvider=Amazon&byInferenceType=ON_DEMAND", NULL), "ok");
    assert_tells(said("ListFoundationModels", "", "byInferenceType=SOMETIMES", NULL),
                 "Value 'SOMETIMES' at 'byInferenceType' failed to satisfy constraint: Member must satisfy enum value set: [");
    assert_tells(said("ListGuardrails", "", "maxResults=0", NULL), "Member must have value greater than or equal to 1");
    assert_tells(said("ListGuardrails", "", "maxResults=x", NULL), "STRING_VALUE can not be converted to an Integer at 'maxResults'");
    assert_tells(said("ListModelCopyJobs", "", "outputModelNameContains=%21", NULL), "Value '!' at 'targetModelNameContains'");
    assert_tells(said("ListModelCopyJobs", "", "creationTimeAfter=soon", NULL), "can not be converted to a Timestamp");
    assert_string_equal(said("ListModelCopyJobs", "", "creationTimeAfter=2025-01-02T03%3A04%3A05Z", NULL), "ok");
    assert_tells(said("GetGuardrail", "NO", NULL, NULL), "Value 'NO' at 'guardrailIdentifier' failed to satisfy constraint");
}

static void model_ids_and_role_names_are_left_to_their_handlers(void **state)
{
    (void)state;
    assert_string_equal(said("Converse", "My Model_1.q4/x", NULL, "{'messages':[]}"), "ok");
    assert_tells(said("CreateModelImportJob", "", NULL,
                      "{'jobName':'j','importedModelName':'m','roleArn':'role',"
                      "'modelDataSource':{'s3DataSource':{'s3Uri':'s3://bucket/k'}}}"),
                 "ok");
}

static void many_errors_are_counted_but_not_all_told(void **state)
{
    (void)state;
    struct buf body = BUF_INIT(1u << 20);
    buf_append_cstr(&body, "{'messages':[");
    for (int i = 0; i < 1000; i++)
        buf_append_cstr(&body, i > 0 ? ",{'role':'x','content':[]}" : "{'role':'x','content':[]}");
    buf_append(&body, "]}", 3);
    const char *text = converse(body.ptr);
    assert_tells(text, "1000 validation errors detected: ");
    assert_true(strlen(text) < 20000);
    buf_free(&body);
}

static void a_hostile_value_is_refused_and_not_pondered(void **state)
{
    (void)state;
    /* This pattern backtracks without end on runs of dashes. */
    char name[64];
    memset(name, '-', sizeof name - 1);
    name[0] = 'a';
    name[61] = '!';
    name[62] = '\0';
    const struct operation *operation = aws_operation_find(VIEW("CreateModelCustomizationJob"));
    const struct shape *shape = shape_at(shape_member_find(operation->input, VIEW("jobName"))->shape);
    assert_false(shape_pattern_matches(shape->pattern, view_from_cstr(name)));
    assert_true(shape_pattern_matches(shape->pattern, VIEW("a-job+1.2")));
}

static void deep_input_is_walked(void **state)
{
    (void)state;
    struct buf body = BUF_INIT(1u << 20);
    buf_append_cstr(&body, "{'retrievalQuery':{'text':'a'},'retrievalConfiguration':{'vectorSearchConfiguration':{'filter':");
    for (int i = 0; i < 200; i++)
        buf_append_cstr(&body, "{'andAll':[{'orAll':[],'x':1},");
    buf_append_cstr(&body, "{}");
    for (int i = 0; i < 200; i++)
        buf_append_cstr(&body, "]}");
    buf_append(&body, "}}}", 4);
    assert_tells(said("Retrieve", "KB12345678", NULL, body.ptr), "validation errors detected");
    buf_free(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pattern_of_the_api_compiles),
        cmocka_unit_test(a_plain_conversation_is_good),
        cmocka_unit_test(unknown_members_and_nulls_are_passed_over),
        cmocka_unit_test(a_missing_member_is_null),
        cmocka_unit_test(an_unlisted_word_names_the_whole_set),
        cmocka_unit_test(numbers_have_edges),
        cmocka_unit_test(a_wrong_type_ends_the_check),
        cmocka_unit_test(a_union_has_exactly_one_member),
        cmocka_unit_test(names_of_tools_are_measured_and_matched),
        cmocka_unit_test(scalars_in_a_list_are_the_lists_fault),
        cmocka_unit_test(sensitive_values_are_not_repeated),
        cmocka_unit_test(lengths_count_characters),
        cmocka_unit_test(queries_and_labels_are_checked),
        cmocka_unit_test(model_ids_and_role_names_are_left_to_their_handlers),
        cmocka_unit_test(many_errors_are_counted_but_not_all_told),
        cmocka_unit_test(a_hostile_value_is_refused_and_not_pondered),
        cmocka_unit_test(deep_input_is_walked),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
