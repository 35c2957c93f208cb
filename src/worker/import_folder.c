/* A folder of safetensors with config.json and tokenizer.json, as published: which architecture it is, and where each tensor goes. */
#include "worker/import.h"
#include "worker/safetensors.h"

#include <llama.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define LAYERS_MAX 1024

/* ---- architectures: tables ---- */

enum family { FAMILY_BERT,
              FAMILY_LLAMA };

struct tensor_name {
    const char *from, *to;
};

/* Without the layer's prefix; both end in .weight or .bias. */
static const struct tensor_name bert_model[] = {
    { "embeddings.word_embeddings", "token_embd" },
    { "embeddings.position_embeddings", "position_embd" },
    { "embeddings.token_type_embeddings", "token_types" },
    { "embeddings.LayerNorm", "token_embd_norm" },
    { NULL, NULL },
};
static const struct tensor_name bert_layer[] = {
    { "attention.self.query", "attn_q" },
    { "attention.self.key", "attn_k" },
    { "attention.self.value", "attn_v" },
    { "attention.output.dense", "attn_output" },
    { "attention.output.LayerNorm", "attn_output_norm" },
    { "intermediate.dense", "ffn_up" },
    { "output.dense", "ffn_down" },
    { "output.LayerNorm", "layer_output_norm" },
    { NULL, NULL },
};
static const struct tensor_name llama_model[] = {
    { "model.embed_tokens", "token_embd" },
    { "model.norm", "output_norm" },
    { "lm_head", "output" },
    { NULL, NULL },
};
static const struct tensor_name llama_layer[] = {
    { "input_layernorm", "attn_norm" },
    { "self_attn.q_proj", "attn_q" },
    { "self_attn.k_proj", "attn_k" },
    { "self_attn.v_proj", "attn_v" },
    { "self_attn.o_proj", "attn_output" },
    { "self_attn.q_norm", "attn_q_norm" },
    { "self_attn.k_norm", "attn_k_norm" },
    { "post_attention_layernorm", "ffn_norm" },
    { "mlp.gate_proj", "ffn_gate" },
    { "mlp.up_proj", "ffn_up" },
    { "mlp.down_proj", "ffn_down" },
    { NULL, NULL },
};

struct architecture {
    const char *published; /* config.json's architectures[0] */
    const char *gguf;
    enum family family;
    const char *const *prefixes; /* that names may carry */
    const char *layers;          /* before a layer's number */
    const struct tensor_name *model, *layer;
    bool rotary_halves;      /* query and key rows have to be reordered */
    int64_t position_offset; /* unused rows before the first position */
};

static const char *const bert_prefixes[] = { "bert.", "model.", NULL };
static const char *const roberta_prefixes[] = { "roberta.", "model.", NULL };
static const char *const no_prefixes[] = { NULL };

static const struct architecture architectures[] = {
    { "BertModel", "bert", FAMILY_BERT, bert_prefixes, "encoder.layer.", bert_model, bert_layer, false, 0 },
    { "BertForMaskedLM", "bert", FAMILY_BERT, bert_prefixes, "encoder.layer.", bert_model, bert_layer, false, 0 },
    { "XLMRobertaModel", "bert", FAMILY_BERT, roberta_prefixes, "encoder.layer.", bert_model, bert_layer, false, 2 },
    { "RobertaModel", "bert", FAMILY_BERT, roberta_prefixes, "encoder.layer.", bert_model, bert_layer, false, 2 },
    { "LlamaForCausalLM", "llama", FAMILY_LLAMA, no_prefixes, "model.layers.", llama_model, llama_layer, true, 0 },
    { "MistralForCausalLM", "llama", FAMILY_LLAMA, no_prefixes, "model.layers.", llama_model, llama_layer, true, 0 },
    { "Qwen2ForCausalLM", "qwen2", FAMILY_LLAMA, no_prefixes, "model.layers.", llama_model, llama_layer, false, 0 },
    { "Qwen3ForCausalLM", "qwen3", FAMILY_LLAMA, no_prefixes, "model.layers.", llama_model, llama_layer, false, 0 },
};

