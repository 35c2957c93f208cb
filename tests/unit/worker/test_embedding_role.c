/* craton-worker with the default embedding model, imported into a folder that goes away again. */
#include "unit.h"
#include "worker_client.h"

#include <math.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_MS   120000
#define POSITIONS 512

static struct client client;
static char folder[64];

static bool import(const char *target)
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        if (freopen("/dev/null", "w", stdout) != NULL)
            execl(TEST_WORKER, TEST_WORKER, "--role=import", "--layout=keep", TEST_E5, target, (char *)NULL);
        _exit(127);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static int start(void **state)
{
    (void)state;
    char target[96], load[512];
    snprintf(folder, sizeof(folder), "%s", "/tmp/craton-embedding-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(target, sizeof(target), "%s/e5", folder);
    snprintf(load, sizeof(load),
             "{\"path\":\"%s/model.gguf\",\"embedding\":true,\"threads\":2,\"query_prefix\":\"query: \","
             "\"document_prefix\":\"passage: \"}",
             target);
    return import(target) && client_start(&client, TEST_WORKER) && client_load(&client, load, 2) ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    static const char *const files[] = { "e5/model.gguf", "e5/model.json", "e5", "." };
    char path[128];
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
        remove(i + 1 < COUNT_OF(files) ? path : folder);
    }
    return client_stop(&client) == 0 ? 0 : -1;
}

static int forget_all(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < CLIENT_MAX_STREAMS; i++)
        client_forget(&client, i);
    return 0;
}

static struct model_request embed(const struct view *texts, size_t count, enum embed_truncate truncate)
{
    struct model_request request;
    model_request_init(&request);
    request.kind = MODEL_EMBED;
    request.embed.texts = texts;
    request.embed.text_count = count;
    request.embed.truncate = truncate;
    return request;
}

static struct client_call *ask(uint32_t stream, const struct model_request *request)
{
    client_forget(&client, stream);
    client_call(&client, stream, request);
    assert_true(client_wait(&client, stream, stream, WAIT_MS));
    return &client.calls[stream];
}

static float cosine(const struct client_call *a, size_t i, const struct client_call *b, size_t j)
{
    double sum = 0;
    for (size_t k = 0; k < a->dimensions; k++)
        sum += (double)a->vectors[i * a->dimensions + k] * (double)b->vectors[j * b->dimensions + k];
    return (float)sum;
}

static void meanings_are_near_across_languages_and_vectors_have_length_one(void **state)
{
    (void)state;
    static const struct view texts[] = {
        VIEW_INIT("\xe5\xaf\xb9\xe4\xb8\x8d\xe8\xb5\xb7"),      /* I am sorry */
        VIEW_INIT("\xe6\x8a\xb1\xe6\xad\x89"),                  /* sorry */
        VIEW_INIT("I apologize"),
        VIEW_INIT("the weather"),
    };
    struct model_request request = embed(texts, COUNT_OF(texts), EMBED_TRUNCATE_WINDOWS);
    struct client_call *call = ask(1, &request);
    assert_int_equal(call->end.status, ENGINE_OK);
    assert_int_equal(call->count, COUNT_OF(texts));
    assert_int_equal(call->dimensions, client.dimensions);
    assert_int_equal(call->dimensions, 384);
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        assert_true(fabsf(cosine(call, i, call, i) - 1) < 1e-4f);
    assert_true(cosine(call, 0, call, 1) > cosine(call, 0, call, 3));
    assert_true(cosine(call, 0, call, 2) > cosine(call, 0, call, 3));
}

static void batch_gives_each_text_the_vector_it_has_alone(void **state)
{
    (void)state;
    struct view texts[40];
    struct buf all = BUF_INIT(1 << 16);
    size_t ends[41] = { 0 };
    for (size_t i = 0; i < 40; i++) {
        for (size_t word = 0; word <= i; word++)
            buf_printf(&all, "%s%zu ", i % 2 ? "house" : "river", word * i);
        ends[i + 1] = all.len;
    }
    for (size_t i = 0; i < 40; i++)
        texts[i] = view_of(all.ptr + ends[i], ends[i + 1] - ends[i]);
    struct model_request request = embed(texts, 40, EMBED_TRUNCATE_WINDOWS);
    struct client_call *together = ask(1, &request);
    assert_int_equal(together->count, 40);
    int64_t sum = 0;
    for (size_t i = 0; i < 40; i++) {
        struct model_request single = embed(&texts[i], 1, EMBED_TRUNCATE_WINDOWS);
        struct client_call *alone = ask(2, &single);
        assert_true(cosine(alone, 0, together, i) > 0.9999f);
        assert_int_equal(alone->token_counts[0], together->token_counts[i]);
        sum += together->token_counts[i];
    }
    assert_int_equal(together->end.usage.input_tokens, sum);
    buf_free(&all);
}

static void query_and_document_have_their_own_prefixes(void **state)
{
    (void)state;
    struct view text = VIEW("How tall is the tower?");
    struct model_request request = embed(&text, 1, EMBED_TRUNCATE_WINDOWS);
    request.embed.purpose = EMBED_QUERY;
    struct client_call *query = ask(1, &request);
    request.embed.purpose = EMBED_DOCUMENT;
    struct client_call *document = ask(2, &request);
    request.embed.purpose = EMBED_SYMMETRIC;
    struct client_call *symmetric = ask(3, &request);
    assert_true(cosine(query, 0, document, 0) < 0.999f);
    assert_true(cosine(query, 0, symmetric, 0) > 0.9999f);
}

