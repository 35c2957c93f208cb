/* Which layout of the weights this processor runs fastest, and what it costs in fidelity.
 *
 * ggml's processor backend rearranges some types for its fast kernels when it loads them (Q8_0, Q4_0, the K types …) and computes
 * the others slowly, F32 and Q4_1 among them. Those become Q8_0, which is measured against the source on a built-in text and
 * kept only when the loss is below what anybody could see. Small embedding models often fail that, and become F16 instead.
 */
#include "worker/import.h"
#include "worker/shim.h"

#include <llama.h>

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOSS_MAX_TEXT      0.03   /* nats a token; a sampler's noise is a hundred times that */
#define LOSS_MAX_EMBEDDING 0.0005 /* 1 - cosine of the worst sample */
#define MEASURE_STEP       32     /* tokens a decode: bounds the memory that logits take */
#define MEASURE_TOKENS     320

/* In the order in which they are tried. */
static const struct candidate {
    enum llama_ftype file_type;
    enum ggml_type type;
    bool text; /* also for text models */
} candidates[] = {
    { LLAMA_FTYPE_MOSTLY_Q8_0, GGML_TYPE_Q8_0, true },
    { LLAMA_FTYPE_MOSTLY_F16, GGML_TYPE_F16, false },
};

static const enum ggml_type slow_types[] = { GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_BF16, GGML_TYPE_Q4_1, GGML_TYPE_Q5_0, GGML_TYPE_Q5_1 };

/* Plain prose, dialogue, numbers and code: what a model is likely to be asked about. */
static const char text_sample[] =
    "The harbour was quiet when the ferry came in. Anna stood at the rail with her brother's coat over her arm and counted the lights "
    "along the quay: eleven, as there had always been. \"You are late,\" said the old man who caught the rope. \"The wind,\" she answered, "
    "\"and the engine, and then the wind again.\" He laughed and told her that the hotel by the church still had rooms, that breakfast was "
    "served from seven to half past nine, and that the road to the north was closed until Thursday.\n\n"
    "Water boils at 100 degrees Celsius at sea level, but at 3,000 metres it boils at about 90. The reason is that the pressure of the air "
    "falls with height, and a liquid boils when the pressure of its vapour reaches that of the air above it. This is why eggs take longer "
    "to cook in the mountains. In 1924 the town had 4,812 inhabitants; by 1950 there were 9,377, nearly twice as many.\n\n"
    "def mean(values):\n    total = 0.0\n    for value in values:\n        total += value\n    return total / len(values)\n\n"
    "To plan a small garden, first watch where the sun falls during the day. Tomatoes and beans want at least six hours of light; lettuce "
    "and spinach are content with less. Dig in some compost in early spring, wait a week, and sow in rows a hand apart. Water in the "
    "evening, and never on the leaves.";

static const char *const sentence_samples[] = {
    "The quick brown fox jumps over the lazy dog.",
    "I am sorry.",
    "weather",
    "How do I reset the password of my account?",
    "Photosynthesis turns light, water and carbon dioxide into sugar and oxygen.",
    "Der Zug nach Hamburg hat heute leider zwanzig Minuten Verspätung.",
    "¿Dónde está la biblioteca más cercana?",
    "对不起，我今天不能来参加会议。",
    "Les résultats du troisième trimestre dépassent les prévisions.",
    "SELECT name, price FROM products WHERE price < 20 ORDER BY name;",
};

/* ---- what a file is ---- */

static const char *text_of(const struct gguf_context *gguf, const char *key)
{
    int64_t id = gguf_find_key(gguf, key);
    return id >= 0 && gguf_get_kv_type(gguf, id) == GGUF_TYPE_STRING ? gguf_get_val_str(gguf, id) : NULL;
}

static bool find_key(const struct gguf_context *gguf, const char *architecture, const char *what, int64_t *id)
{
    char key[128];
    snprintf(key, sizeof key, "%s.%s", architecture, what);
    *id = gguf_find_key(gguf, key);
    return *id >= 0;
}