struct folder {
    struct import *im;
    struct weights *weights;
    const struct architecture *architecture;
    const struct json *config, *tokenizer;
    struct safetensors tensors;
    int64_t layers, heads, key_heads, hidden, ffn, vocabulary, positions;
};

/* ---- config.json ---- */

static bool number(struct folder *f, const char *key, int64_t *out)
{
    if (json_get_i64(f->config, key, out) && *out > 0 && *out < (1 << 30))
        return true;
    return import_fail(f->im, "BrokenConfiguration", "config.json has no usable %s", key);
}

static bool read_config(struct folder *f)
{
    struct import *im = f->im;
    if (!import_read_json(im, "config.json", &f->config))
        return false;
    if (f->config == NULL)
        return import_fail(im, "NotAModel", "the folder has no config.json");
    struct view name = json_string(json_at(json_get(f->config, "architectures"), 0));
    for (size_t i = 0; i < sizeof architectures / sizeof architectures[0]; i++)
        if (view_is(name, architectures[i].published))
            f->architecture = &architectures[i];
    if (f->architecture == NULL)
        return import_fail(im, "UnsupportedArchitecture",
                           "the architecture " VIEW_FMT " cannot be converted; BertModel, XLMRobertaModel, LlamaForCausalLM, "
                           "MistralForCausalLM, Qwen2ForCausalLM and Qwen3ForCausalLM can, and any GGUF file can be added as it is",
                           VIEW_ARG(view_first(name, 80)));
    struct view activation = json_get_string(f->config, "hidden_act");
    bool bert = f->architecture->family == FAMILY_BERT;
    if (activation.len > 0 && !view_is(activation, bert ? "gelu" : "silu"))
        return import_fail(im, "Unsupported", "the activation " VIEW_FMT " is not supported for this architecture", VIEW_ARG(activation));
    if (!number(f, "num_hidden_layers", &f->layers) || !number(f, "num_attention_heads", &f->heads) ||
        !number(f, "hidden_size", &f->hidden) || !number(f, "intermediate_size", &f->ffn) ||
        !number(f, "vocab_size", &f->vocabulary) || !number(f, "max_position_embeddings", &f->positions))
        return false;
    f->key_heads = f->heads;
    json_get_i64(f->config, "num_key_value_heads", &f->key_heads);
    f->positions -= f->architecture->position_offset;
    if (f->layers > LAYERS_MAX || f->positions < 1 || f->key_heads < 1 || f->key_heads > f->heads || f->hidden % f->heads != 0)
        return import_fail(im, "BrokenConfiguration", "config.json has numbers that do not go together");
    return true;
}

static void put(struct folder *f, const char *key, int64_t value)
{
    char full[96];
    snprintf(full, sizeof full, "%s.%s", f->architecture->gguf, key);
    gguf_set_val_u32(f->weights->gguf, full, (uint32_t)value);
}

static void put_float(struct folder *f, const char *key, double value)
{
    char full[96];
    snprintf(full, sizeof full, "%s.%s", f->architecture->gguf, key);
    gguf_set_val_f32(f->weights->gguf, full, (float)value);
}

/* Sentence Transformers says in folders of its own how tokens become one vector. */
static bool put_pooling(struct folder *f)
{
    const struct json *pooling;
    if (!import_read_json(f->im, "1_Pooling/config.json", &pooling))
        return false;
    enum llama_pooling_type type = LLAMA_POOLING_TYPE_MEAN;
    if (json_bool(json_get(pooling, "pooling_mode_cls_token"), false))
        type = LLAMA_POOLING_TYPE_CLS;
    else if (pooling != NULL && !json_bool(json_get(pooling, "pooling_mode_mean_tokens"), false))
        return import_fail(f->im, "Unsupported", "the model pools in a way that is not supported; mean and cls are");
    put(f, "pooling_type", type);
    return true;
}

static bool put_bert(struct folder *f)
{
    double epsilon = 1e-12;
    int64_t types = 1;
    json_get_double(f->config, "layer_norm_eps", &epsilon);
    json_get_i64(f->config, "type_vocab_size", &types);
    struct view position = json_get_string(f->config, "position_embedding_type");
    if (position.len > 0 && !view_is(position, "absolute"))
        return import_fail(f->im, "Unsupported", "positions of the type " VIEW_FMT " are not supported", VIEW_ARG(position));
    put_float(f, "attention.layer_norm_epsilon", epsilon);
    gguf_set_val_bool(f->weights->gguf, "bert.attention.causal", false);
    gguf_set_val_u32(f->weights->gguf, "tokenizer.ggml.token_type_count", (uint32_t)types);
    return put_pooling(f);
}