/* A text of `words` words, whose first and second half speak of different things. */
static void add_two_topics(struct buf *text, size_t words)
{
    for (size_t i = 0; i < words; i++)
        buf_append_cstr(text, i < words / 2 ? "guitar music concert " : "soup bread kitchen ");
}

static void long_text_is_cut_as_the_request_wants_it(void **state)
{
    (void)state;
    struct buf text = BUF_INIT(1 << 16);
    add_two_topics(&text, 600);
    struct view texts[] = { buf_view(&text), VIEW("guitar music concert"), VIEW("soup bread kitchen") };
    struct model_request request = embed(texts, 3, EMBED_TRUNCATE_WINDOWS);
    struct client_call *windows = ask(1, &request);
    request.embed.truncate = EMBED_TRUNCATE_END;
    struct client_call *end = ask(2, &request);
    request.embed.truncate = EMBED_TRUNCATE_START;
    struct client_call *start_cut = ask(3, &request);
    request.embed.truncate = EMBED_TRUNCATE_REFUSE;
    struct client_call *refused = ask(4, &request);

    assert_true(windows->token_counts[0] > 3 * POSITIONS);
    assert_int_equal(end->token_counts[0], POSITIONS);
    assert_int_equal(start_cut->token_counts[0], POSITIONS);
    assert_int_equal(refused->end.status, ENGINE_TOO_LONG);
    /* What is kept decides what the vector is near to; the windows' average stands between both. */
    assert_true(cosine(end, 0, end, 1) > cosine(end, 0, end, 2) + 0.01f);
    assert_true(cosine(start_cut, 0, start_cut, 2) > cosine(start_cut, 0, start_cut, 1) + 0.01f);
    assert_true(cosine(windows, 0, end, 0) > cosine(start_cut, 0, end, 0));
    assert_true(cosine(windows, 0, start_cut, 0) > cosine(start_cut, 0, end, 0));
    assert_true(fabsf(cosine(windows, 0, windows, 0) - 1) < 1e-4f);
    buf_free(&text);
}

static void count_is_what_the_call_uses(void **state)
{
    (void)state;
    struct buf text = BUF_INIT(1 << 16);
    add_two_topics(&text, 300);
    struct view texts[] = { VIEW("hello"), buf_view(&text) };
    for (unsigned truncate = EMBED_TRUNCATE_WINDOWS; truncate <= EMBED_TRUNCATE_START; truncate++) {
        struct model_request request = embed(texts, 2, (enum embed_truncate)truncate);
        int64_t used = ask(1, &request)->end.usage.input_tokens;
        request.kind = MODEL_COUNT;
        request.count_embed = true;
        struct client_call *count = ask(2, &request);
        assert_int_equal(count->end.usage.input_tokens, used);
        assert_int_equal(count->count, 0);
    }
    buf_free(&text);
}

static void calls_side_by_side_keep_their_vectors(void **state)
{
    (void)state;
    static const struct view texts[] = { VIEW_INIT("a horse"), VIEW_INIT("the stock market"), VIEW_INIT("rain in spring") };
    for (uint32_t i = 0; i < 30; i++) {
        struct model_request request = embed(&texts[i % 3], 1, EMBED_TRUNCATE_WINDOWS);
        client_call(&client, i + 1, &request);
    }
    assert_true(client_wait(&client, 1, 30, WAIT_MS));
    for (uint32_t i = 3; i < 30; i++) {
        assert_true(cosine(&client.calls[i + 1], 0, &client.calls[i % 3 + 1], 0) > 0.9999f);
        assert_true(cosine(&client.calls[i + 1], 0, &client.calls[(i + 1) % 3 + 1], 0) < 0.99f);
    }
}

static void generation_is_refused_and_cancelling_what_has_ended_does_no_harm(void **state)
{
    (void)state;
    struct chat_part part = { .type = CHAT_TEXT, .text = VIEW("hello") };
    struct chat_message message = { .role = CHAT_USER, .parts = &part, .part_count = 1 };
    struct model_request request = client_generate(&message, 1, 5);
    assert_int_equal(ask(1, &request)->end.status, ENGINE_INVALID);
    client_send(&client, WIRE_CANCEL, 1, VIEW(""));
    struct view text = VIEW("still here");
    request = embed(&text, 1, EMBED_TRUNCATE_WINDOWS);
    assert_int_equal(ask(2, &request)->end.status, ENGINE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup(name, forget_all)
        TEST(meanings_are_near_across_languages_and_vectors_have_length_one),
        TEST(batch_gives_each_text_the_vector_it_has_alone),
        TEST(query_and_document_have_their_own_prefixes),
        TEST(long_text_is_cut_as_the_request_wants_it),
        TEST(count_is_what_the_call_uses),
        TEST(calls_side_by_side_keep_their_vectors),
        TEST(generation_is_refused_and_cancelling_what_has_ended_does_no_harm),
    };
    if (access(TEST_E5, R_OK) != 0) {
        print_message("the default embedding model is not in the cache: run make setup\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, start, stop);
}
