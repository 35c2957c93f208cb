#include "body.h"

#include "elastic/chunking.h"

struct expectation {
    const char *settings;
    const char *echo; /* NULL: refused */
    const char *reason;
};

static const struct expectation expectations[] = {
    { "{}", "{'strategy':'sentence','max_chunk_size':250,'sentence_overlap':1}", NULL },
    { "{'strategy': 'sentence'}", "{'strategy':'sentence','max_chunk_size':250,'sentence_overlap':1}", NULL },
    { "{'strategy': 'sentence', 'max_chunk_size': 20, 'sentence_overlap': 0}",
      "{'strategy':'sentence','max_chunk_size':20,'sentence_overlap':0}", NULL },
    { "{'strategy': 'sentence', 'max_chunk_size': 300}", "{'strategy':'sentence','max_chunk_size':300,'sentence_overlap':1}", NULL },
    { "{'strategy': 'sentence', 'max_chunk_size': 19}", NULL,
      "Validation Failed: 1: [chunking_settings] Invalid value [19.0]. [max_chunk_size] must be a greater than or equal to [20.0];" },
    { "{'strategy': 'sentence', 'max_chunk_size': 301}", NULL,
      "Validation Failed: 1: [chunking_settings] Invalid value [301.0]. [max_chunk_size] must be a less than or equal to [300.0];" },
    { "{'strategy': 'sentence', 'max_chunk_size': 0, 'sentence_overlap': 2}", NULL,
      "Validation Failed: 1: [chunking_settings] Invalid value [0]. [max_chunk_size] must be a positive integer;"
      "2: sentence_overlap[2] must be either 0 or 1;" },
    { "{'strategy': 'sentence', 'max_chunk_size': 'long'}", NULL,
      "Validation Failed: 1: field [max_chunk_size] is not of the expected type. The value [long] cannot be converted to a [Integer];" },
    { "{'strategy': 'sentence', 'overlap': 3, 'colour': 1}", NULL,
      "Validation Failed: 1: Sentence based chunking settings can not have the following settings: [overlap, colour];" },

    { "{'strategy': 'word'}", "{'strategy':'word','max_chunk_size':250,'overlap':100}", NULL },
    { "{'strategy': 'word', 'max_chunk_size': 30}", "{'strategy':'word','max_chunk_size':30,'overlap':15}", NULL },
    { "{'strategy': 'word', 'max_chunking_size': 300, 'overlap': 150}", "{'strategy':'word','max_chunk_size':300,'overlap':150}", NULL },
    { "{'strategy': 'word', 'max_chunk_size': 10, 'overlap': 5}", "{'strategy':'word','max_chunk_size':10,'overlap':5}", NULL },
    { "{'strategy': 'word', 'max_chunk_size': 9, 'overlap': 1}", NULL,
      "Validation Failed: 1: [chunking_settings] Invalid value [9.0]. [max_chunk_size] must be a greater than or equal to [10.0];" },
    { "{'strategy': 'word', 'max_chunk_size': 301, 'overlap': 1}", NULL,
      "Validation Failed: 1: [chunking_settings] Invalid value [301.0]. [max_chunk_size] must be a less than or equal to [300.0];" },
    { "{'strategy': 'word', 'max_chunk_size': 20, 'overlap': 11}", NULL,
      "Validation Failed: 1: [chunking_settings] Invalid value [11.0]. [overlap] must be a less than or equal to [10.0];" },
    { "{'strategy': 'word', 'max_chunk_size': 20, 'overlap': 0}", NULL,
      "Validation Failed: 1: [chunking_settings] Invalid value [0]. [overlap] must be a positive integer;" },
    { "{'strategy': 'word', 'sentence_overlap': 1}", NULL,
      "Validation Failed: 1: Word based chunking settings can not have the following settings: [sentence_overlap];" },
    { "{'strategy': 'word', 'max_chunk_size': 20, 'max_chunking_size': 20}", NULL,
      "Validation Failed: 1: [chunking_settings] max_chunk_size and max_chunking_size are one setting: give one of them;" },

    { "{'strategy': 'recursive', 'max_chunk_size': 10, 'separators': ['\\n\\n', ' ']}",
      "{'strategy':'recursive','max_chunk_size':10,'separators':['\\n\\n',' ']}", NULL },
    { "{'strategy': 'recursive', 'separator_group': 'plaintext'}",
      "{'strategy':'recursive','max_chunk_size':250,'separators':['(?<!\\\\n)\\\\n\\\\n(?!\\\\n)','(?<!\\\\n)\\\\n(?!\\\\n)']}", NULL },
    { "{'strategy': 'recursive'}",
      "{'strategy':'recursive','max_chunk_size':250,'separators':['(?<!\\\\n)\\\\n\\\\n(?!\\\\n)','(?<!\\\\n)\\\\n(?!\\\\n)']}", NULL },
    { "{'strategy': 'recursive', 'separators': []}", NULL,
      "Validation Failed: 1: [chunking_settings] separators must not be an empty list;" },
    { "{'strategy': 'recursive', 'separators': 'x'}", NULL,
      "Validation Failed: 1: field [separators] is not of the expected type. The value [x] cannot be converted to a [List];" },
    { "{'strategy': 'recursive', 'separators': ['a', 1]}", NULL,
      "Validation Failed: 1: [chunking_settings] each of the separators must be a non-empty string;" },
    { "{'strategy': 'recursive', 'separators': ['a'], 'separator_group': 'markdown'}", NULL,
      "Validation Failed: 1: Recursive chunking settings can not have both separators and separator_group;" },
    { "{'strategy': 'recursive', 'separator_group': 'latex'}", NULL,
      "Validation Failed: 1: [chunking_settings] Invalid value [latex] received. [separator_group] must be one of [markdown, plaintext];" },

    { "{'strategy': 'none'}", "{'strategy':'none'}", NULL },
    { "{'strategy': 'none', 'max_chunk_size': 20}", NULL,
      "Validation Failed: 1: None chunking settings can not have the following settings: [max_chunk_size];" },
    { "{'max_chunk_size': 20}", NULL, "Can't generate Chunker without ChunkingStrategy provided" },
    { "{'strategy': 'paragraph'}", NULL, "Invalid chunkingStrategy paragraph" },
    { "{'strategy': 3}", NULL, "Invalid chunkingStrategy 3" },
};

