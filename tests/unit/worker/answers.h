/* answers.h - one request and its answer, for tests of chat: renders, checks the grammar token by token, parses, collects. */
#ifndef CRATON_UNIT_ANSWERS_H
#define CRATON_UNIT_ANSWERS_H

#include "vocab.h"

#include "worker/chat.h"

struct answer {
    struct buf text, reasoning, calls; /* calls: "name({...});" for each, in order */
    unsigned fragments;
    bool open; /* a call has begun */
    bool whole_characters;
    enum chat_status status;
    unsigned tool_calls;
};

static inline void answer_emit(void *ctx, const struct gen_delta *delta)
{
    struct answer *answer = ctx;
    switch (delta->type) {
    case GEN_TEXT:
        buf_append_view(&answer->text, delta->text);
        break;
    case GEN_REASONING:
        buf_append_view(&answer->reasoning, delta->text);
        break;
    case GEN_TOOL_START:
        assert_true(delta->id.len > 8);
        buf_append_cstr(&answer->calls, answer->open ? ");" : "");
        buf_append_view(&answer->calls, delta->name);
        buf_append_byte(&answer->calls, '(');
        answer->open = true;
        break;
    case GEN_TOOL_ARGUMENTS:
        assert_true(answer->open);
        buf_append_view(&answer->calls, delta->text);
        answer->fragments++;
        break;
    case GEN_BEGIN:
        fail_msg("a parser does not begin a generation");
    }
}

/* Feeds bytes in pieces of `piece`. */
static inline struct answer answer_parse(const struct chat_prompt *prompt, struct view bytes, size_t piece, bool cut)
{
    struct answer answer = { .status = CHAT_OK };
    buf_init(&answer.text, 1u << 20);
    buf_init(&answer.reasoning, 1u << 20);
    buf_init(&answer.calls, 1u << 20);
    struct chat_parser *parser = chat_parser_create(prompt, answer_emit, &answer);
    assert_non_null(parser);
    for (size_t at = 0; at < bytes.len && answer.status == CHAT_OK; at += piece)
        answer.status = chat_parser_feed(parser, view_first(view_from(bytes, at), piece));
    if (answer.status == CHAT_OK)
        answer.status = chat_parser_finish(parser, cut);
    buf_append_cstr(&answer.calls, answer.open ? ");" : "");
    answer.tool_calls = chat_parser_tool_calls(parser);
    chat_parser_destroy(parser);
    return answer;
}

static inline void answer_free(struct answer *answer)
{
    buf_free(&answer->text);
    buf_free(&answer->reasoning);
    buf_free(&answer->calls);
}

/* Whether the prompt's grammar allows this answer and then its end. */
static inline bool answer_allowed(const struct chat_prompt *prompt, struct view bytes)
{
    const struct llama_vocab *vocab = llama_model_get_vocab(test_model);
    struct grammar *grammar;
    llama_token tokens[4096];
    assert_int_equal(grammar_create(prompt, &grammar, NULL), CHAT_OK);
    if (grammar == NULL)
        return true;
    int32_t count = llama_tokenize(vocab, bytes.ptr, (int32_t)bytes.len, tokens, (int32_t)COUNT_OF(tokens), false, true);
    assert_true(count >= 0);
    bool fine = true;
    for (int32_t i = 0; i < count && fine; i++)
        fine = grammar_accept(grammar, tokens[i]);
    fine = fine && grammar_allows(grammar, llama_vocab_eos(vocab));
    grammar_destroy(grammar);
    return fine;
}

static inline const struct json *test_json(struct arena *arena, const char *text)
{
    const struct json *json = json_parse(arena, view_from_cstr(text), JSON_DEPTH_DEFAULT, NULL);
    assert_non_null(json);
    return json;
}

#define TEXT_PART(words)                            \
    {                                               \
        .type = CHAT_TEXT, .text = VIEW_INIT(words) \
    }
#define WEATHER_SCHEMA                                                                                                    \
    "{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"},\"days\":{\"type\":\"integer\",\"minimum\":1}}," \
    "\"required\":[\"city\"]}"

#endif