static const struct json *rope_scaling(const struct folder *f, struct view *type)
{
    const struct json *scaling = json_get(f->config, "rope_scaling");
    *type = json_get_string(scaling, "rope_type");
    if (type->len == 0)
        *type = json_get_string(scaling, "type");
    return scaling;
}

/* Llama 3's scaling is a factor for each frequency, given as a tensor. */
static bool add_rope_factors(struct folder *f, const struct json *scaling, double theta, int64_t head)
{
    double factor = 8, low = 1, high = 4, original = 8192;
    json_get_double(scaling, "factor", &factor);
    json_get_double(scaling, "low_freq_factor", &low);
    json_get_double(scaling, "high_freq_factor", &high);
    json_get_double(scaling, "original_max_position_embeddings", &original);
    if (!(factor > 0 && low > 0 && high > low && original > 0))
        return import_fail(f->im, "BrokenConfiguration", "config.json has a rope_scaling that makes no sense");
    float *values = ARENA_ARRAY(f->im->arena, float, (size_t)head / 2);
    if (values == NULL)
        return IMPORT_NO_MEMORY(f->im);
    for (int64_t i = 0; i < head / 2; i++) {
        double length = 2 * M_PI * pow(theta, 2.0 * (double)i / (double)head);
        double smooth = (original / length - low) / (high - low);
        values[i] = length < original / high ? 1 : length > original / low ? (float)factor
                                                                           : (float)(1 / ((1 - smooth) / factor + smooth));
    }
    struct weight weight = { .name = "rope_freqs.weight",
                             .dims = 1,
                             .ne = { head / 2, 1, 1, 1 },
                             .data = view_of(values, (size_t)head / 2 * sizeof *values) };
    return weights_add(f->im, f->weights, &weight);
}

static bool put_llama(struct folder *f)
{
    double epsilon = 1e-5, theta = 10000, factor = 0;
    int64_t head = f->hidden / f->heads, window = 0;
    struct view type;
    const struct json *scaling = rope_scaling(f, &type);
    json_get_double(f->config, "rms_norm_eps", &epsilon);
    json_get_double(f->config, "rope_theta", &theta);
    json_get_i64(f->config, "head_dim", &head);
    if (head < 2 || head > 4096 || head % 2 != 0)
        return import_fail(f->im, "BrokenConfiguration", "config.json has a head_dim that makes no sense");
    put(f, "attention.head_count_kv", f->key_heads);
    put_float(f, "attention.layer_norm_rms_epsilon", epsilon);
    put(f, "rope.dimension_count", head);
    put(f, "attention.key_length", head);
    put(f, "attention.value_length", head);
    put_float(f, "rope.freq_base", theta);
    put(f, "vocab_size", f->vocabulary);
    if (json_get_i64(f->config, "sliding_window", &window) && window > 0 && window < f->positions &&
        json_bool(json_get(f->config, "use_sliding_window"), f->architecture->rotary_halves))
        f->positions = window; /* the model sees no further, whatever its positions */
    if (view_is(type, "llama3"))
        return add_rope_factors(f, scaling, theta, head);
    if (view_is(type, "linear") && json_get_double(scaling, "factor", &factor)) {
        gguf_set_val_str(f->weights->gguf, arena_printf(f->im->arena, "%s.rope.scaling.type", f->architecture->gguf), "linear");
        put_float(f, "rope.scaling.factor", factor);
    } else if (type.len > 0 && !view_is(type, "default")) {
        return import_fail(f->im, "Unsupported", "rope scaling of the type " VIEW_FMT " is not supported", VIEW_ARG(type));
    }
    return true;
}

