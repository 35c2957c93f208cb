#include "bert_reference.h"

#include <ctype.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 40000

struct bert {
    unsigned layers, heads, hidden, inner;
    char *weights; /* the whole safetensors file */
    size_t weights_size;
    char *words[WORDS_MAX]; /* vocab.txt */
    int word_count;
};

static char *read_all(const char *folder, const char *name, size_t *size)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return NULL;
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    char *bytes = malloc(*size + 1);
    if (bytes != NULL && fread(bytes, 1, *size, file) == *size)
        bytes[*size] = '\0';
    fclose(file);
    return bytes;
}

struct bert *bert_open(const char *folder, unsigned layers, unsigned heads, unsigned hidden, unsigned inner)
{
    struct bert *bert = calloc(1, sizeof *bert);
    size_t size;
    if (bert == NULL)
        return NULL;
    *bert = (struct bert){ .layers = layers, .heads = heads, .hidden = hidden, .inner = inner };
    bert->weights = read_all(folder, "model.safetensors", &bert->weights_size);
    char *vocabulary = read_all(folder, "vocab.txt", &size);
    if (bert->weights == NULL || vocabulary == NULL) {
        free(vocabulary);
        bert_close(bert);
        return NULL;
    }
    char *rest = vocabulary, *line;
    while ((line = strsep(&rest, "\n")) != NULL && bert->word_count < WORDS_MAX)
        bert->words[bert->word_count++] = strdup(line);
    free(vocabulary);
    return bert;
}

void bert_close(struct bert *bert)
{
    for (int i = 0; i < bert->word_count; i++)
        free(bert->words[i]);
    free(bert->weights);
    free(bert);
}

/* ---- tokens ---- */

static int word_id(const struct bert *bert, const char *word)
{
    for (int i = 0; i < bert->word_count; i++)
        if (strcmp(bert->words[i], word) == 0)
            return i;
    return -1;
}

/* The longest piece first, as WordPiece is defined. */
static size_t word_pieces(const struct bert *bert, const char *word, int *ids, size_t room)
{
    size_t len = strlen(word), at = 0, count = 0;
    while (at < len && count < room) {
        int id = -1;
        size_t end = len;
        for (; end > at && id < 0; end--) {
            char piece[128];
            snprintf(piece, sizeof piece, "%s%.*s", at > 0 ? "##" : "", (int)(end - at), word + at);
            id = word_id(bert, piece);
        }
        if (id < 0) {
            ids[0] = word_id(bert, "[UNK]");
            return 1;
        }
        ids[count++] = id;
        at = end + 1;
    }
    return count;
}

size_t bert_tokenize(const struct bert *bert, const char *text, int *ids)
{
    size_t count = 0;
    ids[count++] = word_id(bert, "[CLS]");
    while (*text != '\0' && count < BERT_TOKENS_MAX - 1) {
        char word[100];
        size_t len = 0;
        if (isspace((unsigned char)*text)) {
            text++;
            continue;
        }
        if (ispunct((unsigned char)*text)) {
            word[len++] = *text++;
        } else {
            while (len < sizeof word - 1 && isalnum((unsigned char)*text))
                word[len++] = (char)tolower((unsigned char)*text++);
        }
        word[len] = '\0';
        count += word_pieces(bert, word, ids + count, BERT_TOKENS_MAX - 1 - count);
    }
    ids[count++] = word_id(bert, "[SEP]");
    return count;
}

/* ---- weights: found by searching the header's text ---- */

static const float *tensor(const struct bert *bert, const char *name)
{
    char key[160];
    uint64_t header, begin = 0;
    memcpy(&header, bert->weights, 8);
    snprintf(key, sizeof key, "\"%s\":{", name);
    const char *entry = memmem(bert->weights + 8, (size_t)header, key, strlen(key));
    const char *offsets = entry != NULL ? strstr(entry, "\"data_offsets\":[") : NULL;
    if (offsets == NULL)
        return NULL;
    begin = strtoull(offsets + 16, NULL, 10);
    return (const float *)(const void *)(bert->weights + 8 + header + begin);
}

static const float *layer_tensor(const struct bert *bert, unsigned layer, const char *name)
{
    char full[160];
    snprintf(full, sizeof full, "encoder.layer.%u.%s", layer, name);
    return tensor(bert, full);
}

/* The file does not align its tensors. */
static float at(const float *values, size_t index)
{
    float value;
    memcpy(&value, (const char *)values + index * sizeof value, sizeof value);
    return value;
}

/* ---- the encoder ---- */

static void linear(const float *weight, const float *bias, const double *in, size_t in_size, double *out, size_t out_size)
{
    for (size_t o = 0; o < out_size; o++) {
        double sum = at(bias, o);
        for (size_t i = 0; i < in_size; i++)
            sum += (double)at(weight, o * in_size + i) * in[i];
        out[o] = sum;
    }
}

static void normalise(const float *weight, const float *bias, double *x, size_t size)
{
    double mean = 0, variance = 0;
    for (size_t i = 0; i < size; i++)
        mean += x[i] / (double)size;
    for (size_t i = 0; i < size; i++)
        variance += (x[i] - mean) * (x[i] - mean) / (double)size;
    for (size_t i = 0; i < size; i++)
        x[i] = (x[i] - mean) / sqrt(variance + 1e-12) * at(weight, i) + at(bias, i);
}

