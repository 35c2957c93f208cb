#include "body.h"

#include "elastic/config.h"

#define KEYS   "'access_key': 'AK', 'secret_key': 'SK', 'region': 'us-east-1'"
#define TITAN  "'service_settings': {" KEYS ", 'provider': 'amazontitan', 'model': 'm'}"
#define COHERE "'service_settings': {" KEYS ", 'provider': 'cohere', 'model': 'm'}"

static int make_arena(void **state)
{
    *state = arena_create(8 << 20);
    return *state == NULL;
}

static int drop_arena(void **state)
{
    arena_destroy(*state);
    return 0;
}

struct outcome {
    bool ok;
    struct elastic_error error;
    struct endpoint endpoint;
    struct key_pair keys;
};

static const struct view server_urls[] = { VIEW_INIT("https://bedrock.example.com"), VIEW_INIT("http://127.0.0.1:4747") };
static const struct url_list servers = { server_urls, 2 };

static struct outcome put_as(struct arena *arena, const char *id, enum elastic_task task, const char *body)
{
    struct outcome out;
    error_init(&out.error, arena);
    out.ok = config_read(body_of(arena, body), task, view_from_cstr(id), &servers, &out.error, &out.endpoint, &out.keys);
    assert_int_equal(out.ok, !error_is_set(&out.error));
    return out;
}

static struct outcome put(struct arena *arena, enum elastic_task task, const char *body)
{
    return put_as(arena, "my-endpoint", task, body);
}

static const char *document(struct arena *arena, const struct endpoint *endpoint)
{
    struct buf text = BUF_INIT(65536);
    struct json_writer out;
    json_writer_init(&out, &text);
    endpoint_write(endpoint, &out);
    assert_false(json_writer_failed(&out));
    const char *copy = quoted(arena, buf_view(&text));
    buf_free(&text);
    return copy;
}

/* ---- what is refused ---- */

struct refusal {
    enum elastic_task task;
    const char *body;
    const char *type, *reason;
};

