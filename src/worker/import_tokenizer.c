/* Tokenizers: from tokenizer.json to the keys that libllama reads. */
#include "worker/import.h"

#include "base/encode.h"

#include <llama.h>

#include <stdio.h>

#define TOKENS_MAX 2000000

struct vocabulary {
    const char **texts;
    float *scores;
    int32_t *types;
    size_t count;
};

static bool vocabulary_init(struct import *im, struct vocabulary *v, int64_t count)
{
    if (count < 1 || count > TOKENS_MAX)
        return import_fail(im, "BrokenTokenizer", "the vocabulary's size makes no sense");
    v->count = (size_t)count;
    v->texts = ARENA_ARRAY(im->arena, const char *, v->count);
    v->scores = ARENA_ARRAY(im->arena, float, v->count);
    v->types = ARENA_ARRAY(im->arena, int32_t, v->count);
    for (size_t i = 0; i < v->count && v->types != NULL; i++) {
        v->types[i] = LLAMA_TOKEN_TYPE_UNUSED;
        v->scores[i] = -10000;
        v->texts[i] = arena_printf(im->arena, "[PAD%zu]", i);
    }
    return !arena_exhausted(im->arena) || IMPORT_NO_MEMORY(im);
}

static bool vocabulary_set(struct import *im, struct vocabulary *v, int64_t id, struct view text, int32_t type)
{
    if (id < 0 || id >= (int64_t)v->count)
        return import_fail(im, "BrokenTokenizer", "the tokenizer has a token beyond the model's vocabulary");
    if (view_find_byte(text, '\0') != VIEW_NPOS)
        return import_fail(im, "BrokenTokenizer", "the tokenizer has a token with a NUL byte");
    v->texts[id] = arena_cstr(im->arena, text);
    v->types[id] = type;
    return v->texts[id] != NULL || IMPORT_NO_MEMORY(im);
}

static void put_vocabulary(struct weights *weights, const struct vocabulary *v)
{
    gguf_set_arr_str(weights->gguf, "tokenizer.ggml.tokens", v->texts, v->count);
    gguf_set_arr_data(weights->gguf, "tokenizer.ggml.token_type", GGUF_TYPE_INT32, v->types, v->count);
}

static void put_id(struct weights *weights, const char *what, int64_t id)
{
    char key[64];
    snprintf(key, sizeof key, "tokenizer.ggml.%s_token_id", what);
    if (id >= 0)
        gguf_set_val_u32(weights->gguf, key, (uint32_t)id);
}

/* The id of a token by its text, -1 when there is none. */
static int64_t id_of(const struct vocabulary *v, struct view text)
{
    for (size_t i = 0; i < v->count && text.len > 0; i++)
        if (v->types[i] != LLAMA_TOKEN_TYPE_UNUSED && view_is(text, v->texts[i]))
            return (int64_t)i;
    return -1;
}

/* Special tokens are named by their text, or by an object that holds it. */
static struct view token_text(const struct json *config, const char *key)
{
    const struct json *token = json_get(config, key);
    return json_is(token, JSON_OBJECT) ? json_get_string(token, "content") : json_string(token);
}

static bool add_added_tokens(struct import *im, struct vocabulary *v, const struct json *tokenizer)
{
    struct json_iter it = json_iter(json_get(tokenizer, "added_tokens"));
    while (json_next(&it)) {
        int64_t id = -1;
        bool special = json_bool(json_get(it.value, "special"), false);
        json_get_i64(it.value, "id", &id);
        if (!vocabulary_set(im, v, id, json_get_string(it.value, "content"),
                            special ? LLAMA_TOKEN_TYPE_CONTROL : LLAMA_TOKEN_TYPE_USER_DEFINED))
            return false;
    }
    return true;
}

/* ---- unigram ---- */

