#include "elastic/chunking.h"

#include "elastic/fields.h"

#define SCOPE           "chunking_settings"
#define SIZE_DEFAULT    250
#define SIZE_MOST       300
#define SENTENCE_LEAST  20
#define WORD_LEAST      10
#define OVERLAP_DEFAULT 100

static const char *const strategies[] = {
    [CHUNK_SENTENCE] = "sentence", [CHUNK_WORD] = "word", [CHUNK_RECURSIVE] = "recursive", [CHUNK_NONE] = "none"
};

/* Regular expressions: a line end that stands alone is one that no other touches. */
static const struct view plaintext[] = { VIEW_INIT("(?<!\\n)\\n\\n(?!\\n)"), VIEW_INIT("(?<!\\n)\\n(?!\\n)") };
static const struct view markdown[] = {
    VIEW_INIT("\n# "),
    VIEW_INIT("\n## "),
    VIEW_INIT("\n### "),
    VIEW_INIT("\n#### "),
    VIEW_INIT("\n##### "),
    VIEW_INIT("\n###### "),
    VIEW_INIT("\n^(?!\\s*$).*\\n-{1,}\\n"),
    VIEW_INIT("\n^(?!\\s*$).*\\n={1,}\\n"),
};

void chunking_defaults(struct chunking *out)
{
    *out = (struct chunking){ .strategy = CHUNK_SENTENCE, .max_chunk_size = SIZE_DEFAULT, .sentence_overlap = 1 };
}

static void take_size(struct fields *fields, int64_t least, struct chunking *out)
{
    out->max_chunk_size = SIZE_DEFAULT;
    bool old = fields_between(fields, "max_chunking_size", least, SIZE_MOST, &out->max_chunk_size);
    if (fields_between(fields, "max_chunk_size", least, SIZE_MOST, &out->max_chunk_size) && old)
        error_problem(fields->error, "[" SCOPE "] max_chunk_size and max_chunking_size are one setting: give one of them");
}

static void read_sentence(struct fields *fields, struct chunking *out)
{
    take_size(fields, SENTENCE_LEAST, out);
    out->sentence_overlap = 1;
    if (fields_integer(fields, "sentence_overlap", &out->sentence_overlap) && (out->sentence_overlap < 0 || out->sentence_overlap > 1))
        error_problem(fields->error, "sentence_overlap[%lld] must be either 0 or 1", (long long)out->sentence_overlap);
}

static void read_word(struct fields *fields, struct chunking *out)
{
    take_size(fields, WORD_LEAST, out);
    int64_t most = out->max_chunk_size / 2;
    out->overlap = most < OVERLAP_DEFAULT ? most : OVERLAP_DEFAULT;
    fields_between(fields, "overlap", 1, most, &out->overlap);
}

static void read_separators(struct fields *fields, const struct json *list, struct chunking *out)
{
    struct elastic_error *error = fields->error;
    size_t count = json_size(list);
    if (!json_is(list, JSON_ARRAY)) {
        error_problem(error, "field [separators] is not of the expected type. The value [%s] cannot be converted to a [List]",
                      java_text(error->arena, list));
        return;
    }
    if (count == 0 || count > CHUNK_SEPARATORS_MAX) {
        error_problem(error, count == 0 ? "[" SCOPE "] separators must not be an empty list"
                                        : "[" SCOPE "] separators must not have more than 100 elements");
        return;
    }
    struct view *separators = ARENA_ARRAY(error->arena, struct view, count);
    struct json_iter it = json_iter(list);
    while (separators != NULL && json_next(&it)) {
        if (!json_is(it.value, JSON_STRING) || json_string(it.value).len == 0)
            error_problem(error, "[" SCOPE "] each of the separators must be a non-empty string");
        separators[it.index] = json_string(it.value);
    }
    out->separators = separators;
    out->separator_count = separators != NULL ? count : 0;
}

static void read_recursive(struct fields *fields, struct chunking *out)
{
    take_size(fields, WORD_LEAST, out);
    const struct json *list = fields_take(fields, "separators");
    struct view group = VIEW("");
    bool named = fields_string(fields, "separator_group", false, &group);
    out->separators = plaintext;
    out->separator_count = sizeof(plaintext) / sizeof(plaintext[0]);
    if (list != NULL && named) {
        error_problem(fields->error, "Recursive chunking settings can not have both separators and separator_group");
    } else if (list != NULL) {
        read_separators(fields, list, out);
    } else if (view_is(group, "markdown")) {
        out->separators = markdown;
        out->separator_count = sizeof(markdown) / sizeof(markdown[0]);
    } else if (named && !view_is(group, "plaintext")) {
        error_problem(fields->error, "[" SCOPE "] Invalid value [" VIEW_FMT "] received. [separator_group] must be one of "
                                     "[markdown, plaintext]",
                      VIEW_ARG(group));
    }
}

static bool find_strategy(struct view name, enum chunking_strategy *out)
{
    for (int i = CHUNK_SENTENCE; i <= CHUNK_NONE; i++) {
        if (view_is(name, strategies[i])) {
            *out = (enum chunking_strategy)i;
            return true;
        }
    }
    return false;
}

bool chunking_read(const struct json *settings, struct elastic_error *error, struct chunking *out)
{
    static void (*const readers[])(struct fields *, struct chunking *) = {
        [CHUNK_SENTENCE] = read_sentence, [CHUNK_WORD] = read_word, [CHUNK_RECURSIVE] = read_recursive
    };
    static const char *const titles[] = { "Sentence based", "Word based", "Recursive", "None" };
    chunking_defaults(out);
    if (json_size(settings) == 0)
        return true;
    struct fields fields;
    fields_init(&fields, settings, SCOPE, error);
    const struct json *strategy = fields_take(&fields, "strategy");
    if (strategy == NULL)
        return error_set(error, 400, ERROR_ARGUMENT, "Can't generate Chunker without ChunkingStrategy provided");
    if (!find_strategy(json_string(strategy), &out->strategy))
        return error_set(error, 400, ERROR_ARGUMENT, "Invalid chunkingStrategy %s", java_text(error->arena, strategy));

    unsigned before = error->problems;
    out->sentence_overlap = 0;
    if (out->strategy == CHUNK_NONE)
        out->max_chunk_size = 0;
    else
        readers[out->strategy](&fields, out);
    const char *left = fields_left(&fields);
    if (left != NULL)
        error_problem(error, "%s chunking settings can not have the following settings: [%s]", titles[out->strategy], left);
    return error->problems == before;
}

void chunking_write(const struct chunking *chunking, struct json_writer *out)
{
    json_object(out);
    json_put_cstr(out, "strategy", strategies[chunking->strategy]);
    if (chunking->strategy != CHUNK_NONE)
        json_put_i64(out, "max_chunk_size", chunking->max_chunk_size);
    if (chunking->strategy == CHUNK_SENTENCE)
        json_put_i64(out, "sentence_overlap", chunking->sentence_overlap);
    if (chunking->strategy == CHUNK_WORD)
        json_put_i64(out, "overlap", chunking->overlap);
    if (chunking->strategy == CHUNK_RECURSIVE) {
        json_key(out, "separators");
        json_array(out);
        for (size_t i = 0; i < chunking->separator_count; i++)
            json_write_string(out, chunking->separators[i]);
        json_end(out);
    }
    json_end(out);
}
