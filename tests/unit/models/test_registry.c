#include "shelf.h"

#include "models/manifest.h"

#include <pthread.h>

static int set_up(void **state)
{
    static struct shelf shelf;
    shelf_begin(&shelf);
    *state = &shelf;
    return 0;
}

static int tear_down(void **state)
{
    shelf_end(*state);
    return 0;
}

static void models_come_from_both_directories_and_the_scripted_one_is_always_there(void **state)
{
    struct shelf *shelf = *state;
    shelf_put(shelf->data, "mine", "{\"kind\":\"text\"}");
    shelf_open(shelf, (struct models_options){ 0 });
    struct models_snapshot *snapshot = models_acquire(shelf->models);
    static const char *const names[] = { "a-minilm", MODELS_SCRIPTED, "e5", "mine", "smollm2" };
    assert_int_equal(models_count(snapshot), COUNT_OF(names));
    for (size_t i = 0; i < COUNT_OF(names); i++)
        assert_view_is(models_at(snapshot, i)->name, names[i]);
    assert_null(models_at(snapshot, COUNT_OF(names)));
    assert_false(models_find(snapshot, VIEW("mine"))->shared);
    assert_true(models_find(snapshot, VIEW("e5"))->shared);
    assert_null(models_find(snapshot, VIEW("e6")));
    assert_view_is(models_find(snapshot, VIEW("smollm2"))->served_by, "smollm2; layout=Q8_0");
    assert_int_equal(models_find(snapshot, VIEW("smollm2"))->file_bytes, strlen("GGUF"));
    assert_view_is(models_find(snapshot, VIEW(MODELS_SCRIPTED))->served_by, MODELS_SCRIPTED);
    assert_int_equal(shelf->problems.len, 0);
    models_release(snapshot);
}

static void a_model_of_the_data_directory_hides_a_shared_one(void **state)
{
    struct shelf *shelf = *state;
    shelf_put(shelf->data, "e5", "{\"kind\":\"embedding\",\"dimensions\":1024}");
    shelf_open(shelf, (struct models_options){ 0 });
    struct models_snapshot *snapshot = models_acquire(shelf->models);
    assert_int_equal(models_find(snapshot, VIEW("e5"))->dimensions, 1024);
    models_release(snapshot);
}

static void defaults_are_configured_or_offered_by_their_manifest(void **state)
{
    struct shelf *shelf = *state;
    shelf_open(shelf, (struct models_options){ .default_embedding = VIEW("a-minilm") });
    struct models_snapshot *snapshot = models_acquire(shelf->models);
    assert_view_is(models_default(snapshot, LOCAL_TEXT)->name, "smollm2");
    assert_view_is(models_default(snapshot, LOCAL_EMBEDDING)->name, "a-minilm");
    models_release(snapshot);
    models_destroy(shelf->models);

    shelf_open(shelf, (struct models_options){ .default_embedding = VIEW("smollm2") });
    snapshot = models_acquire(shelf->models);
    assert_view_is(models_default(snapshot, LOCAL_EMBEDDING)->name, "e5");
    assert_view_is(buf_view(&shelf->problems), "smollm2: models.default_embedding is no embedding model of this server\n");
    models_release(snapshot);
}

static void a_scripted_model_stands_in_for_nothing_unasked(void **state)
{
    struct shelf *shelf = *state;
    shelf_remove(shelf->shared);
    shelf_open(shelf, (struct models_options){ 0 });
    struct models_snapshot *snapshot = models_acquire(shelf->models);
    assert_int_equal(models_count(snapshot), 1);
    assert_null(models_default(snapshot, LOCAL_TEXT));
    models_release(snapshot);
}

static void a_reload_sees_what_came_and_what_went(void **state)
{
    struct shelf *shelf = *state;
    shelf_open(shelf, (struct models_options){ 0 });
    struct models_snapshot *before = models_acquire(shelf->models);
    char folder[128];
    snprintf(folder, sizeof(folder), "%s/smollm2", shelf->shared);
    shelf_remove(folder);
    shelf_put(shelf->data, "new", "{\"kind\":\"text\"}");
    assert_true(models_reload(shelf->models, &shelf->problems));

    struct models_snapshot *after = models_acquire(shelf->models);
    assert_non_null(models_find(before, VIEW("smollm2")));
    assert_null(models_find(before, VIEW("new")));
    assert_null(models_find(after, VIEW("smollm2")));
    assert_view_is(models_default(after, LOCAL_TEXT)->name, "new");
    assert_true(models_version(after) > models_version(before));
    models_release(before);
    models_release(after);
}

