/* Text models: GGUF files in both layouts, and a published folder made from the default model and imported again. */
#include "imported.h"

#include <gguf.h>

static struct arena *arena;

static int setup(void **state)
{
    arena = arena_create(512u << 20);
    return arena == NULL ? -1 : import_setup(state);
}

static int teardown(void **state)
{
    arena_destroy(arena);
    return import_teardown(state);
}

/* ---- a folder as models are published, from a GGUF ---- */

struct published {
    struct gguf_context *gguf;
    struct ggml_context *tensors;
    char folder[256];
    bool merge_pairs; /* newer files write merges as pairs */
    bool halves;      /* weights in 16 bits */
};

static void write_text(const struct published *p, const char *name, struct buf *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", p->folder, name);
    assert_false(buf_failed(text));
    assert_int_equal(fs_write_file(path, buf_view(text), 0600), 0);
    buf_free(text);
}

static const char *key_text(const struct published *p, const char *key)
{
    int64_t id = gguf_find_key(p->gguf, key);
    assert_true(id >= 0);
    return gguf_get_val_str(p->gguf, id);
}

static uint32_t key_number(const struct published *p, const char *key)
{
    int64_t id = gguf_find_key(p->gguf, key);
    assert_true(id >= 0);
    return gguf_get_val_u32(p->gguf, id);
}

static double key_float(const struct published *p, const char *key)
{
    int64_t id = gguf_find_key(p->gguf, key);
    assert_true(id >= 0);
    return (double)gguf_get_val_f32(p->gguf, id);
}

static void write_config(const struct published *p)
{
    struct buf text = BUF_INIT(1u << 20);
    struct json_writer w;
    json_writer_init(&w, &text);
    json_object(&w);
    json_key(&w, "architectures");
    json_array(&w);
    json_write_cstr(&w, "LlamaForCausalLM");
    json_end(&w);
    json_put_cstr(&w, "hidden_act", "silu");
    json_put_i64(&w, "num_hidden_layers", key_number(p, "llama.block_count"));
    json_put_i64(&w, "num_attention_heads", key_number(p, "llama.attention.head_count"));
    json_put_i64(&w, "num_key_value_heads", key_number(p, "llama.attention.head_count_kv"));
    json_put_i64(&w, "hidden_size", key_number(p, "llama.embedding_length"));
    json_put_i64(&w, "intermediate_size", key_number(p, "llama.feed_forward_length"));
    json_put_i64(&w, "max_position_embeddings", key_number(p, "llama.context_length"));
    json_put_i64(&w, "sliding_window", 0);                  /* none, as some publish it */
    json_put_i64(&w, "vocab_size", (int64_t)gguf_get_arr_n(p->gguf, gguf_find_key(p->gguf, "tokenizer.ggml.tokens")));
    json_put_double(&w, "rms_norm_eps", key_float(p, "llama.attention.layer_norm_rms_epsilon"));
    json_put_double(&w, "rope_theta", key_float(p, "llama.rope.freq_base"));
    json_put_bool(&w, "tie_word_embeddings", true);
    json_end(&w);
    write_text(p, "config.json", &text);
}

static void write_merges(const struct published *p, struct json_writer *w)
{
    int64_t key = gguf_find_key(p->gguf, "tokenizer.ggml.merges");
    json_key(w, "merges");
    json_array(w);
    for (size_t i = 0; i < gguf_get_arr_n(p->gguf, key); i++) {
        struct view rest = view_from_cstr(gguf_get_arr_str(p->gguf, key, i));
        if (!p->merge_pairs) {
            json_write_string(w, rest);
            continue;
        }
        json_array(w);
        json_write_string(w, view_split(&rest, ' '));
        json_write_string(w, rest);
        json_end(w);
    }
    json_end(w);
}