static bool put_metadata(struct folder *f)
{
    bool bert = f->architecture->family == FAMILY_BERT;
    gguf_set_val_str(f->weights->gguf, "general.architecture", f->architecture->gguf);
    gguf_set_val_str(f->weights->gguf, "general.name", arena_cstr(f->im->arena, f->im->name));
    if (!(bert ? put_bert(f) : put_llama(f)))
        return false;
    put(f, "context_length", f->positions);
    put(f, "embedding_length", f->hidden);
    put(f, "block_count", f->layers);
    put(f, "feed_forward_length", f->ffn);
    put(f, "attention.head_count", f->heads);
    return true;
}

/* ---- tokenizer.json ---- */

static bool put_tokenizer(struct folder *f)
{
    if (!import_read_json(f->im, "tokenizer.json", &f->tokenizer))
        return false;
    struct view type = json_get_string(json_get(f->tokenizer, "model"), "type");
    bool bert = f->architecture->family == FAMILY_BERT;
    if (bert && view_is(type, "WordPiece"))
        return import_wordpiece(f->im, f->weights, f->tokenizer, f->vocabulary);
    if (bert && view_is(type, "Unigram"))
        return import_unigram(f->im, f->weights, f->tokenizer, f->vocabulary);
    if (!bert && view_is(type, "BPE"))
        return import_bpe(f->im, f->weights, f->tokenizer, f->config, f->vocabulary);
    if (f->tokenizer == NULL)
        return import_fail(f->im, "NotAModel", "the folder has no tokenizer.json");
    return import_fail(f->im, "UnsupportedTokenizer", "a tokenizer of the type " VIEW_FMT " is not supported for this architecture",
                       VIEW_ARG(type));
}

/* ---- tensors ---- */

static bool open_tensors(struct folder *f, struct view file)
{
    struct view bytes;
    const char *problem;
    if (view_find_byte(file, '/') != VIEW_NPOS || file.len == 0 || file.len > 255)
        return import_fail(f->im, "BrokenWeights", "model.safetensors.index.json names a file outside of the folder");
    if (!import_map(f->im, arena_printf(f->im->arena, "%s/" VIEW_FMT, f->im->source, VIEW_ARG(file)), &bytes))
        return false;
    if (!safetensors_parse(f->im->arena, bytes, &f->tensors, &problem))
        return import_fail(f->im, "BrokenWeights", VIEW_FMT ": %s", VIEW_ARG(file), problem);
    return true;
}

/* One file, or the files that an index names. */
static bool open_all(struct folder *f)
{
    const struct json *index;
    if (!import_read_json(f->im, "model.safetensors.index.json", &index))
        return false;
    if (index == NULL)
        return open_tensors(f, VIEW("model.safetensors"));
    struct view seen[512];
    size_t count = 0;
    struct json_iter it = json_iter(json_get(index, "weight_map"));
    while (json_next(&it)) {
        struct view file = json_string(it.value);
        bool known = false;
        for (size_t i = 0; i < count && !known; i++)
            known = view_eq(seen[i], file);
        if (known)
            continue;
        if (count == sizeof seen / sizeof seen[0])
            return import_fail(f->im, "Unsupported", "the weights are in more than %zu files", count);
        seen[count++] = file;
        if (!open_tensors(f, file))
            return false;
    }
    return count > 0 || import_fail(f->im, "BrokenWeights", "model.safetensors.index.json names no file");
}

/* name without its suffix, which is put into *suffix: older files say gamma and beta. */
static struct view stem_of(struct view name, const char **suffix)
{
    static const char *const endings[][2] = {
        { ".weight", ".weight" }, { ".bias", ".bias" }, { ".gamma", ".weight" }, { ".beta", ".bias" }
    };
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++)
        if (view_ends_with(name, view_from_cstr(endings[i][0]))) {
            *suffix = endings[i][1];
            return view_first(name, name.len - strlen(endings[i][0]));
        }
    *suffix = NULL;
    return name;
}

static const char *look_up(const struct tensor_name *names, struct view stem)
{
    for (; names->from != NULL; names++)
        if (view_is(stem, names->from))
            return names->to;
    return NULL;
}

