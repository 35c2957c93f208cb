/* Writing a GGUF: the header through ggml's own writer, then one tensor after the other. */
#include "worker/import.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

bool weights_init(struct import *im, struct weights *weights)
{
    *weights = (struct weights){ .gguf = gguf_init_empty() };
    return weights->gguf != NULL || IMPORT_NO_MEMORY(im);
}

void weights_free(struct weights *weights)
{
    if (weights->gguf != NULL)
        gguf_free(weights->gguf);
    free(weights->list);
    *weights = (struct weights){ 0 };
}

static uint64_t elements_of(const struct weight *weight)
{
    uint64_t count = 1;
    for (unsigned i = 0; i < weight->dims; i++)
        count *= (uint64_t)weight->ne[i];
    return count;
}

bool weights_add(struct import *im, struct weights *weights, const struct weight *weight)
{
    bool blocks_fit = weight->ne[0] > 0 && weight->ne[0] % ggml_blck_size(weight->source_type) == 0;
    uint64_t rows = blocks_fit ? elements_of(weight) / (uint64_t)weight->ne[0] : 0;
    if (!blocks_fit || rows * ggml_row_size(weight->source_type, weight->ne[0]) != weight->data.len)
        return import_fail(im, "BrokenWeights", "the tensor %s does not have the size that the model's configuration asks for",
                           weight->name);
    if (weights->count == weights->capacity) {
        size_t capacity = weights->capacity == 0 ? 256 : weights->capacity * 2;
        struct weight *list = realloc(weights->list, capacity * sizeof *list);
        if (list == NULL)
            return IMPORT_NO_MEMORY(im);
        weights->list = list;
        weights->capacity = capacity;
    }
    weights->list[weights->count++] = *weight;
    return true;
}

/* ---- turning one tensor into what is written ---- */

static float value_at(const struct weight *weight, uint64_t index)
{
    uint16_t half;
    float value;
    switch (weight->source_type) {
    case GGML_TYPE_F16:
        memcpy(&half, weight->data.ptr + 2 * index, sizeof half);
        return ggml_fp16_to_fp32(half);
    case GGML_TYPE_BF16:
        memcpy(&half, weight->data.ptr + 2 * index, sizeof half);
        return ggml_bf16_to_fp32((ggml_bf16_t){ half });
    default:
        memcpy(&value, weight->data.ptr + 4 * index, sizeof value);
        return value;
    }
}

/* Published weights rotate the first half of a head against the second; libllama rotates neighbours. So row i of the first half
 * becomes row 2i of its head, row i of the second half row 2i + 1. */
static void rotary_rows(const struct weight *weight, char *out)
{
    size_t row = ggml_row_size(weight->type, weight->ne[0]);
    int64_t rows = weight->dims > 1 ? weight->ne[1] : weight->ne[0];
    int64_t per_head = rows / weight->rotary_heads, half = per_head / 2;
    if (weight->dims == 1)
        row = ggml_type_size(weight->type); /* a bias: its elements are the rows */
    for (int64_t head = 0; head < weight->rotary_heads; head++)
        for (int64_t i = 0; i < half; i++)
            for (int64_t side = 0; side < 2; side++)
                memcpy(out + (size_t)(head * per_head + 2 * i + side) * row,
                       weight->data.ptr + (size_t)(head * per_head + side * half + i) * row, row);
}

/* The bytes to write; *made is what to free. */
static struct view bytes_of(struct import *im, struct weight weight, void **made)
{
    uint64_t count = elements_of(&weight);
    *made = NULL;
    if (weight.type != weight.source_type) {
        float *values = malloc(count * sizeof *values);
        if (values == NULL) {
            (void)IMPORT_NO_MEMORY(im);
            return view_of(NULL, 0);
        }
        for (uint64_t i = 0; i < count; i++)
            values[i] = value_at(&weight, i);
        weight.data = view_of(values, count * sizeof *values);
        *made = values;
    }
    if (weight.rotary_heads == 0)
        return weight.data;
    char *rows = malloc(weight.data.len);
    if (rows == NULL) {
        (void)IMPORT_NO_MEMORY(im);
        return view_of(NULL, 0);
    }
    rotary_rows(&weight, rows);
    free(*made);
    *made = rows;
    return view_of(rows, weight.data.len);
}

static bool write_data(struct import *im, const struct weights *weights, FILE *file)
{
    static const char zeros[GGUF_DEFAULT_ALIGNMENT];
    for (size_t i = 0; i < weights->count; i++) {
        void *made;
        struct view bytes = bytes_of(im, weights->list[i], &made);
        size_t padding = GGML_PAD(bytes.len, GGUF_DEFAULT_ALIGNMENT) - bytes.len;
        bool fine = im->error[0] == '\0' && fwrite(bytes.ptr, 1, bytes.len, file) == bytes.len &&
                    fwrite(zeros, 1, padding, file) == padding;
        free(made);
        if (!fine)
            return import_fail_system(im, "CannotWrite", "model.gguf");
        import_progress(im, "converting", (double)(i + 1) / (double)weights->count);
    }
    return true;
}

/* Names and shapes of the tensors, in ggml's own structures. */
static bool declare(struct import *im, struct weights *weights)
{
    struct ggml_init_params params = { .mem_size = (weights->count + 1) * ggml_tensor_overhead(), .no_alloc = true };
    struct ggml_context *context = ggml_init(params);
    if (context == NULL)
        return IMPORT_NO_MEMORY(im);
    for (size_t i = 0; i < weights->count; i++) {
        const struct weight *weight = &weights->list[i];
        struct ggml_tensor *tensor = ggml_new_tensor(context, weight->type, (int)weight->dims, weight->ne);
        ggml_set_name(tensor, weight->name);
        gguf_add_tensor(weights->gguf, tensor);
    }
    ggml_free(context);
    return true;
}

static bool weights_are_fine(struct import *im, const struct weights *weights)
{
    for (size_t i = 0; i < weights->count; i++) {
        const struct weight *weight = &weights->list[i];
        int64_t rows = weight->dims > 1 ? weight->ne[1] : weight->ne[0];
        if (weight->rotary_heads != 0 && rows % (2 * weight->rotary_heads) != 0)
            return import_fail(im, "BrokenWeights", "the rows of %s cannot be shared out over %d heads", weight->name,
                               (int)weight->rotary_heads);
        for (size_t j = 0; j < i; j++)
            if (strcmp(weights->list[j].name, weight->name) == 0)
                return import_fail(im, "BrokenWeights", "the tensor %s is there twice", weight->name);
    }
    return true;
}

bool weights_write(struct import *im, struct weights *weights, const char *path)
{
    if (!weights_are_fine(im, weights) || !declare(im, weights))
        return false;
    FILE *file = fopen(path, "wbe");
    if (file == NULL)
        return import_fail_system(im, "CannotWrite", path);
    size_t size = gguf_get_meta_size(weights->gguf);
    void *meta = malloc(size);
    bool fine = meta != NULL || IMPORT_NO_MEMORY(im);
    if (fine) {
        gguf_get_meta_data(weights->gguf, meta);
        fine = fwrite(meta, 1, size, file) == size || import_fail_system(im, "CannotWrite", path);
    }
    free(meta);
    fine = fine && write_data(im, weights, file);
    if (fine && (fflush(file) != 0 || fsync(fileno(file)) != 0))
        fine = import_fail_system(im, "CannotWrite", path);
    if (fclose(file) != 0 && fine)
        fine = import_fail_system(im, "CannotWrite", path);
    return fine;
}
