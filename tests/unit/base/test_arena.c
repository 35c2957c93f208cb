/* The arena: alignment, zeroing, the cap, growth in place. */
#include "unit.h"

#include "base/arena.h"

static void pieces_are_aligned_zeroed_and_apart(void **state)
{
    (void)state;
    struct arena *arena = arena_create(1 << 20);
    unsigned char *pieces[200];
    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        size_t size = i * 7 + 1;
        pieces[i] = arena_alloc(arena, size);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % 16, 0);
        for (size_t b = 0; b < size; b++)
            assert_int_equal(pieces[i][b], 0);
        memset(pieces[i], (int)i, size);
    }
    for (size_t i = 0; i < COUNT_OF(pieces); i++)
        assert_int_equal(pieces[i][i * 7], (unsigned char)i);
    arena_destroy(arena);
}

static void the_cap_refuses_and_is_remembered(void **state)
{
    (void)state;
    struct arena *arena = arena_create(1000);
    assert_non_null(arena_alloc(arena, 900));
    assert_false(arena_exhausted(arena));
    assert_null(arena_alloc(arena, 200));
    assert_true(arena_exhausted(arena));
    assert_non_null(arena_alloc(arena, 16)); /* what fits is still given, the mark stays */
    assert_true(arena_exhausted(arena));
    arena_reset(arena);
    assert_false(arena_exhausted(arena));
    assert_int_equal(arena_used(arena), 0);
    assert_non_null(arena_alloc(arena, 900));
    arena_destroy(arena);
}

static void sizes_that_overflow_are_refused(void **state)
{
    (void)state;
    struct arena *arena = arena_create(SIZE_MAX);
    assert_null(arena_alloc(arena, SIZE_MAX));
    assert_null(arena_array(arena, SIZE_MAX / 2, 3));
    assert_null(arena_cstr(arena, (struct view){ "x", SIZE_MAX }));
    assert_true(arena_exhausted(arena));
    arena_destroy(arena);
}

static void copies_end_with_a_nul_and_may_hold_some(void **state)
{
    (void)state;
    struct arena *arena = arena_create(4096);
    struct view copy = arena_copy(arena, VIEW("a\0b"));
    assert_view_eq(copy, VIEW("a\0b"));
    assert_int_equal(copy.ptr[3], '\0');
    assert_string_equal(arena_cstr(arena, (struct view){ NULL, 0 }), "");
    assert_string_equal(arena_printf(arena, "%s-%d", "x", 42), "x-42");
    arena_destroy(arena);
}

static void the_last_piece_grows_where_it_is_and_others_move(void **state)
{
    (void)state;
    struct arena *arena = arena_create(1 << 20);
    char *piece = arena_bytes(arena, 100);
    memset(piece, 'x', 100);
    assert_ptr_equal(arena_resize(arena, piece, 100, 1000), piece);
    assert_int_equal(arena_used(arena), 1008);
    assert_ptr_equal(arena_resize(arena, piece, 1000, 50), piece);
    assert_int_equal(arena_used(arena), 64);
    assert_non_null(arena_alloc(arena, 1));
    char *moved = arena_resize(arena, piece, 50, 5000);
    assert_non_null(moved);
    assert_ptr_not_equal(moved, piece);
    assert_int_equal(moved[49], 'x');
    assert_null(arena_resize(arena, moved, 5000, 2 << 20));
    assert_true(arena_exhausted(arena));
    arena_destroy(arena);
}

static void pieces_larger_than_a_block_get_their_own(void **state)
{
    (void)state;
    struct arena *arena = arena_create(64 << 20);
    char *large = arena_alloc(arena, 5 << 20);
    assert_non_null(large);
    large[(5 << 20) - 1] = 1;
    assert_non_null(arena_alloc(arena, 100));
    arena_reset(arena);
    assert_non_null(arena_alloc(arena, 100));
    arena_destroy(arena);
    arena_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_aligned_zeroed_and_apart),
        cmocka_unit_test(the_cap_refuses_and_is_remembered),
        cmocka_unit_test(sizes_that_overflow_are_refused),
        cmocka_unit_test(copies_end_with_a_nul_and_may_hold_some),
        cmocka_unit_test(the_last_piece_grows_where_it_is_and_others_move),
        cmocka_unit_test(pieces_larger_than_a_block_get_their_own),
    };
    return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