void import_put_unigram(struct weights *weights, const struct unigram *u)
{
    struct gguf_context *gguf = weights->gguf;
    struct vocabulary v = { .texts = u->pieces, .types = u->types, .count = u->count };
    gguf_set_val_str(gguf, "tokenizer.ggml.model", "t5");
    gguf_set_val_str(gguf, "tokenizer.ggml.pre", "default");
    put_vocabulary(weights, &v);
    gguf_set_arr_data(gguf, "tokenizer.ggml.scores", GGUF_TYPE_FLOAT32, u->scores, u->count);
    put_id(weights, "bos", u->bos);
    put_id(weights, "eos", u->eos);
    put_id(weights, "padding", u->pad);
    put_id(weights, "unknown", u->unk);
    put_id(weights, "cls", u->bos);
    put_id(weights, "seperator", u->eos);
    gguf_set_val_bool(gguf, "tokenizer.ggml.add_bos_token", true);
    gguf_set_val_bool(gguf, "tokenizer.ggml.add_eos_token", true);
    gguf_set_val_bool(gguf, "tokenizer.ggml.add_space_prefix", u->add_space_prefix);
    gguf_set_val_bool(gguf, "tokenizer.ggml.remove_extra_whitespaces", u->remove_extra_spaces);
    if (u->charsmap.len > 0)
        gguf_set_arr_data(gguf, "tokenizer.ggml.precompiled_charsmap", GGUF_TYPE_UINT8, u->charsmap.ptr, u->charsmap.len);
}

/* The compiled map stands in the normalizer, or in one of a sequence of them. */
static struct view find_charsmap(const struct json *normalizer)
{
    struct view map = json_get_string(normalizer, "precompiled_charsmap");
    struct json_iter it = json_iter(json_get(normalizer, "normalizers"));
    while (map.len == 0 && json_next(&it))
        map = json_get_string(it.value, "precompiled_charsmap");
    return map;
}

bool import_unigram(struct import *im, struct weights *weights, const struct json *tokenizer, int64_t count)
{
    const struct json *model = json_get(tokenizer, "model"), *pieces = json_get(model, "vocab");
    struct vocabulary v;
    int64_t unk = 3;
    if (!vocabulary_init(im, &v, count) || json_size(pieces) == 0)
        return import_fail(im, "BrokenTokenizer", "tokenizer.json has no vocabulary");
    struct json_iter it = json_iter(pieces);
    while (json_next(&it)) {
        double score = 0;
        if (!vocabulary_set(im, &v, (int64_t)it.index, json_string(json_at(it.value, 0)), LLAMA_TOKEN_TYPE_NORMAL))
            return false;
        if (!json_to_double(json_at(it.value, 1), &score))
            return import_fail(im, "BrokenTokenizer", "tokenizer.json has a piece without a score");
        v.scores[it.index] = (float)score;
    }
    json_get_i64(model, "unk_id", &unk);
    if (!add_added_tokens(im, &v, tokenizer) || unk < 0 || unk >= count)
        return import_fail(im, "BrokenTokenizer", "tokenizer.json does not name its unknown token");
    v.types[unk] = LLAMA_TOKEN_TYPE_UNKNOWN;
    struct unigram u = { .pieces = v.texts,
                         .scores = v.scores,
                         .types = v.types,
                         .count = v.count,
                         .unk = (int32_t)unk,
                         .add_space_prefix = true,
                         .remove_extra_spaces = true };
    u.bos = (int32_t)id_of(&v, VIEW("<s>"));
    u.eos = (int32_t)id_of(&v, VIEW("</s>"));
    u.pad = (int32_t)id_of(&v, VIEW("<pad>"));
    if (u.bos < 0 || u.eos < 0)
        return import_fail(im, "Unsupported", "a unigram tokenizer without <s> and </s> is not supported");
    if (!base64_decode(im->arena, find_charsmap(json_get(tokenizer, "normalizer")), &u.charsmap))
        return import_fail(im, "BrokenTokenizer", "tokenizer.json has a malformed precompiled_charsmap");
    import_put_unigram(weights, &u);
    return true;
}

/* ---- WordPiece ---- */

/* libllama marks where words begin, BERT where they go on. */
static struct view word_piece(struct import *im, struct view token)
{
    if (view_starts_with(token, VIEW("##")))
        return view_from(token, 2);
    return view_from_cstr(arena_printf(im->arena, "\xe2\x96\x81" VIEW_FMT, VIEW_ARG(token)));
}