static const struct refusal refusals[] = {
    /* top level */
    { TASK_COMPLETION, "{" TITAN "}", ERROR_STATUS, "Inference endpoint configuration is missing the [service] setting" },
    { TASK_COMPLETION, "{'service': 'openai', " TITAN "}", ERROR_STATUS, "Unknown service [openai]" },
    { TASK_COMPLETION, "{'service': 7, " TITAN "}", ERROR_STATUS, "Unknown service [7]" },
    { TASK_COMPLETION, "{'service': 'amazonbedrock'}", ERROR_STATUS, "Missing required field [service_settings]" },
    { TASK_COMPLETION, "{'service': 'amazonbedrock', 'service_settings': [1, 'a']}", ERROR_STATUS,
      "field [service_settings] is not of the expected type. The value [[1, a]] cannot be converted to a [Map]" },
    { TASK_COMPLETION, "{'service': 'amazonbedrock', 'task_settings': 'x', " TITAN "}", ERROR_STATUS,
      "field [task_settings] is not of the expected type. The value [x] cannot be converted to a [Map]" },
    { TASK_COMPLETION, "{'service': 'amazonbedrock', 'extra': {'a': [true, null]}, " TITAN "}", ERROR_STATUS,
      "Configuration contains settings [{extra={a=[true, null]}}] unknown to the [amazonbedrock] service" },
    { TASK_COMPLETION, "{'service': 'amazonbedrock', 'chunking_settings': {'strategy': 'word'}, " TITAN "}", ERROR_STATUS,
      "Configuration contains settings [{chunking_settings={strategy=word}}] unknown to the [amazonbedrock] service" },
    { TASK_ANY, "{'service': 'amazonbedrock', " TITAN "}", ERROR_STATUS, "model is missing required setting [task_type]" },
    { TASK_ANY, "{'service': 'amazonbedrock', 'task_type': 'dreaming', " TITAN "}", ERROR_STATUS, "Unknown task_type [dreaming]" },
    { TASK_COMPLETION, "{'service': 'amazonbedrock', 'task_type': 'text_embedding', " TITAN "}", ERROR_STATUS,
      "Cannot resolve conflicting task_type parameter in the request URL [completion] and the request body [text_embedding]" },
    { TASK_RERANK, "{'service': 'amazonbedrock', " TITAN "}", ERROR_STATUS, "The [amazonbedrock] service does not support task type "
                                                                            "[rerank]" },

    /* service settings: every problem in one reply */
    { TASK_COMPLETION, "{'service': 'amazonbedrock', 'service_settings': {}}", ERROR_VALIDATION,
      "Validation Failed: 1: [service_settings] does not contain the required setting [model];"
      "2: [service_settings] does not contain the required setting [region];"
      "3: [service_settings] does not contain the required setting [provider];"
      "4: [service_settings] does not contain the required setting [access_key];"
      "5: [service_settings] does not contain the required setting [secret_key];" },
    { TASK_COMPLETION, "{'service': 'amazonbedrock', 'service_settings': {'model': '', 'region': 4, 'provider': 'ACME', "
                       "'access_key': null, 'secret_key': ''}}",
      ERROR_VALIDATION,
      "Validation Failed: 1: [service_settings] Invalid value empty string. [model] must be a non-empty string;"
      "2: field [region] is not of the expected type. The value [4] cannot be converted to a [String];"
      "3: [service_settings] Invalid value [ACME] received. [provider] must be one of [ai21labs, amazontitan, anthropic, cohere, meta, "
      "mistral];"
      "4: [service_settings] does not contain the required setting [access_key];"
      "5: [service_settings] Invalid value empty string. [secret_key] must be a non-empty string;" },
    { TASK_COMPLETION, "{'service': 'amazonbedrock', 'service_settings': {" KEYS ", 'provider': 'meta', 'model': 'm', 'rate_limit': "
                       "{'requests_per_minute': 0}}}",
      ERROR_VALIDATION,
      "Validation Failed: 1: [rate_limit] Invalid value [0]. [requests_per_minute] must be a positive long;" },
    { TASK_COMPLETION, "{'service': 'amazonbedrock', 'service_settings': {" KEYS ", 'provider': 'meta', 'model': 'm', 'rate_limit': "
                       "{'requests_per_minute': 1.5}}}",
      ERROR_VALIDATION,
      "Validation Failed: 1: field [requests_per_minute] is not of the expected type. The value [1.5] cannot be converted to a [Long];" },
    { TASK_COMPLETION, "{'service': 'amazonbedrock', 'service_settings': {" KEYS ", 'provider': 'meta', 'model': 'm', 'rate_limit': 5}}",
      ERROR_VALIDATION, "Validation Failed: 1: field [rate_limit] is not of the expected type. The value [5] cannot be converted to "
                        "a [Map];" },
    { TASK_COMPLETION, "{'service': 'amazonbedrock', 'service_settings': {" KEYS ", 'provider': 'meta', 'model': 'm', 'rate_limit': "
                       "{'x': 1}}}",
      ERROR_STATUS, "Configuration contains settings [{x=1}] unknown to the [amazonbedrock] service" },
    { TASK_TEXT_EMBEDDING, "{'service': 'amazonbedrock', 'service_settings': {" KEYS ", 'provider': 'amazontitan', 'model': 'm', "
                           "'similarity': 'taxi', 'max_input_tokens': -1}}",
      ERROR_VALIDATION,
      "Validation Failed: 1: [service_settings] Invalid value [taxi] received. [similarity] must be one of [cosine, dot_product, l2_norm];"
      "2: [service_settings] Invalid value [-1]. [max_input_tokens] must be a positive integer;" },
    { TASK_TEXT_EMBEDDING, "{'service': 'amazonbedrock', 'service_settings': {" KEYS ", 'provider': 'amazontitan', 'model': 'm', "
                           "'dimensions': 256}}",
      ERROR_STATUS,
      "Configuration contains settings [{dimensions=256}] unknown to the [amazonbedrock] service" },
    { TASK_COMPLETION, "{'service': 'amazonbedrock', 'service_settings': {" KEYS ", 'provider': 'meta', 'model': 'm', 'similarity': "
                       "'cosine'}}",
      ERROR_STATUS, "Configuration contains settings [{similarity=cosine}] unknown to the [amazonbedrock] service" },
    { TASK_COMPLETION, "{'service': 'amazonbedrock', 'service_settings': {" KEYS ", 'provider': 'meta', 'model': 'm', 'endpoint_url': "
                       "'http://elsewhere'}}",
      ERROR_VALIDATION,
      "Validation Failed: 1: [service_settings] Invalid value [http://elsewhere] received. [endpoint_url] must be one that the setting "
      "elastic.endpoint_urls of this server names;" },

    /* task settings */
    { TASK_COMPLETION, "{'service': 'amazonbedrock', " COHERE ", 'task_settings': {'temperature': 1, 'top_p': 1.5, 'top_k': -0.5, "
                       "'max_new_tokens': 0}}",
      ERROR_VALIDATION,
      "Validation Failed: 1: field [temperature] is not of the expected type. The value [1] cannot be converted to a [Double];"
      "2: [task_settings] Invalid value [1.5]. [top_p] must be a less than or equal to [1.0];"
      "3: [task_settings] Invalid value [-0.5]. [top_k] must be a greater than or equal to [0.0];"
      "4: [task_settings] Invalid value [0]. [max_new_tokens] must be a positive integer;" },
    { TASK_COMPLETION, "{'service': 'amazonbedrock', " COHERE ", 'task_settings': {'temperature': 'hot', 'top_p': 2.0, "
                       "'max_new_tokens': 64.0}}",
      ERROR_VALIDATION,
      "Validation Failed: 1: field [temperature] is not of the expected type. The value [hot] cannot be converted to a [Double];"
      "2: [task_settings] Invalid value [2.0]. [top_p] must be a less than or equal to [1.0];"
      "3: field [max_new_tokens] is not of the expected type. The value [64.0] cannot be converted to a [Integer];" },
    { TASK_COMPLETION, "{'service': 'amazonbedrock', " COHERE ", 'task_settings': {'truncate': 'END'}}", ERROR_STATUS,
      "Configuration contains settings [{truncate=END}] unknown to the [amazonbedrock] service" },
    { TASK_COMPLETION, "{'service': 'amazonbedrock', " TITAN ", 'task_settings': {'top_k': 0.5}}", ERROR_STATUS,
      "The [top_k] task parameter is not available for provider [amazontitan]" },
    { TASK_TEXT_EMBEDDING, "{'service': 'amazonbedrock', " COHERE ", 'task_settings': {'truncate': 'MIDDLE'}}", ERROR_VALIDATION,
      "Validation Failed: 1: [task_settings] Invalid value [MIDDLE] received. [truncate] must be one of [END, NONE, START];" },
    { TASK_TEXT_EMBEDDING, "{'service': 'amazonbedrock', " TITAN ", 'task_settings': {'truncate': 'END'}}", ERROR_STATUS,
      "The [text_embedding] task type for provider [amazontitan] does not allow [truncate] field" },
};