/* The type that most bytes of matrices are of. */
static enum ggml_type dominant_type(const struct gguf_context *gguf)
{
    uint64_t bytes[GGML_TYPE_COUNT] = { 0 };
    int64_t tensors = gguf_get_n_tensors(gguf);
    for (int64_t i = 0; i < tensors; i++)
        if (gguf_get_tensor_ne(gguf, i)[1] > 1)
            bytes[gguf_get_tensor_type(gguf, i)] += gguf_get_tensor_size(gguf, i);
    enum ggml_type most = GGML_TYPE_F32;
    for (int type = 0; type < GGML_TYPE_COUNT; type++)
        if (bytes[type] > bytes[most])
            most = (enum ggml_type)type;
    return most;
}

static void set_layout(struct layout_result *result, enum ggml_type type)
{
    snprintf(result->layout, sizeof result->layout, "%s", ggml_type_name(type));
    for (char *c = result->layout; *c != '\0'; c++)
        if (*c >= 'a' && *c <= 'z')
            *c = (char)(*c - 32);
}

static bool describe_header(struct import *im, const struct gguf_context *gguf, struct layout_result *result)
{
    const char *architecture = text_of(gguf, "general.architecture"), *kind = text_of(gguf, "general.type");
    int64_t id;
    if (architecture == NULL || strlen(architecture) >= sizeof result->architecture)
        return import_fail(im, "NotAModel", "the GGUF file does not name its architecture");
    if (kind != NULL && strcmp(kind, "model") != 0)
        return import_fail(im, "NotAModel", "the GGUF file is not a model but: %.40s", kind);
    if ((id = gguf_find_key(gguf, "split.count")) >= 0 && gguf_get_kv_type(gguf, id) == GGUF_TYPE_UINT16 && gguf_get_val_u16(gguf, id) > 1)
        return import_fail(im, "Unsupported", "the model is split over several GGUF files; join them first");
    snprintf(result->architecture, sizeof result->architecture, "%s", architecture);
    result->has_template = text_of(gguf, "tokenizer.chat_template") != NULL;
    if (find_key(gguf, architecture, "pooling_type", &id) && gguf_get_kv_type(gguf, id) == GGUF_TYPE_UINT32) {
        uint32_t pooling = gguf_get_val_u32(gguf, id);
        if (pooling == LLAMA_POOLING_TYPE_RANK)
            return import_fail(im, "Unsupported", "the model ranks documents, which is not supported");
        result->embedding = pooling != LLAMA_POOLING_TYPE_NONE;
    }
    if (find_key(gguf, architecture, "attention.causal", &id) && gguf_get_kv_type(gguf, id) == GGUF_TYPE_BOOL &&
        !gguf_get_val_bool(gguf, id))
        result->embedding = true;
    set_layout(result, dominant_type(gguf));
    return true;
}

static struct llama_model *load(struct import *im, const char *path)
{
    struct llama_model_params params = llama_model_default_params();
    params.n_gpu_layers = 0;
    struct llama_model *model = llama_model_load_from_file(path, params);
    if (model == NULL)
        import_tell(im, "UnsupportedModel", "the engine cannot load this model: its architecture is not supported, or the file is damaged");
    return model;
}

static void describe_model(const struct llama_model *model, struct layout_result *result)
{
    result->parameters = (int64_t)llama_model_n_params(model);
    result->context = llama_model_n_ctx_train(model);
    result->dimensions = llama_model_n_embd(model);
}

/* ---- measuring ---- */

static struct llama_context *open_context(struct import *im, struct llama_model *model, bool embedding)
{
    struct llama_context_params params = llama_context_default_params();
    params.n_ctx = params.n_batch = params.n_ubatch = 512;
    params.n_threads = params.n_threads_batch = im->threads;
    params.embeddings = embedding;
    struct llama_context *context = llama_init_from_model(model, params);
    if (context == NULL)
        (void)IMPORT_NO_MEMORY(im);
    return context;
}

static double log_sum(const float *logits, int32_t count)
{
    double max = -INFINITY, sum = 0;
    for (int32_t i = 0; i < count; i++)
        max = logits[i] > max ? logits[i] : max;
    for (int32_t i = 0; i < count; i++)
        sum += exp(logits[i] - max);
    return max + log(sum);
}

static double divergence(const float *source, const float *other, int32_t count)
{
    double sum = 0, source_log = log_sum(source, count), other_log = log_sum(other, count);
    for (int32_t i = 0; i < count; i++) {
        double probability = exp(source[i] - source_log);
        sum += probability * ((source[i] - source_log) - (other[i] - other_log));
    }
    return sum;
}