bool import_wordpiece(struct import *im, struct weights *weights, const struct json *tokenizer, int64_t count)
{
    const struct json *model = json_get(tokenizer, "model"), *normalizer = json_get(tokenizer, "normalizer");
    struct vocabulary v;
    if (!view_is(json_get_string(model, "continuing_subword_prefix"), "##"))
        return import_fail(im, "Unsupported", "a WordPiece tokenizer whose continuation prefix is not ## is not supported");
    if (!vocabulary_init(im, &v, count))
        return false;
    struct json_iter it = json_iter(json_get(model, "vocab"));
    while (json_next(&it)) {
        int64_t id = -1;
        json_to_i64(it.value, &id);
        if (!vocabulary_set(im, &v, id, word_piece(im, it.key), LLAMA_TOKEN_TYPE_NORMAL))
            return false;
    }
    if (!add_added_tokens(im, &v, tokenizer))
        return false;
    gguf_set_val_str(weights->gguf, "tokenizer.ggml.model", "bert");
    gguf_set_val_str(weights->gguf, "tokenizer.ggml.pre", "default");
    put_vocabulary(weights, &v);
    bool lowercase = json_bool(json_get(normalizer, "lowercase"), false);
    gguf_set_val_bool(weights->gguf, "tokenizer.ggml.normalizer.lowercase", lowercase);
    gguf_set_val_bool(weights->gguf, "tokenizer.ggml.normalizer.strip_accents",
                      json_bool(json_get(normalizer, "strip_accents"), lowercase));
    static const struct {
        const char *key, *text;
    } specials[] = {
        { "bos", "[CLS]" },
        { "cls", "[CLS]" },
        { "eos", "[SEP]" },
        { "seperator", "[SEP]" },
        { "unknown", "[UNK]" },
        { "padding", "[PAD]" },
        { "mask", "[MASK]" },
    };
    for (size_t i = 0; i < sizeof specials / sizeof specials[0]; i++) {
        int64_t id = id_of(&v, view_from_cstr(specials[i].text));
        if (id < 0)
            return import_fail(im, "Unsupported", "a WordPiece tokenizer without the token %s is not supported", specials[i].text);
        put_id(weights, specials[i].key, id);
    }
    return true;
}

/* ---- byte-level BPE ---- */

/* How texts are cut before merging is code in libllama; these are the cuts that it has, by what tokenizer.json says. */
static const struct {
    const char *pattern; /* of a Split; NULL: none */
    bool digits;         /* a Digits step that takes digits one by one */
    const char *name;
} pre_tokenizers[] = {
    { NULL, false, "gpt-2" },
    { NULL, true, "smollm" },
    { "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| "
      "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
      false, "llama-bpe" },
    { "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| "
      "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
      false, "qwen2" },
};

struct cut {
    struct view pattern;
    bool digits, byte_level, other;
};

static void read_cut(const struct json *step, struct cut *cut, unsigned depth)
{
    struct view type = json_get_string(step, "type");
    struct json_iter it = json_iter(json_get(step, "pretokenizers"));
    if (view_is(type, "Sequence") && depth < 4) {
        while (json_next(&it))
            read_cut(it.value, cut, depth + 1);
    } else if (view_is(type, "Split") && cut->pattern.len == 0) {
        cut->pattern = json_get_string(json_get(step, "pattern"), "Regex");
        cut->other |= cut->pattern.len == 0;
    } else if (view_is(type, "Digits")) {
        cut->digits = json_bool(json_get(step, "individual_digits"), false);
        cut->other |= !cut->digits;
    } else if (view_is(type, "ByteLevel")) {
        cut->byte_level = true;
    } else {
        cut->other = true;
    }
}

static const char *pre_tokenizer_of(const struct json *tokenizer)
{
    struct cut cut = { .byte_level = false };
    read_cut(json_get(tokenizer, "pre_tokenizer"), &cut, 0);
    for (size_t i = 0; i < sizeof pre_tokenizers / sizeof pre_tokenizers[0] && cut.byte_level && !cut.other; i++)
        if (view_eq(cut.pattern, view_from_cstr(pre_tokenizers[i].pattern)) && cut.digits == pre_tokenizers[i].digits)
            return pre_tokenizers[i].name;
    return NULL;
}