static void each_wrong_configuration_gets_its_message(void **state)
{
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        struct outcome out = put(*state, refusals[i].task, refusals[i].body);
        assert_false(out.ok);
        assert_int_equal(out.error.status, 400);
        assert_string_equal(out.error.reason, refusals[i].reason);
        assert_string_equal(out.error.type, refusals[i].type);
    }
}

static void embeddings_are_for_titan_and_cohere_alone(void **state)
{
    static const char *const others[] = { "anthropic", "ai21labs", "meta", "mistral" };
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        const char *body = arena_printf(*state, "{'service': 'amazonbedrock', 'service_settings': {" KEYS ", 'provider': '%s', "
                                                "'model': 'm'}}",
                                        others[i]);
        assert_true(put(*state, TASK_COMPLETION, body).ok);
        assert_true(put(*state, TASK_CHAT_COMPLETION, body).ok);
        struct outcome out = put(*state, TASK_TEXT_EMBEDDING, body);
        assert_string_equal(out.error.reason,
                            arena_printf(*state, "The [text_embedding] task type for provider [%s] is not available", others[i]));
    }
    assert_true(put(*state, TASK_TEXT_EMBEDDING, "{'service': 'amazonbedrock', " TITAN "}").ok);
    assert_true(put(*state, TASK_TEXT_EMBEDDING, "{'service': 'amazonbedrock', " COHERE "}").ok);
}