static void settings_are_defaulted_checked_and_echoed(void **state)
{
    struct arena *arena = arena_create(8 << 20);
    (void)state;
    for (size_t i = 0; i < COUNT_OF(expectations); i++) {
        struct elastic_error error;
        struct chunking chunking;
        error_init(&error, arena);
        bool ok = chunking_read(body_of(arena, expectations[i].settings), &error, &chunking);
        if (expectations[i].echo == NULL) {
            assert_false(ok);
            assert_string_equal(error.reason, expectations[i].reason);
            continue;
        }
        assert_true(ok);
        assert_false(error_is_set(&error));
        struct buf text = BUF_INIT(4096);
        struct json_writer out;
        json_writer_init(&out, &text);
        chunking_write(&chunking, &out);
        assert_string_equal(quoted(arena, buf_view(&text)), expectations[i].echo);
        buf_free(&text);
    }
    arena_destroy(arena);
}

static void markdown_has_eight_separators_from_headings_on(void **state)
{
    struct arena *arena = arena_create(1 << 20);
    struct elastic_error error;
    struct chunking chunking;
    (void)state;
    error_init(&error, arena);
    assert_true(chunking_read(body_of(arena, "{'strategy': 'recursive', 'separator_group': 'markdown'}"), &error, &chunking));
    assert_int_equal(chunking.separator_count, 8);
    assert_view_is(chunking.separators[0], "\n# ");
    assert_view_is(chunking.separators[5], "\n###### ");
    arena_destroy(arena);
}

static void no_settings_are_the_defaults(void **state)
{
    struct elastic_error error;
    struct chunking chunking;
    (void)state;
    error_init(&error, NULL);
    assert_true(chunking_read(NULL, &error, &chunking));
    assert_int_equal(chunking.strategy, CHUNK_SENTENCE);
    assert_int_equal(chunking.max_chunk_size, 250);
    assert_int_equal(chunking.sentence_overlap, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_are_defaulted_checked_and_echoed),
        cmocka_unit_test(markdown_has_eight_separators_from_headings_on),
        cmocka_unit_test(no_settings_are_the_defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