/* The GGUF's name of a tensor; false: it is not part of what libllama runs (a pooler, a language-modelling head of BERT). */
static bool gguf_name(const struct folder *f, struct view name, char *out, size_t size)
{
    const char *suffix, *to;
    uint64_t layer;
    for (const char *const *prefix = f->architecture->prefixes; *prefix != NULL; prefix++)
        if (view_starts_with(name, view_from_cstr(*prefix)))
            name = view_from(name, strlen(*prefix));
    struct view stem = stem_of(name, &suffix);
    if (suffix == NULL)
        return false;
    if ((to = look_up(f->architecture->model, stem)) != NULL) {
        snprintf(out, size, "%s%s", to, suffix);
        return true;
    }
    if (!view_starts_with(stem, view_from_cstr(f->architecture->layers)))
        return false;
    struct view rest = view_from(stem, strlen(f->architecture->layers));
    if (!view_to_u64(view_split(&rest, '.'), &layer) || layer >= (uint64_t)f->layers ||
        (to = look_up(f->architecture->layer, rest)) == NULL)
        return false;
    snprintf(out, size, "blk.%u.%s%s", (unsigned)layer, to, suffix);
    return true;
}

static enum ggml_type ggml_type_of(enum safetensors_type type)
{
    return type == ST_F16 ? GGML_TYPE_F16 : type == ST_BF16 ? GGML_TYPE_BF16
                                                            : GGML_TYPE_F32;
}

static bool is(const char *name, const char *part)
{
    return strstr(name, part) != NULL;
}

static bool add_tensor(struct folder *f, const struct safetensor *tensor)
{
    struct weight weight = { .dims = tensor->dims, .ne = { 1, 1, 1, 1 }, .data = tensor->data };
    if (!gguf_name(f, tensor->name, weight.name, sizeof weight.name))
        return true;
    if (strcmp(weight.name, "output.weight") == 0 && json_bool(json_get(f->config, "tie_word_embeddings"), false))
        return true; /* the same as the embeddings */
    if (tensor->type == ST_OTHER || tensor->dims < 1 || tensor->dims > 2)
        return import_fail(f->im, "Unsupported", "the tensor " VIEW_FMT " has a type or shape that is not supported",
                           VIEW_ARG(tensor->name));
    for (unsigned i = 0; i < tensor->dims; i++)
        weight.ne[i] = (int64_t)tensor->shape[tensor->dims - 1 - i];
    weight.source_type = ggml_type_of(tensor->type);
    bool small = tensor->dims == 1 || is(weight.name, "position_embd") || is(weight.name, "token_types");
    weight.type = small ? GGML_TYPE_F32 : weight.source_type;
    if (f->architecture->rotary_halves && is(weight.name, "attn_q."))
        weight.rotary_heads = f->heads;
    if (f->architecture->rotary_halves && is(weight.name, "attn_k."))
        weight.rotary_heads = f->key_heads;
    if (is(weight.name, "position_embd")) { /* unused rows go */
        size_t unused = (size_t)(f->architecture->position_offset * weight.ne[0]) * ggml_type_size(weight.source_type);
        weight.ne[1] = f->positions;
        weight.data =
            view_first(view_from(weight.data, unused), (size_t)(f->positions * weight.ne[0]) * ggml_type_size(weight.source_type));
    }
    return weights_add(f->im, f->weights, &weight);
}

/* "query" and "document" texts that the model was trained to see before its input. */
static bool read_prefixes(struct folder *f)
{
    const struct json *config;
    if (f->im->has_prefixes)
        return true;
    if (!import_read_json(f->im, "config_sentence_transformers.json", &config))
        return false;
    const struct json *prompts = json_get(config, "prompts");
    f->im->query_prefix = json_get_string(prompts, "query");
    f->im->document_prefix = json_get_string(prompts, "document");
    if (f->im->document_prefix.len == 0)
        f->im->document_prefix = json_get_string(prompts, "passage");
    return true;
}

bool import_folder(struct import *im, struct weights *weights)
{
    struct folder f = { .im = im, .weights = weights };
    if (!read_config(&f) || !open_all(&f) || !put_metadata(&f) || !put_tokenizer(&f) || !read_prefixes(&f))
        return false;
    for (size_t i = 0; i < f.tensors.count; i++)
        if (!add_tensor(&f, &f.tensors.list[i]))
            return false;
    return weights->count > 0 || import_fail(im, "BrokenWeights", "none of the tensors belongs to the architecture");
}
