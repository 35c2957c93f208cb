#include "unit.h"

#include "worker/charsmap.h"

/* The longest key at the beginning of text, read as the format is described; its replacement, or NULL. */
static const char *look_up(struct view map, const char *text, size_t *len)
{
    uint32_t bytes, unit;
    memcpy(&bytes, map.ptr, 4);
    const char *array = map.ptr + 4, *texts = array + bytes, *found = NULL;
    uint32_t at = 0;
    memcpy(&unit, array, 4);
    at = (unit >> 10) << ((unit & 0x200) >> 6);
    for (size_t i = 0; text[i] != '\0'; i++) {
        at ^= (unsigned char)text[i];
        assert_true(at < bytes / 4);
        memcpy(&unit, array + 4 * at, 4);
        if ((unit & 0x800000ff) != (unsigned char)text[i])
            break;
        at ^= (unit >> 10) << ((unit & 0x200) >> 6);
        if ((unit & 0x100) != 0) {
            assert_true(at < bytes / 4);
            memcpy(&unit, array + 4 * at, 4);
            assert_true((unit & 0x7fffffff) < map.len - 4 - bytes);
            found = texts + (unit & 0x7fffffff);
            *len = i + 1;
        }
    }
    return found;
}

static void each_key_finds_its_replacement_and_nothing_else_does(void **state)
{
    (void)state;
    struct charsmap_entry entries[] = {
        { VIEW_INIT("a"), VIEW_INIT("A") },
        { VIEW_INIT("abc"), VIEW_INIT("X") },
        { VIEW_INIT("\xef\xbd\x81"), VIEW_INIT("a") },
        { VIEW_INIT("\xc2\xa0"), VIEW_INIT(" ") },
        { VIEW_INIT("\xc2\xad"), VIEW_INIT("") },
    };
    struct buf out = BUF_INIT(CHARSMAP_MAX);
    assert_true(charsmap_build(entries, COUNT_OF(entries), &out));
    struct view map = buf_view(&out);
    size_t len = 0;
    assert_string_equal(look_up(map, "a", &len), "A");
    assert_string_equal(look_up(map, "abd", &len), "A");
    assert_int_equal(len, 1);
    assert_string_equal(look_up(map, "abcd", &len), "X");
    assert_int_equal(len, 3);
    assert_string_equal(look_up(map, "\xef\xbd\x81", &len), "a");
    assert_string_equal(look_up(map, "\xc2\xad", &len), "");
    assert_null(look_up(map, "b", &len));
    assert_null(look_up(map, "\xef\xbd\x82", &len));
    assert_null(look_up(map, "\xc2", &len));
    buf_free(&out);
}

static void thousands_of_keys_do_not_disturb_each_other(void **state)
{
    (void)state;
    enum { KEYS = 6000 };
    struct charsmap_entry *entries = calloc(KEYS, sizeof *entries);
    char(*keys)[8] = calloc(KEYS, sizeof *keys);
    char(*values)[8] = calloc(KEYS, sizeof *values);
    for (unsigned i = 0; i < KEYS; i++) { /* three-byte characters, every third of them */
        unsigned character = 0x3000 + 3 * i;
        snprintf(keys[i], sizeof keys[i], "%c%c%c", 0xe0 | character >> 12, 0x80 | (character >> 6 & 0x3f), 0x80 | (character & 0x3f));
        snprintf(values[i], sizeof values[i], "%u", i);
        entries[i] = (struct charsmap_entry){ view_from_cstr(keys[i]), view_from_cstr(values[i]) };
    }
    struct buf out = BUF_INIT(CHARSMAP_MAX);
    size_t len;
    assert_true(charsmap_build(entries, KEYS, &out));
    for (unsigned i = 0; i < KEYS; i++) {
        const char *found = look_up(buf_view(&out), keys[i], &len);
        assert_non_null(found);
        assert_string_equal(found, values[i]);
        keys[i][2]++; /* the character after it has none */
        if ((keys[i][2] & 0x3f) != 0)
            assert_null(look_up(buf_view(&out), keys[i], &len));
    }
    buf_free(&out);
    free(entries);
    free(keys);
    free(values);
}

static void keys_that_cannot_be_are_refused(void **state)
{
    (void)state;
    struct charsmap_entry twice[] = { { VIEW_INIT("a"), VIEW_INIT("1") }, { VIEW_INIT("a"), VIEW_INIT("2") } };
    struct charsmap_entry empty[] = { { VIEW_INIT(""), VIEW_INIT("1") } };
    struct charsmap_entry nul[] = { { VIEW_INIT("a\0b"), VIEW_INIT("1") } };
    struct buf out = BUF_INIT(CHARSMAP_MAX);
    assert_false(charsmap_build(twice, 2, &out));
    assert_false(charsmap_build(empty, 1, &out));
    assert_false(charsmap_build(nul, 1, &out));
    assert_true(charsmap_build(NULL, 0, &out));
    assert_int_equal(out.len, 0);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_key_finds_its_replacement_and_nothing_else_does),
        cmocka_unit_test(thousands_of_keys_do_not_disturb_each_other),
        cmocka_unit_test(keys_that_cannot_be_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