/* A merge is "a b", or [a, b] in newer files. */
static bool put_merges(struct import *im, struct weights *weights, const struct json *merges)
{
    size_t count = json_size(merges), at = 0;
    const char **texts = ARENA_ARRAY(im->arena, const char *, count + 1);
    struct json_iter it = json_iter(merges);
    while (texts != NULL && json_next(&it)) {
        struct view left = json_string(json_at(it.value, 0)), right = json_string(json_at(it.value, 1));
        texts[at] = json_is(it.value, JSON_STRING) ? arena_cstr(im->arena, json_string(it.value))
                                                   : arena_printf(im->arena, VIEW_FMT " " VIEW_FMT, VIEW_ARG(left), VIEW_ARG(right));
        if (texts[at++] == NULL)
            break;
    }
    if (arena_exhausted(im->arena))
        return IMPORT_NO_MEMORY(im);
    if (count == 0)
        return import_fail(im, "BrokenTokenizer", "tokenizer.json has no merges");
    gguf_set_arr_str(weights->gguf, "tokenizer.ggml.merges", texts, count);
    return true;
}

/* Special tokens of tokenizer_config.json, or by number of config.json. */
static void put_bpe_specials(struct import *im, struct weights *weights, const struct vocabulary *v, const struct json *settings,
                             const struct json *config)
{
    static const struct {
        const char *key, *text, *number;
    } rows[] = { { "bos", "bos_token", "bos_token_id" },
                 { "eos", "eos_token", "eos_token_id" },
                 { "unknown", "unk_token", "" },
                 { "padding", "pad_token", "pad_token_id" } };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t id = id_of(v, token_text(settings, rows[i].text));
        const struct json *number = json_get(config, rows[i].number);
        if (id < 0 && !json_to_i64(json_is(number, JSON_ARRAY) ? json_at(number, 0) : number, &id))
            id = -1;
        put_id(weights, rows[i].key, id < (int64_t)v->count ? id : -1);
    }
    if (json_get(settings, "add_bos_token") != NULL)
        gguf_set_val_bool(weights->gguf, "tokenizer.ggml.add_bos_token", json_bool(json_get(settings, "add_bos_token"), false));
    gguf_set_val_bool(weights->gguf, "tokenizer.ggml.add_space_prefix", json_bool(json_get(settings, "add_prefix_space"), false));
    struct view template = json_get_string(settings, "chat_template");
    if (template.len == 0)
        import_read(im, "chat_template.jinja", 1u << 20, &template);
    if (template.len > 0)
        gguf_set_val_str(weights->gguf, "tokenizer.chat_template", arena_cstr(im->arena, template));
}

bool import_bpe(struct import *im, struct weights *weights, const struct json *tokenizer, const struct json *config, int64_t count)
{
    const struct json *model = json_get(tokenizer, "model"), *settings;
    const char *pre = pre_tokenizer_of(tokenizer);
    struct vocabulary v;
    if (pre == NULL)
        return import_fail(im, "UnsupportedTokenizer",
                           "the tokenizer cuts texts in a way that is not supported; gpt-2, smollm, llama-bpe and qwen2 are");
    if (!vocabulary_init(im, &v, count) || !import_read_json(im, "tokenizer_config.json", &settings))
        return false;
    struct json_iter it = json_iter(json_get(model, "vocab"));
    while (json_next(&it)) {
        int64_t id = -1;
        json_to_i64(it.value, &id);
        if (!vocabulary_set(im, &v, id, it.key, LLAMA_TOKEN_TYPE_NORMAL))
            return false;
    }
    if (!add_added_tokens(im, &v, tokenizer))
        return false;
    gguf_set_val_str(weights->gguf, "tokenizer.ggml.model", "gpt2");
    gguf_set_val_str(weights->gguf, "tokenizer.ggml.pre", pre);
    put_vocabulary(weights, &v);
    put_bpe_specials(im, weights, &v, settings, config);
    return put_merges(im, weights, json_get(model, "merges")) && (!arena_exhausted(im->arena) || IMPORT_NO_MEMORY(im));
}