static bool decode_step(struct llama_context *context, const llama_token *tokens, int32_t from, int32_t count)
{
    struct llama_batch batch = llama_batch_init(count, 0, 1);
    for (int32_t i = 0; i < count; i++) {
        batch.token[i] = tokens[from + i];
        batch.pos[i] = from + i;
        batch.n_seq_id[i] = 1;
        batch.seq_id[i][0] = 0;
        batch.logits[i] = 1;
    }
    batch.n_tokens = count;
    bool fine = llama_decode(context, batch) == 0;
    llama_batch_free(batch);
    return fine;
}

/* At most MEASURE_TOKENS; *count is 0 and the import failed when the tokenizer does not work. */
static llama_token *tokenize(struct import *im, const struct llama_vocab *vocab, const char *text, int32_t *count)
{
    llama_token *tokens;
    size_t found;
    struct shim_error error = { "" };
    if (!shim_tokenize(vocab, text, strlen(text), true, false, &tokens, &found, &error))
        import_tell(im, "BrokenTokenizer", "the engine cannot use the tokenizer: %s", error.message);
    *count = found < MEASURE_TOKENS ? (int32_t)found : MEASURE_TOKENS;
    return tokens;
}

/* The mean divergence of the next token's distribution over the text. */
static bool measure_text(struct import *im, struct llama_context *source, struct llama_context *other, double *loss)
{
    const struct llama_vocab *vocab = llama_model_get_vocab(llama_get_model(source));
    int32_t words = llama_vocab_n_tokens(vocab), count;
    llama_token *tokens = tokenize(im, vocab, text_sample, &count);
    double sum = 0;
    for (int32_t from = 0; from < count; from += MEASURE_STEP) {
        int32_t step = count - from < MEASURE_STEP ? count - from : MEASURE_STEP;
        if (!decode_step(source, tokens, from, step) || !decode_step(other, tokens, from, step)) {
            import_tell(im, "UnsupportedModel", "the engine cannot compute with this model");
            break;
        }
        for (int32_t i = 0; i < step; i++)
            sum += divergence(llama_get_logits_ith(source, i), llama_get_logits_ith(other, i), words);
        import_progress(im, "measuring the loss", (double)(from + step) / count);
    }
    free(tokens);
    *loss = count > 0 ? sum / count : 0;
    return im->error[0] == '\0';
}

static const float *embed(struct import *im, struct llama_context *context, const char *text)
{
    int32_t count;
    llama_token *tokens = tokenize(im, llama_model_get_vocab(llama_get_model(context)), text, &count);
    llama_memory_t memory = llama_get_memory(context);
    if (memory != NULL)
        llama_memory_clear(memory, true);
    bool fine = count > 0 && decode_step(context, tokens, 0, count);
    free(tokens);
    return fine ? llama_get_embeddings_seq(context, 0) : NULL;
}

static double cosine(const float *a, const float *b, int32_t count)
{
    double dot = 0, left = 0, right = 0;
    for (int32_t i = 0; i < count; i++) {
        dot += (double)a[i] * b[i];
        left += (double)a[i] * a[i];
        right += (double)b[i] * b[i];
    }
    return left > 0 && right > 0 ? dot / sqrt(left * right) : 0;
}

static bool measure_embedding(struct import *im, struct llama_context *source, struct llama_context *other, double *loss)
{
    int32_t dimensions = llama_model_n_embd(llama_get_model(source));
    const size_t count = sizeof sentence_samples / sizeof sentence_samples[0];
    *loss = 0;
    for (size_t i = 0; i < count; i++) {
        const float *a = embed(im, source, sentence_samples[i]), *b = embed(im, other, sentence_samples[i]);
        if (a == NULL || b == NULL)
            return import_fail(im, "UnsupportedModel", "the engine cannot compute embeddings with this model");
        double one = 1 - cosine(a, b, dimensions);
        *loss = one > *loss ? one : *loss;
        import_progress(im, "measuring the loss", (double)(i + 1) / (double)count);
    }
    return true;
}