static void top_k_is_for_anthropic_cohere_and_mistral(void **state)
{
    for (int i = 0; i < PROVIDER_COUNT; i++) {
        const struct provider *provider = provider_get((enum elastic_provider)i);
        const char *body = arena_printf(*state, "{'service': 'amazonbedrock', 'service_settings': {" KEYS ", 'provider': '%s', "
                                                "'model': 'm'}, "
                                                "'task_settings': {'top_k': 0.1}}",
                                        provider->name);
        bool has = i == PROVIDER_ANTHROPIC || i == PROVIDER_COHERE || i == PROVIDER_MISTRAL;
        assert_int_equal(put(*state, TASK_COMPLETION, body).ok, has);
    }
}

static void ids_are_checked(void **state)
{
    static const char *const wrong[] = { "", "Big", "-a", "a-", "a b", "ä", "a/b", ".a" };
    static const char *const right[] = { "a", "amazon_bedrock_embeddings", "a.b-c_9", "7" };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct outcome out = put_as(*state, wrong[i], TASK_COMPLETION, "{'service': 'amazonbedrock', " TITAN "}");
        assert_string_equal(out.error.reason,
                            arena_printf(*state, "Validation Failed: 1: Invalid inference_id; '%s' can contain lowercase "
                                                 "alphanumeric (a-z and "
                                                 "0-9), hyphens or underscores; must start and end with alphanumeric;",
                                         wrong[i]));
        assert_string_equal(out.error.type, ERROR_REQUEST);
    }
    for (size_t i = 0; i < COUNT_OF(right); i++)
        assert_true(put_as(*state, right[i], TASK_COMPLETION, "{'service': 'amazonbedrock', " TITAN "}").ok);
}

static void hundreds_of_unknown_settings_are_told_without_end(void **state)
{
    struct buf text = BUF_INIT(1 << 20);
    buf_append_cstr(&text, "{'service': 'amazonbedrock', " TITAN);
    for (int i = 0; i < 3000; i++)
        buf_printf(&text, ", 'k%d': %d", i, i);
    buf_append_byte(&text, '}');
    buf_append_byte(&text, '\0');
    struct outcome out = put(*state, TASK_COMPLETION, text.ptr);
    buf_free(&text);
    assert_string_equal(out.error.reason, "Configuration contains settings [{…}] unknown to the [amazonbedrock] service");
}

/* ---- what is taken ---- */

static void the_document_of_an_embedding_endpoint(void **state)
{
    struct outcome out = put(*state, TASK_TEXT_EMBEDDING,
                             "{'service': 'amazonbedrock', 'service_settings': {" KEYS ", 'provider': 'Cohere', 'model': 'cohere.embed', "
                             "'rate_limit': {'requests_per_minute': 10}, 'similarity': 'dot_product', 'max_input_tokens': 512}, "
                             "'task_settings': {'truncate': 'end'}}");
    out.endpoint.dimensions = 1024;
    assert_string_equal(document(*state, &out.endpoint),
                        "{'inference_id':'my-endpoint','task_type':'text_embedding','service':'amazonbedrock','service_settings':{"
                        "'region':'us-east-1','model':'cohere.embed','provider':'COHERE','rate_limit':{'requests_per_minute':10},"
                        "'dimensions':1024,'max_input_tokens':512,'similarity':'dot_product'},'task_settings':{'truncate':'END'},"
                        "'chunking_settings':{'strategy':'sentence','max_chunk_size':250,'sentence_overlap':1}}");
}

static void the_document_of_a_completion_endpoint_has_defaults_and_no_secrets(void **state)
{
    struct outcome out = put(*state, TASK_ANY, "{'task_type': 'completion', 'service': 'amazonbedrock', " TITAN "}");
    assert_string_equal(document(*state, &out.endpoint),
                        "{'inference_id':'my-endpoint','task_type':'completion','service':'amazonbedrock','service_settings':{"
                        "'region':'us-east-1','model':'m','provider':'AMAZONTITAN','rate_limit':{'requests_per_minute':240}}}");
    assert_view_is(out.keys.secret_key, "SK");
}