static void attend(const struct bert *bert, const double *q, const double *k, const double *v, size_t count, double *out)
{
    size_t hidden = bert->hidden, width = hidden / bert->heads;
    double scores[BERT_TOKENS_MAX];
    for (unsigned head = 0; head < bert->heads; head++)
        for (size_t t = 0; t < count; t++) {
            double max = -INFINITY, sum = 0;
            for (size_t s = 0; s < count; s++) {
                scores[s] = 0;
                for (size_t i = 0; i < width; i++)
                    scores[s] += q[t * hidden + head * width + i] * k[s * hidden + head * width + i] / sqrt((double)width);
                max = scores[s] > max ? scores[s] : max;
            }
            for (size_t s = 0; s < count; s++)
                sum += scores[s] = exp(scores[s] - max);
            for (size_t i = 0; i < width; i++) {
                double mixed = 0;
                for (size_t s = 0; s < count; s++)
                    mixed += scores[s] / sum * v[s * hidden + head * width + i];
                out[t * hidden + head * width + i] = mixed;
            }
        }
}

static void encode(const struct bert *bert, unsigned layer, double *x, size_t count)
{
    size_t hidden = bert->hidden, inner = bert->inner;
    double *q = calloc(5 * count * hidden + inner, sizeof *q), *k = q + count * hidden, *v = k + count * hidden,
           *mixed = v + count * hidden, *out = mixed + count * hidden, *wide = out + count * hidden;
    for (size_t t = 0; t < count; t++) {
        const double *row = x + t * hidden;
        linear(layer_tensor(bert, layer, "attention.self.query.weight"), layer_tensor(bert, layer, "attention.self.query.bias"),
               row, hidden, q + t * hidden, hidden);
        linear(layer_tensor(bert, layer, "attention.self.key.weight"), layer_tensor(bert, layer, "attention.self.key.bias"), row,
               hidden, k + t * hidden, hidden);
        linear(layer_tensor(bert, layer, "attention.self.value.weight"), layer_tensor(bert, layer, "attention.self.value.bias"),
               row, hidden, v + t * hidden, hidden);
    }
    attend(bert, q, k, v, count, mixed);
    for (size_t t = 0; t < count; t++) {
        double *row = x + t * hidden, *projected = out + t * hidden;
        linear(layer_tensor(bert, layer, "attention.output.dense.weight"), layer_tensor(bert, layer, "attention.output.dense.bias"),
               mixed + t * hidden, hidden, projected, hidden);
        for (size_t i = 0; i < hidden; i++)
            row[i] += projected[i];
        normalise(layer_tensor(bert, layer, "attention.output.LayerNorm.weight"),
                  layer_tensor(bert, layer, "attention.output.LayerNorm.bias"), row, hidden);
        linear(layer_tensor(bert, layer, "intermediate.dense.weight"), layer_tensor(bert, layer, "intermediate.dense.bias"), row,
               hidden, wide, inner);
        for (size_t i = 0; i < inner; i++)
            wide[i] = 0.5 * wide[i] * (1 + erf(wide[i] / sqrt(2)));
        linear(layer_tensor(bert, layer, "output.dense.weight"), layer_tensor(bert, layer, "output.dense.bias"), wide, inner,
               projected, hidden);
        for (size_t i = 0; i < hidden; i++)
            row[i] += projected[i];
        normalise(layer_tensor(bert, layer, "output.LayerNorm.weight"), layer_tensor(bert, layer, "output.LayerNorm.bias"), row, hidden);
    }
    free(q);
}

bool bert_embed(const struct bert *bert, const int *ids, size_t count, float *out)
{
    const float *words = tensor(bert, "embeddings.word_embeddings.weight"), *places = tensor(bert, "embeddings.position_embeddings.weight");
    const float *types = tensor(bert, "embeddings.token_type_embeddings.weight");
    if (words == NULL || places == NULL || types == NULL)
        return false;
    size_t hidden = bert->hidden;
    double *x = calloc(count * hidden, sizeof *x), length = 0;
    for (size_t t = 0; t < count; t++) {
        for (size_t i = 0; i < hidden; i++)
            x[t * hidden + i] = (double)at(words, (size_t)ids[t] * hidden + i) + at(places, t * hidden + i) + at(types, i);
        normalise(tensor(bert, "embeddings.LayerNorm.weight"), tensor(bert, "embeddings.LayerNorm.bias"), x + t * hidden, hidden);
    }
    for (unsigned layer = 0; layer < bert->layers; layer++)
        encode(bert, layer, x, count);
    double *mean = calloc(hidden, sizeof *mean);
    for (size_t i = 0; i < hidden; i++) {
        for (size_t t = 0; t < count; t++)
            mean[i] += x[t * hidden + i] / (double)count;
        length += mean[i] * mean[i];
    }
    for (size_t i = 0; i < hidden; i++)
        out[i] = (float)(mean[i] / sqrt(length));
    free(mean);
    free(x);
    return true;
}