static void what_is_no_model_is_told_and_left_out(void **state)
{
    struct shelf *shelf = *state;
    shelf_put(shelf->data, "broken", "{\"kind\":");
    shelf_put(shelf->data, "other", "{\"kind\":\"picture\"}");
    shelf_put(shelf->data, "renamed", "{\"kind\":\"text\",\"name\":\"original\"}");
    shelf_put(shelf->data, ".partial", "{\"kind\":\"text\"}");
    char path[128];
    snprintf(path, sizeof(path), "%s/empty", shelf->data);
    assert_int_equal(fs_make_dirs(path, 0755), 0);
    shelf_open(shelf, (struct models_options){ 0 });
    struct models_snapshot *snapshot = models_acquire(shelf->models);
    struct view problems = buf_view(&shelf->problems);
    assert_int_equal(models_count(snapshot), 4);
    assert_true(view_find(problems, VIEW("/broken: model.json is no JSON")) != VIEW_NPOS);
    assert_true(view_find(problems, VIEW("/other: the kind in model.json is neither text nor embedding")) != VIEW_NPOS);
    assert_true(view_find(problems, VIEW("/renamed: the name in model.json is not that of its folder")) != VIEW_NPOS);
    assert_true(view_find(problems, VIEW("/empty: there is no finished model in this folder")) != VIEW_NPOS);
    assert_true(view_find(problems, VIEW(".partial")) == VIEW_NPOS);
    models_release(snapshot);
}

static void the_engine_gets_every_model_with_what_it_needs(void **state)
{
    struct shelf *shelf = *state;
    const struct models_extra remote = { .name = VIEW("big"), .backend = ENGINE_REMOTE, .url = VIEW("http://127.0.0.1:1/v1"),
                                         .remote_model = VIEW("org/big"), .api_key = VIEW("secret") };
    shelf_open(shelf, (struct models_options){ .extras = &remote, .extra_count = 1 });
    struct models_snapshot *snapshot = models_acquire(shelf->models);
    struct arena *arena = arena_create(1 << 20);
    const struct engine_model *list = models_engine_list(snapshot, arena);
    assert_non_null(list);
    assert_int_equal(models_count(snapshot), 5);
    assert_view_is(list[1].name, "big");
    assert_int_equal(list[1].backend, ENGINE_REMOTE);
    assert_view_is(list[1].remote_model, "org/big");
    assert_view_is(list[3].name, "e5");
    assert_true(list[3].embedding);
    assert_view_is(list[3].query_prefix, "query: ");
    assert_true(view_ends_with(list[3].path, VIEW("/shared/e5/model.gguf")));
    assert_int_equal(list[4].context, 2048);
    assert_int_equal(list[4].file_bytes, strlen("GGUF"));
    arena_destroy(arena);
    models_release(snapshot);
}

#define RESOLVES 3000

static void *resolve_again_and_again(void *arg)
{
    struct models *models = arg;
    for (int i = 0; i < RESOLVES; i++) {
        struct arena *arena = arena_create(1 << 16);
        struct model_target target;
        const char *problem;
        if (arena == NULL || models_resolve(models, arena, VIEW("anthropic.claude-v2"), &target, &problem) != AWS_OK ||
            !view_is(target.local, "smollm2"))
            return models;
        arena_destroy(arena);
    }
    return NULL;
}

static void ids_resolve_on_many_threads_while_models_are_reloaded(void **state)
{
    struct shelf *shelf = *state;
    pthread_t threads[3];
    void *failed;
    shelf_open(shelf, (struct models_options){ 0 });
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, resolve_again_and_again, shelf->models), 0);
    for (int i = 0; i < 20; i++)
        assert_true(models_reload(shelf->models, NULL));
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
}

static void names_are_plain(void **state)
{
    (void)state;
    assert_true(model_name_valid(VIEW("SmolLM2-135M.v1_q8")));
    assert_false(model_name_valid(VIEW("")));
    assert_false(model_name_valid(VIEW(".hidden")));
    assert_false(model_name_valid(VIEW("-flag")));
    assert_false(model_name_valid(VIEW("a/b")));
    assert_false(model_name_valid(VIEW("a b")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(models_come_from_both_directories_and_the_scripted_one_is_always_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_model_of_the_data_directory_hides_a_shared_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(defaults_are_configured_or_offered_by_their_manifest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_scripted_model_stands_in_for_nothing_unasked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_reload_sees_what_came_and_what_went, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_model_is_told_and_left_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_engine_gets_every_model_with_what_it_needs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ids_resolve_on_many_threads_while_models_are_reloaded, set_up, tear_down),
        cmocka_unit_test(names_are_plain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