static void a_server_that_the_configuration_names_may_be_chosen(void **state)
{
    struct outcome out = put(*state, TASK_COMPLETION, "{'service': 'amazonbedrock', 'service_settings': {" KEYS ", 'provider': 'meta', "
                                                      "'model': 'm', 'endpoint_url': 'https://bedrock.example.com/'}}");
    assert_true(out.ok);
    assert_view_is(out.endpoint.url, "https://bedrock.example.com");
    assert_non_null(strstr(document(*state, &out.endpoint), "'rate_limit':{'requests_per_minute':240},"
                                                            "'endpoint_url':'https://bedrock.example.com'}"));
}

static void task_settings_are_echoed_as_decimals(void **state)
{
    struct outcome out = put(*state, TASK_CHAT_COMPLETION, "{'service': 'amazonbedrock', " COHERE ", 'task_settings': {'temperature': 1.0, "
                                                           "'top_p': 0.0, 'top_k': 0.25, 'max_new_tokens': 7}}");
    const char *text = document(*state, &out.endpoint);
    assert_non_null(strstr(text, "'task_settings':{'temperature':1.0,'top_p':0.0,'top_k':0.25,'max_new_tokens':7}"));
}

static void a_record_reads_back_as_it_was(void **state)
{
    struct outcome out = put(*state, TASK_TEXT_EMBEDDING,
                             "{'service': 'amazonbedrock', " COHERE ", 'task_settings': {'truncate': 'START'}, 'chunking_settings': "
                             "{'strategy': "
                             "'recursive', 'max_chunk_size': 20, 'separators': ['a', 'b']}}");
    struct buf text = BUF_INIT(65536);
    struct json_writer json;
    struct endpoint back;
    out.endpoint.dimensions = 384;
    out.endpoint.secrets = VIEW("sealed");
    json_writer_init(&json, &text);
    endpoint_write_record(&out.endpoint, &json);
    assert_false(json_writer_failed(&json));
    assert_true(endpoint_read_record(*state, buf_view(&text), &back));
    assert_int_equal(view_find(buf_view(&text), VIEW("SK")), VIEW_NPOS);
    buf_free(&text);
    assert_string_equal(document(*state, &back), document(*state, &out.endpoint));
    assert_view_is(back.secrets, "sealed");
    assert_view_is(back.access_key, "AK");
    assert_memory_equal(back.credentials, out.endpoint.credentials, SHA256_SIZE);
    assert_false(endpoint_read_record(*state, VIEW("{}"), &back));
    assert_false(endpoint_read_record(*state, VIEW("nonsense"), &back));
}

static void a_digest_depends_on_both_keys(void **state)
{
    uint8_t one[SHA256_SIZE], two[SHA256_SIZE], three[SHA256_SIZE];
    (void)state;
    endpoint_digest(&(struct key_pair){ VIEW("AK"), VIEW("SK") }, one);
    endpoint_digest(&(struct key_pair){ VIEW("AKS"), VIEW("K") }, two);
    endpoint_digest(&(struct key_pair){ VIEW("AK"), VIEW("SL") }, three);
    assert_memory_not_equal(one, two, SHA256_SIZE);
    assert_memory_not_equal(one, three, SHA256_SIZE);
}

/* ---- _update ---- */

struct change {
    bool ok, changed;
    struct elastic_error error;
    struct endpoint endpoint;
    struct key_pair keys;
};

static struct change update(struct arena *arena, const char *before, enum elastic_task task, const char *body)
{
    struct change change;
    struct outcome out = put(arena, TASK_COMPLETION, before);
    assert_true(out.ok);
    change.endpoint = out.endpoint;
    error_init(&change.error, arena);
    change.ok = config_update(body_of(arena, body), task, &change.error, &change.endpoint, &change.keys, &change.changed);
    return change;
}

#define BEFORE "{'service': 'amazonbedrock', " COHERE ", 'task_settings': {'temperature': 0.5, 'max_new_tokens': 9}}"