static void write_tokenizer(const struct published *p)
{
    struct buf text = BUF_INIT(64u << 20);
    struct json_writer w;
    int64_t key = gguf_find_key(p->gguf, "tokenizer.ggml.tokens");
    const int32_t *types = gguf_get_arr_data(p->gguf, gguf_find_key(p->gguf, "tokenizer.ggml.token_type"));
    size_t count = gguf_get_arr_n(p->gguf, key);
    json_writer_init(&w, &text);
    json_object(&w);
    json_key(&w, "added_tokens");
    json_array(&w);
    for (size_t i = 0; i < count; i++) {
        if (types[i] != LLAMA_TOKEN_TYPE_CONTROL)
            continue;
        json_object(&w);
        json_put_i64(&w, "id", (int64_t)i);
        json_put_cstr(&w, "content", gguf_get_arr_str(p->gguf, key, i));
        json_put_bool(&w, "special", true);
        json_end(&w);
    }
    json_end(&w);
    json_key(&w, "pre_tokenizer");
    json_write_raw(&w, VIEW("{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\",\"individual_digits\":true},"
                            "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":true}]}"));
    json_key(&w, "model");
    json_object(&w);
    json_put_cstr(&w, "type", "BPE");
    json_key(&w, "vocab");
    json_object(&w);
    for (size_t i = 0; i < count; i++)
        if (types[i] != LLAMA_TOKEN_TYPE_CONTROL)
            json_put_i64(&w, gguf_get_arr_str(p->gguf, key, i), (int64_t)i);
    json_end(&w);
    write_merges(p, &w);
    json_end(&w);
    json_end(&w);
    write_text(p, "tokenizer.json", &text);
}

static void write_settings(const struct published *p)
{
    struct buf text = BUF_INIT(1u << 20);
    struct json_writer w;
    int64_t tokens = gguf_find_key(p->gguf, "tokenizer.ggml.tokens");
    json_writer_init(&w, &text);
    json_object(&w);
    json_put_cstr(&w, "bos_token", gguf_get_arr_str(p->gguf, tokens, key_number(p, "tokenizer.ggml.bos_token_id")));
    json_put_cstr(&w, "eos_token", gguf_get_arr_str(p->gguf, tokens, key_number(p, "tokenizer.ggml.eos_token_id")));
    json_put_bool(&w, "add_bos_token", false);
    json_put_cstr(&w, "chat_template", key_text(p, "tokenizer.chat_template"));
    json_end(&w);
    write_text(p, "tokenizer_config.json", &text);
}

static const char *published_name(const char *name)
{
    static const char *const names[][2] = {
        { "attn_norm", "input_layernorm" },
        { "attn_q", "self_attn.q_proj" },
        { "attn_k", "self_attn.k_proj" },
        { "attn_v", "self_attn.v_proj" },
        { "attn_output", "self_attn.o_proj" },
        { "ffn_norm", "post_attention_layernorm" },
        { "ffn_gate", "mlp.gate_proj" },
        { "ffn_up", "mlp.up_proj" },
        { "ffn_down", "mlp.down_proj" },
    };
    unsigned layer;
    char part[64];
    if (strcmp(name, "token_embd.weight") == 0)
        return "model.embed_tokens.weight";
    if (strcmp(name, "output_norm.weight") == 0)
        return "model.norm.weight";
    if (sscanf(name, "blk.%u.%63[^.].weight", &layer, part) != 2)
        return NULL;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (strcmp(part, names[i][0]) == 0)
            return arena_printf(arena, "model.layers.%u.%s.weight", layer, names[i][1]);
    return NULL;
}

/* libllama's neighbours back into halves: the way in which rotations are published. */
static void unrotate(float *values, int64_t columns, int64_t rows, int64_t heads)
{
    size_t row = (size_t)columns * sizeof *values;
    int64_t half = rows / heads / 2;
    float *copy = malloc((size_t)rows * row);
    memcpy(copy, values, (size_t)rows * row);
    for (int64_t head = 0; head < heads; head++)
        for (int64_t i = 0; i < half; i++)
            for (int64_t side = 0; side < 2; side++)
                memcpy(values + (head * 2 * half + side * half + i) * columns, copy + (head * 2 * half + 2 * i + side) * columns, row);
    free(copy);
}