static bool measure(struct import *im, struct llama_model *source, const char *path, struct layout_result *result, double *loss)
{
    struct llama_model *other = load(im, path);
    struct llama_context *a = other != NULL ? open_context(im, source, result->embedding) : NULL;
    struct llama_context *b = a != NULL ? open_context(im, other, result->embedding) : NULL;
    bool fine = b != NULL && (result->embedding ? measure_embedding(im, a, b, loss) : measure_text(im, a, b, loss));
    if (b != NULL)
        llama_free(b);
    if (a != NULL)
        llama_free(a);
    if (other != NULL)
        llama_model_free(other);
    return fine;
}

/* ---- writing ---- */

static bool quantize(struct import *im, const char *from, enum llama_ftype type, const char *to)
{
    struct llama_model_quantize_params params = llama_model_quantize_default_params();
    params.ftype = type;
    params.allow_requantize = true;
    params.nthread = im->threads;
    import_progress(im, "quantizing", 0);
    if (llama_model_quantize(from, to, &params) != 0)
        return import_fail(im, "CannotQuantize",
                           "the weights could not be turned into another layout; --layout keep leaves them as they are");
    import_progress(im, "quantizing", 1);
    return true;
}

/* Takes the file as it is: the converted one moves, a foreign one is copied. */
static bool take_file(struct import *im, const char *from, bool owned, const char *to)
{
    if (owned)
        return rename(from, to) == 0 || import_fail_system(im, "CannotWrite", to);
    int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    struct stat status;
    off_t copied = 0;
    char *buffer = malloc(1u << 20);
    bool fine = in >= 0 && out >= 0 && buffer != NULL && fstat(in, &status) == 0;
    while (fine && copied < status.st_size) {
        ssize_t got = read(in, buffer, 1u << 20);
        fine = got > 0 && write(out, buffer, (size_t)got) == got;
        copied += got;
        import_progress(im, "copying", (double)copied / (double)status.st_size);
    }
    fine = fine && fsync(out) == 0;
    if (!fine)
        import_tell_system(im, "CannotWrite", to);
    free(buffer);
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    return fine;
}

static bool is_slow(enum ggml_type type)
{
    for (size_t i = 0; i < sizeof slow_types / sizeof slow_types[0]; i++)
        if (slow_types[i] == type)
            return true;
    return false;
}

/* Tries one layout and keeps it when the loss is small enough; *done tells whether it was. */
static bool try_layout(struct import *im, struct llama_model *source, const struct candidate *candidate, const char *from, const char *to,
                       struct layout_result *result, bool *done)
{
    double loss = 0;
    if (!quantize(im, from, candidate->file_type, to) || !measure(im, source, to, result, &loss)) {
        unlink(to);
        return false;
    }
    *done = isfinite(loss) && loss <= (result->embedding ? LOSS_MAX_EMBEDDING : LOSS_MAX_TEXT);
    if (*done) {
        result->measured = true;
        result->loss = loss > 0 ? loss : 0;
        set_layout(result, candidate->type);
    } else {
        unlink(to);
    }
    return true;
}

static bool try_layouts(struct import *im, struct llama_model *source, enum ggml_type type, const char *from, const char *to,
                        struct layout_result *result, bool *done)
{
    for (size_t i = 0; i < sizeof candidates / sizeof candidates[0] && !*done; i++) {
        if (candidates[i].type == type || (!result->embedding && !candidates[i].text))
            continue;
        if (!try_layout(im, source, &candidates[i], from, to, result, done))
            return false;
    }
    return true;
}

bool import_layout(struct import *im, const char *from, bool owned, const char *to, struct layout_result *result)
{
    *result = (struct layout_result){ .embedding = false };
    struct gguf_init_params params = { .no_alloc = true };
    struct gguf_context *gguf = gguf_init_from_file(from, params);
    if (gguf == NULL)
        return import_fail(im, "NotAModel", "the file is not a GGUF file, or it is damaged");
    enum ggml_type type = dominant_type(gguf);
    bool fine = describe_header(im, gguf, result);
    gguf_free(gguf);
    struct llama_model *model = fine ? load(im, from) : NULL;
    if (model == NULL)
        return false;
    describe_model(model, result);
    bool done = false;
    if (!im->keep_layout && is_slow(type))
        fine = try_layouts(im, model, type, from, to, result, &done);
    llama_model_free(model);
    if (!fine)
        return false;
    if (done && owned)
        unlink(from);
    return done || take_file(im, from, owned, to);
}
