/* shelf.h - directories of models for the tests of the registry, made in a temporary folder and removed with it. */
#ifndef CRATON_TEST_SHELF_H
#define CRATON_TEST_SHELF_H

#include "unit.h"

#include "base/fs.h"
#include "models/registry.h"

#include <ftw.h>
#include <unistd.h>

struct shelf {
    char root[64], data[96], shared[96];
    struct models *models;
    struct buf problems;
};

static inline void shelf_put(const char *directory, const char *name, const char *manifest)
{
    char folder[256], path[320];
    snprintf(folder, sizeof(folder), "%s/%s", directory, name);
    assert_int_equal(fs_make_dirs(folder, 0755), 0);
    snprintf(path, sizeof(path), "%s/model.gguf", folder);
    assert_int_equal(fs_write_file(path, VIEW("GGUF"), 0644), 0);
    snprintf(path, sizeof(path), "%s/model.json", folder);
    assert_int_equal(fs_write_file(path, view_from_cstr(manifest), 0644), 0);
}

static inline int shelf_remove_entry(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status, (void)type, (void)ftw;
    return remove(path);
}

static inline void shelf_remove(const char *path)
{
    nftw(path, shelf_remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static inline void shelf_begin(struct shelf *shelf)
{
    *shelf = (struct shelf){ .problems = BUF_INIT(1 << 16) };
    snprintf(shelf->root, sizeof(shelf->root), "/tmp/craton-shelf-XXXXXX");
    assert_non_null(mkdtemp(shelf->root));
    snprintf(shelf->data, sizeof(shelf->data), "%s/data", shelf->root);
    snprintf(shelf->shared, sizeof(shelf->shared), "%s/shared", shelf->root);
    shelf_put(shelf->shared, "smollm2",
              "{\"kind\":\"text\",\"layout\":\"Q8_0\",\"architecture\":\"llama\",\"context\":2048,\"default\":true}");
    shelf_put(shelf->shared, "e5", "{\"name\":\"e5\",\"kind\":\"embedding\",\"dimensions\":384,\"query_prefix\":\"query: \","
                                   "\"document_prefix\":\"passage: \",\"default\":true}");
    shelf_put(shelf->shared, "a-minilm", "{\"kind\":\"embedding\",\"dimensions\":384}");
}

/* With the two directories, and whatever else the options say. */
static inline void shelf_open(struct shelf *shelf, struct models_options options)
{
    options.data_models = view_from_cstr(shelf->data);
    options.shared_models = view_from_cstr(shelf->shared);
    shelf->models = models_create(&options);
    assert_non_null(shelf->models);
    assert_true(models_reload(shelf->models, &shelf->problems));
}

static inline void shelf_end(struct shelf *shelf)
{
    models_destroy(shelf->models);
    buf_free(&shelf->problems);
    shelf_remove(shelf->root);
}

#endif