static void append_values(const struct published *p, const struct ggml_tensor *tensor, struct buf *data)
{
    int64_t count = ggml_nelements(tensor), heads = 0;
    float *values = malloc((size_t)count * sizeof *values);
    if (tensor->type == GGML_TYPE_F32)
        memcpy(values, tensor->data, (size_t)count * sizeof *values);
    else
        ggml_get_type_traits(tensor->type)->to_float(tensor->data, values, count);
    if (strstr(tensor->name, "attn_q.") != NULL)
        heads = key_number(p, "llama.attention.head_count");
    if (strstr(tensor->name, "attn_k.") != NULL)
        heads = key_number(p, "llama.attention.head_count_kv");
    if (heads > 0)
        unrotate(values, tensor->ne[0], tensor->ne[1], heads);
    for (int64_t i = 0; i < count && p->halves; i++) {
        ggml_bf16_t half = ggml_fp32_to_bf16(values[i]);
        buf_append(data, &half, sizeof half);
    }
    if (!p->halves)
        buf_append(data, values, (size_t)count * sizeof *values);
    free(values);
}

static void write_weights(const struct published *p)
{
    struct buf data = BUF_INIT(1u << 30), header = BUF_INIT(1u << 20), file = BUF_INIT(1u << 30);
    struct json_writer w;
    json_writer_init(&w, &header);
    json_object(&w);
    for (struct ggml_tensor *tensor = ggml_get_first_tensor(p->tensors); tensor != NULL;
         tensor = ggml_get_next_tensor(p->tensors, tensor)) {
        size_t begin = data.len;
        const char *name = published_name(tensor->name);
        if (name == NULL)
            continue;
        append_values(p, tensor, &data);
        json_key(&w, name);
        json_object(&w);
        json_put_cstr(&w, "dtype", p->halves ? "BF16" : "F32");
        json_key(&w, "shape");
        json_array(&w);
        for (int dim = ggml_n_dims(tensor); dim-- > 0;)
            json_write_i64(&w, tensor->ne[dim]);
        json_end(&w);
        json_key(&w, "data_offsets");
        json_array(&w);
        json_write_i64(&w, (int64_t)begin);
        json_write_i64(&w, (int64_t)data.len);
        json_end(&w);
        json_end(&w);
    }
    json_end(&w);
    uint64_t length = header.len;
    buf_append(&file, &length, sizeof length);
    buf_append_view(&file, buf_view(&header));
    buf_append_view(&file, buf_view(&data));
    buf_free(&header);
    buf_free(&data);
    write_text(p, "model.safetensors", &file);
}

static void publish(struct published *p, const char *gguf, const char *name)
{
    struct gguf_init_params params = { .no_alloc = false, .ctx = &p->tensors };
    snprintf(p->folder, sizeof p->folder, "%s/%s", test_folder, name);
    assert_int_equal(fs_make_dirs(p->folder, 0700), 0);
    p->gguf = gguf_init_from_file(gguf, params);
    assert_non_null(p->gguf);
    write_config(p);
    write_tokenizer(p);
    write_settings(p);
    write_weights(p);
    ggml_free(p->tensors);
    gguf_free(p->gguf);
}

/* ---- comparing two models ---- */

static const char *const texts[] = {
    "The capital of France is Paris, and 12345 is a number.",
    "    def f(x):\n\t\treturn x ** 2  # don't\n\n\n",
    "Größe, 漢字, emoji 😀 and <|im_start|> as text",
};

static void assert_same_tokens(const struct llama_model *a, const struct llama_model *b)
{
    assert_int_equal(llama_vocab_n_tokens(llama_model_get_vocab(a)), llama_vocab_n_tokens(llama_model_get_vocab(b)));
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        llama_token left[256], right[256];
        int32_t count = tokens_of(a, texts[i], left, 256);
        assert_int_equal(tokens_of(b, texts[i], right, 256), count);
        assert_memory_equal(left, right, (size_t)count * sizeof *left);
    }
    const char *template = llama_model_chat_template(a, NULL), *other = llama_model_chat_template(b, NULL);
    assert_string_equal(template, other);
    assert_int_equal(llama_vocab_eos(llama_model_get_vocab(a)), llama_vocab_eos(llama_model_get_vocab(b)));
    assert_int_equal(llama_vocab_get_add_bos(llama_model_get_vocab(a)), llama_vocab_get_add_bos(llama_model_get_vocab(b)));
}