static void an_update_merges_field_by_field(void **state)
{
    struct change change = update(*state, BEFORE, TASK_ANY, "{'service_settings': {'rate_limit': {'requests_per_minute': 3}}, "
                                                            "'task_settings': "
                                                            "{'max_new_tokens': 11}}");
    assert_true(change.ok);
    assert_true(change.changed);
    assert_int_equal(change.endpoint.requests_per_minute, 3);
    assert_int_equal(change.endpoint.settings.max_new_tokens, 11);
    assert_true(change.endpoint.settings.temperature == 0.5);
    assert_int_equal(change.keys.secret_key.len, 0);
}

static void an_update_changes_both_keys_or_none(void **state)
{
    struct change both = update(*state, BEFORE, TASK_ANY, "{'service_settings': {'access_key': 'A2', 'secret_key': 'S2'}}");
    struct change one = update(*state, BEFORE, TASK_ANY, "{'service_settings': {'access_key': 'A2'}}");
    struct change other = update(*state, BEFORE, TASK_ANY, "{'service_settings': {'secret_key': 'S2'}}");
    assert_true(both.ok);
    assert_view_is(both.endpoint.access_key, "A2");
    assert_view_is(both.keys.secret_key, "S2");
    assert_string_equal(one.error.reason, "Validation Failed: 1: [service_settings] does not contain the required setting [secret_key];");
    assert_string_equal(other.error.reason, "Validation Failed: 1: [service_settings] does not contain the required setting [access_key];");
}

static void an_update_cannot_change_what_the_endpoint_is(void **state)
{
    static const struct {
        enum elastic_task task;
        const char *body, *reason;
    } cases[] = {
        { TASK_ANY, "{'service_settings': {'model': 'x'}}",
          "Configuration contains settings [{model=x}] unknown to the [amazonbedrock] service" },
        { TASK_ANY, "{'task_type': 'text_embedding'}",
          "Task type must match the task type of the existing endpoint. Existing type: [completion], given: [text_embedding]" },
        { TASK_TEXT_EMBEDDING, "{}",
          "Task type must match the task type of the existing endpoint. Existing type: [completion], given: [text_embedding]" },
        { TASK_ANY, "{'service': 'openai'}", "Unknown service [openai]" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct change change = update(*state, BEFORE, cases[i].task, cases[i].body);
        assert_false(change.ok);
        assert_string_equal(change.error.reason, cases[i].reason);
    }
    struct change nothing = update(*state, BEFORE, TASK_COMPLETION, "{'service': 'amazonbedrock', 'task_type': 'completion'}");
    assert_true(nothing.ok);
    assert_false(nothing.changed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_wrong_configuration_gets_its_message, make_arena, drop_arena),
        cmocka_unit_test_setup_teardown(embeddings_are_for_titan_and_cohere_alone, make_arena, drop_arena),
        cmocka_unit_test_setup_teardown(top_k_is_for_anthropic_cohere_and_mistral, make_arena, drop_arena),
        cmocka_unit_test_setup_teardown(ids_are_checked, make_arena, drop_arena),
        cmocka_unit_test_setup_teardown(hundreds_of_unknown_settings_are_told_without_end, make_arena, drop_arena),
        cmocka_unit_test_setup_teardown(the_document_of_an_embedding_endpoint, make_arena, drop_arena),
        cmocka_unit_test_setup_teardown(the_document_of_a_completion_endpoint_has_defaults_and_no_secrets, make_arena, drop_arena),
        cmocka_unit_test_setup_teardown(a_server_that_the_configuration_names_may_be_chosen, make_arena, drop_arena),
        cmocka_unit_test_setup_teardown(task_settings_are_echoed_as_decimals, make_arena, drop_arena),
        cmocka_unit_test_setup_teardown(a_record_reads_back_as_it_was, make_arena, drop_arena),
        cmocka_unit_test(a_digest_depends_on_both_keys),
        cmocka_unit_test_setup_teardown(an_update_merges_field_by_field, make_arena, drop_arena),
        cmocka_unit_test_setup_teardown(an_update_changes_both_keys_or_none, make_arena, drop_arena),
        cmocka_unit_test_setup_teardown(an_update_cannot_change_what_the_endpoint_is, make_arena, drop_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