/* The largest difference of a logit after the text. */
static double logit_distance(struct llama_model *a, struct llama_model *b, const char *text)
{
    struct llama_context *left = open_model(a, false), *right = open_model(b, false);
    llama_token tokens[256];
    int32_t count = tokens_of(a, text, tokens, 256), words = llama_vocab_n_tokens(llama_model_get_vocab(a));
    double most = 0;
    assert_int_equal(llama_decode(left, llama_batch_get_one(tokens, count)), 0);
    assert_int_equal(llama_decode(right, llama_batch_get_one(tokens, count)), 0);
    const float *x = llama_get_logits_ith(left, -1), *y = llama_get_logits_ith(right, -1);
    for (int32_t i = 0; i < words; i++)
        most = fabs((double)x[i] - y[i]) > most ? fabs((double)x[i] - y[i]) : most;
    llama_free(left);
    llama_free(right);
    return most;
}

static struct llama_model *load_original(void)
{
    struct llama_model *model = llama_model_load_from_file(TEST_TEXT_MODEL, llama_model_default_params());
    assert_non_null(model);
    return model;
}

static void a_gguf_can_be_kept_as_it_is(void **state)
{
    (void)state;
    int status;
    const struct json *result = json_get(import_run(arena, TEST_TEXT_MODEL, "kept", "keep", &status), "result");
    int64_t context = 0;
    assert_int_equal(status, 0);
    assert_view_is(json_get_string(result, "kind"), "text");
    assert_view_is(json_get_string(result, "layout"), "Q4_1");
    assert_true(json_get_i64(result, "context", &context) && context == 8192);
    assert_true(json_bool(json_get(result, "template"), false));
    struct buf copy = BUF_INIT(1u << 30), source = BUF_INIT(1u << 30);
    assert_int_equal(fs_read_file(arena_printf(arena, "%s/kept/model.gguf", test_folder), &copy), 0);
    assert_int_equal(fs_read_file(TEST_TEXT_MODEL, &source), 0);
    assert_true(view_eq(buf_view(&copy), buf_view(&source)));
    buf_free(&copy);
    buf_free(&source);
}

static void a_slow_gguf_becomes_fast_and_its_loss_is_told(void **state)
{
    (void)state;
    int status;
    double loss = -1;
    const struct json *result = json_get(import_run(arena, TEST_TEXT_MODEL, "fast", "auto", &status), "result");
    assert_int_equal(status, 0);
    assert_view_is(json_get_string(result, "layout"), "Q8_0");
    assert_true(json_get_double(json_get(result, "loss"), "kl", &loss) && loss > 0 && loss < 0.02);
    struct llama_model *original = load_original(), *fast = load_imported("fast");
    assert_same_tokens(original, fast);
    llama_model_free(original);
    llama_model_free(fast);
}

static void a_published_folder_gives_the_same_tokens_and_logits(void **state)
{
    (void)state;
    struct published whole = { .merge_pairs = false };
    int status;
    publish(&whole, TEST_TEXT_MODEL, "published");
    const struct json *result = json_get(import_run(arena, whole.folder, "again", "keep", &status), "result");
    assert_int_equal(status, 0);
    assert_view_is(json_get_string(result, "layout"), "F32");
    struct llama_model *original = load_original(), *again = load_imported("again");
    assert_same_tokens(original, again);
    /* The same weights in other types: the kernels of Q4_1 round activations to eight bits, those of F32 do not. */
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        assert_true(logit_distance(original, again, texts[i]) < 1.0);
    llama_model_free(original);

    struct published halves = { .merge_pairs = true, .halves = true };
    publish(&halves, arena_printf(arena, "%s/again/model.gguf", test_folder), "halves");
    result = json_get(import_run(arena, halves.folder, "halved", "keep", &status), "result");
    assert_int_equal(status, 0);
    assert_view_is(json_get_string(result, "layout"), "BF16");
    struct llama_model *halved = load_imported("halved");
    assert_same_tokens(again, halved);
    assert_true(logit_distance(again, halved, texts[0]) < 0.5);
    llama_model_free(halved);

    struct published twice = { .merge_pairs = true };
    publish(&twice, arena_printf(arena, "%s/again/model.gguf", test_folder), "twice");
    import_run(arena, twice.folder, "exact", "keep", &status);
    assert_int_equal(status, 0);
    struct llama_model *exact = load_imported("exact");
    assert_true(logit_distance(again, exact, texts[0]) == 0);
    llama_model_free(exact);
    llama_model_free(again);
}

/* ---- what is refused ---- */

static void assert_refused(const char *source, const char *name, const char *type)
{
    int status;
    const struct json *error = json_get(import_run(arena, source, name, "keep", &status), "error");
    assert_int_equal(status, 1);
    assert_view_is(json_get_string(error, "type"), type);
    assert_true(json_get_string(error, "message").len > 10);
    assert_false(fs_exists(arena_printf(arena, "%s/%s.tmp", test_folder, name)));
}

static const char *make_file(const char *folder, const char *name, const char *text)
{
    const char *path = arena_printf(arena, "%s/%s/%s", test_folder, folder, name);
    assert_int_equal(fs_make_dirs(arena_printf(arena, "%s/%s", test_folder, folder), 0700), 0);
    assert_int_equal(fs_write_file(path, view_from_cstr(text), 0600), 0);
    return path;
}

static void what_cannot_be_imported_is_refused_by_name(void **state)
{
    (void)state;
    assert_refused(TEST_TEXT_MODEL, "kept", "AlreadyThere");
    assert_refused("/nowhere/at/all", "x", "NotFound");
    assert_refused(make_file("bad", "text.txt", "hello"), "x", "NotAModel");
    assert_refused(make_file("bad", "broken.gguf", "GGUF\3\0\0\0 and so on"), "x", "NotAModel");
    assert_refused(make_file("bad", "e5.bin", "E5S1\1"), "x", "Unsupported");

    const char *folder = arena_printf(arena, "%s/odd", test_folder);
    make_file("odd", "README", "empty");
    assert_refused(folder, "x", "NotAModel");
    make_file("odd", "config.json", "{\"architectures\":[\"MambaForCausalLM\"]}");
    assert_refused(folder, "x", "UnsupportedArchitecture");
    make_file("odd", "config.json", "{");
    assert_refused(folder, "x", "BrokenConfiguration");
    make_file("odd", "config.json", "{\"architectures\":[\"LlamaForCausalLM\"]}");
    assert_refused(folder, "x", "BrokenConfiguration");
}

static void a_published_folder_that_is_odd_is_refused_by_name(void **state)
{
    (void)state;
    const char *folder = arena_printf(arena, "%s/published", test_folder);
    make_file("published", "tokenizer.json", "{\"model\":{\"type\":\"BPE\"},\"pre_tokenizer\":{\"type\":\"Metaspace\"}}");
    assert_refused(folder, "x", "UnsupportedTokenizer");
    make_file("published", "tokenizer.json", "{\"model\":{\"type\":\"WordLevel\"}}");
    assert_refused(folder, "x", "UnsupportedTokenizer");
    make_file("published", "model.safetensors", "\xff\xff\xff\xff\xff\xff\xff\x7f{}");
    assert_refused(folder, "x", "BrokenWeights");
    make_file("published", "model.safetensors.index.json", "{\"weight_map\":{\"a\":\"../../etc/passwd\"}}");
    assert_refused(folder, "x", "BrokenWeights");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gguf_can_be_kept_as_it_is),
        cmocka_unit_test(a_slow_gguf_becomes_fast_and_its_loss_is_told),
        cmocka_unit_test(a_published_folder_gives_the_same_tokens_and_logits),
        cmocka_unit_test(what_cannot_be_imported_is_refused_by_name),
        cmocka_unit_test(a_published_folder_that_is_odd_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
